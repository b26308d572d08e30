"""The pages of scores and of comparisons in a browser: on a laptop and a phone, light and dark, by keyboard."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.image_scores import by_title
from evaluation.page import show_on_page
from tests.evaluation.test_scoring import report
from tests.scripts.browser import chromium, wait
from tests.scripts.compare.compared_runs import compare, write_run, write_scores
from tests.scripts.compare.test_compare_differences import NAMES, SEGMENTED, write_segmented
from tests.scripts.paint.page_driver import LOW_CONTRAST
from util.results_page import ResultsPage, add_scores

pytestmark = pytest.mark.tools

SCREENS = ((1366, 768), (390, 844))
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; });"
TOO_WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
ENTER, ESCAPE = "\ue007", "\ue00c"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def scored_page(folder):
    """A results page of two samples with scores of published methods, real photos and classes."""
    page = ResultsPage(folder, "Results of x", ["sky", "sea"], np.uint8([[128, 192, 255], [0, 64, 160]]), 256, {})
    for name in ("a", "b"):
        image = np.zeros((8, 8, 3), dtype=np.uint8)
        page.add(name, np.zeros((8, 8), dtype=np.int64), [("generated", image)], photo=image)
    page.save()
    counts = {name: torch.tensor([3.0, 1, 1, 3, 0, 0]).to_sparse() for name in ("a", "b")}
    result = report(real_photos={"scores": {"miou": 0.8}, "class_iou": [0.9, 0.7]})
    assert show_on_page(folder / "index.html", replace(result, image_counts=counts), None)
    add_scores(folder, by_title({"a": {"miou": 0.25}, "b": {"miou": 0.75}}))
    return folder / "index.html"


def compared_page(folder):
    """A comparison with all there is to say: differences, causes, missing scores."""
    for run, right in (("base", 5), ("better", 7)):
        write_segmented(folder, run, [right] * 12)
    other = {**SEGMENTED, "segmentation": {"network": "unet", "mean_iou": "labelled"}}
    write_segmented(folder, "other", [6] * 12, protocol=other)
    write_run(folder, "unscored", names=NAMES)
    write_scores(write_run(folder, "fewer", names=NAMES), images=4, intervals={"fid": [48.0, 52.0]})
    return compare(folder, "base", "better", "other", "unscored", "fewer").path


@pytest.fixture(scope="module", params=[scored_page, compared_page])
def page(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("pages"))


def test_pages_fit_the_screen_and_all_text_has_contrast(page, browser):
    browser.get(page.as_uri())
    for width, height in SCREENS:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for scheme in ("light", "dark"):
            features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
            browser.execute_script(OPEN_ALL)
            assert browser.execute_script(TOO_WIDE) <= 0, (width, scheme)
            assert browser.execute_script(LOW_CONTRAST) == [], (width, scheme)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_images_are_enlarged_and_wide_tables_scrolled_by_keyboard(page, browser):
    browser.get(page.as_uri())
    browser.execute_script(OPEN_ALL)
    link = next(a for a in browser.find_elements("css selector", "[data-zoom-row] .result a") if a.is_displayed())
    link.send_keys(ENTER)
    shown = wait(browser, lambda browser: browser.find_elements("css selector", "dialog[open] .views figure"))
    assert len(shown) == (3 if "Results" in browser.title else 7)
    browser.switch_to.active_element.send_keys(ESCAPE)
    assert browser.execute_script("return document.activeElement.href") == link.get_attribute("href")
    for frame in browser.find_elements("css selector", ".scrolling"):
        name = frame.get_attribute("aria-label")
        assert browser.execute_script("arguments[0].focus(); return document.activeElement.ariaLabel", frame) == name
