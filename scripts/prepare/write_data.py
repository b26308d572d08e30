"""`python -m scripts.prepare check LABELS PHOTOS --write data.toml`: a data file from folders alone."""

import dataclasses
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from data import PRESETS
from data.checking.describe import choose_seed, find_palette, find_parts, propose_file
from data.checking.survey import Progress, Survey, survey
from data.custom import CustomDataset
from data.listing import files, list_folder, listing
from data.palette import Palette, read_palette, shown
from data.read import LabelIds
from models import METHODS
from options import TrainOptions, parse_options
from options.data_file_text import data_file_text
from options.description import LARGEST_ID, DataFile, Part
from util.errors import InputError
from util.files import replacing
from util.warn import warn_once

COMMENTS = {
    "name": "on pages and in messages",
    "unknown": "value of pixels without a class",
    "classes": "give each its name",
    "colors_are_labels": "label maps show these colors; those without a class go to unknown_colors",
}

COLORS_SHOWN = 60
RARE, MANY_RARE = 0.005, 4  # of pixels; of colors


def describe_folders(
    folders: Sequence[Path], output: Path, palette_file: Path | None, workers: int, progress: Progress
) -> tuple[DataFile, dict[str, Survey]]:
    """Survey folders of label maps, photos and, perhaps, instance maps; return their description, not written yet.

    Args:
        palette_file: names and colors of the classes; None to look for such a file beside the folders.
    Returns:
        (description, survey of each part that has folders, with the ids of the description).
    Raises:
        InputError: the folders cannot be described.
    """
    labels, photos, *more = folders
    parts = find_parts(labels, photos, more[0] if more else None)
    surveys = {
        name: survey(CustomDataset, _loose_options(part), workers, progress)
        for name, part in parts.items()
        if part.labels
    }
    warn_of_left_out(labels, parts)
    palette: Palette | None = read_palette(palette_file) if palette_file else find_palette(folders)
    first = next(iter(surveys.values()))
    if not any(each.pixels or each.colors for each in surveys.values()):
        seen = first.problems[0].message if first.problems else f"{labels}: holds no label maps"
        raise InputError(f"{seen} (label maps are named first, then photos: are the two folders swapped?)")
    description = propose_file(output, _name_of(labels, photos), parts, surveys.values(), palette)
    if any(part.fraction for part in parts.values()):
        names = CustomDataset(_loose_options(parts["train"])).paths
        description = dataclasses.replace(
            description, split_seed=choose_seed(description, [sample.name for sample in names])
        )
    if palette:
        print(f"names and colors of the classes: {palette.source}")
    return description, {name: _with_ids(each, description) for name, each in surveys.items()}


def warn_of_left_out(labels: Path, parts: Mapping[str, Part]) -> None:
    """Say how many label maps lie beside the subfolders that are the parts."""
    used = [Path(part.labels) for part in parts.values() if part.labels]
    if labels in used or any(labels not in path.parents for path in used):
        return
    left_out = list_folder(labels, "label maps", without=used).images
    if left_out:
        names = listing(path.relative_to(labels).as_posix() for path in sorted(left_out))
        warn_once(f"{labels}: {files(len(left_out))} in none of its parts ({names}); move or describe them")


def print_colors(result: Survey, description: DataFile) -> None:
    """Print a line for each color of color-coded label maps, the most frequent first."""
    if not result.colors:
        return
    names = {row.color: row.name for row in description.classes} | dict.fromkeys(description.unknown_colors, "unknown")
    total = sum(result.colors.values())
    print(f"\n{'color':>13} {'pixels':>14} {'fraction':>8}  class")
    for color, pixels in result.colors.most_common(COLORS_SHOWN):
        print(f"{shown(color):>13} {pixels:>14,} {pixels / total:>8.2%}  {names.get(color, 'none of them')}")
    if len(result.colors) > COLORS_SHOWN:
        print(f"... and {len(result.colors) - COLORS_SHOWN} more colors")
    if (rare := sum(pixels < RARE * total for pixels in result.colors.values())) >= MANY_RARE:
        print(
            f"\nwarning: {rare} colors cover less than {RARE:.1%} of the pixels each: of smooth edges? "
            f"save the masks without anti-aliasing"
        )


def write_description(description: DataFile) -> None:
    """Write a data file, with paths relative to it where they lie below its folder."""
    place = description.path.resolve().parent
    parts = {
        name: dataclasses.replace(part, **{kind: _near(path, place) for kind, path in _paths(part).items()})
        for name, part in description.parts.items()
    }
    comments = COMMENTS | {
        f"[{name}]": f"about {part.fraction:.0%} of the samples above, chosen by their names"
        for name, part in parts.items()
        if part.fraction
    }
    try:
        with replacing(description.path) as temporary:
            temporary.write_text(
                data_file_text(dataclasses.replace(description, parts=parts), comments), encoding="utf-8"
            )
    except (OSError, UnicodeEncodeError) as error:
        raise InputError(f"--write {description.path}: cannot be written ({error}); name another file") from error
    classes = f"{len(description.classes)} classes"
    unknown = "" if description.unknown is None else f", {description.unknown} for unknown"
    print(f"{description.path}: {classes}{unknown}; parts {', '.join(parts)}. Look at it, and then:")
    print(f"  python train.py --name mine --data {shlex.quote(str(description.path))}")


def _loose_options(part: Part) -> TrainOptions:
    """Options under which every id is read, so that the survey counts all of them."""
    flags = {"--label_dir": part.labels, "--image_dir": part.photos, "--instance_dir": part.instances}
    words = [word for flag, folder in flags.items() if folder for word in (flag, folder)]
    words += ["--dataset_mode", "custom", "--label_nc", str(LARGEST_ID + 1)]
    return parse_options(TrainOptions, words, PRESETS, METHODS)


def _with_ids(found: Survey, description: DataFile) -> Survey:
    """A survey with the ids and names of the description, without the problems that it solves."""
    label_nc = 1 + max(row.id for row in description.classes)
    names, _ = CustomDataset.classes(label_nc, description.unknown is not None, description)
    solved = {"color"} if description.colors_are_labels else set()
    return dataclasses.replace(
        found,
        ids=LabelIds(label_nc, description.unknown is not None, description.unknown, "described"),
        class_names=names,
        problems=[problem for problem in found.problems if problem.kind not in solved],
    )


def _name_of(labels: Path, photos: Path) -> str:
    common = Path(os.path.commonpath([labels.absolute(), photos.absolute()]))
    return common.name or "mine"


def _paths(part: Part) -> dict[str, str]:
    return {kind: path for kind in ("labels", "photos", "instances") if (path := getattr(part, kind))}


def _near(path: str, place: Path) -> str:
    resolved = Path(path).resolve()
    return resolved.relative_to(place).as_posix() if resolved.is_relative_to(place) else str(resolved)
