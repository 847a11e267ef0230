"""The normal distribution in intervals."""

from __future__ import annotations

__all__ = ["NORMAL_90"]

NORMAL_90 = 1.6448536269514722
"""Half the width of a 90 % interval, in standard errors: the normal quantile of 0.95."""
