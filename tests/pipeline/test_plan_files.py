"""The files of a plan hold the plan: read back by other means than they were written with."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pipeline import made_up

from flashlift.domain import Estimate, Offer
from flashlift.errors import OutputError
from flashlift.pipeline import PlanDocument, Planned
from flashlift.pipeline.plan_files import write_plan_files
from flashlift.pipeline.spreadsheet import spreadsheet, unguarded
from flashlift.planning import Broken, Decision, Verdict

NASTY = st.one_of(
    st.sampled_from(
        ["=1+1", "-5", "'=x", "''+x", "'tis", "＝cmd", "a;b,c\\n\\,", '"q"', "限时抢购" * 30, "0012", "1E5"]
    ),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
)


@st.composite
def offers(draw: st.DrawFn) -> tuple[list[Offer], dict[str, str | None]]:
    titles = draw(st.dictionaries(NASTY, st.none() | NASTY, min_size=1, max_size=5))
    figure = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-9)
    one = st.builds(
        Offer,
        item_id=st.sampled_from(sorted(titles)),
        slot_id=st.sampled_from([slot.slot_id for slot in made_up.SLOTS]),
        discount_frac=st.floats(0.01, 0.99),
        price=st.integers(1, 10**7).map(lambda cents: cents / 100),
        quota=st.integers(1, 10**9),
        expected_units=figure,
        expected_value=figure,
        per_customer=st.none() | st.integers(1, 9),
    )
    return draw(st.lists(one, max_size=6)), titles


def write(planned: Planned, folder: Path, timezone: str = "Europe/Berlin") -> Path:
    write_plan_files(planned, made_up.settings(folder, timezone=timezone))
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    """As a spreadsheet does: every cell a text, the byte order mark taken off."""
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@settings(max_examples=60, deadline=None)
@given(offers())
def test_every_file_gives_the_same_offers(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[list[Offer], dict[str, str | None]]
) -> None:
    told, titles = made
    folder = write(made_up.planned(told, titles), tmp_path_factory.mktemp("plan"))
    table = pl.read_parquet(folder / "plan.parquet")
    rows = table.select(name for name in Offer.__dataclass_fields__ if name in table.columns).iter_rows(named=True)
    assert [Offer(**row) for row in rows] == told
    document = PlanDocument.model_validate_json((folder / "plan.json").read_text())
    assert [line.offer() for line in document.offers] == told
    assert [line.title for line in document.offers] == [titles[one.item_id] for one in told]
    lines = read_csv(folder / "plan.csv")
    assert len(lines) == len(told)
    for line, one in zip(lines, told, strict=True):
        assert (unguarded(line["item_id"]), line["slot_id"]) == (one.item_id, one.slot_id)
        assert unguarded(line["title"]) == (titles[one.item_id] or "")
        assert (float(line["price"]), int(line["quota"])) == (one.price, one.quota)
        assert line.get("per_customer", "") == ("" if one.per_customer is None else str(one.per_customer))
        for name in ("discount_frac", "expected_units", "expected_value"):
            assert float(line[name]) == pytest.approx(getattr(one, name), rel=1e-12, abs=5.1e-5)  # four decimals
        for name in ("item_id", "title", "category"):
            assert not re.match("[=+@\t\r\n＝＋－＠-]", line[name])


def unfolded(content: bytes) -> list[str]:
    """Content lines of an iCalendar file (RFC 5545, 3.1), and proof that it is folded as it should be."""
    assert content.endswith(b"\r\n")
    lines = content.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode("utf-8")  # no letter is cut in two
    return content.decode("utf-8").replace("\r\n ", "").split("\r\n")[:-1]


@settings(max_examples=60, deadline=None)
@given(offers())
def test_the_calendar_has_an_event_for_each_slot_with_offers(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[list[Offer], dict[str, str | None]]
) -> None:
    told, titles = made
    content = (write(made_up.planned(told, titles), tmp_path_factory.mktemp("plan")) / "plan.ics").read_bytes()
    assert not re.search(r"[\x00-\x1f\x7f]", "".join(unfolded(content)))
    events = {event.start: event for event in icalendar.Calendar.from_ical(content).walk("VEVENT")}
    used = [slot for slot in made_up.SLOTS if any(one.slot_id == slot.slot_id for one in told)]
    assert sorted(events) == [slot.start for slot in used]
    assert len({str(event["uid"]) for event in events.values()}) == len(used)
    for slot in used:
        event = events[slot.start]
        assert event.end == slot.end
        assert event["dtstamp"].dt == made_up.PLANNED_AT.replace(microsecond=0)
        here = [one for one in told if one.slot_id == slot.slot_id]
        lines = str(event["description"]).split("\n")
        assert len(lines) == len(here)
        for line, one in zip(lines, here, strict=True):
            each = "" if one.per_customer is None else f", {one.per_customer} a customer"
            assert line.endswith(f": {one.price:.2f} EUR (-{one.discount_frac:.0%}), at most {one.quota:,} units{each}")
            assert line.startswith(re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", one.item_id).strip())


def one_offer(slot: str = "s0", price: float = 8.0) -> Offer:
    return Offer(
        item_id="a", slot_id=slot, discount_frac=0.2, price=price, quota=3, expected_units=1.0, expected_value=2.0
    )


def test_an_event_keeps_its_uid_and_its_status_is_the_state(tmp_path: Path) -> None:
    at = datetime(2026, 10, 21, tzinfo=UTC)
    seen = {}
    for state, status in ((None, "TENTATIVE"), ("approved", "CONFIRMED"), ("rejected", "CANCELLED")):
        decision = state and Decision(state=state, by="Ann", at=at, note="", plan="x")
        folder = write(made_up.planned([one_offer(price=8.0 + len(seen))], {"a": "A"}, decision=decision), tmp_path)
        (event,) = icalendar.Calendar.from_ical((folder / "plan.ics").read_bytes()).walk("VEVENT")
        assert event["status"] == status
        assert event["dtstamp"].dt == (at if state else made_up.PLANNED_AT.replace(microsecond=0))
        seen[status] = str(event["uid"])
    assert len(set(seen.values())) == 1


def test_spreadsheet_times_are_local_and_the_hour_that_comes_twice_is_told(tmp_path: Path) -> None:
    told = [one_offer(slot.slot_id) for slot in made_up.SLOTS]
    rows = read_csv(write(made_up.planned(told, {"a": "A"}), tmp_path) / "plan.csv")
    assert [row["start"] for row in rows] == ["2026-10-25 00:30:00", "2026-10-25 01:30:00",
                                              "2026-10-25 02:30:00", "2026-10-25 02:30:00"]  # fmt: skip
    assert [row["utc_offset"] for row in rows] == ["UTC+02:00"] * 3 + ["UTC+01:00"]
    zone = ZoneInfo("Europe/Berlin")
    for row, slot in zip(rows, made_up.SLOTS, strict=True):
        assert row["end"] == f"{slot.end.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        assert row["timezone"] == "Europe/Berlin"
        moment = datetime.fromisoformat(row["start"] + row["utc_offset"].removeprefix("UTC"))
        assert moment == slot.start


def test_the_json_holds_every_figure_and_no_infinity(tmp_path: Path) -> None:
    verdict = Verdict(
        value=Estimate(value=3.5, ci_lower=1.0, ci_upper=6.0),
        mean_error=0.25,
        gross_sales=80.0,
        units=10.0,
        sell_through=0.5,
        discount_cost=20.0,
        claims="sampled",
        broken=(Broken(limit="price", where="a in s0", amount=math.inf, unit="currency"),),
    )
    decision = Decision(
        state="approved", by="Ann", at=datetime(2026, 10, 21, tzinfo=UTC), note="go", plan="x", broken=("price",)
    )
    planned = made_up.planned([one_offer(price=math.nan)], {"a": "A"}, verdict=verdict, decision=decision)
    text = (write(planned, tmp_path) / "plan.json").read_text()
    whole = json.loads(text, parse_constant=pytest.fail)
    said = whole["verdict"]
    assert (said["value"], said["ci_lower"], said["ci_upper"], said["level"]) == (3.5, 1.0, 6.0, 0.9)
    figures = ("mean_error", "gross_sales", "units", "sell_through", "discount_cost", "claims")
    assert [said[name] for name in figures] == [0.25, 80.0, 10.0, 0.5, 20.0, "sampled"]
    assert said["broken"] == [{"limit": "price", "where": "a in s0", "amount": None, "unit": "currency"}]
    assert whole["optimizer"] == {"status": "heuristic", "objective": 1.0, "bound": None, "gap_frac": None,
                                  "limit_prices": {"a": 0.5}}  # fmt: skip
    assert whole["state"] == {"state": "approved", "by": "Ann", "at": "2026-10-21T00:00:00Z", "note": "go",
                              "despite": ["price"]}  # fmt: skip
    assert whole["campaign"]["limits"][0] == {"limit": "Appearances", "maximum": 2, "cool_down_hours": 0.0}
    assert whole["campaign"]["timezone"] == "Europe/Berlin"
    assert whole["digest"] == planned.saved.digest
    assert math.isnan(PlanDocument.model_validate_json(text).offers[0].offer().price)


def test_several_price_endings_are_told(tmp_path: Path) -> None:
    planned = made_up.planned([one_offer()], {"a": "A"})
    campaign = replace(planned.campaign, price_ending=(0.49, 0.99))
    several = replace(planned, saved=replace(planned.saved, campaign=campaign))
    text = (write(several, tmp_path) / "plan.json").read_text()
    assert PlanDocument.model_validate_json(text).campaign.price_ending == [0.49, 0.99]


def test_a_file_that_says_the_same_is_left_alone_and_one_that_is_gone_comes_back(tmp_path: Path) -> None:
    planned = made_up.planned([one_offer()], {"a": "A"})
    write(planned, tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["plan.csv", "plan.ics", "plan.json", "plan.parquet"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "plan.ics").unlink()
    write(planned, tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mtime_ns != before[path]} == {"plan.ics"}
    dearer = replace(planned, table=planned.table.with_columns(price=9.0))
    write(dearer, tmp_path)
    assert pl.read_parquet(tmp_path / "plan.parquet")["price"].item() == 9.0


def test_other_places_by_their_ending(tmp_path: Path) -> None:
    planned, places = made_up.planned([one_offer()], {"a": "A"}), [tmp_path / "x" / "one.ICS", tmp_path / "two.json"]
    write_plan_files(planned, made_up.settings(tmp_path / "work"), places)
    assert places[0].read_bytes() == (tmp_path / "work" / "plan.ics").read_bytes()
    assert places[1].read_bytes() == (tmp_path / "work" / "plan.json").read_bytes()
    with pytest.raises(OutputError, match="its kind is unknown"):
        write_plan_files(planned, made_up.settings(tmp_path / "new"), [tmp_path / "plan.xls"])
    assert not (tmp_path / "new").exists()


@settings(max_examples=200)
@given(NASTY)
def test_a_text_survives_the_spreadsheet(text: str) -> None:
    lines = csv.reader(io.StringIO(spreadsheet(pl.DataFrame({"text": [text], "n": [1.5]})), newline=""))
    _, (shown, number) = lines
    assert unguarded(shown) == text
    assert number == "1.5"
