"""Small made-up result tables, the shape that the stages produce."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

CATEGORIES = ("home/kitchen", "home/decor", "garden", "toys")
TITLES = ("WHITE HANGING HEART T-LIGHT HOLDER", "REGENCY CAKESTAND 3 TIER", "JUMBO BAG RED RETROSPOT", "PARTY BUNTING")


def title_of(k: int) -> str:
    return f"{TITLES[k % 4]} {k}" if k >= 4 else TITLES[k]


def quality() -> pl.DataFrame:
    return pl.DataFrame(
        {"source": ["online_retail.parquet"], "rows_read": [541_909], "accepted": [524_878], "rejected": [17_031]}
    )


def rules() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "rule": ["service_code", "cancelled", "duplicate", "price_not_positive"],
            "meaning": [
                "postage, fees and test codes are not items",
                "a purchase that was cancelled later",
                "the same row read before",
                "a price of zero or less",
            ],
            "rows": [2_995, 8_905, 5_268, 2_517],
            "share_frac": [0.0055, 0.0164, 0.0097, 0.0046],
        }
    )


def forecast_daily(days: int = 120, held_out: int = 28) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    start = date(2011, 8, 12)
    mean = 14_000 + 4_000 * np.sin(np.arange(days) / 7 * 2 * np.pi) + 40.0 * np.arange(days)
    actual = rng.gamma(30.0, mean / 30.0)
    known = np.arange(days) >= days - held_out - 60
    hide = [None if not k else 1.0 for k in known]
    return pl.DataFrame(
        {
            "date": [start + timedelta(days=k) for k in range(days)],
            "actual": actual,
            "mean": mean,
            "ci_lower": mean * 0.7,
            "ci_upper": mean * 1.33,
        }
    ).with_columns(pl.col("mean", "ci_lower", "ci_upper") * pl.Series(hide))


def curves(items: int = 6) -> pl.DataFrame:
    discounts = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    rows = []
    for k in range(items):
        elasticity = 1.2 + 0.5 * (k % 4)
        for d in discounts:
            lift = (1 - d) ** -elasticity
            rows.append(
                {
                    "item_id": f"{20_000 + k}",
                    "title": None if k == 5 else title_of(k),
                    "discount_frac": float(d),
                    "lift": float(lift),
                    "ci_lower": float(lift**0.6),
                    "ci_upper": float(lift**1.4),
                    "identified": k % 3 != 2,
                }
            )
    return pl.DataFrame(rows)


def elasticities(n: int = 800) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    e = rng.normal(-1.8, 0.6, n)
    return pl.DataFrame(
        {
            "item_id": [str(k) for k in range(n)],
            "category": [CATEGORIES[k % 4] for k in range(n)],
            "elasticity": e,
            "ci_lower": e - 0.5,
            "ci_upper": e + 0.5,
            "n_promotions": rng.integers(0, 6, n),
            "identified": rng.random(n) < 0.3,
        }
    )


def plan_table(offers: int = 12, slots: int = 4) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    start = datetime(2011, 12, 12, 18, tzinfo=UTC)
    price = np.round(rng.gamma(2.0, 3.0, offers) + 0.5, 2)
    discount = rng.choice([0.1, 0.2, 0.3, 0.4], offers)
    units = rng.gamma(3.0, 30.0, offers)
    return pl.DataFrame(
        {
            "slot_id": [f"slot-{1 + k % slots}" for k in range(offers)],
            "start": [start + timedelta(days=k % slots) for k in range(offers)],
            "item_id": [f"{20_000 + k}" for k in range(offers)],
            "title": [None if k == 5 else title_of(k) for k in range(offers)],
            "category": [CATEGORIES[k % 4] for k in range(offers)],
            "list_price": price,
            "price": np.round(price * (1 - discount), 2),
            "discount_frac": discount,
            "quota": np.ceil(units * 1.4).astype(int),
            "expected_units": units,
            "expected_value": np.round(units * price * 0.11, 2),
            "cost_assumed": [True] * offers,
            "stock_assumed": [k % 2 == 0 for k in range(offers)],
            "beyond_frac": [0.0, 0.1] * (offers // 2) + [0.0] * (offers % 2),
            "basis": ["within past sales", "10 points deeper than any past sale"] * (offers // 2)
            + ["within past sales"] * (offers % 2),
        }
    )


def placebo() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "test": ["real sales", "sale days that were none", "items that were not on sale", "future discounts"],
            "statistic": ["units in sales", "units on other days", "units of other items", "units before a sale"],
            "value": [0.92, 0.01, 0.04, -0.21],
            "ci_lower": [0.70, -0.04, -0.08, -0.29],
            "ci_upper": [1.17, 0.06, 0.17, -0.12],
            "verdict": [None, "passed", "undecided", "failed"],
            "consequence": ["The yardstick.", "The baseline is sound.", "The log cannot tell.", "Customers wait."],
        }
    )


def lots() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "basis": ["by lot", "by choice", "both", "by choice against by lot"],
            "quantity": ["elasticity"] * 3 + ["units"],
            "value": [-2.1, -1.6, -1.9, 0.12],
            "ci_lower": [-2.9, -2.0, -2.3, 0.02],
            "ci_upper": [-1.3, -1.2, -1.5, 0.23],
            "n": [40, 600, 640, 600],
            "says": ["By chance.", "Chosen.", "What plans use.", "Chosen sales sold 12% more."],
        }
    )


def lost_sales() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [None, "20001", "20002"],
            "empty_days": [41.5, 30.0, 11.5],
            "units": [9_410.0, 210.0, 95.0],
            "lost_units": [138.0, 120.4, 17.6],
            "ci_lower": [101.2, 88.0, 4.1],
            "ci_upper": [174.8, 152.8, 31.1],
        }
    )


def stock(items: int = 8) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [f"{20_000 + k}" for k in range(items)],
            "title": [None if k == 5 else title_of(k) for k in range(items)],
            "offers": [1] * items,
            "mean_units": [20.5 + k for k in range(items)],
            "ci_lower": [11.0] * items,
            "ci_upper": [34.0] * items,
            "order_units": [None if k == 3 else 22 + k for k in range(items)],
            "service_level": [None if k == 3 else 0.62 for k in range(items)],
            "leftover_units": [None if k == 3 else 4.2 for k in range(items)],
            "lost_units": [None if k == 3 else 2.1 for k in range(items)],
            "cost_assumed": [True] * items,
        }
    )


def limit_prices() -> dict[str, float]:
    return {"positions in slot-1": 41.2, "positions in slot-2": 38.0, "budget": 0.31, "category garden": 0.0}


def comparison() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "plan": ["flashlift plan", "best sellers at 20 %", "slow movers at 40 %", "random"],
            "value": [1834.0, 610.0, -420.0, -95.0],
            "ci_lower": [1210.0, 100.0, -700.0, -400.0],
            "ci_upper": [2490.0, 1105.0, -140.0, 190.0],
            "gross_sales": [24_100.0, 31_000.0, 9_800.0, 8_100.0],
            "units": [5_100.0, 8_200.0, 3_900.0, 2_500.0],
            "sell_through": [0.41, 0.37, 0.55, 0.21],
            "revenue": [6_100.0, 4_900.0, 900.0, 700.0],
            "buyers": [3_200.0, 4_800.0, 2_100.0, 1_900.0],
            "stock_cleared": [4_266.0, 4_290.0, 1_320.0, 795.0],
        }
    )


def pareto() -> pl.DataFrame:
    """Plans between the most profit and the most gross sales."""
    return pl.DataFrame(
        {
            "weight": [0.0, 0.2, 1.0],
            "profit": [1834.0, 1700.0, 1200.0],
            "revenue": [6_100.0, 7_900.0, 9_100.0],
            "buyers": [3_200.0, 3_500.0, 3_900.0],
            "stock_cleared": [4_266.0, 6_200.0, 7_900.0],
            "offers": [40, 41, 40],
            "gap_frac": [0.0004, 0.0009, 0.0],
        }
    )


def learning_curves(steps: int = 240, every: int = 40) -> pl.DataFrame:
    """A validation loss that is smallest at step 160, and metrics that follow."""
    rows = []
    for step in range(every, steps + 1, every):
        for part, late in (("train", 0.0), ("valid", 1.0)):
            loss = 4.0 + 2.0 * np.exp(-step / 60) + late * (0.2 + 0.00004 * max(step - 160, 0) ** 2)
            rows += [
                (step, "auc", part, 0.8 - 0.3 * np.exp(-step / 50) - 0.02 * late),
                (step, "loss", part, loss),
                (step, "item_loss", part, loss - 1.0),
                (step, "hazard_loss", part, 0.4 + 0.1 * np.exp(-step / 60) + 0.01 * late),
                (step, "ndcg@10", part, 0.06 - 0.04 * np.exp(-step / 80) - 0.01 * late),
            ]
        rows.append((step, "batch_loss", "train", 5.0))
    schema = {"step": pl.Int64, "metric": pl.String, "part": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def reliability() -> pl.DataFrame:
    rows = []
    for horizon in (24.0, 72.0, 168.0):
        for k in range(10):
            p = (k + 0.5) / 10 * min(0.9, horizon / 200)
            rows.append(
                {
                    "model": "event transformer",
                    "horizon_hours": horizon,
                    "bin": k,
                    "predicted": p,
                    "observed": p * (1 + 0.1 * np.sin(k)),
                    "n": 1000 - 90 * k,
                }
            )
    return pl.DataFrame(rows)


def nominations() -> pl.DataFrame:
    """One taken, one not."""
    return pl.DataFrame(
        {
            "item_id": ["A", "B"],
            "seller": ["Acme & <b>Co", ""],
            "price": [7.99, 4.5],
            "stock": [40, 0],
            "funding_frac": [0.3, 0.0],
            "taken": [True, False],
            "expected_units": [12.5, 0.0],
            "expected_funding": [21.0, 0.0],
            "why": ["it is expected to earn 5.00", "there is no stock for it"],
        }
    )


def exploration() -> pl.DataFrame:
    """Two prices, the second drawn."""
    return pl.DataFrame(
        {
            "item_id": ["C", "C"],
            "slot_id": ["morning"] * 2,
            "price": [9.0, 8.5],
            "propensity": [0.5, 0.5],
            "planned": [True, False],
            "drawn": [False, True],
            "expected_units": [3.0, 3.5],
            "expected_value": [1.25, 1.0],
        }
    )


def gap() -> pl.DataFrame:
    """A gap by reason: `reason`, `value`, `ci_lower`, `ci_upper`."""
    return pl.DataFrame(
        {
            "reason": ["price", "traffic", "response", "sell-out"],
            "value": [0.0, -120.0, 40.0, -60.0],
            "ci_lower": [0.0, -160.0, -30.0, -60.0],
            "ci_upper": [0.0, -80.0, 110.0, -60.0],
        }
    )


def debriefed_offers(n: int = 40) -> pl.DataFrame:
    """Offers beside their forecast."""
    planned = [2.0 + k for k in range(n)]
    units = [0 if k % 9 == 0 else 2 + k + 5 * (k % 3 - 1) for k in range(n)]
    return pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(n)],
            "title": [f"Item {k}" for k in range(n)],
            "slot_id": ["s0", "s1"] * (n // 2),
            "planned_units": planned,
            "planned_ci_lower": [value - 2.0 for value in planned],
            "planned_ci_upper": [value + 2.0 for value in planned],
            "units": units,
            "inside": [abs(u - p) <= 2.0 for u, p in zip(units, planned, strict=True)],
            "sold_out": [k % 7 == 0 for k in range(n)],
            "status": ["not run" if k % 9 == 0 else "ran" for k in range(n)],
        }
    )


def debriefed_slots() -> pl.DataFrame:
    """Slots beside their forecast."""
    start = [datetime(2025, 6, 3 + k, 10, tzinfo=UTC) for k in range(3)]
    return pl.DataFrame(
        {
            "slot_id": ["a", "b", "c"],
            "start": start,
            "planned_units": [20.0, 30.0, 40.0],
            "planned_ci_lower": [10.0, 20.0, 30.0],
            "planned_ci_upper": [30.0, 40.0, 50.0],
            "units": [5.0, 30.0, 60.0],
            "sell_through": [0.1, 0.6, 1.0],
        }
    )
