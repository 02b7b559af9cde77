"""Benchmarks: the papers' experiments, the uses, speed and memory."""
