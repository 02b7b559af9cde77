"""Encoders turn texts into vectors: the Encoder protocol and get_encoder(spec)."""

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder

__all__ = ["Encoder", "encode_in_chunks", "get_encoder"]
