"""The whole debrief on a shop with known truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from benchmarks.debrief_truth.case import Case, after_the_sale, debriefed
from benchmarks.debrief_truth.shocks import REASON

from flashlift import planning
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.debrief import REASONS, Debrief, Ran, debrief
from flashlift.schema import Tables

SEED = 11


@pytest.fixture(scope="module")
def usual(case: Case) -> tuple[Tables, float]:
    return after_the_sale(case, "none", SEED)


@pytest.fixture(scope="module")
def found(case: Case, usual: tuple[Tables, float]) -> Debrief:
    return debriefed(case, usual[0])


def ran(case: Case, **changes: object) -> Ran:
    funded = planning.funded(case.campaign, case.items)
    one = Ran(plan=case.plan, campaign=case.campaign, items=case.items, model=case.model, funded=funded, currency="EUR")
    return replace(one, **changes)  # type: ignore[arg-type]


def value_of(found: Debrief, reason: str) -> float:
    return float(found.reasons.filter(reason=reason)["value"].item())


def test_the_planned_value_is_the_verdict_of_the_independent_checker(case: Case, found: Debrief) -> None:
    draws = case.model.draw(case.items, case.campaign.slots, 400, rng=np.random.default_rng((0, 2)))
    verdict = planning.check(case.plan, case.campaign, case.items, draws)
    assert verdict.value is not None
    assert found.planned == pytest.approx(verdict.value.value, rel=1e-9)
    totals = {row["figure"]: row for row in found.totals.iter_rows(named=True)}
    assert totals["units sold"]["planned"] == pytest.approx(verdict.units, rel=1e-9)
    assert totals["gross sales"]["planned"] == pytest.approx(verdict.gross_sales, rel=1e-9)
    assert totals["discount given"]["planned"] == pytest.approx(verdict.discount_cost, rel=1e-9)


def test_the_parts_of_every_draw_add_up_to_its_gap(found: Debrief) -> None:
    assert found.gap.reasons == tuple(REASONS)
    np.testing.assert_allclose(found.gap.parts.sum(axis=0), found.gap.actual - found.planned, atol=1e-9)
    assert found.reasons["value"].sum() == pytest.approx(found.actual.value - found.planned)


def test_facts_of_the_log_are_told_exactly(case: Case, usual: tuple[Tables, float], found: Debrief) -> None:
    events = usual[0].events.collect()
    price = {(o.item_id, o.slot_id): o.price for o in case.plan.offers}
    units, sales = 0, 0.0
    for slot in case.campaign.slots:  # plain loop
        here = events.filter(pl.col("event") == "purchase", pl.col("at") >= slot.start, pl.col("at") < slot.end)
        for row in here.iter_rows(named=True):
            if (row["item_id"], slot.slot_id) in price:
                units, sales = units + row["quantity"], sales + row["quantity"] * row["price"]
    totals = {row["figure"]: row for row in found.totals.iter_rows(named=True)}
    assert totals["units sold"]["actual"] == units == found.offers["units"].sum() == found.slots["units"].sum()
    assert totals["gross sales"]["actual"] == pytest.approx(sales)
    assert set(found.offers["status"]) <= {"ran"}
    assert found.limits["kept"].all()


def test_the_true_profit_lies_in_the_interval(usual: tuple[Tables, float], found: Debrief) -> None:
    assert found.actual.ci_lower <= usual[1] <= found.actual.ci_upper


@pytest.mark.parametrize("shock", list(REASON))
def test_a_shock_is_found_in_its_own_reason(case: Case, found: Debrief, shock: str) -> None:
    shocked = debriefed(case, after_the_sale(case, shock, SEED)[0])
    changed = {name: value_of(shocked, name) - value_of(found, name) for name in REASONS}
    assert changed[REASON[shock]] < 0.0
    assert REASON[shock] == min(changed, key=lambda name: changed[name])
    assert shocked.difference.value < found.difference.value


def test_offers_that_never_ran_and_prices_that_were_others(case: Case, usual: tuple[Tables, float]) -> None:
    first, second = (o for o in sorted(case.plan.offers, key=lambda o: -o.expected_units)[:2])
    listed = dict(case.items.select("item_id", "list_price").iter_rows())
    slots = {slot.slot_id: slot for slot in case.campaign.slots}

    def at(offer: object, price: float) -> pl.Expr:
        slot = slots[offer.slot_id]  # type: ignore[attr-defined]
        here = (pl.col("item_id") == offer.item_id) & pl.col("at").is_between(slot.start, slot.end, closed="left")  # type: ignore[attr-defined]
        return pl.when(here).then(price).otherwise("price").alias("price")

    dearer = (second.price + listed[second.item_id]) / 2
    events = usual[0].events.with_columns(at(first, listed[first.item_id])).with_columns(at(second, dearer))
    found = debriefed(case, replace(usual[0], events=events))
    status = {row["item_id"]: row["status"] for row in found.offers.iter_rows(named=True)}
    assert (status[first.item_id], status[second.item_id]) == ("not run", "other price")
    assert value_of(found, "not run") != 0.0
    assert value_of(found, "price") != 0.0
    assert found.lessons.filter(kind="execution").height == 1
    np.testing.assert_allclose(found.gap.parts.sum(axis=0), found.gap.actual - found.planned, atol=1e-9)


def test_a_sale_that_is_not_over_is_judged_on_what_is(case: Case, usual: tuple[Tables, float]) -> None:
    until = case.campaign.slots[1].end
    early = replace(usual[0], events=usual[0].events.filter(pl.col("at") < until))
    found = debrief(ran(case), early, until=until, n_draws=100, rng=np.random.default_rng(0))
    assert found.slots["slot_id"].to_list() == [slot.slot_id for slot in case.campaign.slots[:2]]
    assert found.offers["slot_id"].n_unique() == 2
    assert any("2 of 4 slots" in note for note in found.notes)
    assert any("0 of 28 seen" in note for note in found.notes)
    assert "not yet known: 0 of 28" in found.paragraph()
    with pytest.raises(InsufficientDataError, match="before the sale began"):
        debrief(ran(case), early, until=case.shop.now, rng=np.random.default_rng(0))
    with pytest.raises(InsufficientDataError, match="before its first slot was over"):
        until = case.campaign.slots[0].start + timedelta(hours=1)
        debrief(ran(case), early, until=until, rng=np.random.default_rng(0))


def test_what_cannot_be_debriefed_is_refused(case: Case, usual: tuple[Tables, float]) -> None:
    until, rng = case.campaign.slots[-1].end, np.random.default_rng(0)
    with pytest.raises(InputError, match="holds no offers"):
        debrief(ran(case, plan=replace(case.plan, offers=())), usual[0], until=until, rng=rng)
    with pytest.raises(InputError, match="None of the plan's items"):
        debrief(ran(case), replace(usual[0], items=usual[0].items.head(0)), until=until, rng=rng)
    with pytest.raises(InputError, match="are in EUR, the plan is in USD"):
        debrief(ran(case, currency="USD"), usual[0], until=until, rng=rng)


def test_a_log_without_a_stock_record_says_what_it_cannot_tell(case: Case) -> None:
    tables, _ = after_the_sale(case, "stock", SEED)
    told = debriefed(case, tables)
    assert not [note for note in told.notes if "no stock record" in note]
    assert told.offers.filter(why_out="empty shelf").height > 3
    blind = debriefed(case, replace(tables, history=None))
    assert [note for note in blind.notes if "no stock record" in note]
    assert blind.offers.filter(why_out="empty shelf").is_empty()
    assert value_of(blind, "sell-out") > value_of(told, "sell-out")


def test_the_same_log_gives_the_same_debrief(case: Case, usual: tuple[Tables, float], found: Debrief) -> None:
    again = debriefed(case, usual[0])
    np.testing.assert_array_equal(again.gap.parts, found.gap.parts)
    assert again.paragraph() == found.paragraph()


def test_without_controls_traffic_and_response_are_one(case: Case, usual: tuple[Tables, float]) -> None:
    offered = {offer.item_id for offer in case.plan.offers}
    alone = usual[0].events.filter(
        (pl.col("at") < case.shop.now) | pl.col("item_id").is_in(list(offered)) | (pl.col("event") == "refund")
    )
    found = debriefed(case, replace(usual[0], events=alone))
    assert "traffic and response" in found.gap.reasons
    assert any("told as one" in note for note in found.notes)
