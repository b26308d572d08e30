"""Groups of options about the networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from options.base import Options
from options.data import LayoutOptions, either
from options.field import ODD, POSITIVE, OptionError, at_least, option
from options.method import MethodOptions

# The keys of `GENERATORS` and `INITIALIZERS` in models/networks, which import torch; options do not.
NETG_NAMES = ("spade", "pix2pixhd")
SPADE_GENERATORS = ("spade", "spade_plus")
"""Methods whose generator is one of `NETG_NAMES`."""
PIX2PIXHD_NETG_NAMES = ("global", "local")
PADDINGS = ("zeros", "replicate")
UPSAMPLING_MODES = ("nearest", "bilinear")
CONDITIONINGS = ("spade", "concat", "none")
"""How the label map enters the inner layers of a generator: the rows of the paper's table 3."""
INIT_TYPES = ("normal", "xavier", "xavier_uniform", "kaiming", "orthogonal", "none")
UPSAMPLINGS = {"normal": 5, "more": 6, "most": 7}
"""Number of doublings of the spade generator for each `--num_upsampling_layers`."""
PIX2PIXHD_ALONE = ("netG pix2pixhd",)
LATENT_FLAGS = {"pix2pix": "--dropout --test_statistics own", "oasis": "--noise_3d"}
"""What gives the generator of a method a latent (see `has_latent`), where that is not `--use_vae`."""


@dataclass(frozen=True, kw_only=True)
class GeneratorOptions(Options, heading="generator"):
    """The architecture of the generator."""

    netG: str = option(
        "spade",
        "generator: that of SPADE, or of pix2pixHD as SPADE's code changed it; with --method pix2pixhd global or local",
        choices=(*NETG_NAMES, *PIX2PIXHD_NETG_NAMES),
        role="weights",
    )
    conditioning: str = option(
        "spade",
        "how the label map enters the inner layers: it modulates norms (spade), it is concatenated to features, or not "
        "at all; none by default with --netG pix2pixhd",
        choices=CONDITIONINGS,
        role="weights",
    )
    norm_G: str = option(
        "spectralspadesyncbatch3x3",
        "norm layers of the generator: [spectral]spade(instance|batch|syncbatch)KxK; without --conditioning spade "
        "[spectral][none|instance|batch|syncbatch], spectralsyncbatch by default, with --netG pix2pixhd instance",
        role="weights",
    )
    ngf: int = option(64, "width of generator and encoder", unit="channels", rule=at_least(2), role="weights")
    padding_G: str = option(
        "zeros",
        "what convolutions of the generator see beyond the border: zeros, as published, which show as lines along the "
        "border, strongest in small images; or the nearest value (replicate), which costs memory in training",
        choices=PADDINGS,
        role="weights",
    )
    upsampling_G: str = option(
        "nearest",
        "how the spade generator enlarges its feature maps: by repeating values, as published, which shows as steps in "
        "images, or smoothly",
        choices=UPSAMPLING_MODES,
        role="weights",
    )
    num_upsampling_layers: str = option(
        "normal",
        "upsampling in the spade generator: 5, 6 (more) or 7 (most) times; most adds a block",
        choices=tuple(UPSAMPLINGS),
        role="weights",
        needs=("netG spade",),
    )
    resnet_n_downsample: int = option(
        4,
        "pix2pixhd: times the image is halved",
        unit="layers",
        rule=at_least(0),
        role="weights",
        needs=PIX2PIXHD_ALONE,
    )
    resnet_n_blocks: int = option(
        9, "pix2pixhd: residual blocks", unit="blocks", rule=at_least(0), role="weights", needs=PIX2PIXHD_ALONE
    )
    resnet_kernel_size: int = option(
        3, "pix2pixhd: kernel of the residual blocks", unit="pixels", rule=ODD, role="weights", needs=PIX2PIXHD_ALONE
    )
    resnet_initial_kernel_size: int = option(
        7, "pix2pixhd: kernel of the first layer", unit="pixels", rule=ODD, role="weights", needs=PIX2PIXHD_ALONE
    )

    @property
    def upsamplings(self) -> int:
        """Number of times that the spade generator doubles the size of its first feature map."""
        return UPSAMPLINGS[self.num_upsampling_layers]


