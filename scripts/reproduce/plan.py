"""The runs of a table: their options, checked before anything is trained, and the steps of each."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from data import PRESETS
from models import METHODS, create_model
from models.networks.init import parameter_count
from options import TrainOptions
from options.command_line import CommandLine
from options.method import unused_options
from options.parse import parse_embedded
from options.saved import SAVED_NAME, load_saved
from scripts.reproduce.ablations import Row
from scripts.reproduce.budget import Budget
from scripts.reproduce.prepared import Prepared, bank, words_of
from scripts.reproduce.rows import choose_rows
from scripts.reproduce.scoring import Scored, Scoring
from scripts.reproduce.state import Trained, how_far, is_tested, note_test, scores_of
from util.errors import InputError
from util.lock import RunLock

USUAL_NGF = 64  # of the paper: --ngf scales the rows that differ in their width
Values = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A command of the plan.

    Attributes:
        what: "segmenter", "bank", "train", "test" or "score".
        run: name of the run, or of what is made.
        words: the command after `python`.
        is_done: whether it need not be run again.
        before: called before it is run.
        after: called when it has succeeded.
    """

    what: str
    run: str
    words: Sequence[str]
    is_done: Callable[[], bool]
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    @property
    def command(self) -> str:
        """The command as a user types it."""
        return shlex.join(["python", *self.words])


