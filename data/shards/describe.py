"""The data file beside shards, from which training knows classes and options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.sample import SampleDataset
from options.data_file import described
from options.description import UNKNOWN_IN_FILES, ClassRow, DataFile, Part
from options.field import Preset

LARGER_UNKNOWN = 65535
"""Value of unknown pixels where ids reach 255."""
KEPT = ("instance", "preprocess_mode", "load_size", "crop_size", "aspect_ratio", "apply_exif")
"""Options of the packing that training takes over, unless others are typed."""


def unknown_in_shards(dataset: SampleDataset) -> int | None:
    """The value of unknown pixels in the label maps of shards; None if all pixels have a class."""
    if not dataset.ids.contain_dontcare_label or dataset.ids.unknown_value is None:
        return None
    return UNKNOWN_IN_FILES if dataset.ids.label_nc <= UNKNOWN_IN_FILES else LARGER_UNKNOWN


def describe_shards(
    path: Path, dataset: SampleDataset, opt: Any, load_size_in_test: int, patterns: Mapping[str, str]
) -> DataFile:
    """The content of the data file.

    Args:
        dataset: one of the data sets that were packed.
        opt: the options that opened it.
        load_size_in_test: --load_size of test.py for this data set.
        patterns: part -> pattern of its shards, relative to the file.
    """
    description = described(opt)
    unknown = unknown_in_shards(dataset)
    # Where unknown is an ordinary id of the files, it is a class here: networks get the same channels.
    count = dataset.ids.label_nc + (unknown is None and dataset.ids.contain_dontcare_label)
    rows = zip(dataset.class_names[:count], dataset.class_colors.tolist())
    usual = description.preset if description else dataset.preset
    kept = {name: getattr(opt, name) for name in KEPT}
    return DataFile(
        path=path,
        name=description.name if description else opt.dataset_mode,
        classes=tuple(
            ClassRow(number, name, (red, green, blue))
            for number, (name, (red, green, blue)) in enumerate(rows)
            if number not in dataset.ids.gaps
        ),
        unknown=unknown,
        parts={part: Part(shards=pattern) for part, pattern in patterns.items()},
        preset=Preset(
            both={**usual.both, **kept, "label_nc": count, "contain_dontcare_label": unknown is not None},
            test={**usual.test, "load_size": load_size_in_test},
        ),
    )
