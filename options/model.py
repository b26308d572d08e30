"""Options of programs that load a trained run and generate from label maps alone, without a data set."""

from dataclasses import dataclass
from typing import ClassVar

from options.field import reuse
from options.networks import InitializationOptions, NetworkOptions
from options.run import ComputeOptions, DeviceOptions, RunOptions, SavedRunOptions
from options.test import TestOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions(RunOptions, DeviceOptions, ComputeOptions, SavedRunOptions, NetworkOptions, InitializationOptions):
    """What the networks are built and loaded by. The trained run supplies architecture, size and classes."""

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "spade"
    takes_conditions: ClassVar[bool] = True

    crop_size: int = reuse(TestOptions, "crop_size")
    use_raw_G: bool = reuse(TestOptions, "use_raw_G")
    init_type: str = reuse(InitializationOptions, "init_type", default="none")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return round(self.crop_size / self.aspect_ratio), self.crop_size
