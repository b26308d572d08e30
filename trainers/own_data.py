"""A run's own copy of the description of its data, from which test and evaluation know classes and folders."""

import dataclasses
from pathlib import Path

from options import TrainOptions
from options.data_file import FILE_NAME, UNKNOWN_IN_FILES, ClassRow, DataFile, Part, data_file_text, described, folders
from util.files import replacing
from util.warn import warn_once


def keep_data_file(opt: TrainOptions) -> TrainOptions:
    """Write the data file of a custom data set into the run's folder; return the options with it as --data.

    Folders given by flags are described, too: then their part is [train], and classes have numbers for names.
    """
    if opt.dataset_mode != "custom":
        return opt
    path = opt.run_dir / FILE_NAME
    try:
        text = data_file_text(_with_absolute_folders(opt) if described(opt) else _of_flags(opt))
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except UnicodeEncodeError:
        warn_once(f"{path}: not written, as a folder of the data has a name that is no UTF-8; test.py needs it typed")
        return opt
    return dataclasses.replace(opt, data=str(path))


def _with_absolute_folders(opt: TrainOptions) -> DataFile:
    description = described(opt)
    assert description is not None
    parts = {name: _absolute(part) for name, part in description.parts.items()}
    if opt.label_dir:  # typed folders of another training set
        parts["train"] = _absolute(_typed_part(opt))
    return dataclasses.replace(description, parts=parts)


def _of_flags(opt: TrainOptions) -> DataFile:
    suffixes = {"labels": opt.label_suffix, "photos": opt.image_suffix, "instances": opt.instance_suffix}
    return DataFile(
        path=opt.run_dir / FILE_NAME,
        name="custom",
        classes=tuple(ClassRow(number, f"class {number}") for number in range(opt.label_nc)),
        unknown=UNKNOWN_IN_FILES if opt.contain_dontcare_label else None,
        suffixes=suffixes,
        parts={"train": _absolute(_typed_part(opt))},
    )


def _typed_part(opt: TrainOptions) -> Part:
    given = folders(opt)
    return Part(given["labels"], given.get("photos"), given.get("instances"), opt.file_list)


def _absolute(part: Part) -> Part:
    names = ("labels", "photos", "instances", "file_list")
    given = {name: path for name in names if (path := getattr(part, name))}
    return dataclasses.replace(part, **{name: str(Path(path).resolve()) for name, path in given.items()})
