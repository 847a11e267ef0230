"""Commands of tests: from files to answers, pictures and refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from flashlift.cli import app

PNG = b"\x89PNG"


def flashlift(*words: object) -> Result:
    return CliRunner().invoke(app, ["experiment", *map(str, words)])


def said(done: Result) -> str:
    return " ".join((done.stdout + done.stderr).split())


def write_test(folder: Path, n: int = 400) -> Path:
    """Two arms of which treatment spends more, with what was spent before."""
    rng = np.random.default_rng(0)
    treated, past = rng.permutation(np.arange(n) % 2 == 0), rng.gamma(2.0, 5.0, n)
    orders = rng.integers(1, 4, n)
    table = pl.DataFrame(
        {
            "unit_id": [f"u{k}" for k in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "revenue": past + 4.0 * treated + rng.gamma(2.0, 1.0, n),
            "orders": orders,
            "refunds": rng.poisson(1.0, n).astype(float),
            "past_revenue": past,
        }
    )
    table.write_csv(folder / "test.csv")
    return folder / "test.csv"


def test_a_test_with_goals_a_ratio_and_a_guardrail(tmp_path: Path) -> None:
    file, chart = write_test(tmp_path), tmp_path / "effects.png"
    asked = ["--goal", "revenue", "--goal", "revenue/orders", "--guardrail", "refunds", "--lower", "refunds"]
    done = flashlift("analyze", file, *asked, "--report", chart)
    assert done.exit_code == 0, done.stderr
    assert "Being in treatment rather than control changed revenue by" in said(done)
    assert "it is a change for the better" in said(done)
    assert "(CUPED)" in said(done)
    assert "Harm of up to" in said(done)
    assert "The split is sound: control 200, treatment 200" in said(done)
    assert chart.read_bytes()[:4] == PNG
    flashlift("analyze", file, *asked, "--report", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Result of a test" in page
    assert "it is a change for the better" in page
    assert "Content-Security-Policy" in page


def test_a_broken_split_ends_with_9_and_no_paragraph(tmp_path: Path) -> None:
    file = write_test(tmp_path)
    done = flashlift("analyze", file, "--goal", "revenue", "--share", "control=0.6", "--share", "treatment=0.4")
    assert done.exit_code == 9
    assert "Do not trust this test: the arms hold control 200, treatment 200" in " ".join(done.stderr.split())
    assert "Do not trust" not in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["none.csv"], 3, "none.csv cannot be read"),
        (["test.csv", "--goal", "profit"], 3, "The test has no column 'profit'"),
        (["test.csv", "--goal", "revenue/visits"], 3, "The test has no column 'visits'"),
        (["test.csv", "--goal", "revenue", "--lower", "refunds"], 3, "neither a goal nor a guardrail"),
        (["test.csv", "--goal", "revenue", "--control", "holdout"], 3, "There is no variant 'holdout'"),
        (["test.csv", "--goal", "revenue", "--share", "control"], 3, "not of the form name=number"),
        (["--exposures", "e.csv"], 3, "--exposures, --outcomes, --start and --end"),
        ([], 3, "There is no test to analyze"),
    ],
)
def test_what_cannot_be_analyzed_is_named(
    words: list[str], code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = flashlift("analyze", *words)
    assert text in said(done)
    assert done.exit_code != 0


def test_from_two_logs_with_a_customer_in_both_arms(tmp_path: Path) -> None:
    n = 400
    seen = pl.DataFrame(
        {
            "customer_id": [*(f"c{k}" for k in range(n)), "c0"],
            "variant": [*("treatment" if k % 2 else "control" for k in range(n)), "treatment"],
            "at": ["2026-05-02T10:00:00"] * n + ["2026-05-03T10:00:00"],
            "exposure_id": [f"e{k}" for k in range(n + 1)],
        }
    )
    bought = pl.DataFrame(
        {
            "customer_id": [f"c{k}" for k in range(n)],
            "at": ["2026-05-02T12:00:00"] * n,
            "revenue": [float(k // 2 % 7 + 2 * (k % 2)) for k in range(n)],
        }
    )
    seen.write_csv(tmp_path / "seen.csv")
    bought.write_csv(tmp_path / "bought.csv")
    logs = ["--exposures", tmp_path / "seen.csv", "--outcomes", tmp_path / "bought.csv"]
    when = ["--start", "2026-05-01", "--end", "2026-05-08"]
    done = flashlift("analyze", *logs, *when, "--goal", "revenue")
    assert done.exit_code == 0, done.stderr
    assert "customers in control" in done.stdout
    assert "changed revenue by +2 per" in said(done)
    assert "mid-test" in done.stdout
    swapped = flashlift("analyze", *logs, "--start", "2026-05-08", "--end", "2026-05-01", "--goal", "revenue")
    assert "before it starts" in said(swapped)
    numbers = [table.with_columns(pl.col("customer_id").str.strip_prefix("c")) for table in (seen, bought)]
    guest = pl.DataFrame({"customer_id": ["guest"], "at": ["2026-05-02T12:00:00"], "revenue": [1.0]})
    numbers[0].write_csv(tmp_path / "seen.csv")  # read back as whole numbers
    pl.concat([numbers[1], guest]).write_csv(tmp_path / "bought.csv")  # and these as text
    mixed = flashlift("analyze", *logs, *when, "--goal", "revenue")
    assert mixed.exit_code == 0, mixed.stderr
    assert "changed revenue by +2 per" in said(mixed)
    early = flashlift("analyze", *logs, "--start", "2126-05-01", "--end", "2126-05-08", "--goal", "revenue")
    assert early.exit_code == 3
    assert "The test begins on 2126-05-01" in said(early)


def test_customers_keep_their_variant(tmp_path: Path) -> None:
    settings = tmp_path / "shop.toml"
    settings.write_text(
        f'[shop]\nname = "x"\nwork = "work"\nkey_file = "{tmp_path / "keys" / "key"}"\n'
        '[[sources]]\nformat = "online_retail"\npath = "bundled"\n'
    )
    people = tmp_path / "people.csv"
    pl.DataFrame({"customer_id": range(2_000)}).write_csv(people)
    tables = []
    for name, words in (("a", []), ("b", []), ("c", ["--experiment", "other"])):
        out = tmp_path / f"{name}.csv"
        done = flashlift("assign", people, "-s", settings, "--out", out, *words)
        assert done.exit_code == 0, done.stderr
        tables.append(pl.read_csv(out))
    first, again, other = tables
    assert first.equals(again)
    assert first["propensity"].unique().to_list() == [0.5]
    share = (first["variant"] == "treatment").mean()
    assert abs(share - 0.5) < 4.0 * 0.5 / 2_000**0.5
    alike = (first["variant"] == other["variant"]).mean()
    assert abs(alike - 0.5) < 4.0 * 0.5 / 2_000**0.5
    pl.DataFrame({"name": ["x"], "age": [3]}).write_csv(people)
    assert "has no column customer_id, only name, age" in said(
        flashlift("assign", people, "-s", settings, "--out", tmp_path / "d.csv")
    )


def test_a_policy_and_a_deal_are_judged_from_files(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(1), 3_000
    action = rng.choice(2, n)
    pl.DataFrame(
        {
            "action": [f"i{k}" for k in action],
            "reward": (rng.random(n) < np.array([0.2, 0.5])[action]).astype(int),
            "propensity": np.full(n, 0.5),
        }
    ).write_csv(tmp_path / "log.csv")
    pl.DataFrame({"action": ["i1"], "probability": [1.0]}).write_csv(tmp_path / "policy.csv")
    done = flashlift("value", tmp_path / "log.csv", "--policy", tmp_path / "policy.csv", "--model", "none")
    assert done.exit_code == 0, done.stderr
    assert "snips" in done.stdout
    assert "Give a log with --policy, or --lots with --sold" in said(flashlift("value", tmp_path / "log.csv"))

    treated, young = rng.random(n) < 0.5, rng.random(n) < 0.5
    pl.DataFrame(
        {
            "unit_id": [f"u{k}" for k in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "metric": (rng.random(n) < 0.1 + 0.3 * (treated & young)).astype(int),
            "young": young.astype(int),
        }
    ).write_csv(tmp_path / "deal.csv")
    words = ["--score", tmp_path / "deal.csv", "--out", tmp_path / "scores.csv", "--report", tmp_path / "qini.png"]
    done = flashlift("uplift", tmp_path / "deal.csv", "--features", "young", *words)
    assert done.exit_code == 0, done.stderr
    best = pl.read_csv(tmp_path / "scores.csv").head(100)["unit_id"].to_list()
    assert all(young[int(name[1:])] for name in best)
    assert (tmp_path / "qini.png").read_bytes()[:4] == PNG
    assert "--score and --out together" in said(flashlift("uplift", tmp_path / "deal.csv", *words[:2]))


def test_a_test_is_watched_from_look_to_look(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(3), 8_000
    treated = rng.random(n) < 0.5
    start = datetime(2026, 3, 2, tzinfo=UTC)
    pl.DataFrame(
        {
            "unit_id": [f"c{k}" for k in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "at": [start + timedelta(days=float(day)) for day in rng.uniform(0.0, 8.0, n)],
            "revenue": rng.gamma(1.0, 10.0, n) + treated,
            "refunds": 1.0 * rng.poisson(0.2, n),
        }
    ).write_parquet(tmp_path / "log.parquet")
    log, state, page = tmp_path / "log.parquet", tmp_path / "state.json", tmp_path / "running.html"
    missing = flashlift("monitor", log, "--state", state, "--at", "2026-03-04")
    assert missing.exit_code == 3
    assert "At the first look say what is tested" in said(missing)
    told = ["--start", "2026-03-02", "--end", "2026-03-10", "--units", n, "--goal", "revenue", "--lower", "refunds"]
    first = flashlift("monitor", log, "--state", state, "--at", "2026-03-04", *told, "--guardrail", "refunds=0.1")
    assert first.exit_code == 0, first.stderr
    again = flashlift("monitor", log, "--state", state, "--at", "2026-03-05", *told)
    assert "a test is not changed while it runs" in said(again)
    early = flashlift("monitor", log, "--state", state, "--at", "2026-03-03")
    assert "in the order of time" in said(early)
    assert "stop for gain" not in said(first).lower()
    second = flashlift("monitor", log, "--state", state, "--at", "2026-03-06", "--report", page)
    assert second.exit_code == 0, second.stderr
    third = flashlift("monitor", log, "--state", state, "--at", "2026-03-08")
    assert "stop for gain" in (said(second) + said(third)).lower()
    text = page.read_text()
    assert "A running test" in text
    assert "alpha is spent as information arrives" in text
    assert "its limit is an effect of" in text
    kept = state.read_text()
    wrong = flashlift("monitor", log, "--state", state, "--at", "2026-03-01")
    assert wrong.exit_code != 0
    assert state.read_text() == kept
