"""The fitted model does not depend on how many threads the numeric libraries use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[2]
# Enough rows that the libraries would share the sums among their threads.
_FIT = """
import sys
from datetime import timedelta
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from flashlift.demand import DemandConfig, fit
from flashlift.domain import Slot
from flashlift.market import MarketConfig, simulate

folder = Path(sys.argv[1])
shop = simulate(MarketConfig.sized(60_000), seed=3)
config = DemandConfig(max_rows=40_000, rounds=10, folds=2)
model = fit(shop.tables, until=shop.now, config=config, rng=np.random.default_rng(1))
model.save(folder / "model", inputs="")
start = shop.now + timedelta(hours=30)
slots = [Slot(slot_id=str(k), start=start, end=start + timedelta(hours=4 + k), positions=3) for k in range(3)]
draws = model.draw(shop.sale_items, slots, 50, rng=np.random.default_rng(2))
names = ("slot_units", "rest_units", "visibility", "elasticity", "level", "slot_level", "pull_forward")
arrays = {name: np.ascontiguousarray(getattr(draws, name)) for name in names}
save_file(arrays | {"cross": np.ascontiguousarray(draws.cross().effect)}, folder / "draws.safetensors")
"""


def _fitted(folder: Path, threads: str) -> dict[str, np.ndarray]:
    folder.mkdir()
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | dict.fromkeys(names, threads) | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", _FIT, str(folder)], env=environment, check=True)
    files = sorted(folder.rglob("*.safetensors"))
    return {f"{file.stem} {name}": array for file in files for name, array in load_file(file).items()}


def test_more_threads_change_no_bit(tmp_path: Path) -> None:
    one, two = (_fitted(tmp_path / threads, threads) for threads in ("1", "2"))
    assert one.keys() == two.keys()
    assert len(one) > 20
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array, err_msg=name)
