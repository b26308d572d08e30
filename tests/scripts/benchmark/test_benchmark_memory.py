"""The table of memory: any flags of train.py, and the number of GPUs."""

import re

import pytest

from scripts.benchmark.__main__ import main
from scripts.benchmark.memory_table import gpus
from scripts.benchmark.switches import training_options

pytestmark = pytest.mark.tools

GIB = 2**30


def test_the_table_counts_any_flags_of_train(capsys):
    main("memory --method pix2pix --crop_size 64 --ngf 4 --ndf 4 --batch_size 2 64 --dataset_mode coco".split())
    printed = capsys.readouterr().out
    assert "--method pix2pix on coco, 64x64 pixels" in printed
    rows = {cells[0]: cells[1:] for cells in re.findall(r"^\| (\S+) \| (\S+) \| (\S+) \|$", printed, re.MULTILINE)}
    assert rows.keys() == {"images", "1", "2", "64"} and rows["images"] == ("fp32", "bf16")
    assert float(rows["64"][0]) > float(rows["64"][1]) > float(rows["2"][0])
    assert "| 16 GB | 1, 64 images each | 1, 64 images each |" in printed


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--ngff 3", "python -m scripts.benchmark: error: --ngff: no such option; did you mean --ngf"),
        ("--batch_size 0", "0: must be a whole number of images, 1 or more"),
        ("--batch_size 3 4 --accumulate 2", "--batch_size 3: must be a multiple of --accumulate 2; use 6"),
        ("--method crn", "--method crn: memory is counted for spade, "),
    ],
)
def test_wrong_flags_end_with_one_line(flags, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["memory", *flags.split()])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error and "train.py: error" not in error


def test_warnings_about_flags_of_train_are_passed_on(capsys):
    assert training_options(["--debug", "--ngf", "8"]).ngf == 8
    assert "--debug has no effect" in capsys.readouterr().err


def test_other_commands_still_refuse_flags_they_do_not_have(capsys):
    with pytest.raises(SystemExit):
        main(["paint", "--ngf", "3"])
    assert "unrecognized arguments: --ngf 3" in capsys.readouterr().err


def test_a_batch_is_divided_over_the_fewest_gpus_it_fits():
    counted = {1: 10 * GIB, 4: 16 * GIB, 16: 40 * GIB}  # a GPU needs 1.2 times as much and 0.5 GiB
    assert gpus(counted, 16, 1, 80 * GIB) == "1, 16 images each"
    assert gpus(counted, 16, 1, 40 * GIB) == "2, 8 images each"  # 24 GiB
    assert gpus(counted, 16, 1, 16 * GIB) == "8, 2 images each"  # 12 GiB; 16 for 4 images
    assert gpus(counted, 16, 1, 13 * GIB) == "16, 1 image each"
    assert gpus(counted, 16, 1, 12 * GIB) == "not even one image fits"
    assert gpus({2: 10 * GIB, 16: 40 * GIB}, 16, 2, 16 * GIB) == "8, 2 images each"
