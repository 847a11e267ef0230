"""Run the designs in blocks of replicates, in parallel processes; every finished block is kept."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.experiment_truth import designs
from benchmarks.experiment_truth.block import (
    CONTROL,
    TREATMENT,
    Block,
    Design,
    Sale,
    Size,
    allotted,
    make_block,
    returned,
    sold,
)
from benchmarks.worlds_code import market_code, world_code

__all__ = ["STOCKS", "Task", "designs_found", "folder_of", "load", "run"]

STOCKS = (0.5, 1.0, 3.0)  # multiples of the demand expected at the control price
COMPARED = ("customer_shared", "switchback", "window_quotas", "item_randomized")  # designs that nobody should choose
COMPARED_BLOCKS = 6  # of which fewer replicates tell enough
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One block of one world, at every level of stock."""

    world: str
    block: int

    def path(self, folder: Path) -> Path:
        return folder / f"{self.world}-{world_code(self.world)[:8]}-{self.block}.json"


def designs_found() -> dict[str, Design]:
    """Every file in `designs`, by file name."""
    names = sorted(found.name for found in pkgutil.iter_modules(designs.__path__))
    return {name: cast(Design, importlib.import_module(f"{designs.__name__}.{name}")) for name in names}


def folder_of(out: Path, size: Size) -> Path:
    """Where results are kept: another folder for another size, and where the simulated shops changed."""
    facts = asdict(size) | {"control": CONTROL, "treatment": TREATMENT, "market": market_code()}
    told = json.dumps(facts, sort_keys=True)
    return out / blake2b(told.encode(), digest_size=6).hexdigest()


def load(task: Task, folder: Path) -> dict[str, Any] | None:
    """What is kept of a task: `truth` and every design, by level of stock; None where there is nothing."""
    path = task.path(folder)
    return cast("dict[str, Any]", json.loads(path.read_text())) if path.exists() else None


def run(tasks: Iterable[Task], size: Size, folder: Path, *, workers: int, told: Callable[[], object]) -> None:
    """Run what is missing; a new design adds its figures to blocks that are there. Ctrl-C keeps finished blocks."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # read by the libraries when a process loads them
    folder.mkdir(parents=True, exist_ok=True)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent) as pool:
        jobs = [pool.submit(_work, task, size, folder) for task in tasks]
        try:
            for job in as_completed(jobs):
                job.result()
                told()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(task: Task, size: Size, folder: Path) -> None:
    kept = load(task, folder) or {}
    late = task.block >= COMPARED_BLOCKS
    known = {name: one for name, one in designs_found().items() if not (late and name in COMPARED)}
    missing = {name: design for name, design in known.items() if name not in kept}
    if not missing and "truth" in kept:
        return
    block = make_block(task.world, task.block, size)
    if "truth" not in kept:
        kept["truth"] = {f"{stock:g}": _truth(block, stock) for stock in STOCKS}
    for name, design in missing.items():
        kept[name] = {
            f"{stock:g}": {
                kind: _measure(design, block, stock, treatment, f"{name} {kind}")
                for kind, treatment in (("ab", TREATMENT), ("aa", CONTROL))
            }
            for stock in STOCKS
        }
    draft = task.path(folder).with_suffix(".tmp")
    draft.write_text(json.dumps(kept))
    draft.replace(task.path(folder))


def _truth(block: Block, stock: float) -> dict[str, list[float]]:
    """Net revenue, by future, if all customers and windows have the one price, or the other; all stock in one heap."""
    arms = {"control": CONTROL, "treatment": TREATMENT}
    return {
        name: (
            (sold(block.wanted[cut], allotted(block, stock)).sum(axis=1) * block.price(cut)[:, None]).sum(axis=0)
            * (1.0 - returned(cut))
        ).tolist()
        for name, cut in arms.items()
    }


def _measure(design: Design, block: Block, stock: float, treatment: float, told: str) -> dict[str, Any]:
    rng = np.random.default_rng((block.stage.seed, *told.encode()))
    sale = Sale(block=block, stock=allotted(block, stock), control=CONTROL, treatment=treatment)
    found = design.measure(sale, rng=rng)
    return {field: getattr(found, field).tolist() for field in ("effect", "ci_lower", "ci_upper")}
