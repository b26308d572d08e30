"""Cityscapes, in the tree of its own archives."""

from pathlib import Path

from data.files import Files, find_pictures, split_of
from data.paired import PairedDataset
from options import Preset


class CityscapesDataset(PairedDataset):
    """<root>/leftImg8bit/{split}/<city>/*_leftImg8bit.png, gtFine/{split}/<city>/*_gtFine_{labelIds,instanceIds}.png.

    Names are "<city>/<city>_<sequence>_<frame>". Label files hold the raw ids 0..33; the released weights have a
    35th channel, which stays empty, and no unknown one.
    """

    preset = Preset(
        both={
            "preprocess_mode": "fixed",
            "load_size": 512,
            "crop_size": 512,
            "display_winsize": 512,
            "aspect_ratio": 2.0,
            "label_nc": 35,
            "batch_size": 16,
            "num_upsampling_layers": "more",
        },
    )
    class_table = "cityscapes"

    def find_files(self, opt) -> Files:
        """List the split's folders; photos may be absent when testing."""
        root, split = Path(opt.dataroot), split_of(opt.phase)
        truth, photos = root / "gtFine" / split, root / "leftImg8bit" / split
        instances = {}
        if opt.instance:
            what = "instance maps (--no_instance does without)"
            instances = find_pictures(truth, what, suffix="_gtFine_instanceIds")
        return Files(
            find_pictures(truth, "label maps", suffix="_gtFine_labelIds"),
            find_pictures(photos, "photos", suffix="_leftImg8bit", required=opt.is_train),
            instances,
        )
