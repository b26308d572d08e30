"""`--config FILE`: options from a TOML file, or from the options.json of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.description import DataFile
from options.evaluate import EvaluateInTrainingOptions
from options.field import Option, OptionError, Preset, declared_options, suggestion
from options.other_data import CUSTOM_ONLY, without_other_data
from options.saved import is_saved_run
from options.toml import read_toml
from options.train import TrainOptions

Values = dict[str, Any]
OF_DATA = CUSTOM_ONLY | {"dataset_mode", "data", "phase", "file_list"}


def with_config(options: Mapping[str, Option], typed: Values) -> Values:
    """What was typed, and below it the options of a TOML file of `--config`.

    Args:
        options: those of the program.
    """
    config = typed.get("config")
    if not config or is_saved_run(config):
        return typed
    return without_other_data(read_config(Path(config), options, _every_option()), typed, is_trained=False) | typed


def checked_preset(description: DataFile) -> Preset:
    """The preset of a data file, with its [options] checked as those of `--config`.

    Raises:
        OptionError: a key is no option, or one that says itself where data are; or a value is wrong.
    """
    known = _every_option()
    tables = []
    for table in (description.preset.both, description.preset.test):
        values = _checked(table, description.path, known, {})
        for name in values:
            if known[name].role == "session" or name in OF_DATA:
                raise OptionError(f"{description.path}: {name}: is for a command line, not for [options]")
        tables.append(values)
    return Preset(*tables)


def _every_option() -> dict[str, Option]:
    return {**declared_options(TrainOptions), **declared_options(EvaluateInTrainingOptions)}


def read_config(path: Path, options: Mapping[str, Option], others: Mapping[str, Option]) -> Values:
    """The options in a TOML file, by name and checked, as if they had been typed.

    Keys are spelled as flags without dashes: `ngf = 32`, `no_flip = true`. Options of other programs are left out, so
    that one file serves several.

    Args:
        options: those of the program.
        others: those of all programs.
    Raises:
        OptionError: there is no such file, or a key or a value is wrong.
    """
    try:
        content = read_toml(path, "--config")
    except FileNotFoundError:
        raise OptionError(f"--config {path}: there is no such file") from None
    if kept := [key for key, value in content.items() if isinstance(value, dict | list)]:
        raise OptionError(f"--config {path}: {kept[0]} is no option; is this a data file? give it as --data {path}")
    values = _checked(content, path, options, others)
    if "config" in values:
        raise OptionError(f"{path}: config: a file of options names no other; leave it out")
    return values


def _checked(
    content: Mapping[str, Any], path: Path, options: Mapping[str, Option], others: Mapping[str, Option]
) -> Values:
    """Values by name of an option, from keys spelled as flags."""
    by_spelling = _by_spelling(options)
    known = _by_spelling(others)
    values: Values = {}
    for key, value in content.items():
        spelling = "--" + key.replace("-", "_")
        if spelling not in by_spelling and spelling in known:
            continue
        if spelling not in by_spelling:
            hint = suggestion(spelling, by_spelling).replace("--", "")
            raise OptionError(f"{path}: {key}: no such option" + (f"; {hint}" if hint else "; see --help all"))
        option = by_spelling[spelling]
        if option.name in values:
            raise OptionError(f"{path}: {key}: {option.name} is given twice; leave one of the lines out")
        try:
            values[option.name] = _value(option, spelling, value)
        except OptionError as error:
            raise OptionError(f"{path}: {key} {_shown(value)}: {error}") from None
    return values


def _by_spelling(options: Mapping[str, Option]) -> dict[str, Option]:
    return {spelling: option for option in options.values() for spelling in option.spellings}


def _value(option: Option, spelling: str, value: Any) -> Any:
    if option.kind is bool and isinstance(value, bool):
        return value == option.switches[spelling]
    if isinstance(value, int | float) and not isinstance(value, bool) and option.kind is str:
        value = str(value)  # gpu_ids = 0
    if isinstance(value, str):
        value = option.from_text(value)
    elif isinstance(value, int) and not isinstance(value, bool) and option.kind is float:
        value = float(value)
    option.check(value)
    return value


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
