"""A user's own folders."""

from pathlib import Path

from data.files import Files, find_beside, find_image_files, one_form, without_ending
from data.paired import PairedDataset
from options import Preset


class CustomDataset(PairedDataset):
    """Files of --label_dir, --image_dir (optional in testing) and --instance_dir (unless --no_instance).

    Folders may be nested or the same: files are told apart by --label_suffix, --image_suffix and --instance_suffix, or
    else by their extensions (1.png beside 1.jpg).
    """

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
        """List the folders that were given; the options have checked that the required ones are."""
        given = {"label": opt.label_dir, "image": opt.image_dir, "instance": opt.instance_dir if opt.instance else None}
        folders = {kind: Path(folder) for kind, folder in given.items() if folder}
        suffixes = {kind: without_ending(one_form(getattr(opt, f"{kind}_suffix"))) for kind in folders}
        places = {kind: folder.resolve() for kind, folder in folders.items()}

        def beside(kind: str) -> set[str]:
            return {suffixes[other] for other in folders if places[other] == places[kind]}

        def find(kind: str, what: str) -> dict[str, Path]:
            if kind not in folders:
                return {}
            return find_image_files(
                folders[kind],
                what,
                suffixes[kind],
                holds_ids=kind != "image",
                other_suffixes=beside(kind),
                without=[path for path in places.values() if places[kind] in path.parents],
            )

        instances = find("instance", "instance maps")
        is_one_folder = places["label"] == places.get("image")
        if is_one_folder and suffixes["label"] == suffixes["image"]:
            both = find_beside(folders["label"], suffixes["label"], beside("label"))
            return Files(both.labels, both.images, instances)
        return Files(find("label", "label maps"), find("image", "photos"), instances)
