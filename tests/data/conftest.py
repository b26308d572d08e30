"""Tiny file trees for the data sets."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_options() -> Callable[..., SimpleNamespace]:
    """Options of the data package: training on 16x16 images without instances; given fields replace values."""

    def make(**given) -> SimpleNamespace:
        values = {
            "is_train": True, "phase": "train", "dataset_mode": "custom", "dataroot": "", "seed": 0,
            "label_dir": None, "image_dir": None, "instance_dir": None, "pairing_check": True, "coco_portraits": True,
            "label_suffix": "", "image_suffix": "", "instance_suffix": "",
            "label_nc": 5, "input_nc": 0, "contain_dontcare_label": False, "instance": False, "max_dataset_size": None,
            "preprocess_mode": "resize_and_crop", "load_size": 16, "crop_size": 16, "aspect_ratio": 1.0, "flip": False,
            "batch_size": 1, "num_workers": 0, "serial_batches": False, "file_list": None, "cache_dir": None,
            "fast_decode": False, "apply_exif": False, "gpu_ids": "-1", "data": None,
        }  # fmt: skip
        assert given.keys() <= values.keys()
        return SimpleNamespace(**values | given)

    return make


@pytest.fixture
def save() -> Callable[..., Path]:
    """Write an array as an image, folders made on the way; 16-bit arrays become 16-bit files."""

    def write(path: Path, values, **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(values)).save(path, **options)
        return path

    return write


@pytest.fixture
def save_ids(save) -> Callable[..., Path]:
    """Write a gray id map full of one value."""
    return lambda path, value=0, size=(16, 16): save(path, np.full(size[::-1], value, dtype=np.uint8))


@pytest.fixture
def save_photo(save) -> Callable[..., Path]:
    """Write a photo full of one gray."""
    return lambda path, value=128, size=(16, 16): save(path, np.full((*size[::-1], 3), value, dtype=np.uint8))
