from __future__ import annotations

from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.demand_real import journey, loss_leaders, prices, walmart
from benchmarks.demand_real.__main__ import main
from benchmarks.demand_real.dominicks import BEER, ORANGE_JUICE, Study
from tests.benchmarks.test_demand_real import WEEKS, scanner_log


def test_every_method_forecasts_every_origin_and_the_missing_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(title="made", needs="", published={}, horizon=10, origins=(80, 90))
    table = prices.forecasts(study, scanner_log(5))
    assert sorted({origin or 0 for origin in table["origin"]}) == [0, 80, 90]
    whole = table.filter(pl.col("origin").is_null())
    deviance = dict(zip(whole["model"], whole["deviance"], strict=True))
    level = deviance["mean of the item's last 13 quiet weeks"]
    assert deviance["flashlift"] < 0.6 * level
    assert deviance["flashlift's response on a weekly baseline"] < 0.6 * level
    if find_spec("econml") is None:
        assert "LinearDML is left out" in capsys.readouterr().out
    else:
        assert "LinearDML (EconML)" in deviance


def write_juice(folder: Path) -> None:
    """Three brands at two stores, units exactly price to the power of -2."""
    rng = np.random.default_rng(0)
    rows = []
    for brand in (1, 5, 10, 11):
        for store in (2, 5):
            price = rng.uniform(0.02, 0.06, WEEKS)
            others = {f"price{k}": price if k == brand else np.full(WEEKS, 0.03) for k in range(1, 12)}
            units = np.round(20_000 * (64 * price) ** -2.0)
            rows.append(
                pl.DataFrame(
                    {"store": store, "brand": brand, "week": np.arange(40, 40 + WEEKS), "logmove": np.log(64 * units),
                     "deal": 0, "feat": 0.0} | others
                )
            )  # fmt: skip
    folder.mkdir()
    pl.concat(rows).write_parquet(folder / "oj_yx.parquet")


def test_the_published_regression_is_run_on_the_brands_it_names(tmp_path: Path) -> None:
    write_juice(tmp_path / "dominicks_orange_juice")
    table = ORANGE_JUICE.replicated(tmp_path).filter(pl.col("model") != "published")
    assert table["brand"].to_list() == ["dominicks", "minute.maid", "tropicana"]
    assert table["elasticity"].to_list() == pytest.approx([-2.0] * 3, abs=0.02)  # prices are rounded to cents
    rows = ORANGE_JUICE.read(tmp_path, 1)
    assert rows["store"].unique().to_list() == [2]
    assert set(rows["brand"]) == {"dominicks", "minute.maid", "tropicana"}


def test_beer_keeps_what_was_sold_nearly_every_week(tmp_path: Path) -> None:
    folder = tmp_path / "dominicks_beer"
    folder.mkdir()
    weeks = np.arange(91, 291)
    steady = pl.DataFrame({"STORE": "8", "UPC": "1", "WEEK": weeks, "PRICE": 5.0, "MOVE": 3})
    gaps = steady.filter(pl.col("WEEK") % 2 == 0).with_columns(UPC=pl.lit("2"))
    wrong = steady.with_columns(UPC=pl.lit("3"), PRICE=pl.lit(0.01))
    every = pl.concat([steady, gaps, wrong]).with_columns(pl.col("WEEK").cast(pl.String).cast(pl.Categorical))
    every.write_parquet(folder / "wber.parquet")
    pl.DataFrame({"rownames": ["1", "2"], "DESCRIP": ["MILLER LITE", "COORS"]}).write_parquet(folder / "upc.parquet")
    rows = BEER.read(tmp_path, None)
    assert rows["item"].unique().to_list() == ["1@8"]
    assert rows["brand"].unique().to_list() == ["miller"]


