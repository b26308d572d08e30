"""The description of a data set: its classes, and where the samples of its parts are."""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from options.field import OptionError, Preset

KINDS = ("labels", "photos", "instances")
PLACES = (*KINDS, "file_list", "shards")
"""Keys of a part that hold a path."""
PARTS = ("train", "val", "test")
UNKNOWN_IN_FILES = 255
"""Value of unknown pixels in label maps that no data file describes."""
LARGEST_ID = 65535  # what a 16-bit PNG holds
Color = tuple[int, int, int]


@dataclass(frozen=True)
class ClassRow:
    """A class: the id in label maps, a name, and a color for pages."""

    id: int
    name: str
    color: Color | None = None


@dataclass(frozen=True)
class Part:
    """Where the samples of training, validation or test are: folders, shards, or a fraction of those of training.

    `shards` is a pattern of tars, such as DIR/train-{000000..000127}.tar, or of their addresses on a web server.
    """

    labels: str = ""
    photos: str | None = None
    instances: str | None = None
    file_list: str | None = None
    fraction: float | None = None
    shards: str | None = None

    def resolved(self) -> "Part":
        """The same part with absolute paths."""
        given = {name: path for name in PLACES if (path := getattr(self, name)) and "://" not in path}
        return dataclasses.replace(self, **{name: str(Path(path).resolve()) for name, path in given.items()})


@dataclass(frozen=True)
class DataFile:
    """The content of a data file. Paths are absolute, or relative to the working directory.

    Attributes:
        path: the file; errors name it.
        unknown: value of unknown pixels in label maps; None if every pixel has a class.
        suffixes: of file names after the sample's name, by kind ("labels", "photos", "instances").
        colors_are_labels: whether label maps show colors.
        unknown_colors: colors of unknown pixels in these.
        parts: by name, of `PARTS`.
        preset: defaults of options, those that follow from the classes included.
    """

    path: Path
    name: str
    classes: tuple[ClassRow, ...] = ()
    unknown: int | None = None
    suffixes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    colors_are_labels: bool = False
    unknown_colors: tuple[Color, ...] = ()
    parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    split_seed: int = 0
    preset: Preset = dataclasses.field(default_factory=Preset)

    def part(self, phase: str) -> tuple[str, Part]:
        """The part that `--phase` reads, with its name: [val] for "test" where there is no [test].

        Raises:
            OptionError: there is no such part.
        """
        names = ("test", "val") if phase == "test" else (phase,)
        for name in names:
            if name in self.parts:
                return name, self.parts[name]
        there = " and ".join(f"[{name}]" for name in self.parts) or "no part at all"
        missing = names[-1] if phase == "test" else phase
        others = [f"--phase {name}" for name in self.parts]
        fix = f"write a [{missing}] into it" if missing in PARTS else "use " + " or ".join(others)
        raise OptionError(f"--phase {phase}: {self.path} describes {there}; {fix}, or add --label_dir FOLDER")

    def at(self, address: str) -> "DataFile":
        """The same description, with the shards beside it at an address on a web server."""
        parts = {
            name: dataclasses.replace(part, shards=f"{address}/{Path(part.shards).name}") if part.shards else part
            for name, part in self.parts.items()
        }
        return dataclasses.replace(self, parts=parts)

    def folders_of(self, name: str) -> Part:
        """The part that has the folders of part `name`: itself, or [train] if it is a fraction of that."""
        return self.parts["train"] if self.parts[name].fraction is not None else self.parts[name]

    def has(self, name: str, sample: str) -> bool:
        """Whether part `name` has `sample`, which is in its folders.

        Fractions are chosen by a hash of the name, so a sample stays in its part when others are added or removed.
        """
        fractions = {other: part.fraction for other, part in self.parts.items() if part.fraction is not None}
        if not fractions or name not in ("train", *fractions):
            return True
        digest = hashlib.sha256(f"{self.split_seed}/{sample}".encode(errors="surrogateescape")).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        for other, fraction in fractions.items():
            if place < fraction:
                return name == other
            place -= fraction
        return name == "train"
