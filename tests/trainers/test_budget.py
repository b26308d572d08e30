"""A training ends when its minutes or images are used up, over all its starts."""

import pytest

from tests.trainers.test_checkpoint import checkpoints
from trainers.budget import Budget, TrainingClock
from util.distributed import World


def budget(minutes_before: float = 0, **limits) -> Budget:
    clock = TrainingClock()
    clock.before = 60 * minutes_before
    return Budget(clock, World(), **limits)


@pytest.mark.parametrize(
    ("minutes", "images", "limits", "spent"),
    [
        (1000, 10**9, {}, False),
        (0, 9, {"max_images": 10}, False),
        (0, 10, {"max_images": 10}, True),
        (0, 12, {"max_images": 10}, True),  # of a batch that passes it
        (1.9, 0, {"max_minutes": 2}, False),
        (2.0, 0, {"max_minutes": 2}, True),
        (1.0, 10, {"max_minutes": 2, "max_images": 10}, True),
        (2.0, 9, {"max_minutes": 2, "max_images": 10}, True),
        (1.0, 9, {"max_minutes": 2, "max_images": 10}, False),
    ],
)
def test_the_first_limit_that_is_reached_ends_the_training(minutes, images, limits, spent):
    assert budget(minutes, **limits).note(images) is spent


def test_time_left_is_that_to_the_nearer_limit():
    assert budget().seconds_left(10, seconds_per_image=2) is None
    assert budget(1, max_minutes=3).seconds_left(10, 2) == 120
    assert budget(1, max_minutes=3, max_images=40).seconds_left(10, 2) == 60
    assert budget(1, max_minutes=3, max_images=40).seconds_left(50, 2) == 0


def test_the_clock_goes_on_from_the_save_that_a_run_resumes_from(make_trainer, tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    first = checkpoints(tmp_path, make_trainer())
    first.clock.start()
    now = 107.5
    first.save()
    now = 500.0  # lost with the process
    second = checkpoints(tmp_path, make_trainer())
    assert second.restore()
    assert second.clock.seconds == 7.5  # loading is not counted
    second.clock.start()
    now = 502.0
    assert second.clock.seconds == 9.5
