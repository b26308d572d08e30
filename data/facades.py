"""CMP Facades."""

from pathlib import Path

from data.editions import Edition
from data.files import Files, find_beside, find_image_files, split_of
from data.paired import PairedDataset
from options.data_file import shipped_set

ARCHIVES = {"train": "base", "val": "extended"}


class FacadesDataset(PairedDataset):
    """<root>/{split}_label and {split}_img, or base (train) and extended (val) as in the archives; no instance maps.

    Ids are the indices of the palette PNGs in the base and the extended set, 1..12; channel 0 stays empty.
    """

    preset = shipped_set("facades").preset
    class_rows = shipped_set("facades").classes
    landmarks = ("train_label", "val_label", "base/*.png", "extended/*.png")
    editions = tuple(
        Edition(
            f"{part}/*.jpg",
            "is the edition of pix2pix, with photo and label map side by side in JPEGs, which hold no exact ids; get "
            "CMP_facade_DB_base.zip and CMP_facade_DB_extended.zip",
            unless="*_label",
        )
        for part in ("train", "val", "test")
    )

    def find_files(self, opt) -> Files:
        """List the split's two folders, or the one in which the archive has label maps beside photos."""
        root, split = Path(opt.dataroot), split_of(opt.phase)
        archive = root / ARCHIVES.get(split, "")
        if not (root / f"{split}_label").exists() and archive != root and archive.is_dir():
            return find_beside(archive)
        return Files(
            find_image_files(root / f"{split}_label", "label maps"),
            find_image_files(root / f"{split}_img", "photos", required=opt.is_train),
        )
