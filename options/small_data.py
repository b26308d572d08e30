"""Options for training on few photos: augmentation, and regularization of the discriminator. All are off by default."""

from dataclasses import dataclass

from options.base import Options
from options.field import Rule, option

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
