"""Options of the training program, and the groups that only it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from options.base import Options, Start
from options.data import DataOptions, either, multiples_around
from options.data_file import name_of_data
from options.field import BELOW_ONE, FILE, FOLDER, POSITIVE, OptionError, at_least, option
from options.method import MethodTrainingOptions
from options.networks import DiscriminatorOptions, InitializationOptions, NetworkOptions
from options.run import ComputeOptions, DeviceOptions, DownloadOptions, RunOptions, SavedRunOptions
from options.saved import SAVED_NAME
from options.small_data import SmallDataOptions

DECIDING_SCORES = ("fid", "miou", "random_feature_distance", "accuracy", "kid", "own_feature_distance", "psnr")
"""Scores of evaluate.py that can choose the best networks; the first one that is measured does."""
# The keys of `trainers.player.ADAM_SWITCHES` and `models.losses.GAN_LOSSES`, which import torch; options do not.
ADAMS = ("auto", "loop", "foreach", "fused")
GAN_MODES = ("ls", "original", "hinge", "w")


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(SavedRunOptions, heading="run"):
    """How a training starts or resumes, and which faults it tolerates."""

    continue_train: bool = option(
        False, "resume the run of this name: its options, networks and progress", role="session"
    )
    auto_resume: bool = option(
        False,
        "resume the run of this name if it was saved, else start it: one command for a job that may be restarted",
        role="session",
    )
    load_pretrained: str | None = option(
        None,
        "folder with <which_epoch>_net_G.pth, and D and E if they exist, to start from; optimizers start from scratch",
        rule=FOLDER,
        role="session",
        unset="new weights",
    )
    load_what_fits: bool = option(
        False,
        "from the networks of --load_pretrained take what fits these options, such as another size or --num_D; a line "
        "for each network names what starts from new weights",
        role="session",
        needs=("load_pretrained",),
    )
    keep_checkpoints: int = option(
        2,
        "how many saves to keep to resume from; when the newest is damaged, the one before it is used",
        unit="saves",
        rule=at_least(1),
    )
    skip_bad_samples: int = option(
        0,
        "when a sample cannot be read, use the next one instead, for at most this many samples",
        unit="samples",
        rule=at_least(0),
    )
    skip_nonfinite: int = option(
        0,
        "skip a step whose losses or gradients are not finite, at most this many in a row; waits for the GPU each step",
        unit="steps",
        rule=at_least(0),
    )

    def check(self) -> None:
        """Refuse an epoch whose networks would not be loaded."""
        super().check()
        if self.which_epoch == "latest":
            return
        if self.auto_resume:
            raise OptionError(
                f"--which_epoch {self.which_epoch}: --auto_resume resumes from the latest save; use "
                f"--continue_train to resume from another one, or leave the flag out"
            )
        if not (self.continue_train or self.load_pretrained):
            raise OptionError(f"--which_epoch {self.which_epoch}: goes with --continue_train or --load_pretrained DIR")


@dataclass(frozen=True, kw_only=True)
class LossOptions(Options, heading="losses"):
    """The loss terms and their weights."""

    gan_mode: str = option("hinge", "adversarial loss", choices=GAN_MODES)
    gan_feat_loss: bool = option(True, "feature matching loss", aliases=("ganFeat_loss",))
    vgg_loss: bool = option(True, "perceptual loss on VGG19 features", aliases=("add_vgg_loss",))
    vgg_weights: str | None = option(
        None,
        "file with VGG19 weights",
        rule=FILE,
        unset="torch hub's folder of checkpoints, or a download",
        needs=("vgg_loss",),
    )
    lambda_feat: float = option(
        10.0, "weight of the feature matching loss", rule=at_least(0), needs=("gan_feat_loss", "vgg_loss")
    )  # pix2pixHD has one weight for both
    lambda_vgg: float = option(10.0, "weight of the perceptual loss", rule=at_least(0), needs=("vgg_loss",))
    lambda_kld: float = option(
        0.05, "weight of the KL divergence, with --use_vae", rule=at_least(0), needs=("use_vae",)
    )


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions(Options, heading="schedule and optimization"):
    """Length of a training, and its optimization."""

    niter: int = option(50, "length of the first part, at the full learning rate", unit="epochs", rule=at_least(0))
    niter_decay: int = option(
        0,
        "length of the second part, in which the learning rate falls linearly to zero",
        unit="epochs",
        rule=at_least(0),
    )
    max_minutes: float | None = option(
        None,
        "end after this time in the training loop, over all starts of the run, if its epochs take longer; the learning "
        "rate follows the epochs",
        unit="minutes",
        rule=POSITIVE,
        unset="no limit",
        role="session",
    )
    max_images: int | None = option(
        None,
        "end after this many images, over all starts of the run, if its epochs have more",
        unit="images",
        rule=at_least(1),
        unset="no limit",
        role="session",
    )
    lr: float = option(0.0002, "base learning rate of Adam; see --TTUR", rule=POSITIVE)
    TTUR: bool = option(
        True,
        "two time-scale update rule: generator at lr / 2, discriminator at lr * 2; off: both at lr, with betas 0.5 and "
        "0.999",
    )
    beta1: float = option(0.0, "momentum of Adam; 0.5 with --no_TTUR", rule=BELOW_ONE)
    beta2: float = option(0.9, "second momentum of Adam; 0.999 with --no_TTUR", rule=BELOW_ONE)
    D_steps_per_G: int = option(1, "discriminator steps for each generator step", unit="steps", rule=at_least(1))
    accumulate: int = option(
        1,
        "compute each batch in this many parts, to save memory; batch norm sees each part alone",
        unit="parts",
        rule=at_least(1),
    )
    checkpoint_activations: bool = option(
        False,
        "recompute activations of the generator's blocks in the backward pass instead of keeping them: slower, less "
        "memory",
    )
    adam: str = option(
        "auto",
        "how Adam is computed, equal up to rounding; auto: fused on a CPU, but not with fp16, else torch's choice",
        choices=ADAMS,
    )
    ema: float | None = option(
        None,
        "also keep an average of the generator's weights, which test.py uses: the fraction of the old average in each "
        "step, such as 0.999; after n steps at most (1 + n) / (10 + n)",
        rule=BELOW_ONE,
        unset="no average",
    )

    def check(self) -> None:
        """Refuse a training without epochs."""
        super().check()
        if self.niter + self.niter_decay == 0:
            raise OptionError("--niter 0: with --niter_decay 0 there are no epochs; use --niter 1 or more")


@dataclass(frozen=True, kw_only=True)
class LoggingOptions(Options, heading="logging"):
    """What to print, show and save in training, and how often."""

    print_freq: int = option(100, "how often losses are printed", unit="images", rule=at_least(1))
    display_freq: int = option(100, "how often images are shown", unit="images", rule=at_least(1))
    save_latest_freq: int = option(5000, "how often 'latest' is saved", unit="images", rule=at_least(1))
    save_epoch_freq: int = option(10, "how often an epoch is saved and kept", unit="epochs", rule=at_least(1))
    display_winsize: int = option(400, "width of images on web pages", unit="pixels", rule=at_least(1), role="data")
    html: bool = option(True, "write a web page of training images")
    tensorboard: bool = option(True, "write TensorBoard files", aliases=("tf_log",))
    wandb: bool = option(False, "send losses and images to Weights & Biases, if it is installed")


@dataclass(frozen=True, kw_only=True)
class ScoringOptions(Options, heading="logging"):
    """Scores in training, which choose the best networks."""

    eval_freq: int | None = option(
        None,
        "how often the generator is scored on validation data, and after the last epoch; the best one is kept as "
        "best_net_G.pth",
        unit="epochs",
        rule=at_least(1),
        unset="never",
    )
    eval_generator: str | None = option(
        None,
        "which generator is scored, and can be the best: the average of --ema, the raw trained weights, or both",
        choices=("average", "raw", "both"),
        unset="the average, if there is one",
        needs=("eval_freq",),
    )
    eval_flags: str = option(
        "",
        'flags of evaluate.py and test.py for that, in quotes: "--features random --segmenter RUN --how_many 500"; '
        'with --dataset_mode custom also the validation folders: "--label_dir DIR --image_dir DIR"',
    )
    best_score: str | None = option(
        None,
        "score that decides which networks are the best, such as fid or miou",
        choices=DECIDING_SCORES,
        unset="the first of these that is measured: " + ", ".join(DECIDING_SCORES),
        needs=("eval_freq",),
    )

    def check(self) -> None:
        """Refuse flags for scores that are never computed."""
        super().check()
        if self.eval_flags and not self.eval_freq:
            raise OptionError(
                f"--eval_flags {self.eval_flags!r}: nothing is scored without --eval_freq; add --eval_freq N, to score "
                f"every N epochs, or give --eval_flags ''"
            )


@dataclass(frozen=True, kw_only=True)
class TrainOptions(
    RunOptions,
    DeviceOptions,
    ComputeOptions,
    ResumeOptions,
    DownloadOptions,
    DataOptions,
    NetworkOptions,
    InitializationOptions,
    DiscriminatorOptions,
    LossOptions,
    SmallDataOptions,
    MethodTrainingOptions,
    ScheduleOptions,
    LoggingOptions,
    ScoringOptions,
):
    """The options of `train.py`."""

    is_train: ClassVar[bool] = True
    program: ClassVar[str] = "train.py"
    takes_conditions: ClassVar[bool] = True
    start: ClassVar[Start] = Start(
        "Train networks that turn label maps into photos. Without options: SPADE, on landscapes drawn in memory.",
        (
            "--name first --niter 20 --crop_size 128 --no_vgg_loss",
            "--name mine --data data.toml",
        ),
        (
            *("name", "data", "dataset_mode", "dataroot", "method", "crop_size", "batch_size", "niter"),
            *("continue_train", "config"),
        ),
    )

    def describe(self, usual: Mapping[str, Any]) -> str:
        """What is trained, and the options that differ from `usual` (`sources.usual_values`), one a line."""
        unknown = " and unknown pixels" if self.contain_dontcare_label else ""
        inputs = f"{self.label_nc} classes{unknown}"
        if self.input_nc:
            inputs = f"conditioning images of {self.input_nc} channel{'s' * (self.input_nc > 1)}"
        width, height = self.crop_size, round(self.crop_size / self.aspect_ratio)
        epochs = self.niter + self.niter_decay
        return "\n".join(
            [
                f"Training {self.method} on {name_of_data(self)}: {inputs}, images of "
                f"{width}x{height}, batches of {self.batch_size}, {epochs} epoch{'s' * (epochs > 1)}",
                *(f"  {line}" for line in self.differences(usual)),
                f"All other options have their defaults for this method and data set; {self.run_dir / SAVED_NAME} "
                "lists them all",
            ]
        )

    def check(self) -> None:
        """Refuse contradictions between options of different groups."""
        super().check()
        if self.lacks_instance_maps:
            raise OptionError(f"--instance: {self.instance_folder}, or train without it by --no_instance")
        if self.eval_generator in ("average", "both") and self.ema is None:
            raise OptionError(
                f"--eval_generator {self.eval_generator}: there is no average; add --ema 0.999, or use raw"
            )
        if self.batch_size % self.accumulate:
            fix = either(str(size) for size in multiples_around(self.batch_size, self.accumulate))
            raise OptionError(
                f"--accumulate {self.accumulate}: must divide --batch_size {self.batch_size}; use --batch_size {fix}"
            )
