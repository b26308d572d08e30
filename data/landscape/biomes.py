"""Tables of the kinds of landscape that a scene can show, and of the things that stand in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from data.landscape import objects


@dataclass(frozen=True)
class Thing:
    """How one kind of thing is drawn and where it stands."""

    draw: Callable[..., None]
    """Called as draw(canvas, rng, x, y, size)."""
    size: tuple[float, float]
    """In picture heights, where it stands at the foot of the picture."""
    footprint: float = 0.5
    """Width on the ground relative to the size, kept clear of roads and rivers."""
    crowd_far: float = 1.5
    """Above 1, more things stand far away."""
    farthest: float = 0.03
    nearest: float = 0.95
    """From the upper edge of the ground (0) to the foot of the picture (1)."""
    at_sides: bool = False
    """Keep near ones out of the middle of the picture."""
    afloat: bool = False
    """On the water instead: from its far edge (0) to the shore (1)."""


THINGS = {
    "conifer": Thing(objects.conifer, (0.6, 1.0), 0.3, 1.6, 0.0, 0.9, at_sides=True),
    "round_tree": Thing(objects.round_tree, (0.6, 0.95), 0.4, 1.7, 0.0, 0.85, at_sides=True),
    "bush": Thing(objects.bush, (0.22, 0.42), 0.7, 1.2),
    "rock": Thing(partial(objects.boulder, kind="rock"), (0.2, 0.45), 0.7, 1.0),
    "stone": Thing(partial(objects.boulder, kind="stone"), (0.08, 0.2), 0.0, 0.8, 0.1),
    "plant": Thing(partial(objects.plant, flowers=False), (0.2, 0.36), 0.3, 0.6, 0.35, 0.7),
    "flower": Thing(partial(objects.plant, flowers=True), (0.18, 0.32), 0.3, 0.6, 0.3, 0.75),
    "hut": Thing(objects.hut, (0.26, 0.4), 1.0, 1.0, 0.05, 0.35),
    "boat": Thing(objects.boat, (0.2, 0.32), 0.0, 1.0, 0.08, 0.45, afloat=True),
}


@dataclass(frozen=True)
class Biome:
    """One kind of landscape; numbers are probabilities unless stated otherwise."""

    weight: float
    """How often it is drawn, relative to the others."""
    ground: str
    horizon: tuple[float, float]
    """Lowest and highest, from the top of the picture in picture heights."""
    things: dict[str, int]
    """Kind -> maximum number in one scene."""
    mountains: tuple[int, int] = (0, 1)
    mountain_kind: tuple[str, ...] = ("mountain",)
    snow_caps: float = 0.4
    hills: tuple[int, int] = (0, 2)
    hill_kind: str = "hill"
    woods: float = 0.5
    """Probability of woods on each hill."""
    wood_kind: str = "woods"
    water: str | None = None
    """Either "water" or "sea"; None for a plain."""
    shores: tuple[str, ...] = ("sand",)
    headland: float = 0.0
    river: float = 0.0
    road: float = 0.0
    blotches: dict[str, float] = field(default_factory=dict)
    """Kind of ground -> probability of patches of it."""


BIOMES = {
    "alpine lake": Biome(
        weight=1.2,
        ground="grass",
        horizon=(0.42, 0.56),
        mountains=(1, 3),
        snow_caps=0.85,
        hills=(0, 1),
        woods=0.8,
        wood_kind="spruces",
        water="water",
        shores=("gravel", "gravel", "dirt"),
        blotches={"dirt": 0.25, "snow": 0.15},
        things={"conifer": 7, "stone": 6, "rock": 3, "bush": 2, "flower": 4, "hut": 1},
    ),
    "meadow lake": Biome(
        weight=0.8,
        ground="grass",
        horizon=(0.36, 0.52),
        hills=(1, 3),
        woods=0.7,
        water="water",
        shores=("sand", "grass", "gravel"),
        blotches={"dirt": 0.3},
        things={"round_tree": 5, "bush": 5, "stone": 4, "plant": 6, "flower": 4, "boat": 1},
    ),
    "beach": Biome(
        weight=1.0,
        ground="sand",
        horizon=(0.36, 0.55),
        mountains=(0, 1),
        snow_caps=0.1,
        hills=(0, 0),
        water="sea",
        headland=0.5,
        shores=("sand", "sand", "gravel"),
        blotches={"grass": 0.5, "gravel": 0.3},
        things={"stone": 7, "rock": 3, "bush": 3, "plant": 6, "boat": 1},
    ),
    "coast": Biome(
        weight=0.7,
        ground="grass",
        horizon=(0.34, 0.5),
        mountains=(0, 1),
        snow_caps=0.2,
        hills=(0, 1),
        water="sea",
        headland=0.7,
        shores=("gravel", "sand", "dirt"),
        road=0.25,
        blotches={"dirt": 0.3, "gravel": 0.2},
        things={"rock": 4, "stone": 5, "bush": 4, "conifer": 3, "flower": 5, "boat": 1},
    ),
    "river valley": Biome(
        weight=1.3,
        ground="grass",
        horizon=(0.36, 0.52),
        mountains=(1, 2),
        snow_caps=0.6,
        hills=(1, 2),
        woods=0.6,
        river=0.9,
        road=0.35,
        blotches={"gravel": 0.3, "dirt": 0.2},
        things={"round_tree": 5, "conifer": 4, "bush": 5, "stone": 4, "flower": 5, "hut": 1},
    ),
    "country road": Biome(
        weight=1.0,
        ground="grass",
        horizon=(0.34, 0.52),
        mountains=(0, 1),
        snow_caps=0.3,
        hills=(1, 3),
        woods=0.75,
        road=0.9,
        river=0.1,
        blotches={"dirt": 0.5},
        things={"round_tree": 7, "bush": 6, "plant": 4, "flower": 5, "stone": 2, "hut": 1},
    ),
    "desert": Biome(
        weight=0.9,
        ground="sand",
        horizon=(0.36, 0.54),
        mountains=(1, 2),
        mountain_kind=("rock", "rock", "mountain"),
        snow_caps=0.0,
        hills=(0, 2),
        hill_kind="dune",
        woods=0.0,
        road=0.4,
        blotches={"dirt": 0.6, "gravel": 0.6},
        things={"rock": 5, "stone": 8, "bush": 4, "plant": 4},
    ),
    "badlands": Biome(
        weight=0.6,
        ground="dirt",
        horizon=(0.36, 0.52),
        mountains=(1, 2),
        mountain_kind=("rock", "mountain"),
        snow_caps=0.2,
        hills=(0, 2),
        woods=0.2,
        river=0.35,
        road=0.3,
        blotches={"gravel": 0.5, "grass": 0.5},
        things={"rock": 6, "stone": 6, "bush": 5, "round_tree": 2, "plant": 4},
    ),
    "snowfield": Biome(
        weight=0.9,
        ground="snow",
        horizon=(0.36, 0.54),
        mountains=(1, 2),
        snow_caps=1.0,
        hills=(0, 2),
        hill_kind="snow",
        woods=0.7,
        wood_kind="spruces",
        river=0.3,
        road=0.2,
        blotches={"gravel": 0.15, "grass": 0.15},
        things={"conifer": 9, "rock": 4, "stone": 3, "bush": 1, "hut": 1},
    ),
}
