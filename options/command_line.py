"""Parses a command line into typed values, with an argparse parser generated from the declared options."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from options.base import Options, Start
from options.classic import DEAD, SETTLED
from options.config import with_config
from options.field import Option, OptionError, Preset, declared_options, suggestion
from options.help import filled, help_page, help_text, preset_table
from options.method import SPADE_ALONE, MethodFacts
from options.sources import in_force


class CommandLine(argparse.ArgumentParser):
    """Parser of a program. Its namespace holds only options that the user typed; its errors are one line.

    `--help` shows where to start, `--help all` everything, both with the defaults in force (`options.help`).

    Args:
        presets: preset of every data set; its keys are the choices of `--dataset_mode`.
        methods: facts of every method; its keys are the choices of `--method`.
    Attributes:
        options: the options that have an effect, by name.
        actions: what argparse knows of them, by name.
    """

    def __init__(
        self,
        program: type[Options],
        presets: Mapping[str, Preset],
        methods: Mapping[str, MethodFacts] = SPADE_ALONE,
    ):
        ignored = program.without_effect()
        options = {name: option for name, option in declared_options(program).items() if name not in ignored}
        options["dataset_mode"] = dataclasses.replace(options["dataset_mode"], choices=tuple(presets))
        if "method" in options:
            options["method"] = dataclasses.replace(options["method"], choices=tuple(methods))
        self.program, self.presets, self.methods, self.options = program, presets, methods, options
        super().__init__(
            prog=program.program,
            usage="%(prog)s [options]",
            description="--no_NAME turns a switch off. A dash may stand for every underscore.",
            epilog=preset_table(presets, program.is_train, options),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
            add_help=False,
        )
        topics = "where to start; all options (--help all), those of a group, or one of them"
        self.add_argument("-h", "--help", nargs="?", const="", metavar="GROUP", help=topics)
        self.actions: dict[str, argparse.Action] = {}
        self._spellings = [
            spelling for option in [*options.values(), *ignored.values()] for spelling in option.spellings
        ]
        for group in dict.fromkeys(option.group for option in options.values()):
            section = self.add_argument_group(group)
            for option in options.values():
                if option.group == group:
                    action = section.add_argument(*option.spellings, dest=option.name, action=_Typed, option=option)
                    self.actions[option.name] = action
        if ignored:
            names = filled(" ".join(f"--{name}" for name in ignored), indent="")
            section = self.add_argument_group("accepted as by other programs, without effect here", names)
            for option in ignored.values():
                section.add_argument(*option.spellings, dest=argparse.SUPPRESS, action=_Ignored, option=option)
        dead = self.add_argument_group("accepted for old command lines, without effect")
        for name, metavar in DEAD.items():
            dead.add_argument(f"--{name}", dest=argparse.SUPPRESS, action=_Dead, metavar=metavar, help="no effect")
        same = "passed by python -m torch.distributed.launch; must be equal to LOCAL_RANK"
        dead.add_argument("--local_rank", dest=argparse.SUPPRESS, action=_LocalRank, metavar="N", help=same)
        for option in SETTLED.values():
            dead.add_argument(*option.spellings, dest=argparse.SUPPRESS, action=_Settled, option=option)

    @property
    def start(self) -> Start | None:
        """What `--help` shows first; None if it shows everything."""
        return self.program.start

    @property
    def call(self) -> str:
        """How the program is started."""
        return self.prog if self.prog.startswith("python ") else f"python {self.prog}"

    def typed(self, argv: Sequence[str]) -> dict[str, Any]:
        """The values in a command line by field name. Prints one line and exits with status 2 on any mistake."""
        if "--" in argv:
            self.error("-- alone: remove the space between -- and the name of the option")
        namespace, unknown = self.parse_known_args([_underscored(word) for word in argv])
        typed = vars(namespace)
        if "help" in typed:
            self._show_help(typed.pop("help"), typed)
        if unknown:
            self._refuse(unknown[0])
        return typed

    def _show_help(self, topic: str, typed: dict[str, Any]) -> NoReturn:
        """Print a page of help, with the defaults in force for the rest of the command line, and exit."""
        try:
            given = with_config(self.options, typed)
            found = in_force(self.program, self.options, self.presets, given, methods=self.methods)
            page = help_page(self, topic, found, typed)
        except ValueError as error:
            self.error(str(error))
        self._print_message(page, sys.stdout)
        self.exit()

    def _refuse(self, word: str) -> NoReturn:
        flag = word.partition("=")[0]
        if flag.startswith("-"):
            hint = suggestion(flag, self._spellings) or "see --help"
            self.error(f"{flag}: no such option; {hint}")
        self.error(f"{word}: belongs to no option (a switch such as --use_vae takes no value)")

    def warn(self, message: str) -> None:
        """Print a warning of one line."""
        print(f"{self.prog}: warning: {message}", file=sys.stderr)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        line = explained(message)
        self.exit(2, f"{self.prog}: error: {line}\n")


def explained(message: str) -> str:
    """A message of argparse as one line, with a fix if it has none."""
    line = message.removeprefix("argument ").replace("\n", "\\n")
    flag, _, problem = line.partition(": ")
    if problem == "expected one argument":
        line += f"; write a value that begins with - as {flag.rpartition('/')[2]}=VALUE"
    return line


class _Typed(argparse.Action):
    """Convert and check one option the user typed."""

    def __init__(self, option_strings: Sequence[str], dest: str, option: Option, **kwargs: Any):
        nargs = 0 if option.kind is bool else None if option.bare is None else "?"
        if option.bare is not None:
            kwargs["const"] = str(option.bare)
        super().__init__(
            option_strings, dest, nargs=nargs, metavar=option.metavar, help=help_text(option, option.default), **kwargs
        )
        self.option = option

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if self.nargs == 0:
            setattr(namespace, self.dest, self.option.switches[option_string])
        else:
            setattr(namespace, self.dest, self.checked(parser, values, option_string))

    def checked(self, parser: argparse.ArgumentParser, values: str, option_string: str) -> Any:
        """Convert and check a word. Ends the program with one line if it is wrong."""
        try:
            value = self.option.from_text(values)
            self.option.check(value)
        except OptionError as error:
            hint = suggestion(values, self.option.choices)
            parser.error(f"{option_string} {values}: {error}" + (f"; {hint}" if hint else ""))
        return value


class _Ignored(_Typed):
    """Check an option that has no effect in this program, and drop its value."""

    def __init__(self, option_strings: Sequence[str], dest: str, option: Option, **kwargs: Any):
        super().__init__(option_strings, dest, option, **kwargs)
        self.help = argparse.SUPPRESS

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if self.nargs != 0:
            self.checked(parser, values, option_string)


class _Settled(_Ignored):
    """Check an option that allows only one value, and drop it."""

    def __init__(self, option_strings: Sequence[str], dest: str, option: Option, **kwargs: Any):
        super().__init__(option_strings, dest, option, **kwargs)
        self.help = f"{option.help}; always {option.default}"


class _Dead(argparse.Action):
    """Warn about an option that has no effect."""

    def __init__(self, option_strings: Sequence[str], dest: str, metavar: str | None, **kwargs: Any):
        super().__init__(option_strings, dest, nargs=None if metavar else 0, metavar=metavar, **kwargs)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        parser.warn(f"{option_string} has no effect")


class _LocalRank(argparse.Action):
    """Check the rank that an old launcher passes on the command line, in addition to the environment."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        rank = os.environ.get("LOCAL_RANK", "").strip()
        if values.strip() not in ((rank,) if rank else ("0", "-1")):  # -1: a single process, in old scripts
            what = f"is {rank}" if rank else "is not set"
            parser.error(f"{option_string} {values}: LOCAL_RANK {what}; leave the flag out and start with torchrun")


def _underscored(word: str) -> str:
    """`--no-flip=x-y` -> `--no_flip=x-y`; other words are unchanged, also those that contain a whole command line."""
    flag, equals, value = word[2:].partition("=")
    if not word.startswith("--") or " " in flag:
        return word
    return "--" + flag.replace("-", "_") + equals + value
