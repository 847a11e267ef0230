"""Which designs of a test tell the truth about a price, when stock is limited and the worlds are what they are."""
