"""The file of a run's options, `<checkpoints_dir>/<name>/options.json`."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.classic import SETTLED
from options.field import OptionError

SAVED_NAME = "options.json"


def is_saved_run(config: str) -> bool:
    """Whether `--config` names the options of a run, not a TOML file."""
    return config.lower().endswith(".json")


def write_saved(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write options as JSON to a temporary name, then replace the file at once."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")  # a name that util.files removes after a kill
    try:
        temporary.write_text(json.dumps({"options": dict(values)}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(path)  # os.replace
    finally:
        temporary.unlink(missing_ok=True)


def load_saved(path: str | Path) -> dict[str, Any]:
    """The options in a file written by `save`, by field name and unchecked.

    Options of `SETTLED` are left out.

    Raises:
        OptionError: `save` did not write this file, or it has another value of a settled option.
        FileNotFoundError: there is no file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise OptionError(f"{path}: not a JSON file ({error}); delete or restore it") from None
    if not isinstance(content, dict) or not isinstance(content.get("options"), dict):
        raise OptionError(f'{path}: no options inside; expected {{"options": {{...}}}}; delete or restore it')
    options = dict(content["options"])
    for name in SETTLED.keys() & options.keys():
        value = options.pop(name)
        try:
            SETTLED[name].check(value)
        except OptionError as error:
            raise OptionError(f"{path}: {name} {value!r}: {error}") from None
    return options
