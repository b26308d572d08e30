"""Precision and recall of points whose balls can be drawn by hand, of random ones, and of a set of images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_prc import prc_features_to_metric

from evaluation.distances import FeatureSet
from evaluation.feature_scores import PRECISION_AND_RECALL
from evaluation.features import random_features
from evaluation.precision_recall import precision_recall
from evaluation.protocol import in_words, protocol_hash
from evaluation.scores import SCORES
from evaluation.scoring import Evaluation
from tests.evaluation.folders import Squares, as_inception, generated
from util.errors import InputError


def a_set(rows) -> FeatureSet:
    features = FeatureSet()
    features.add(torch.as_tensor(rows))
    return features


def on_a_line(*places: float) -> FeatureSet:
    return a_set([[place, 0.0] for place in places])


REAL = (0, 1, 2, 3, 10, 11, 12, 13)  # radii of the balls: 3, 2, 2, 3 in each group of four


@pytest.mark.parametrize(
    ("fake", "precision", "recall"),
    [
        (REAL, 1, 1),
        ((100, 101, 102, 103), 0, 0),
        ((0.5, 1, 1.5, 2), 1, 4 / 8),  # radii 1.5, 1, 1, 1.5: from -1 to 3.5 are 0, 1, 2 and 3
        ((-3, 16, 30, 31, 32, 33), 2 / 6, 1),  # -3 is at the edge of the ball of 0, and 16 at that of 13
    ],
    ids=["equal", "apart", "within a part", "at the edge"],
)
def test_points_on_a_line_are_counted_by_hand(fake, precision, recall):
    assert precision_recall(on_a_line(*fake), on_a_line(*REAL)) == pytest.approx((precision, recall))


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """Fraction of `a` in the ball of a point of `b` around which it reaches to the third nearest other one."""
    radii = np.sort(np.linalg.norm(b[:, None] - b[None], axis=2), axis=1)[:, 3]
    return float((np.linalg.norm(a[:, None] - b[None], axis=2) <= radii).any(axis=1).mean())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fakes=st.integers(4, 40), reals=st.integers(4, 40), shift=st.floats(-2, 2))
def test_random_points_are_counted_as_defined_and_as_by_the_library(seed, fakes, reals, shift):
    rng = np.random.default_rng(seed)
    fake, real = rng.normal(shift, size=(fakes, 3)), rng.normal(size=(reals, 3))
    found = precision_recall(a_set(fake), a_set(real))
    assert found == pytest.approx((by_definition(fake, real), by_definition(real, fake)))
    both = (torch.from_numpy(rows) for rows in (fake, real))
    library = prc_features_to_metric(*both, prc_neighborhood=3, prc_batch_size=7, save_cpu_ram=False, verbose=False)
    assert found == pytest.approx((library["precision"], library["recall"]))


@pytest.mark.parametrize("features", [as_inception, lambda: random_features("cpu")], ids=["inception", "random"])
def test_an_evaluation_has_them_under_the_names_of_its_features(features):
    plain, evaluation = (Evaluation(Squares(), features=features(), precision_recall=on) for on in (False, True))
    names = PRECISION_AND_RECALL[evaluation.features.score_name]
    assert set(evaluation.feature_scores.names) - set(plain.feature_scores.names) == set(names)
    same = evaluation.score(generated(evaluation.truth, range(7)))
    assert [same[name] for name in names] == [1, 1]
    black = evaluation.score(generated(evaluation.truth, range(7), shade=255))
    assert [black[name] for name in names] == [0, 0]
    assert plain.score(generated(plain.truth, range(7))).keys() == same.keys() - set(names)
    assert protocol_hash(plain.protocol) != protocol_hash(evaluation.protocol)
    for name in names:
        assert "3 nearest neighbors" in (words := in_words(name, evaluation.protocol)) and "7 images" in words
        assert ("random features" in words) == name.startswith("random")
        assert SCORES[name].text(0.68251) == "0.683"


def test_they_have_no_bootstrap_interval():
    evaluation = Evaluation(Squares(), features=as_inception(), precision_recall=True, bootstrap=20)
    assert evaluation.measure(generated(evaluation.truth, range(7))).intervals.keys() == {"fid", "kid"}


def test_too_few_images_and_statistics_alone_are_refused(monkeypatch):
    monkeypatch.setattr(Squares, "names", ("a", "b", "c"))
    with pytest.raises(InputError, match=r"--precision_recall: 3 images are too few.*it needs 4 or more"):
        Evaluation(Squares(), features=as_inception(), precision_recall=True)
    bare = FeatureSet(most_kept=0)
    bare.add(torch.rand(8, 2))
    with pytest.raises(InputError, match="of every image"):
        precision_recall(on_a_line(*REAL), bare)