@dataclass(frozen=True)
class PlannedRun:
    """One training of a row, with its test and its scores.

    Attributes:
        rows: the rows of the table that it stands for; rows with equal flags share a run.
        opt: of the training.
        parameters: of the generator.
        train_flags: of train.py.
        scored: how it is tested and scored.
        bank: to be made before, for SIMS without --bank.
    """

    rows: tuple[Row, ...]
    budget: Budget
    opt: TrainOptions
    parameters: int
    train_flags: Sequence[str]
    scored: Scored
    bank: Prepared | None = None

    @property
    def name(self) -> str:
        return self.opt.name

    @property
    def trained(self) -> Trained | None:
        """How far it is trained; None before its first save."""
        return how_far(self.opt.run_dir)

    @property
    def is_trained(self) -> bool:
        return self.budget.is_used_up(self.trained, self.opt.niter + self.opt.niter_decay)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The content of scores.json; None if it is missing or of other images."""
        return scores_of(self.scored.test_dir, self.scored.score_flags)

    @property
    def is_tested(self) -> bool:
        """Whether the networks at the end of the training have been tested."""
        return self.is_trained and is_tested(self.opt.run_dir, self.scored.test_dir, self.scored.test_flags)

    def steps(self) -> list[Step]:
        """Train, test and score, in this order, after what all runs need."""
        steps, run_dir, scored = [], self.opt.run_dir, self.scored
        for made in (scored.segmenter, self.bank):
            if made:
                steps.append(Step(made.what, made.name, made.words, made.path.exists))
        return [
            *steps,
            Step(
                "train",
                self.name,
                ["train.py", *self.train_flags, "--auto_resume"],
                lambda: self.is_trained,
                # A training outlives this program if that is killed alone.
                before=RunLock(run_dir).wait_until_free,
            ),
            Step(
                "test",
                self.name,
                ["test.py", *scored.test_flags],
                lambda: self.is_tested,
                after=lambda: note_test(run_dir, scored.test_flags),
            ),
            Step(
                "score",
                self.name,
                ["evaluate.py", *scored.score_flags],
                lambda: self.is_tested and self.scores is not None,
            ),
        ]


@dataclass(frozen=True)
class Plan:
    """Everything that is to be done for a table.

    Attributes:
        rows: of the table, in its order.
        runs: of all rows and seeds; rows with equal flags share theirs.
    """

    args: argparse.Namespace
    rows: Sequence[Row]
    runs: Sequence[PlannedRun]

    @property
    def steps(self) -> list[Step]:
        """All steps in order, run by run; what several need is made once."""
        return list({(step.what, step.run): step for run in self.runs for step in run.steps()}.values())


def make_plan(args: argparse.Namespace, training: Values) -> Plan:
    """The plan of a command line. Raises `InputError` for anything that could not be trained or scored."""
    rows = choose_rows(args.table, args.rows)
    values = {key: _values_of(row, args, training) for key, row in rows.items()}
    if unused := sorted(training.keys() - set().union(*values.values())):
        raise InputError(f"--{unused[0]}: no row of {args.table} that is trained uses it; leave it out")
    shared: dict[str, list[str]] = {}
    for key in rows:
        shared.setdefault(repr(sorted(values[key].items())), []).append(key)
    scoring = Scoring(args.eval_flags, training, args.results_dir, args.segmenter_minutes)
    runs = []
    for keys in shared.values():
        for seed in range(args.seeds):
            name = f"{args.prefix}_{keys[0]}" + (f"_seed{seed}" if seed else "")
            place = {"name": name, "checkpoints_dir": str(args.checkpoints_dir), "seed": seed}
            same = tuple(rows[key] for key in keys)
            run = _planned_run(same, {**values[keys[0]], **place}, args.budget, scoring)
            needs_bank = run.opt.method == "sims" and "bank" not in training
            runs.append(replace(run, bank=_bank_of(args, training) if needs_bank else None))
    for run in runs:
        _check_earlier_run(run)
    return Plan(args, list(rows.values()), runs)


def _values_of(row: Row, args: argparse.Namespace, training: Values) -> Values:
    """The options of train.py of a row, by name: the user's, as far as its method uses them, and the row's own."""
    own = CommandLine(TrainOptions, PRESETS, METHODS).typed(shlex.split(row.flags))
    method = own.get("method", "spade")
    unused = unused_options(method, METHODS)
    given = {name: value for name, value in training.items() if name not in unused}
    if "ngf" in own and "ngf" in given:
        own["ngf"] = round(own["ngf"] * given["ngf"] / USUAL_NGF)
    if conflict := sorted(name for name in own.keys() & given.keys() - {"ngf"} if own[name] != given[name]):
        raise InputError(f"--{conflict[0]}: leave it out; {row.name} of {args.table} sets it: {row.flags}")
    if method == "sims" and "bank" not in given:
        own["bank"] = str(_bank_of(args, training).path)
    budget = args.budget
    return {**budget.defaults(method), **given, **own, **budget.options(method, args.dataset_mode)}


def _bank_of(args: argparse.Namespace, training: Values) -> Prepared:
    return bank(training, args.dataset_mode, args.checkpoints_dir)


def _planned_run(rows: tuple[Row, ...], values: Values, budget: Budget, scoring: Scoring) -> PlannedRun:
    words = words_of(values, TrainOptions)
    try:
        opt, _ = parse_embedded(TrainOptions, shlex.join(words), PRESETS, METHODS, {})
        with torch.device("meta"):  # shapes without memory
            parameters = parameter_count(create_model(opt).netG)
    except ValueError as error:  # OptionError, InputError, and what a method refuses
        raise InputError(f"{rows[0].name}: {error}") from None
    return PlannedRun(rows, budget, opt, parameters, words, scoring.of(opt))


def _check_earlier_run(run: PlannedRun) -> None:
    """Refuse to go on with a run of other options, or one that has been trained for longer already."""
    path = run.opt.run_dir / SAVED_NAME
    other = f"--prefix NAME begins new runs, and removing {run.opt.run_dir} this one"
    if changes := run.opt.changes_since(path):
        raise InputError(f"{run.name}: was begun with other options ({changes[0]}); {other}")
    name = f"max_{run.budget.kind}"
    earlier = load_saved(path).get(name) if path.exists() else None
    if earlier and earlier > run.budget.amount:
        raise InputError(f"{run.name}: was trained with --budget {run.budget.kind} {earlier:g}; {other}")
