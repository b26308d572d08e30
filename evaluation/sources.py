"""Finds the generated images to score, and their references, as the options of `evaluate.py` say."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path

from data import DATASETS, create_dataset, pairs
from data.files import find_image_files
from data.preprocess import Preprocess
from data.read import image_size
from evaluation.image_folders import check_one_size, images_in, pair
from evaluation.image_sets import (
    DataSetTruth,
    FolderTruth,
    GeneratedImages,
    Truth,
)
from evaluation.reconstruction import OWN_PHOTO, STYLE
from evaluation.scored_images import style_folder
from options import EvaluateOptions
from options.data_file import described
from options.field import declared_options
from options.networks import has_latent
from options.saved import SAVED_NAME, load_saved
from util.errors import InputError, some_of
from util.results_page import RESULTS, SCORES_NAME, TILES, read_facts
from util.warn import warn_once

# Suffixes of file names after the sample's name: of photos, of label maps.
SUFFIXES = {"cityscapes": ("_leftImg8bit", "_gtFine_labelIds")}


@dataclass(frozen=True)
class Sources:
    """Generated images and their references.

    Attributes:
        folder: of the generated images.
        real, labels: origin of photos and label maps, as text for the report; None if they are not used.
        truth: the references.
        styles: the generated images, and with --lpips those in further styles of the same label maps.
        are_reconstructions: whether each image has the style of its own photo.
    """

    folder: Path
    real: str | None
    labels: str | None
    truth: Truth
    styles: list[GeneratedImages]
    are_reconstructions: bool = False

    @property
    def generated(self) -> GeneratedImages:
        return self.styles[0]

    @property
    def folders(self) -> dict[str, str]:
        """Absolute paths of the folders that files are read from, by kind of file."""
        files = {"generated": dict(enumerate(self.generated.paths)), **self.truth.files}
        return {kind: pairs.folder({k: path.resolve() for k, path in paths.items()}) for kind, paths in files.items()}


def find_images(opt: EvaluateOptions, whole_labels: bool) -> Sources:
    """Find images, photos and label maps, and pair them by name.

    Args:
        opt: evaluation options.
        whole_labels: read label maps at the size of their files.
    Raises:
        InputError: there is no such run, nothing has been generated, or names do not pair.
    """
    folder = Path(opt.fake) if opt.fake else results_of(opt)
    if not opt.fake and TILES in read_facts(folder.parents[1]):
        raise InputError(
            f"--name {opt.name}: its images are as large as their label maps (test.py --tile), and a run is scored at "
            f"one size, --crop_size; generate images of that size with: {test_command(opt)}, or score these beside "
            f"photos, if all have one size: --fake {folder} --real PHOTOS"
        )
    reconstructions = are_reconstructions(opt, folder)
    photos = reconstructions or (opt.features != "none" and not opt.real_statistics)
    labels = bool(opt.segmenter or opt.segmenter_weights)
    wanted = {"photos": photos, "labels": labels, "whole_labels": labels and whole_labels}
    if opt.fake:
        first = next(iter(images_in(folder, "generated images", "--fake").values()))
        opt = _at_size(opt, image_size(first))
    if not opt.uses_data_set:
        truth = _from_folders(opt, folder, **wanted)
    else:
        # Without instance maps, which only networks need.
        truth = DataSetTruth(create_dataset(dataclasses.replace(opt, instance=False)), opt, opt.how_many, **wanted)
    names_from = "the data set" if opt.uses_data_set else opt.real or opt.labels or str(folder)
    styles = [_images(opt, truth, names_from, style) for style in style_folders(opt, folder)]
    drawn = None if truth.files else f"{opt.dataset_mode}, drawn in memory"
    places = {kind: pairs.folder(paths) for kind, paths in truth.files.items()}
    return Sources(
        folder,
        real=opt.real_statistics or ((opt.real or drawn or places.get("photos")) if photos else None),
        labels=(opt.labels or drawn or places.get("label_maps")) if labels else None,
        truth=truth,
        styles=styles,
        are_reconstructions=reconstructions,
    )


def are_reconstructions(opt: EvaluateOptions, folder: Path) -> bool:
    """Whether each image has the style of its own photo: --reconstruct says it of --fake, and the test of --name.

    Raises:
        InputError: --reconstruct is given for another test.
    """
    if opt.fake:
        return opt.reconstruct
    found = read_facts(folder.parents[1]).get(STYLE) == OWN_PHOTO
    if opt.reconstruct and not found:
        raise InputError(
            f"--reconstruct: the images in {folder} are not in the style of their own photos; make such with: "
            f"{test_command(opt, '--reconstruct')}"
        )
    return found


def warn_of_one_folder(opt: EvaluateOptions) -> None:
    """Warn if images are compared with themselves."""
    if opt.fake and opt.real and Path(opt.fake).samefile(opt.real):
        warn_once(f"--fake {opt.fake} and --real {opt.real} are one folder: distances are 0 and say nothing")


def _at_size(opt: EvaluateOptions, size: tuple[int, int]) -> EvaluateOptions:
    """The options with which photos and label maps are read at the size of given images.

    Files are resized to exactly that size, unless `--preprocess_mode` crops.

    Args:
        opt: evaluation options.
        size: width and height of the images.
    """
    width, height = size
    return dataclasses.replace(
        opt,
        crop_size=width,
        aspect_ratio=width / height,
        load_size=width if opt.load_size == opt.crop_size else opt.load_size,
        preprocess_mode=opt.preprocess_mode if opt.preprocess_mode.endswith("crop") else "fixed",
    )


def scores_path(opt: EvaluateOptions, sources: Sources) -> Path:
    """Path of scores.json: beside the page of the test, or in the folder of images."""
    if opt.output:
        return Path(opt.output)
    return (sources.folder.parents[1] if opt.name else sources.folder) / SCORES_NAME


def results_of(opt: EvaluateOptions) -> Path:
    """The folder of images that test.py wrote for the options' run. Raises `InputError` if there are none."""
    results = Path(opt.results_dir) / opt.name
    if not opt.run_dir.is_dir() and not results.is_dir():
        folders = [path for parent in (opt.checkpoints_dir, opt.results_dir) for path in Path(parent).glob("*/")]
        known = (path.name for path in folders if not path.name.startswith("."))
        raise InputError(
            f"--name {opt.name}: no such run in {opt.checkpoints_dir} or {opt.results_dir}; "
            f"runs there: {some_of(known, opt.name)}"
        )
    folder = results / f"{opt.phase}_{opt.which_epoch}" / "images" / RESULTS
    if not find_image_files(folder, "generated images", required=False):
        raise InputError(f"{folder}: no images have been generated yet; make them with: {test_command(opt)}")
    return folder


