"""The page of a test in a browser: rows found by name and class, sorted, drawn when in sight, the same from a link."""

from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from tests.scripts.browser import chromium, wait
from tests.util.test_results_page import gray, new_page
from util.results_page import add_scores

pytestmark = pytest.mark.tools
ROAD, SKY, BUSH = 0, 1, 2
ROWS = 40


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Forty rows: i of 40 lines of row i are sky, every fourth has bushes, the rest is road; even ones have scores."""
    folder = tmp_path_factory.mktemp("page")
    page = new_page(folder, style_photos={"dawn": gray(4, 64, 128), "noon": gray(5, 64, 128)})
    for i in range(ROWS):
        labels = np.full((ROWS, 8), ROAD)
        labels[:i] = SKY
        if i % 4 == 0:
            labels[-1, :4] = BUSH
        results = [("style of dawn", gray(1, 64, 128)), ("style of noon", gray(2, 64, 128))]
        page.add(f"street_{i}/city {i % 2}", labels, results)
    path = page.save()
    scores = {f"street_{i}/city 0": (i * 7 % ROWS) / ROWS for i in range(0, ROWS, 2)}
    accuracy = {"street_34/city 0": 87.6543}
    assert add_scores(folder, {"mIoU": {**scores, "street_1/city 1": None}, "accuracy, %": accuracy})
    return path.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def visit(browser, url, size=(1366, 768)):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get("about:blank")  # else a change of the fragment alone loads nothing
    browser.get(url)


def element(browser, id):
    return browser.find_element("id", id)


def names(browser):
    """Names of the rows that are drawn, from the top."""
    return browser.execute_script("return [...document.querySelectorAll('#rows h2')].map((h) => h.firstChild.data)")


def streets(browser):
    return [int(name.removeprefix("street_").partition("/")[0]) for name in names(browser)]


def state(browser):
    return parse_qsl(urlsplit(browser.current_url).fragment, keep_blank_values=True)


def choose(browser, id, value):
    browser.find_element("css selector", f"#{id} option[value='{value}']").click()


def class_button(browser, name):
    buttons = browser.find_elements("css selector", ".legend button")
    return next(button for button in buttons if button.text.startswith(name))


def test_rows_are_found_by_words_of_their_name_and_the_link_shows_them_again(browser, page):
    visit(browser, page)
    assert element(browser, "count").text == "40 images"
    assert streets(browser)[:10] == list(range(10)), "by number, not by letter"
    element(browser, "search").send_keys("CITY 1 _3")
    assert streets(browser) == [3, 31, 33, 35, 37, 39]
    assert element(browser, "count").text == "6 of 40 images"
    link = browser.current_url
    assert state(browser) == [("search", "CITY 1 _3")]
    visit(browser, link)
    assert streets(browser) == [3, 31, 33, 35, 37, 39]
    assert element(browser, "search").get_attribute("value") == "CITY 1 _3"
    element(browser, "search").send_keys(" nothing")
    assert streets(browser) == [] and "No image matches." in element(browser, "rows").text
    element(browser, "reset").click()
    assert element(browser, "count").text == "40 images" and state(browser) == []


def test_classes_filter_by_their_fraction_and_sort(browser, page):
    from selenium.webdriver import Keys

    visit(browser, page)
    class_button(browser, "sky").send_keys(Keys.ENTER)
    class_button(browser, "tree & bush").send_keys(Keys.SPACE)
    assert streets(browser) == [4, 8, 12, 16, 20, 24, 28, 32, 36], "row 0 has no sky"
    assert class_button(browser, "sky").get_attribute("aria-pressed") == "true"
    browser.find_element("css selector", "#chosen button:nth-child(2)").click()
    assert element(browser, "count").text == "39 of 40 images"
    element(browser, "least").send_keys("90")
    assert streets(browser) == [36, 37, 38, 39]
    choose(browser, "sort", f"class:{SKY}")
    assert streets(browser) == [39, 38, 37, 36]
    element(browser, "direction").click()
    assert streets(browser) == [36, 37, 38, 39]
    assert state(browser) == [("class", "1"), ("percent", "90"), ("sort", "class:1"), ("reversed", "")]
    link = browser.current_url
    visit(browser, link)
    assert streets(browser) == [36, 37, 38, 39]


def test_scores_stand_on_the_rows_and_sort_them_those_without_last(browser, page):
    visit(browser, page + "#sort=score:mIoU")
    expected = sorted(range(0, ROWS, 2), key=lambda i: -(i * 7 % ROWS)) + list(range(1, ROWS, 2))
    assert streets(browser)[:10] == expected[:10]
    assert browser.find_element("css selector", "#rows h2").text == "street_34/city 0 mIoU 0.95 accuracy 87.65%"
    element(browser, "direction").click()
    assert streets(browser)[:10] == expected[:20][::-1][:10]
    visit(browser, page + "#sort=score:unknown&class=77&percent=x")
    assert streets(browser)[:3] == [0, 1, 2] and state(browser) == []


def test_rows_out_of_sight_are_not_drawn_until_they_come_near(browser, page):
    visit(browser, page, size=(390, 844))
    assert 10 <= len(streets(browser)) < ROWS
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait(browser, lambda browser: 39 in streets(browser) and 0 not in streets(browser))
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390, "nothing is wider than a phone"


def test_the_viewer_goes_on_to_rows_that_were_out_of_sight(browser, page):
    from selenium.webdriver import Keys

    visit(browser, page)
    browser.find_element("css selector", "#rows figure a").send_keys(Keys.ENTER)
    for _ in range(25):
        browser.switch_to.active_element.send_keys("n")
    assert browser.find_element("css selector", "dialog h2").text == "street_25/city 1"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    alt = "return document.activeElement.firstElementChild?.alt"
    wait(browser, lambda browser: browser.execute_script(alt) == "label map of street_25/city 1")
    link = browser.switch_to.active_element
    top = browser.execute_script("return arguments[0].getBoundingClientRect().top", link)
    assert browser.execute_script("return document.querySelector('.bar').getBoundingClientRect().bottom") <= top < 768


def test_the_photo_of_a_style_stays_above_its_column(browser, page):
    visit(browser, page)
    browser.execute_script("scrollTo(0, 2000)")
    heads, images = (
        browser.execute_script(
            f"return [...document.querySelectorAll('{place} figure')].map((f) => f.getBoundingClientRect().toJSON())"
        )
        for place in (".styles", "#rows article:first-child")
    )
    assert [head["left"] for head in heads] == [image["left"] for image in images[1:]]
    assert all(0 <= head["top"] < 200 for head in heads)


def test_without_scripts_all_rows_are_there(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit(browser, page)
        assert len(browser.find_elements("css selector", "#rows article")) == ROWS
        assert not browser.find_element("css selector", "nav").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_rows_of_conditioning_images_are_drawn_without_a_legend(browser, tmp_path):
    page = new_page(tmp_path, class_names=(), class_colors=np.zeros((0, 3), dtype=np.uint8))
    for name in ("one", "two"):
        page.add(name, gray(3, 64, 128), [("generated", gray(1, 64, 128))])
    visit(browser, page.save().as_uri())
    wait(browser, lambda driver: names(driver) == ["one", "two"])
    element(browser, "search").send_keys("tw")
    wait(browser, lambda driver: names(driver) == ["two"])
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
