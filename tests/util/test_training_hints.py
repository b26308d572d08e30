"""Hints are given for what is wrong, and none for a healthy run."""

import re
from pathlib import Path

import numpy as np
import pytest

from options import TestOptions, TrainOptions
from options.field import declared_options
from util.curves import Curves
from util.loss_log import LossRecord, images_seen
from util.score_log import ScoreRecord
from util.training_hints import Observed, find_hints
from util.training_log import loss_names

STEPS = 64
GOLDEN = Path(__file__).parents[1] / "golden" / "healthy_losses.txt"


def flat(value):
    return np.full(STEPS, float(value))


def then(before, after, place=32):
    """A curve that jumps after 3200 images."""
    return np.concatenate([np.full(place, float(before)), np.full(STEPS - place, float(after))])


HEALTHY = {
    "loss_G/GAN": flat(0.6),
    "loss_G/KLD": flat(0.1),
    "loss_D/D_Fake": flat(0.8),
    "loss_D/D_real": flat(0.7),
    "logits/fake": flat(-0.5),
    "logits/real": flat(0.6),
    "lr/G": flat(1e-4),
    "lr/D": flat(4e-4),
    "speed/images_per_second": flat(30),
    "waiting/for data": flat(0.05),
}


def observed(changed=None, **more):
    curves = Curves()
    for name, values in {**HEALTHY, **(changed or {})}.items():
        for i, value in enumerate(values, start=1):
            curves.add(100 * i, {name: value})
    return Observed(curves, **more)


def scores(*best):
    """One scored epoch for each value, which says whether it is the best so far."""
    return [ScoreRecord(epoch, 1000 * epoch, "average", {"fid": 1.0}, is_best) for epoch, is_best in enumerate(best, 1)]


def test_a_healthy_run_has_no_hint():
    assert find_hints(observed()) == []
    assert find_hints(observed(scores=scores(True, False, True, False, False, False, False))) == []
    assert find_hints(Observed(Curves())) == []


@pytest.mark.parametrize(
    "changed, seen, since",
    [
        # Means of 8 records: the first one without a record from before the change ends at the 40th.
        ({"loss_D/D_Fake": then(0.8, 0), "loss_D/D_real": then(0.7, 0)}, "D_Fake + D_real 0.000", 3650),
        ({"loss_D/D_Fake": flat(0), "loss_D/D_real": flat(0)}, "losses of the discriminator are near 0", 450),
        ({"logits/real": then(1, 20)}, "20.5 apart", 3250),
        ({"loss_G/GAN": np.linspace(0, 4, STEPS)}, "0.48, 1.49, 2.51, 3.52", 1700),
        ({"loss_G/KLD": then(0.1, 0.001)}, "(KLD 0.0010)", 3650),
        ({"lr/D": then(4e-4, 0)}, "The learning rate of D is 0", 3300),
        ({"speed/images_per_second": then(30, 12)}, "fallen to 12 images/s", 3300),
        ({"waiting/for data": then(0.05, 0.8)}, "80% of the time", 3300),
    ],
)
def test_what_is_wrong_is_seen_since_it_began(changed, seen, since):
    (hint,) = find_hints(observed(changed))
    assert seen in hint.seen
    assert hint.since == since
    assert hint.why.endswith(".")


@pytest.mark.parametrize(
    "changed",
    [
        {"loss_D/D_Fake": then(0, 0.8), "loss_D/D_real": then(0, 0.7)},  # recovered
        {"loss_D/D_Fake": flat(-9), "loss_D/D_real": flat(-9)},  # Wasserstein losses have no zero
        {"loss_G/KLD": then(0.001, 0.1)},  # the encoder has not learned anything at first
        {"loss_G/GAN": np.linspace(4, 0, STEPS)},
        {"speed/images_per_second": then(12, 30)},
        {"logits/real": flat(6)},  # as with a cross entropy
    ],
)
def test_what_is_no_trouble_is_none(changed):
    assert find_hints(observed(changed)) == []


def test_a_score_that_was_best_long_ago():
    assert find_hints(observed(scores=scores(True, *[False] * 4))) == []
    (hint,) = find_hints(observed(scores=scores(False, True, *[False] * 5)))
    assert hint.seen == "The validation score has not improved in 5 evaluations; it was best in epoch 2"
    assert hint.since == 2000


def test_steps_that_are_not_finite():
    (hint,) = find_hints(observed(skipped_steps=3))
    assert hint.seen == "3 steps skipped: a loss or gradient was NaN or infinite"
    (hint,) = find_hints(observed(training=False, error="loss GAN is not finite in step 7"))
    assert hint.seen == "The training has stopped: a loss or gradient is NaN or infinite"


def test_the_end_of_a_schedule_is_no_trouble():
    assert find_hints(observed({"lr/G": then(1e-4, 0)}, training=False)) == []


def test_every_advice_is_an_option_that_exists():
    bad = {
        **{name: flat(0) for name in ("loss_D/D_Fake", "loss_D/D_real", "loss_G/KLD", "lr/G")},
        "logits/real": flat(20),
        "loss_G/GAN": np.linspace(0, 4, STEPS),
        "speed/images_per_second": then(30, 1),
        "waiting/for data": flat(0.9),
    }
    hints = find_hints(observed(bad, scores=scores(True, *[False] * 5), skipped_steps=1))
    assert len(hints) == 9
    flags = {flag for hint in hints for flag in re.findall(r"--(\w+)", hint.advice)}
    assert flags <= declared_options(TrainOptions).keys() | declared_options(TestOptions).keys()
    assert len(flags) >= 10


def recorded():
    """Losses of healthy trainings by name of the run: a line of names, then their values at positions."""
    runs = {}
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        run, place, losses = line.split("  ")
        epoch, images = map(int, place.split(","))
        values = {name: float(value) for name, value in (pair.split("=") for pair in losses.split(" "))}
        runs.setdefault(run, []).append(LossRecord(epoch, images, values))
    return runs


@pytest.mark.parametrize("run", recorded())
def test_recorded_healthy_runs_have_no_hint(run):
    history = recorded()[run]
    curves = Curves()
    for record, seen in zip(history, images_seen(history)):
        curves.add(seen, loss_names(record.losses, {}))
    assert find_hints(Observed(curves)) == []
