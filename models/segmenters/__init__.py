"""The segmentation networks that score generated images, of data sets with published scores and of one's own."""

from models.segmenters.base import Segmenter
from models.segmenters.loading import SEGMENTERS, load_own_segmenter, load_segmenter

__all__ = ["SEGMENTERS", "Segmenter", "load_own_segmenter", "load_segmenter"]
