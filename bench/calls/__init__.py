"""Benchmarks of paid calls: the cap, processes that are killed, throughput, memory."""
