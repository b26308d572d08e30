"""Compares the scale of objects in training, crops of `crop_size` from files scaled to `load_size`, and in test."""

from collections.abc import Mapping
from typing import Any

from options.data import DataOptions
from options.field import Preset, declared_options

MARGIN = 1.05
"""Factor over the usual `load_size` above which there is a note."""


def usual_load_size(values: Mapping[str, Any], usual: Mapping[str, Any], is_train: bool) -> int:
    """The size in pixels that files are scaled to, for the `crop_size` and `preprocess_mode` in `values`.

    In training it has the ratio to `crop_size` of `usual` (defaults and preset): 286 for 256, as published. It is
    `crop_size` in test, which uses whole images, and in modes that scale without cropping.
    """
    if not is_train or values["preprocess_mode"] in ("scale_width", "scale_shortside"):
        return values["crop_size"]
    return round(values["crop_size"] * usual["load_size"] / usual["crop_size"])


def scale_note(opt: DataOptions, preset: Preset) -> str | None:
    """A line of text if objects are larger in training than in test by more than with `preset`; else None."""
    defaults = {name: declared.default for name, declared in declared_options(type(opt)).items()}
    usual = usual_load_size(vars(opt), defaults | preset.values(opt.is_train), opt.is_train)
    if not opt.preprocess_mode.endswith("_and_crop") or opt.load_size <= MARGIN * usual:
        return None
    return (
        f"training sees crops of {opt.crop_size} (--crop_size) from images scaled to {opt.load_size} (--load_size), "
        f"{opt.crop_size / opt.load_size:.0%} across; test scales whole images to {opt.crop_size}, so objects are "
        f"{opt.load_size / opt.crop_size:.1f} times smaller there: --load_size {usual} trains near that scale"
    )
