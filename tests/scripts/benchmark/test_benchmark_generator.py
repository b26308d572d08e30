"""The generator's benchmark runs on tiny networks, counts by the book, and asks no more than it is told."""

import re

import pytest
import torch

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from scripts.benchmark import generator
from scripts.benchmark.__main__ import main
from scripts.benchmark.multiply_adds import count

pytestmark = pytest.mark.tools

COMMAND = "generator --device cpu --dataset_mode facades --crop_size 64 --ngf 2 --maps 2 --rounds 3".split()


def test_a_tiny_generator_is_measured_in_every_way(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(generator, "PRODUCT_SIZE", 64)
    main(COMMAND)
    output = capsys.readouterr().out
    rows = dict(re.findall(r"^\| ([^|]+) \| \d+ \| ([\d.]+) \(", output, re.MULTILINE))
    assert list(rows) == ["published", "dense", "by table", "another style", "an edit", "other convolutions alone"]
    assert rows["published"] == "1.0" and all(float(ratio) > 0 for ratio in rows.values())
    fractions = re.search(r"of 3x3 labels \|(.*)\|", output)[1].split("|")
    assert len(fractions) == 6 and all(0 < float(fraction) <= 1 for fraction in fractions)
    assert "64x64" in output and "real label maps" not in output
    assert float(re.search(r"largest value: (\S+)\.", output)[1]) < 1e-4


def test_a_tiny_generator_of_oasis_is_measured(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(generator, "PRODUCT_SIZE", 64)
    monkeypatch.setattr(generator, "memory_lines", lambda *args: [])  # as above, in two processes
    main([*COMMAND, "--method", "oasis", "--maps", "1"])
    output = capsys.readouterr().out
    rows = dict(re.findall(r"^\| ([^|]+) \| \d+ \| ([\d.]+) \(", output, re.MULTILINE))
    assert list(rows) == ["published", "dense", "by table", "other convolutions alone"]
    assert float(re.search(r"largest value: (\S+)\.", output)[1]) < 1e-4


def test_multiply_adds_are_those_of_the_paper():
    """COCO at 256x256: 55.6 G for the shared layer, 93.3 G for gamma and beta, 42.2 G for all else."""
    with torch.device("meta"):
        network = SPADEGenerator(184, 64, latent_size=(8, 8))
    labels = torch.zeros(1, 256, 256, dtype=torch.uint8)
    found = count(network, SemanticLayout(labels, torch.zeros_like(labels, dtype=torch.bool), 183))
    assert [round(n / 1e9, 1) for n in (found.shared, found.gamma_beta, found.others)] == [55.6, 93.3, 42.2]
    assert found.rows < 0.01 * found.gamma_beta  # one label everywhere: only borders differ
    assert round(found.dense / 1e9, 1) == 191.1 and found.table == found.rows + found.others


def test_an_edit_changes_a_dab_of_the_brush():
    labels = torch.arange(256 * 256).reshape(1, 256, 256)
    changed = (generator.stroke(labels, 0) != labels)[0].nonzero()
    height, width = (changed.max(0).values - changed.min(0).values + 1).tolist()
    assert 20 <= height <= 25 and 20 <= width <= 25


@pytest.mark.parametrize("flags", [["--rounds", "2"], ["--maps", "0"], ["--dataroot", "/nowhere"]])
def test_bad_input_is_one_line(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*COMMAND, *flags])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
