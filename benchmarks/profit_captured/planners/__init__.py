"""Ways of choosing the offers, one file each; see `benchmarks.profit_captured.case`."""
