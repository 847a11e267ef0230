"""The report: evidence in, one HTML file out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from math import isfinite
from pathlib import Path

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flashlift import artifacts
from flashlift.domain import PlanStatus
from flashlift.protocols import Progress, silent
from flashlift.report import evidence_sections, plan_sections, stock_section, trust_section
from flashlift.report.blocks import Section
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, instant, interval, money, percent
from flashlift.report.marks import legend, mark

__all__ = ["Headline", "write_page", "write_report"]

SECTIONS = (
    plan_sections.offers,
    plan_sections.comparison,
    stock_section.stock,
    evidence_sections.price_response,
    trust_section.trust,
    plan_sections.limits,
    evidence_sections.demand_forecast,
    evidence_sections.customers,
    evidence_sections.model_card,
    evidence_sections.learning,
    plan_sections.proof,
    evidence_sections.data,
    evidence_sections.assumptions,
)

STATUS = {
    PlanStatus.OPTIMAL: "proved optimal within the solver's tolerance",
    PlanStatus.TIME_LIMITED: "best found in the time allowed",
    PlanStatus.HEURISTIC: "chosen by a rule of thumb, which proves nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What the reader takes away: one figure, what it means, and cards beside it."""

    figure: str
    meaning: str
    caution: str
    cards: tuple[tuple[str, str, str], ...]  # label, value, explanation


def write_report(evidence: Evidence, path: Path, *, progress: Progress = silent) -> None:
    """Write the report as one self-contained HTML file, whole or not at all.

    The file loads nothing from outside, and its content security policy forbids it to. Text from the shop's data is
    escaped; every script but the page's own is refused.

    Raises:
        OutputError: the place cannot be written.
    """
    sections = []
    for done, section in enumerate(SECTIONS):
        progress("report", done, len(SECTIONS) + 1)
        sections.append(section(evidence))
    progress("report", len(SECTIONS), len(SECTIONS) + 1, "inlining the charts' library")
    write_page(
        path,
        what="Flash-sale plan",
        title=evidence.title,
        currency=evidence.currency,
        headline=_headline(evidence),
        sections=sections,
        legend=legend(evidence),
        created=evidence.created,
        span=_span(evidence),
    )
    progress("report", len(SECTIONS) + 1, len(SECTIONS) + 1)


def write_page(
    path: Path,
    *,
    what: str,
    title: str,
    currency: str | None,
    headline: Headline,
    sections: Sequence[Section],
    legend: str,
    created: datetime,
    span: str,
) -> None:
    """Lay out a page of sections under a headline; the file is as `write_report` says.

    Args:
        path: of the file.
        what: kind of the page.
        title: name of the shop.
        currency: of its amounts.
        headline: what the reader takes away.
        sections: what it rests on.
        legend: what marks beside figures mean.
        created: when it was made.
        span: days of the data, in words.

    Raises:
        OutputError: the place cannot be written.
    """
    script = _script()
    artifacts.write_text(
        path,
        _environment()
        .get_template("report.html.j2")
        .render(
            what=what,
            title=title,
            currency=currency,
            headline=headline,
            sections=sections,
            legend=legend,
            created=instant(created),
            span=span,
            style=Markup(_own("style.css")),  # noqa: S704  # ours
            script=Markup(script),  # noqa: S704  # ours
            script_hash=_hash(script),
        ),
    )


def _headline(evidence: Evidence) -> Headline:
    plan, value, currency = evidence.plan, evidence.value, evidence.currency
    if plan is None or value is None:
        return Headline(figure="No plan", meaning=evidence.reason("plan", "demand"), caution="", cards=())
    cost = evidence.cost_assumed
    slots = len({offer.slot_id for offer in plan.offers})
    cards = [
        ("Offers", count(len(plan.offers)), f"in {slots} slots"),
        (
            "Upper bound",
            mark(money(plan.bound, currency), cost=cost),
            f"no plan can do better{_aim(evidence)} on the planner's draws, where this one reaches "
            f"{money(plan.objective, currency)}"
            if isfinite(plan.bound)
            else f"nothing is known of the best plan; this one reaches {money(plan.objective, currency)} on its draws",
        ),
        ("Gap", percent(plan.gap_frac, 2), STATUS[plan.status]),
    ]
    if evidence.broken is not None:
        cards.append(_check(evidence.broken.height, 0 if evidence.soft is None else evidence.soft.height))
    cards.append(_state(evidence.decision))
    ends = mark(interval(value.ci_lower, value.ci_upper, currency), cost=cost)
    return Headline(
        figure=mark(money(value.value, currency), cost=cost),
        meaning=f"expected incremental profit; {percent(value.level, 0)} interval {ends}",
        caution="This is a forecast on the assumptions listed below, not a measured uplift. Incremental: compared with "
        "not running the sale, after purchases that are only pulled forward or taken from other items.",
        cards=tuple(cards),
    )


def _aim(evidence: Evidence) -> str:
    return f" for the goal ({evidence.other_goal})" if evidence.other_goal else ""


def _check(findings: int, soft: int) -> tuple[str, str, str]:
    if findings:
        return "Independent check", "failed", f"faults found: {count(findings)}; do not run this plan as it is"
    kept = f"every limit kept but {count(soft)} soft ones" if soft else "every limit kept"
    return "Independent check", "passed", f"{kept}, the plan's own figures true"


def _state(decision: str) -> tuple[str, str, str]:
    state, _, rest = decision.partition(" ")
    return "State", state, rest or "nobody has approved it"


def _span(evidence: Evidence) -> str:
    if evidence.data_start is None or evidence.data_end is None:
        return ""
    return f"{evidence.data_start:%d %b %Y} to {evidence.data_end:%d %b %Y}"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("flashlift.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _script() -> str:
    """Our drawing loop with Vega, Vega-Lite and Vega-Embed, in one script."""
    bundle: str = vl_convert.javascript_bundle(_own("draw.js"))
    if "</script" in bundle.lower():
        raise RuntimeError("The Vega bundle cannot be inlined: it holds a closing script tag.")
    return bundle


def _own(name: str) -> str:
    return (resources.files("flashlift.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
