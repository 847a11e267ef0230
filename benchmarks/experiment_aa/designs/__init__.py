"""Every file is a design: `NAME`, and `rejections(runs, rng)` that repeats its A/A test and counts what it rejects."""
