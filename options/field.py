"""Declaration of an option: `option(...)` in a dataclass body, and `Option`, which describes it to other code."""

import dataclasses
import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, Literal

Role = Literal["weights", "data", "recipe", "session"]
"""How a later command uses the value of an option in a saved run.

weights: fixes the shape or the meaning of trained weights; test takes it from the run, and it may not be changed.
data:    describes the data set; test takes it from the run, and a command line may change it.
recipe:  how to train; only training takes it from the run.
session: for one command only, never taken from a run.
"""


class OptionError(ValueError):
    """An invalid option. The message is one line: flag, value, allowed values, fix."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A condition on a value: `holds(value)`, and words that complete "must be ..."."""

    words: str
    holds: Callable[[Any], bool]


def at_least(low: int) -> Rule:
    """A finite number >= `low`."""
    return Rule(f"{low} or more", lambda value: low <= value < math.inf)


def between(low: int, high: int) -> Rule:
    """A number of `low`..`high`, both allowed."""
    return Rule(f"{low}..{high}", lambda value: low <= value <= high)


POSITIVE = Rule("greater than 0", lambda value: 0 < value < math.inf)
BELOW_ONE = Rule("at least 0 and below 1", lambda value: 0 <= value < 1)
ODD = Rule("an odd number, 1 or more", lambda value: value >= 1 and value % 2 == 1)
GPU_IDS = Rule("auto, -1 (the CPU) or different GPU numbers such as 0,1", lambda text: _are_gpu_ids(text))
FOLDER = Rule("a folder, and this is a file", lambda text: not Path(text).is_file())  # or to be made
FILE = Rule("a file, and this is a folder", lambda text: not Path(text).is_dir())
PLAIN_NAME = Rule(
    "one plain folder name (no slashes, not empty, not . or ..)",
    lambda text: text == text.strip() == PurePath(text).name and text not in {"", ".."} and "\\" not in text,
)


def _are_gpu_ids(text: str) -> bool:
    numbers = text.split(",")
    return text in {"auto", "-1"} or (
        all(re.fullmatch(r"\d+", number) for number in numbers) and len(set(map(int, numbers))) == len(numbers)
    )


