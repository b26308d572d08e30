"""Scores while a model is trained: those that evaluate.py gives for the same images, and the best networks kept."""

import json
import re
import shlex

import pytest
import torch

from tests.runs import TINY, contents, differences, train
from tests.worlds import run_together

pytest.importorskip("torch_fidelity")
SHORT = "--max_dataset_size 4 --no_html --ema 0.5 --eval_freq 1"


def command(folder, name: str, *more: str) -> list[str]:
    flags = shlex.split(f"{TINY} {SHORT} --auto_resume --eval_flags '--features random --how_many 4'")
    return [*flags, "--checkpoints_dir", str(folder), "--name", name, *more]


@pytest.fixture(scope="module")
def whole(folder) -> str:
    """What a run of three epochs prints."""
    ((status, printed),) = run_together(1, train, command(folder, "whole", "--niter", "3"))
    assert status == 0
    return printed


def scores_in(printed: str) -> list[float]:
    return [float(value) for value in re.findall(r"epoch \d+: random_feature_distance ([\d.]+)", printed)]


def test_every_epoch_is_scored_and_the_best_networks_are_kept(folder, whole):
    scores = scores_in(whole)
    assert len(scores) == 3
    state = contents(folder / "whole")["training_state.pth"]
    assert state["best"]["name"] == "random_feature_distance"
    assert state["best"]["value"] == pytest.approx(min(scores), rel=1e-3)
    assert (folder / "whole" / "best_net_G_ema.pth").exists()


def test_a_run_that_stopped_in_between_scores_the_same(folder, whole):
    printed = ""
    for niter in ("1", "3"):
        ((status, text),) = run_together(1, train, command(folder, "halves", "--niter", niter))
        assert status == 0
        printed += text
    assert scores_in(printed) == scores_in(whole)
    state, expected = (contents(folder / name)["best_net_G_ema.pth"] for name in ("halves", "whole"))
    assert differences(expected, state) == []


def test_two_processes_score_like_one(folder, whole):
    (status, printed), (other_status, _) = run_together(2, train, command(folder, "two", "--niter", "1"))
    assert (status, other_status) == (0, 0)
    assert scores_in(printed) == pytest.approx(scores_in(whole)[:1], rel=0.02)


def test_flags_that_are_wrong_stop_before_the_training(tmp_path):
    status, printed = train(command(tmp_path, "wrong", "--eval_flags", "--features inception", "--niter", "1"))
    assert status == 2
    assert "--inception_weights" in printed
    assert not list(tmp_path.glob("wrong/*.pth"))


def test_scores_are_those_of_the_images_test_py_writes(folder, whole, capsys):
    """Without an encoder there is nothing random: test.py and evaluate.py come to the last score of the training."""
    import evaluate
    import test as test_program

    torch.set_num_threads(1)
    where = ["--name", "whole", "--checkpoints_dir", str(folder), "--results_dir", str(folder / "results")]
    test_program.main([*where, "--how_many", "4", "--gpu_ids", "-1"])
    evaluate.main(
        [*where, "--how_many", "4", "--gpu_ids", "-1", "--features", "random", "--output", str(folder / "s.json")]
    )
    score = json.loads((folder / "s.json").read_text())["scores"]["random_feature_distance"]
    assert score == pytest.approx(scores_in(whole)[-1], rel=0.01)
