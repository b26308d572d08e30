"""A typed data set beside a saved run, or beside the options of another run."""

from collections.abc import Mapping
from typing import Any

from options.data_file import read_data_file
from options.description import DataFile
from options.field import OptionError

CUSTOM_ONLY = {f"{kind}_{what}" for kind in ("label", "image", "instance") for what in ("dir", "suffix")}
"""Options that name the files of the custom data set."""
OF_ANOTHER = CUSTOM_ONLY | {"file_list"}
IMPLIED = {"label_nc", "input_nc", "contain_dontcare_label", "instance"}
"""Options that follow from a data file."""

Values = dict[str, Any]


def without_other_data(layer: Mapping[str, Any], typed: Mapping[str, Any], is_trained: bool) -> Values:
    """A weaker source of options without what it says of another data set than the typed `--data`.

    Args:
        is_trained: whether `layer` has the architecture of trained weights, which the classes are part of.
    """
    if not typed.get("data"):
        return dict(layer)
    dropped = OF_ANOTHER if is_trained else OF_ANOTHER | IMPLIED
    return {name: value for name, value in layer.items() if name not in dropped}


def check_other_data(own: str | None, typed: str | None, is_train: bool) -> list[str]:
    """Warnings about a typed data file in place of the one that a run was trained with.

    Args:
        own, typed: paths of the run's copy, and of the other one; None without any.
    Raises:
        OptionError: its classes are others, so trained networks would take one for another.
    """
    if not own or not typed:
        return []
    trained, other = read_data_file(own), read_data_file(typed)
    _refuse_other_classes(trained, other)
    if is_train and _split(trained) != _split(other):
        return [
            f"--data {typed}: divides its samples otherwise than {own}, so what validates from now on may have been "
            f"trained on"
        ]
    return []


def _refuse_other_classes(trained: DataFile, other: DataFile) -> None:
    names, others = ({row.id: row.name for row in each.classes} for each in (trained, other))
    if names and names != others:
        differing = min({*names.items()} ^ {*others.items()})[0]
        was, is_now = (each.get(differing, "no class") for each in (names, others))
        raise OptionError(
            f"--data {other.path}: id {differing} is {is_now}, and the saved run was trained with {was} "
            f"({trained.path}); use label maps of the same classes, or rename them there if only names differ"
        )
    if trained.unknown != other.unknown and not trained.colors_are_labels:
        told = ("nothing" if each.unknown is None else str(each.unknown) for each in (other, trained))
        raise OptionError(
            "--data {}: {} means unknown, and in the saved run {} ({}); use label maps of the same kind".format(
                other.path, *told, trained.path
            )
        )


def _split(description: DataFile) -> Any:
    return description.split_seed, [part.fraction for part in description.parts.values()]
