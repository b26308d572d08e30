"""Segmentation networks that score generated images: published ones, and ones trained on a user's data."""

from models.segmenters.base import Segmenter
from models.segmenters.loading import SEGMENTERS, load_own_segmenter, load_segmenter

__all__ = ["SEGMENTERS", "Segmenter", "load_own_segmenter", "load_segmenter"]
