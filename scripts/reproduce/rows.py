"""Choosing rows of the paper's tables, and their names in files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from options.command_line import suggestion
from scripts.reproduce.ablations import ABLATIONS, Row
from util.errors import InputError

TABLES: Mapping[str, Sequence[Row]] = {f"table{number}": rows for number, rows in ABLATIONS.items()}


def key_of(table: str, row: Row) -> str:
    """The name of a row in file names and after --rows: its method in table 1, else its name in plain characters."""
    return method_of(row) if table == "table1" else plain(row.name)


def method_of(row: Row) -> str:
    """The value of --method in the flags of a row."""
    words = shlex.split(row.flags)
    return words[words.index("--method") + 1] if "--method" in words else "spade"


def plain(name: str) -> str:
    """`pix2pixHD++ w/o Sync BatchNorm` -> `pix2pixhdpp_wo_sync_batchnorm`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=w)/", "", name.lower()).replace("+", "p")).strip("_")


def choose_rows(table: str, wanted: Sequence[str] | None) -> dict[str, Row]:
    """The rows of a table by key, in its order; only those that have one of the wanted names or keys, if given.

    Raises:
        InputError: there is no such table or row; the message names near ones.
    """
    if table not in TABLES:
        raise InputError(f"{table}: must be one of {', '.join(TABLES)}{_hint(table, TABLES)}")
    rows = {key_of(table, row): row for row in TABLES[table]}
    if not wanted:
        return rows
    keys = set()
    for word in wanted:
        found = [key for key, row in rows.items() if word in (key, row.name) or plain(word) == key]
        if not found:
            raise InputError(f"{word}: no row of {table}; must be of {', '.join(rows)}{_hint(word, rows)}")
        keys |= {*found}
    return {key: row for key, row in rows.items() if key in keys}


def _hint(word: str, known: Mapping[str, object]) -> str:
    hint = suggestion(word, known)
    return f"; {hint}" if hint else ""
