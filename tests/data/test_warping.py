"""Warped samples: splines by hand, label map and photo alike, and draws that depend on seed, epoch and index alone."""

import numpy as np
import pytest
import torch

from data import PRESETS, create_dataset, create_loader
from data.warping import POINTS, ThinPlateWarp, warp_ids, warp_image
from options import TestOptions, TrainOptions, parse_options

STILL = np.zeros((POINTS**2, 2), dtype=np.float32)


def test_without_moves_every_pixel_stays():
    positions = ThinPlateWarp(9, 17, 0.1).positions(STILL)
    assert torch.equal(positions, torch.from_numpy(np.indices((9, 17), dtype=np.float32)))


def test_points_that_move_alike_move_the_image_and_what_is_missing_is_mirrored():
    """By a quarter of 8 rows and a quarter of 4 columns: each pixel comes from 2 rows below and 1 column before."""
    moves = STILL + np.array([0.25, -0.25], dtype=np.float32)
    positions = ThinPlateWarp(8, 4, 0.1).positions(moves)
    expected = [torch.tensor([2.0, 3, 4, 5, 6, 7, 6, 5]), torch.tensor([1.0, 0, 1, 2])]
    torch.testing.assert_close(positions[0], expected[0][:, None].expand(8, 4))
    torch.testing.assert_close(positions[1], expected[1].expand(8, 4))
    ids = torch.arange(32).view(8, 4)
    assert warp_ids(ids, positions)[:, 0].tolist() == [9, 13, 17, 21, 25, 29, 25, 21]


def test_each_control_point_arrives_where_it_moves_and_pixels_between_follow_smoothly():
    warp = ThinPlateWarp(17, 9, 0.1)  # control points at every fourth row and every second column
    moves = STILL.copy()
    moves[2 * POINTS + 2] = 1 / 17, -1 / 9  # the center, at row 8 and column 4, by a pixel in both directions
    rows, columns = warp.positions(moves) - torch.from_numpy(np.indices((17, 9), dtype=np.float32))
    expected = torch.zeros(POINTS, POINTS)
    expected[2, 2] = 1
    torch.testing.assert_close(rows[::4, ::2], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(columns[::4, ::2], -expected, rtol=0, atol=1e-5)
    assert 0.3 < rows[6, 4] < 0.7


def test_points_on_the_border_slide_along_it():
    torch.manual_seed(0)
    warp = ThinPlateWarp(17, 17, 0.1)
    rows, columns = warp.draw() - torch.from_numpy(np.indices((17, 17), dtype=np.float32))
    assert rows[[0, -1]][:, ::4].abs().max() < 1e-5 and columns[:, [0, -1]][::4].abs().max() < 1e-5
    inner = rows[4:-1:4, 4:-1:4].abs()
    assert 0.1 < inner.max() <= 0.1 * 17 + 1e-5


def test_ids_of_any_size_are_kept_and_photos_are_interpolated():
    positions = torch.tensor([[[0.0, 0.4]], [[0.75, 1.0]]])  # of two pixels
    ids = torch.tensor([[2**31 - 1, 5], [7, 2**30 + 1]], dtype=torch.int32)
    assert warp_ids(ids, positions).tolist() == [[5, 5]]
    image = torch.tensor([[[0.0, 0.8, 0.0, 0.0, 0.8, 1.0]]]).repeat(3, 2, 1)
    positions = torch.tensor([[[0.0, 1, 0, 1]], [[1.0, 1.5, 2.5, 4.5]]])
    # Halfway, the weights are -3/32, 19/32, 19/32 and -3/32; beyond the border is the last pixel.
    row = [0.8, 0.8 * 19 / 32, -2 * 0.8 * 3 / 32, 1.8 * 19 / 32 - 3 / 32]
    assert 0.97 < row[-1] < 1
    torch.testing.assert_close(warp_image(image, positions), torch.tensor([[row]]).repeat(3, 1, 1))
    bright = torch.tensor([[[1.0, 1.0, -1.0, 1.0, 1.0, 1.0]]]).repeat(3, 2, 1)
    assert warp_image(bright, positions).amax() == 1


def landscapes(program, words: str, tmp_path):
    flags = f"--crop_size 32 --load_size 32 --max_dataset_size 4 --batch_size 2 --gpu_ids -1 {words}"
    return parse_options(program, [*flags.split(), "--checkpoints_dir", str(tmp_path)], PRESETS)


def read(opt, epoch: int) -> list[dict]:
    loader = create_loader(opt, create_dataset(opt))
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(one: list[dict], other: list[dict]) -> bool:
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in ("labels", "image"))


def test_the_photo_is_warped_like_its_label_map(tmp_path):
    plain, warped = (create_dataset(landscapes(TrainOptions, words, tmp_path)) for words in ("", "--warp 0.1"))
    assert warped.class_names == plain.class_names and len(warped) == 4
    torch.manual_seed(1)
    before = plain[0]
    torch.manual_seed(1)
    after = warped[0]
    assert "image" in before and "image" in after and "instances" in before and "instances" in after
    assert (after["labels"].dtype, after["instances"].dtype) == (before["labels"].dtype, before["instances"].dtype)
    assert not torch.equal(after["labels"], before["labels"])
    assert not torch.equal(after["instances"], before["instances"])
    for label in before["labels"].unique():  # what a photo shows of a class has nearly the same mean color in both
        if (before["labels"] == label).sum() > 100:
            one, other = (x["image"][:, x["labels"] == label].mean(dim=1) for x in (before, after))
            torch.testing.assert_close(one, other, rtol=0, atol=0.1)


def test_warps_follow_from_seed_epoch_and_index_alone(tmp_path):
    one = landscapes(TrainOptions, "--warp 0.05 --num_workers 0", tmp_path)
    batches = read(one, 1)
    assert same(batches, read(one, 1))
    assert same(batches, read(landscapes(TrainOptions, "--warp 0.05 --num_workers 2", tmp_path), 1))
    assert not same(batches, read(one, 2))
    assert not same(batches, read(landscapes(TrainOptions, "--warp 0.05 --num_workers 0 --seed 1", tmp_path), 1))


def test_only_a_training_is_warped(tmp_path):
    assert "warp" not in vars(landscapes(TestOptions, "", tmp_path))
    with pytest.raises(SystemExit):
        landscapes(TrainOptions, "--warp 0.2", tmp_path)
