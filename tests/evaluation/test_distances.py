"""Distances of feature sets: closed forms, the definition in many digits, torch-fidelity, and what is refused."""

import json
import math
import pickle
from unittest import mock

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from evaluation.distances import FeatureSet, frechet_distance, kernel_distance
from tests.evaluation.jobs import gather
from tests.worlds import run_together
from util.distributed import World
from util.errors import InputError


def feature_set(rows, most_kept=1000) -> FeatureSet:
    features = FeatureSet(most_kept)
    features.add(torch.as_tensor(rows))
    return features


def draw(n, dim, seed=0, rank=None) -> torch.Tensor:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, rank or dim)) @ random.standard_normal((rank or dim, dim))
    return torch.from_numpy(rows + random.standard_normal(dim))


def gaussian(mean, covariance) -> FeatureSet:
    """A set with exactly this mean and covariance, known by its statistics alone."""
    dim = len(mean)
    root = scipy.linalg.sqrtm(np.asarray(covariance, dtype=np.float64)).real
    # 2 dim rows with mean 0 and unit covariance: the axes, both ways.
    unit = math.sqrt((2 * dim - 1) / 2) * np.concatenate([np.eye(dim), -np.eye(dim)])
    return feature_set(unit @ root + np.asarray(mean, dtype=np.float64), most_kept=0)


def definition(a: FeatureSet, b: FeatureSet) -> float:
    """The Fréchet distance in 60 digits, by the eigenvalues of the product of the covariances."""
    with mpmath.workdps(60):
        product = covariance(a) * covariance(b)
        root = sum(mpmath.sqrt(abs(value)) for value in mpmath.eig(product, left=False, right=False))
    return float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace()) - 2 * float(root)


def covariance(features: FeatureSet) -> mpmath.matrix:
    """In as many digits as are asked for, so that what is of low rank is so to the last digit."""
    rows = mpmath.matrix(features.features.tolist())
    mean = [mpmath.fsum(rows[:, j]) / rows.rows for j in range(rows.cols)]
    centered = mpmath.matrix(rows.rows, rows.cols)
    for i in range(rows.rows):
        for j in range(rows.cols):
            centered[i, j] = rows[i, j] - mean[j]
    return centered.T * centered / (rows.rows - 1)


def test_one_dimension_by_hand():
    a, b = feature_set([[0.0], [2.0]]), feature_set([[4.0], [8.0], [12.0]])  # means 1 and 8, variances 2 and 16
    assert a.covariance.item() == 2 and b.covariance.item() == 16
    assert frechet_distance(a, b) == pytest.approx(7**2 + (math.sqrt(16) - math.sqrt(2)) ** 2, rel=1e-12)


def test_diagonal_covariances_by_hand():
    a, b = gaussian([0, 0, 1], np.diag([1, 4, 9])), gaussian([3, 4, 1], np.diag([9, 4, 0.25]))
    assert frechet_distance(a, b) == pytest.approx(25 + (1 - 3) ** 2 + 0 + (3 - 0.5) ** 2, rel=1e-12)


def test_covariances_that_commute():
    axes = scipy.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    one, other = np.array([1.0, 2, 3, 4]), np.array([5.0, 0.5, 3, 100])
    a, b = (gaussian(np.zeros(4), axes @ np.diag(values) @ axes.T) for values in (one, other))
    assert frechet_distance(a, b) == pytest.approx(((np.sqrt(one) - np.sqrt(other)) ** 2).sum(), rel=1e-12)


@given(n=st.integers(2, 12), m=st.integers(2, 12), dim=st.integers(1, 10), seed=st.integers(0, 9), known=st.booleans())
@settings(max_examples=60)
def test_any_shape_is_symmetric_and_zero_only_for_itself(n, m, dim, seed, known):
    a, b = (feature_set(draw(k, dim, s), 1000 if known else 0) for k, s in ((n, seed), (m, seed + 100)))
    distance = frechet_distance(a, b)
    assert distance == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert distance > 1e-6
    assert frechet_distance(a, a) < 1e-6


@given(n=st.integers(2, 8), m=st.integers(2, 8), rank=st.integers(1, 4), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_rank_deficient_sets_have_the_distance_of_the_definition(n, m, rank, seed):
    a, b = feature_set(draw(n, 4, seed, rank)), feature_set(draw(m, 4, seed + 100))
    # With no more images than features it is exact to rounding; the null space of a larger set's covariance is known
    # only to the root of that.
    tolerance = 1e-11 if n <= 4 or rank == 4 else 1e-6
    assert frechet_distance(a, b) == pytest.approx(definition(a, b), rel=tolerance)


def test_few_images_of_many_features_agree_with_the_root_of_scipy():
    a, b = feature_set(draw(10, 24, 1)), feature_set(draw(14, 24, 2))
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy())
    expected = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * root.real.trace()
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-5)  # scipy's root of a singular matrix


