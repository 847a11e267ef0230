"""Demand on public logs: elasticities beside published ones, and forecasts of held-out weeks beside other methods."""
