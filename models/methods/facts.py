"""What programs know of a method before PyTorch is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.methods.base import Method


@dataclass(frozen=True)
class MethodFacts:
    """The entry of a method in `METHODS`: where its class is, and what of it does not need the class.

    Attributes:
        place: "file:Class" in `models/methods`, imported when it is needed.
        options: those that this method uses, of the options that only some methods use.
        preset: values that replace the defaults of options.
        data_presets: further ones for a data set, on top of the preset of the data set.
        size_fixes_weights: whether the weights fit one size of images alone.
        is_exported: whether `scripts.export` can write its generator, which needs no more than labels, edges and z.
        is_exported_for_any_size: whether such a file can also take any size.
    """

    place: str
    options: frozenset[str]
    preset: Mapping[str, Any] = field(default_factory=dict)
    data_presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    size_fixes_weights: bool = False
    is_exported: bool = True
    is_exported_for_any_size: bool = False

    def load(self) -> type[Method]:
        """The class of the method."""
        file, _, name = self.place.partition(":")
        return getattr(import_module(f"models.methods.{file}"), name)

    def check(self, opt: Any) -> None:
        """Refuse options that this method cannot use. Raises `InputError`."""
        self.load().check(opt)