def test_full_rank_sets_agree_with_the_root_of_scipy():
    a, b = feature_set(draw(60, 12, 1)), feature_set(draw(80, 12, 2))
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy())
    expected = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * root.real.trace()
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-10)


def test_features_and_statistics_give_one_distance():
    rows = draw(10, 24, 1), draw(40, 24, 2)
    known, unknown = ([feature_set(part, most_kept) for part in rows] for most_kept in (1000, 0))
    assert known[0].features is not None and unknown[0].features is None
    distances = [frechet_distance(a, b) for a in (known[0], unknown[0]) for b in (known[1], unknown[1])]
    assert distances == pytest.approx([distances[0]] * 4, rel=1e-7)


@pytest.mark.parametrize(("n", "m", "dim"), [(300, 200, 64), (64, 500, 32)])
def test_distance_is_that_of_torch_fidelity(n, m, dim):
    rows = draw(n, dim, 1), draw(m, dim, 2)
    theirs = fid_statistics_to_metric(*(fid_features_to_statistics(part) for part in rows), verbose=False)
    expected = theirs["frechet_inception_distance"]
    assert frechet_distance(*map(feature_set, rows)) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_by_hand():
    a, b = feature_set([[1.0], [2.0]]), feature_set([[0.0], [3.0]])
    # (x y + 1)^3: within a (1*2+1)^3 = 27, within b 1, across 1, 64, 1, 343
    mean, deviation = kernel_distance(a, b)
    assert mean == pytest.approx(27 + 1 - 2 * (1 + 64 + 1 + 343) / 4, rel=1e-12) and deviation == 0


KERNEL = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}


@pytest.mark.parametrize(("n", "m", "subsets", "size"), [(50, 50, 1, 50), (80, 60, 7, 40), (30, 60, 5, 30)])
def test_kernel_distance_is_that_of_torch_fidelity(n, m, subsets, size):
    rows = draw(n, 16, 1), draw(m, 16, 2)
    protocol = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": 5, "verbose": False}
    theirs = kid_features_to_metric(*rows, **KERNEL, **protocol)
    mean, deviation = kernel_distance(*map(feature_set, rows), subsets, 1000 if size == 30 else size, seed=5)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert deviation == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6, abs=1e-12)


def test_kernel_distance_of_one_distribution_is_zero_on_average():
    values = [kernel_distance(*(feature_set(draw(20, 4, 9)[torch.randperm(20)][:10]) for _ in "ab"))[0] for _ in "12"]
    assert values[0] != values[1]
    drawn = np.random.default_rng(0).standard_normal((2, 400, 10, 4))
    estimates = [kernel_distance(feature_set(a), feature_set(b))[0] for a, b in zip(*drawn)]
    assert min(estimates) < 0 < max(estimates)
    assert abs(np.mean(estimates)) < 3 * np.std(estimates) / math.sqrt(len(estimates))


@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    dim=st.integers(1, 6),
    offset=st.sampled_from([0, 1e6]),
    at_once=st.integers(1, 40),
)
def test_batches_add_up_to_one_pass(sizes, dim, offset, at_once):
    rows = draw(sum(sizes) + 2, dim) + offset
    features = FeatureSet()
    with mock.patch("evaluation.distances.AT_ONCE", at_once):
        for batch in rows.split([*sizes, 2]):
            features.add(batch)
    assert features.n == len(rows) and torch.equal(features.features, rows)
    np.testing.assert_allclose(features.mean, rows.mean(dim=0), rtol=1e-13, atol=1e-13)
    expected = np.cov(rows.numpy(), rowvar=False).reshape(dim, dim)
    np.testing.assert_allclose(features.covariance, expected, rtol=1e-9, atol=1e-9)


def test_features_are_copied_and_kept_only_up_to_a_number():
    rows = torch.zeros(4, 2)
    features = feature_set(rows, most_kept=5)
    rows += 1
    assert not features.features.any() and features.features.dtype == torch.float32
    features.add(rows.half())
    assert features.n == 8 and features.features is None
    np.testing.assert_allclose(features.covariance, np.full((2, 2), 2 / 7), rtol=1e-12)


@pytest.mark.system
def test_processes_gather_what_one_process_has():
    rows = draw(11, 3)
    parts = [rows[:7], rows[7:]]
    alone = feature_set(rows)
    for union in run_together(2, gather, parts, 100):
        assert union["n"] == 11
        np.testing.assert_array_equal(union["features"], rows)
        np.testing.assert_allclose(union["mean"], alone.mean, rtol=1e-12)
        np.testing.assert_allclose(union["covariance"], alone.covariance, rtol=1e-12)


@pytest.mark.system
def test_a_process_without_images_gathers_too():
    rows = draw(4, 3)
    first, second = run_together(2, gather, [None, rows], 3)
    assert first["n"] == 4 and first["features"] is None
    np.testing.assert_array_equal(first["covariance"], second["covariance"])


