"""`python -m scripts.benchmark paint` refuses what it cannot measure; measuring takes minutes and a quiet machine."""

import re

import pytest

from scripts.benchmark.__main__ import main
from tests.scripts.small_files import last_line

pytestmark = pytest.mark.tools


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--strokes", "1"], "--strokes and --maps must be 2 or more, for quartiles"),
        (["--only", "static", "--site", "none"], "the page is not served: .*--serve none: was not written by --export"),
    ],
)
def test_what_cannot_be_measured(flags, line, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["paint", *flags])
    assert stop.value.code == 2
    assert re.search(line, last_line(capsys.readouterr().err))
