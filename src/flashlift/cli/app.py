"""The application: its options, its log, and errors in one sentence with an exit code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.logging import RichHandler
from rich.markup import escape
from typer.core import TyperGroup

from flashlift.errors import FlashliftError
from flashlift.screen import err, out

if TYPE_CHECKING:
    from flashlift.settings import Settings

__all__ = ["DEFAULT", "SettingsFile", "app", "load"]


class _Group(TyperGroup):
    """Turns flashlift's own errors into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FlashliftError as error:
            err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            err.print("Interrupted. Finished stages are kept; the same command goes on from there.")
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="From a shop's event log to a flash sale that earns more.\n\n"
    "Try it on the bundled data: [bold]flashlift demo[/]",
)

SettingsFile = Annotated[
    Path, typer.Option("--settings", "-s", help="Settings file (TOML); docs/settings.md describes it.")
]
DEFAULT = Path("flashlift.toml")


def load(path: Path) -> Settings:
    """The settings of a shop."""
    from flashlift.settings import load_settings

    return load_settings(path)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out.print(version("flashlift"))
        raise typer.Exit


@app.callback()
def _main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell more on the way.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_path=False)],
        force=True,
    )
