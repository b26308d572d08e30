"""Bootstrap intervals: by hand, by definition of a draw, and how often they hold what they promise."""

import numpy as np
import pytest
import torch

from evaluation.bootstrap import draw_samples, draws_of_frechet, frechet_of_draws, interval, kernel_of_draws
from evaluation.distances import FeatureSet, frechet_distance, kernel_distance
from evaluation.segmentation import SegmentationCounter, TrueClasses, scores_of_draws, scores_of_image
from tests.evaluation.folders import GraySegmenter, Squares
from util.segmentation_scores import ConfusionMatrix


def feature_set(rows) -> FeatureSet:
    features = FeatureSet()
    features.add(torch.as_tensor(rows))
    return features


def test_an_interval_by_hand():
    values = list(range(101))  # percentiles 2.5 and 97.5 about the mean of 50
    assert interval(10, values) == (10 - 47.5, 10 + 47.5)
    assert interval(10, [*values, float("nan")], least=0, most=12) == (0, 12)
    assert interval(0.5, [0.5]) == (0.5, 0.5)
    assert interval(3, [0] * 999 + [1000]) == (2, 3)  # the percentiles are 0, the mean is 1
    assert np.isnan(interval(0, [float("nan")])).all()


def test_draws_are_of_all_samples_and_depend_on_the_seed_alone():
    drawn = draw_samples(5, 400, seed=3)
    assert drawn.shape == (400, 5) and torch.equal(drawn, draw_samples(5, 400, seed=3))
    assert not torch.equal(drawn, draw_samples(5, 400, seed=4))
    assert torch.equal(drawn[:9], draw_samples(5, 9, seed=3))
    assert np.allclose(drawn.flatten().bincount() / 2000, 1 / 5, atol=0.05)


def counter_of(predictions: torch.Tensor, truth: torch.Tensor) -> dict[int, torch.Tensor]:
    """The counts of each image, from maps (samples, pixels)."""
    counts = {}
    for index in range(len(truth)):
        matrix = ConfusionMatrix(4)
        matrix.add(predictions=predictions[index], truth=truth[index])
        counts[index] = matrix.counts.double().flatten().to_sparse()
    return counts


def test_segmentation_scores_of_draws_by_hand():
    # The first image is right everywhere, the second is class 0 for class 1; both have a pixel without a class.
    counts = counter_of(torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0]]), torch.tensor([[0, 0, 1, 255], [1, 1, 1, 255]]))
    scores = scores_of_draws(list(counts.values()), torch.tensor([[0, 0], [0, 1], [1, 1]]), 4, "labelled")
    assert scores["accuracy"] == [1, 3 / 6, 0]
    assert scores["accuracy_with_void"] == [6 / 8, 3 / 8, 0]
    assert scores["miou"] == pytest.approx([1, (2 / 5 + 1 / 4) / 2, 0])  # class 0: 2 of 2 + 3 wrong; class 1: 1 of 4


def test_scores_of_single_images_by_hand():
    # Class 0: 2 pixels right, 1 of class 1 taken for it; class 1: 0 of 1. The pixel without a class does not count.
    predictions, truth = torch.tensor([[0, 0, 0, 2], [0, 0, 0, 0]]), torch.tensor([[0, 0, 1, 255], [255] * 4])
    counts = counter_of(predictions, truth)
    assert scores_of_image(counts[0], 4) == {"accuracy": pytest.approx(2 / 3), "miou": pytest.approx((2 / 3 + 0) / 2)}
    assert scores_of_image(counts[1], 4) == {"accuracy": None, "miou": None}


def test_a_draw_scores_as_the_images_that_it_repeats():
    truth, segmenter = Squares(), GraySegmenter()
    classes = TrueClasses(segmenter, truth.size)
    samples = [truth[index] for index in range(7)]
    images = torch.stack([sample["photo"] for sample in samples]).roll(3, dims=-1)
    classes.add(range(7), truth.names, torch.stack([sample["labels"] for sample in samples]))
    counter = SegmentationCounter(classes)
    counter.add(range(7), images)
    drawn = draw_samples(7, 100, seed=0)  # more than are summed at once
    scores = scores_of_draws(list(counter.counts.values()), drawn, 4, "labelled")
    for draw in (0, 99):
        again = SegmentationCounter(classes)
        for index in drawn[draw].tolist():
            again.add([index], images[index : index + 1])
        assert {name: values[draw] for name, values in scores.items()} == again.scores(again.matrix)


