"""Models to a plan: chosen offers, their value on draws the optimizer has not seen, each customer's list, the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flashlift import artifacts, behavior, demand, events, planning, recommend
from flashlift.domain import Campaign, Plan
from flashlift.errors import FlashliftError, InsufficientDataError
from flashlift.limits import Nominations
from flashlift.pipeline.assignment import assigner
from flashlift.pipeline.candidates import candidates
from flashlift.pipeline.nominations import nominations_of, tell_nominations
from flashlift.pipeline.picks import Picks, read_picks
from flashlift.pipeline.plan_files import check_places, write_plan_files
from flashlift.pipeline.planned import FORECAST, Planned, expected, read_planned
from flashlift.pipeline.proof import design_of
from flashlift.pipeline.rankers import rankers
from flashlift.pipeline.shop import Shop, for_sale
from flashlift.pipeline.spreadsheet import spreadsheet
from flashlift.pipeline.traffic import trained_demand
from flashlift.pipeline.trust import basis, sensitivity, stock
from flashlift.protocols import DemandDraws, Progress, silent
from flashlift.schema import Events, SaleItems
from flashlift.settings import Settings

__all__ = ["plan", "read_picks_of"]

CURVE_DISCOUNTS = tuple(round(0.02 * step, 2) for step in range(1, 31))
QUOTA_DRAWS = 50
FIGURES = (  # of every plan compared; from the fourth on, fields of its verdict
    *("value", "ci_lower", "ci_upper", "gross_sales", "units", "sell_through"),
    *("revenue", "buyers", "stock_cleared"),
)
AUDIENCE_DAYS = 90
AUDIENCE_BATCH = 20_000


def plan(
    settings: Settings, progress: Progress = silent, *, picks: Picks | None = None, places: Sequence[Path] = ()
) -> Planned:
    """Plan the sale. The same inputs give the same plan, which is then read back instead of made again.

    Args:
        settings: of the shop.
        progress: told how far it is.
        picks: items pinned and forbidden beside the settings; none if left out, and a limit on change is then about the
            plan approved last.
        places: where to write the plan beside plan.csv, .parquet, .json and .ics in the work folder.
    """
    check_places(places)
    shop, picks = Shop.open(settings), picks or read_picks_of(settings, None, None)
    trained = trained_demand(settings, shop), shop.evidence("behavior")
    nominated = nominations_of(settings, shop)

    def work(inputs: str) -> dict[str, pl.DataFrame]:
        return _plan(settings, shop, picks, nominated, inputs, progress)

    behind = trained[1].inputs if trained[1] else None
    asked = [picks.to_polars().to_dicts(), *([] if nominated is None else [asdict(nominated)])]
    shop.stage("plan", work, settings, trained[0], behind, *asked)
    shop.need("plan")
    planned = read_planned(shop.folder)
    write_plan_files(planned, settings, places)
    return planned


def read_picks_of(settings: Settings, pin: Path | None, forbid: Path | None) -> Picks:
    """Read the files of pinned and forbidden items (`flashlift.pipeline.picks`) and what the approved plan holds.

    Raises:
        InputError: a file, a row or a value that cannot be used.
        ArtifactError: nothing was ingested yet.
    """
    approved = planning.approved_items(settings.shop.work / "plan") if settings.campaign.change is not None else ()
    if pin is None and forbid is None:
        return Picks(approved=approved)
    shop = Shop.open(settings)
    picks = read_picks(
        pin,
        forbid,
        campaign=settings.build_campaign(shop.split.test_end),
        items=for_sale(settings, shop),
        known=set(shop.tables.items[SaleItems.item_id.name]),
    )
    return replace(picks, approved=approved)


def _plan(
    settings: Settings, shop: Shop, picks: Picks, nominated: Nominations | None, inputs: str, progress: Progress
) -> dict[str, pl.DataFrame]:
    c, seed = settings.campaign, settings.shop.seed
    campaign, items = candidates(settings, shop, picks, nominated)
    model = demand.FittedDemand.load(shop.folder / "demand")
    *both, lots = np.random.default_rng(seed).spawn(3)
    seen, unseen = (model.draw(items, campaign.slots, c.n_draws, rng=rng) for rng in both)
    few = model.draw(items, campaign.slots, QUOTA_DRAWS, rng=np.random.default_rng(seed))
    best, proof = planning.solve_certified(
        campaign, items, seen, time_limit_s=c.time_limit_s, seed=seed, progress=progress
    )
    explored = planning.explore(best, campaign, items, proof, share=c.explore, rng=lots)
    best = explored.plan
    verdict = planning.save_plan(
        best,
        campaign,
        items,
        shop.folder / "plan",
        fresh=unseen,
        planned_on=seen,
        certificate=proof,
        inputs=inputs,
    )
    marks = items.select(SaleItems.item_id.name, SaleItems.cost_assumed.name, SaleItems.stock_assumed.name)
    model.save(shop.folder / "plan" / FORECAST, inputs=inputs)  # the debrief judges the plan by what it rested on
    table = (
        planning.plan_table(best, campaign, items)
        .join(marks, on=SaleItems.item_id.name, how="left", maintain_order="left")
        .hstack(basis(best, items, unseen, shown_assumed=_shown_assumed(shop)))
    )
    chosen = table[SaleItems.item_id.name].unique(maintain_order=True).to_list()
    titles = items.select(SaleItems.item_id.name, SaleItems.title.name)
    if best.offers:
        _list_offers(settings, shop, best, progress)
    beside = {}
    answers = None if nominated is None else planning.answers(best, campaign, items, proof)
    tell_nominations(shop, answers)
    if answers is not None:
        beside["nominations"] = answers
    if c.stock_to_order:
        beside["stock"] = stock(settings, best, campaign, items, unseen)
        artifacts.write_text(shop.folder / "stock.csv", spreadsheet(beside["stock"]))
    return beside | {
        "table": table,
        "exploration": _tell_lots(shop, explored),
        "picks": picks.to_polars(),
        "sensitivity": sensitivity(best, campaign, items, unseen, _placebo(shop)),
        "comparison": _compare(verdict, campaign, items, seen, unseen, few),
        "curves": model.curves(chosen, CURVE_DISCOUNTS)
        .cast({SaleItems.item_id.name: pl.String})
        .join(titles, on=SaleItems.item_id.name, how="left"),
        "design": pl.DataFrame(
            {"text": [_design(settings, shop, best, campaign, items, unseen, expected(verdict).value)]}
        ),
    }


def _shown_assumed(shop: Shop) -> bool:
    """Whether the log holds no sale that would tell the lift of being shown in one."""
    done = shop.evidence("demand")
    return done is not None and bool(done.frames["assumed"]["visibility"].item())


def _tell_lots(shop: Shop, explored: planning.Explored) -> pl.DataFrame:
    """Write exploration.csv where prices were drawn by lot."""
    path = shop.folder / "exploration.csv"
    if explored.lots.is_empty():
        path.unlink(missing_ok=True)
    else:
        artifacts.write_text(path, spreadsheet(explored.lots))
    return explored.lots


def _placebo(shop: Shop) -> pl.DataFrame:
    """The placebo tests of the demand model, which `plan` has made sure of."""
    trained = shop.evidence("demand")
    assert trained is not None
    return trained.frames["placebo"]


def _compare(
    best: planning.Verdict,
    campaign: Campaign,
    items: pl.DataFrame,
    seen: DemandDraws,
    unseen: DemandDraws,
    few: DemandDraws,
) -> pl.DataFrame:
    """The plan and today's rules of thumb, all within the same limits, valued on the same fresh draws.

    The random plan needs draws for its quotas only, so `few` will do.
    """
    rules: dict[str, Callable[[], Plan]] = {
        "fair rule: 20 % off, margin kept": lambda: planning.fair_rule(campaign, items, seen, discount=0.2),
        "best sellers at 20 %": lambda: planning.best_sellers(campaign, items, seen, discount=0.2),
        "slow movers at 40 %": lambda: planning.slow_movers(campaign, items, seen, discount=0.4),
        "random": lambda: planning.random_plan(campaign, items, few, rng=np.random.default_rng(0)),
    }
    rows = [_row("planned sale", best)]
    for name, rule in rules.items():
        try:
            offers = rule().offers
        except FlashliftError:
            rows.append(
                (name, *(None,) * len(FIGURES))
            )  # the rule cannot keep the limits; its row says so by being empty
        else:
            rows.append(_row(name, planning.check(offers, campaign, items, unseen)))
    return pl.DataFrame(rows, schema={"plan": pl.String, **dict.fromkeys(FIGURES, pl.Float64)}, orient="row")


def _row(name: str, verdict: planning.Verdict) -> tuple[object, ...]:
    value = expected(verdict)
    return (name, value.value, value.ci_lower, value.ci_upper, *(getattr(verdict, figure) for figure in FIGURES[3:]))


def _list_offers(settings: Settings, shop: Shop, best: Plan, progress: Progress) -> None:
    """Write each recent customer's first offers and their variant in the test."""
    ranking = shop.evidence("behavior")
    if ranking is None or ranking.manifest["skipped"]:
        return
    at, key = shop.split.test_end, Events.customer_id.name
    past = events.before(shop.tables.events, at)
    fresh = Events.at.col >= at - timedelta(days=AUDIENCE_DAYS)
    customers = past.filter(fresh, Events.customer_id.col.is_not_null()).select(key).unique().collect()[key].sort()
    model = behavior.BehaviorModel.load(shop.folder / "behavior")
    recommender = rankers(model, shop, at)[ranking.frames["ranker"]["model"].item()]
    arms = assigner(settings)
    parts = []
    for batch in customers.to_frame().iter_slices(AUDIENCE_BATCH):
        names = batch[key].to_list()
        mine = past.filter(fresh | Events.customer_id.col.is_in(names)).collect()
        ranked = recommend.rank_offers(recommender, mine, best, names, at, k=settings.campaign.offers_per_customer)
        parts.append(ranked.join(batch.with_columns(variant=pl.Series(arms.assign(names))), on=key))
        progress("offers for each customer", sum(part[key].n_unique() for part in parts), len(customers))
    whole = {"audience": pl.concat(parts)} if parts else {}
    artifacts.save(artifacts.Artifact(kind="audience", frames=whole), shop.folder / "audience")


def _design(
    settings: Settings,
    shop: Shop,
    best: Plan,
    campaign: Campaign,
    items: pl.DataFrame,
    unseen: DemandDraws,
    expected_effect: float,
) -> str:
    """The test that will judge the plan, or why there can be none, in words."""
    if not best.offers:
        return "The plan is empty, so there is nothing to test."
    try:
        return design_of(settings, shop, best, campaign, items, unseen, expected_effect).paragraph()
    except InsufficientDataError as error:
        return f"No test can be designed: {error}"
