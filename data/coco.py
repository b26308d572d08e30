"""COCO-Stuff, and any data set with the same folders."""

from pathlib import Path

from data.editions import Edition, IdEdition
from data.files import Files, by_name, find_image_files, split_of
from data.paired import PairedDataset, without_instances
from options.data_file import shipped_set

MAPS = "wanted as train_label and val_label are the folders train2017 and val2017 of stuffthingmaps_trainval2017.zip"
STUFF_ONLY = "holds COCO's stuff-only maps, in which all things are one class"
PANOPTIC = "holds COCO's panoptic annotations, which number segments"
AS_PUBLISHED = (
    "is COCO as published, with photos and JSON files; train_img and val_img are its photos, and "
    "python -m scripts.prepare instances makes instance maps of the JSON files"
)
EDITIONS = tuple(
    Edition(pattern, f"{message}; {MAPS}; bash scripts/download_coco_stuff.sh {{root}} makes it all", unless="*_label")
    for pattern, message in (
        ("*stuff_*pixelmaps*", STUFF_ONLY),
        ("*/stuff_*pixelmaps*", STUFF_ONLY),
        ("*panoptic_*2017*", PANOPTIC),
        ("*/panoptic_*2017*", PANOPTIC),
        ("imageLists", "is COCO-Stuff 10k, an older edition with annotations in .mat files"),
        ("*2017/*.png", "holds folders under the names of their archives"),
        ("*2017/*.jpg", AS_PUBLISHED),
        ("*2014/*.jpg", AS_PUBLISHED),
        ("images/*2017", AS_PUBLISHED),
        ("annotations/*.json", AS_PUBLISHED),
    )
)


class CocoDataset(PairedDataset):
    """<root>/{split}_label, {split}_img and {split}_inst; when training also {split}_portrait_label and so on."""

    preset = shipped_set("coco").preset
    class_rows = shipped_set("coco").classes
    landmarks = ("train_label", "val_label")
    editions = EDITIONS
    published_ids = "COCO-Stuff has the ids 0..181, and 255 for unknown with --contain_dontcare_label"
    id_editions = (
        IdEdition(
            frozenset({182, 183}),
            f"182 and 183 are of COCO's stuff-only maps, in which all things are 183, or of maps with the numbers of "
            f"COCO's categories, 1..182, which are 1 more than the ids; {MAPS}",
        ),
    )

    def find_files(self, opt) -> Files:
        """List the split's folders; a portrait is named "portrait/<its name>", so that no two samples share a name."""
        files = self.find_part(opt, split_of(opt.phase), required=True)
        if not (opt.is_train and opt.coco_portraits):
            return files
        portraits = self.find_part(opt, f"{split_of(opt.phase)}_portrait", required=False)
        return Files(
            _with_portraits(files.labels, portraits.labels),
            _with_portraits(files.images, portraits.images),
            _with_portraits(files.instances, portraits.instances),
        )

    def find_part(self, opt, part: str, required: bool) -> Files:
        """List the folders <root>/{part}_label and so on; instance maps if the options ask for them."""
        root = Path(opt.dataroot)
        instances = {}
        if opt.instance:
            what = f"instance maps ({without_instances(opt)})"
            instances = find_image_files(root / f"{part}_inst", what, required=required)
        return Files(
            find_image_files(root / f"{part}_label", "label maps", required=required),
            find_image_files(root / f"{part}_img", "photos", required=required and opt.is_train),
            instances,
        )


def _with_portraits(files: dict[str, Path], portraits: dict[str, Path]) -> dict[str, Path]:
    return by_name([*files.items(), *((f"portrait/{name}", path) for name, path in portraits.items())])
