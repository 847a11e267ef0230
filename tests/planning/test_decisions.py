"""Who approved what: only the plan as it is, and nothing is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.draws import catalog, log_linear, slots_every

from flashlift import artifacts
from flashlift.domain import Campaign, Plan
from flashlift.errors import ArtifactError, FlashliftError, InputError
from flashlift.limits import Appearances, Excluded
from flashlift.planning import (
    Decision,
    approve,
    approved_items,
    best_sellers,
    decisions,
    load_plan,
    reject,
    save_plan,
    standing,
)

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def write(folder: Path, *, seed: int = 1, forbid: tuple[str, ...] = (), cut: int | None = None) -> Plan:
    """A plan by a rule of thumb; `forbid` items after it was made, so that it breaks its campaign."""
    rng = np.random.default_rng(seed)
    campaign = Campaign(slots=slots_every(2), ladder=(0.2,), limits=(Appearances(),))
    items, draws = catalog(rng, 4), log_linear(rng, 4, campaign.slots, 5)
    plan = best_sellers(campaign, items, draws)
    plan = replace(plan, offers=plan.offers[:cut])
    strict = replace(campaign, limits=(*campaign.limits, Excluded(item_ids=forbid))) if forbid else campaign
    save_plan(plan, strict, items, folder, fresh=draws)
    return plan


def state(folder: Path) -> Decision | None:
    return standing(folder, load_plan(folder))


def test_a_plan_is_a_draft_until_somebody_decides(tmp_path: Path) -> None:
    write(tmp_path / "plan")
    assert state(tmp_path / "plan") is None
    made = approve(tmp_path / "plan", by=" Ann ", note="go", at=AT.astimezone(timezone(timedelta(hours=5))))
    assert made == state(tmp_path / "plan")
    assert made.sentence == "approved by Ann on 2026-05-01 12:30 UTC: go"
    assert reject(tmp_path / "plan", by="Bo", at=AT) == state(tmp_path / "plan")
    assert [one.by for one in decisions(tmp_path / "plan")] == ["Ann", "Bo"]


def test_the_items_of_the_plan_approved_last_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    assert approved_items(folder) == ()
    write(folder)
    mine = tuple(dict.fromkeys(offer.item_id for offer in load_plan(folder).plan.offers))
    reject(folder, by="Ann")
    assert approved_items(folder) == ()
    approve(folder, by="Ann")
    assert approved_items(folder) == mine != ()
    reject(folder, by="Ann")
    assert approved_items(folder) == ()
    approve(folder, by="Ann")
    history = folder.with_name("plan.decisions.jsonl")
    history.write_text("".join(line.split(', "items"')[0] + "}\n" for line in history.read_text().splitlines()))
    assert approved_items(folder) == ()  # a history of before items were kept


def test_the_same_plan_made_again_stays_approved_and_another_is_a_draft(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write(folder)
    approve(folder, by="Ann")
    write(folder)
    assert state(folder) is not None
    write(folder, cut=1)
    assert state(folder) is None
    reject(folder, by="Ann")
    write(folder)
    assert state(folder) is None, "a decision on another plan since then ends the approval"


def test_a_broken_plan_needs_a_word_and_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    plan = write(folder)
    write(folder, forbid=(plan.offers[0].item_id,))
    with pytest.raises(FlashliftError, match="excluded"):
        approve(folder, by="Ann", note="please")
    with pytest.raises(InputError, match="no note"):
        approve(folder, by="Ann", note="  ", despite_broken=True)
    assert decisions(folder) == ()
    made = approve(folder, by="Ann", note="agreed with the supplier", despite_broken=True, at=AT)
    assert made.broken == ("excluded",)
    assert "despite excluded: agreed" in made.sentence
    assert reject(folder, by="Ann").broken == ()


def test_a_verdict_that_was_forged_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    plan = write(folder)
    write(folder, forbid=(plan.offers[0].item_id,))
    saved = load_plan(folder)
    assert saved.verdict.broken
    whole = artifacts.load(folder, "plan")
    artifacts.save(replace(whole, frames={**whole.frames, "findings": whole.frames["findings"].clear()}), folder)
    assert load_plan(folder).verdict.broken == ()
    with pytest.raises(FlashliftError, match="excluded"):
        approve(folder, by="Ann")


def test_somebody_must_be_named(tmp_path: Path) -> None:
    write(tmp_path / "plan")
    for decide in (approve, reject):
        with pytest.raises(InputError, match="--by"):
            decide(tmp_path / "plan", by=" ")
    with pytest.raises(ArtifactError, match="There is no plan"):
        approve(tmp_path / "none", by="Ann")


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", '{"at": "2026-05-01T00:00:00+00:00"}', '{"at": "soon", "broken": []}',
     '{"at": "2026-05-01T00:00:00", "broken": [], "state": "approved", "by": "a", "note": "", "plan": "x"}',
     '{"at": "2026-05-01T00:00:00+00:00", "broken": [], "state": "maybe", "by": "a", "note": "", "plan": "x"}'],
)  # fmt: skip
def test_a_damaged_history_is_named_and_nothing_is_added(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "plan"
    write(folder)
    approve(folder, by="Ann")
    history = tmp_path / "plan.decisions.jsonl"
    history.write_text(history.read_text() + line + "\n")
    before = history.read_bytes()
    for ask in (lambda: decisions(folder), lambda: reject(folder, by="Bo")):
        with pytest.raises(ArtifactError, match=r"plan\.decisions\.jsonl, line 2,"):
            ask()
    assert history.read_bytes() == before


WORDS = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.booleans(), WORDS.filter(str.strip), WORDS, st.datetimes(min_value=datetime(1990, 1, 1))),
                min_size=1, max_size=5))  # fmt: skip
def test_every_decision_is_read_back_and_the_file_only_grows(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[bool, str, str, datetime]]
) -> None:
    folder = tmp_path_factory.mktemp("history") / "plan"
    write(folder)
    told, before = [], b""
    for yes, by, note, at in made:
        decide = approve if yes else reject
        told.append(decide(folder, by=by, note=note, at=at.replace(tzinfo=UTC)))
        now = folder.with_name("plan.decisions.jsonl").read_bytes()
        assert now.startswith(before) and now.count(b"\n") == len(told)
        before = now
    assert decisions(folder) == tuple(told)
    assert state(folder) == told[-1]
