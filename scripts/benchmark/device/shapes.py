"""What the results of each stage must hold, so that a damaged or foreign file is refused. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], str | None]
"""What is wrong with a value, as words that follow its name; None if nothing is."""


def kind(words: str, *types: type) -> Check:
    """A value of one of some types, described by `words`."""

    def check(value: Any) -> str | None:
        right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        return None if right else f"is not {words}"

    return check


def list_of(item: Check, least: int = 0) -> Check:
    """A list of at least so many items."""

    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "is not a list"
        if len(value) < least:
            return f"has fewer than {least} items"
        return next((f"holds an item that {wrong}" for one in value if (wrong := item(one))), None)

    return check


def holding(**items: Check) -> Check:
    """A JSON object with these items, and perhaps others."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        for name, item in items.items():
            if name not in value:
                return f"has no {name}"
            if wrong := item(value[name]):
                return f"has {name}, which {wrong}"
        return None

    return check


def mapping(item: Check) -> Check:
    """A JSON object whose items are alike."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        return next((f"has {name}, which {wrong}" for name, one in value.items() if (wrong := item(one))), None)

    return check


def above_zero(value: Any) -> str | None:
    """A number by which others are divided."""
    return NUMBER(value) or (None if value > 0 else "is not above 0")


def alike(*lengths: int) -> str | None:
    """Jobs that took turns have as many rounds each."""
    return None if len(set(lengths)) < 2 else "has rounds of different numbers"


TEXT, NUMBER = kind("text", str), kind("a number", int, float)
FIGURE = kind("a number or null", int, float, type(None))
TEXTS, ROUNDS = list_of(TEXT), list_of(above_zero, least=2)
OF_CASE = {"precision": TEXT, "batch": above_zero, "size": TEXT, "ngf": NUMBER}
RECORD: Mapping[str, Check] = {
    "stage": TEXT,
    "machine": holding(device=TEXT, kind=TEXT),
    "command": TEXT,
    "date": TEXT,
    "outcome": TEXT,
    "reason": TEXT,
    "seconds": NUMBER,
    "planned": TEXTS,
    "rows": list_of(holding(key=TEXT)),
    "current": kind("text or null", str, type(None)),
    "last_lines": TEXTS,
    "data": TEXT,
}
"""Name of each item of a record -> its check."""
WAY = holding(seconds=ROUNDS, peak_mib=FIGURE, difference=NUMBER)
TRAINING = holding(
    **OF_CASE, name=TEXT, flags=TEXT, vgg=kind("true or false", bool), seconds=ROUNDS, dense_seconds=ROUNDS,
    peak_mib=FIGURE,
)  # fmt: skip


def ways(value: Any) -> str | None:
    """Of the generator: for each way its rounds, or why it failed."""
    if wrong := mapping(holding())(value):
        return wrong
    timed = {name: found for name, found in value.items() if found.get("seconds")}
    return mapping(WAY)(timed) or alike(*(len(found["seconds"]) for found in timed.values()))


def training(value: Any) -> str | None:
    """A training and the dense one that it took turns with."""
    return TRAINING(value) or alike(len(value["seconds"]), len(value["dense_seconds"]))


ROWS: Mapping[str, Check] = {
    "result": holding(result=TEXT),
    "ways": holding(**OF_CASE, mode=TEXT, maps=TEXT, ways=ways),
    "flags": training,
    "samples_loader": holding(
        **OF_CASE, samples_one_process=NUMBER, samples_loader=NUMBER, images_loader=NUMBER, images_memory=above_zero,
        workers=NUMBER,
    ),
    "products": holding(products=mapping(above_zero), copy=above_zero),
    "kernels": holding(
        of=TEXT, precision=TEXT, seconds=above_zero, kernel_seconds=NUMBER, multiply_adds=NUMBER, bytes=NUMBER,
        kernels=list_of(holding(name=TEXT, fraction=NUMBER)),
    ),
    "failure": holding(failure=TEXT),
}  # fmt: skip
"""An item by which rows of a kind are known -> their check."""
OF_STAGE = {
    "tests": ("result",),
    "generator": ("ways", "failure"),
    "training": ("flags", "samples_loader", "failure"),
    "kernels": ("products", "kernels", "failure"),
    "compiled": ("ways", "flags", "failure"),
}
"""Stage -> the kinds of its rows."""


def misfit(content: Any, stage: str) -> str | None:
    """Why the content of a file is no record of a stage; None if it is one."""
    if wrong := holding(**RECORD)(content):
        return f"it {wrong}"
    if unknown := sorted(content.keys() - RECORD.keys()):
        return f"it has {unknown[0]}, which no record has"
    if content["stage"] != stage:
        return f"it is of the stage {content['stage']!r}"
    for row in content["rows"] if stage in OF_STAGE else ():
        known = next((name for name in OF_STAGE[stage] if name in row), None)
        if wrong := ROWS[known](row) if known else f"has none of {', '.join(OF_STAGE[stage])}":
            return f"its row {row['key']!r} {wrong}"
    return None
