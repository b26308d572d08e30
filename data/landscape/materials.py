"""Materials of patches: the class of each, and its colors by season.

A ramp has three colors: in shade, in half light and in light. A material with one ramp looks the same all year.
"""

from dataclasses import dataclass

import numpy as np

from data.landscape.canvas import CLASS_NAMES, UNKNOWN
from data.landscape.noise import Array

SEASONS = ("spring", "summer", "autumn", "winter")


@dataclass(frozen=True)
class Material:
    """`kind` is the class, "unknown" if there is none, or None if the material only shades what is below it."""

    kind: str | None
    ramps: tuple[str, ...] = ("000000 808080 ffffff",)
    """One ramp for the whole year, or one for each of `SEASONS`."""


MATERIALS = {
    "sky": Material("sky"),
    "cloud": Material("cloud"),
    "disc": Material("unknown"),
    "shade": Material(None),
    "mountain": Material("mountain", ("3f4560 757a96 b3aebb",)),
    "hill": Material(
        "hill",
        ("5a7a3f 94b45f c6d88e", "51703c 839f55 b9c681", "6b5a36 ab8f50 d6bd7b", "66665a 9a9883 c6c3ae"),
    ),
    "rock": Material("rock", ("4b372f 8c6d5a c9a98d",)),
    "snow": Material("snow", ("93acd3 dde8f6 ffffff",)),
    "spruces": Material(
        "tree", ("17402b 2d6440 5a8f5c", "14392a 29593c 4f8055", "1d3c2c 3a5c3f 6d8257", "2c4642 4e6d66 8fa9a3")
    ),
    "woods": Material(
        "tree", ("28562a 4f8b40 92bd63", "1c4424 34702f 6a9b4d", "63331b a9602b dca247", "3d3a38 6a655d 9a948a")
    ),
    "conifer": Material(
        "tree", ("12351f 2a6038 5f9a58", "0f2e1e 24543a 558a58", "1a3423 395b39 748a58", "213a36 466861 96aeaa")
    ),
    "foliage": Material(
        "tree", ("2c6128 63a53c b9dc6e", "1b471d 3c7c2d 8bbb50", "742a14 c2641f f0b849", "453831 74645a a5948a")
    ),
    "trunk": Material("tree", ("33241c 5d4536 8d7159",)),
    "bush": Material(
        "bush", ("3e6b2b 76ab47 b8d977", "345c1f 629239 a5c262", "6a3822 aa6a3c d9a463", "4f463b 7f735c ada186")
    ),
    "grass": Material(
        "grass", ("4a8a2f 7fc04b bde37e", "46792a 74ac40 b0d469", "7a6c30 b3a04c dcca7d", "787a5e a6a482 cccbab")
    ),
    "sand": Material("sand", ("c09a62 e6cb93 fbedc8",)),
    "dirt": Material("dirt", ("57331f 8d5d38 bd8b5c",)),
    "gravel": Material("gravel", ("5f5a58 a19a95 dcd6d0",)),
    "stone": Material("stone", ("353b47 6b7481 adb5bd",)),
    "road": Material("road", ("4d434a 7c7074 a8999a",)),
    "water": Material("water", ("0d4350 1f7080 64b3b4",)),
    "river": Material("river", ("134a78 2f7fb8 7fc0e2",)),
    "sea": Material("sea", ("0a2f66 17599c 4a9bd0",)),
    "plant": Material(
        "plant", ("1f5a35 49914d 9ccf78", "1d5232 43884a 93c470", "4f5a24 8f8a3c cfc070", "4a5a45 7b8768 b3b996")
    ),
    "blossom": Material(
        "plant", ("b03a72 ef86b4 ffd9e8", "b0362f f06a4a ffd05a", "6a3f92 a878cc e2c8f2", "a8a4b4 dcd8e4 ffffff")
    ),
    "wall": Material("unknown", ("6b4a35 a3795a d6b08a",)),
    "doorway": Material("unknown", ("1c1512 3a2a22 5a4436",)),
    "roof": Material("unknown", ("5a2320 93403a c0705c",)),
    "hull": Material("unknown", ("3a2018 7a3f2c b5765a",)),
    "sail": Material("unknown", ("b9b2a6 f1ece0 ffffff",)),
}


def label_of(material: str) -> int | None:
    """The class id of a material; 255 if it has no class, None if the label below stays."""
    kind = MATERIALS[material].kind
    if kind is None:
        return None
    return UNKNOWN if kind == "unknown" else CLASS_NAMES.index(kind)


def color(text: str) -> Array:
    """An "rrggbb" as three numbers in 0..1."""
    return np.frombuffer(bytes.fromhex(text), dtype=np.uint8) / 255.0


def ramp(text: str) -> Array:
    """Three "rrggbb" as (3, 3), dark to light."""
    return np.stack([color(part) for part in text.split()])


def ramp_of(material: str, season: str) -> Array:
    """The ramp (3, 3) of a material in one of `SEASONS`."""
    ramps = MATERIALS[material].ramps
    return ramp(ramps[SEASONS.index(season) if len(ramps) > 1 else 0])
