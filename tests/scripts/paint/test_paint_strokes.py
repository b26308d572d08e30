"""A person, a browser, the program and a network together: what is drawn is what is rendered, saved and read again."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.id_maps import read_ids
from data.read import LabelIds
from scripts.paint.model import load_painter
from scripts.paint.options import parse_args
from tests.scripts.browser import chromium
from tests.scripts.paint.drawn import polygon, rectangle, stroke
from tests.scripts.paint.page_driver import ENTER, Page
from tests.scripts.paint.painted_runs import make_run

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]
UNKNOWN = 18


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> list[str]:
    """Flags that name a run of landscapes, 64x64 pixels."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make_run(folder, "landscapes")
    return ["--name", "landscapes", "--checkpoints_dir", str(folder), "--gpu_ids", "-1"]


@pytest.fixture(scope="module")
def address(run):
    command = [sys.executable, "-m", "scripts.paint", *run, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        yield re.search(r"http://\S+", program.stdout.readline()).group()
        program.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(address, browser) -> Page:  # in this order: the browser goes first
    page = Page(browser)
    page.resize(1366, 768)
    return page.open(address)


def save(page: Page, browser, what: str, name: str) -> Path:
    """Save by the menu; return the file."""
    folder = Path(browser.capabilities["chrome"]["userDataDir"]).with_name("downloads")
    page.find("#save").click()
    page.find(f"#save-{what}").click()
    path = folder / name
    page.wait(lambda: path.exists() and path.stat().st_size)  # Chromium makes an empty file first
    return path


def draw(page: Page, expected: np.ndarray, rng) -> None:
    """One random gesture, on the page and by definition."""
    tool = rng.choice(["brush", "line", "rectangle", "polygon", "eraser"])
    label, size = int(rng.integers(0, UNKNOWN + 1)), int(rng.integers(1, 14))
    points = [(int(x), int(y)) for x, y in rng.integers(0, 64, (2 if tool in ("line", "rectangle") else 4, 2))]
    page.use(tool, label, size)
    if tool == "polygon":
        for point in points:
            page.drag(point)
        page.type(ENTER)
        expected[polygon(expected.shape, points)] = label
        return
    page.drag(*points)
    mask = rectangle(expected.shape, *points) if tool == "rectangle" else stroke(expected.shape, points, size)
    expected[mask] = 0 if tool == "eraser" else label


def test_random_strokes_are_drawn_rendered_saved_and_read_again(page, browser, run):
    rng = np.random.default_rng(0)
    page.click("#new")
    expected = np.zeros((64, 64), np.uint8)
    for _ in range(12):
        draw(page, expected, rng)
        assert np.array_equal(page.ids, expected)
    page.set("#seed", "41")
    page.settle()
    labels = save(page, browser, "labels", "landscapes_labels.png")
    found = LabelIds(UNKNOWN, contain_dontcare_label=True).check(read_ids(labels), labels)
    assert np.array_equal(found, expected)
    painter = load_painter(parse_args(run))
    wanted = painter.image(painter.prepare(expected), page.z)
    picture = np.asarray(Image.open(save(page, browser, "picture", "landscapes_picture.png")))
    assert wanted.std() > 1 and np.abs(picture.astype(int) - wanted).max() <= 1
    page.click("#new")
    page.find("#label-file").send_keys(str(labels))
    page.wait(lambda: np.array_equal(page.ids, expected))


def test_scenes_of_the_program_are_maps_of_ids(page, run):
    painter = load_painter(parse_args(run))
    page.run("document.querySelector('#scenes').click()")
    page.wait(lambda: len(page.find_all("#scene-cards button")) == 12)
    page.run("document.querySelectorAll('#scene-cards button')[3].click()")
    ids = np.asarray(Image.open(io.BytesIO(painter.scenes.files(3)["png"])))
    page.wait(lambda: np.array_equal(page.ids, ids))
    assert np.array_equal(page.ids, ids)
