"""Several processes measure what one does; a mistake that one of them meets ends all of them, and is said once."""

import json

import pytest
import torch

from data import PRESETS
from evaluation.run import evaluate, publish
from evaluation.scoring import Evaluation
from options import EvaluateOptions, parse_options
from tests.evaluation.folders import (
    NAMES,
    GraySegmenter,
    Squares,
    as_inception,
    generated,
    segmented,
    write_segmenter,
    write_set,
)
from tests.worlds import run_together
from util.distributed import World
from util.errors import InputError

pytestmark = pytest.mark.system

CPU = torch.device("cpu")


def in_memory(world):
    truth = Squares()
    tools = {"features": as_inception(), "segmenter": GraySegmenter()}
    evaluation = Evaluation(truth, **tools, world=world, batch_size=2, bootstrap=30, precision_recall=True)
    measurement = evaluation.measure(generated(truth, evaluation.shard, shade=20))
    scores = {**measurement.scores, **{f"{name} from": low for name, (low, _) in measurement.intervals.items()}}
    return scores, measurement.per_image, measurement.confusion.counts.tolist()


def of_folders(world, argv):
    opt = parse_options(EvaluateOptions, argv, PRESETS)
    report, sources = evaluate(opt, world, CPU)
    if world.is_main:
        publish(opt, report, sources)


def trouble_with(world, argv):
    try:
        of_folders(world, argv)
    except InputError as error:
        return str(error), error.said_elsewhere


def job(good, spoiled):
    world = World.from_environment()
    with world.joined(CPU):
        measured = in_memory(world)
        of_folders(world, good)
        return measured, trouble_with(world, spoiled)


def test_two_processes_measure_what_one_does_and_fail_as_one(tmp_path):
    for kind in ("good", "spoiled"):
        write_set(tmp_path / kind)
        write_segmenter(tmp_path / kind / "segmenter.pt")
    bad = tmp_path / "spoiled" / "fake" / f"{NAMES[1]}.png"
    bad.write_bytes(b"not an image")
    output = {kind: ["--output", str(tmp_path / f"{kind}.json")] for kind in ("good", "spoiled")}
    argv = [
        segmented(tmp_path / kind, *words, "--bootstrap", "20", "--precision_recall") for kind, words in output.items()
    ]

    results = run_together(2, job, *argv)
    together = json.loads((tmp_path / "good.json").read_text())
    scores, per_image, counts = in_memory(World())
    assert {"fid from", "kid from", "miou from", "precision", "recall"} <= scores.keys()
    for measured, _ in results:
        assert measured[0] == pytest.approx(scores, rel=1e-9)
        assert measured[1:] == (per_image, counts)
    of_folders(World(), argv[0])
    alone = json.loads((tmp_path / "good.json").read_text())
    assert {"random_feature_precision", "random_feature_recall"} <= alone["scores"].keys()
    assert together["scores"] == pytest.approx(alone["scores"], rel=1e-9)
    assert together["intervals"]["accuracy"] == alone["intervals"]["accuracy"]
    for part in ("per_class_iou", "per_image", "protocol"):
        assert together[part] == alone[part]

    troubles = [trouble for _, trouble in results]
    assert all(str(bad) in text for text, _ in troubles)
    assert sorted(said_elsewhere for _, said_elsewhere in troubles) == [False, True]
    assert not (tmp_path / "spoiled.json").exists()