@pytest.mark.parametrize("dim", [3, 12])
def test_distances_of_draws_are_those_of_the_images_that_they_repeat(dim):
    x, y = np.random.default_rng(0).standard_normal((2, 8, dim))
    y += 0.5
    drawn = torch.cat([torch.arange(8)[None], draw_samples(8, 3, seed=0)])
    distances = frechet_of_draws(feature_set(x), feature_set(y), drawn)
    assert distances == pytest.approx([frechet_distance(feature_set(x[i]), feature_set(y[i])) for i in drawn.numpy()])
    kernels = kernel_of_draws(feature_set(x), feature_set(y), drawn)
    assert kernels[0] == pytest.approx(kernel_distance(feature_set(x), feature_set(y))[0])
    for kernel, i in zip(kernels[1:], drawn[1:].numpy()):
        of_others = i[:, None] != i[None]  # an image that is drawn twice makes no pair with itself
        within = [((z[i] @ z[i].T / dim + 1) ** 3)[of_others].mean() for z in (x, y)]
        assert kernel == pytest.approx(sum(within) - 2 * ((x[i] @ y[i].T / dim + 1) ** 3).mean())


def test_what_is_known_by_its_statistics_stays_whole():
    x, y = np.random.default_rng(0).standard_normal((2, 8, 3))
    real = FeatureSet(most_kept=0)
    real.add(torch.as_tensor(y))
    drawn = draw_samples(8, 2, seed=0)
    expected = [frechet_distance(feature_set(x[i]), feature_set(y)) for i in drawn.numpy()]
    assert frechet_of_draws(feature_set(x), real, drawn) == pytest.approx(expected)
    assert kernel_of_draws(feature_set(x), real, drawn) == [] == frechet_of_draws(real, real, drawn)
    assert draws_of_frechet(feature_set(x), 1000) == 1000
    assert draws_of_frechet(feature_set(np.zeros((1, 2048))), 1000) == 100


def test_intervals_hold_the_mean_over_other_images_where_percentiles_do_not():
    """Of images with features of 8 normal numbers, at distance from the real ones."""
    random = np.random.default_rng(0)

    def sample(n=60, dim=8):
        x, noise = random.standard_normal((2, n, dim))
        return feature_set(x), feature_set(0.5 * x + noise + 0.2)

    expected = np.mean([frechet_distance(*sample()) for _ in range(60)])
    held = {"interval": 0, "percentiles": 0}
    for seed in range(16):
        generated, real = sample()
        score, of_draws = (
            frechet_distance(generated, real),
            frechet_of_draws(generated, real, draw_samples(60, 30, seed)),
        )
        low, high = interval(score, of_draws, least=0)
        assert low <= score <= high
        held["interval"] += int(low <= expected <= high)
        low, high = np.percentile(of_draws, [2.5, 97.5])
        held["percentiles"] += int(low <= expected <= high)
    assert held["interval"] >= 14 and held["percentiles"] <= 9, held


def test_intervals_of_the_kernel_distance_hold_its_expectation():
    """E (x y + 1)^3 = 1 + 3 a1 b1 + 3 a2 b2 + a3 b3 of independent numbers with the moments a and b."""
    random = np.random.default_rng(0)
    expected = (1 + 3) + (1 + 0.75 + 4.6875 + 2.640625) - 2 * (1 + 3.75)  # moments 0, 1, 0 and 0.5, 1.25, 1.625
    held = 0
    for seed in range(40):
        generated, real = (feature_set(random.standard_normal((200, 1)) + mean) for mean in (0, 0.5))
        of_draws = kernel_of_draws(generated, real, draw_samples(200, 200, seed))
        low, high = interval(kernel_distance(generated, real)[0], of_draws)
        held += low <= expected <= high
    assert held >= 35, held
