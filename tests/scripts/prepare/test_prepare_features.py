"""Clusters of the instance features of a run, and a test that draws from them."""

import numpy as np
import pytest
import torch

import test as test_program
from models.methods.instance_features import FeatureCenters
from scripts.prepare.__main__ import main
from scripts.prepare.features import cluster, features_of
from tests.runs import train

pytestmark = pytest.mark.tools


def test_features_of_large_regions_are_collected_with_the_label_of_most_of_their_pixels():
    regions = torch.zeros(16, 16, dtype=torch.int64)
    regions[8:] = 7
    regions[0, :4] = 2  # 4 of 256 pixels are 1/64 of the image: not more, so too few
    regions[1, :5] = 3
    labels = torch.zeros(16, 16, dtype=torch.int64)
    labels[8:, :12] = 1
    features = torch.stack([regions * 10.0, regions * -1.0])
    found = features_of(features, regions, labels, num_labels=2)
    assert [(label, values.tolist()) for label, values in found] == [(0, [0, 0]), (0, [30, -3]), (1, [70, -7])]


def test_clusters_are_found_and_are_always_the_same():
    spread = np.random.default_rng(0).normal(0, 0.01, (60, 2))
    points = (np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 20, axis=0) + spread).astype(np.float32)
    centers = cluster(points, 3)
    assert np.array_equal(centers, cluster(points, 3))
    assert sorted(centers.round(1).tolist()) == [[0, 0], [0, 1], [1, 0]]


def test_there_are_no_more_clusters_than_different_features():
    assert cluster(np.array([[1.0], [2.0], [1.0]]), 10).tolist() == [[1], [2]]


TINY = "--method pix2pixhd --crop_size 64 --ngf 2 --ndf 2 --n_downsample_global 1 --n_blocks_global 1 --no_vgg_loss"
FEATURES = "--instance_feat --feat_width 2 --n_downsample_E 1 --n_clusters 2"


def test_a_test_draws_features_from_the_clusters_of_the_run(tmp_path, capsys):
    run = ["--name", "run", "--checkpoints_dir", str(tmp_path), "--gpu_ids", "-1"]
    seen = ["--max_dataset_size", "2"]
    status, said = train([*f"{TINY} {FEATURES} --niter 1 --niter_decay 0 --no_tensorboard".split(), *run, *seen])
    assert status == 0, said

    def test(name: str, *more: str) -> bytes:
        assert test_program.main([*run, *seen, "--results_dir", str(tmp_path / name), *more]) == 0
        (folder,) = (tmp_path / name).rglob("synthesized_image")
        return next(folder.iterdir()).read_bytes()

    with pytest.raises(SystemExit):
        test("none")
    assert "add --use_encoded_image" in capsys.readouterr().err
    of_photos = test("photos", "--use_encoded_image")
    assert main(["features", *run, *seen]) is None
    centers = FeatureCenters.read(tmp_path / "run" / "latest_feature_centers.pth")
    assert centers.centers.shape == (19, 2, 3) and centers.counts.max() == 2
    assert test("drawn") != of_photos
