"""The whole way from the command line: simulated shop, log without prices, and the real data sets where they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from flashlift import artifacts, demand, pipeline, planning
from flashlift.cli import app
from flashlift.events import open_store
from flashlift.planning import load_plan

ROOT = Path(__file__).parents[2]


def flashlift(*words: object) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    flashlift("simulate", folder, "--events", 30_000, "--seed", 3)
    text = (folder / "flashlift.toml").read_text()
    text = text.replace('work = "work"', 'work = "work"\nkey_file = "keys/shop.key"')
    (folder / "flashlift.toml").write_text(text + "\n[behavior]\nmax_steps = 40\neval_customers = 200\n")
    flashlift("run", "-s", folder / "flashlift.toml")
    return folder


def test_every_stage_left_its_result(shop: Path) -> None:
    work = shop / "work"
    for name in ("behavior", "demand", "plan", "audience", "evidence/behavior", "evidence/demand", "evidence/plan"):
        assert artifacts.read_manifest(work / name) is not None, name
    saved = load_plan(work / "plan")
    plan, campaign = saved.plan, saved.campaign
    assert plan.offers
    assert saved.verdict.broken == ()
    assert saved.verdict.claims == "exact"
    assert saved.verdict.value is not None
    assert plan.objective <= plan.bound + 1e-6
    assert len(plan.offers) <= sum(slot.positions for slot in campaign.slots)
    table = pl.read_csv(work / "plan.csv")
    assert table.height == len(plan.offers)
    assert table["verdict"].unique().to_list() == [saved.verdict.sentence]
    assert table["basis"].null_count() == 0
    stock = pl.read_csv(work / "stock.csv")
    assert set(stock["item_id"]) == set(table["item_id"])
    known = stock.drop_nulls("order_units")
    assert (known["leftover_units"] >= 0).all() and (known["order_units"] >= 0).all()
    evidence = artifacts.load(work / "evidence" / "demand", "evidence").frames
    assert evidence["placebo"].height == 5
    told = artifacts.load(work / "evidence" / "plan", "evidence").frames["sensitivity"].row(0, named=True)
    assert told["tipping_factor"] >= 1.0 and "arn" in told["text"]
    audience = artifacts.load(work / "audience", "audience").frames["audience"]
    assert set(audience["variant"].unique()) == {"control", "treatment"}
    assert audience["rank"].max() <= 5


def test_nothing_is_pickled_and_private_files_are_private(shop: Path) -> None:
    files = [path for path in (shop / "work").rglob("*") if path.is_file()]
    known = {".parquet", ".json", ".jsonl", ".safetensors", ".html", ".csv", ".ics"}
    assert {path.suffix for path in files if path.name != ".lock"} <= known
    personal = [path for path in files if path.suffix in {".parquet", ".safetensors"}]
    assert personal
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in personal)
    key = shop / "keys" / "shop.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_customers_are_pseudonyms_everywhere(shop: Path) -> None:
    raw = set(pl.read_parquet(shop / "tables" / "events.parquet")["customer_id"].drop_nulls())
    known = open_store(shop / "work" / "shop").events.select("customer_id").collect()["customer_id"].drop_nulls()
    assert known.n_unique() == len(raw)
    assert not raw & set(known)
    report = (shop / "work" / "report.html").read_text()
    assert not [name for name in raw if f'"{name}"' in report]


def test_curves_of_items_as_table_and_picture(shop: Path, tmp_path: Path) -> None:
    known = artifacts.load(shop / "work" / "demand", "demand", demand.LAYOUT).frames["items"]["item_id"].to_list()
    settings = shop / "flashlift.toml"
    for kind in (".png", ".html", ".parquet", ".csv"):
        done = flashlift("curves", *known[:2], "-s", settings, "--discounts", "0,20,40", "--out", tmp_path / f"c{kind}")
        assert all(item in done.output for item in known[:2])
        assert "elasticity" in done.output and "40%" in done.output
    table = pl.read_parquet(tmp_path / "c.parquet")
    assert table.height == 6
    at_list_price = table.filter(discount_frac=0.0)
    assert at_list_price["lift"].to_list() == [1.0, 1.0]
    for rows in table.partition_by("item_id"):
        assert rows.sort("discount_frac")["lift"].is_sorted()
        assert (rows["ci_lower"] <= rows["lift"]).all() and (rows["lift"] <= rows["ci_upper"]).all()
    assert pl.read_csv(tmp_path / "c.csv").height == 6
    assert table["basis"].null_count() == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_the_curve_of_profit_against_gross_sales(shop: Path, tmp_path: Path) -> None:
    settings, work = shop / "flashlift.toml", shop / "work"
    done = flashlift("pareto", "-s", settings, "--points", 3, "--out", tmp_path / "p.parquet")
    assert "Incremental profit against gross sales added" in done.output
    curve = pl.read_parquet(tmp_path / "p.parquet")
    assert 1 <= curve.height <= 3
    assert curve["profit"].is_sorted(descending=True) and curve["revenue"].is_sorted()
    saved = load_plan(work / "plan")
    assert saved.verdict.value is not None
    assert curve["weight"][0] == 0.0
    assert curve["planned_profit"][0] == pytest.approx(saved.plan.objective, rel=2e-3)
    assert curve["revenue"][0] == pytest.approx(saved.verdict.revenue, rel=0.05)
    flashlift("report", "-s", settings)
    assert "Profit against gross sales" in (work / "report.html").read_text()
    wrong = CliRunner().invoke(app, ["pareto", "-s", str(settings), "--out", str(tmp_path / "p.pdf")])
    assert "its kind is unknown" in wrong.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing-of-that-name"], "was not sold in the fitted log"),
        (["x", "--discounts", "10,100"], "percents from 0 to below 100, not 10, 100"),
        (["x", "--discounts", "0.2,0.4"], "are percents below 1. Did you mean 20,40?"),
        (["x", "--discounts", "ten"], "no percents"),
        (["x", "--out", "curve.pdf"], "its kind is unknown"),
        ([*map(str, range(31)), "--out", "curve.png"], "31 items do not fit a chart"),
    ],
)
def test_curves_that_cannot_be_told(shop: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["curves", *words, "-s", str(shop / "flashlift.toml")])
    assert done.exit_code != 0
    assert said in " ".join(done.stderr.split())
    assert not Path(words[-1]).exists()


def test_a_second_run_repeats_nothing(shop: Path) -> None:
    def written() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in (shop / "work").rglob("*.parquet")}

    first = written()
    flashlift("run", "-s", shop / "flashlift.toml")
    assert written() == first


def test_the_plan_is_judged_in_the_true_future(shop: Path) -> None:
    said = flashlift("simulate", shop, "--judge").output
    assert "clairvoyant" in said
    assert "flashlift" in said


def test_a_deleted_plan_is_made_again(shop: Path) -> None:
    before = load_plan(shop / "work" / "plan").plan
    shutil.rmtree(shop / "work" / "plan")
    flashlift("plan", "-s", shop / "flashlift.toml")
    assert load_plan(shop / "work" / "plan").plan == before


def test_prices_by_lot_are_in_the_plan_and_its_files(shop: Path, tmp_path: Path) -> None:
    """A share of the places draws its price; the files name the propensity, and every check and proof still holds."""
    text = (shop / "flashlift.toml").read_text()
    settings = tmp_path / "explore.toml"
    text = text.replace("positions = ", "positions = 4").replace("[campaign]\n", "[campaign]\nexplore = 0.03\n", 1)
    settings.write_text(
        text.replace('work = "work"', f'work = "{shop / "work"}"').replace("tables/", f"{shop}/tables/")
    )
    said = flashlift("plan", "-s", settings).output
    work = shop / "work"
    table = pl.read_csv(work / "plan.csv")
    lots = pl.read_csv(work / "exploration.csv")
    assert (table["propensity"] < 1.0).sum() == lots["drawn"].sum() == lots["planned"].sum() > 0
    assert "offers draw their price by lot" in said
    document = pipeline.PlanDocument.model_validate_json((work / "plan.json").read_text())
    assert [one.model_dump()["price"] for one in document.exploration] == pytest.approx(
        lots["price"].to_list(), abs=1e-4
    )
    assert planning.recheck(work / "plan").broken == ()
    assert planning.reprove(work / "plan").broken == ()
    flashlift("plan", "-s", shop / "flashlift.toml")
    assert not (work / "exploration.csv").exists()


def test_a_plan_stays_near_the_approved_one(shop: Path, tmp_path: Path) -> None:
    settings, work = shop / "flashlift.toml", shop / "work"
    flashlift("plan", "-s", settings)
    before = pl.read_csv(work / "plan.csv")["item_id"].to_list()
    flashlift("approve", "-s", settings, "--by", "Ann")
    text = settings.read_text()
    settings.write_text(text.replace("[campaign]\n", "[campaign]\nchange = { new = 1 }\n", 1))
    try:
        assert "State: approved by Ann" in flashlift("plan", "-s", settings).output  # the same plan, kept as it is
        forbidden = tmp_path / "forbidden.csv"
        forbidden.write_text("item_id\n" + "\n".join(before[:3]) + "\n")
        assert "State: draft" in flashlift("plan", "-s", settings, "--forbid", forbidden).output
        after = pl.read_csv(work / "plan.csv")["item_id"].to_list()
        assert len(set(after) - set(before)) == 1
        flashlift("report", "-s", settings)
        assert pl.read_csv(work / "plan.csv")["item_id"].to_list() == after
    finally:
        settings.write_text(text)
        (work / "plan.decisions.jsonl").unlink()


def test_a_plan_is_approved_changed_compared_and_rejected(shop: Path, tmp_path: Path) -> None:
    """An approval is of one plan: with an item forbidden it is a draft, and found again it is approved as before."""
    settings, work = shop / "flashlift.toml", shop / "work"

    def state() -> str:
        return str(json.loads((work / "plan.json").read_text())["state"]["state"])

    assert "State: draft" in flashlift("plan", "-s", settings).output
    assert state() == "draft"
    said = flashlift("approve", "-s", settings, "--by", "Ann", "--note", "stock is there").output
    assert "State: approved by Ann on" in said and "stock is there" in said
    assert state() == "approved"
    assert "STATUS:CONFIRMED" in (work / "plan.ics").read_text()
    shutil.copytree(work / "plan", tmp_path / "before")
    item = load_plan(work / "plan").plan.offers[0].item_id
    (tmp_path / "forbid.csv").write_text(f"item_id;why\n{item};sold elsewhere\n")
    planned = pl.read_parquet(work / "plan.parquet")
    pinned = sorted(set(load_plan(work / "plan").items["item_id"]) - set(planned["item_id"]))[0]
    slot = planned["slot_id"][-1]
    (tmp_path / "pin.csv").write_text(f"item_id,slot_id,discount\n{pinned},{slot},10%\n")
    said = flashlift(
        *("plan", "-s", settings, "--forbid", tmp_path / "forbid.csv", "--pin", tmp_path / "pin.csv"),
        *("--out", tmp_path / "p.parquet", "--out", tmp_path / "p.json"),
    ).output
    assert "State: draft" in said
    assert state() == "draft"
    assert "STATUS:TENTATIVE" in (work / "plan.ics").read_text()
    changed = load_plan(work / "plan")
    offers = pl.read_parquet(tmp_path / "p.parquet")
    assert item not in offers["item_id"]
    assert offers.filter(item_id=pinned, slot_id=slot).height == 1
    assert (tmp_path / "p.json").read_text() == (work / "plan.json").read_text()
    flashlift("report", "-s", settings)
    assert load_plan(work / "plan").digest == changed.digest, "a report does not take back what was forbidden"
    assert "nobody has approved it" in (work / "report.html").read_text()
    told = flashlift("diff", tmp_path / "before", work / "plan").output
    assert item in told.split("Offers that differ")[1]
    assert "Excluded" in told and "Pinned" in told
    assert "State: approved by Ann" in flashlift("plan", "-s", settings).output
    flashlift("report", "-s", settings)
    assert "by Ann on" in (work / "report.html").read_text()
    flashlift("reject", "-s", settings, "--by", "Bo")
    assert state() == "rejected"
    assert [one["by"] for one in map(json.loads, (work / "plan.decisions.jsonl").read_text().splitlines())] == [
        "Ann",
        "Bo",
    ]


def test_sellers_nominations_are_planned_and_answered(shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop, tmp_path / "shop")
    settings, work = tmp_path / "shop" / "flashlift.toml", tmp_path / "shop" / "work"
    before = load_plan(work / "plan")
    best = before.plan.offers[0]
    outside = sorted(set(before.items["item_id"]) - {offer.item_id for offer in before.plan.offers})[0]
    prices = dict(zip(before.items["item_id"], before.items["list_price"], strict=True))
    mine, theirs = round(0.83 * prices[best.item_id], 2), round(0.01 * prices[outside], 2)
    rows = [f"{best.item_id},{mine},2,Ann,100%", f"{outside},{theirs},50,Bo,"]
    (tmp_path / "shop" / "sellers.csv").write_text("item_id,price,stock,seller,funding\n" + "\n".join(rows) + "\n")
    text = re.sub(r"\[campaign\]\n", '[campaign]\nnominations = "sellers.csv"\n', settings.read_text())
    settings.write_text(text if "nominations" in text else text + '\n[campaign]\nnominations = "sellers.csv"\n')
    said = " ".join(flashlift("plan", "-s", settings).output.split())
    assert "Nominations: 1 of 2 taken" in said
    assert "of the discount" in said
    after = load_plan(work / "plan")
    ran = [offer for offer in after.plan.offers if offer.item_id == best.item_id]
    assert {offer.price for offer in ran} == {mine}
    assert sum(offer.quota for offer in ran) <= 2
    assert after.verdict.broken == ()
    assert after.verdict.claims == "exact"
    told = pl.read_csv(work / "plan_nominations.csv")
    assert told["taken"].to_list() == [True, False]
    assert told["expected_funding"][0] > 0.0
    assert told["why"][1] == f"it may not run at {theirs:.2f}: margin floor"
    assert "Certificate verified: every limit kept" in " ".join(flashlift("verify", work / "plan").output.split())
    written = json.loads((work / "plan.json").read_text())["campaign"]["limits"]
    assert [one["limit"] for one in written].count("Nominations") == 1
    assert "Nomination item_id" in flashlift("diff", shop / "work" / "plan", work / "plan").output
    (tmp_path / "shop" / "sellers.csv").write_text(f"item_id,price,stock\n{best.item_id},{prices[best.item_id]},2\n")
    done = CliRunner().invoke(app, ["plan", "-s", str(settings)])
    assert done.exit_code == 3
    assert "row 2, column price" in " ".join(done.stderr.split())
    settings.write_text((shop / "flashlift.toml").read_text())
    flashlift("plan", "-s", settings)
    assert load_plan(work / "plan").plan == before.plan
    assert not (work / "plan_nominations.csv").exists()


def test_an_unknown_item_cannot_be_forbidden(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "forbid.csv").write_text("item_id\nno-such-item\n")
    done = CliRunner().invoke(
        app, ["plan", "-s", str(shop / "flashlift.toml"), "--forbid", str(tmp_path / "forbid.csv")]
    )
    assert done.exit_code == 3
    assert "row 2, column item_id: the shop has no item 'no-such-item'" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ('[campaign]\nexcluded = ["no-such-item"]\n', "names the item 'no-such-item', which the shop does not have"),
        (
            '[[campaign.categories]]\ncategory = "no-such-category"\nmaximum = 0\n[campaign]\n',
            "names the category 'no-such-category'",
        ),
        (
            '[[campaign.blackouts]]\nstart = 2000-01-01\nend = 2100-01-01\ncategory = "no-such-category"\n[campaign]\n',
            "names the category 'no-such-category'",
        ),
        (
            '[[campaign.funders]]\nfunder = "A"\nbrand = "Nobody"\namount = 10\n[campaign]\n',
            "names the brand 'Nobody'",
        ),
    ],
)
def test_a_limit_on_what_the_shop_does_not_have_is_refused(shop: Path, limit: str, said: str) -> None:
    text = (shop / "flashlift.toml").read_text()
    (shop / "misspelled.toml").write_text(text.replace("[campaign]\n", limit, 1))
    done = CliRunner().invoke(app, ["plan", "-s", str(shop / "misspelled.toml")])
    assert done.exit_code == 4, done.stderr
    assert said in " ".join(done.stderr.split())


def test_a_demand_model_of_other_settings_is_told(shop: Path) -> None:
    text = (shop / "flashlift.toml").read_text()
    changed = text.replace("[assumptions]\n", "[assumptions]\nshown_lift = 3.0\n", 1)
    (shop / "stale.toml").write_text(changed if changed != text else f"{text}\n[assumptions]\nshown_lift = 3.0\n")
    item = str(pl.read_parquet(shop / "tables" / "items.parquet")["item_id"][0])
    for name, warned in (("flashlift.toml", False), ("stale.toml", True)):
        done = CliRunner().invoke(app, ["curves", item, "-s", str(shop / name)])
        assert ("was trained on other data or settings" in " ".join(done.stderr.split())) == warned


def test_a_simulated_shop_is_of_the_world_asked_for(tmp_path: Path) -> None:
    flashlift("simulate", tmp_path / "shop", "--events", 2_000, "--world", "kinked")
    assert json.loads((tmp_path / "shop" / "market.json").read_text())["world"] == "kinked"
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "other"), "--world", "flat"])
    assert done.exit_code == 4
    assert "Choose one of attention" in done.output
    assert not (tmp_path / "other").exists()


def test_a_saved_plan_can_be_checked_by_anybody(shop: Path, tmp_path: Path) -> None:
    said = " ".join(flashlift("verify", shop / "work" / "plan").output.split())
    assert "Verdict of that time: every limit kept, and the stated figures are true" in said
    assert "Checked again: every limit kept" in said
    assert "Certificate verified: every limit kept" in said
    shutil.copytree(shop / "work" / "plan", tmp_path / "forged")
    offers = pl.read_parquet(tmp_path / "forged" / "offers.parquet")
    offers.with_columns(quota=pl.col("quota") + 1_000_000).write_parquet(tmp_path / "forged" / "offers.parquet")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "forged")], env={"COLUMNS": "200"})
    assert done.exit_code == 6
    assert "offers.parquet is damaged or was changed since" in " ".join(done.output.split())
    saved = artifacts.load(shop / "work" / "plan", "plan")
    greedy = saved.frames["offers"].with_columns(quota=pl.col("quota") + 1_000_000)
    artifacts.save(replace(saved, frames={**saved.frames, "offers": greedy}), tmp_path / "broken")
    shutil.copytree(shop / "work" / "plan" / "certificate", tmp_path / "broken" / "certificate")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "broken")], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "stock" in done.stdout.split("Checked again:")[1]


def test_a_saved_plan_explains_itself(shop: Path) -> None:
    folder = shop / "work" / "plan"
    told = " ".join(flashlift("explain", folder).output.split())
    assert "Worth of one more unit of each limit that binds" in told
    assert "Nearest to entering" in told
    offer = load_plan(folder).plan.offers[0]
    assert f"{offer.item_id} runs in {offer.slot_id}" in " ".join(
        flashlift("explain", folder, offer.item_id).output.split()
    )
    done = CliRunner().invoke(app, ["explain", str(folder), "no such item"])
    assert done.exit_code != 0
    assert "Item no such item is not among the" in " ".join(done.output.split())


def test_the_report_stands_alone(shop: Path) -> None:
    page = (shop / "work" / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)
    for words in (
        "Expected incremental profit",
        "rules of thumb",
        "Data quality",
        "forecast",
        "placebo",
        "units to order",
    ):
        assert words.lower() in page.lower()


def test_infeasible_limits_are_named_with_exit_code_8(shop: Path) -> None:
    text = (shop / "flashlift.toml").read_text()
    category = str(pl.read_parquet(shop / "tables" / "items.parquet")["category"][0])
    text += f'\n[[campaign.categories]]\ncategory = "{category}"\nminimum = 2000\n'
    (shop / "infeasible.toml").write_text(text)
    done = CliRunner().invoke(app, ["plan", "-s", str(shop / "infeasible.toml")])
    assert done.exit_code == 8
    assert f"category[{category}]" in "".join(done.stderr.split("\n"))
    assert load_plan(shop / "work" / "plan").plan.offers  # the plan made before is still whole


def test_a_shop_with_businesses_ties_and_stores_is_read_whole(tmp_path: Path) -> None:
    flashlift("simulate", tmp_path, "--events", 5_000, "--accounts", 0.2, "--ties", 3, "--stores", 0.3)
    text = (tmp_path / "flashlift.toml").read_text()
    (tmp_path / "flashlift.toml").write_text(text.replace('work = "work"', 'work = "work"\nkey_file = "k/shop.key"'))
    flashlift("ingest", "-s", tmp_path / "flashlift.toml")
    tables = open_store(tmp_path / "work" / "shop")
    assert tables.ties is not None
    assert tables.stores is not None
    assert tables.customers is not None
    for name in ("ties", "stores"):
        assert len(getattr(tables, name)) == len(pl.read_parquet(tmp_path / "tables" / f"{name}.parquet"))
    people = set(tables.customers["customer_id"])
    assert set(tables.ties["customer_id"]) | set(tables.ties["friend_id"]) <= people
    visited = set(tables.events.collect()["store_id"].drop_nulls())
    assert visited
    assert visited <= set(tables.stores["store_id"])
    assert tables.customers["account_id"].n_unique() > 2


def test_a_log_without_prices_stops_after_recommendation_and_says_why(tmp_path: Path) -> None:
    flashlift("simulate", tmp_path / "shop", "--events", 5_000, "--seed", 3)
    events = pl.read_parquet(tmp_path / "shop" / "tables" / "events.parquet")
    events.select("event_id", "customer_id", "item_id", "event", "at").write_csv(tmp_path / "log.csv")
    (tmp_path / "shop.toml").write_text(
        '[shop]\nname = "clicks"\nwork = "work"\nkey_file = "keys/k.key"\n[cleaning]\nnow = 2025-06-02T00:00:00Z\n'
        '[[sources]]\nformat = "csv"\npath = "log.csv"\n[behavior]\nmax_steps = 20\neval_customers = 100\n'
    )
    said = " ".join(flashlift("run", "-s", tmp_path / "shop.toml").output.split())
    assert "demand skipped:" in said
    assert "price" in said
    done = CliRunner().invoke(app, ["plan", "-s", str(tmp_path / "shop.toml")])
    assert done.exit_code == 7
    assert "price" in done.stderr
    assert "no plan" in (tmp_path / "work" / "report.html").read_text().lower()


@pytest.mark.parametrize("name", ["taobao", "ta_feng", "complete_journey"])
def test_examples_run_on_their_real_data(name: str, tmp_path: Path) -> None:
    if "FLASHLIFT_DATA" not in os.environ:
        pytest.skip("set FLASHLIFT_DATA to the folder with the public data sets")
    text = (ROOT / "examples" / f"{name}.toml").read_text()
    text = re.sub(r'work = ".*"', 'work = "work"\nkey_file = "keys/k.key"', text)
    steps = "[behavior]\nmax_steps = 20\neval_customers = 200\n"
    text = text.replace("[behavior]\n", steps) if "[behavior]" in text else f"{text}\n{steps}"
    (tmp_path / "shop.toml").write_text(text)
    said = flashlift("run", "-s", tmp_path / "shop.toml").output
    if name == "taobao":
        assert "demand skipped" in said
    else:
        plan = load_plan(tmp_path / "work" / "plan").plan
        assert json.loads((tmp_path / "work" / "plan" / "manifest.json").read_text())["kind"] == "plan"
        assert plan.status == "optimal"
    assert (tmp_path / "work" / "report.html").stat().st_size > 100_000


def test_an_empty_plan_is_a_plan(shop: Path) -> None:
    """Nothing earns anything at 90 % off: that is said, the report is written, and no file is half there."""
    text = (shop / "flashlift.toml").read_text()
    (shop / "deep.toml").write_text(text.replace("[campaign]\n", "[campaign]\nladder = [0.9]\nmargin_floor = -20\n"))
    said = " ".join(flashlift("plan", "-s", shop / "deep.toml").output.split())
    assert "the best plan is to run none" in said
    flashlift("report", "-s", shop / "deep.toml")
    flashlift("plan", "-s", shop / "flashlift.toml")


def test_a_shop_is_never_simulated_over_another(shop: Path) -> None:
    done = CliRunner().invoke(app, ["simulate", str(shop)])
    assert done.exit_code == 5
    assert "exists already" in " ".join(done.stderr.split())


def test_rows_that_are_all_unusable_are_an_error(tmp_path: Path) -> None:
    rows = "\n".join(f"c{k},i{k % 3},purchase,2024-01-{k % 28 + 1:02d}T00:00:00Z,0,1" for k in range(100))
    (tmp_path / "log.csv").write_text("customer_id,item_id,event,at,price,quantity\n" + rows + "\n")
    (tmp_path / "shop.toml").write_text(
        '[shop]\nname = "t"\nkey_file = "keys/k.key"\n[[sources]]\nformat = "csv"\npath = "log.csv"\n'
    )
    done = CliRunner().invoke(app, ["ingest", "-s", str(tmp_path / "shop.toml")])
    assert done.exit_code == 3
    assert "zero" in " ".join(done.stderr.split())
