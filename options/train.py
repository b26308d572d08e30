"""Options of the training program."""

from dataclasses import dataclass
from typing import ClassVar

from options.base import BaseOptions
from options.field import BELOW_ONE, FILE, FOLDER, POSITIVE, at_least, option

DECIDING_SCORES = ("fid", "miou", "random_feature_distance", "accuracy", "kid")
"""Scores of evaluate.py that can choose the best networks, the ones to be asked first."""
ADAMS = ("auto", "loop", "foreach", "fused")
GAN_MODES = ("ls", "original", "hinge", "w")


@dataclass(frozen=True, kw_only=True)
class TrainOptions(BaseOptions):
    """What `train.py` can be told."""

    is_train: ClassVar[bool] = True
    program: ClassVar[str] = "train.py"

    # run
    continue_train: bool = option(
        False, "go on with the run of this name: its options, networks and progress", "run", role="session"
    )
    auto_resume: bool = option(
        False,
        "go on with the run of this name if it was saved, else begin it: one command for a job that may be restarted",
        "run",
        role="session",
    )
    load_pretrained: str | None = option(
        None,
        "folder with <which_epoch>_net_G.pth, and D and E if there are, to start from; optimisers start anew",
        "run",
        rule=FOLDER,
        role="session",
        unset="new weights",
    )
    keep_checkpoints: int = option(
        2,
        "how many saves to keep to go on from; when the newest is damaged, the one before serves",
        "run",
        unit="saves",
        rule=at_least(1),
    )
    skip_bad_samples: int = option(
        0,
        "go on when samples cannot be read, taking the next one instead, for at most so many of them",
        "run",
        unit="samples",
        rule=at_least(0),
    )
    skip_nonfinite: int = option(
        0,
        "leave out a step whose losses or gradients are not finite, at most so many in a row; reads every step back",
        "run",
        unit="steps",
        rule=at_least(0),
    )

    download: bool = option(
        True,
        "fetch weights of frozen networks that are not on this machine, once, from their official addresses",
        "run",
        aliases=("allow_download",),
        role="session",
    )

    # discriminator
    num_D: int = option(2, "number of scales", "discriminator", rule=at_least(1), role="weights")
    n_layers_D: int = option(
        4, "layers at each scale before the last one", "discriminator", unit="layers", rule=at_least(1), role="weights"
    )
    ndf: int = option(
        64, "width of the discriminator", "discriminator", unit="channels", rule=at_least(1), role="weights"
    )

    # losses
    gan_mode: str = option("hinge", "adversarial loss", "losses", choices=GAN_MODES)
    gan_feat_loss: bool = option(True, "feature matching loss", "losses", aliases=("ganFeat_loss",))
    vgg_loss: bool = option(True, "perceptual loss on VGG19 features", "losses")
    vgg_weights: str | None = option(
        None, "file with VGG19 weights", "losses", rule=FILE, unset="torch hub's folder of checkpoints, or a download"
    )
    lambda_feat: float = option(10.0, "weight of the feature matching loss", "losses", rule=at_least(0))
    lambda_vgg: float = option(10.0, "weight of the perceptual loss", "losses", rule=at_least(0))
    lambda_kld: float = option(0.05, "weight of the KL divergence, with --use_vae", "losses", rule=at_least(0))

    # schedule
    niter: int = option(
        50, "length of the first part, at the full learning rate", "schedule", unit="epochs", rule=at_least(0)
    )
    niter_decay: int = option(
        0,
        "length of the second part, in which the learning rate falls to zero in a line",
        "schedule",
        unit="epochs",
        rule=at_least(0),
    )
    lr: float = option(0.0002, "learning rate of Adam, before --TTUR divides it", "schedule", rule=POSITIVE)
    TTUR: bool = option(
        True,
        "two time scales: generator at lr / 2, discriminator at lr * 2; off: both at lr, betas 0.5 and 0.999",
        "schedule",
    )
    beta1: float = option(0.0, "momentum of Adam; 0.5 with --no_TTUR", "schedule", rule=BELOW_ONE)
    beta2: float = option(0.9, "second momentum of Adam; 0.999 with --no_TTUR", "schedule", rule=BELOW_ONE)
    D_steps_per_G: int = option(
        1, "discriminator steps for each generator step", "schedule", unit="steps", rule=at_least(1)
    )

    accumulate: int = option(
        1,
        "compute each batch in so many parts, to save memory; batch norm sees each part alone",
        "schedule",
        unit="parts",
        rule=at_least(1),
    )
    checkpoint_activations: bool = option(
        False,
        "compute activations of the generator's blocks twice instead of keeping them: slower, less memory",
        "schedule",
    )
    adam: str = option(
        "auto", "how Adam is computed, equal up to rounding; auto is torch's choice", "schedule", choices=ADAMS
    )
    ema: float | None = option(
        None,
        "also keep an average of the generator's weights, which test.py uses: the fraction of the old average in each "
        "step, such as 0.999; after n steps at most (1 + n) / (10 + n)",
        "schedule",
        rule=BELOW_ONE,
        unset="no average",
    )

    # logging
    print_freq: int = option(100, "how often losses are printed", "logging", unit="images", rule=at_least(1))
    display_freq: int = option(100, "how often images are shown", "logging", unit="images", rule=at_least(1))
    save_latest_freq: int = option(5000, "how often 'latest' is saved", "logging", unit="images", rule=at_least(1))
    save_epoch_freq: int = option(
        10, "how often an epoch is saved for good", "logging", unit="epochs", rule=at_least(1)
    )
    eval_freq: int | None = option(
        None,
        "how often the generator is scored on validation data, and after the last epoch; the best one is kept as "
        "best_net_G.pth",
        "logging",
        unit="epochs",
        rule=at_least(1),
        unset="never",
    )
    eval_generator: str | None = option(
        None,
        "which generator is scored, and can be the best: the average of --ema, the raw trained weights, or both",
        "logging",
        choices=("average", "raw", "both"),
        unset="the average, if there is one",
    )
    eval_flags: str = option(
        "",
        'flags of evaluate.py and test.py for that, in quotes: "--features random --segmenter RUN --how_many 500"; '
        'with --dataset_mode custom also the validation folders: "--label_dir DIR --image_dir DIR"',
        "logging",
    )
    best_score: str | None = option(
        None,
        "score that tells which is the best, such as fid or miou",
        "logging",
        choices=DECIDING_SCORES,
        unset="the first of these that is measured: " + ", ".join(DECIDING_SCORES),
    )
    html: bool = option(True, "write a web page of training images", "logging")
    tensorboard: bool = option(True, "write TensorBoard files", "logging", aliases=("tf_log",))
    wandb: bool = option(False, "send losses and images to Weights & Biases, if it is installed", "logging")
