"""What every data set yields."""

from typing import TypedDict

from torch import Tensor


class _Always(TypedDict):
    name: str  # relative path without extension, posix slashes, unique in the data set
    labels: Tensor  # class ids, (H, W) uint8 up to 256 labels, else int16; the unknown class, if any, is id label_nc
    # H and W are what the network makes: round(crop_size / aspect_ratio) and crop_size.


class Sample(_Always, total=False):
    """One sample; a key is absent when the data set has no such thing. torch's default collate makes the batch."""

    instances: Tensor  # instance ids, (H, W) int32; only where they differ matters
    image: Tensor  # the photo, (3, H, W) float32 in [-1, 1]
