"""Options that training and test share."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from options.checks import check_together
from options.data import DataOptions
from options.field import (
    FOLDER,
    GPU_IDS,
    ODD,
    PLAIN_NAME,
    POSITIVE,
    OptionError,
    at_least,
    between,
    declared_options,
    option,
)
from options.saved import SAVED_NAME, load_saved, write_saved

NETG_NAMES = ("spade", "pix2pixhd")
INIT_TYPES = ("normal", "xavier", "xavier_uniform", "kaiming", "orthogonal", "none")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
LARGEST_SEED = 2**32 - 1  # what NumPy takes
UPSAMPLINGS = {"normal": 5, "more": 6, "most": 7}
"""How many times each `--num_upsampling_layers` of the spade generator doubles the size."""


@dataclass(frozen=True, kw_only=True)
class BaseOptions(DataOptions):
    """What both programs can be told; use `TrainOptions` or `TestOptions`.

    Building one checks every value alone and all of them together, so an object that exists is usable.

    Raises:
        OptionError: (a ValueError) in one line, naming flag, value, what is allowed and the fix.
    """

    is_train: ClassVar[bool]
    program: ClassVar[str]

    # run
    name: str = option("label2coco", "experiment; the folder of its files", "run", rule=PLAIN_NAME, role="session")
    checkpoints_dir: str = option(
        "./checkpoints", "folder that holds the folder of every run", "run", rule=FOLDER, role="session"
    )
    gpu_ids: str = option(
        "auto",
        "GPUs to use: numbers such as 0,1; -1 for the CPU; auto for GPUs that exist, else CPU",
        "run",
        rule=GPU_IDS,
        role="session",
    )
    channels_last: bool | None = option(
        None,
        "keep activations channels-last in memory: equal up to rounding, faster on most GPUs and many CPUs",
        "run",
        unset="on, but not with dense modulation on a CPU",
        role="session",
    )
    precision: str = option(
        "fp32",
        "arithmetic of the networks: tf32 rounds matrix products on GPUs, bf16 and fp16 compute in 16 bits; norm "
        "statistics, losses and spectral norm stay in 32",
        "run",
        choices=PRECISIONS,
    )
    modulation: str | None = option(
        None,
        "how SPADE makes gamma and beta: dense, by two convolutions at every site, or table, by one row for each "
        "distinct neighborhood of the label map; images and losses are the same",
        "run",
        choices=("dense", "table"),
        role="session",
        unset="table on a CPU, dense on a GPU",
    )
    compile: bool = option(False, "compile the networks with torch.compile: slow to start, then faster", "run")
    deterministic: bool = option(False, "use only kernels that give the same bits each time, which are slower", "run")
    seed: int = option(0, "start of all random numbers", "run", rule=between(0, LARGEST_SEED))
    which_epoch: str = option(
        "latest",
        "which saved networks to load: latest, the number of an epoch, or best, which train.py --eval_freq keeps",
        "run",
        rule=PLAIN_NAME,
        role="session",
    )
    load_from_opt_file: bool = option(
        False,
        f"take defaults from the saved run (<checkpoints_dir>/<name>/{SAVED_NAME}); test always does if it exists",
        "run",
        role="session",
    )

    # generator
    netG: str = option("spade", "generator", "generator", choices=NETG_NAMES, role="weights")
    norm_G: str = option(
        "spectralspadesyncbatch3x3",
        "norm layers of the generator: [spectral]spade(instance|batch|syncbatch)KxK; with --netG pix2pixhd "
        "[spectral][none|instance|batch|syncbatch], instance by default",
        "generator",
        role="weights",
    )
    ngf: int = option(
        64, "width of generator and encoder", "generator", unit="channels", rule=at_least(2), role="weights"
    )
    num_upsampling_layers: str = option(
        "normal",
        "upsampling in the spade generator: 5, 6 (more) or 7 (most) times; most adds a block",
        "generator",
        choices=tuple(UPSAMPLINGS),
        role="weights",
    )
    resnet_n_downsample: int = option(
        4, "pix2pixhd: times the image is halved", "generator", unit="layers", rule=at_least(0), role="weights"
    )
    resnet_n_blocks: int = option(
        9, "pix2pixhd: residual blocks", "generator", unit="blocks", rule=at_least(0), role="weights"
    )
    resnet_kernel_size: int = option(
        3, "pix2pixhd: kernel of the residual blocks", "generator", unit="pixels", rule=ODD, role="weights"
    )
    resnet_initial_kernel_size: int = option(
        7, "pix2pixhd: kernel of the first layer", "generator", unit="pixels", rule=ODD, role="weights"
    )
    init_type: str = option("xavier", "how weights start", "generator", choices=INIT_TYPES)
    init_gain: float = option(
        0.02, "gain, or deviation, of the weights at the start", "generator", aliases=("init_variance",), rule=POSITIVE
    )

    # encoder and discriminator
    use_vae: bool = option(False, "encode a style image into the latent", "encoder", role="weights")
    z_dim: int = option(256, "length of the latent", "encoder", rule=at_least(1), role="weights")
    norm_E: str = option(
        "spectralinstance",
        "norm layers of the encoder: [spectral][none|instance|batch|syncbatch]",
        "encoder",
        role="weights",
    )
    norm_D: str = option("spectralinstance", "the same of the discriminator", "discriminator", role="weights")

    # logging
    display_winsize: int = option(
        400, "width of images on web pages", "logging", unit="pixels", rule=at_least(1), role="data"
    )

    def __post_init__(self) -> None:
        """Check all values; `dataroot` is the one default that is written from another field."""
        if self.dataroot is None:
            object.__setattr__(self, "dataroot", f"./datasets/{self.dataset_mode}/")
        for name, declared in declared_options(type(self)).items():
            value = getattr(self, name)
            try:
                declared.check(value)
            except OptionError as error:
                raise OptionError(f"--{name} {value}: {error}") from None
        self.check_together()

    def check_together(self) -> None:
        """Raise an `OptionError` for options that contradict each other."""
        check_together(self)

    @property
    def upsamplings(self) -> int:
        """How many times the spade generator doubles the size of its first feature map."""
        return UPSAMPLINGS[self.num_upsampling_layers]

    @property
    def run_dir(self) -> Path:
        """Folder of this run's files."""
        return Path(self.checkpoints_dir) / self.name

    @property
    def gpu_id_list(self) -> tuple[int, ...] | None:
        """GPU numbers; empty for the CPU; None for "auto": GPUs that exist, else the CPU."""
        if self.gpu_ids == "auto":
            return None
        return tuple(number for number in map(int, self.gpu_ids.split(",")) if number >= 0)

    def describe(self) -> str:
        """All options, sorted, one a line; those that differ from the field's default say so."""
        lines = []
        for name, declared in sorted(declared_options(type(self)).items()):
            value = getattr(self, name)
            changed = f"[default: {declared.shown(declared.default)}]" if value != declared.default else ""
            lines.append(f"{name:>25}: {declared.shown(value):<30} {changed}".rstrip())
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write all options to a JSON file that `load_saved` reads; a reader never sees half of it."""
        write_saved(path, asdict(self))

    def changes_since(self, path: str | Path) -> list[str]:
        """What of the recipe, the data and the networks is otherwise in a file of `save`: `--lr 0.0002 -> --lr 0.0001`.

        Options that belong to one command alone do not count.
        """
        if not Path(path).exists():
            return []
        saved = load_saved(path)
        changes = []
        for name, declared in declared_options(type(self)).items():
            now = getattr(self, name)
            if declared.role != "session" and name in saved and saved[name] != now:
                changes.append(f"{declared.typed_as(saved[name])} -> {declared.typed_as(now)}")
        return changes
