"""Groups of options about a run of a program: its name, its saved files, device and arithmetic."""

from dataclasses import dataclass
from pathlib import Path

from options.base import Options
from options.data import MOST_PROCESSES
from options.field import FILE, FOLDER, GPU_IDS, PLAIN_NAME, between, declared_options, option
from options.saved import SAVED_NAME

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
LARGEST_SEED = 2**32 - 1  # NumPy's limit


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options, heading="run"):
    """The folder of a run."""

    name: str = option("label2coco", "experiment; the folder of its files", rule=PLAIN_NAME, role="session")
    checkpoints_dir: str = option(
        "./checkpoints", "folder that holds the folder of every run", rule=FOLDER, role="session"
    )

    config: str | None = option(
        None,
        f"TOML file with options, such as `ngf = 32`, or the {SAVED_NAME} of any run; what is typed is stronger",
        rule=FILE,
        role="session",
        unset="not given",
    )

    @property
    def run_dir(self) -> Path:
        """Folder of this run's files."""
        return Path(self.checkpoints_dir) / self.name

    @property
    def place(self) -> list[str]:
        """The words of a command line that name this run."""
        default = declared_options(RunOptions)["checkpoints_dir"].default
        folder = [] if self.checkpoints_dir == default else ["--checkpoints_dir", self.checkpoints_dir]
        return ["--name", self.name, *folder]

    @property
    def is_saved(self) -> bool:
        """Whether a saved run fixes the architecture; for weights alone, flags must."""
        return (self.run_dir / SAVED_NAME).exists()


@dataclass(frozen=True, kw_only=True)
class SavedRunOptions(Options, heading="run"):
    """What to load from a saved run."""

    which_epoch: str = option(
        "latest",
        "which saved networks to load: latest, the number of an epoch, or best, which train.py --eval_freq keeps",
        rule=PLAIN_NAME,
        role="session",
    )
    load_from_opt_file: bool = option(
        False,
        f"take defaults from the saved run (<checkpoints_dir>/<name>/{SAVED_NAME}); test always does if it exists",
        role="session",
    )


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(Options, heading="run"):
    """The device, and the seed."""

    gpu_ids: str = option(
        "auto",
        "GPUs to use: numbers such as 0,1; -1 for the CPU; auto for GPUs that exist, else CPU",
        rule=GPU_IDS,
        role="session",
    )
    seed: int = option(0, "seed of all random numbers", rule=between(0, LARGEST_SEED))
    threads: int | None = option(
        None,
        "CPU threads of each process for arithmetic; fewer than there are cores where other programs compute, too",
        rule=between(1, MOST_PROCESSES),
        role="session",
        unset="OMP_NUM_THREADS, or as many as cores",
    )

    @property
    def gpu_id_list(self) -> tuple[int, ...] | None:
        """GPU numbers; empty for the CPU; None for "auto": GPUs that exist, else the CPU."""
        if self.gpu_ids == "auto":
            return None
        return tuple(number for number in map(int, self.gpu_ids.split(",")) if number >= 0)


@dataclass(frozen=True, kw_only=True)
class ComputeOptions(Options, heading="run"):
    """How networks are computed: speed, precision and determinism."""

    channels_last: bool | None = option(
        None,
        "keep activations channels-last in memory: equal up to rounding, faster on most GPUs and many CPUs",
        unset="on, but not with dense modulation on a CPU",
        role="session",
    )
    precision: str = option(
        "fp32",
        "arithmetic of the networks: tf32 rounds matrix products on GPUs, bf16 and fp16 compute in 16 bits; norm "
        "statistics, losses and spectral norm stay in 32",
        choices=PRECISIONS,
    )
    modulation: str | None = option(
        None,
        "how SPADE computes gamma and beta: dense, by two convolutions at every site, or table, by one row for each "
        "distinct neighborhood of the label map; images and losses are the same",
        choices=("dense", "table"),
        role="session",
        unset="table on a CPU, dense on a GPU",
    )
    compile: bool = option(False, "compile the networks with torch.compile: slow to start, then faster")
    deterministic: bool = option(False, "use only deterministic kernels, which are slower")


@dataclass(frozen=True, kw_only=True)
class DownloadOptions(Options, heading="run"):
    """Whether weights of frozen networks may be downloaded."""

    download: bool = option(
        True,
        "download weights of frozen networks that are not on this machine, once, from their official addresses",
        aliases=("allow_download",),
        role="session",
    )
