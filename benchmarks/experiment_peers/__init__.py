"""The analysis of tests beside its peers: speed on 10 million rows, and known results of public tests."""
