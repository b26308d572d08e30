"""CMP Facades."""

from pathlib import Path

from data.files import Files, find_pictures, split_of
from data.paired import PairedDataset
from options import Preset


class FacadesDataset(PairedDataset):
    """<root>/{split}_label and {split}_img; no instance maps.

    Ids are those of the palette PNGs of the base and the extended set, 1..12; channel 0 stays empty.
    """

    preset = Preset(
        both={
            "preprocess_mode": "resize_and_crop",
            "load_size": 286,
            "crop_size": 256,
            "display_winsize": 256,
            "label_nc": 13,
            "instance": False,
        },
        test={"load_size": 256},
    )
    class_table = "facades"

    def find_files(self, opt) -> Files:
        """List the split's two folders."""
        root, split = Path(opt.dataroot), split_of(opt.phase)
        return Files(
            find_pictures(root / f"{split}_label", "label maps"),
            find_pictures(root / f"{split}_img", "photos", required=opt.is_train),
        )
