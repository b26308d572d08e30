"""Disparity maps of training photos: which pixels are near, which are far."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL.Image import Resampling
from torch import Tensor

from data.orientation import check_same_size
from data.pairs import SamplePaths, join_by_name
from data.preprocess import Geometry, Preprocess, ids_to_tensor, resize
from data.read import image_size, read_instances
from util.errors import InputError
from util.warn import warn_once


class DisparityMaps:
    """Files of integers, larger where the scene is nearer, and 0 where nothing was measured, as in Cityscapes.

    Args:
        samples: label maps by sample name, each of which needs a map. Raises `InputError` if one has none.
        files: disparity maps by sample name.
        preprocess: of the samples.
        upright: apply the EXIF orientation (--apply_exif).
    """

    def __init__(self, samples: Mapping[str, Path], files: Mapping[str, Path], preprocess: Preprocess, upright: bool):
        paths = join_by_name(dict(samples), dict(files), "disparity map", extras_allowed=True)
        self.paths = dict(zip(samples, paths, strict=True))
        self.preprocess, self.upright = preprocess, upright

    def read(self, sample: SamplePaths, geometry: Geometry) -> Tensor:
        """The disparity (H, W) int32 of a sample, resized by nearest neighbor and cropped like its label map.

        Raises `InputError` for files that cannot be read, for negative numbers, and for another size than the label
        map's.
        """
        path = self.paths[sample.name]
        assert path is not None, "there is a map for each sample"
        disparity, size = read_instances(path, self.upright), image_size(sample.labels, self.upright)
        check_same_size(sample.labels, size, path, disparity.size, self.upright)
        values = np.asarray(disparity)
        lowest, highest = values.min(), values.max()
        if lowest < 0:
            raise InputError(f"{path}: holds {lowest}; disparity is larger where the scene is nearer, and 0 is unknown")
        if not highest:
            warn_once(f"{path}: nothing is measured in it (all pixels are 0)")
        pixels = resize(disparity, self.preprocess.resized(size), Resampling.NEAREST)
        return ids_to_tensor(geometry.apply(pixels), np.int32)
