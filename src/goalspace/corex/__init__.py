"""A matrix → factors; knows nothing of text."""
