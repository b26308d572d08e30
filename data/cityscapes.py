"""Cityscapes, in the folder tree of its archives."""

from pathlib import Path
from typing import ClassVar

from data.editions import Edition, IdEdition
from data.files import Files, find_image_files, split_of
from data.paired import PairedDataset, without_instances
from options.data_file import shipped_set

FINE = "label maps are the files *_gtFine_labelIds.png of gtFine_trainvaltest.zip"
LABELS = "gtFine/*/*/*_gtFine_labelIds.png"
PHOTO_AND_MAP = (
    "holds images with photo and colored map side by side, an edition for pix2pix whose JPEGs hold no ids; get "
    f"leftImg8bit_trainvaltest.zip from Cityscapes, and {FINE}"
)
EDITIONS = (
    *(
        Edition(f"gtFine/*/*/*_{kind}", f"has {what} and no label ids; {FINE}", unless=LABELS)
        for kind, what in (
            ("labelTrainIds.png", "train ids (0..18, labelTrainIds)"),
            ("color.png", "label maps in colors (gtFine_color)"),
            ("polygons.json", "polygons (gtFine_polygons)"),
        )
    ),
    Edition("gtCoarse", f"has the coarse annotations (gtCoarse) alone; {FINE}", unless="gtFine"),
    *(
        Edition(
            f"{archive}/{archive.split('_')[0]}",
            "has its archives unpacked into a folder each; move leftImg8bit and gtFine out of them, into {root}",
        )
        for archive in ("gtFine_trainvaltest", "leftImg8bit_trainvaltest")
    ),
    *(Edition(f"{part}/*.jpg", PHOTO_AND_MAP, unless="gtFine") for part in ("train", "val")),
)


class CityscapesDataset(PairedDataset):
    """<root>/leftImg8bit/{split}/<city>/*_leftImg8bit.png, gtFine/{split}/<city>/*_gtFine_{labelIds,instanceIds}.png.

    For --order_segments also disparity/{split}/<city>/*_disparity.png.

    Names are "<city>/<city>_<sequence>_<frame>". Label files hold the raw ids 0..33. The released
    weights have 35 channels: the last one stays empty, and there is none for unknown pixels.
    """

    preset = shipped_set("cityscapes").preset
    class_rows = shipped_set("cityscapes").classes
    landmarks = ("gtFine/*", "leftImg8bit/*")
    editions = EDITIONS
    published_ids = "Cityscapes has the ids 0..33"
    id_editions = (IdEdition(frozenset({255}), f"255 is unknown among train ids, 0..18 (labelTrainIds); {FINE}"),)
    names_of_parts: ClassVar[dict[str, str]] = {"val": "(frankfurt|lindau|munster)/"}

    def find_files(self, opt) -> Files:
        """List the split's folders; photos may be absent when testing."""
        root, split = Path(opt.dataroot), split_of(opt.phase)
        truth, photos = root / "gtFine" / split, root / "leftImg8bit" / split
        instances = {}
        if opt.instance:
            what = f"instance maps ({without_instances(opt)})"
            instances = find_image_files(truth, what, suffix="_gtFine_instanceIds")
        return Files(
            find_image_files(truth, "label maps", suffix="_gtFine_labelIds"),
            find_image_files(photos, "photos", suffix="_leftImg8bit", required=opt.is_train),
            instances,
        )

    def find_disparity(self, opt) -> dict[str, Path]:
        """List the split's folder of disparity_trainvaltest.zip, unless another one is given."""
        folder = opt.disparity_dir or Path(opt.dataroot) / "disparity" / split_of(opt.phase)
        return find_image_files(Path(folder), "disparity maps", suffix="_disparity")
