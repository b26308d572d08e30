"""File names of networks in a run's folder, as in the published code: LABEL_net_LETTER.pth."""

from __future__ import annotations

from pathlib import Path

from util.errors import some_of

LATEST = "latest"
"""Label of the newest save; others are numbers of epochs, and `best`."""
EMA = "G_ema"
"""In place of a letter: the average of the generator's weights."""
OASIS_LETTERS = {EMA: "EMA"}
"""Other letters in the file names of the published OASIS."""


def network_file(letter: str) -> str:
    """The end of a published name, such as `net_G.pth` or `net_G_ema.pth`."""
    return f"net_{letter}.pth"


def network_path(run_dir: Path, label: str, letter: str) -> Path:
    """Path of a bare state dict, such as `latest_net_G.pth` or `20_net_D.pth`."""
    return Path(run_dir) / f"{label}_{network_file(letter)}"


def find_network(run_dir: Path, label: str, letter: str) -> Path:
    """The file to load: `network_path`, or of a folder of the published OASIS models/LABEL_{G,D,EMA}.pth."""
    path = network_path(run_dir, label, letter)
    of_oasis = Path(run_dir) / "models" / f"{label}_{OASIS_LETTERS.get(letter, letter)}.pth"
    return of_oasis if of_oasis.exists() and not path.exists() else path


def is_average(path: Path) -> bool:
    """Whether a file holds the average of the generator's weights, by its name."""
    return path.name.endswith((network_file(EMA), f"_{OASIS_LETTERS[EMA]}.pth"))


def describe_available(run_dir: Path, letter: str) -> str:
    """Text for a message: the labels of a network in a run's folder, or else the runs that have that network."""
    suffix = f"_{network_file(letter)}"
    labels = sorted(path.name.removesuffix(suffix) for path in run_dir.glob(f"*{suffix}"))
    if labels:
        return f"--which_epoch may be {', '.join(labels)}"
    runs = (path.name for path in run_dir.parent.glob("*/") if any(path.glob(f"*{suffix}")))
    return f"runs in {run_dir.parent}: {some_of(runs, run_dir.name)} (--name, --checkpoints_dir)"
