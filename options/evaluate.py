"""Options of the evaluation program."""

from dataclasses import dataclass
from typing import ClassVar

from options.checks import check_custom_folders
from options.field import PLAIN_NAME, OptionError, Rule, option, with_default
from options.test import TestOptions
from options.train import TrainOptions

FEATURES = ("inception", "random", "none")
FID_RESIZES = ("tf", "pytorch-fid", "clean")
RESOLUTIONS = ("upsample_image", "upsample_logits", "512")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(TestOptions):
    """What `evaluate.py` can be told: what is scored, and how.

    What is scored is a run (`name`) or a folder of images (`fake`). All that `test.py` was told can be said again: it
    names the results.
    """

    program: ClassVar[str] = "evaluate.py"

    name: str = option(
        "",
        "run to score, after test.py has made its images; or --fake",
        "run",
        rule=Rule(PLAIN_NAME.words, lambda text: text == "" or PLAIN_NAME.holds(text)),
        role="session",
    )
    batch_size: int = with_default(TestOptions, "batch_size", 8)
    fake: str | None = option(
        None,
        "folder of images to score, in place of --name; held against --real and --labels, or else the data set, which "
        "are read at the size of these images",
        "results",
        unset="what test.py wrote",
    )
    real: str | None = option(None, "folder of real photos, with --fake", "results", unset="not given")
    labels: str | None = option(
        None, "folder of id maps as the data set's files have them, with --fake", "results", unset="not given"
    )
    features: str = option(
        "inception",
        "what FID and KID compare; random needs no file, and its distance compares only with itself",
        "results",
        choices=FEATURES,
    )
    inception_weights: str | None = option(
        None,
        "file with the Inception weights of FID",
        "results",
        unset="torch hub's folder of checkpoints, or a download",
    )
    fid_resize: str = option(
        "tf",
        "how images come to Inception's 299x299: tf as in the definition of FID, pytorch-fid as behind the SPADE "
        "paper's numbers, clean with antialiasing",
        "results",
        choices=FID_RESIZES,
    )
    real_statistics: str | None = option(
        None, "NPZ file with the mean and covariance of real features, in place of photos", "results", unset="not given"
    )
    save_real_statistics: str | None = option(
        None, "NPZ file to write such statistics to", "results", unset="not given"
    )
    kid: bool = option(True, "compute KID too, with --features inception", "results")
    lpips: bool = option(
        False, "measure how much styles differ, after test.py --num_styles 2 or more", "results", role="session"
    )
    lpips_weights: str | None = option(
        None,
        "file with torchvision's AlexNet weights",
        "results",
        unset="torch hub's folder of checkpoints, or a download",
    )
    segmenter_weights: str | None = option(
        None,
        "file of the published network that judges the data set; two files (ade20k) with a comma between",
        "results",
        unset="not given",
    )
    segmenter: str | None = option(
        None,
        "your own judge: a run of python -m scripts.segmenter, or a TorchScript or torch.export file",
        "results",
        unset="not given",
    )
    resolution: str = option(
        "upsample_image",
        "at which size the Cityscapes network works: the image enlarged to 2048x1024, its output enlarged, or both "
        "label maps and images at 512x256",
        "results",
        choices=RESOLUTIONS,
    )
    download: bool = with_default(TrainOptions, "download", True)
    output: str | None = option(None, "JSON file to write", "results", unset="scores.json beside the images")

    def check_together(self) -> None:
        """Raise an `OptionError` for options that contradict each other; a folder of images has no network."""
        if not self.fake:
            super().check_together()
        elif self.uses_data_set:
            check_custom_folders(self)
        _check_what_is_scored(self)
        _check_features(self)
        _check_judges(self)

    @property
    def uses_data_set(self) -> bool:
        """Whether photos and label maps are those of the data set: for a run, and for a folder that comes alone."""
        return not self.fake or not (self.real or self.labels or self.real_statistics)

    @property
    def segmenter_files(self) -> list[str]:
        """The files of `--segmenter_weights`."""
        return [file for file in (self.segmenter_weights or "").split(",") if file]


def _check_what_is_scored(opt: EvaluateOptions) -> None:
    if opt.fake and opt.name:
        raise OptionError(f"--fake {opt.fake}: scores a folder, and --name {opt.name} a run; leave one of them out")
    if not opt.fake and not opt.name:
        raise OptionError("--name: not given; name the run that test.py has tested, or give --fake DIR --real DIR")
    for flag in ("real", "labels"):
        if getattr(opt, flag) and not opt.fake:
            raise OptionError(
                f"--{flag} {getattr(opt, flag)}: goes with --fake DIR; of --name {opt.name} the data set is known"
            )
    if not opt.uses_data_set and opt.features != "none" and not (opt.real or opt.real_statistics):
        raise OptionError(
            f"--fake {opt.fake}: add --real DIR, the folder of real photos (or --real_statistics FILE, or --features "
            f"none for segmentation scores alone)"
        )
    judged = opt.segmenter or opt.segmenter_weights
    if not opt.uses_data_set and judged and not opt.labels:
        raise OptionError(f"--segmenter {judged}: add --labels DIR, the folder of the images' id maps")
    if opt.features == "none" and not judged and not opt.lpips:
        raise OptionError("--features none: leaves nothing to score; add --segmenter, --segmenter_weights or --lpips")


def _check_features(opt: EvaluateOptions) -> None:
    if opt.inception_weights and opt.features != "inception":
        raise OptionError(f"--inception_weights {opt.inception_weights}: goes with --features inception")
    if opt.real_statistics and opt.save_real_statistics:
        raise OptionError("--save_real_statistics: would write what --real_statistics reads; leave one of them out")
    for flag in ("real_statistics", "save_real_statistics"):
        if getattr(opt, flag) and opt.features == "none":
            raise OptionError(f"--{flag} {getattr(opt, flag)}: statistics are of features; leave out --features none")


def _check_judges(opt: EvaluateOptions) -> None:
    if opt.segmenter and opt.segmenter_weights:
        raise OptionError(
            f"--segmenter {opt.segmenter}: is a judge of your own, --segmenter_weights the published one; give one"
        )
    if opt.segmenter_weights is not None and not opt.segmenter_files:
        raise OptionError(f"--segmenter_weights {opt.segmenter_weights}: names no file")
    if opt.lpips_weights and not opt.lpips:
        raise OptionError(f"--lpips_weights {opt.lpips_weights}: add --lpips")
