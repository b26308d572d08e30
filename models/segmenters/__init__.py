"""The segmentation networks that judge generated images, one for each data set with published scores."""

from models.segmenters.base import Segmenter
from models.segmenters.loading import SEGMENTERS, load_segmenter

__all__ = ["SEGMENTERS", "Segmenter", "load_segmenter"]
