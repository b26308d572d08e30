"""The key of a study: which system made which image. It is not in the page, so participants cannot look it up."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.study.pairs import Pair, study_id
from util.errors import InputError
from util.files import replacing

KIND = "preference study key"
SUFFIX = ".key.json"
FORMAT = 1


@dataclass(frozen=True)
class Key:
    """Which system made which image.

    Attributes:
        a, b: names of the two systems.
        pairs: id of a pair -> number of the image by A, and name of the sample.
        checks: id of an attention check -> number of the intact image, and name of the sample.
    """

    study: str
    a: str
    b: str
    pairs: Mapping[str, tuple[int, str]]
    checks: Mapping[str, tuple[int, str]]

    @property
    def ids(self) -> list[str]:
        """Ids of all questions, in the order of the page's numbering."""
        return sorted([*self.pairs, *self.checks])


def make_key(pairs: Sequence[Pair], a: str, b: str) -> Key:
    """Return the key of a study."""

    def targets(are_checks: bool) -> dict[str, tuple[int, str]]:
        return {pair.id: (pair.target, pair.name) for pair in pairs if pair.is_check == are_checks}

    return Key(study_id(pairs), a, b, targets(False), targets(True))


def key_path(page: Path) -> Path:
    """Return where the key of a page is written."""
    return page.with_name(page.stem + SUFFIX)


def write_key(key: Key, path: Path) -> None:
    """Write a key. Raises `InputError` if it would replace that of another study, whose answers need it."""
    if path.exists() and (old := read_key(path).study) != key.study:
        raise InputError(
            f"{path} is the key of another study ({old}), whose answers need it; give another --output, or remove it"
        )
    with replacing(path) as temporary:
        content = {"format": FORMAT, "kind": KIND, **asdict(key)}
        temporary.write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace"
        )


def read_key(path: Path) -> Key:
    """Read a key. Raises `InputError` for other files."""
    content = read_json(path, KIND)
    try:
        tables = (
            {id: (int(target), str(name)) for id, (target, name) in content[k].items()} for k in ("pairs", "checks")
        )
        key = Key(str(content["study"]), str(content["a"]), str(content["b"]), *tables)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: is a damaged key; make the study again with the same command") from None
    return key


def find_key(study: str, given: Path | None, folders: Iterable[Path]) -> Key:
    """Return the key of a study, from the given file or found in `folders`. Raises `InputError` if there is none."""
    if given:
        key = read_key(given)
        if key.study != study:
            raise InputError(f"--key {given}: is of study {key.study}, and the answers are of study {study}")
        return key
    for folder in folders:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                key = read_key(path)
            except InputError:  # a key of another study, perhaps
                continue
            if key.study == study:
                return key
    raise InputError(
        f"found no key of study {study}; give --key FILE, which was written beside the page as *{SUFFIX} (the command "
        f"that made the study makes the same key again)"
    )


def read_json(path: Path, kind: str, formats: Sequence[int] = (FORMAT,)) -> dict[str, Any]:
    """Read a file of this script in one of some formats. Raises `InputError` if it is damaged or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise InputError(f"{path}: is no JSON, perhaps cut short ({error}); get or save it again") from None
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise InputError(f"{path}: is no {kind}; leave it out")
    if content.get("format") not in formats:
        known = " and ".join(map(str, formats))
        raise InputError(f"{path}: format {content.get('format')!r} is not known here, only {known}")
    return content
