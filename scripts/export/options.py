"""The options of `python -m scripts.export`: which networks to load, as test.py is told, and which file to write."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from models import METHODS
from options import OptionError, TestOptions
from options.base import Start
from options.field import option, reuse
from options.networks import SPADE_GENERATORS, NetworkOptions
from options.run import DeviceOptions, RunOptions, SavedRunOptions

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "run": ""}
ANY_SIZE = [name for name, method in METHODS.items() if method.is_exported_for_any_size]
VARIANTS = ("float32", "float16", "int8")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(RunOptions, NetworkOptions, heading="results"):
    """What this script can be told. The trained run supplies architecture, size and classes, as for test.py."""

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "python -m scripts.export"
    start: ClassVar[Start] = Start(
        "Write the generator of a trained run as one file for other programs, or as a small run.",
        ("--name mine --output mine.onnx", "--name mine --format run --output mine_small"),
        (
            *("name", "output", "format", "precision", "modulation", "dynamic_size", "which_epoch"),
            *("use_raw_G", "checkpoints_dir", "time"),
        ),
    )

    crop_size: int = reuse(TestOptions, "crop_size")
    which_epoch: str = reuse(SavedRunOptions, "which_epoch")
    threads: int | None = reuse(DeviceOptions, "threads")
    use_raw_G: bool = reuse(TestOptions, "use_raw_G")
    format: str = option(
        "onnx",
        "kind of file: onnx for ONNX Runtime and others, torch_export for PyTorch without the project, run for a "
        "folder that test.py reads",
        choices=tuple(SUFFIXES),
    )
    output: str | None = option(
        None, "file to write, which ends in .onnx or .pt2; with --format run a folder", unset="not given; needed"
    )
    precision: str = option(
        "float32",
        "how the generator is stored: float16 computes in 16 bits too; int8 stores each weight in 8 bits and computes "
        "in 32. Encoders stay in 32 bits",
        choices=VARIANTS,
    )
    modulation: str | None = option(
        None,
        "what a generator of spade takes: table for the distinct neighborhoods of label maps, which generate.py finds, "
        "and a row of gamma and beta for each, several times as fast; dense for label maps",
        choices=("dense", "table"),
        role="session",
        unset="table where it can be",
    )
    dynamic_size: bool = option(
        False,
        f"let every call choose height and width; with --method {' or '.join(ANY_SIZE)}, and not for generators with a "
        f"latent",
    )
    allow_low_psnr: bool = option(False, "write a variant even if it is far from the trained network")
    time: bool = option(False, "measure seconds per image, beside the trained network")

    def check(self) -> None:
        """Refuse file names that do not fit the format, and --dynamic_size for generators that do not support it."""
        super().check()
        suffix = SUFFIXES[self.format]
        if not self.output:
            proposed = f"{self.name}{suffix or '_small'}"
            raise OptionError(f"--output: needed, the file or folder to write; for this run --output {proposed}")
        if suffix and self.output_path.suffix != suffix:
            raise OptionError(f"--output {self.output}: with --format {self.format} the name must end in {suffix}")
        if suffix and self.output_path.is_dir():
            raise OptionError(f"--output {self.output}: is a folder; name a file")
        if not suffix and self.output_path.is_file():
            raise OptionError(f"--output {self.output}: is a file; with --format run name a folder")
        if not METHODS[self.method].is_exported:
            raise OptionError(f"--method {self.method}: needs more than a label map; generate with test.py")
        if self.instance_feat or self.label_feat:
            flag = "instance_feat" if self.instance_feat else "label_feat"
            raise OptionError(f"--{flag}: a file has no photos and no features; generate with test.py")
        if self.dynamic_size and self.format == "run":
            raise OptionError("--dynamic_size: --format run has the networks as they are; leave the flag out")
        if self.dynamic_size and self.method not in ANY_SIZE:
            raise OptionError(f"--dynamic_size: not for --method {self.method}; leave the flag out")
        if self.dynamic_size and self.has_latent:
            raise OptionError(
                f"--dynamic_size: a generator with a latent (--{'use_vae' if self.use_vae else 'random_input'}) makes "
                "its first feature map from z by a matrix with a row for every position, so it knows one size only, "
                f"{self.size[1]}x{self.size[0]}; leave the flag out"
            )

        if self.modulation == "table" and (reason := self._why_dense()):
            raise OptionError(f"--modulation table: {reason}; leave it out")

    def _why_dense(self) -> str | None:
        """Why the file cannot have tables; None if it can."""
        if self.format != "onnx":
            return "for --format onnx only"
        if self.method not in SPADE_GENERATORS or self.netG != "spade" or self.conditioning != "spade":
            return "only generators of --netG spade with --conditioning spade have tables in files"
        return "with --dynamic_size a file takes label maps" if self.dynamic_size else None

    @property
    def by_table(self) -> bool:
        """Whether the file takes neighborhoods instead of label maps."""
        return self.modulation != "dense" and self._why_dense() is None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images the networks were trained with."""
        return round(self.crop_size / self.aspect_ratio), self.crop_size

    @property
    def output_path(self) -> Path:
        """Path of the generator's file."""
        return Path(self.output or "")

    @property
    def encoder_path(self) -> Path:
        """Path of the encoder's file, beside the generator."""
        return self.output_path.with_name(f"{self.output_path.stem}.encoder{self.output_path.suffix}")
