"""The table of a comparison as Markdown and as a page, with the images of all rows below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.bootstrap import bootstrap_in_words
from evaluation.protocol import in_words
from evaluation.scores import SCORES
from scripts.compare.page import build_page
from scripts.compare.runs import Run, read_runs
from scripts.reproduce.arguments import MADE_BY, MARKDOWN, PAGE
from scripts.reproduce.plan import Plan
from scripts.reproduce.results import DATA_SETS, Line, data_set_of_paper, is_best, lines_of, measured, paper_columns
from util import html
from util.files import replacing

ARROWS = {min: "↓", max: "↑"}
IMAGES_SHOWN = 100


def write(plan: Plan) -> Path:
    """Write the table and the page of all that has been measured so far; return the path of the page."""
    lines = lines_of(plan)
    title = f"{plan.args.table.replace('table', 'Table ')} on {plan.args.dataset_mode}"
    text = "\n".join([f"# {title}", "", *markdown(plan, lines), "", *(f"{note}\n" for note in notes(plan, lines))])
    with replacing(plan.args.output / MARKDOWN) as temporary:
        temporary.write_text(text, encoding="utf-8")
    path = plan.args.output / PAGE
    doc = build_page(
        tested_runs(plan, lines),
        title,
        path,
        IMAGES_SHOWN,
        first=[_article(plan, lines)],
        facts={"Data set": plan.args.dataset_mode, "Each row": plan.args.budget.length, "Seeds": str(plan.args.seeds)},
        made_by=MADE_BY,
    )
    return html.save(doc, path)


def tested_runs(plan: Plan, lines: Sequence[Line]) -> list[Run]:
    """The first run of every row that is tested, by the name of the row; rows that share it are named together."""
    runs = {line.runs[0].name: line.runs[0] for line in lines if line.runs[0].is_tested}
    folders = [str(run.scored.test_dir) for run in runs.values()]
    found = read_runs(folders, plan.args.results_dir, plan.args.checkpoints_dir, None)
    return [
        replace(run, name=" = ".join(row.name for row in planned.rows)) for run, planned in zip(found, runs.values())
    ]


def cells(plan: Plan, lines: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table as texts; the best score of a column is between two asterisks."""
    scores, papers = measured(lines), paper_columns(plan.rows, plan.args.dataset_mode)
    head = ["", "parameters", "images seen", "training time"]
    head += [f"{SCORES[score].title} {ARROWS[SCORES[score].better]}" for score in scores]
    head += [paper.head for paper in papers]
    rows = []
    for line in lines:
        texts = [f"**{line.text(score)}**" if is_best(lines, line, score) else line.text(score) for score in scores]
        rows.append(
            [line.row.name, line.parameters, line.images_seen, line.time, *texts, *(p.text(line.row) for p in papers)]
        )
    return head, rows


def markdown(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """The table in lines of Markdown."""
    head, rows = cells(plan, lines)
    align = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, align, *rows)]


def notes(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """What a reader must know of the numbers: the budget, the protocols, the paper's columns, and guesses."""
    found = [plan.args.budget.words]
    if plan.args.given:
        found.append(f"Flags of all rows that use them: {plan.args.given}")
    if plan.args.seeds > 1:
        found.append(f"Scores are means over {plan.args.seeds} seeds, in parentheses the lowest and the highest.")
    else:
        found.append("Each row is trained once, so small differences may be chance; --seeds 3 would show how large.")
    content = next((content for line in lines for run in line.runs if (content := run.scores)), {})
    if plan.args.seeds == 1 and "bootstrap" in content:
        found.append(bootstrap_in_words(content["bootstrap"]))
    if protocol := content.get("protocol"):
        found += [f"{SCORES[score].label}: {in_words(score, protocol)}." for score in measured(lines)]
    if mode := data_set_of_paper(plan.rows, plan.args.dataset_mode):
        found.append(
            f"Columns of the paper are quoted as published (Park et al. 2019) for {DATA_SETS[mode]}, from its own "
            f"trainings and protocols; they do not compare with the others."
        )
        found += [f"{row.name}: the numbers are those of {row.source}." for row in plan.rows if row.source]
    found += [f"{row.name}: the paper leaves open {row.guess}." for row in plan.rows if row.guess]
    same = dict.fromkeys(" = ".join(row.name for row in run.rows) for run in plan.runs if len(run.rows) > 1)
    found += [f"{names}: the same model, trained once." for names in same]
    return found


def _article(plan: Plan, lines: Sequence[Line]) -> dom_tag:
    head, rows = cells(plan, lines)
    own = len(head) - len(paper_columns(plan.rows, plan.args.dataset_mode))
    table = tags.table(
        tags.thead(tags.tr([tags.th(text, cls="paper" if i >= own else "") for i, text in enumerate(head)])),
        tags.tbody([tags.tr([_cell(text, i, own) for i, text in enumerate(row)]) for row in rows]),
        cls="scores",
    )
    article = tags.article(tags.h2("Rows of the paper, trained here"), tags.div(table, cls="scrolling"))
    setting, *others = notes(plan, lines)
    article.add(tags.p(setting), tags.ul([tags.li(note) for note in others], cls="note"))
    article.add(tags.details(tags.summary("Commands"), tags.pre("\n".join(step.command for step in plan.steps))))
    return article


def _cell(text: str, column: int, own: int) -> dom_tag:
    if column == 0:
        return tags.th(text)
    bold = text.startswith("**")
    return tags.td(tags.b(text.strip("*")) if bold else text, cls="paper" if column >= own else "best" if bold else "")
