"""Options for training on few photos: augmentation, and regularization of the discriminator. All are off by default."""

from dataclasses import dataclass

from options.base import Options
from options.field import Rule, at_least, option

# `models.augmentation.POLICIES`, which imports torch; options do not.
DIFFAUGMENT_POLICIES = ("color", "translation", "cutout")


def _are_policies(text: str) -> bool:
    names = text.split(",")
    return set(names) <= set(DIFFAUGMENT_POLICIES) and len(set(names)) == len(names)


@dataclass(frozen=True, kw_only=True)
class SmallDataOptions(Options, heading="small data sets"):
    """What keeps a discriminator from learning a few photos by heart."""

    diffaugment: str | None = option(
        None,
        "DiffAugment: change fakes and photos at random where the discriminator sees them, by one or more of "
        f"{', '.join(DIFFAUGMENT_POLICIES)}",
        rule=Rule(
            f"different ones of {', '.join(DIFFAUGMENT_POLICIES)}, with commas between them and no spaces",
            _are_policies,
        ),
        unset="no augmentation",
    )
    warp: float = option(
        0.0,
        "warp label maps and photos alike by random splines, whose points move by at most this fraction of the size, "
        "such as 0.05",
        rule=Rule("0 to 0.1: beyond that, images would fold", lambda value: 0 <= value <= 0.1),
    )
    r1_gamma: float = option(
        0.0, "R1: weight of the gradient penalty on photos, such as 0.1; 0 for none", rule=at_least(0)
    )
    r1_interval: int = option(
        16,
        "R1: how often the penalty is computed, with so many times the weight",
        unit="steps",
        rule=at_least(1),
        needs=("r1_gamma",),
    )
    lambda_lecam: float = option(
        0.0, "LeCam: weight of keeping logits near past means, such as 0.3; 0 for none", rule=at_least(0)
    )
    lecam_start: int = option(
        1000, "LeCam: first steps without the term", unit="steps", rule=at_least(0), needs=("lambda_lecam",)
    )
    D_warmup: int = option(
        0,
        "first steps in which the learning rate of the discriminator rises linearly",
        unit="steps",
        rule=at_least(0),
    )
