"""The viewer of a page's images, in a browser: one row large, all its images in step, by mouse, fingers and keys."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from tests.scripts.browser import chromium, wait
from util import html
from util.image import save_png

pytestmark = pytest.mark.tools
SIZE = (64, 32)  # width and height of an image
KINDS = {"label map": "label", "generated": "result", "photo": "photo"}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of three rows of three images each."""
    folder = tmp_path_factory.mktemp("page")
    rows = []
    for name in ("city/a", "b", "c"):
        figures = []
        for caption, kind in KINDS.items():
            path = Path(f"{kind}-{name.replace('/', '-')}.png")
            save_png(np.random.default_rng(0).integers(0, 256, (*reversed(SIZE), 3), dtype=np.uint8), folder / path)
            figures.append(html.image_figure(path, SIZE, caption, f"{caption} of {name}", kind))
        rows.append(html.image_row(figures, 256, name=name))
    doc = html.page("Rows", {}, rows, None)
    html.add_zoom(doc, "my run")
    return html.save(doc, folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.downloads = Path(browser.caps["chrome"]["userDataDir"]).parent / "downloads"
        yield browser


def size_window(browser, width, height):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def open_row(browser, page, size=(1366, 768), link=4):
    """Open the viewer at an image, by default the result of the second row."""
    size_window(browser, *size)
    browser.get(page)
    browser.execute_script(f"document.querySelectorAll('figure > a')[{link}].focus()")
    press(browser, "\ue007")  # Enter
    wait(browser, lambda browser: boxes(browser)[0]["width"] > SIZE[0])


def press(browser, key):
    browser.switch_to.active_element.send_keys(key)


def boxes(browser):
    """Where every image lies, relative to its view, in CSS pixels."""
    return browser.execute_script(
        """return [...document.querySelectorAll("dialog .view")].map((view) => {
          const [outer, inner] = [view.getBoundingClientRect(), view.firstElementChild.getBoundingClientRect()];
          return { x: inner.x - outer.x, y: inner.y - outer.y, width: inner.width, left: outer.x, top: outer.y,
                   right: outer.right, bottom: outer.bottom };
        })"""
    )


def place(box):
    return [box[key] for key in ("x", "y", "width")]


def in_step(browser):
    """The one place that all images have in their views."""
    first, *others = boxes(browser)
    for other in others:
        assert place(other) == pytest.approx(place(first), abs=0.01)
    return first


def heading(browser):
    return browser.find_element("css selector", "dialog h2").text


def test_keys_zoom_and_move_all_images_in_step(browser, page):
    open_row(browser, page)
    assert browser.switch_to.active_element.tag_name == "dialog", "Enter presses no button"
    whole = in_step(browser)
    assert len(boxes(browser)) == 3 and heading(browser) == "b"
    press(browser, "+")
    zoomed = in_step(browser)
    assert zoomed["width"] == pytest.approx(1.5 * whole["width"])
    press(browser, "\ue014")  # right: what is to the right comes into view
    assert in_step(browser)["x"] < zoomed["x"]
    press(browser, "0")
    assert place(in_step(browser)) == pytest.approx(place(whole))
    press(browser, "-")
    assert place(in_step(browser)) == pytest.approx(place(whole)), "not smaller than the view"
    sharp = "return [...document.querySelectorAll('dialog img')].map((image) => getComputedStyle(image).imageRendering)"
    assert browser.execute_script(sharp)[0] == "pixelated"


def test_the_wheel_zooms_around_the_pointer_and_dragging_moves(browser, page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    open_row(browser, page)
    before = in_step(browser)
    view = browser.find_elements("css selector", "dialog .view")[1]
    x = 60 + (before["right"] - before["left"]) / 2
    origin = ScrollOrigin.from_element(view, 60, 0)
    ActionChains(browser).scroll_from_origin(origin, 0, -400).perform()
    after = wait(browser, lambda browser: (box := in_step(browser))["width"] > before["width"] and box)

    def under_the_pointer(box):
        return (x - box["x"]) / box["width"]

    assert under_the_pointer(after) == pytest.approx(under_the_pointer(before), abs=0.005)
    ActionChains(browser).move_to_element(view).click_and_hold().move_by_offset(-30, 0).release().perform()
    assert in_step(browser)["x"] == pytest.approx(after["x"] - 30, abs=1)


def test_two_fingers_pinch(browser, page):
    open_row(browser, page)
    before = in_step(browser)
    middle = ((before["left"] + before["right"]) / 2, (before["top"] + before["bottom"]) / 2)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", None)):
        points = [{"x": middle[0] + side * apart, "y": middle[1], "id": side + 1} for side in (-1, 1)] if apart else []
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert in_step(browser)["width"] == pytest.approx(3 * before["width"], rel=0.01)


def test_rows_follow_each_other_and_the_focus_comes_back(browser, page):
    open_row(browser, page)
    press(browser, "n")
    assert heading(browser) == "c" and not browser.find_element("css selector", "[data-action=next]").is_enabled()
    press(browser, "n")
    assert heading(browser) == "c", "it is the last"
    browser.execute_script("document.querySelectorAll('[data-zoom-row]')[1].style.display = 'none'")
    browser.find_element("css selector", "[data-action=previous]").click()
    assert heading(browser) == "city/a", "a hidden row is passed over"
    press(browser, "\ue00c")  # Escape
    focused = "return document.activeElement.href?.split('/').at(-1)"
    wait(browser, lambda browser: browser.execute_script(focused) == "result-city-a.png")
    assert not browser.find_element("css selector", "dialog").is_displayed()


def test_images_are_saved_under_names_that_tell_what_they_are(browser, page):
    folder = Path(unquote(urlsplit(page).path)).parent
    (folder / "favicon.ico").touch()  # which browsers ask for
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        open_row(browser, f"http://localhost:{server.server_port}/index.html", link=0)
        browser.find_element("css selector", "dialog figcaption a").click()
        name = "my_run_city_a_label_map.png"
        saved = wait(browser, lambda browser: next(iter(browser.downloads.glob("*.png")), None))
        server.shutdown()
    assert saved.name == name and saved.read_bytes() == (folder / "label-city-a.png").read_bytes()


def test_a_page_opened_as_a_file_opens_images_in_a_tab(browser, page):
    """Chromium takes no download attribute there."""
    open_row(browser, page, link=0)
    link = browser.find_element("css selector", "dialog figcaption a")
    assert (link.text, link.get_attribute("target")) == ("Open", "_blank")


def test_on_a_phone_images_stand_below_each_other_and_in_sight(browser, page):
    open_row(browser, page, size=(390, 844))
    found = boxes(browser)
    assert [box["left"] for box in found] == [found[0]["left"]] * 3
    assert all(box["bottom"] < 844 and box["right"] <= 390 for box in found)
    open_row(browser, page, size=(1366, 768))
    assert all(box["bottom"] < 768 and box["right"] <= 1366 for box in boxes(browser))
