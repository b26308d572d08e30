"""A run's own copy of the description of its data, from which test and evaluation know classes and folders."""

import dataclasses

from data import SampleDataset
from options import TrainOptions
from options.data_file import FILE_NAME, described, folders
from options.data_file_text import data_file_text
from options.description import UNKNOWN_IN_FILES, ClassRow, DataFile, Part
from options.field import declared_options
from options.other_data import OF_ANOTHER
from util.files import replacing
from util.warn import warn_once


def keep_data_file(opt: TrainOptions, dataset: SampleDataset) -> TrainOptions:
    """Write the data file of a custom data set into the run's folder; return the options with it in place of folders.

    Without a data file the classes are those of `dataset`, and its folders, if it has files, are the part [train].
    """
    if opt.dataset_mode != "custom":
        return opt
    path = opt.run_dir / FILE_NAME
    description = described(opt) or _description(opt, dataset)
    parts = dict(description.parts)
    if not dataset.paths:  # in memory: what it was trained on is in no folder
        parts = {name: part for name, part in parts.items() if name != "train" and part.fraction is None}
    if opt.label_dir and dataset.paths:  # typed folders are another training set
        given = folders(opt)
        parts["train"] = Part(given["labels"], given.get("photos"), given.get("instances"), opt.file_list)
    absolute = {name: part.resolved() for name, part in parts.items()}
    try:
        text = data_file_text(dataclasses.replace(description, parts=absolute))
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except UnicodeEncodeError:
        warn_once(f"{path}: not written, as a folder of the data has a name that is no UTF-8; test.py needs it typed")
        return opt
    own = {"data": str(path)}
    if opt.label_dir and dataset.paths:  # in one place: what is edited in the copy counts when the run is resumed
        own |= {name: declared_options(TrainOptions)[name].default for name in OF_ANOTHER}
    return dataclasses.replace(opt, **own)


def _description(opt: TrainOptions, dataset: SampleDataset) -> DataFile:
    colors = dataset.class_colors[: opt.label_nc].tolist()
    named = enumerate(zip(dataset.class_names, colors))
    return DataFile(
        path=opt.run_dir / FILE_NAME,
        name="custom",
        classes=tuple(ClassRow(number, name, (color[0], color[1], color[2])) for number, (name, color) in named),
        unknown=UNKNOWN_IN_FILES if opt.contain_dontcare_label else None,
        suffixes={"labels": opt.label_suffix, "photos": opt.image_suffix, "instances": opt.instance_suffix},
    )
