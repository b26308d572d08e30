"""Flickr landscapes: photos that the user collects, with label maps in COCO-Stuff ids from a segmentation network."""

from data.coco import CocoDataset
from data.editions import Edition
from data.files import Files, split_of
from options.data_file import shipped_set


class FlickrDataset(CocoDataset):
    """<root>/{split}_label and {split}_img; {split}_inst with --instance, which is off by default.

    The photos of the paper were never published. Their label maps came from DeepLabV2 trained on COCO-Stuff, so ids,
    names and colors are those of `coco`.
    """

    preset = shipped_set("flickr").preset
    published_ids = "the network of the paper gives the ids 0..181"
    id_editions = ()
    editions = (
        Edition(
            "photos",
            "holds photos that are not divided yet: photos become train_img and their label maps train_label, some of "
            "them val_img and val_label (bash scripts/download_flickr.sh ends with the commands)",
            unless="*_label",
        ),
    )

    def find_files(self, opt) -> Files:
        """List the split's folders; photos may be absent when testing."""
        return self.find_part(opt, split_of(opt.phase), required=True)
