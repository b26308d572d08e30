"""The style of a picture: season, time of day, weather and the painter's palette, drawn apart from the layout."""

from dataclasses import dataclass

import numpy as np

from data.landscape.materials import SEASONS, color, ramp
from data.landscape.noise import Array


@dataclass(frozen=True)
class Daylight:
    """Colors of sky and light at one time of day; lights are factors on a material's color."""

    sky: str
    """Horizon, middle, zenith."""
    cloud: str
    """Shade, half light, light."""
    disc: str
    ambient: tuple[float, float, float]
    sun: tuple[float, float, float]
    glow: float
    """Strength of the light around the sun."""


TIMES = {
    "dawn": Daylight(
        "fcd9c8 c9bcdc 7f98cf", "a394ba ecccca fff3e2", "fff1d8", (0.56, 0.55, 0.66), (0.52, 0.40, 0.36), 0.5
    ),
    "noon": Daylight(
        "d6ebf4 84bdea 3a82cc", "a9bbd2 e3ebf3 ffffff", "fffbe6", (0.60, 0.64, 0.70), (0.54, 0.49, 0.40), 0.3
    ),
    "dusk": Daylight(
        "ffd08a e59f86 5565a8", "85688a eaa27f ffe4ae", "fff0b8", (0.53, 0.47, 0.53), (0.66, 0.43, 0.22), 0.7
    ),
    "night": Daylight(
        "4c6298 22356a 0d1738", "1f2a4d 3f507c 8090b2", "f4f2dc", (0.26, 0.32, 0.50), (0.22, 0.25, 0.30), 0.25
    ),
}
TIME_CHANCES = {"dawn": 0.17, "noon": 0.5, "dusk": 0.22, "night": 0.11}
SEASON_CHANCES = {"spring": 0.25, "summer": 0.35, "autumn": 0.25, "winter": 0.15}
assert tuple(SEASON_CHANCES) == SEASONS


@dataclass(frozen=True)
class Weather:
    """Effect of the air on light and distance."""

    haze: float
    """Fraction of the horizon's color in what is farthest away."""
    cover: float
    """Fraction of plain gray in the sky, and of the sun's light that is lost."""


WEATHERS = {"clear": Weather(0.55, 0.0), "hazy": Weather(0.8, 0.25), "overcast": Weather(0.7, 0.75)}
WEATHER_CHANCES = {"clear": 0.6, "hazy": 0.2, "overcast": 0.2}


@dataclass(frozen=True)
class Style:
    """How a layout is painted. Every field is independent of the layout."""

    time: str = "noon"
    season: str = "summer"
    weather: str = "clear"
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factor on red, green and blue."""
    saturation: float = 1.0
    contrast: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        """A style at random; about nine in ten are painted by daylight."""
        time, season, weather = (
            str(rng.choice(list(chances), p=list(chances.values())))
            for chances in (TIME_CHANCES, SEASON_CHANCES, WEATHER_CHANCES)
        )
        red, green, blue = (1.0 + rng.uniform(-0.05, 0.05, 3)).tolist()
        return cls(time, season, weather, (red, green, blue), rng.uniform(0.85, 1.15), rng.uniform(0.92, 1.1))

    @property
    def daylight(self) -> Daylight:
        return TIMES[self.time]

    @property
    def air(self) -> Weather:
        return WEATHERS[self.weather]

    def _grayed(self, colors: Array) -> Array:
        """Colors of the sky (N, 3), grayed by the weather."""
        gray = colors.mean(axis=-1, keepdims=True) * (0.93, 0.97, 1.02)
        return colors + 0.85 * self.air.cover * (0.25 * gray.mean() + 0.75 * gray - colors)

    @property
    def sky(self) -> Array:
        """Ramp (3, 3) of the sky, from the horizon up."""
        return self._grayed(ramp(self.daylight.sky))

    @property
    def cloud(self) -> Array:
        """Ramp (3, 3) of the clouds."""
        return self._grayed(ramp(self.daylight.cloud)) * (1.0 - 0.1 * self.air.cover)

    @property
    def haze(self) -> Array:
        """The color (3,) that distance takes on."""
        return 0.8 * self.sky[0] + 0.2 * self.sky[1]

    @property
    def ambient(self) -> Array:
        return np.array(self.daylight.ambient) * (1.0 + 0.12 * self.air.cover)

    @property
    def sun(self) -> Array:
        return np.array(self.daylight.sun) * (1.0 - 0.75 * self.air.cover)

    @property
    def disc(self) -> Array:
        return color(self.daylight.disc)
