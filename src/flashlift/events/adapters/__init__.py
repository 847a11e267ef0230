"""Ready-made mappings of public log formats, one file for each."""