def test_a_year_that_repeats_itself_is_known_to_the_seasonal_naive_forecast(tmp_path: Path) -> None:
    folder = tmp_path / "walmart_markdown"
    folder.mkdir()
    rng = np.random.default_rng(0)
    days = [(date(2010, 2, 5) + timedelta(weeks=k)).isoformat() for k in range(143)]
    rows, facts = [], []
    for store in (5, 10, 11):
        facts.append(pl.DataFrame({"Store": store, "Date": days} | {f"MarkDown{k}": None for k in range(1, 6)}))
        for dept in (1, 2):
            year = 20_000 * np.exp(0.3 * rng.standard_normal(52))
            sales = np.tile(year, 3)[:143]
            holiday = np.arange(143) % 52 == 42
            rows.append(
                pl.DataFrame({"Store": store, "Dept": dept, "Date": days, "Weekly_Sales": sales, "IsHoliday": holiday})
            )
    pl.concat(rows).write_parquet(folder / "train.parquet")
    pl.concat(facts).cast({f"MarkDown{k}": pl.Float64 for k in range(1, 6)}).write_parquet(folder / "features.parquet")
    pl.DataFrame({"Store": [5, 10, 11], "Type": "A", "Size": 100}).write_parquet(folder / "stores.parquet")
    read = walmart.read(tmp_path)
    assert read["store"].unique().sort().to_list() == [5, 10]
    table = walmart.forecasts(read)
    whole = table.filter(pl.col("origin").is_null())
    wmae = dict(zip(whole["model"], whole["wmae"], strict=True))
    assert wmae["seasonal naive"] == pytest.approx(0, abs=1e-6)
    assert 0 < wmae["flashlift"] < 20_000
    assert 0 < wmae["LightGBM"] < wmae["flashlift"]


def test_costs_of_the_lines_reach_the_items_of_a_sale(tmp_path: Path) -> None:
    folder = tmp_path / "ta_feng"
    folder.mkdir()
    days = [date(2000, 11, 1) + timedelta(days=k) for k in range(60)]
    dear = pl.DataFrame({"TRANSACTION_DT": days, "PRODUCT_ID": "leader", "ASSET": 24.0, "SALES_PRICE": 20.0})
    fair = dear.with_columns(PRODUCT_ID=pl.lit("fair"), SALES_PRICE=pl.lit(30.0))
    lines = pl.concat([dear, fair, fair.with_columns(PRODUCT_ID=pl.lit("other"))]).with_columns(
        CUSTOMER_ID=pl.lit("c"), AGE_GROUP=pl.lit("30-34"), PIN_CODE=pl.lit("115"), PRODUCT_SUBCLASS=pl.lit("1"),
        AMOUNT=pl.lit(2, pl.Int64),
    )  # fmt: skip
    lines.write_parquet(folder / "ta_feng.parquet")
    table = loss_leaders.margins(tmp_path)
    rows = {row["what"]: (row["file"], row["flashlift"]) for row in table.iter_rows(named=True)}
    assert rows["share of lines below cost"] == pytest.approx((1 / 3, 1 / 3))
    assert rows["margin of all sales"] == pytest.approx((8 / 80, 8 / 80))
    assert rows["items whose usual price of the last 28 days is below cost"] == (1, 1)
    assert rows["of the file's, flagged by flashlift"] == (1, 1)


def test_lifts_of_shown_and_unshown_sales_are_told_apart() -> None:
    rng = np.random.default_rng(4)
    rows = []
    for item in range(40):
        kind = rng.choice(["none", "cut", "shown"], 40, p=[0.6, 0.2, 0.2])
        depth = np.where(kind == "none", 0.0, rng.choice([0.1, 0.2, 0.3], 40))
        lift = np.where(kind == "shown", 1.5, 1.0) * (1 - depth) ** -2.0
        units = np.maximum(rng.poisson(40 * lift), 1)
        rows.append(
            pl.DataFrame(
                {"item": str(item), "brand": str(item % 4), "store": 0, "week": np.arange(40), "units": units,
                 "price": 2 * (1 - depth), "usual": 2.0, "deal": kind == "shown", "feat": False,
                 "promoted": kind != "none", "depth": depth}
            )
        )  # fmt: skip
    table = journey.lifts(pl.concat(rows))
    for sales, shown in (("display or mailer", 1.5), ("price cut alone", 1.0)):
        for row in table.filter(pl.col("sales") == sales).iter_rows(named=True):
            truth = shown * (1 - row["discount_frac"]) ** -2.0
            slack = 0.1 if row["model"].startswith("OLS") else 0.25  # flashlift's prior of the lift of being shown
            assert row["lift"] == pytest.approx(truth, rel=slack)


def test_without_data_nothing_runs_and_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demand_real", "--data", str(tmp_path), "--sets", "beer"])
    assert main() == 1
    assert "dominicks_beer/wber.parquet is missing" in capsys.readouterr().out
