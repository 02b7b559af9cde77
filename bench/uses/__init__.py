"""What users do with goalspace: instruction data, tiny benchmarks, runs without an LLM."""
