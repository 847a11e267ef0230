"""The worlds: every file in this folder is one, holds it as `WORLD`, and gives it its name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from flashlift.errors import SettingsError
from flashlift.market.law import World

__all__ = ["WORLDS", "world_named"]

WORLDS: tuple[str, ...] = tuple(sorted(module.name for module in iter_modules(__path__)))


def world_named(name: str) -> World:
    """The world of that name.

    Raises:
        SettingsError: there is none.
    """
    if name not in WORLDS:
        raise SettingsError(f"market world is {name!r}. Choose one of {', '.join(WORLDS)}.")
    world: World = import_module(f"{__name__}.{name}").WORLD
    return world
