"""Milliseconds from the end of a stroke to its picture on the paint page, in a headless Chromium."""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from data.landscape import draw_scene
from data.landscapes import DATA_SEED, FIRST_VALIDATION_SCENE
from util.errors import InputError

HELP = "how long the paint page takes to show a stroke and a whole map, served and as static files"
BRUSH = 24
"""Pixels across: what the page begins with."""
LENGTH = 24
"""Pixels of the label map along a stroke."""
FIRST_SCENE = FIRST_VALIDATION_SCENE + 100
"""Of the whole maps: not those that the page begins with."""
PATIENCE = 300
"""Seconds for a program to start, and for a picture."""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run --disable-sync "
    "--disable-dev-shm-usage --window-size=1366,768"
).split()
PAGES = {
    "server": ("server", ""),
    "static, two threads": ("static", "?threads=2"),
    "static, one thread": ("static", "?threads=1"),
}
"""What is measured: the program behind the page, and the end of its address."""
READY = """
const done = arguments[0];
const wait = setInterval(() => {
  if (!window.painting) return;
  clearInterval(wait);
  painting.ready.then(() => done(painting.rendered > 0 ? painting.engine.describe() : ""));
}, 10);
"""
WATCH = """
window.taken = [];
window.begun = null;
const begin = () => (window.begun = performance.now());
addEventListener("pointerup", begin, true);
document.querySelector("#label-file").addEventListener("change", begin, true);
painting.renderer.addEventListener("picture", () => requestAnimationFrame(() => {
  if (window.begun === null || !painting.renderer.isCurrent) return;
  window.taken.push(performance.now() - window.begun);
  window.begun = null;
}));
"""
WAIT_FOR_MORE = """
const [count, done] = arguments;
const wait = setInterval(() => {
  if (window.taken.length <= count) return;
  clearInterval(wait);
  done();
}, 5);
"""
WAIT_FOR_CHANGE = """
const done = arguments[0];
let unchanged = 0;  // frames: a stroke in the class that is there changes nothing
const wait = () => {
  unchanged = painting.renderer.isCurrent ? unchanged + 1 : 0;
  if (window.begun !== null && unchanged < 4) requestAnimationFrame(wait);
  else done((window.begun = null));
};
wait();
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument("--name", metavar="RUN", help="a run of landscapes (the model of the repository)")
    parser.add_argument("--checkpoints_dir", metavar="DIR", help="folder of the run's folder")
    parser.add_argument("--strokes", metavar="N", type=int, default=20, help="on each page (%(default)s)")
    parser.add_argument("--maps", metavar="N", type=int, default=8, help="on each page (%(default)s)")
    parser.add_argument("--only", choices=("server", "static"), help="one of the two programs")
    parser.add_argument("--site", type=Path, metavar="DIR", help="the static files, exported before")


def run(args: argparse.Namespace) -> None:
    """Measure and print Markdown. Raises `InputError` for wrong arguments and missing programs."""
    if args.strokes < 2 or args.maps < 2:
        raise InputError("--strokes and --maps must be 2 or more, for quartiles")
    flags = [f"--{flag}={value}" for flag in ("name", "checkpoints_dir") if (value := getattr(args, flag)) is not None]
    print("| page | on | a stroke, ms: median (quartiles) | a whole map, ms |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (title, (program, query)) in enumerate(PAGES.items()):
            if args.only not in (None, program):
                continue
            if program == "static" and args.site is None:
                args.site = folder / "site"
                export = [sys.executable, "-m", "scripts.paint", "--export", str(args.site), *flags]
                if subprocess.run(export, stdout=subprocess.DEVNULL).returncode:
                    raise InputError("the page could not be exported, see above")
            command = flags if program == "server" else ["--serve", str(args.site)]
            with _served(command) as address, _chromium(folder / f"profile{number}") as browser:
                browser.get(f"{address}{query}")
                print(f"| {title} | {_measure(browser, args.strokes, args.maps, folder)} |", flush=True)


@contextlib.contextmanager
def _served(flags: Sequence[str]) -> Iterator[str]:
    """Start `python -m scripts.paint` on a free port; yield the address that it prints."""
    command = [sys.executable, "-u", "-m", "scripts.paint", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            found = next((match for line in process.stdout if (match := re.search(r"http://\S+", line))), None)
            if found is None:
                raise InputError(f"the page is not served: {process.stderr.read().strip()}")
            yield found[0]
        finally:
            process.terminate()


@contextlib.contextmanager
def _chromium(profile: Path) -> Iterator[Any]:
    try:
        from selenium import webdriver
    except ModuleNotFoundError:
        raise InputError("paint: needs selenium, which drives the browser: pip install selenium") from None
    program, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not program or not driver:
        raise InputError("paint: needs Chromium and chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(PATIENCE)
    try:
        yield browser
    finally:
        browser.quit()


def _measure(browser: Any, strokes: int, maps: int, folder: Path) -> str:
    """Draw strokes and open maps; return cells of the table. The first of each is a warm-up."""
    device = browser.execute_async_script(READY)
    if not device:
        raise InputError(f"the page shows no picture: {browser.execute_script('return painting.renderer.error')}")
    browser.execute_script(WATCH)
    height, width = browser.execute_script("return [painting.model.height, painting.model.width]")
    rng = random.Random(0)
    while len(drawn := _taken(browser)) <= strokes:
        x, y = rng.randrange(BRUSH, width - BRUSH - LENGTH), rng.randrange(BRUSH, height - BRUSH)
        _draw(browser, str(rng.randrange(1, 10)), (x, y), (x + LENGTH, y))
    for number in range(maps + 1):
        path = folder / f"{number}.png"
        Image.fromarray(draw_scene(DATA_SEED, FIRST_SCENE + number, width, height).labels).save(path)
        browser.find_element("id", "label-file").send_keys(str(path))
        browser.execute_async_script(WAIT_FOR_MORE, strokes + 1 + number)
    return f"{device} | {_summary(drawn[1:])} | {_summary(_taken(browser)[strokes + 2 :])}"


def _draw(browser: Any, class_key: str, *points: tuple[int, int]) -> None:
    """Draw a line with the mouse, in the class of a key, and wait for the picture, if the map has changed."""
    from selenium.webdriver import ActionChains

    places = browser.execute_script("return arguments[0].map((point) => painting.toClient(...point))", points)
    actions = ActionChains(browser, duration=20).send_keys(class_key)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(*map(round, places[0])).pointer_down()
    for place in places[1:]:
        pointer.move_to_location(*map(round, place))
    pointer.pointer_up()
    actions.perform()
    browser.execute_async_script(WAIT_FOR_CHANGE)


def _taken(browser: Any) -> list[float]:
    return browser.execute_script("return window.taken")


def _summary(milliseconds: list[float]) -> str:
    low, middle, high = statistics.quantiles(milliseconds, n=4)
    return f"{middle:.0f} ({low:.0f}..{high:.0f})"
