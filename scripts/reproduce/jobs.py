"""Slurm scripts: one for each run of a plan, and one that submits them all."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from scripts.reproduce.plan import Plan, PlannedRun
from scripts.reproduce.prepared import Prepared
from util.errors import InputError
from util.files import refuse_foreign, replacing

ROOT = Path(__file__).parents[2]
TRAIN_SCRIPT = "scripts/slurm_train.sh"
MARK = "# Written by python -m scripts.reproduce --jobs"
SUBMIT = "submit.sh"


def write_jobs(plan: Plan, folder: Path) -> str:
    """Write the scripts of all runs; return a text that says how to submit them."""
    if folder.is_file():
        raise InputError(f"--jobs {folder}: is a file; name a folder")
    scripts = {f"{run.name}.sh": run_script(run) for run in plan.runs}
    prepared = {made.name: made for run in plan.runs for made in (run.scored.segmenter, run.bank) if made}
    scripts |= {f"{name}.sh": prepared_script(made) for name, made in prepared.items()}
    scripts["page.sh"] = page_script(plan)
    scripts[SUBMIT] = submit_script(folder, [*prepared], [run.name for run in plan.runs])
    for name, text in scripts.items():
        refuse_foreign("--jobs", folder / name, "script of this program", MARK.encode())
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return f"{len(scripts)} scripts are in {folder}; in the root of the repository: bash {folder / SUBMIT}"


def run_script(run: PlannedRun) -> str:
    """The job of a run: the training of scripts/slurm_train.sh, then test and scores.

    The training's script is read into the job's own shell, to which Slurm sends its signals.
    """
    test, score = run.steps()[-2:]
    header = "\n".join(_directives(run.name))
    return f"""#!/usr/bin/env bash
{MARK}: trains, tests and scores {run.name}. Submitted again, it goes on.
{header}
test_and_score() {{
    [ "$?" -eq 0 ] || return # of the training, which is over or takes another turn
    set -e
    unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE
    {_python(test.words)}
    {_python(score.words)}
}}
trap test_and_score EXIT
set -- {shlex.join(run.train_flags)}
source {TRAIN_SCRIPT}
"""


def prepared_script(made: Prepared) -> str:
    """The job that makes what several runs need, unless it is there."""
    header = "\n".join(_directives(made.name))
    return f"""#!/usr/bin/env bash
{MARK}: makes the {made.what} {made.name}.
{header}
set -euo pipefail
[ -e {shlex.quote(str(made.path))} ] || {_python(made.words)}
"""


def page_script(plan: Plan) -> str:
    """The job that writes table and page of all finished runs: the command without --jobs repeats nothing."""
    return f"""#!/usr/bin/env bash
{MARK}: writes the table and the page of all runs of {plan.args.prefix}.
#SBATCH --job-name={plan.args.prefix}
set -euo pipefail
"${{SPADE_PYTHON:-.venv/bin/python}}" -m scripts.reproduce {shlex.join(plan.args.again)}
"""


def submit_script(folder: Path, prepared: Sequence[str], runs: Sequence[str]) -> str:
    """Submits everything: the runs after what they need, the page after the runs."""
    where = shlex.quote(str(folder))
    first = [f'after="${{after:+$after:}}$(sbatch --parsable {where}/{name}.sh)"' for name in prepared]
    all_runs = [
        f'runs="${{runs:+$runs:}}$(sbatch --parsable ${{after:+--dependency=afterok:$after}} "$@" {where}/{name}.sh)"'
        for name in runs
    ]
    lines = "\n".join([*first, *all_runs])
    return f"""#!/usr/bin/env bash
{MARK}: submits all of them, in the root of the repository.
#   bash {folder / SUBMIT} [flags of sbatch for the trainings, such as --gpus-per-node=8 --ntasks-per-node=8]
set -euo pipefail
after='' runs=''
{lines}
sbatch --dependency="afterany:$runs" {where}/page.sh
"""


def _directives(name: str) -> list[str]:
    """The lines for sbatch of the training script, under another name."""
    lines = (ROOT / TRAIN_SCRIPT).read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("#SBATCH ") and "--job-name" not in line]
    return [f"#SBATCH --job-name={name}", *found]


def _python(words: Sequence[str]) -> str:
    return f'"${{SPADE_PYTHON:-.venv/bin/python}}" {shlex.join(words)}'
