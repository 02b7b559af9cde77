"""Instruction data: reading, labelling, selection, retrieval, compression and correlation."""

from goalspace.instructions.dataset import Instructions

__all__ = ["Instructions"]
