import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from data.checking.inspection import count_values, is_blended

BLOCKS = np.random.default_rng(0).integers(0, 150, (4, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize("size", [20, 29, 50, 100])
@pytest.mark.parametrize("resample", [Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS])
def test_smoothing_leaves_slopes_and_nearest_does_not(size, resample):
    picture = Image.fromarray(BLOCKS)
    assert is_blended(np.asarray(picture.resize((size, size), resample)))
    assert not is_blended(np.asarray(picture.resize((size, size), Resampling.NEAREST)))


def test_a_few_slopes_prove_nothing():
    assert not is_blended(np.array([[0, 1, 2, 3]]))
    assert not is_blended(np.array([[7]]))
    lines = BLOCKS.copy()
    lines[:, 5], lines[:, 6] = 200, 220  # thin things are real
    assert not is_blended(lines)


@pytest.mark.parametrize("labels", [BLOCKS, BLOCKS.astype(np.int32) - 60, BLOCKS.astype(np.int32) * 1000])
def test_values_are_counted(labels):
    counts = count_values(labels)
    assert sum(counts.values()) == labels.size
    assert counts == {value: int((labels == value).sum()) for value in np.unique(labels).tolist()}
