"""Learning rate by epoch."""

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
