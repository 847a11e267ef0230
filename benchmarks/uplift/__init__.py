"""Uplift on a public randomized test, beside other libraries, in the same splits."""
