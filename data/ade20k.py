"""ADE20K, as published for the scene parsing challenge."""

from pathlib import Path
from typing import ClassVar

from data.editions import Edition, IdEdition
from data.files import TREES, Files, by_name, find_image_files, split_of
from data.listing import list_folder
from data.paired import PairedDataset
from options.data_file import shipped_set
from util.errors import InputError

FOLDERS = {"train": "training", "val": "validation"}
LANDMARKS = ("annotations/training", "annotations/validation")
WANTED = "wanted is ADEChallengeData2016, which bash scripts/download_ade20k.sh gets"
EDITIONS = (
    Edition("**/*_seg.png", f"is the full ADE20K, with *_seg.png and parts beside the photos; {WANTED}"),
    Edition("annotations_instance", f"is the edition for instance segmentation; {WANTED}", unless="annotations"),
    Edition(
        "*_label",
        "has the folders of another edition; if ids are 0..150, read it with --dataset_mode custom --label_dir "
        "{root}/train_label --image_dir {root}/train_img --label_nc 151 --no_instance",
        unless="annotations",
    ),
)


class Ade20kDataset(PairedDataset):
    """<root>/images/{training,validation}/*.jpg and <root>/annotations/{training,validation}/*.png; no instance maps.

    Without these folders, files anywhere below <root> are used if their names hold the split: ADE_train_00000001.jpg,
    ADE_val_00000001.png.

    Ids are used as stored: 0 is unknown, 1..150 are the classes. The published code was meant to move 0 to the end but
    did not, so this is the channel order that the released weights were trained with. The files hold no 255; it is
    refused, because as "unknown" it would become id 150, which is a class.
    """

    preset = shipped_set("ade20k").preset
    class_rows = shipped_set("ade20k").classes
    unknown_value = None
    landmarks = LANDMARKS
    editions = EDITIONS
    published_ids = "ADE20K has the ids 0 for unknown and 1..150 for the classes"
    id_editions = (
        IdEdition(
            frozenset({255}),
            "255 is unknown in editions whose classes are 0..149, such as that of detectron2 and what MMSegmentation's "
            "reduce_zero_label makes; wanted are the annotations of ADEChallengeData2016, 0 for unknown and 1..150 for "
            "the classes, which bash scripts/download_ade20k.sh gets",
        ),
    )
    names_of_parts: ClassVar[dict[str, str]] = {"train": "(.*/)?ADE_train_", "val": "(.*/)?ADE_val_"}

    def find_files(self, opt) -> Files:
        """List the split's files; photos may be absent when testing."""
        return find_ade20k(Path(opt.dataroot), opt.phase, photos_required=opt.is_train)


def find_ade20k(root: Path, phase: str, photos_required: bool) -> Files:
    """List the published tree or, without one, files whose names hold split (`_train_`) and kind (.jpg, .png)."""
    split = split_of(phase)
    if split not in FOLDERS:
        raise InputError(f"--phase {phase}: ADE20K has the phases train, val and test (which reads val)")
    if (root / "annotations").is_dir():
        return Files(
            find_image_files(root / "annotations" / FOLDERS[split], "label maps"),
            find_image_files(root / "images" / FOLDERS[split], "photos", required=photos_required),
        )
    files = [path for path in list_folder(root, f"ADE20K ({TREES})").images if f"_{split}_" in path.name]
    labels = by_name((path.stem, path) for path in files if path.suffix.lower() == ".png")
    if not labels:
        raise InputError(f"{root}: found neither annotations/{FOLDERS[split]} nor files *_{split}_*.png; {TREES}")
    return Files(labels, by_name((path.stem, path) for path in files if path.suffix.lower() == ".jpg"))
