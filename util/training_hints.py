"""Hints on a training page: signs that a run is not healthy, each with its reason and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from util.curves import Curve
from util.score_log import ScoreRecord

WINDOW = 8
"""Records in a mean: the losses of single batches vary much."""
ENOUGH = 12
"""Records from which a curve says anything."""
D_WON = 0.03
"""Sum of D's losses below which D has won; in recorded healthy runs it is above 0.08 (cross entropy) or 1 (hinge)."""
LOGITS_APART = 10.0
"""Difference of D's mean logits on photos and images; 1 to 2 (hinge) or 3 to 7 (cross entropy) in healthy runs."""
GAN_RISE = 1.5
"""Rise of G's GAN loss over all quarters of a training."""
NO_KL = 0.002
"""Weighted KL divergence below which the encoder says nothing; in recorded healthy runs it is 0.02 to 0.5."""
EVALUATIONS = 5
"""Scored epochs without a better score."""
RECENT = 5
"""Records in a median of the speed, and of the time spent waiting."""
WAITING = 0.5
"""Fraction of the time spent waiting for data beyond which the loader is the bottleneck."""


@dataclass(frozen=True)
class Hint:
    """A sign that a run is not healthy.

    Attributes:
        seen: what is seen.
        since: images of the training after which it began; None if that is not known.
        why: why it matters.
        advice: what to try.
    """

    seen: str
    since: int | None
    why: str
    advice: str


@dataclass(frozen=True)
class Observed:
    """What hints are found in.

    Attributes:
        curves: by name; losses are called `loss_PLAYER/NAME`.
        scores: of the validation data, oldest first.
        skipped_steps: how many steps were skipped because a loss or gradient was not finite.
        training: whether the training goes on.
        error: what stopped the training, if anything did.
    """

    curves: Mapping[str, Curve]
    scores: Sequence[ScoreRecord] = ()
    skipped_steps: int = 0
    training: bool = True
    error: str = ""


def find_hints(observed: Observed) -> list[Hint]:
    """The hints, most urgent first; none for a healthy run."""
    rules: tuple[Callable[[Observed], Hint | None], ...] = (
        not_finite,
        learning_rate_zero,
        discriminator_won,
        logits_apart,
        gan_loss_rising,
        scores_worse,
        posterior_collapse,
        loader_slow,
        speed_halved,
    )
    return [hint for rule in rules if (hint := rule(observed))]


def has_enough(curves: Mapping[str, Curve]) -> bool:
    """Whether the losses are long enough to say anything."""
    return any(len(curve) >= ENOUGH for name, curve in curves.items() if name.startswith("loss_"))


def not_finite(observed: Observed) -> Hint | None:
    """A loss or gradient is NaN or infinite."""
    ended = "not finite" in observed.error
    if not ended and not observed.skipped_steps:
        return None
    steps = f"{observed.skipped_steps:,} step{'s' if observed.skipped_steps > 1 else ''}"
    return Hint(
        "The training has stopped: a loss or gradient is NaN or infinite"
        if ended
        else f"{steps} skipped: a loss or gradient was NaN or infinite",
        None,
        "The step would have ruined the weights; the checkpoints do not hold it. If it happens again, the training "
        "diverges, or the precision is too small for it.",
        "--precision fp32 or bf16 in place of fp16; half of --lr; python -m scripts.prepare check for broken photos",
    )


def learning_rate_zero(observed: Observed) -> Hint | None:
    """A player learns nothing."""
    for name, curve in _of_group(observed, "lr"):
        since = _since(curve.positions, curve.means == 0)
        if observed.training and since is not None:
            return Hint(
                f"The learning rate of {name} is 0",
                since,
                "Its weights no longer change.",
                "--lr above 0; more --niter and --niter_decay for a longer schedule",
            )
    return None


def discriminator_won(observed: Observed) -> Hint | None:
    """D's losses on images and photos are 0."""
    both = [observed.curves.get(f"loss_D/{name}") for name in ("D_Fake", "D_real")]
    fake, real = both
    if fake is None or real is None or len(fake) != len(real) or len(fake) < ENOUGH:
        return None
    loss, positions = _smooth(fake.means + real.means), _smooth(fake.positions)
    since = _since(positions, (loss >= 0) & (loss < D_WON))
    if since is None:
        return None
    return Hint(
        f"The losses of the discriminator are near 0 (D_Fake + D_real {max(0.0, loss[-1]):.3f})",
        since,
        "It has won: it tells every image from every photo, so the generator gets no useful gradient from it.",
        "--diffaugment color,translation,cutout for a small data set; --r1_gamma 0.1; a smaller --ndf; a lower --lr",
    )