# Options that decide, besides the saved run, which images test.py generates, and where it writes them.
TEST_FLAGS = (
    "checkpoints_dir", "results_dir", "phase", "which_epoch", "label_dir", "image_dir", "instance_dir", "label_suffix",
    "image_suffix", "instance_suffix", "file_list", "max_dataset_size", "how_many",
)  # fmt: skip


def test_command(opt: EvaluateOptions, *more: str) -> str:
    """The command that generates the images."""
    words = ["python", "test.py", "--name", opt.name]
    for flag in TEST_FLAGS:
        value = getattr(opt, flag)
        if value != declared_options(type(opt))[flag].default:
            words += [f"--{flag}", str(value)]
    return shlex.join([*words, *more])


def style_folders(opt: EvaluateOptions, folder: Path) -> list[Path]:
    """`folder` alone, or with --lpips also its siblings that hold further styles: `folder`_style2, _style3, ..."""
    if not opt.lpips:
        return [folder]
    folders = [folder]
    while (sibling := style_folder(folder, len(folders) + 1)).is_dir():
        folders.append(sibling)
    if len(folders) == 1:
        if not opt.fake and opt.is_saved and not has_latent(load_saved(opt.run_dir / SAVED_NAME)):
            raise InputError(
                "--lpips: a network without latent has one style, so there are none to compare; leave it out"
            )
        command = f"; make them with: {test_command(opt, '--num_styles', '2')}" if opt.name else ""
        raise InputError(f"--lpips: needs images in 2 styles or more, and there is no folder {sibling}{command}")
    return folders


def _images(opt: EvaluateOptions, truth: Truth, names_from: str, folder: Path) -> GeneratedImages:
    found = images_in(folder, "generated images", "--fake" if opt.fake else "--name")
    fix = "files of one sample must have the same name"
    if not opt.fake:
        fix = f"make all again with: {test_command(opt)}"
    elif opt.uses_data_set:
        fix += (
            f"; if these are no images of --dataset_mode {opt.dataset_mode}, add --real DIR, the folder of real photos"
        )
    paths = pair(truth.names, names_from, found, "generated image", folder, bool(opt.how_many), fix)
    if opt.fake:
        check_one_size(paths)
    return GeneratedImages(paths, truth.size)


def _from_folders(opt: EvaluateOptions, fake: Path, photos: bool, labels: bool, whole_labels: bool) -> FolderTruth:
    """References from folders; sample names are those of photos, else of label maps, else of the generated images."""
    suffixes = SUFFIXES.get(opt.dataset_mode, ("", ""))
    real = _find(opt.real, "real photos", "--real", suffixes[0]) if photos and opt.real else None
    ids = _find(opt.labels, "label maps", "--labels", suffixes[1]) if opt.labels else None
    names = list(real or ids or images_in(fake, "generated images", "--fake"))
    if opt.real and opt.labels and real and ids:
        pair(names, opt.real, ids, "label map", Path(opt.labels), extras_allowed=True)
    kind = DATASETS[opt.dataset_mode]
    class_names, class_colors = kind.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
    preprocess = Preprocess(
        opt.preprocess_mode, opt.load_size, opt.crop_size, opt.aspect_ratio, random=False, flip=False
    )
    in_files = kind.label_ids(opt)
    truth = FolderTruth(
        names[: opt.how_many], real, ids, preprocess, in_files, class_names, labels, whole_labels, opt.apply_exif
    )
    truth.class_colors = class_colors
    return truth


def _find(folder: str, what: str, flag: str, suffix: str) -> dict[str, Path]:
    """Image files by name, without the suffix that the data set gives them, if they have it."""
    with_suffix = find_image_files(Path(folder), what, suffix, required=False) if suffix else {}
    return with_suffix or images_in(Path(folder), what, flag)
