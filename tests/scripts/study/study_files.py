"""Images, studies and answers for the tests of the preference study."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.study.__main__ import main
from scripts.study.key import read_key
from scripts.study.order import order

PAIRS = 6
SYSTEMS = ("spade_run", "pix2pixhd_run")


def write(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")


def write_images(folder: Path, names=SYSTEMS, size=16) -> None:
    """Two systems and label maps, colored, for as many samples as there are pairs."""
    rng = np.random.default_rng(0)
    for i in range(PAIRS):
        for name in (*names, "labels"):
            write(folder / name, f"sample_{i}", rng.integers(0, 256, (size, size, 3)))


def arguments(folder: Path, names=SYSTEMS, **flags) -> list[str]:
    words = [str(folder / name) for name in names]
    for name, value in {"labels": folder / "labels", "output": folder / "study.html", **flags}.items():
        words += [f"--{name}", str(value)]
    return words


def refusal(capsys, *words) -> str:
    """The one line with which the program refuses."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m scripts.study: error: ")
    return line


def make_study(folder: Path) -> Path:
    """Make a study of six pairs and one attention check in a folder; return the folder."""
    write_images(folder)
    main(arguments(folder, checks=1))
    return folder


def answers(
    folder: Path, participant: str, votes_for_a: int, attentive: bool = True, unsure: int = 0, seconds: float = 2.5
) -> Path:
    """A file as the page saves it: `votes_for_a` times A, then "cannot tell", then B."""
    key = read_key(folder / "study.key.json")
    content = []
    for place, left in zip(*order(key.study, participant, len(key.ids))):
        pair = key.ids[place]
        if pair in key.pairs:
            a, votes_for_a = key.pairs[pair][0], votes_for_a - 1
            chosen = a if votes_for_a >= 0 else None if votes_for_a >= -unsure else 1 - a
        else:
            good = key.checks[pair][0]
            chosen = good if attentive else 1 - good
        content.append({"pair": pair, "left": left, "chosen": chosen, "seconds": seconds})
    path = folder / f"{participant}.json"
    # Format 1 is that of earlier pages, on which nobody could say "cannot tell".
    about = {"format": 2 if unsure else 1, "kind": "preference study answers", "study": key.study}
    file = {**about, "participant": participant, "answers": content}
    path.write_text(json.dumps(file))
    return path
