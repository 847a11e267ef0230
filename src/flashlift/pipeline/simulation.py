"""A shop with known truth, and the judgment of a plan made for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from flashlift import artifacts, market, planning
from flashlift.errors import ArtifactError, OutputError
from flashlift.pipeline.shop import Shop
from flashlift.protocols import Progress, silent
from flashlift.settings import load_settings

__all__ = ["judge", "simulate"]

FUTURES = 400
CLAIRVOYANT_DRAWS = 4_000  # with few, the best of many offers is the luckiest one, and a clairvoyant has no excuse
TABLES = ("events", "items", "history", "promotions", "customers")
SETTINGS = """\
# A simulated shop with known truth. Customers, items and prices are invented.
[shop]
name = "Simulated shop {seed}"
currency = "EUR"
work = "work"

[cleaning]
now = {now}

{sources}
[campaign]
days = 2
slots = [
  {{ at = 10:00:00, hours = 4, positions = 5 }},
  {{ at = 18:00:00, hours = 4, positions = 5 }},
]
"""
SOURCE = """\
[[sources]]
format = "parquet"
path = "tables/{table}.parquet"
"""


def simulate(folder: Path, config: market.MarketConfig, *, seed: int, progress: Progress = silent) -> Path:
    """Write a shop's tables, what is needed to make it again, and settings to run on it. Returns the settings file.

    Args:
        folder: where to.
        config: size and world.
        seed: another seed is another shop.
        progress: told how far it is.

    Raises:
        OutputError: the folder holds settings already, or cannot be written.
        SettingsError: there is no such world.
    """
    settings = folder / "flashlift.toml"
    if settings.exists():
        raise OutputError(f"{settings} exists already. Choose another folder, or delete it for a new shop.")
    shop = market.simulate(config, seed=seed, progress=progress)
    shop.write(folder / "tables")
    tables = TABLES + ("ties",) * bool(config.ties_mean) + ("stores",) * bool(config.store_frac)
    sources = "\n".join(SOURCE.format(table=table) for table in tables)
    artifacts.write_text(settings, SETTINGS.format(seed=seed, now=shop.now.isoformat(), sources=sources))
    made = asdict(config) | {"now": config.now.isoformat(), "seed": seed}
    artifacts.write_text(folder / "market.json", json.dumps(made, indent=1) + "\n")
    return settings


def judge(folder: Path, progress: Progress = silent) -> pl.DataFrame:
    """Play the plan made for a simulated shop, the clairvoyant plan, and the rules of thumb in its true future.

    Returns:
        plan, value, ci_lower, ci_upper (expected V and its Monte-Carlo interval), share_of_clairvoyant.

    Raises:
        ArtifactError: no simulated shop here, or no plan for it.
    """
    try:
        made = json.loads((folder / "market.json").read_text())
        seed, now = made.pop("seed"), datetime.fromisoformat(made.pop("now"))
        world = market.simulate(market.MarketConfig(now=now, **made), seed=seed, progress=progress)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder} holds no simulated shop. Run `flashlift simulate {folder}` first.") from error
    settings = load_settings(folder / "flashlift.toml")
    shop = Shop.open(settings)
    shop.need("plan")
    saved = planning.load_plan(shop.folder / "plan")
    campaign = saved.campaign
    items = world.sale_items
    truth = world.truth.draw(items, campaign.slots, CLAIRVOYANT_DRAWS, rng=np.random.default_rng(0))
    plans = {
        "flashlift": saved.plan,
        "clairvoyant": planning.solve(campaign, items, truth, progress=progress),
        "best sellers at 20 %": planning.best_sellers(campaign, items, truth, discount=0.2),
        "slow movers at 40 %": planning.slow_movers(campaign, items, truth, discount=0.4),
    }
    values = {
        name: world.run(one.offers, campaign.slots, campaign.costs, seed=0, n_futures=FUTURES, with_events=False).value
        for name, one in plans.items()
    }
    top = values["clairvoyant"].value
    return pl.DataFrame(
        [(name, v.value, v.ci_lower, v.ci_upper, v.value / top if top > 0 else None) for name, v in values.items()],
        schema={
            "plan": pl.String,
            "value": pl.Float64,
            "ci_lower": pl.Float64,
            "ci_upper": pl.Float64,
            "share_of_clairvoyant": pl.Float64,
        },
        orient="row",
    )
