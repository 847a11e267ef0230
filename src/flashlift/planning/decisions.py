"""Who approved or rejected a plan, and when: a history that only grows, one JSON line for each decision.

The history lies beside the plan's folder (`plan.decisions.jsonl` for `plan`), because the folder is replaced when the
sale is planned again. Each line holds the digest of the plan it is about. A plan is approved or rejected by the last
line of the history if that line is about exactly this plan; otherwise it is a draft.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from flashlift import artifacts
from flashlift.errors import ArtifactError, FlashliftError, InputError
from flashlift.planning.check import check
from flashlift.planning.store import SavedPlan, load_plan

__all__ = ["Decision", "approve", "approved_items", "decisions", "history_file", "reject", "standing"]

State = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One line of the history.

    Args:
        state: what was decided.
        by: who decided.
        at: when, UTC.
        note: why, in words; may be empty.
        plan: digest of the plan that it is about (`SavedPlan.digest`).
        broken: limits and figures found wrong in that plan, which was approved all the same.
        items: items of that plan, so that a later one may be held near it (`flashlift.limits.MaxChange`).
    """

    state: State
    by: str
    at: datetime
    note: str
    plan: str
    broken: tuple[str, ...] = ()
    items: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Who decided what and when, in one line."""
        despite = f", despite {', '.join(self.broken)}" if self.broken else ""
        why = f": {self.note}" if self.note else ""
        return f"{self.state} by {self.by} on {self.at:%Y-%m-%d %H:%M} UTC{despite}{why}"


def approve(
    folder: Path, *, by: str, note: str = "", despite_broken: bool = False, at: datetime | None = None
) -> Decision:
    """Approve the plan in `folder` as it is now. The independent checker judges its limits once more before.

    Args:
        folder: what `save_plan` wrote.
        by: who approves.
        note: why.
        despite_broken: approve a plan that breaks limits; the note must say why.
        at: when; now if left out.

    Raises:
        FlashliftError: the plan breaks limits or states wrong figures, and nobody said that it shall run all the same.
        InputError: nobody is named, or a broken plan is approved without a note.
        ArtifactError: there is no plan, or it or the history is damaged.
        OutputError: the history cannot be written.
    """
    saved = load_plan(folder)
    broken = _broken(saved)
    if broken and not despite_broken:
        raise FlashliftError(
            f"The plan in {folder} is not approved, because the checker found it broken: {', '.join(broken)}. "
            "Plan again, or approve it with --despite-broken and a --note that says why."
        )
    if broken and not note.strip():
        raise InputError(
            f"The plan in {folder} is broken ({', '.join(broken)}), and no note says why it shall run. Give a --note."
        )
    return _decide(folder, saved, "approved", by=by, note=note, at=at, broken=broken)


def reject(folder: Path, *, by: str, note: str = "", at: datetime | None = None) -> Decision:
    """Reject the plan in `folder` as it is now.

    Args:
        folder: what `save_plan` wrote.
        by: who rejects.
        note: why.
        at: when; now if left out.

    Raises:
        InputError: nobody is named.
        ArtifactError: there is no plan, or it or the history is damaged.
        OutputError: the history cannot be written.
    """
    return _decide(folder, load_plan(folder), "rejected", by=by, note=note, at=at)


def decisions(folder: Path) -> tuple[Decision, ...]:
    """All decisions on plans of this folder, the oldest first; plans since replaced are among them.

    Raises:
        ArtifactError: a line of the history is damaged.
    """
    path = history_file(folder)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}). Restore it from a backup.") from error
    return tuple(_read(line, f"{path}, line {n},") for n, line in enumerate(lines, 1))


def standing(folder: Path, saved: SavedPlan) -> Decision | None:
    """The decision that holds for this plan; None where it is a draft.

    Raises:
        ArtifactError: a line of the history is damaged.
    """
    last = decisions(folder)[-1:]
    return last[0] if last and last[0].plan == saved.digest else None


def approved_items(folder: Path) -> tuple[str, ...]:
    """Items of the plan of this folder that was approved last and not rejected after that; none without one.

    Raises:
        ArtifactError: a line of the history is damaged.
    """
    last = {one.plan: one for one in decisions(folder)}  # the last word on each plan
    approved = [one for one in last.values() if one.state == "approved"]
    return max(approved, key=lambda one: one.at).items if approved else ()


def history_file(folder: Path) -> Path:
    """Where the decisions on the plans of a folder are kept."""
    return folder.with_name(f"{folder.name}.decisions.jsonl")


def _decide(
    folder: Path,
    saved: SavedPlan,
    state: State,
    *,
    by: str,
    note: str,
    at: datetime | None,
    broken: tuple[str, ...] = (),
) -> Decision:
    if not by.strip():
        raise InputError(f"Nobody is named who has {state} the plan in {folder}. Say who it is with --by.")
    decisions(folder)  # nothing is added to a damaged history
    decision = Decision(
        state=state,
        by=by.strip(),
        at=(at or datetime.now(UTC)).astimezone(UTC),
        note=note.strip(),
        plan=saved.digest,
        broken=broken,
        items=tuple(dict.fromkeys(offer.item_id for offer in saved.plan.offers)),
    )
    line = asdict(decision) | {"at": decision.at.isoformat()}
    artifacts.append_line(history_file(folder), json.dumps(line, ensure_ascii=True))
    return decision


def _broken(saved: SavedPlan) -> tuple[str, ...]:
    """What is wrong with a plan: what the checker said when it was written, on draws, and what it says now."""
    now = check(saved.plan, saved.campaign, saved.items)
    return tuple(dict.fromkeys(one.limit for one in (*saved.verdict.broken, *now.broken)))


def _read(line: str, place: str) -> Decision:
    try:
        fields = json.loads(line)
        at = datetime.fromisoformat(fields.pop("at"))
        broken, items = (tuple(fields.pop(name, ())) for name in ("broken", "items"))
        decision = Decision(at=at, broken=broken, items=items, **fields)
        if decision.state not in get_args(State) or at.tzinfo is None:
            raise ValueError(f"state {decision.state!r} at {at}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{place} is no decision ({error}). Restore the file from a backup.") from error
    return decision