def logits_apart(observed: Observed) -> Hint | None:
    """The logits of D on photos and on images are far apart."""
    fake, real = (observed.curves.get(f"logits/{name}") for name in ("fake", "real"))
    if fake is None or real is None or len(fake) != len(real) or len(fake) < ENOUGH:
        return None
    gap = _smooth(real.means - fake.means)
    since = _since(_smooth(fake.positions), gap > LOGITS_APART)
    if since is None:
        return None
    return Hint(
        f"The logits of the discriminator on photos and on images are {gap[-1]:.1f} apart",
        since,
        "It tells them apart with ease; on a small data set it knows the photos by heart.",
        "--diffaugment color,translation,cutout; --lambda_lecam 0.3; --r1_gamma 0.1",
    )


def gan_loss_rising(observed: Observed) -> Hint | None:
    """The generator's GAN loss rises from quarter to quarter."""
    curve = observed.curves.get("loss_G/GAN")
    if curve is None or len(curve) < 4 * WINDOW:
        return None
    quarters = [float(part.mean()) for part in np.array_split(curve.means, 4)]
    if quarters != sorted(quarters) or quarters[3] - quarters[0] < GAN_RISE:
        return None
    return Hint(
        f"The GAN loss of the generator keeps rising: {', '.join(f'{value:.2f}' for value in quarters)} on average in "
        f"the quarters of this training",
        int(np.array_split(curve.positions, 4)[1][0]),
        "The discriminator gets ahead of the generator: images may become worse from here on.",
        "look at the samples below; --diffaugment color,translation,cutout; --r1_gamma 0.1; a lower --lr",
    )


def scores_worse(observed: Observed) -> Hint | None:
    """The validation score was best long ago."""
    moments = list(dict.fromkeys(record.images_seen for record in observed.scores))
    best = max((record.images_seen for record in observed.scores if record.is_best), default=None)
    if best is None or (after := sum(moment > best for moment in moments)) < EVALUATIONS:
        return None
    epoch = next(record.epoch for record in observed.scores if record.images_seen == best)
    return Hint(
        f"The validation score has not improved in {after} evaluations; it was best in epoch {epoch}",
        best,
        "Training longer makes the images of new label maps no better: the networks fit the training data alone.",
        "test the best networks with test.py --which_epoch best; --diffaugment color,translation,cutout or --warp 0.05",
    )


def posterior_collapse(observed: Observed) -> Hint | None:
    """The KL divergence of the encoder is 0."""
    curve = observed.curves.get("loss_G/KLD")
    if curve is None or len(curve) < ENOUGH:
        return None
    divergence = _smooth(curve.means)
    since = _since(_smooth(curve.positions), divergence < NO_KL)
    if since is None:
        return None
    return Hint(
        f"The KL divergence of the encoder is near 0 (KLD {divergence[-1]:.4f})",
        since,
        "The encoder says nothing about the style photo (posterior collapse): every style gives the same image.",
        "a smaller --lambda_kld, such as 0.01",
    )


def loader_slow(observed: Observed) -> Hint | None:
    """The training waits for data."""
    curve = observed.curves.get("waiting/for data")
    if curve is None or len(curve) < 2 * RECENT:
        return None
    fraction = float(np.median(curve.means[-RECENT:]))
    if fraction <= WAITING:
        return None
    return Hint(
        f"{fraction:.0%} of the time is spent waiting for data",
        _since(curve.positions, curve.means > WAITING),
        "Reading the samples takes longer than training on them.",
        "a larger --num_workers; --cache_dir DIR, which keeps decoded samples; --fast_decode for large JPEG files",
    )


def speed_halved(observed: Observed) -> Hint | None:
    """The training has become slow."""
    curve = observed.curves.get("speed/images_per_second")
    if curve is None or len(curve) < 3 * RECENT or not observed.training:
        return None
    now, before = float(np.median(curve.means[-RECENT:])), float(np.median(curve.means[:-RECENT]))
    if now >= before / 2:
        return None
    return Hint(
        f"The speed has fallen to {now:.3g} images/s, from {before:.3g} before",
        _since(curve.positions, curve.means < 0.6 * before),
        "Something else uses the device, the cores or the disk, or the device is too hot.",
        "look at the other programs on this machine (nvidia-smi, top)",
    )


def _of_group(observed: Observed, group: str) -> Iterator[tuple[str, Curve]]:
    """The curves of a group that hold anything, with the second part of their names."""
    for name, curve in observed.curves.items():
        if name.startswith(f"{group}/") and len(curve):
            yield name.partition("/")[2], curve


def _smooth(values: np.ndarray) -> np.ndarray:
    """Means of `WINDOW` neighbors."""
    return np.convolve(values, np.full(WINDOW, 1 / WINDOW), mode="valid")


def _since(positions: np.ndarray, holds: np.ndarray) -> int | None:
    """The position from which on a condition holds to the end; None if it does not hold at the end."""
    if not len(holds) or not holds[-1]:
        return None
    failures = np.flatnonzero(~holds)
    return round(float(positions[failures[-1] + 1 if len(failures) else 0]))
