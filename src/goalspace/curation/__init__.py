"""What instruction embeddings are for: task labels, selection, demonstrations, compression, correlation."""
