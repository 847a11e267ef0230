"""Ways of learning demand from the log, one file each; see `benchmarks.profit_captured.case`."""
