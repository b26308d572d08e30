"""`loss_log.txt`: the published line format, and the history read back."""

import re

import pytest

from util.loss_log import LossLog, LossRecord, images_seen, parse_line, read_history


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_header_with_date_and_published_lines(tmp_path):
    log = LossLog(tmp_path / "run" / "loss_log.txt")
    line = log.append(LossRecord(2, 400, {"GAN": 0.12345, "GAN_Feat": 10.0, "D_real": -1.5}), seconds_per_image=0.0416)
    header, written = lines(log.path)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", header)
    assert written == line == "(epoch: 2, iters: 400, time: 0.042) GAN: 0.123 GAN_Feat: 10.000 D_real: -1.500"


def test_every_start_adds_a_header_and_keeps_the_rest(tmp_path):
    for _ in range(2):
        LossLog(tmp_path / "loss_log.txt").append(LossRecord(1, 100, {"GAN": 1.0}), 0.1)
    assert [line.startswith("(epoch") for line in lines(tmp_path / "loss_log.txt")] == [False, True, False, True]


def test_history_is_read_back_and_what_is_repeated_is_replaced(tmp_path):
    first = LossLog(tmp_path / "loss_log.txt")
    for images, value in ((100, 1.0), (200, 2.0), (300, 3.0)):
        first.append(LossRecord(1, images, {"GAN": value}), 0.1)
    again = LossLog(tmp_path / "loss_log.txt")
    assert again.history == first.history
    again.append(LossRecord(1, 200, {"GAN": 9.0}), 0.1)  # resumed from a checkpoint at 100 images
    expected = [LossRecord(1, 100, {"GAN": 1.0}), LossRecord(1, 200, {"GAN": 9.0})]
    assert again.history == expected
    assert LossLog(tmp_path / "loss_log.txt").history == expected


def test_reading_the_history_writes_nothing(tmp_path):
    path = tmp_path / "loss_log.txt"
    log = LossLog(path)
    log.append(LossRecord(1, 100, {"GAN": 1.0}), 0.1)
    before = path.read_bytes()
    assert read_history(path) == log.history
    assert path.read_bytes() == before


def test_images_seen_count_on_from_epoch_to_epoch():
    places = [(1, 40), (1, 80), (2, 20), (2, 60), (2, 100), (4, 10)]  # every 40 images of epochs of 100
    assert images_seen([LossRecord(*place, {}) for place in places]) == [40, 80, 120, 160, 200, 310]
    assert images_seen([]) == []


@pytest.mark.parametrize(
    "line",
    ["", "==== training started ====", "(epoch: 1, iters: 100, ti", "(epoch: 1, iters: 1, time: 0.1) GAN: 0.1(x"],
)
def test_lines_that_are_none_are_passed_over(line):
    assert parse_line(line) is None


def test_reads_a_loss_that_has_exploded():
    record = parse_line("(epoch: 1, iters: 100, time: 0.100) GAN: inf VGG: 2.500")
    assert record.losses == {"GAN": float("inf"), "VGG": 2.5}
