"""The time that is left, on a clock that is set by hand."""

from types import SimpleNamespace

import pytest

from util.progress import Progress
from util.progress_bar import ProgressBar
from util.warn import warn


class Clock:
    """Stands in for `time.time` of the bar; tqdm keeps its own."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("util.progress_bar.time", SimpleNamespace(time=clock))
    return clock


def train_batch(bar, progress, clock, images, seconds):
    clock.now += seconds
    progress.advance(images)
    bar.update(images)


def test_the_first_batch_counts_only_as_long_as_it_is_alone(clock):
    progress = Progress(epochs=3, images_per_epoch=40)
    with ProgressBar(1, progress) as bar:
        assert bar.seconds_left is None
        train_batch(bar, progress, clock, images=10, seconds=50)
        assert bar.seconds_left == pytest.approx(5 * 110)
        train_batch(bar, progress, clock, images=10, seconds=5)
        train_batch(bar, progress, clock, images=10, seconds=15)
        assert bar.seconds_left == pytest.approx(1 * (10 + 2 * 40))
        assert bar.seconds_per_image == pytest.approx(70 / 30)  # in the log: what the epoch really took


def test_the_last_epoch_ends_at_nothing_left_also_when_resumed(clock):
    progress = Progress(epochs=2, images_per_epoch=40, epoch=2, images_this_epoch=25, images_seen=65)
    with ProgressBar(2, progress) as bar:
        train_batch(bar, progress, clock, images=10, seconds=99)
        train_batch(bar, progress, clock, images=2, seconds=4)
        assert bar.seconds_left == pytest.approx(2 * 3)
        train_batch(bar, progress, clock, images=10, seconds=4)  # resumed with another batch size: more than the epoch
        assert bar.seconds_left == 0


def test_a_warning_has_a_line_of_its_own_beside_a_bar(capsys):
    progress = Progress(epochs=1, images_per_epoch=4)
    with ProgressBar(1, progress) as bar:
        progress.advance(1)
        bar.update(1)
        warn("something is odd")
    printed = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert [line for line in printed if "odd" in line] == ["warning: something is odd"]
