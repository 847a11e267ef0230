"""The report is one safe file that tells the whole story, or says what is missing and why."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.charts import tables
from tests.report import made_up

from flashlift.charts import metrics_in
from flashlift.domain import Estimate, Goal, PlanStatus
from flashlift.errors import InputError, OutputError
from flashlift.report import Evidence, write_report
from flashlift.report.evidence import COLUMNS
from flashlift.report.page import SECTIONS

VOID = {"meta", "link", "img", "br", "hr", "input", "col"}
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' &amp; {{ 7 * 7 }} \u2028 限时抢购"


class Page(HTMLParser):
    """Collects what a browser would see: elements, anchors, scripts, text; fails on unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attrs, before = self.scripts[-1]
            self.scripts[-1] = (attrs, before + data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def specs(self) -> list[dict[str, Any]]:
        return [json.loads(body) for attrs, body in self.scripts if attrs.get("type") == "application/json"]


def render(evidence: Evidence, folder: Path) -> Page:
    write_report(evidence, folder / "report.html")
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@cache
def whole(folder: Path) -> Page:
    return render(made_up.full(), folder)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return whole(tmp_path_factory.mktemp("report"))


def test_every_section_is_there_and_linked(page: Page) -> None:
    anchors = {attrs["id"] for tag, attrs in page.elements if tag == "section"}
    links = {(attrs["href"] or "")[1:] for tag, attrs in page.elements if tag == "a"}
    assert len(anchors) == len(SECTIONS)
    assert anchors <= links
    assert not [word for word in ("None", "nan", "NaN") if re.search(rf"\b{word}\b", page.text)]


def test_headline_is_a_forecast_with_its_interval_bound_and_marks(page: Page) -> None:
    for words in ("£1,834†", "90% interval £1,210 to £2,491†", "£1,906†", "0.03%", "not a measured uplift"):
        assert words in page.text
    assert "† depends on an assumed unit cost; ‡ depends on an assumed stock." in page.text


def test_figures_are_drawn_from_specs_that_parse(page: Page) -> None:
    drawn = [attrs["data-spec"] for _, attrs in page.elements if "data-spec" in attrs]
    held = [attrs["id"] for attrs, _ in page.scripts if attrs.get("type") == "application/json"]
    assert drawn == held
    assert len(set(held)) == len(held)
    curves = tables.curves()["item_id"].n_unique()
    learned = len(metrics_in(tables.learning_curves()))
    assert len(page.specs) == 7 + curves + 3 + learned  # single charts, a panel per curve, horizon and metric
    assert all("$schema" in spec and "title" not in spec for spec in page.specs)


def test_nothing_is_loaded_from_outside(page: Page) -> None:
    loaded = [v for _, attrs in page.elements for k, v in attrs.items() if k in {"src", "srcset", "data", "action"}]
    assert loaded == []
    assert not [tag for tag, _ in page.elements if tag in {"link", "iframe", "object", "embed", "base", "form"}]
    assert all((attrs["href"] or "").startswith("#") for tag, attrs in page.elements if tag == "a")
    assert not [spec for spec in page.specs if '"url"' in json.dumps(spec)]


def test_policy_allows_only_the_page_own_script(page: Page) -> None:
    policy = next(
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    code = [body for attrs, body in page.scripts if "type" not in attrs]
    assert len(code) == 1
    digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert not [key for _, attrs in page.elements for key in attrs if key.startswith("on")]


def test_titles_from_the_shop_cannot_act(tmp_path: Path) -> None:
    offers = tables.plan_table(3).with_columns(title=pl.lit(EVIL), category=pl.lit(EVIL), slot_id=pl.lit(EVIL))
    parts = {
        "title": EVIL,
        "plan_table": offers,
        "curves": tables.curves(3).with_columns(title=pl.lit(EVIL)),
        "comparison": tables.comparison().with_columns(plan=EVIL + pl.col("plan")),
        "rules": tables.rules().with_columns(meaning=pl.lit(EVIL)),
        "assumptions": (EVIL,),
        "settings": {EVIL: EVIL},
        "test_design": EVIL,
        "stages_skipped": {EVIL: EVIL},
    }
    hurt, sound = (
        render(made_up.full(**parts), tmp_path),
        render(made_up.full(plan_table=tables.plan_table(3)), tmp_path),
    )
    assert len([a for a, _ in hurt.scripts if "type" not in a]) == 1
    assert not [tag for tag, _ in hurt.elements if tag == "img"]
    assert {tag for tag, _ in hurt.elements} == {tag for tag, _ in sound.elements}
    assert "<script>alert(1)</script>" in hurt.text  # shown as words
    assert "{{ 7 * 7 }}" in hurt.text
    titles = {row.get("title") for spec in hurt.specs for data in spec["datasets"].values() for row in data}
    assert EVIL in titles  # the same words, inside the data of a chart
    assert not [body for a, body in hurt.scripts if a.get("type") and "<" in body]


def test_a_part_that_is_absent_says_why(tmp_path: Path) -> None:
    part = render(made_up.without_prices(), tmp_path)
    assert "No plan The log holds no prices, so there is no plan." in part.text
    assert part.text.count("The log holds no prices, so there is no demand model.") == 4  # three sections, list
    assert part.text.count("The log holds no prices, so there is no plan.") == 7  # headline, five sections, list
    assert "event transformer" in part.text
    assert "†" not in part.text


def test_the_least_evidence_still_makes_a_page(tmp_path: Path) -> None:
    bare = render(Evidence(title="Bare", created=datetime(2026, 1, 1, tzinfo=UTC), settings={}), tmp_path)
    assert bare.specs == []
    assert bare.text.count("This run did not include it.") >= len(SECTIONS) - 1


@pytest.mark.parametrize("name", [f.name for f in fields(Evidence) if f.default is None])
def test_any_single_part_may_be_missing(name: str, tmp_path: Path) -> None:
    page = render(replace(made_up.small(), **{name: None}), tmp_path)
    assert all(section in page.text for section in ("How to prove it", "Data quality"))


@pytest.mark.parametrize("name", list(COLUMNS))
def test_any_table_may_be_empty_but_not_incomplete(name: str, tmp_path: Path) -> None:
    small = made_up.small()
    table: pl.DataFrame = getattr(small, name)
    render(replace(small, **{name: table.clear()}), tmp_path)
    with pytest.raises(InputError, match=f"{name} lacks the columns"):
        replace(small, **{name: table.drop(COLUMNS[name][-1])})


def test_marks_follow_the_offers(tmp_path: Path) -> None:
    offers = tables.plan_table(2).with_columns(
        cost_assumed=pl.Series([False, False]), stock_assumed=pl.Series([False, True])
    )
    text = render(made_up.full(plan_table=offers), tmp_path).text
    assert "£1,834 " in text
    assert "†" not in text
    assert f"{offers['quota'][1]}‡" in text
    assert f"{offers['quota'][0]}‡" not in text


def test_a_broken_limit_is_an_alarm(tmp_path: Path) -> None:
    broken = pl.DataFrame(
        {
            "limit": ["margin floor", "price"],
            "where": ["item 20004", "item 20005"],
            "amount": [0.031, float("inf")],
            "unit": ["fraction", "currency"],
        }
    )
    text = render(made_up.small(broken=broken), tmp_path).text
    assert "checker found 2 faults. Do not run this plan as it is." in text
    assert "0.03 fraction" in text
    assert "not a number" in text
    assert "Independent check failed faults found: 2; do not run this plan as it is" in text
    allowed = render(made_up.small(soft=broken[:1]), tmp_path).text
    assert "every limit that must be kept is kept" in allowed
    assert "Soft limits broken" in allowed
    assert "Do not run" not in allowed
    assert "found 1 fault. Do" in render(made_up.small(broken=broken[:1]), tmp_path).text
    assert "Independent check passed every limit kept" in render(made_up.small(), tmp_path).text


def test_the_status_of_a_plan_is_told_in_words(tmp_path: Path) -> None:
    known = made_up.small().plan
    assert known is not None
    assert "proved optimal within the solver's tolerance" in render(made_up.small(), tmp_path).text
    late = replace(known, status=PlanStatus.TIME_LIMITED)
    assert "best found in the time allowed" in render(made_up.small(plan=late), tmp_path).text
    rule = replace(known, status=PlanStatus.HEURISTIC, bound=float("inf"), gap_frac=float("inf"))
    text = render(made_up.small(plan=rule), tmp_path).text
    assert "chosen by a rule of thumb, which proves nothing" in text
    assert "nothing is known of the best plan" in text


def test_a_loss_is_shown_as_a_loss(tmp_path: Path) -> None:
    text = render(made_up.small(value=Estimate(value=-50.0, ci_lower=-90.0, ci_upper=3.5)), tmp_path).text
    assert "−£50† expected incremental profit; 90% interval −£90 to £3.50†" in text


def test_times_are_told_in_utc(tmp_path: Path) -> None:
    tokyo = datetime(2026, 1, 5, 18, 30, tzinfo=timezone(timedelta(hours=9)))
    assert "Mon 05 Jan 2026, 09:30 UTC" in render(made_up.small(created=tokyo), tmp_path).text
    with pytest.raises(InputError, match="no time zone"):
        made_up.full(created=tokyo.replace(tzinfo=None))


def test_an_unwritable_place_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="Cannot write"):
        write_report(made_up.without_prices(), tmp_path / "file" / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_progress_reaches_its_end(tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []

    def watch(task: str, done: float, total: float, note: str = "") -> None:
        seen.append((done, total))

    write_report(made_up.without_prices(), tmp_path / "r.html", progress=watch)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_trust_is_told_with_verdicts_and_consequences(page: Page, tmp_path: Path) -> None:
    for words in (
        "Demand would have to have been 25% higher.",
        "sale days that were none",
        "real sales: units in sales +92% +70% to +117% – The yardstick.",
        "−21% −29% to −12% failed Customers wait.",
        "Chosen sales sold 12% more.",
        "−2.10 −2.90 to −1.30 40 By chance.",
    ):
        assert words in page.text
    alone = render(made_up.small(lots=tables.lots().clear()), tmp_path).text
    assert "No past sale was drawn by lot" in alone
    figures = ("value", "ci_lower", "ci_upper")
    untested = tables.placebo().with_columns(pl.lit(None, pl.Float64).alias(name) for name in figures)
    silent = render(made_up.small(placebo=untested), tmp_path).text
    assert "– – passed The baseline is sound." in silent


def test_what_sell_outs_cost_is_told(page: Page, tmp_path: Path) -> None:
    for words in ("Sell-outs cost about 138 units", "101.2 to 174.8", "20001 30.0 210 120.4 88.0 to 152.8"):
        assert words in page.text
    quiet = render(made_up.small(lost_sales=tables.lost_sales().clear()), tmp_path).text
    assert "no lost demand is recovered" in quiet


def test_offers_say_what_they_rest_on(page: Page, tmp_path: Path) -> None:
    assert "10 points beyond" in page.text and "past sales" in page.text
    assert "not identifiable" not in page.text
    blind = tables.plan_table(4).with_columns(
        beyond_frac=pl.lit(None, pl.Float64), basis=pl.lit("not identifiable from these logs")
    )
    text = render(made_up.small(plan_table=blind), tmp_path).text
    assert "an assumption" in text
    assert "4 of 4 offers rest on a price response that is not identifiable from these logs" in text


def test_stock_to_order_is_listed_or_said_to_be_absent(page: Page, tmp_path: Path) -> None:
    assert "WHITE HANGING HEART T-LIGHT HOLDER 22† 20.5 11 to 34 62%† 4.2† 2.1† 20000" in page.text
    assert "–† 23.5 11 to 34 –† –† –† 20003" in page.text  # a leftover that loses nothing has no best quantity
    assert "campaign.stock_to_order" in render(made_up.small(stock=None), tmp_path).text
    assert "nothing is to be ordered" in render(made_up.small(stock=tables.stock().clear()), tmp_path).text


@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        ("draft", "State draft nobody has approved it"),
        ("approved by <b>Ann on 2026-05-01 12:00 UTC: go", "State approved by <b>Ann on 2026-05-01 12:00 UTC: go"),
    ],
)
def test_the_state_of_the_plan_is_told(decision: str, shown: str, tmp_path: Path) -> None:
    assert shown in render(made_up.small(decision=decision), tmp_path).text


def test_the_curve_of_profit_against_gross_sales_is_shown_where_it_was_asked_for(tmp_path: Path) -> None:
    write_report(made_up.full(pareto=tables.pareto()), tmp_path / "r.html")
    curve = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "Profit against gross sales" in curve.text
    assert all(words in curve.text for words in ("£1,700", "£7,900", "0.200", "0.09%"))
    write_report(made_up.full(), tmp_path / "r.html")
    assert "Profit against gross sales" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_goal_beyond_profit_is_named_with_its_figures(tmp_path: Path) -> None:
    plain = made_up.full()
    assert plain.campaign is not None
    assert plain.plan_table is not None
    goal = replace(plain.campaign, goal=Goal(revenue=0.1))
    more = plain.plan_table.with_columns(
        expected_revenue=pl.lit(1_234.0), expected_buyers=pl.lit(5.5), expected_stock_cleared=pl.lit(321.0)
    )
    page = tmp_path / "r.html"
    write_report(replace(plain, campaign=goal, plan_table=more), page)
    said = " ".join(Page(page.read_text(encoding="utf-8")).words)
    assert "The plan is the best for profit + 0.1 x gross sales" in said
    assert all(
        words in said for words in ("Worth per unit", "no plan can do better for the goal", "1,234", "5.5", "321")
    )
    write_report(plain, page)
    assert "The plan is the best for" not in page.read_text(encoding="utf-8")


def test_nominations_and_prices_drawn_by_lot_are_shown_where_there_are_any(tmp_path: Path) -> None:
    text = render(made_up.small(), tmp_path).text
    assert "1 of 2 nominations taken" in text
    assert all(words in text for words in ("Acme & <b>Co", "30%", "there is no stock for it", "£7.99"))
    assert "Prices drawn by lot" in text
    assert "C morning £9.00 50% best price" in text
    assert "C morning £8.50 50% drawn" in text
    bare = render(made_up.small(nominations=None, exploration=None), tmp_path).text
    assert "nominations taken" not in bare
    assert "Prices drawn by lot" not in bare