@dataclasses.dataclass(frozen=True)
class Option:
    """One field of an options class.

    Attributes:
        name: field name, which is also the main spelling (`--name`).
        kind: bool, int, float or str.
        default: the field's default.
        help: what it means, for `--help`.
        group: the heading it is listed under in `--help`.
        unit: unit of the number, such as "pixels" or "images".
        choices: allowed values; empty when there is no list.
        aliases: other spellings; a boolean's `x` gives both `--x` and `--no_x`.
        off_aliases: other spellings that turn a boolean off.
        rule: condition on a value other than None.
        role: how a later command uses its value in a saved run.
        unset: text for the meaning of None; without it, None is not allowed.
        retired: values of earlier versions, with what to type instead.
        bare: value of the flag without one; None where it needs one.
        replaces: options that have no effect while this one is on, or that have none with a value ("modulation table").
        needs: options of which one must be on for this one to have an effect, or have a value ("netG spade").
    """

    name: str
    kind: type
    default: Any
    help: str
    group: str
    unit: str | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    off_aliases: tuple[str, ...] = ()
    rule: Rule | None = None
    role: Role = "recipe"
    unset: str | None = None
    retired: Mapping[Any, str] = dataclasses.field(default_factory=dict)
    needs: tuple[str, ...] = ()
    bare: int | str | None = None
    replaces: tuple[str, ...] = ()

    @property
    def switches(self) -> dict[str, bool]:
        """Every spelling of a boolean, and its value."""
        names = (self.name, *self.aliases)
        on = {f"--{name}": True for name in names}
        off = {f"--no_{name}": False for name in names} | {f"--{name}": False for name in self.off_aliases}
        return on | off

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every way to type the flag."""
        return tuple(self.switches) if self.kind is bool else tuple(f"--{name}" for name in (self.name, *self.aliases))

    def typed_as(self, value: Any) -> str:
        """The words on a command line that give `value`, such as `--no_flip` or `--ngf 64`."""
        if self.kind is bool:
            return f"--{self.name}" if value else f"--no_{self.name}"
        return f"--{self.name} {self.shown(value)}"

    @property
    def metavar(self) -> str | None:
        """What stands for the value in texts, such as N; None for a switch."""
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        if self.rule in (FOLDER, FILE):
            return "FOLDER" if self.rule is FOLDER else "FILE"
        return {bool: None, int: "N", float: "X", str: "TEXT"}[self.kind]

    def turned_on(self, value: str | None = None) -> str:
        """The words that turn this option on: with `value`, or with any that does: `--flip`, `--eval_freq N`."""
        return " ".join(filter(None, (f"--{self.name}", value or self.metavar)))

    def shown(self, value: Any) -> str:
        """`value` as text, with the meaning of None instead of None."""
        return str(self.unset) if value is None else str(value)

    def described(self, value: Any) -> str:
        """`value` as text beside the flag, where a switch is on or off."""
        if self.kind is bool and value is not None:
            return "on" if value else "off"
        return self.shown(value) or "empty"

    def from_text(self, text: str) -> Any:
        """Turn one word of the command line into a value.

        An empty word is None where None is allowed; so are "all", "inf" and "none" for numbers. Raises: OptionError.
        """
        nothing = text == "" or (self.kind is not str and text.lower() in {"all", "inf", "none"})
        if self.unset is not None and nothing:
            return None
        try:
            return self.kind(text)
        except ValueError:
            raise OptionError(f"must be {_NOUNS[self.kind]}") from None

    def check(self, value: Any) -> None:
        """Raise an `OptionError` that says what is wrong with `value`, without naming flag and value."""
        if value is None and self.unset is not None:
            return
        accepted = (int, float) if self.kind is float else (self.kind,)
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.kind is not bool):
            raise OptionError(f"must be {_NOUNS[self.kind]}")
        if value in self.retired:
            raise OptionError(f"no longer offered; {self.retired[value]}")
        if self.choices and value not in self.choices:
            raise OptionError(f"must be one of {', '.join(self.choices)}")
        if self.rule and not self.rule.holds(value):
            raise OptionError(f"must be {self.rule.words}")


_NOUNS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def option(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field that is an option; `facts` are the other attributes of `Option`, except its group."""
    return dataclasses.field(default=default, metadata={"help": help, **facts})


def reuse(cls: type, name: str, **changes: Any) -> Any:
    """Declare the option `name` of another class, or of a base, again, with `changes` of its attributes."""
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    default = changes.pop("default", field.default)
    group = declared_options(cls)[name].group
    return dataclasses.field(default=default, metadata={"group": group, **field.metadata, **changes})


@functools.cache
def declared_options(cls: type) -> Mapping[str, Option]:
    """The options of a dataclass by name, those of its bases first, in the order that the bases are listed.

    An option stays in the group that declared it first, under the `heading` of that class.
    """
    options: dict[str, Option] = {}
    for base in filter(dataclasses.is_dataclass, cls.__bases__):
        options |= declared_options(base)
    for field in dataclasses.fields(cls):
        group = options[field.name].group if field.name in options else cls.heading
        facts = {"group": group, **field.metadata}
        options[field.name] = Option(field.name, _kind(field.type), field.default, **facts)
    return types.MappingProxyType(options)


def _kind(annotation: Any) -> type:
    """`int` for `int` and for `int | None`."""
    (kind,) = (part for part in typing.get_args(annotation) or (annotation,) if part is not types.NoneType)
    return kind


def suggestion(word: str, candidates: Iterable[str]) -> str:
    """A hint "did you mean ...?" with candidates that begin with `word`, then similar ones; empty if there are none."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    begins = sorted((lower for lower in by_lower if lower.startswith(word.lower())), key=len) if word.strip("-") else []
    similar = difflib.get_close_matches(word.lower(), by_lower, n=3)
    nearest = list(dict.fromkeys(begins + similar))[:4]
    return f"did you mean {' or '.join(by_lower[lower] for lower in nearest)}?" if nearest else ""


@dataclasses.dataclass(frozen=True)
class Preset:
    """Values that replace field defaults, such as those of one data set.

    Attributes:
        both: for training and test.
        test: for test, on top of `both`.
    """

    both: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    test: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def values(self, is_train: bool) -> dict[str, Any]:
        """The values for one program."""
        return dict(self.both) if is_train else {**self.both, **self.test}
