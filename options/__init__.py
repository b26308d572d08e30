"""What a user can say: typed, frozen, every option declared once.

opt = parse_options(TrainOptions, argv, presets)
"""

from options.base import BaseOptions
from options.evaluate import EvaluateOptions
from options.field import OptionError, Preset
from options.parse import parse_options
from options.saved import load_saved
from options.test import TestOptions
from options.train import TrainOptions

__all__ = [
    "BaseOptions",
    "EvaluateOptions",
    "OptionError",
    "Preset",
    "TestOptions",
    "TrainOptions",
    "load_saved",
    "parse_options",
]
