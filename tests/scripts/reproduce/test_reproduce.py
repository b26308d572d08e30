"""The command as a user runs it: killed in the middle, it goes on to the table and the page."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import wait_for
from tests.scripts.shell import ROOT
from tests.util.pages import Page
from trainers.saves import Saves

pytestmark = pytest.mark.tools

COMMAND = (
    "-m scripts.reproduce table1 --methods pix2pix --budget images 4 --segmenter_minutes 0.01 "
    "--crop_size 64 --ngf 2 --ndf 2 --gpu_ids -1 --batch_size 2 "
    "--max_dataset_size 8 --save_latest_freq 2 --no_html --no_tensorboard"
).split()
LIMIT_SECONDS = 240


def start(folder: Path) -> subprocess.Popen:
    """The command, in a session of its own: a signal reaches the programs that it has started, too."""
    folders = {"--checkpoints_dir": folder / "runs", "--results_dir": folder / "results", "--output": folder}
    words = [str(word) for pair in folders.items() for word in pair]
    return subprocess.Popen(
        [sys.executable, *COMMAND, *words, "--eval_flags", "--how_many 3 --bootstrap 20"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_killed_command_goes_on_to_the_table_and_the_page(tmp_path):
    run = tmp_path / "runs" / "table1_landscapes_pix2pix"
    with start(tmp_path) as killed:
        wait_for(lambda: any(Saves(run).all()) or killed.poll() is not None, patience_seconds=LIMIT_SECONDS)
        os.killpg(killed.pid, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    with start(tmp_path) as process:
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    commands = [line.split()[2] for line in output.splitlines() if line.startswith("$ python")]
    assert commands == ["train.py", "test.py", "evaluate.py"]  # the segmenter was not trained twice
    assert "resuming in epoch 1, after " in output
    assert Saves(run).all()[0].manifest["progress"]["images_seen"] == 4
    table = [line.split(" | ") for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in table]
    assert [name.split(" ")[0] for name in names[2:]] == ["pix2pix"]
    shown = dict(zip(table[0], table[2]))
    scores = tmp_path / "results" / run.name / "test_latest" / "scores.json"
    content = json.loads(scores.read_text())
    accuracy = [content["scores"]["accuracy"], *content["intervals"]["accuracy"]]
    value, low, high = (f"{100 * fraction:.1f}" for fraction in accuracy)
    assert shown["pixel accuracy, % ↑"].strip("*") == f"{value} [{low}, {high}]" and shown["images seen"] == "4"
    page = Page(tmp_path / "index.html")
    assert [target for target in page.targets() if not target.exists()] == []
    assert "not the paper's setting" in page.path.read_text() and "from 20 draws" in page.path.read_text()
