"""The page of a training in a browser: curves under the pointer, choices that outlive a reload, samples over time."""

import re

import numpy as np
import pytest
import torch

from tests.scripts.browser import chromium, wait
from util.score_log import ScoreRecord
from util.training_log import TrainingLog
from util.training_page import RunFacts, Status, TrainingPage
from util.visualizer import Visualizer

pytestmark = pytest.mark.tools
DESK, PHONE = (1366, 768), (390, 844)
RECORDS = 300


def write_page(folder):
    """A training of 300 records, with scores and five moments of two fixed samples, that has ended."""
    vis = Visualizer(
        folder,
        title="Training of demo",
        class_names=["road", "sky"],
        class_colors=np.array([[255, 0, 0], [0, 0, 255]], dtype=np.uint8),
        html=True,
        tensorboard=False,
        display_winsize=64,
        write=lambda line: None,
        facts=RunFacts("python train.py --name demo", ["--ngf 16   [default: 64]"], "CPU", 30, 1000),
    )
    vis.show_fixed(torch.ones(2, 16, 32, dtype=torch.long), torch.ones(2, 3, 16, 32))
    players = {"GAN": "G", "VGG": "G", "D_Fake": "D", "D_real": "D"}
    for i in range(1, RECORDS + 1):
        losses = {"GAN": 0.5 + 0.25 * (i % 2), "VGG": 10 + 1000 / i, "D_Fake": 0.75, "D_real": i / 1000}
        vis.log(1 + i // 10, i % 10 * 100, 100 * i, 0.1, losses, {"lr/G": 1e-4}, 60.0, players=players, waiting=0.01)
        if i % 60 == 0:
            shown = torch.full((2, 3, 16, 32), i / RECORDS)
            vis.log_scores([ScoreRecord(i // 10, 100 * i, "average", {"fid": 90 - i / 10}, True)], 1000)
            vis.show(1 + i // 10, 100 * i, torch.ones(2, 16, 32, dtype=torch.long), shown, shown, samples=shown)
    vis.close()
    return folder / "web" / "index.html"


def resize(browser, size, scheme):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def keys_of(browser, chart):
    """{curve: value} as the legend of a chart shows them."""
    buttons = f"[...document.querySelectorAll('[data-key=\"{chart}\"] .keys button')]"
    return dict(
        browser.execute_script(
            f"return {buttons}.map(b => [b.querySelector('span').textContent, b.querySelector('b').textContent])"
        )
    )


def texts_of(browser, chart):
    return browser.execute_script(
        f"return [...document.querySelectorAll('[data-key=\"{chart}\"] svg text')].map(t => t.textContent)"
    )


def hover(browser, chart, fraction):
    """Move the mouse to a fraction of the width of a chart's curves."""
    from selenium.webdriver import ActionChains

    svg = browser.find_element("css selector", f"[data-key='{chart}'] svg")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    left, right = 54, svg.size["width"] - 12
    at = left + fraction * (right - left) - svg.size["width"] / 2
    ActionChains(browser, duration=0).move_to_element_with_offset(svg, round(at), 0).perform()


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("training_page_browser"), "--host-resolver-rules=MAP * ~NOTFOUND") as driver:
        yield driver


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("training_page") / "demo").as_uri()


@pytest.fixture
def opened(browser, url):
    """The page at desk size, with nothing chosen before."""
    resize(browser, DESK, "light")
    browser.get(url)
    browser.execute_script("localStorage.clear(); sessionStorage.clear()")
    browser.get(url)
    wait(browser, lambda b: b.find_elements("css selector", "#charts svg polyline"))
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_and_loads_nothing_from_elsewhere(opened, size, scheme):
    resize(opened, size, scheme)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= size[0]
    loaded = opened.execute_script("return [...document.querySelectorAll('[src], [href]')].map(e => e.src || e.href)")
    assert loaded and all(name.startswith("file://") for name in loaded)
    assert opened.execute_script("return document.querySelectorAll('#charts figure').length") == 5
    back = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) == (scheme == "dark")


def test_hovering_shows_the_values_of_all_curves_at_that_place(opened):
    from selenium.webdriver import ActionChains

    assert keys_of(opened, "loss_G") == {"GAN": "0.5", "VGG": "13.33"}  # the last ones
    hover(opened, "loss_G", 1 / 3)
    wait(opened, lambda b: keys_of(b, "loss_G")["VGG"] != "13.33")
    (when,) = (text for text in texts_of(opened, "loss_G") if text.startswith("at "))
    record = int(re.search(r"[\d,]+\d", when)[0].replace(",", "")) // 100
    assert abs(record - RECORDS / 3) < 3
    assert float(keys_of(opened, "loss_G")["VGG"]) == pytest.approx(10 + 1000 / record, rel=1e-3)
    assert float(keys_of(opened, "loss_G")["GAN"]) == 0.5 + 0.25 * (record % 2)
    assert float(keys_of(opened, "loss_D")["D_real"]) == pytest.approx(record / 1000)  # in the other charts, too
    assert f"epoch {-(-record // 10)}" in when
    ActionChains(opened, duration=0).move_to_element(opened.find_element("css selector", "#curves h2")).perform()
    wait(opened, lambda b: keys_of(b, "loss_G")["VGG"] == "13.33")


def test_arrow_keys_read_the_curves(opened):
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.querySelector('[data-key=loss_D] svg').focus({preventScroll: true})")
    press(opened, Keys.HOME, Keys.ARROW_RIGHT)
    assert keys_of(opened, "loss_D") == {"D_Fake": "0.75", "D_real": "0.002"}
    said = opened.execute_script("return document.querySelector('#charts [aria-live]').textContent")
    assert said == "at 200, epoch 1: D_Fake 0.75, D_real 0.002"
    press(opened, Keys.ESCAPE)
    assert keys_of(opened, "loss_D")["D_real"] == "0.3"


def test_choices_stay_over_a_reload(opened):
    from selenium.webdriver.common.keys import Keys

    assert texts_of(opened, "loss_G")[:3] == ["0", "500", "1000"]
    opened.find_element("id", "log").click()
    assert texts_of(opened, "loss_G")[:3] == ["1", "10", "100"]
    slider = opened.find_element("id", "smoothing")
    slider.send_keys(Keys.END)
    opened.find_element("css selector", "[data-key=loss_G] .keys button").click()  # GAN is hidden
    opened.find_element("css selector", "#span [value=tenth]").click()
    opened.find_element("css selector", "#command summary").click()
    opened.execute_script("scrollTo(0, 300)")
    before = texts_of(opened, "loss_G")
    opened.refresh()
    wait(opened, lambda b: b.find_elements("css selector", "#charts svg polyline"))
    assert opened.find_element("id", "smoothing").get_attribute("value") == "0.99"
    assert opened.find_element("id", "log").is_selected()
    assert opened.find_element("id", "span").get_attribute("value") == "tenth"
    assert opened.find_element("id", "command").get_attribute("open")
    assert opened.execute_script("return document.querySelectorAll('[data-key=loss_G] svg .mean').length") == 1
    assert texts_of(opened, "loss_G") == before
    assert opened.execute_script("return scrollY") == 300


def test_a_part_is_chosen_with_the_mouse(opened):
    from selenium.webdriver import ActionChains

    svg = opened.find_element("css selector", "[data-key=loss_G] svg")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    drag = ActionChains(opened, duration=0).move_to_element(svg).click_and_hold().move_by_offset(60, 0)
    drag.release().perform()
    chosen = opened.find_element("css selector", "#span option:checked").text
    low, high = (int(text.replace(",", "")) for text in re.findall(r"[\d,]+", chosen))
    assert 100 * RECORDS / 3 < low < high < 100 * RECORDS
    ActionChains(opened, duration=0).double_click(svg).perform()
    assert opened.find_element("id", "span").get_attribute("value") == "all"


def test_the_samples_move_through_the_training_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    def shown():
        return {
            img.get_attribute("src").rsplit("/", 1)[1] for img in opened.find_elements("css selector", ".moment img")
        }

    assert shown() == {"epoch031_iter30000_fixed_sample.png"}
    slider = opened.find_element("id", "moment")
    slider.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert shown() == {"epoch013_iter12000_fixed_sample.png"}
    assert opened.find_element("id", "when").text == "epoch 13, 12,000 images (2 of 5)"
    opened.refresh()
    wait(opened, lambda b: shown() == {"epoch013_iter12000_fixed_sample.png"})
    opened.find_element("id", "play").send_keys(Keys.ENTER)
    wait(opened, lambda b: shown() == {"epoch031_iter30000_fixed_sample.png"})
    wait(opened, lambda b: b.find_element("id", "play").text == "Play")


def test_the_page_of_a_running_training_reloads_itself(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("util.training_page.REFRESH_SECONDS", 0.3)
    log = TrainingLog(tmp_path / "history.jsonl", 0, tmp_path / "none")
    page = TrainingPage(tmp_path, "demo", ["road"], np.zeros((1, 3), np.uint8), 64)
    browser.get(page.save(log, Status()).as_uri())
    log.add(7, 100, {"loss_G/GAN": 0.5})
    page.save(log, Status(state="ended", training=False))
    # Not an element, which goes with its page.
    wait(browser, lambda b: b.execute_script("return document.getElementById('state')?.textContent") == "ended")


def test_the_page_of_a_killed_training_says_that_there_is_no_news(browser, tmp_path):
    facts = RunFacts(resume="python train.py --continue_train")
    page = TrainingPage(tmp_path, "demo", ["road"], np.zeros((1, 3), dtype=np.uint8), 64, facts=facts)
    path = page.save(TrainingLog(tmp_path / "history.jsonl", 0, tmp_path / "none"), Status())
    text = path.read_text(encoding="utf-8")
    for minutes, words in (
        (4, "training"),
        (9, "no news for 9 minutes; if it has ended: python train.py --continue_train"),
    ):
        shifted = re.sub(r'"written":([0-9.]+)', lambda m, ago=60 * minutes: f'"written":{float(m[1]) - ago}', text)
        path.write_text(shifted, encoding="utf-8")
        browser.get(path.as_uri())
        assert browser.find_element("id", "state").text == words
        assert browser.find_element("id", "written").text.endswith(f"({minutes} minutes ago)")


def test_the_page_of_a_long_training_stays_small(tmp_path):
    log = TrainingLog(tmp_path / "history.jsonl", 0, tmp_path / "none")
    for i in range(100_000):
        log.curves.add(100 * i, {"loss_G/GAN": 0.1234567 + 0.001 * (i % 997)})
    log.curves.update({f"loss_G/loss {i}": log.curves["loss_G/GAN"] for i in range(20)})
    page = TrainingPage(tmp_path, "long", ["road"], np.zeros((1, 3), np.uint8), 64)
    assert page.save(log, Status()).stat().st_size < 1_000_000
