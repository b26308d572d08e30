"""Train, score and lay side by side the methods or ablations of a table of the paper.

    python -m scripts.reproduce table1 --dataset_mode landscapes --budget minutes 4 --crop_size 64 --ngf 16 --ndf 16
    python -m scripts.reproduce table4 --dataset_mode coco --dataroot DIR --budget paper --dry_run

Every row is a run of its own, which train.py trains, test.py tests and evaluate.py scores. State is what the folders of
the runs say: killed anywhere, the same command goes on, and finished steps are not repeated. Table and page are written
anew after every step.
"""

from util.console import exit_statuses

import sys
from collections.abc import Sequence
from functools import partial

from scripts.reproduce import page
from scripts.reproduce.arguments import MARKDOWN, PROGRAM, parse_args
from scripts.reproduce.estimate import disk_bytes, hours_left
from scripts.reproduce.execute import carry_out
from scripts.reproduce.jobs import write_jobs
from scripts.reproduce.plan import Plan, make_plan
from scripts.reproduce.results import lines_of, millions
from util.distributed import World
from util.duration import HOUR, in_words
from util.files import readable_size


def print_plan(plan: Plan) -> None:
    """Print the commands, and for each run how much disk it fills and how long it takes, unless that is elsewhere."""
    total = disk = 0
    for run in plan.runs:
        size = disk_bytes(run)
        facts = [f"{millions(run.parameters / 1e6)} parameters", f"{readable_size(size)} on disk"]
        disk += size
        if not plan.args.jobs:
            hours = hours_left(run)
            total += hours
            facts.append(f"{in_words(hours * HOUR)} to train" if hours else "trained")
        print(f"{run.name}: {' = '.join(row.name for row in run.rows)}; {', '.join(facts)}")
    time = "" if plan.args.jobs else f"{in_words(total * HOUR)} of training left, besides tests and scores; "
    print(f"{len(plan.runs)} runs: {time}{readable_size(disk)} of networks at the end. {plan.args.budget.words}")
    for step in plan.steps:
        print(f"{'done' if step.is_done() else 'to do':>6}  {step.command}")


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    args, training = parse_args(sys.argv[1:] if argv is None else argv)
    plan = make_plan(args, training)
    is_main = World.from_environment().is_main
    if is_main:
        print_plan(plan)
    if args.dry_run:
        return 0
    if args.jobs:
        print(write_jobs(plan, args.jobs))
        return 0
    failed = carry_out(plan.steps, after_step=partial(page.write, plan))
    if is_main:
        path = page.write(plan)
        print("\n" + "\n".join(page.markdown(plan, lines_of(plan))))
        print(f"\nThe table is in {args.output / MARKDOWN}; look at {path}")
    for step in failed:
        print(f"{PROGRAM}: {step.run}: {step.what} has failed: {step.command}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
