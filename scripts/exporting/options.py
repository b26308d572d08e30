"""What `scripts/export.py` can be told: its own options, and those of test.py that say which networks to load."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from data import PRESETS
from options import OptionError, TestOptions
from options.command_line import CommandLine
from options.field import declared_options, option, with_default
from options.resolve import resolve

USED = (
    "name", "checkpoints_dir", "which_epoch", "use_raw_G", "format", "output", "precision", "dynamic_size",
    "allow_low_psnr", "time", "dataset_mode", "label_nc", "contain_dontcare_label", "instance", "crop_size",
    "aspect_ratio", "netG", "norm_G", "ngf", "num_upsampling_layers", "resnet_n_downsample", "resnet_n_blocks",
    "resnet_kernel_size", "resnet_initial_kernel_size", "use_vae", "z_dim", "norm_E",
)  # fmt: skip
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2"}
VARIANTS = ("float32", "float16", "int8")
NO_FILES = "(none)"  # the custom data set asks for its folders, and an export reads no label maps


@dataclass(frozen=True, kw_only=True)
class ExportOptions(TestOptions):
    """What this script can be told. The trained run supplies architecture, size and classes, as for test.py."""

    program: ClassVar[str] = "export.py"

    label_dir: str | None = with_default(TestOptions, "label_dir", NO_FILES)
    instance_dir: str | None = with_default(TestOptions, "instance_dir", NO_FILES)

    format: str = option(
        "onnx",
        "kind of file: onnx for ONNX Runtime and others, torch_export for PyTorch without the project",
        "results",
        choices=tuple(SUFFIXES),
    )
    output: str | None = option(
        None, f"file to write, which ends in {' or '.join(SUFFIXES.values())}", "results", unset="not given; needed"
    )
    precision: str = option(
        "float32",
        "how the generator is stored: float16 computes in 16 bits too; int8 stores each weight in 8 bits and computes "
        "in 32. Encoders stay in 32 bits",
        "results",
        choices=VARIANTS,
    )
    dynamic_size: bool = option(
        False, "let every call choose height and width; not for generators with an encoder", "results"
    )
    allow_low_psnr: bool = option(False, "write a variant even if it is far from the trained network", "results")
    time: bool = option(False, "measure seconds per image, beside the trained network", "results")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images the networks were trained with."""
        return round(self.crop_size / self.aspect_ratio), self.crop_size

    @property
    def output_path(self) -> Path:
        """Where the generator goes."""
        return Path(self.output)

    @property
    def encoder_path(self) -> Path:
        """Where the encoder goes: beside the generator."""
        return self.output_path.with_name(f"{self.output_path.stem}.encoder{self.output_path.suffix}")


def parse_args(argv: Sequence[str] | None = None) -> ExportOptions:
    """The options of a command line, by the precedence that test.py has; mistakes end the program with status 2."""
    options = dict(declared_options(ExportOptions))
    options["dataset_mode"] = dataclasses.replace(options["dataset_mode"], choices=tuple(PRESETS))
    used = {name: options[name] for name in USED}
    command_line = CommandLine(ExportOptions.program, used, PRESETS, is_train=False)
    typed = command_line.typed(sys.argv[1:] if argv is None else argv)
    try:
        opt, warnings = resolve(ExportOptions, options, PRESETS, typed)
        check(opt)
    except OptionError as error:
        command_line.error(str(error))
    for warning in warnings:
        command_line.warn(warning)
    return opt


def check(opt: ExportOptions) -> None:
    """Raise an `OptionError` for what is wrong with this script's own options."""
    suffix = SUFFIXES[opt.format]
    if not opt.output:
        raise OptionError(f"--output: needed, the file to write; for this run --output {opt.name}{suffix}")
    if opt.output_path.suffix != suffix:
        raise OptionError(f"--output {opt.output}: with --format {opt.format} the name must end in {suffix}")
    if opt.output_path.is_dir():
        raise OptionError(f"--output {opt.output}: is a folder; name a file")
    if opt.dynamic_size and opt.use_vae:
        raise OptionError(
            "--dynamic_size: a generator with an encoder (--use_vae) makes its first feature map from z by a matrix "
            f"with a row for every position, so it knows one size only, {opt.size[1]}x{opt.size[0]}; leave the flag out"
        )
