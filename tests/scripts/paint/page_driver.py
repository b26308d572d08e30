"""The paint page in a browser, with hands: pointer, keys and fingers, in pixels of the label map."""

from __future__ import annotations

import numpy as np

from tests.scripts.browser import wait

Point = tuple[int, int]

ENTER, ESCAPE, TAB, CONTROL = "\ue007", "\ue00c", "\ue004", "\ue009"
UP, RIGHT, DOWN = "\ue013", "\ue014", "\ue015"

LOW_CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parse = (color) => {
  const scale = color.startsWith("color(") ? 255 : 1; // what color-mix gives is 0 to 1
  return color.match(/[\\d.]+/g).map((value, i) => (i < 3 ? scale : 1) * value);
};
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const color = parse(getComputedStyle(element).backgroundColor);
    if ((color[3] ?? 1) === 1) return color;
  }
};
const low = [];
for (const element of document.querySelectorAll("body *")) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (!(hasText || element.matches("input")) || !element.checkVisibility() || element.matches(":disabled")) continue;
  const [a, b] = [parse(getComputedStyle(element).color), ground(element)].map(luminance).sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${element.tagName} ${element.textContent}: ${(a + 0.05) / (b + 0.05)}`);
}
return low;
"""
"""Elements with text of less than 4.5:1 to what is behind it (WCAG 2.2, 1.4.3); disabled ones are exempt there."""


class Page:
    def __init__(self, browser):
        self.browser = browser

    def open(self, url: str) -> Page:
        self.browser.get(url)
        self.wait(lambda: self.run("return window.painting?.rendered > 0"))
        return self

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def wait(self, condition):
        return wait(self.browser, lambda _: condition())

    def settle(self) -> None:
        """Wait until the picture is that of what is drawn."""
        self.wait(lambda: self.run("return painting.renderer.isCurrent"))

    def run(self, script: str, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector: str):
        return self.browser.find_element("css selector", selector)

    def find_all(self, selector: str) -> list:
        return self.browser.find_elements("css selector", selector)

    def click(self, selector: str) -> None:
        """Click by script, which also reaches what is only there for screen readers."""
        self.run("document.querySelector(arguments[0]).click()", selector)

    def set(self, selector: str, value: object) -> None:
        """Give a field or a slider a value."""
        self.run(
            "const [selector, value] = arguments; const input = document.querySelector(selector); input.value = value;"
            "for (const type of ['input', 'change']) input.dispatchEvent(new Event(type, {bubbles: true}))",
            selector,
            value,
        )

    def use(self, tool: str, label: int | None = None, size: int | None = None) -> None:
        self.click(f"#tool-list [value={tool}]")
        if label is not None:
            self.click(f"#class-list [value='{label}']")
        if size is not None:
            self.set("#size", size)

    @property
    def ids(self) -> np.ndarray:
        ids, height, width = self.run("return [[...painting.ids()], painting.model.height, painting.model.width]")
        return np.array(ids, dtype=np.uint8).reshape(height, width)

    @property
    def z(self) -> np.ndarray:
        return np.array(self.run("return [...painting.z()]"), dtype=np.float32)

    @property
    def label(self) -> int:
        """The chosen class."""
        return int(self.find("#class-list :checked").get_attribute("value"))

    def place(self, x: int, y: int) -> list[float]:
        """Where a pixel of the map is in the window."""
        return self.run("return painting.toClient(...arguments)", x, y)

    def drag(self, *points: Point, button: int = 0) -> None:
        """Press at the first pixel, go to the others, and let go at the last."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        actions = ActionBuilder(self.browser, mouse=PointerInput("mouse", "mouse"), duration=0)
        places = self.run("return arguments[0].map(([x, y]) => painting.toClient(x, y).map(Math.round))", points)
        pointer = actions.pointer_action.move_to_location(*places[0]).pointer_down(button)
        for place in places[1:]:
            pointer.move_to_location(*place)
        pointer.pointer_up(button)
        actions.perform()

    def touch(self, kind: str, *points: Point) -> None:
        """Fingers that now touch these pixels: `kind` is touchStart, touchMove or touchEnd."""
        touches = [dict(zip("xy", self.place(*point)), id=i) for i, point in enumerate(points)]
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    @property
    def keys(self):
        from selenium.webdriver import ActionChains

        return ActionChains(self.browser, duration=0)

    def type(self, *keys: str) -> None:
        """Press keys one after the other on what has the focus."""
        self.keys.send_keys(*keys).perform()

    def chord(self, modifier: str, key: str) -> None:
        self.keys.key_down(modifier).send_keys(key).key_up(modifier).perform()
