"""Builds and checks the options of a program: the precedence of the sources of a value, and what contradicts."""

from collections.abc import Mapping
from typing import Any, TypeVar

from options.base import Options
from options.data import either
from options.field import Option, OptionError, Preset
from options.method import SPADE_ALONE, MethodFacts
from options.networks import has_latent
from options.sources import InForce, Values, in_force

Program = TypeVar("Program", bound=Options)

SIZE = ("crop_size", "aspect_ratio")
"""These fix the weights only with some methods, and with a latent: then `fc` has rows for every latent position."""


def resolve(
    program: type[Program],
    options: Mapping[str, Option],
    presets: Mapping[str, Preset],
    typed: Values,
    saved_run: Mapping[str, Any] | None = None,
    methods: Mapping[str, MethodFacts] = SPADE_ALONE,
) -> tuple[Program, list[str]]:
    """Build the options of `program` from what the user typed, and warnings about the saved run.

    The precedence, weakest first:

        field default  <  what follows from other options  <  method preset  <  data set preset  <
        preset of the method for the data set  <  data file  <  saved run  <  --config  <  what the user typed

    In a test, the preset of the method for the data set counts for the architecture alone.
    A changed value also sets the options that follow from it (`follow`), with its own precedence: `--netG` sets
    `conditioning` and `norm_G`, and `--crop_size` sets `load_size`, unless the same source or a stronger one sets them.
    Presets and saved runs may have more options than the program.

    Args:
        options: options of the program that have an effect; the others keep their defaults.
        saved_run: options of the saved run; None to read them from its file, if there is one.
        methods: facts of every method. Options that the method does not use keep the values of its preset, or their
            defaults; typed ones are refused.
    Returns:
        (options object, list of one-line warnings).
    """
    found = in_force(program, options, presets, typed, saved_run, methods)
    values, facts = found.values, methods[found.method]
    is_trained = not program.is_train or bool(values.get("continue_train") or values.get("auto_resume"))
    if is_trained:
        _check_architecture(program, options, typed, found, facts.size_fixes_weights)
    _refuse_without_effect(options, typed, values, fixed=is_trained and bool(found.saved))
    _refuse_replaced(options, typed, values)
    opt = program(**values)
    if "method" in options:
        facts.check(opt)
    return opt, found.warnings


def _refuse_without_effect(options: Mapping[str, Option], typed: Values, values: Values, fixed: bool) -> None:
    """Refuse a typed option, such as the weight of a loss, that does nothing because what it needs is off.

    Args:
        fixed: whether a saved run decides what its weights are for.
    """
    for name in typed:
        option = options[name]
        needs = [need.split() for need in option.needs if need.split()[0] in options]
        if not typed[name] or not needs or any(_is_met(need, values) for need in needs):
            continue
        missing = " and ".join(f"--{other} is {values[other] if wanted else 'off'}" for other, *wanted in needs)
        fix = "leave the flag out"
        if not fixed or any(options[other].role != "weights" for other, *_ in needs):
            fix = f"use {either(options[other].turned_on(*wanted) for other, *wanted in needs)}, or {fix}"
        raise OptionError(f"{option.typed_as(typed[name])}: has no effect while {missing}; {fix}")


def _refuse_replaced(options: Mapping[str, Option], typed: Values, values: Values) -> None:
    """Refuse a typed option that does nothing because another is on, such as a size of images with --tile."""
    latent_has_size = has_latent(values) and values.get("method") != "oasis"
    for option in options.values():
        for replaced in option.replaces if values[option.name] else ():
            name, *of = replaced.split()
            if name in typed and typed[name] in (of or [typed[name]]) and not (name in SIZE and latent_has_size):
                on = option.typed_as(values[option.name])
                raise OptionError(
                    f"{options[name].typed_as(typed[name])}: has no effect with {on}; leave one of them out"
                )


def _is_met(need: list[str], values: Values) -> bool:
    """Whether an option is on (["use_vae"]) or has a value (["netG", "spade"])."""
    name, *wanted = need
    return values[name] in wanted if wanted else bool(values[name])


def _check_architecture(
    program: type[Options], options: Mapping[str, Option], typed: Values, found: InForce, size_fixes_weights: bool
) -> None:
    """Refuse options that contradict the architecture of the trained weights."""
    saved = found.saved
    # The latent of OASIS is as large as any label map.
    size_is_fixed = size_fixes_weights or (has_latent(saved) and saved.get("method") != "oasis")
    for name in sorted(typed.keys() & saved.keys()):
        fixed = options[name].role == "weights" and (name not in SIZE or size_is_fixed)
        if fixed and typed[name] != saved[name]:
            flag, trained = (options[name].typed_as(layer[name]) for layer in (typed, saved))
            other = "train a new run under another --name" if program.is_train else f"name a run trained with {flag}"
            raise OptionError(f"{flag}: the saved run has {trained} ({found.path}); leave the flag out, or {other}")
