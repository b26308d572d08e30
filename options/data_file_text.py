"""The text of a data file."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from options.description import DataFile


def data_file_text(description: DataFile, comments: Mapping[str, str] | None = None) -> str:
    """The text of a data file that `read_data_file` reads as `description`.

    Args:
        comments: by key, such as "unknown", or by table, such as "[val]".
    """

    def line(text: str, key: str) -> str:
        comment = (comments or {}).get(key)
        return f"{text}  # {comment}" if comment else text

    lines = [line(f"name = {_toml(description.name)}", "name")]
    if description.unknown is not None:
        lines.append(line(f"unknown = {description.unknown}", "unknown"))
    if description.colors_are_labels:
        lines.append(line("colors_are_labels = true", "colors_are_labels"))
        if description.unknown_colors:
            lines.append(f"unknown_colors = {_toml(description.unknown_colors)}")
    if suffixes := {kind: suffix for kind, suffix in description.suffixes.items() if suffix}:
        lines.append(f"suffixes = {_toml(suffixes)}")
    if description.split_seed:
        lines.append(f"split_seed = {description.split_seed}")
    if description.classes:
        lines.append(line("classes = [", "classes"))
    in_order = description.colors_are_labels and [row.id for row in description.classes] == [
        *range(len(description.classes))
    ]
    for row in description.classes:
        number = {} if in_order else {"id": row.id}
        color = {} if row.color is None else {"color": [*row.color]}
        lines.append(f"  {_toml({**number, 'name': row.name, **color})},")
    if description.classes:
        lines.append("]")
    for name, part in description.parts.items():
        values = {field: value for field, value in dataclasses.asdict(part).items() if value not in (None, "")}
        lines += ["", line(f"[{name}]", f"[{name}]"), *(f"{key} = {_toml(value)}" for key, value in values.items())]
    for table, values in (("options", description.preset.both), ("test_options", description.preset.test)):
        if values:
            lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML, which has the strings of JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
