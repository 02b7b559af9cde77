"""Run time and memory."""
