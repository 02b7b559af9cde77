"""Applications of instruction embeddings: task labels, selection, demonstrations, compression, correlation."""
