"""Off-policy value against known truth, and on a public log of two policies."""
