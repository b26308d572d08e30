"""Segmenters: networks that label images, to score generated ones. Published for some data sets, or a user's own."""

from models.segmenters.base import Segmenter
from models.segmenters.loading import SEGMENTERS, load_own_segmenter, load_segmenter

__all__ = ["SEGMENTERS", "Segmenter", "load_own_segmenter", "load_segmenter"]
