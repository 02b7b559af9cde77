"""Vectors: geometry, cosines, nearest neighbours, duplicates, projection."""
