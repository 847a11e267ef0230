"""Commands that ask: the trained models, a simulated shop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flashlift.cli.app import DEFAULT, SettingsFile, app, load
from flashlift.screen import bars, out, show, show_curves, show_predictions


@app.command(rich_help_panel="Questions")
def predict(
    settings: SettingsFile = DEFAULT,
    at: Annotated[
        str, typer.Option(help="Moment, such as 2024-05-01 or 2024-05-01T18:00 (UTC); default: end of the log.")
    ] = "",
    customers: Annotated[
        str,
        typer.Option(
            help="The shop's own ids, comma-separated, or a .txt, .csv or .parquet file of them; default: all."
        ),
    ] = "",
    horizons: Annotated[str, typer.Option(help="Hours, comma-separated, up to 720.")] = "24,72,168",
    top: Annotated[int, typer.Option(min=0, help="Items listed for each customer.")] = 10,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A .parquet or .csv file for the whole answer.")
    ] = None,
) -> None:
    """Ask the trained model whether, when and what each customer buys next.

    Example: flashlift predict -s shop.toml --customers 17850,13047 --horizons 24,168 --out predictions.csv
    """
    from flashlift import pipeline

    asked = pipeline.Asked.of(at=at, customers=customers, horizons=horizons, top=top, out=out_file)
    with bars() as progress:
        answer = pipeline.predict(load(settings), asked, progress)
    show_predictions(answer)
    if out_file is not None:
        out.print(f"All {answer.table.height:,} customers: {out_file}", soft_wrap=True)


@app.command(rich_help_panel="Questions")
def curves(
    items: Annotated[list[str], typer.Argument(help="Item ids, as in the shop's log.")],
    settings: SettingsFile = DEFAULT,
    discounts: Annotated[str, typer.Option(help="Percents off the list price, with commas.")] = "0,10,20,30,40,50",
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A .png, .svg or .html chart, or a .csv or .parquet table.")
    ] = None,
) -> None:
    """How many more units at which price: curves with their intervals, from the trained demand model.

    Example: flashlift curves 85123A 22423 -s shop.toml --out curves.png
    """
    from flashlift import pipeline

    answer = pipeline.curves(load(settings), pipeline.AskedCurves.of(items=items, discounts=discounts, out=out_file))
    show_curves(answer)
    if out_file is not None:
        out.print(f"Written: {out_file}", soft_wrap=True)


@app.command(rich_help_panel="Questions")
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder of the simulated shop.")],
    events: Annotated[int, typer.Option(min=1000, help="About how many events to write.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another shop.")] = 0,
    world: Annotated[str, typer.Option(help="How demand works there: a name from docs/worlds.md.")] = "mixture",
    accounts: Annotated[float, typer.Option(min=0, help="Share of customers who buy for a business.")] = 0.0,
    ties: Annotated[float, typer.Option(min=0, help="Mean number of friends of a customer.")] = 0.0,
    stores: Annotated[float, typer.Option(min=0, max=1, help="Share of private purchases in stores.")] = 0.0,
    judge: Annotated[bool, typer.Option("--judge", help="Play the shop's plan and print its true profit.")] = False,
) -> None:
    """Make a shop with known truth, or judge the plan made for it.

    Example: flashlift simulate shop && flashlift run -s shop/flashlift.toml && flashlift simulate shop --judge
    """
    from flashlift import market, pipeline

    if not judge:
        config = market.MarketConfig.sized(
            events, world=world, account_frac=accounts, ties_mean=ties, store_frac=stores
        )
        with bars() as progress:
            settings_file = pipeline.simulate(folder, config, seed=seed, progress=progress)
        out.print(f"Next: flashlift run -s {settings_file}", soft_wrap=True)
        return
    with bars() as progress:
        show(pipeline.judge(folder, progress), "True incremental profit")
