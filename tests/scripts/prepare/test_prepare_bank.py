"""`python -m scripts.prepare bank`: the file it writes, and what it refuses."""

import pytest

from data.sims.bank import Bank
from scripts.prepare.__main__ import main

pytestmark = pytest.mark.tools

LANDSCAPES = "--dataset_mode landscapes --crop_size 32 --max_dataset_size 3 --workers 1"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(words: str) -> int | None:
    return main(["bank", *words.split()])


def test_the_landscapes_are_cut_with_a_progress_bar_and_a_summary(capsys):
    assert not run(f"{LANDSCAPES} --output bank.npz")
    out, err = capsys.readouterr()
    bank = Bank.load("bank.npz")
    assert out.startswith(f"bank.npz: {len(bank)} segments of {len(set(bank.labels))} classes, from 3 images; ")
    assert "3/3" in err and "image/s" in err
    assert bank.names == ("00000", "00001", "00002") and bank.size == bank.grid == (32, 32)
    assert bank.areas.min() > 32 * 32 * 0.0076
    assert not run(f"{LANDSCAPES} --output bank.npz --min_area 0.2")  # replaces a bank
    assert 0 < len(Bank.load("bank.npz")) < len(bank) and Bank.load("bank.npz").smallest == 0.2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--output b --min_area 0.999", "--min_area 0.999: no segment of 3 images is larger than this fraction; use"),
        ("--output b --min_area 7", "--min_area 7: must be a fraction of the image, at least 0 and below 1"),
        ("--output .", "--output .: is a folder; name a file"),
        ("--output notes.txt", "--output notes.txt: is there already and is no bank of scripts.prepare bank, so it is"),
        ("--output b --crop_siz 3", "--crop_siz: no such option"),
    ],
)
def test_bad_input_is_one_line(words, message, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit) as stop:
        run(f"{LANDSCAPES} {words}")
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
