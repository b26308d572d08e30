"""A user's own folders, or shards of them."""

from dataclasses import replace
from pathlib import Path

from data.conditions import ARRAYS
from data.files import Files, find_beside, find_image_files, one_form, without_ending
from data.paired import PairedDataset
from data.pairs import SamplePaths, select_listed
from data.palette import Entry, Palette
from data.read import LabelIds
from data.shards.index import open_index
from options.data_file import described, folders, shipped_set
from options.description import UNKNOWN_IN_FILES, DataFile
from options.shards import shards_of
from util.errors import InputError

IN_PYTHON = "a data set in Python"
"""In place of a folder in the options of a run that was trained on `data.arrays.ArrayDataset`."""
KIND_OF_FLAG = {"label": "labels", "image": "photos", "instance": "instances"}


class CustomDataset(PairedDataset):
    """Folders of --data, or of --label_dir, --image_dir (optional in testing), --instance_dir (unless --no_instance).

    Folders may be nested or the same: files are told apart by --label_suffix, --image_suffix and --instance_suffix, or
    else by their extensions (1.png beside 1.jpg).
    """

    preset = shipped_set("custom").preset

    @classmethod
    def label_ids(cls, opt) -> LabelIds:
        """The ids of the data file, or else 0..label_nc-1, and 255 for unknown."""
        ids = super().label_ids(opt)
        description = described(opt)
        if description is None or not opt.label_nc:
            return ids
        unknown = UNKNOWN_IN_FILES if description.unknown is None else description.unknown
        fixed = f"these are the classes of {description.path}"
        if opt.is_train:
            fixed += ": write the others into it, or the value of pixels without class as `unknown`"
        palette = _palette(description, unknown) if description.colors_are_labels else None
        named = {row.id for row in description.classes} or {*range(ids.label_nc)}
        last = max(named)  # a typed --label_nc may be larger
        gaps = tuple(number for number in range(last) if number not in named and number != description.unknown)
        return LabelIds(ids.label_nc, ids.contain_dontcare_label, unknown, fixed, palette=palette, gaps=gaps)

    def find_files(self, opt) -> Files:
        """List the folders that were given; the options have checked that the required ones are. Or list the shards."""
        if pattern := shards_of(opt):
            return self.find_in_shards(pattern, opt)
        given = folders(opt)
        if given["labels"] == IN_PYTHON:
            raise InputError(
                f"--label_dir: {opt.run_dir} was trained on {IN_PYTHON}; go on there by spade.train with "
                f"continue_train=True, or add --label_dir FOLDER --image_dir FOLDER"
            )
        if not opt.instance:
            given.pop("instances", None)
        found = {kind: Path(given[of]) for kind, of in KIND_OF_FLAG.items() if of in given}
        description = described(opt)
        described_suffixes = description.suffixes if description and not opt.label_dir else {}
        suffixes = {
            kind: without_ending(one_form(getattr(opt, f"{kind}_suffix") or described_suffixes.get(of, "")))
            for kind, of in KIND_OF_FLAG.items()
            if kind in found
        }
        places = {kind: folder.resolve() for kind, folder in found.items()}
        is_colored = self.label_ids(opt).palette is not None

        def beside(kind: str) -> set[str]:
            return {suffixes[other] for other in found if places[other] == places[kind]}

        def find(kind: str, what: str) -> dict[str, Path]:
            if kind not in found:
                return {}
            return find_image_files(
                found[kind],
                what,
                suffixes[kind],
                holds_ids=kind == "instance" or (kind == "label" and not is_colored and not opt.input_nc),
                other_suffixes=beside(kind),
                without=[path for path in places.values() if places[kind] in path.parents],
                more_endings=(ARRAYS,) if opt.input_nc and kind == "label" else (),
            )

        instances = find("instance", "instance maps")
        is_one_folder = places["label"] == places.get("image")
        if is_one_folder and suffixes["label"] == suffixes["image"]:
            both = find_beside(found["label"], suffixes["label"], beside("label"))
            return Files(both.labels, both.images, instances)
        return Files(
            find("label", "conditioning images" if opt.input_nc else "label maps"), find("image", "photos"), instances
        )

    def find_in_shards(self, pattern: str, opt) -> Files:
        """List the files in shards. Raises `InputError` if shards are missing, unless bad samples may be skipped."""
        index = open_index(pattern, opt.cache_dir)
        if not getattr(opt, "skip_bad_samples", 0) and (problems := index.problems()):
            others = f"; so are {len(problems) - 1} others" * (len(problems) > 1)
            raise InputError(f"{problems[0]}{others}")
        files = index.files()
        return files if opt.instance else replace(files, instances={})

    def choose(self, samples: list[SamplePaths], opt) -> list[SamplePaths]:
        """Those that the data file chooses for `opt.phase`."""
        description = described(opt)
        if description is None or (opt.label_dir and not opt.is_train):
            return samples
        name = description.part(opt.phase)[0] if not opt.label_dir else "train"  # typed, without what validates
        if (listed := description.folders_of(name).file_list) and not opt.label_dir:
            samples = select_listed(samples, listed)
        samples = [sample for sample in samples if description.has(name, sample.name)]
        if not samples:
            raise InputError(
                f"{description.path}: [{name}] has no sample, as its fraction of so few is none; "
                f"change its fraction or split_seed, or give it folders of its own"
            )
        return samples


def _palette(description: DataFile, unknown: int) -> Palette:
    """The class colors and their ids, and the colors of unknown pixels."""
    entries = [Entry(row.id, row.color, row.name) for row in description.classes if row.color is not None]
    entries += [Entry(unknown, color, "unknown") for color in description.unknown_colors]
    return Palette(entries, description.path)
