"""The benchmark of retrieval runs, and its bank has the size that was asked for."""

import re

import pytest

from scripts.benchmark.__main__ import main

pytestmark = pytest.mark.tools


def test_a_row_is_printed_for_each_number_of_classes(capsys):
    main("bank --segments 1000 --classes 1 4 --height 32".split())
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|$", capsys.readouterr().out, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "4"]
    assert 1000 <= int(rows[0][1].replace(",", "")) < 2000 and 250 <= int(rows[1][1]) < 500  # of each class
    assert 0 < float(rows[0][2]) <= float(rows[0][3])


@pytest.mark.parametrize(
    ("words", "message"),
    [("--segments 0", "--segments 0: must be 1 or more"), ("--classes 999", "--classes: give numbers of 1..100")],
)
def test_bad_input_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bank", *words.split()])
    assert stop.value.code == 2 and message in capsys.readouterr().err
