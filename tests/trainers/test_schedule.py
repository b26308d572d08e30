"""Learning rates of the published schedule."""

import pytest

from trainers.schedule import learning_rate


def test_constant_then_linear_by_hand():
    rates = [learning_rate(epoch, 0.8, niter=3, niter_decay=4) for epoch in range(1, 8)]
    assert rates == pytest.approx([0.8, 0.8, 0.8, 0.8, 0.6, 0.4, 0.2])


def test_without_decay_the_rate_never_changes():
    assert {learning_rate(epoch, 0.1, niter=50, niter_decay=0) for epoch in range(1, 51)} == {0.1}
