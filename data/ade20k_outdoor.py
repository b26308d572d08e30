"""The outdoor scenes of ADE20K, recognized by their label maps alone."""

import functools
import shlex
from pathlib import Path

import numpy as np

from data.ade20k import FOLDERS, Ade20kDataset
from data.files import Files, split_of
from data.id_maps import read_ids
from data.pairs import SamplePaths, select_listed
from data.read import LabelIds
from options.data_file import shipped_set
from util.errors import InputError

# Classes that are outdoors and cover a large part of outdoor photos. Neither list has the classes that occur on both
# sides of a door: wall, windowpane, door, stairs, column, plant, person, signboard, table, chair, ...
OUTDOOR = (
    "sky", "tree", "palm", "grass", "field", "earth", "land", "sand", "rock", "mountain", "hill",
    "sea", "river", "lake", "waterfall", "bridge", "pier", "boat", "ship",
    "building", "house", "skyscraper", "tower", "hovel",
    "road", "sidewalk", "path", "dirt track", "runway", "streetlight", "car", "bus", "truck", "van", "airplane",
)  # fmt: skip
# Classes that are found in rooms and not in streets. Floor is one of them: ADE20K labels the ground outdoors as road,
# sidewalk, path or earth, and losing a few terraces is better than keeping every room with a large window.
INDOOR = (
    "floor", "ceiling", "rug", "curtain", "blind", "chandelier", "sconce", "mirror", "fireplace", "radiator",
    "bed", "pillow", "blanket", "cushion", "cradle", "wardrobe", "chest of drawers", "cabinet", "shelf", "bookcase",
    "sofa", "armchair", "ottoman", "coffee table", "desk", "swivel chair", "buffet", "counter", "countertop", "bar",
    "kitchen island", "stove", "oven", "microwave", "refrigerator", "dishwasher", "hood", "sink", "washer",
    "bathtub", "shower", "toilet", "towel", "screen door",
    "computer", "monitor", "crt screen", "television", "pool table", "arcade machine",
)  # fmt: skip
OUTDOOR_AT_LEAST = 0.5  # of the pixels: the view through a window covers less than half of a photo of a room
INDOOR_AT_MOST = 0.02  # of the pixels: tolerates a shop window, or a room seen through a door


# Stands in the head of every list, by which a list is recognized: part of the file format.
RULE = (
    f"outdoor classes cover at least {OUTDOOR_AT_LEAST:.0%} of the picture and indoor ones at most {INDOOR_AT_MOST:.0%}"
)
FILE_IDS = LabelIds(
    label_nc=Ade20kDataset.preset.both["label_nc"],
    contain_dontcare_label=True,
    unknown_value=Ade20kDataset.unknown_value,
    fixed=Ade20kDataset.published_ids,
    editions=Ade20kDataset.id_editions,
)


@functools.cache
def _ids(names: tuple[str, ...]) -> np.ndarray:
    ids = {row.name: row.id for row in shipped_set("ade20k").classes}
    return np.array([ids[name] for name in names])


def is_outdoor(labels: np.ndarray) -> bool:
    """Whether the scene of a label map (H, W), ids as in the files, is outdoors.

    `OUTDOOR` classes cover at least `OUTDOOR_AT_LEAST` of the pixels and `INDOOR` ones at most `INDOOR_AT_MOST`. The
    paper trained and tested on such a subset too, but its list was never published; this rule is ours.
    """
    outdoor, indoor = (np.isin(labels, _ids(names)).mean() for names in (OUTDOOR, INDOOR))
    return bool(outdoor >= OUTDOOR_AT_LEAST and indoor <= INDOOR_AT_MOST)


def shows_outdoors(path: Path) -> bool:
    """Whether the scene of a label map file is outdoors.

    Raises:
        InputError: the file cannot be read, or holds ids of another edition, whose classes differ.
    """
    return is_outdoor(FILE_IDS.check(read_ids(path), path))


def list_path(root: Path, phase: str) -> Path:
    """Path of the list of outdoor scenes of a phase."""
    return root / f"outdoor_{FOLDERS[split_of(phase)]}.txt"


class Ade20kOutdoorDataset(Ade20kDataset):
    """The files of `ade20k` that <root>/outdoor_{training,validation}.txt names, or --file_list if that is given.

    `python -m scripts.prepare outdoor <root>` writes both lists by the rule of `is_outdoor`.
    """

    preset = shipped_set("ade20k_outdoor").preset

    def find_files(self, opt) -> Files:
        """List the files of the outdoor scenes only; with --file_list list all files, and that list selects."""
        files = super().find_files(opt)
        if opt.file_list:
            return files
        root = Path(opt.dataroot)
        outdoor = list_path(root, opt.phase)
        if not outdoor.is_file():
            raise InputError(
                f"{outdoor}: no such file, the list of outdoor scenes; write it with: python -m "
                f"scripts.prepare outdoor {shlex.quote(str(root))} (or give your own with --file_list FILE)"
            )
        samples = [SamplePaths(name, labels, None, None) for name, labels in files.labels.items()]
        kept = [sample.name for sample in select_listed(samples, outdoor)]
        return Files(
            {name: files.labels[name] for name in kept},
            {name: files.images[name] for name in kept if name in files.images},
        )
