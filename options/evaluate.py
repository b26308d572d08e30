"""Options of the evaluation program."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from options.base import Start
from options.data import TestDataOptions
from options.field import PLAIN_NAME, Option, OptionError, Rule, at_least, declared_options, option, reuse, suggestion
from options.run import DeviceOptions, DownloadOptions, RunOptions, SavedRunOptions
from options.test import GenerationOptions, ResultsOptions, TestOptions

FEATURES = ("inception", "random", "none")
FID_RESIZES = ("tf", "pytorch-fid", "clean")
RESOLUTIONS = ("upsample_image", "upsample_logits", "512")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(
    RunOptions, DeviceOptions, SavedRunOptions, DownloadOptions, TestDataOptions, ResultsOptions, heading="results"
):
    """The options of `evaluate.py`, which scores a run (`name`) or a folder of images (`fake`).

    All options of `test.py` are accepted, because they define the results and the data; those about networks have no
    effect.
    """

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "evaluate.py"
    takes_conditions: ClassVar[bool] = True
    start: ClassVar[Start] = Start(
        "Score generated images: those that test.py wrote for a run, or a folder of images beside one of photos.",
        ("--name mine --features random --segmenter segmenter", "--fake IMAGES --real PHOTOS"),
        (
            *("name", "fake", "real", "labels", "features", "segmenter", "how_many"),
            *("bootstrap", "lpips", "output"),
        ),
    )

    name: str = reuse(
        RunOptions,
        "name",
        default="",
        help="run to score, after test.py has generated its images; or give --fake",
        rule=Rule(PLAIN_NAME.words, lambda text: text == "" or PLAIN_NAME.holds(text)),
    )
    batch_size: int = reuse(TestDataOptions, "batch_size", default=8)
    fake: str | None = option(
        None,
        "folder of images to score instead of --name; compared with --real and --labels, or else with the data set, "
        "which are read at the size of these images",
        unset="what test.py wrote",
    )
    real: str | None = option(None, "folder of real photos, with --fake", unset="not given")
    labels: str | None = option(
        None, "folder of label maps with the ids of the data set's files, with --fake", unset="not given"
    )
    features: str = option(
        "inception",
        "features that FID and KID compare: inception, random (needs no weights, but compares only with itself), none, "
        "or a TorchScript or torch.export file of a network of your own, from photos (N, 3, H, W) to features (N, D)",
    )
    features_size: int = option(
        224, "side of the photos that the network of --features FILE gets", unit="pixels", rule=at_least(1)
    )
    features_mean: str = option(
        "0.485,0.456,0.406",
        "mean of red, green and blue in 0..1 that is subtracted from its photos; 0,0,0 and --features_std 1,1,1 for a "
        "network that takes photos in 0..1",
        rule=Rule("three numbers such as 0.5,0.5,0.5", lambda text: _are_three(text, -math.inf)),
    )
    features_std: str = option(
        "0.229,0.224,0.225",
        "standard deviation that they are then divided by",
        rule=Rule("three numbers above 0, such as 0.5,0.5,0.5", lambda text: _are_three(text, 0)),
    )
    inception_weights: str | None = option(
        None,
        "file with the Inception weights of FID",
        unset="torch hub's folder of checkpoints, or a download",
    )
    fid_resize: str = option(
        "tf",
        "how images are resized to Inception's 299x299: tf as in the definition of FID, pytorch-fid as for the numbers "
        "of the SPADE paper, clean with antialiasing",
        choices=FID_RESIZES,
    )
    real_statistics: str | None = option(
        None, "NPZ file with the mean and covariance of real features, instead of photos", unset="not given"
    )
    save_real_statistics: str | None = option(None, "NPZ file to write such statistics to", unset="not given")
    kid: bool | None = option(
        None,
        "compute the kernel distance too: KID, or that of other features",
        unset="with --features inception",
    )
    precision_recall: bool = option(
        False,
        "compute precision and recall in the features too (Kynkäänniemi et al. 2019), by the 3 nearest neighbors",
        role="session",
    )
    bootstrap: int = option(
        0,
        "draws of images with replacement for 95% intervals of the scores, such as 1000; 0 for none",
        rule=Rule("0, or from 20 to 100000", lambda draws: draws == 0 or 20 <= draws <= 100_000),
    )
    reconstruct: bool = reuse(
        GenerationOptions,
        "reconstruct",
        help="measure PSNR and SSIM of the images against the photos of the same names; known of --name, if test.py "
        "--reconstruct generated them",
    )
    lpips: bool = option(False, "measure the diversity of styles, after test.py --num_styles 2 or more", role="session")
    lpips_weights: str | None = option(
        None,
        "file with torchvision's AlexNet weights",
        unset="torch hub's folder of checkpoints, or a download",
    )
    segmenter_weights: str | None = option(
        None,
        "file of the published segmentation network of the data set; two files (ade20k) separated by a comma",
        unset="not given",
    )
    segmenter: str | None = option(
        None,
        "your own segmentation network: a run of python -m scripts.segmenter, or a TorchScript or torch.export file",
        unset="not given",
    )
    resolution: str = option(
        "upsample_image",
        "size at which the Cityscapes network is scored: image enlarged to 2048x1024, output enlarged, or label maps "
        "and images at 512x256",
        choices=RESOLUTIONS,
    )
    output: str | None = option(None, "JSON file to write", unset="scores.json beside the images")

    @classmethod
    def without_effect(cls) -> Mapping[str, Option]:
        """The options of `test.py` about networks."""
        own = declared_options(cls)
        return {name: option for name, option in declared_options(TestOptions).items() if name not in own}

    def check(self) -> None:
        """Refuse what cannot be scored. A folder of images need not fit the options of the data set."""
        _check_what_is_scored(self)
        _check_folders(self)
        _check_own_features(self)
        _check_features(self)
        _check_segmenters(self)
        if not self.fake:
            super().check()
            return
        self.check_condition()
        if self.uses_data_set:
            self.check_custom_folders()

    @property
    def uses_data_set(self) -> bool:
        """Whether photos and label maps come from the data set: for a run, and for a folder without others."""
        return not self.fake or not (self.real or self.labels or self.real_statistics)

    @property
    def segmenter_files(self) -> list[str]:
        """The files of `--segmenter_weights`."""
        return [file for file in (self.segmenter_weights or "").split(",") if file]


@dataclass(frozen=True, kw_only=True)
class EvaluateInTrainingOptions(EvaluateOptions, TestOptions):
    """The options in `--eval_flags` of `train.py`: how images are generated (`test.py`) and scored."""


def _check_what_is_scored(opt: EvaluateOptions) -> None:
    if opt.fake and opt.name:
        raise OptionError(f"--fake {opt.fake}: scores a folder, and --name {opt.name} a run; leave one of them out")
    if not opt.fake and not opt.name:
        raise OptionError("--name: not given; name the run that test.py has tested, or give --fake DIR --real DIR")
    for flag in ("real", "labels"):
        if getattr(opt, flag) and not opt.fake:
            raise OptionError(
                f"--{flag} {getattr(opt, flag)}: is for a folder (--fake) in place of a run; for --name {opt.name} the "
                "data set is known: leave the flag out"
            )


def _check_folders(opt: EvaluateOptions) -> None:
    if opt.uses_data_set:
        return
    if opt.features != "none" and not (opt.real or opt.real_statistics):
        raise OptionError(
            f"--fake {opt.fake}: add --real DIR, the folder of real photos (or --real_statistics FILE, or --features "
            f"none for segmentation scores alone)"
        )
    if opt.reconstruct and not opt.real:
        raise OptionError("--reconstruct: compares each image with the photo of the same name; add --real DIR")
    segmenter = opt.segmenter or opt.segmenter_weights
    if segmenter and not opt.labels:
        raise OptionError(f"--segmenter {segmenter}: add --labels DIR, the folder of the images' id maps")


def _are_three(text: str, above: float) -> bool:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        return False
    return len(numbers) == 3 and all(above < number < math.inf for number in numbers)


def _check_own_features(opt: EvaluateOptions) -> None:
    if opt.features not in FEATURES:
        if not Path(opt.features).is_file():
            hint = suggestion(opt.features, FEATURES) or "there is no such file"
            known = ", ".join(FEATURES)
            raise OptionError(
                f"--features {opt.features}: must be one of {known}, or a file of your own network ({hint})"
            )
        return
    for flag in ("features_size", "features_mean", "features_std"):
        if (value := getattr(opt, flag)) != declared_options(type(opt))[flag].default:
            raise OptionError(
                f"--{flag} {value}: is for a network of your own, --features FILE; leave the flag out, or give one"
            )


def _check_features(opt: EvaluateOptions) -> None:
    if opt.inception_weights and opt.features != "inception":
        raise OptionError(
            f"--inception_weights {opt.inception_weights}: is for --features inception; use that, or leave the flag out"
        )
    if opt.features == "none" and not (opt.segmenter or opt.segmenter_weights or opt.lpips or opt.reconstruct):
        raise OptionError(
            "--features none: leaves nothing to score; add --segmenter, --segmenter_weights, --lpips (for networks "
            "with a latent) or --reconstruct (for networks with an encoder)"
        )
    if opt.kid and opt.features == "none":
        raise OptionError("--kid: is a distance of features; leave it out, or leave out --features none")
    if opt.precision_recall and opt.features == "none":
        raise OptionError("--precision_recall: compares features; leave it out, or leave out --features none")
    if opt.precision_recall and opt.real_statistics:
        raise OptionError(
            f"--precision_recall: needs the features of every photo, and --real_statistics {opt.real_statistics} holds "
            f"statistics of them; leave one of them out"
        )
    if opt.real_statistics and opt.save_real_statistics:
        raise OptionError("--save_real_statistics: would write what --real_statistics reads; leave one of them out")
    for flag in ("real_statistics", "save_real_statistics"):
        if getattr(opt, flag) and opt.features == "none":
            raise OptionError(
                f"--{flag} {getattr(opt, flag)}: statistics are of features; leave the flag out, or leave out "
                "--features none"
            )


def _check_segmenters(opt: EvaluateOptions) -> None:
    if opt.input_nc and (
        flag := "segmenter" * bool(opt.segmenter) or "segmenter_weights" * bool(opt.segmenter_weights)
    ):
        raise OptionError(
            f"--{flag} {getattr(opt, flag)}: classes are scored by label maps, and these images are generated from "
            f"conditioning images; leave the flag out"
        )
    if opt.segmenter and opt.segmenter_weights:
        raise OptionError(
            f"--segmenter {opt.segmenter}: is a segmentation network of your own, --segmenter_weights the published "
            f"one; leave one of them out"
        )
    if opt.segmenter_weights is not None and not opt.segmenter_files:
        raise OptionError(f"--segmenter_weights {opt.segmenter_weights}: names no file; give --segmenter_weights FILE")
    if opt.lpips_weights and not opt.lpips:
        raise OptionError(f"--lpips_weights {opt.lpips_weights}: add --lpips, or leave the flag out")