def test_a_single_process_gathers_itself():
    features = feature_set(draw(4, 3))
    assert features.gathered(World()) is features


def test_statistics_survive_a_file(tmp_path):
    features = feature_set(draw(30, 5))
    features.save_npz(tmp_path / "real.npz", {"resize": "tf", "size": [256, 256]})
    loaded = FeatureSet.load_npz(str(tmp_path / "real.npz"))
    assert loaded.n == 30 and loaded.features is None and loaded.facts == {"resize": "tf", "size": [256, 256]}
    np.testing.assert_array_equal(loaded.mean, features.mean)
    np.testing.assert_allclose(loaded.covariance, features.covariance, rtol=1e-14)
    assert frechet_distance(loaded, features) < 1e-9
    loaded.add(draw(3, 5, 1))
    both = feature_set(torch.cat([draw(30, 5), draw(3, 5, 1)]))
    assert loaded.n == 33 and loaded.features is None
    np.testing.assert_allclose(loaded.covariance, both.covariance, rtol=1e-10)


def test_files_of_pytorch_fid_are_read_and_written(tmp_path):
    features = feature_set(draw(30, 5))
    np.savez_compressed(tmp_path / "theirs.npz", mu=features.mean, sigma=features.covariance)
    loaded = FeatureSet.load_npz(tmp_path / "theirs.npz")
    assert loaded.n is None and loaded.facts == {} and frechet_distance(loaded, features) < 1e-9
    with pytest.raises(ValueError, match="unknown number"):
        loaded.add(draw(3, 5))
    with pytest.raises(ValueError, match="unknown number"):
        loaded.gathered(World())
    loaded.save_npz(tmp_path / "ours.npz", {})
    with np.load(tmp_path / "ours.npz") as file:
        assert file["mu"].shape == (5,) and file["sigma"].shape == (5, 5) and file["sigma"].dtype == np.float64
        assert "n" not in file and json.loads(str(file["facts"])) == {}


class Trap:
    def __reduce__(self):
        return print, ("executed",)


GOOD = {"mu": np.zeros(2), "sigma": np.eye(2)}
WRONG = {
    "mu missing": ({"sigma": np.eye(2)}, "has no mu"),
    "other shapes": (GOOD | {"sigma": np.eye(3)}, r"\(2,\) and sigma \(3, 3\)"),
    "NaN": (GOOD | {"mu": np.array([0, np.nan])}, "finite"),
    "text": (GOOD | {"mu": np.array(["a", "b"])}, "finite"),
    "no covariance": (GOOD | {"sigma": np.array([[1.0, 2], [0, 1]])}, "not symmetric"),
    "facts": (GOOD | {"facts": np.array("{")}, "not JSON"),
    "one image": (GOOD | {"n": np.array(1)}, "2 images or more"),
    "code": (GOOD | {"mu": np.array([Trap(), Trap()])}, "not a readable .npz file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_statistics_are_refused(case, tmp_path, capsys):
    arrays, message = WRONG[case]
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(InputError, match=message):
        FeatureSet.load_npz(tmp_path / "wrong.npz")
    assert capsys.readouterr().out == ""


def test_other_files_are_no_statistics(tmp_path, capsys):
    path = tmp_path / "file.npz"
    with pytest.raises(InputError, match="no such file"):
        FeatureSet.load_npz(path)
    np.savez(path, **GOOD)
    half = path.read_bytes()[: path.stat().st_size // 2]
    for content in (b"", b"text", half, pickle.dumps(Trap())):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a readable"):
            FeatureSet.load_npz(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="not a readable"):
        FeatureSet.load_npz(path)
    assert capsys.readouterr().out == ""


def test_sets_without_a_distance_are_refused(tmp_path):
    good = feature_set(draw(4, 3))
    for distance in (frechet_distance, kernel_distance):
        for other in (FeatureSet(), feature_set(draw(1, 3))):
            with pytest.raises(InputError, match=f"needs 2 images or more in each; one has {other.n}"):
                distance(good, other)
        with pytest.raises(InputError, match="3 and 2 numbers"):
            distance(good, feature_set(draw(4, 2)))
    with pytest.raises(InputError, match="features of every image"):
        kernel_distance(good, feature_set(draw(4, 3), most_kept=0))
    with pytest.raises(InputError, match="2 images or more"):
        feature_set(draw(1, 3)).save_npz(tmp_path / "one.npz", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_features_that_are_not_finite_are_refused(value):
    features = feature_set(draw(2, 3))
    rows = draw(3, 3, 1)
    rows[1, 2] = value
    with pytest.raises(InputError, match=r"image 3 .*not finite"):
        features.add(rows)
    assert features.n == 2
    with pytest.raises(InputError, match="2 numbers cannot join those of 3"):
        features.add(draw(2, 2))
    with pytest.raises(ValueError, match="must be"):
        features.add(torch.zeros(3))
