"""The options of all programs: typed, frozen, declared once each, in groups that programs combine.

opt = parse_options(TrainOptions, argv, presets)
"""

from options.base import Options
from options.evaluate import EvaluateInTrainingOptions, EvaluateOptions
from options.field import OptionError, Preset
from options.parse import parse_options
from options.saved import load_saved
from options.test import TestOptions
from options.train import TrainOptions

__all__ = [
    "EvaluateInTrainingOptions",
    "EvaluateOptions",
    "OptionError",
    "Options",
    "Preset",
    "TestOptions",
    "TrainOptions",
    "load_saved",
    "parse_options",
]