@dataclass(frozen=True, kw_only=True)
class InitializationOptions(Options, heading="generator"):
    """The weights of new networks."""

    init_type: str = option("xavier", "how weights are initialized", choices=INIT_TYPES)
    init_gain: float = option(
        0.02, "gain, or standard deviation, of the initial weights", aliases=("init_variance",), rule=POSITIVE
    )


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(Options, heading="encoder"):
    """The architecture of the encoder."""

    use_vae: bool = option(False, "encode a style image into the latent", role="weights")
    random_input: bool = option(
        False,
        "start the generator from a random latent, without encoder; implied by --z_dim without --use_vae in a new run",
        role="weights",
    )
    z_dim: int = option(
        256,
        "length of the latent, with --use_vae, --random_input or --method oasis",
        rule=at_least(1),
        role="weights",
        needs=("netG spade", "method oasis"),
    )
    norm_E: str = option(
        "spectralinstance",
        "norm layers of the encoder: [spectral][none|instance|batch|syncbatch]",
        role="weights",
        needs=("use_vae",),
    )


@dataclass(frozen=True, kw_only=True)
class DiscriminatorOptions(Options, heading="discriminator"):
    """The architecture of the discriminator."""

    norm_D: str = option(
        "spectralinstance",
        "norm layers of the discriminator: [spectral][none|instance|batch|syncbatch]",
        role="weights",
    )
    num_D: int = option(2, "number of scales", rule=at_least(1), role="weights")
    n_layers_D: int = option(
        4, "layers at each scale before the last one", unit="layers", rule=at_least(1), role="weights"
    )
    ndf: int = option(64, "width of the discriminator", unit="channels", rule=at_least(1), role="weights")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(LayoutOptions, MethodOptions, GeneratorOptions, EncoderOptions):
    """Everything that defines generator and encoder of a trained run: their inputs and their architecture."""

    @property
    def size_step(self) -> tuple[int, str]:
        """The generator's sizes are multiples of 2^n; with others, images and photos would differ in size."""
        if self.method not in SPADE_GENERATORS:
            return 1, ""  # the method checks its sizes
        if self.netG == "spade":
            return 2**self.upsamplings, f" with --num_upsampling_layers {self.num_upsampling_layers}"
        return 2**self.resnet_n_downsample, f" with --resnet_n_downsample {self.resnet_n_downsample}"

    @property
    def has_latent(self) -> bool:
        """Whether the generator takes a latent; random ones give different images of one label map."""
        return has_latent(vars(self))

    def check(self) -> None:
        """Refuse a latent for a generator that takes none, and one that leaves the label map no way in."""
        super().check()
        if self.method in SPADE_GENERATORS and self.netG not in NETG_NAMES:
            raise OptionError(
                f"--netG {self.netG}: a generator of --method pix2pixhd; add that, or use {either(NETG_NAMES)}"
            )
        if self.upsampling_G != "nearest" and self.netG == "pix2pixhd":
            raise OptionError(
                f"--upsampling_G {self.upsampling_G}: --netG pix2pixhd enlarges by transposed convolutions; use --netG "
                "spade, or leave it out"
            )
        if self.use_vae and self.random_input:
            raise OptionError("--random_input: with --use_vae the latent is a style; use --no_use_vae")
        if not (self.use_vae or self.random_input):
            return
        latent = "use_vae" if self.use_vae else "random_input"
        if self.netG == "pix2pixhd":
            raise OptionError(f"--{latent}: --netG pix2pixhd takes no latent; use --netG spade or --no_{latent}")
        if self.conditioning == "none":
            raise OptionError(
                f"--conditioning none: with --{latent} the generator would not see the label map; use --conditioning "
                f"spade or --no_{latent}"
            )


def has_latent(values: Mapping[str, Any]) -> bool:
    """Whether the generator of these options, perhaps those of a saved run, takes a latent."""
    method = values.get("method")
    # The latent of pix2pix is the noise of its dropout.
    dropout = method == "pix2pix" and values.get("dropout") and values.get("test_statistics") == "own"
    noise = method == "oasis" and values.get("noise_3d")
    return bool(values.get("use_vae") or values.get("random_input") or dropout or noise)
