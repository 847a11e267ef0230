"""Whether and when a customer buys, judged out of time on public logs."""
