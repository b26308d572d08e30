"""How long each row of a table is trained."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.reproduce.state import Trained
from util.errors import InputError

ALLOWED = "paper, minutes N or images N"
ENDLESS = 1_000_000
"""Epochs of a training that ends by its minutes or images."""
BATCH_SIZE = 32
EPOCHS = {
    "coco": (100, 0),
    "ade20k": (100, 100),
    "ade20k_outdoor": (100, 100),
    "cityscapes": (100, 100),
    "flickr": (50, 0),
}
"""--niter and --niter_decay by data set, of SPADE and its ablations (paper, appendix A); other methods have presets."""


@dataclass(frozen=True)
class Budget:
    """The length of every training.

    Attributes:
        kind: "paper" for the published epochs, or the unit of `amount`: "minutes" or "images".
    """

    kind: str = "paper"
    amount: float = math.inf

    def defaults(self, method: str) -> Mapping[str, Any]:
        """Options of train.py that a user may change."""
        if self.kind != "paper":
            return {"save_latest_freq": 1000, "save_epoch_freq": ENDLESS}
        return {"batch_size": BATCH_SIZE} if method == "spade" else {}

    def options(self, method: str, dataset_mode: str) -> Mapping[str, Any]:
        """Options of train.py that make the length. Raises `InputError` for what the paper did not train."""
        if self.kind != "paper":
            limit = int(self.amount) if self.amount == int(self.amount) else self.amount
            return {"niter": ENDLESS, "niter_decay": 0, f"max_{self.kind}": limit}
        if dataset_mode not in EPOCHS:
            raise InputError(
                f"--budget paper: the paper has no setting for --dataset_mode {dataset_mode}, only for "
                f"{', '.join(EPOCHS)}; use --budget minutes N or images N"
            )
        return dict(zip(("niter", "niter_decay"), EPOCHS[dataset_mode])) if method == "spade" else {}

    def is_used_up(self, trained: Trained | None, epochs: int) -> bool:
        """Whether a run of `epochs` has been trained to its end."""
        if trained is None:
            return False
        amounts = {"minutes": trained.seconds / 60, "images": trained.images_seen}
        return trained.epochs_done >= epochs or amounts.get(self.kind, 0) >= self.amount

    @property
    def length(self) -> str:
        """`4 minutes`, `1,000 images`, `the published epochs`."""
        if self.kind == "paper":
            return "the published epochs"
        return f"{self.amount:,.10g} {self.kind if self.amount != 1 else self.kind[:-1]}"

    @property
    def words(self) -> str:
        """The length of each training in a sentence."""
        if self.kind == "paper":
            return "Every row is trained for the epochs that its authors published."
        return (
            f"Every row is trained for {self.length} from scratch, at a constant learning rate. This is not the "
            f"paper's setting: the table says how rows compare after so much training, and no more."
        )


def read_budget(words: Sequence[str]) -> Budget:
    """The budget of the words after --budget. Raises `InputError`."""
    kind, *rest = words
    if kind == "paper" and not rest:
        return Budget()
    with contextlib.suppress(ValueError):
        if kind in ("minutes", "images") and len(rest) == 1:
            amount = float(rest[0]) if kind == "minutes" else int(rest[0])
            if 0 < amount < math.inf:
                return Budget(kind, amount)
    raise InputError(f"--budget {' '.join(words)}: must be {ALLOWED}, such as --budget minutes 4")
