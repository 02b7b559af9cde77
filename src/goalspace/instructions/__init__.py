"""Instruction data: reading it, labelling, selecting, retrieving, compressing, correlating."""

from goalspace.instructions.dataset import Instructions

__all__ = ["Instructions"]
