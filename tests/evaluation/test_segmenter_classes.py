"""A segmenter of other classes than those of the data set is refused, with the first difference."""

import pytest

from data import PRESETS
from data.read import LabelIds
from evaluation.instruments import segmenter_in_words
from evaluation.protocol import in_words, segmenter_protocol
from evaluation.segmenter_classes import check_classes
from models.segmenters.own import OwnSegmenter
from options import EvaluateOptions, parse_options
from util.errors import InputError

NAMES = ("wall", "window", "door", "unknown")
IDS = LabelIds(3, True)


def segmenter(names, ids=None, unknown=(255,), of="custom"):
    own = OwnSegmenter(of, ids or range(len(names)), unknown, (8, 8), widths=(2, 2))
    own.facts = {"class_names": names}
    return own


def scored_with(run):
    flags = f"--fake f --labels l --dataset_mode custom --label_nc 3 --segmenter {run} --features none"
    return parse_options(EvaluateOptions, flags.split(), PRESETS)


def check(own, class_names=NAMES, ids=IDS):
    check_classes(scored_with("seg"), own, class_names, ids)


@pytest.mark.parametrize(
    "own",
    [
        segmenter(["wall", "window", "door"]),
        segmenter(["class 0", "window", "class 2"]),  # numbered classes fit any
        segmenter([], ids=[0, 1, 2]),  # a file without names
        segmenter(["wall", "window", "door", "unknown"]),  # which label maps never ask for
        segmenter(
            ["window"], ids=[1], unknown=(0, 2, 255), of="cityscapes"
        ),  # as published: some classes are not scored
    ],
)
def test_the_same_classes_are_accepted(own):
    check(own)
    check(own, ("class 0", "class 1", "class 2", "unknown"))


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (segmenter(["wall", "door", "window"]), "its class 1 is door, and that of the data set window; "),
        (segmenter(["wall", "window"], unknown=(2, 255)), "has no class 2, which is door in the data set; "),
        (segmenter(["wall", "window", "door", "x", "tree"]), "has a class 4, tree, and the data set has 3 classes; "),
    ],
)
def test_other_classes_are_refused(own, words):
    train = "python -m scripts.segmenter --name NAME --dataset_mode custom --label_dir LABELS --image_dir PHOTOS"
    with pytest.raises(InputError, match=f"^--segmenter seg: {words}.*: {train} --label_nc 3$"):
        check(own)


def test_an_id_among_the_others_may_mean_unknown():
    own = segmenter(["wall", "door"], ids=[0, 2], unknown=(1, 3))
    check(own, ("wall", "class 1", "door", "unknown"), LabelIds(3, True, unknown_value=1))
    with pytest.raises(InputError, match="has no class 1"):
        check(own)


def test_a_segmenter_is_called_by_its_run_and_its_data(tmp_path):
    own = segmenter(["wall", "window", "door"])
    (tmp_path / "seg").mkdir()
    opt = scored_with(tmp_path / "seg")
    assert segmenter_in_words(opt, own) == "segmentation network seg, trained on custom"
    own.facts["data_set"] = "facade_photos"
    called = segmenter_in_words(opt, own)
    protocol = {"segmentation": segmenter_protocol(own, (8, 8), None)}
    said = "segmented by segmentation network seg, trained on facade_photos, compared at 8x8"
    assert said in in_words("miou", protocol, called) and "OwnSegmenter of custom" in in_words("miou", protocol)
    assert segmenter_in_words(opt, None) is None
