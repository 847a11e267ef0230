"""RecTools' SASRec with sampled softmax, run by its own interpreter: needs nothing of flashlift.

    PYTHON rectools_script.py KNOWN TRAIN ANSWER --epochs 1 --width 64 --layers 2 --seed 0

KNOWN and TRAIN are CSV files of user, position, item; ANSWER becomes a JSON file with the first ten items of each
user (what the user had before left out, as RecTools does itself) and the CPU seconds of an epoch.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pandas as pd
import pytorch_lightning
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

FIRST = 10
THREADS = 1


def main() -> None:
    """Train on TRAIN, answer for KNOWN."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("known", "train", "answer"):
        parser.add_argument(name, type=Path)
    for name, default in (("epochs", 1), ("width", 64), ("layers", 2), ("seed", 0), ("negatives", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    pytorch_lightning.seed_everything(args.seed, verbose=False)
    model = SASRecModel(
        n_blocks=args.layers,
        n_heads=2,
        n_factors=args.width,
        session_max_len=50,
        loss="sampled_softmax",
        n_negatives=args.negatives,
        epochs=args.epochs,
        deterministic=True,
        recommend_torch_device="cpu",
    )
    begin = time.process_time()
    model.fit(dataset(args.train))
    spent = time.process_time() - begin
    known = dataset(args.known)
    users = known.user_id_map.external_ids
    found = model.recommend(users, known, k=FIRST, filter_viewed=True)
    first = found.groupby(Columns.User, sort=True)[Columns.Item].agg(list)
    answer = {"cpu_seconds_per_epoch": spent / args.epochs, "first": {int(user): row for user, row in first.items()}}
    args.answer.write_text(json.dumps(answer))


def dataset(path: Path) -> Dataset:
    """The interactions of a file, the position in days standing for the time."""
    rows = pd.read_csv(path)
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(rows["position"], unit="D")
    return Dataset.construct(
        pd.DataFrame({Columns.User: rows["user"], Columns.Item: rows["item"], Columns.Weight: 1.0,
                      Columns.Datetime: when})
    )  # fmt: skip


if __name__ == "__main__":
    main()
