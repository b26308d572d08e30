"""Steps are programs: those that are done are left out, those of a run that failed too, and signals end all."""

from util.console import exit_statuses

import json
import os
import signal
from pathlib import Path

import pytest

from scripts.reproduce.execute import carry_out, steps_here
from scripts.reproduce.plan import Step
from scripts.reproduce.state import is_tested, note_test, scores_of
from tests.runs import wait_for
from tests.scripts.compare.compared_runs import write_run, write_scores
from tests.worlds import ended, start
from trainers.saves import Saves
from util.errors import StoppedError

pytestmark = pytest.mark.tools

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"


@pytest.fixture
def step(tmp_path):
    """Make a step whose program writes a file, which says that it is done, and exits with a status."""
    program = tmp_path / "program.py"
    program.write_text(f"{WRITE}; sys.exit(int(sys.argv[3]))")

    def make(what: str, run: str, status: int = 0, writes: bool = True, after=lambda: None) -> Step:
        path = tmp_path / f"{run}.{what}"
        words = [str(program), str(path if writes else tmp_path / "other"), "done", str(status)]
        return Step(what, run, words, path.exists, after=after)

    return make


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".py"}


def test_every_step_that_is_not_done_is_run_once_and_then_never_again(step, tmp_path, capfd):
    noted, written = [], []
    steps = [step("train", "a"), step("test", "a", after=lambda: noted.append("a")), step("train", "b")]
    (tmp_path / "b.train").touch()
    assert carry_out(steps, lambda: written.append(files(tmp_path))) == []
    assert written == [{"a.train", "b.train"}, {"a.train", "a.test", "b.train"}] and noted == ["a"]
    assert [line for line in capfd.readouterr().out.splitlines() if line] == [f"$ {s.command}" for s in steps[:2]]
    assert carry_out(steps, lambda: written.append("again")) == []
    assert len(written) == 2 and noted == ["a"]


def test_the_other_rows_go_on_where_one_fails(step, tmp_path, capfd):
    steps = [step("train", "a", status=2, writes=False), step("test", "a"), step("train", "b")]
    failed = carry_out(steps, lambda: None)
    assert failed == steps[:1] and files(tmp_path) == {"other", "b.train"}
    assert "a: train has failed with status 2; other rows go on" in capfd.readouterr().err


def test_no_row_is_trained_without_its_segmenter(step):
    steps = [step("segmenter", "s", status=2, writes=False), step("train", "a")]
    with pytest.raises(StoppedError, match="s: the segmenter cannot be trained, and every row needs it: python "):
        carry_out(steps, lambda: None)
    assert not steps[1].is_done()


@pytest.mark.parametrize("status", [130, 143])
def test_a_program_that_a_signal_has_ended_ends_everything(step, status):
    steps = [step("train", "a", status=status, writes=False), step("train", "b")]
    with pytest.raises(StoppedError, match="a: train was ended by a signal; the same command goes on"):
        carry_out(steps, lambda: None)
    assert not steps[1].is_done()


CHILD = """
import pathlib, signal, sys, time
def save(number, frame):
    time.sleep(0.3)
    pathlib.Path(__file__).with_name("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
pathlib.Path(__file__).with_name("started").touch()
time.sleep(60)
"""


def carry_out_one(program: str) -> None:
    """A job for another process: carry out a step, as the command does."""
    with exit_statuses("parent"):
        carry_out([Step("train", "a", [program], lambda: False)], lambda: None)


def test_a_training_may_save_before_the_command_that_is_asked_to_end_does(tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    process, receiver = start(carry_out_one, str(tmp_path / "child.py"))
    with ended([process]):
        wait_for((tmp_path / "started").exists)
        os.kill(process.pid, signal.SIGTERM)
        _, trouble = receiver.recv()
        assert "SystemExit: 143" in trouble and (tmp_path / "saved").exists()


def test_under_a_launcher_all_train_together_and_the_main_process_does_the_rest(step):
    steps = [step("train", "a"), step("test", "a"), step("train", "b"), step("score", "b")]
    order = [steps[i] for i in (0, 2, 1, 3)]
    assert list(steps_here(steps, together=True, is_main=True)) == order
    assert list(steps_here(steps, together=True, is_main=False)) == order[:2]
    assert list(steps_here(steps, together=False, is_main=True)) == steps


def test_images_are_up_to_date_if_the_newest_networks_made_them_with_these_flags(tmp_path):
    run_dir, flags = tmp_path / "checkpoints" / "run", ["--name", "run", "--how_many", "4"]
    test_dir = write_run(tmp_path, "run")
    assert not is_tested(run_dir, test_dir, flags)  # nothing is trained
    progress = {"epoch": 1, "images_this_epoch": 2, "images_seen": 2}
    Saves(run_dir).write({}, {"labels": ["latest"], "progress": progress})
    (test_dir / "test_facts.json").write_text("{}")
    assert not is_tested(run_dir, test_dir, flags)  # by somebody else
    note_test(run_dir, flags)
    assert is_tested(run_dir, test_dir, flags) and not is_tested(run_dir, test_dir, flags[:2])
    save = Saves(run_dir).write({}, {"labels": ["latest"], "progress": progress})
    later = (test_dir / "test_facts.json").stat().st_mtime + 1
    os.utime(save.path / "manifest.json", (later, later))
    assert not is_tested(run_dir, test_dir, flags)  # trained further since


def test_scores_are_up_to_date_if_they_are_of_these_images_and_flags(tmp_path):
    test_dir, flags = write_run(tmp_path, "run"), ["--name", "run"]
    assert scores_of(test_dir, flags) is None
    write_scores(test_dir, command="python evaluate.py --name run")
    assert scores_of(test_dir, flags)["scores"] == json.loads((test_dir / "scores.json").read_text())["scores"]
    assert scores_of(test_dir, [*flags, "--features", "random"]) is None
    write_run(tmp_path, "run", names=("a", "b"))
    (test_dir / "images" / "synthesized_image" / "a.png").unlink()
    assert scores_of(test_dir, flags) is None
