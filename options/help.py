"""The pages of `--help`: where to start, one group of options, one option, or all of them."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from options.base import Start
from options.field import Option, OptionError, Preset

if TYPE_CHECKING:
    from options.command_line import CommandLine
    from options.sources import InForce

GROUPS = {
    "run": "name and folders, device, precision, seed; what to resume or load",
    "data": "data set and its folders, classes, size of images, cropping, batches",
    "method": "--method, and what only some methods use",
    "generator": "architecture and first weights of the generator",
    "encoder": "style images and random latents",
    "discriminator": "architecture of the discriminator",
    "losses": "loss terms and their weights",
    "small data sets": "augmentation and regularization for few photos",
    "schedule and optimization": "epochs, learning rate, Adam, memory, average of the weights",
    "logging": "what is printed, shown and saved, and how often; scores during training",
    "results": "what is generated, scored or written, and where",
}
"""What the groups of options, by heading, are about. The first word is what one types after --help."""
PRECEDENCE = (
    "Where a value comes from, weakest first: default of the option, preset of the method, preset of the data set, "
    "data file, saved run, --config FILE, what is typed."
)


def help_page(line: CommandLine, topic: str, found: InForce, typed: Collection[str] = ()) -> str:
    """The page for the word after `--help`.

    Args:
        topic: "", "all", or the beginning of the name of a group or of an option.
        found: the values in force, which the page shows as defaults.
        typed: names of the options on the command line, whose values are no defaults.
    Raises:
        OptionError: there is no such group or option.
    """
    for name, action in line.actions.items():
        action.help = help_text(line.options[name], found.values[name], "given" if name in typed else "default")
    note = f"{PRECEDENCE} {_origin(line.options, found)}"
    if line.start and not topic:
        return _start_page(line, line.start, note)
    if topic in ("", "all"):
        return line.format_help() + "\n" + filled(note) + "\n"
    groups = list(dict.fromkeys(option.group for option in line.options.values()))
    wanted = topic.lstrip("-").replace("-", "_")
    chosen = next((group for group in groups if wanted.lower() in (group, _word(group))), None)
    names = [name for name, option in line.options.items() if option.group == chosen or (not chosen and name == wanted)]
    if not names:
        raise OptionError(f"--help {topic}: must be all, an option, or one of {', '.join(map(_word, groups))}")
    return _section(line, chosen or line.options[wanted].group, names) + "\n" + filled(note) + "\n"


def help_text(option: Option, value: Any, source: str = "default") -> str:
    """The help of an option with its unit, and the value in force with its source; % is escaped for argparse."""
    unit = f"{option.unit}; " if option.unit else ""
    return f"{option.help} ({unit}{source}: {option.described(value)})".replace("%", "%%")


def _start_page(line: CommandLine, start: Start, note: str) -> str:
    groups = dict.fromkeys(option.group for option in line.options.values())
    width = max(len(_word(group)) for group in groups)
    further = [
        f"  --help {_word(group):<{width}}  {GROUPS[group]}" if group in GROUPS else f"  --help {_word(group)}"
        for group in groups
    ]
    return "\n".join(
        [
            f"usage: {line.prog} [options]",
            "",
            filled(start.summary),
            "",
            *(f"  {line.call} {example}" for example in start.examples),
            "",
            _section(line, "options to start with", [name for name in start.options if name in line.options]),
            f"all options: --help all ({len(line.options)}), or by group:",
            *further,
            "",
            filled(note),
            "",
        ]
    )


def _section(line: CommandLine, title: str, names: Iterable[str]) -> str:
    formatter = argparse.HelpFormatter(line.prog)
    formatter.start_section(title)
    formatter.add_arguments([line.actions[name] for name in names])
    formatter.end_section()
    return formatter.format_help()


def _word(group: str) -> str:
    """What one types for a group."""
    return group.partition(" ")[0]


def _origin(options: Mapping[str, Option], found: InForce) -> str:
    """Whose defaults are shown."""
    method = f" and --method {found.method}" if "method" in options else ""
    run = f", and of the saved run {found.path.parent}" if found.saved and found.path.exists() else ""
    return f"The defaults shown are those of --dataset_mode {found.values['dataset_mode']}{method}{run}."


def preset_table(presets: Mapping[str, Preset], is_train: bool, options: Mapping[str, Option]) -> str:
    """One paragraph for each data set: the values that its preset gives to these options."""
    indent = max(map(len, presets), default=0) + 4
    rows = ["presets (defaults that --dataset_mode sets):"]
    for name, preset in presets.items():
        values = sorted(preset.values(is_train).items())
        words = ", ".join(f"{key} {value}" for key, value in values if key in options)
        rows.append(filled(words or "nothing", f"  {name}".ljust(indent), " " * indent))
    return "\n".join(rows)


def filled(words: str, indent: str = "", further: str = "") -> str:
    """Wrap words to the width of the terminal; the first line begins with `indent`, further ones with `further`."""
    width = max(shutil.get_terminal_size().columns - 2, len(indent) + 20)  # as in argparse
    return textwrap.fill(words, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
