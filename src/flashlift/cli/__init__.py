"""The command line: every stage by name, errors in one sentence, a bar on whatever takes long."""

from flashlift.cli import build, debriefs, experiments, plans, questions  # noqa: F401  (they put their commands into the application)
from flashlift.cli.app import app

__all__ = ["app"]
