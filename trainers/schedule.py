"""Learning rate by epoch, and its split between the two players."""

from __future__ import annotations


def learning_rate(epoch: int, lr: float, niter: int, niter_decay: int) -> float:
    """Learning rate in force during `epoch` (counted from 1).

    Constant during epochs 1 to niter + 1, then linear: epoch niter + 1 + k runs at lr * (1 - k / niter_decay). The
    last epoch, niter + niter_decay, still runs at lr / niter_decay; zero is reached only after it (published schedule).
    """
    rate = lr
    for _ in range(niter + 1, epoch):
        rate -= lr / niter_decay  # repeated subtraction gives the published rates to the last bit
    return rate


def player_rates(rate: float, TTUR: bool) -> tuple[float, float]:
    """(generator, discriminator) rates: half and double with the two time-scale update rule, else both the same."""
    return (rate / 2, rate * 2) if TTUR else (rate, rate)
