"""Learning rate by epoch."""

from __future__ import annotations


def learning_rate(epoch: int, lr: float, niter: int, niter_decay: int) -> float:
    """Base learning rate in `epoch` (counted from 1).

    Constant in epochs 1 to niter + 1, then linear: lr * (1 - k / niter_decay) in epoch niter + 1 + k. In the last
    epoch, niter + niter_decay, it is lr / niter_decay; it would be zero in the next one (published schedule).
    """
    rate = lr
    for _ in range(niter + 1, epoch):
        rate -= lr / niter_decay  # repeated subtraction gives the published rates to the last bit
    return rate
