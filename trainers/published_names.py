"""The names of networks in a run's folder, as the published code gives them: LABEL_net_LETTER.pth."""

from __future__ import annotations

from pathlib import Path


def network_file(letter: str) -> str:
    """`net_G.pth`, `net_G_ema.pth`: the end of the published names."""
    return f"net_{letter}.pth"


def network_path(run_dir: Path, label: str, letter: str) -> Path:
    """`latest_net_G.pth`, `20_net_D.pth`: the published names, holding bare state dicts."""
    return Path(run_dir) / f"{label}_{network_file(letter)}"


def what_there_is(run_dir: Path, letter: str) -> str:
    """For a message: the labels under which there is a network in a run's folder, or else the runs beside it."""
    suffix = f"_{network_file(letter)}"
    labels = sorted(path.name.removesuffix(suffix) for path in run_dir.glob(f"*{suffix}"))
    if labels:
        return f"--which_epoch may be {', '.join(labels)}"
    runs = sorted(path.name for path in run_dir.parent.glob("*/") if any(path.glob(f"*{suffix}")))
    return f"runs in {run_dir.parent}: {', '.join(runs) or 'none'} (--name, --checkpoints_dir)"
