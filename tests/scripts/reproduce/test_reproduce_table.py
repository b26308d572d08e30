"""The table: what was measured, means over seeds, the best of each column, and the paper's numbers beside them."""

from types import SimpleNamespace

import pytest

from scripts.reproduce.ablations import Row
from scripts.reproduce.budget import Budget
from scripts.reproduce.results import DATA_SETS, Line, data_set_of_paper, is_best, measured, millions, paper_columns
from scripts.reproduce.state import Trained

pytestmark = pytest.mark.tools

ROWS = [
    Row("CRN", "--method crn", {"coco": {"miou": 0.237, "fid": 70.4}}),
    Row("SIMS", "--method sims"),
    Row("Ours", "", {"coco": {"miou": 0.374, "fid": 22.6}, "ade20k": {"miou": 0.385}}, 96),
]


def line(row: Row, *scores, images=(1000, 1001), parameters=96_492_483, intervals=()) -> Line:
    runs = [SimpleNamespace(trained=Trained(seen, 1, 60.0 * seen), parameters=parameters) for seen in images]
    return Line(row, runs, scores, intervals)


def test_scores_are_means_over_the_seeds_with_their_range():
    one = line(ROWS[0], {"miou": 0.25, "fid": 70.0})
    two = line(ROWS[2], {"miou": 0.5, "fid": 20.0}, {"miou": 0.25, "fid": 30.0}, {"miou": 0.3})
    assert (one.text("miou"), one.text("fid")) == ("25.0", "70.00")
    assert (two.text("miou"), two.text("fid")) == ("35.0 (25.0–50.0)", "25.00 (20.00–30.00)")
    assert line(ROWS[1]).text("miou") == "–"
    assert line(ROWS[1], intervals=[{}]).text("miou") == "–"
    assert measured([one, two]) == ["miou", "fid"]


def test_one_seed_has_its_interval_over_images_and_several_their_range():
    intervals = {"miou": [0.234, 0.267]}
    one = line(ROWS[0], {"miou": 0.25, "fid": 70.0}, intervals=[intervals])
    two = line(ROWS[0], {"miou": 0.25}, {"miou": 0.35}, intervals=[intervals, intervals])
    assert (one.text("miou"), one.text("fid")) == ("25.0 [23.4, 26.7]", "70.00")
    assert two.text("miou") == "30.0 (25.0–35.0)"


def test_the_best_mean_of_a_column_is_marked_in_the_direction_of_the_score():
    worse, better, missing = (
        line(ROWS[0], {"miou": 0.4, "fid": 70.0}),
        line(ROWS[2], {"miou": 0.5, "fid": 80.0}),
        line(ROWS[1]),
    )
    lines = [worse, better, missing]
    assert [is_best(lines, one, "miou") for one in lines] == [False, True, False]
    assert [is_best(lines, one, "fid") for one in lines] == [True, False, False]
    assert not is_best([worse, missing], worse, "fid")  # of one there is no best


def test_a_row_says_how_it_was_trained():
    shown = line(ROWS[2])
    assert (shown.parameters, shown.images_seen, shown.time) == ("96 M", "1,000", "16 h 40 min")
    assert line(ROWS[2], images=()).images_seen == "–"
    assert [millions(count) for count in (0.254, 3.44, 96.49)] == ["0.25 M", "3.4 M", "96 M"]


@pytest.mark.parametrize(
    ("mode", "data_set", "texts"),
    [
        ("coco", "COCO-Stuff", ["23.7", "–", "37.4"]),
        ("ade20k", "ADE20K", ["–", "–", "38.5"]),
        ("landscapes", "COCO-Stuff", ["23.7", "–", "37.4"]),
    ],
)
def test_numbers_of_the_paper_are_quoted_as_printed(mode, data_set, texts):
    columns = {column.head: [column.text(row) for row in ROWS] for column in paper_columns(ROWS, mode)}
    assert columns["paper: mIoU, %"] == texts
    assert DATA_SETS[data_set_of_paper(ROWS, mode)] == data_set
    assert columns["paper: parameters"] == ["–", "–", "96 M"]
    assert paper_columns([ROWS[1]], mode) == []


def test_a_budget_says_what_it_is_and_never_that_it_is_the_papers():
    assert Budget("minutes", 4).words.startswith("Every row is trained for 4 minutes from scratch, at a constant")
    assert Budget("minutes", 1).length == "1 minute" and Budget("images", 20000).length == "20,000 images"
    assert all("not the paper's setting" in Budget(kind, 2).words for kind in ("minutes", "images"))
    assert "not the" not in Budget().words
