"""Advice on label maps whose values are not class ids: stretched ids, instance maps, or missing options."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from data.masks import gray_levels

if TYPE_CHECKING:
    from data.read import LabelIds

LEAST_STEP = 10  # between ids that were multiplied for viewing; class ids lie closer together
UPPER_OF_TWO = {127, 128, 254, 255}  # the larger value of a stretched map of two values
INSTANCE_IDS = 1000  # values from here on are hardly ever classes
BLACK_AND_WHITE = {0, 255}


def mask_levels(values: Collection[int]) -> list[int] | None:
    """The gray levels 0..255 that scripts.prepare convert_labels reads for these values; None if it refuses them."""
    levels = gray_levels(np.array([*values])) if values else None
    return None if levels is None else levels.tolist()


def stretch(values: Collection[int]) -> int | None:
    """The step between values that look like ids multiplied for viewing: 255 for two values, 85 for four; else None.

    Uneven steps (0, 128, 255) and 16-bit grays count, too. At least half of the multiples must occur.
    """
    levels = sorted(mask_levels(values) or values)
    if len(levels) < 2 or levels[0] < 0:
        return None
    step = min(after - before for before, after in pairwise(levels))
    places = [round(value / step) for value in levels]
    is_even = all(abs(value - place * step) <= place for value, place in zip(levels, places))
    scale = max(values) // levels[-1]  # 257 for grays of 16 bits
    is_wide = step * scale >= LEAST_STEP if len(levels) > 2 else levels[-1] in UPPER_OF_TWO
    return step * scale if is_wide and is_even and places[-1] < 2 * len(levels) else None


def remedy(values: list[int], wrong: list[int], ids: LabelIds) -> str:
    """Return advice on a refused label map, in parentheses, or "".

    Args:
        values: all values of the map, in increasing order.
        wrong: the values that are not allowed, in increasing order.
    """
    for edition in ids.editions:
        if edition.ids.issuperset(wrong):
            return f" ({edition.message})"
    if wrong[0] < 0:
        unknown = "" if ids.unknown_value is None else f", and write {ids.unknown_value} for unknown"
        return f" (negative ids cannot be used: number the classes from 0{unknown})"
    levels = mask_levels(values)
    options = _options(wrong, ids) if levels in (None, values) else ""  # not for 16-bit grays

    def otherwise(meaning: str) -> str:
        return f"; if {meaning}, add {options}" if options else ""

    if levels and {*levels} == BLACK_AND_WHITE:
        return (
            " (a black-and-white mask? scripts.prepare convert_labels makes ids of it, with palette lines "
            f"`0 0 0 0 background` and `1 255 255 255 object`{otherwise('255 means unknown')})"
        )
    if wrong != [ids.unknown_value] and stretch(values):
        if not levels:
            return " (ids stretched to 16 bits? save 0, 1, 2, ... themselves)"
        return (
            " (ids stretched to be seen? scripts.prepare check --propose_palette FILE writes the palette by which "
            f"scripts.prepare convert_labels makes ids 0, 1, 2, ... of them{otherwise('they are ids')})"
        )
    if wrong[-1] >= INSTANCE_IDS:
        return f" (an instance or panoptic map? label maps hold class ids{otherwise('these are classes')})"
    if ids.fixed:
        return f" ({ids.fixed})"
    return f" (add {options}?)" if options else ""


def _options(wrong: list[int], ids: LabelIds) -> str:
    """The options that allow these values; "" if there are none."""
    if ids.fixed:
        return ""
    options = []
    is_unknown_wrong = ids.unknown_value in wrong and not ids.contain_dontcare_label
    classes = [value for value in wrong if value not in (ids.unknown_value, 255)]
    if classes and classes[-1] >= ids.count:
        options.append(f"--label_nc {classes[-1] + 1 - (ids.count - ids.label_nc)}")
    return " ".join(options + ["--contain_dontcare_label"] * is_unknown_wrong)
