"""Sellers' nominations and what funders pay: what they do to plans, to the account, to proofs and to words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.planning.draws import catalog, log_linear, slots_every

from flashlift.domain import Campaign, Costs, Offer, Plan
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import (
    Appearances,
    Budget,
    Excluded,
    FunderBudget,
    Limit,
    MarginFloor,
    Nomination,
    Nominations,
    Pinned,
)
from flashlift.planning import (
    Desk,
    answers,
    check,
    differences,
    expected_funding,
    load_plan,
    save_plan,
    solve,
    solve_certified,
    verify,
)
from flashlift.planning.problem import build_columns

solving = sys.modules["flashlift.planning.solve"]  # the package's name `solve` is the function
N, SLOTS = 12, slots_every(3, positions=3)
ITEMS = catalog(np.random.default_rng(4), N).with_columns(list_price=10.0, unit_cost=5.0)
DRAWS = log_linear(np.random.default_rng(4), N, SLOTS, 8)
BEST = "i6"


def campaign(*limits: Limit, **fields: Any) -> Campaign:
    return Campaign(slots=SLOTS, ladder=(0.1, 0.2, 0.3), limits=(Appearances(maximum=2), *limits), **fields)


def nominated(*offers: tuple[str, float, int], share: float = 0.0, only: bool = False) -> Nominations:
    made = [Nomination(item_id=i, price=p, stock=s, seller=f"of {i}", funding_frac=share) for i, p, s in offers]
    return Nominations(offers=tuple(made), only=only)


def plan_of(asked: Campaign) -> Plan:
    found, proof = solve_certified(asked, ITEMS, DRAWS, gap_frac=1e-6)
    assert check(found, asked, ITEMS, planned_on=DRAWS).broken == ()
    assert verify(found, asked, ITEMS, proof.prices, proof.cells).broken == ()
    return found


def given_away(plan: Plan) -> float:
    return sum((10.0 - offer.price) * offer.expected_units for offer in plan.offers)


@pytest.mark.parametrize("direct", [10**9, -1])
def test_a_nominated_item_runs_at_its_own_price_and_stock(direct: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one programme and by column sifting; the price is no step of the ladder and has not its ending."""
    monkeypatch.setattr(solving, "DIRECT", direct)
    found = plan_of(campaign(nominated((BEST, 7.77, 2)), Pinned(item_id=BEST), price_ending=0.99))
    mine = [offer for offer in found.offers if offer.item_id == BEST]
    assert mine
    assert {offer.price for offer in mine} == {7.77}
    assert sum(offer.quota for offer in mine) <= 2
    others = {round(offer.price % 1.0, 2) for offer in found.offers if offer.item_id != BEST}
    assert others == {0.99}


def test_a_nominated_price_may_be_that_of_a_step() -> None:
    found = plan_of(campaign(nominated((BEST, 8.0, 500)), Pinned(item_id=BEST, discount_frac=0.2)))
    assert {offer.price for offer in found.offers if offer.item_id == BEST} == {8.0}
    columns = build_columns(campaign(nominated((BEST, 8.0, 500))), ITEMS, DRAWS)
    assert np.unique(columns.price[columns.item == int(BEST[1:])]).tolist() == [8.0]
    assert len(np.unique(columns.slot[columns.item == int(BEST[1:])])) == (columns.item == int(BEST[1:])).sum()


def test_only_what_was_nominated_runs_where_that_is_asked() -> None:
    two = (("i1", 9.5, 400), (BEST, 8.5, 400))
    assert {offer.item_id for offer in plan_of(campaign(nominated(*two, only=True))).offers} == {"i1", BEST}
    assert len({offer.item_id for offer in plan_of(campaign(nominated(*two))).offers}) > 2


def test_a_nomination_that_cannot_be_kept_names_itself() -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve(campaign(nominated((BEST, 7.77, 5)), Pinned(item_id=BEST, discount_frac=0.2)), ITEMS, DRAWS)
    assert set(caught.value.limits) == {f"pinned[{BEST}]", f"pinned[{BEST}] discount", "nominated"}
    with pytest.raises(InfeasibleError) as caught:
        solve(campaign(nominated(("i1", 7.77, 5), only=True), Pinned(item_id=BEST)), ITEMS, DRAWS)
    assert set(caught.value.limits) == {f"pinned[{BEST}]", "nominated"}
    with pytest.raises(InfeasibleError) as caught:
        solve(campaign(nominated((BEST, 5.05, 5)), MarginFloor(margin_frac=0.2), Pinned(item_id=BEST)), ITEMS, DRAWS)
    assert set(caught.value.limits) == {f"pinned[{BEST}]", "nominated", "margin floor"}


