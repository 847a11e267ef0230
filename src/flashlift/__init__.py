"""flashlift: from a shop's event log to a flash sale that provably earns more."""

from importlib.metadata import version

__version__ = version("flashlift")
