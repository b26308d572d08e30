"""The base class of groups of options, and of programs that combine groups."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from options.field import Option, OptionError, declared_options
from options.saved import load_saved, write_saved


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

    def describe(self) -> str:
        """All options, sorted, one a line, with the default of those that differ from it."""
        lines = []
        for name, declared in sorted(declared_options(type(self)).items()):
            value = getattr(self, name)
            changed = f"[default: {declared.shown(declared.default)}]" if value != declared.default else ""
            lines.append(f"{name:>25}: {declared.shown(value):<30} {changed}".rstrip())
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write all options to a JSON file that `load_saved` reads; the file is written atomically."""
        write_saved(path, asdict(self))

    def changes_since(self, path: str | Path) -> list[str]:
        """How these options differ from those in a file of `save`, such as `--lr 0.0002 -> --lr 0.0001`.

        Options of role "session", which are for one command only, are left out. Empty if there is no file.
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
