"""What the benchmarks share: data sets, encoders, peers, tables of results and the pages that show them."""
