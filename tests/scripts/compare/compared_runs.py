"""Results of runs as test.py and evaluate.py leave them, and reading what the page that compares them says."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from evaluation.scored_images import images_hash
from scripts.compare.__main__ import main
from tests.util.pages import Page

NAMES = ("a", "b", "c10", "c9")
PROTOCOL = {"fid": {"resize": "tf"}, "segmentation": {"network": "drn", "size": [512, 256]}}
VALUES = {"fid": 50.0, "miou": 0.5, "accuracy": 0.8}


def gray(value, side=8):
    return np.full((side, side, 3), value, dtype=np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_run(folder, run, test="test_latest", names=NAMES, photos=True, label=30):
    """Images of a test as test.py leaves them; return its folder."""
    test_folder = folder / "results" / run / test
    for name in names:
        save(test_folder / "images" / "input_label" / f"{name}.png", gray(label))
        save(test_folder / "images" / "synthesized_image" / f"{name}.png", gray(60))
        if photos:
            save(test_folder / "images" / "real_image" / f"{name}.png", gray(90))
    return test_folder


def write_scores(test_folder, per_image=None, **changes):
    """The file that evaluate.py writes beside the images; `per_image` are accuracies by name."""
    images = test_folder / "images" / "synthesized_image"
    changes = {"images_hash": images_hash(images if images.is_dir() else test_folder), **changes}
    content = {"format": 1, "dataset_mode": "cityscapes", "images": 4, "scores": VALUES, "protocol": PROTOCOL}
    content["per_image"] = {name: {"accuracy": value} for name, value in (per_image or {}).items()}
    (test_folder / "scores.json").write_text(json.dumps({**content, **changes}))


def compare(folder, *words) -> Page:
    output = folder / "compare.html"
    flags = ["--results_dir", folder / "results", "--checkpoints_dir", folder / "checkpoints", "--output", output]
    main([str(word) for word in (*words, *flags)])
    return Page(output)


def table(page: Page, title: str) -> dict[str, list[str]]:
    """The table below a heading: texts of the cells of each row by the text of its first one."""
    text = page.path.read_text()
    rest = text[text.index(f">{title}</") :]
    fragment = ElementTree.fromstring(rest[rest.index("<table") : rest.index("</table>") + len("</table>")])
    rows = [["".join(cell.itertext()) for cell in row] for row in fragment.iter("tr")]
    return {name: cells for name, *cells in rows}


def refusal(capsys, folder, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        compare(folder, *words)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m scripts.compare: error: ")
    return line
