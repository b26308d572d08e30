"""A user's own folders."""

from pathlib import Path

from data.files import Files, find_pictures
from data.paired import PairedDataset
from options import Preset


class CustomDataset(PairedDataset):
    """--label_dir; --image_dir, which testing can do without; --instance_dir, or --no_instance."""

    preset = Preset(
        both={
            "preprocess_mode": "resize_and_crop",
            "load_size": 286,
            "crop_size": 256,
            "display_winsize": 256,
            "label_nc": 13,
        },
        test={"load_size": 256},
    )

    def find_files(self, opt) -> Files:
        """List the folders that were given; options see to it that those needed are."""
        return Files(
            find_pictures(Path(opt.label_dir), "label maps"),
            find_pictures(Path(opt.image_dir), "photos") if opt.image_dir else {},
            find_pictures(Path(opt.instance_dir), "instance maps") if opt.instance else {},
        )
