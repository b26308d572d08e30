"""Options of the training program."""

from dataclasses import dataclass
from typing import ClassVar

from options.base import BaseOptions
from options.field import BELOW_ONE, POSITIVE, at_least, option

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

    # discriminator
    netD: str = option(
        "multiscale",
        "discriminator",
        "discriminator",
        choices=("multiscale",),
        role="weights",
        retired=dict.fromkeys(("n_layer", "n_layers", "image"), "use --netD multiscale --num_D 1"),
    )
    netD_subarch: str = option(
        "n_layer",
        "architecture of the discriminator at each scale",
        "discriminator",
        choices=("n_layer",),
        role="weights",
    )
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
    vgg_weights: str | None = option(None, "file with VGG19 weights", "losses", unset="the ones torchvision downloads")
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

    # logging
    print_freq: int = option(100, "how often losses are printed", "logging", unit="images", rule=at_least(1))
    display_freq: int = option(100, "how often images are shown", "logging", unit="images", rule=at_least(1))
    save_latest_freq: int = option(5000, "how often 'latest' is saved", "logging", unit="images", rule=at_least(1))
    save_epoch_freq: int = option(
        10, "how often an epoch is saved for good", "logging", unit="epochs", rule=at_least(1)
    )
    html: bool = option(True, "write a web page of training images", "logging")
    tensorboard: bool = option(True, "write TensorBoard files", "logging", aliases=("tf_log",))
