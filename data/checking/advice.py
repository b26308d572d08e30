"""Advice after a survey: options, palettes, and warnings about label maps that look wrong."""

import math
import shlex
from typing import NamedTuple

from data.checking.survey import Survey
from data.id_advice import BLACK_AND_WHITE, INSTANCE_IDS, LEAST_STEP, mask_levels, stretch
from data.orientation import describe_turned
from data.pairs import listing
from data.palette import Color, shown
from data.photos import describe

UNKNOWN = 255


class DataWarning(NamedTuple):
    """Something that does not stop training but is probably a mistake."""

    kind: str  # a stable identifier, for programs
    message: str
    files: list[str]  # names of samples; empty if it is about all


def propose(result: Survey, opt) -> dict[str, int | bool]:
    """Propose `label_nc`, `contain_dontcare_label` and `instance` that fit the files, close to those of `opt`.

    For a data set without published classes (facades, custom), `label_nc` is the smallest that covers every id seen. If
    no options fit, for example because the ids are those of another edition or of instances, those of `opt` stay.
    """
    instance = opt.instance and (result.counts["instances"] > 0)
    ids = result.ids
    proposal = {"label_nc": ids.label_nc, "contain_dontcare_label": ids.contain_dontcare_label, "instance": instance}
    if not result.pixels or min(result.pixels) < 0 or stretch(result.pixels) or ids.fixed:
        return proposal
    if max(result.pixels) >= max(INSTANCE_IDS, ids.count):  # not classes, see `find_warnings`
        return proposal
    is_unknown_seen = ids.unknown_value in result.pixels and max(result.pixels) == ids.unknown_value
    classes = [value for value in result.pixels if not (is_unknown_seen and value == ids.unknown_value)]
    ordinary_unknown = ids.count - ids.label_nc  # 1 if unknown is an ordinary id
    least = max(1, max(classes, default=0) + 1 - ordinary_unknown)
    has_own_table = any(not name.startswith("class ") for name in result.class_names[: ids.label_nc])
    proposal["label_nc"] = max(least, ids.label_nc) if has_own_table else least
    proposal["contain_dontcare_label"] = ids.contain_dontcare_label or is_unknown_seen
    return proposal


def flags(proposal: dict[str, int | bool]) -> str:
    """Format a proposal as command-line flags."""
    words = [f"--label_nc {proposal['label_nc']}"]
    words += ["--contain_dontcare_label"] * bool(proposal["contain_dontcare_label"])
    words += ["--no_instance"] * (not proposal["instance"])
    return " ".join(words)


def conversion(result: Survey, opt) -> str | None:
    """The command that converts these label maps, if they are color-coded masks or stretched grays; else None."""
    if not (result.colors or result.palettes_differ or (stretch(result.pixels) and mask_levels(result.pixels))):
        return None
    source = shlex.quote(opt.label_dir or result.folders["labels"])
    return f"python -m scripts.prepare convert_labels {source} NEW_FOLDER --palette FILE"


def find_warnings(result: Survey) -> list[DataWarning]:
    """Find label maps that can be read but are probably wrong, and instance maps without edges."""
    found = []
    if result.turned:
        message = describe_turned(result.turned, dict.fromkeys(result.turned, result.counts["samples"]))
        names = sorted({name for names in result.turned.values() for name in names})
        found.append(DataWarning("exif_orientation", message, names))
    if step := stretch(result.pixels):
        levels = mask_levels(result.pixels) or []
        is_binary = {*levels} == BLACK_AND_WHITE
        what = (
            f"0 and {step}: black-and-white masks" if is_binary else f"multiples of {step}: ids stretched for the eye"
        )
        convert = "scripts.prepare convert_labels makes ids 0, 1, ... of them"
        fix = convert if levels else "save ids 0, 1, ... themselves"
        found.append(DataWarning("stretched", f"all label values are {what}; {fix}", []))
    elif result.pixels and max(result.pixels) >= INSTANCE_IDS:
        message = (
            f"label maps hold numbers up to {max(result.pixels)}: instance or panoptic maps? label maps hold class ids"
        )
        found.append(DataWarning("instance_ids", message, []))
    if result.palettes_differ:
        names = result.palettes_differ
        message = (
            f"{len(names)} palette label maps give an index another color than the others do ({listing(names)}); "
            f"the index counts, not the color, so the same id means different things: scripts.prepare convert_labels "
            f"goes by color"
        )
        found.append(DataWarning("palettes_differ", message, names))
    if result.blended:
        message = (
            f"{len(result.blended)} label maps look smoothed ({listing(result.blended)}): at edges they hold ids "
            f"between those of the regions, from anti-aliasing, JPEG or resizing other than nearest; save them without"
        )
        found.append(DataWarning("blended", message, result.blended))
    if result.smooth_colors:
        message = (
            f"{len(result.smooth_colors)} masks hold very many colors ({listing(result.smooth_colors)}): photos, or "
            f"masks with smooth edges, which no palette can undo; save the masks without anti-aliasing and not as JPEG"
        )
        found.append(DataWarning("smooth_colors", message, result.smooth_colors))
    if result.instance_maps and not result.instance_maps[False]:
        message = "every instance map is one value only, so there are no edges to show; --no_instance saves the channel"
        found.append(DataWarning("constant_instances", message, []))
    for kind, names in result.photo_traits.items():
        found.append(DataWarning(kind, describe(kind, names, sum(result.photo_modes.values())), names))
    if result.ids.contain_dontcare_label and result.pixels and result.ids.unknown_value not in (None, *result.pixels):
        message = (
            f"no label map holds {result.ids.unknown_value}: --contain_dontcare_label adds a channel that stays empty"
        )
        found.append(DataWarning("unknown_unseen", message, []))
    return found


def palette_lines(result: Survey) -> list[str]:
    """Lines of a palette file for the colors seen, in sorted order, for the user to name.

    Grays that are ids, and palette indices on which all files agree, stay the ids; other colors are numbered.
    """
    colors: list[Color] = sorted(result.colors)
    if colors or result.palettes_differ or stretch(result.pixels):  # next to color masks, some may be all black
        colors = sorted({*colors, *result.shown})
    elif result.palette:
        indexed = {color: index for index, (color, _) in sorted(result.palette.items())}
        if len(indexed) == len(result.palette):
            return [_palette_line(index, color) for color, index in indexed.items()]
        colors = sorted(indexed)
    grays = [color[0] for color in colors if len(set(color)) == 1]
    are_ids = len(grays) == len(colors) and math.gcd(*grays) < LEAST_STEP and not stretch(grays)
    numbers = [color[0] for color in colors] if are_ids else range(len(colors))
    return [_palette_line(number, color) for number, color in zip(numbers, colors)]


def _palette_line(number: int, color: Color) -> str:
    return f"{number} {shown(color)} class {number}"
