"""The base class of groups of options, and of programs that combine groups."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from options.data_file import describe_the_same
from options.field import Option, OptionError, declared_options
from options.saved import load_saved, write_saved

NAMED_APART = ("name", "data")  # of a run: said in words
LONG_FLAG = 40
"""Characters of a flag beyond which texts are not aligned."""


@dataclass(frozen=True)
class Start:
    """What `--help` of a program shows first.

    Attributes:
        summary: what the program does, in a sentence.
        examples: two command lines, without the name of the program.
        options: the ten that one starts with, by name.
    """

    summary: str
    examples: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Options:
    """A group of options under one heading in `--help`, or the options of a program, which inherits from its groups.

    The constructor checks every value alone and all of them together, so every object is valid. A class
    that changes the default of an inherited option must be listed before other bases that have this option.

    Raises:
        OptionError: a value is not allowed; the message is one line with flag, value, allowed values and the fix.
    """

    program: ClassVar[str]
    is_train: ClassVar[bool]
    start: ClassVar[Start | None] = None
    heading: ClassVar[str | None]

    def __init_subclass__(cls, heading: str | None = None) -> None:
        super().__init_subclass__()
        cls.heading = heading

    def __post_init__(self) -> None:
        for name, declared in declared_options(type(self)).items():
            value = getattr(self, name)
            try:
                declared.check(value)
            except OptionError as error:
                raise OptionError(f"--{name} {value}: {error}") from None
        self.check()

    def check(self) -> None:
        """Raise an `OptionError` for options that contradict each other; every override calls that of its bases."""

    @classmethod
    def without_effect(cls) -> Mapping[str, Option]:
        """Options that the command line accepts and checks, but that have no effect in this program."""
        return {}

    def differences(self, usual: Mapping[str, Any]) -> list[str]:
        """The options that differ from `usual`, by name, as text: `--ngf 16   [default: 64]`."""
        changed = [
            (declared.typed_as(getattr(self, name)), declared.described(usual[name]))
            for name, declared in declared_options(type(self)).items()
            if name in usual and getattr(self, name) != usual[name] and name not in NAMED_APART
        ]
        width = max((min(len(flag), LONG_FLAG) for flag, _ in changed), default=0)
        return [f"{flag:<{width}}   [default: {default}]" for flag, default in changed]

    def save(self, path: str | Path) -> None:
        """Write all options to a JSON file that `load_saved` reads; the file is written atomically."""
        write_saved(path, asdict(self))

    def changes_since(self, path: str | Path) -> list[str]:
        """How these options differ from those in a file of `save`, such as `--lr 0.0002 -> --lr 0.0001`.

        Options of role "session", which are for one command only, are left out, and another data file of the same
        content. Empty if there is no file.
        """
        if not Path(path).exists():
            return []
        saved = load_saved(path)
        changes = []
        for name, declared in declared_options(type(self)).items():
            now = getattr(self, name)
            is_changed = declared.role != "session" and name in saved and saved[name] != now
            if is_changed and not (name == "data" and describe_the_same(saved[name], now)):
                changes.append(f"{declared.typed_as(saved[name])} -> {declared.typed_as(now)}")
        return changes