@pytest.mark.parametrize("costs", [Costs(), Costs(return_frac=0.25, return_cost=1.0, holding_cost=0.1)])
def test_what_others_pay_of_the_discount_is_income_for_units_kept(costs: Costs) -> None:
    """Every offer gains share x (list price - price) x units kept, to the cent, and nothing else changes."""
    items = ITEMS.with_columns(brand=np.array(["acme"] * 6 + ["zen"] * 6))
    plain = build_columns(campaign(nominated((BEST, 7.77, 99)), costs=costs), items, DRAWS)
    paying = FunderBudget(funder="Acme", amount=1e9, share=0.25, brand="acme", item_ids=(BEST,))
    funded = build_columns(campaign(nominated((BEST, 7.77, 99), share=0.5), paying, costs=costs), items, DRAWS)
    share = np.where(plain.item < 6, 0.25, np.where(plain.item == int(BEST[1:]), 0.75, 0.0))
    income = (1.0 - costs.return_frac) * share * plain.discount_cost
    np.testing.assert_allclose(funded.value, plain.value + income, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(funded.units, plain.units)
    np.testing.assert_array_equal(funded.discount_cost, plain.discount_cost)
    assert (income[share > 0.0] > 0.0).any()


def test_a_share_of_nothing_changes_no_figure() -> None:
    """Bit for bit: shops without funders keep their figures."""
    plain = build_columns(campaign(), ITEMS, DRAWS)
    none = build_columns(campaign(nominated(("i0", 20.0, 0))), ITEMS.with_columns(brand=None), DRAWS)
    kept = plain.take(plain.item > 0)
    for name in ("value", "units", "price", "quota"):
        np.testing.assert_array_equal(getattr(none, name), getattr(kept, name))


def test_the_budget_is_what_the_shop_itself_pays() -> None:
    everything = FunderBudget(funder="Acme", amount=1e9, share=0.8, item_ids=tuple(ITEMS["item_id"]))
    free = plan_of(campaign(everything))
    net = 0.2 * given_away(free)
    loose = plan_of(campaign(everything, Budget(amount=1.01 * net)))
    assert loose.objective == pytest.approx(free.objective, rel=1e-4)
    tight = plan_of(campaign(everything, Budget(amount=0.5 * net)))
    assert tight.objective < free.objective
    assert 0.2 * given_away(tight) <= 0.5 * net + 1e-9
    assert tight.limit_prices["budget"] > 0.0
    said = check(free, campaign(everything, Budget(amount=0.5 * net)), ITEMS).broken
    assert [(one.limit, one.where) for one in said] == [("budget", "campaign, as stated")]
    assert said[0].amount == pytest.approx(0.5 * net)


def test_funding_makes_deeper_offers_worth_more() -> None:
    prices = (("i1", 7.0, 400), (BEST, 7.0, 400))
    alone, paid = (plan_of(campaign(nominated(*prices, share=share))) for share in (0.0, 1.0))
    assert paid.objective > alone.objective
    assert expected_funding(alone, campaign(nominated(*prices)), ITEMS) == 0.0
    asked = campaign(nominated(*prices, share=1.0), costs=Costs(return_frac=0.5))
    theirs = sum(3.0 * offer.expected_units for offer in paid.offers if offer.item_id in {"i1", BEST})
    assert theirs > 0.0
    assert expected_funding(paid, asked, ITEMS) == pytest.approx(0.5 * theirs)


def broken_of(asked: Campaign, offer: Offer) -> dict[str, tuple[str, float, str]]:
    return {one.limit: (one.where, round(one.amount, 6), one.unit) for one in check([offer], asked, ITEMS).broken}


def test_the_checker_reads_nominations_by_itself() -> None:
    asked = campaign(nominated((BEST, 7.77, 4), only=True), price_ending=0.99)
    offer = Offer(
        item_id=BEST,
        slot_id="s0",
        price=7.77,
        discount_frac=1.0 - 0.777,
        quota=4,
        expected_units=0.0,
        expected_value=0.0,
    )
    assert broken_of(asked, offer) == {}
    step = replace(offer, price=7.99, discount_frac=1.0 - 0.799)
    assert broken_of(asked, step) == {"nominated": (f"{BEST} in s0", 0.22, "currency")}
    assert broken_of(asked, replace(offer, quota=7)) == {"stock": (BEST, 3.0, "units")}
    other = replace(step, item_id="i1")
    assert broken_of(asked, other) == {"nominated": ("i1 in s0", 1.0, "offers")}
    no_share = campaign(nominated((BEST, 7.77, 4), share=1.5))
    assert broken_of(no_share, offer) == {"funding": (BEST, 0.5, "fraction")}
    verdict = check([offer], no_share, ITEMS, DRAWS)
    assert verdict.value is None


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((nominated(("none", 7.0, 1)),), "item 'none'"),
        ((nominated(("i1", 7.0, 1), ("i1", 6.0, 1)),), "i1 is nominated twice, by 'of i1' and 'of i1'"),
        ((nominated(("i1", 7.0, 1)), nominated(("i1", 7.0, 1))), "i1 is nominated twice"),
        ((nominated(("i1", 0.0, 1)),), "i1 is nominated at 0"),
        ((nominated(("i1", 7.005, 1)),), "whole cents"),
        ((nominated(("i1", float("nan"), 1)),), "i1 is nominated at nan"),
        ((nominated(("i1", 7.0, -1)),), "a stock of -1"),
        ((nominated(("i1", 7.0, 1), share=1.2),), r"pays 1\.2 of its discount"),
        (
            (nominated(("i1", 7.0, 1), share=0.5), FunderBudget(funder="f", amount=9.0, share=0.6, item_ids=("i1",))),
            "pay 110% of the discount of item i1 together",
        ),
    ],
)
def test_nominations_that_mean_nothing_are_refused(limits: tuple[Limit, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        solve(campaign(*limits), ITEMS, DRAWS)


def test_every_nomination_is_answered() -> None:
    asked = campaign(
        nominated(
            (BEST, 8.0, 3),
            ("i1", 9.99, 500),
            ("i2", 5.05, 9),
            ("i3", 10.5, 9),
            ("i4", 8.0, 0),
            ("i5", 8.0, 9),
            share=0.5,
        ),
        MarginFloor(margin_frac=0.2),
        Excluded(item_ids=("i5",)),
        Pinned(item_id=BEST),
    )
    found, proof = solve_certified(asked, ITEMS, DRAWS)
    told = answers(found, asked, ITEMS, proof)
    assert told["item_id"].to_list() == [BEST, "i1", "i2", "i3", "i4", "i5"]
    why = dict(told.select("item_id", "why").iter_rows())
    mine = [offer for offer in found.offers if offer.item_id == BEST]
    first = told.row(0, named=True)
    assert first["taken"]
    assert first["slots"] == ", ".join(offer.slot_id for offer in mine)
    assert first["expected_funding"] == pytest.approx(0.5 * 2.0 * sum(offer.expected_units for offer in mine))
    assert why["i2"] == "it may not run at 5.05: margin floor"
    assert "list price" in why["i3"]
    assert why["i4"] == "there is no stock of it to sell"
    assert why["i5"] == "it may not run at 8.00: excluded"
    taken = {offer.item_id for offer in found.offers}
    assert told["taken"].to_list() == [item in taken for item in told["item_id"]]


def test_what_is_short_of_entering_is_told_in_money() -> None:
    cheap = nominated((BEST, 5.01, 500))
    found, proof = solve_certified(campaign(cheap), ITEMS, DRAWS)
    told = answers(found, campaign(cheap), ITEMS, proof).row(0, named=True)
    assert not told["taken"]
    short = float(told["why"].split("would have to earn ")[1].split(" ")[0])
    share = 0.0
    for share in np.linspace(0.05, 1.0, 20):  # once a seller pays so much more, it enters
        paid = nominated((BEST, 5.01, 500), share=float(share))
        enters = solve(campaign(paid), ITEMS, DRAWS)
        if any(offer.item_id == BEST for offer in enters.offers):
            income = expected_funding(enters, campaign(paid), ITEMS)
            break
    assert income >= short - 0.01 - 1e-4 * found.objective


def test_a_what_if_of_other_nominations_is_the_plan_of_a_new_start() -> None:
    desk = Desk.open(campaign(), ITEMS, DRAWS)
    assert desk.plan().objective == pytest.approx(solve(campaign(), ITEMS, DRAWS).objective, rel=1e-3)
    funder = FunderBudget(funder="f", amount=30.0, share=0.5, item_ids=("i1", BEST))
    for limits in (
        (nominated((BEST, 7.77, 5), share=0.3),),
        (nominated((BEST, 7.77, 5), share=0.3), funder),
        (replace(funder, amount=2.0),),
    ):
        asked = campaign(*limits)
        assert desk.plan(asked.limits).objective == pytest.approx(solve(asked, ITEMS, DRAWS).objective, rel=1e-3)


def test_saved_plans_differ_by_single_nominations(tmp_path: Path) -> None:
    saved = []
    for k, offers in enumerate([((BEST, 7.77, 5), ("i1", 8.0, 3)), ((BEST, 7.77, 5), ("i1", 8.5, 3))]):
        asked = campaign(nominated(*offers, share=0.5))
        save_plan(solve(asked, ITEMS, DRAWS), asked, ITEMS, tmp_path / str(k), fresh=DRAWS)
        saved.append(load_plan(tmp_path / str(k)))
        assert saved[-1].campaign == asked
    rules = differences(*saved).campaign
    assert rules["plan"].to_list() == ["before", "after"]
    assert [rule.split(" seller")[0] for rule in rules["rule"]] == [
        "Nomination item_id=i1 price=8.0 stock=3",
        "Nomination item_id=i1 price=8.5 stock=3",
    ]
