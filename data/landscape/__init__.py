"""Landscapes drawn by NumPy alone: a label map, an instance map and a painted picture from two numbers.

`canvas` holds the classes and the patches a scene is made of, `noise` the fractal noise, `terrain` and `objects` draw
patches, `scene` composes them, `style` draws season, time and weather, `paint` colors the patches.
"""

from data.landscape.canvas import CLASS_COLORS, CLASS_NAMES, UNKNOWN
from data.landscape.scene import Landscape, draw_scene
from data.landscape.style import Style

__all__ = ["CLASS_COLORS", "CLASS_NAMES", "UNKNOWN", "Landscape", "Style", "draw_scene"]
