"""The page of a preference study: it gives nothing away, needs nothing, and works in a browser."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.study.__main__ import main
from scripts.study.key import read_key
from scripts.study.labels import LabelMapReader
from scripts.study.order import order
from scripts.study.pairs import broken, digest, make_pair
from tests.scripts.browser import chromium, wait
from tests.scripts.study.study_files import PAIRS, SYSTEMS, arguments, make_study, refusal, write, write_images
from tests.util.pages import Page
from util import html
from util.errors import InputError
from util.results_page import ResultsPage

pytestmark = pytest.mark.tools


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path)


# ---- The page ----


def test_the_page_needs_nothing_but_itself(study):
    text = (study / "study.html").read_text()
    assert "http://" not in text and "https://" not in text
    page = Page(study / "study.html")
    assert page.targets() == []
    assert {meta.get("http-equiv"): meta["content"] for meta in page.all("meta") if "content" in meta}[
        "Content-Security-Policy"
    ].startswith("default-src 'none'; img-src data:;")
    assert text.count("data:image/png;base64,") == 3 * (PAIRS + 1)


def test_nothing_on_the_page_says_who_made_an_image(tmp_path):
    """The page follows from the images alone: with names changed and systems swapped it is the same, byte by byte."""
    for place, names, systems in (("one", SYSTEMS, SYSTEMS), ("two", ("x", "y"), ("y", "x"))):
        write_images(tmp_path / place, names)
        main(arguments(tmp_path / place, systems))
    one, two = (tmp_path / place / "study.html" for place in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    for word in (*SYSTEMS, "sample_", str(tmp_path)):
        assert word not in re.sub(r"base64,[^\"]*", "", one.read_text())
    keys = [read_key(tmp_path / place / "study.key.json") for place in ("one", "two")]
    assert keys[0].study == keys[1].study
    assert all(keys[0].pairs[pair][0] == 1 - keys[1].pairs[pair][0] for pair in keys[0].ids)
    assert {target for target, _ in keys[0].pairs.values()} == {0, 1}


def test_images_say_nothing_about_their_file(tmp_path):
    """Format and texts inside a file could tell whose it is; the study is the same whatever they are."""
    write_images(tmp_path)
    main(arguments(tmp_path))
    page = (tmp_path / "study.html").read_bytes()
    for path in list((tmp_path / SYSTEMS[0]).iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    main(arguments(tmp_path))
    assert (tmp_path / "study.html").read_bytes() == page


def test_the_key_points_at_the_images_of_a():
    rng = np.random.default_rng(1)
    for _ in range(8):
        a, b, label = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
        pair = make_pair("name", label, [], wanted=a, other=b, is_check=False)
        assert np.array_equal(pair.images[pair.target], a) and np.array_equal(pair.images[1 - pair.target], b)
        assert pair.id == make_pair("other name", label, [], wanted=b, other=a, is_check=False).id


def test_a_broken_image_holds_the_same_pixels_elsewhere():
    image = np.arange(16 * 24 * 3, dtype=np.int64).reshape(16, 24, 3).astype(np.uint8)
    result = broken(image, random.Random(0))
    assert not np.array_equal(result, image)
    assert np.array_equal(np.sort(result, axis=None), np.sort(image, axis=None))
    assert broken(np.zeros((5, 3, 3), dtype=np.uint8), random.Random(0)).shape == (5, 3, 3)


def test_seed_and_number_of_pairs_decide_which_are_asked(tmp_path):
    write_images(tmp_path)

    def names(**flags):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.html"
        main(arguments(tmp_path, output=output, **flags))
        return {name for _, name in read_key(output.with_suffix(".key.json")).pairs.values()}

    assert len(names()) == PAIRS
    drawn = [names(pairs=3, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1] and {len(some) for some in drawn} == {3}
    assert len({frozenset(some) for some in drawn}) > 1


# ---- Label maps ----


def test_id_maps_have_the_colors_and_names_of_the_data_set(tmp_path):
    ids = np.zeros((4, 4))
    ids[0], ids[1] = 7, 255
    write(tmp_path, "ids", ids)
    pixels, classes = LabelMapReader("cityscapes").read(tmp_path / "ids.png", (8, 8))
    assert pixels.shape == (8, 8, 3)
    assert pixels[1].tolist() == [[128, 64, 128]] * 8 and pixels[2].tolist() == [[0, 0, 0]] * 8
    assert [name for name, _ in classes] == ["unlabeled", "road", "unknown"]
    assert classes[1] == ("road", "#804080")


def test_colored_label_maps_stay_as_they_are_and_have_names_where_they_are_known(tmp_path):
    colors = np.zeros((4, 4, 3), dtype=np.uint8)
    colors[:3] = (128, 64, 128)
    write(tmp_path, "colors", colors)
    for mode, names in (("cityscapes", ["road", "unlabeled"]), (None, []), ("facades", [])):
        pixels, classes = LabelMapReader(mode).read(tmp_path / "colors.png", (4, 4))
        assert np.array_equal(pixels, colors)
        assert [name for name, _ in classes] == names


def test_ids_without_a_data_set_get_a_color_each_and_no_names(tmp_path):
    write(tmp_path, "ids", np.repeat([[0, 3, 254, 255]], 4, axis=0))
    for mode in (None, "custom"):
        pixels, classes = LabelMapReader(mode).read(tmp_path / "ids.png", (4, 4))
        assert classes == [], "class 0 means nothing to people"
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 4 and (pixels[:, 3] == 0).all()
    Image.fromarray(np.array([[0, 60000]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert len(np.unique(LabelMapReader(None).read(tmp_path / "deep.png", (2, 1))[0].reshape(-1, 3), axis=0)) == 2


def test_id_maps_make_a_study_without_more_words(tmp_path):
    write_images(tmp_path)
    for path in (tmp_path / "labels").iterdir():
        Image.open(path).convert("L").save(path)
    main(arguments(tmp_path))
    assert (tmp_path / "study.html").is_file()


def test_ids_that_a_data_set_does_not_have_are_refused_with_what_this_program_takes(tmp_path):
    write(tmp_path, "ids", np.full((4, 4), 60))
    with pytest.raises(InputError, match="--dataset_mode cityscapes has no others") as caught:
        LabelMapReader("cityscapes").read(tmp_path / "ids.png", (4, 4))
    assert "add --" not in str(caught.value)
    LabelMapReader(None).read(tmp_path / "ids.png", (4, 4))


# ---- What is refused when a study is made ----


def test_images_that_make_no_study_are_refused(tmp_path, capsys):
    write_images(tmp_path)
    assert "6 pairs" in refusal(capsys, *arguments(tmp_path, pairs=7))
    assert "are the same" in refusal(capsys, *arguments(tmp_path, (SYSTEMS[0], SYSTEMS[0])))
    write(tmp_path / "larger", "sample_0", np.zeros((32, 32, 3)))
    assert "sample_0.png (16x16)" in refusal(capsys, *arguments(tmp_path, (SYSTEMS[0], "larger")))
    write(tmp_path / "others", "other", np.zeros((16, 16, 3)))
    assert "no image has the same name" in refusal(capsys, *arguments(tmp_path, (SYSTEMS[0], "others")))
    assert "absent" in refusal(capsys, *arguments(tmp_path, (SYSTEMS[0], "absent")))
    image = f"{SYSTEMS[1]}/sample_0.png"
    assert "is a file; name the folder that it is in" in refusal(capsys, *arguments(tmp_path, (SYSTEMS[0], image)))
    assert "--labels is missing" in refusal(capsys, tmp_path / SYSTEMS[0], tmp_path / SYSTEMS[1])
    assert "name two" in refusal(capsys, tmp_path / SYSTEMS[0])
    assert "--pairs 0" in refusal(capsys, *arguments(tmp_path, pairs=0))
    assert not list(tmp_path.glob("study*"))


def test_the_key_of_another_study_is_not_overwritten(study, capsys):
    before = (study / "study.key.json").read_bytes()
    assert "key of another study" in refusal(capsys, *arguments(study, pairs=2))
    assert (study / "study.key.json").read_bytes() == before
    main(arguments(study, checks=1))


def test_a_page_that_is_no_study_is_not_replaced(study, capsys):
    main(arguments(study, checks=1))
    key = (study / "study.key.json").read_bytes()
    other = study / "other.html"
    other.write_text("<!DOCTYPE html><p>mine</p>")
    assert "other.html: is there already and is no page of scripts.study" in refusal(
        capsys, *arguments(study, output=other)
    )
    assert other.read_text() == "<!DOCTYPE html><p>mine</p>" and not (study / "other.key.json").exists()
    assert (study / "study.key.json").read_bytes() == key


def test_runs_are_named_and_bring_their_label_maps(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for run in ("spade", "pix2pix"):
        for kind in ("input_label", "synthesized_image"):
            folder = tmp_path / "results" / run / "test_latest" / "images" / kind
            write(folder, "a", rng.integers(0, 256, (8, 8, 3)))
    output = tmp_path / "study.html"
    main(["spade", "pix2pix", "--results_dir", str(tmp_path / "results"), "--output", str(output)])
    key = read_key(tmp_path / "study.key.json")
    assert (key.a, key.b, len(key.pairs)) == ("spade", "pix2pix", 1)
    line = refusal(capsys, "spade", "typo", "--results_dir", tmp_path / "results")
    assert "pix2pix, spade" in line


def test_the_label_maps_of_a_run_have_its_class_names(tmp_path):
    labels = np.zeros((8, 8), dtype=np.int64)
    labels[:2] = 1
    colors = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
    for run, value in (("spade", 10), ("pix2pix", 20)):
        folder = tmp_path / "results" / run / "test_latest"
        page = ResultsPage(folder, "Results", ["door", "window"], colors, 256, {})
        page.add("a", labels, [("generated", np.full((8, 8, 3), value, dtype=np.uint8))])
        page.save()
    output = tmp_path / "study.html"
    main(["spade", "pix2pix", "--results_dir", str(tmp_path / "results"), "--output", str(output)])
    assert html.read_data(output)["pairs"][0]["classes"] == [["door", "#0a141e"], ["window", "#28323c"]]


# ---- In a browser ----


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.downloads = Path(browser.caps["chrome"]["userDataDir"]).parent / "downloads"
        yield browser


def element(browser, id):
    return browser.find_element("id", id)


def press(browser, key):
    browser.find_element("tag name", "body").send_keys(key)


def at(place):
    """Whether the question at a place, from 0, can be answered."""
    return lambda browser: browser.find_element("css selector", "body").get_attribute("data-place") == str(place)


def test_a_person_answers_goes_back_reloads_and_saves(study, browser, capsys):
    from selenium.webdriver import ActionChains, Keys

    key = read_key(study / "study.key.json")
    participant = "Zoë <b>7</b>"
    places, lefts = order(key.study, participant, len(key.ids))
    targets = {pair: target for pair, (target, _) in {**key.pairs, **key.checks}.items()}
    left_is_wanted = [targets[key.ids[place]] == left for place, left in zip(places, lefts)]
    browser.get((study / "study.html").as_uri())
    element(browser, "participant").send_keys(f"  {participant} ", Keys.ENTER)

    def answer(place, wanted=True, with_mouse=False):
        wait(browser, at(place))
        assert element(browser, "place").text == f"{place + 1} of {PAIRS + 1}"
        left = left_is_wanted[place] == wanted
        if with_mouse:  # a double click is one answer
            ActionChains(browser).double_click(element(browser, "choose0" if left else "choose1")).perform()
        else:
            press(browser, {True: (Keys.ARROW_LEFT, "1"), False: (Keys.ARROW_RIGHT, "2")}[left][place % 2])

    answer(0, with_mouse=True)
    answer(1, wanted=False)
    answer(2)
    wait(browser, at(3))
    element(browser, "back").click()
    wait(browser, at(2))
    pressed = [element(browser, f"choose{side}").get_attribute("aria-pressed") for side in (0, 1)]
    assert pressed == (["true", "false"] if left_is_wanted[2] else ["false", "true"])
    press(browser, Keys.BACKSPACE)
    answer(1)
    answer(2)
    wait(browser, at(3))
    browser.refresh()
    wait(browser, at(3))
    assert element(browser, "person").text == f"Answered by {participant}."
    checks = [place for place in range(PAIRS + 1) if key.ids[places[place]] in key.checks]
    last_pair = max(place for place in range(PAIRS + 1) if place not in checks)
    for place in range(3, PAIRS + 1):  # B is preferred once
        answer(place, wanted=place != last_pair, with_mouse=place % 2 == 0)
    wait(browser, lambda browser: element(browser, "save").is_displayed())
    text = element(browser, "answers").get_attribute("value")
    element(browser, "save").click()
    name = f"answers-{key.study}-Zoe_b_7_b_.json"
    assert element(browser, "saved").text.startswith(f"Saved as {name}")
    saved = wait(browser, lambda browser: next(iter(browser.downloads.glob("*.json")), None))
    assert saved.name == name and json.loads(saved.read_text()) == json.loads(text)
    capsys.readouterr()
    main(["--report", str(saved), "--key", str(study / "study.key.json")])
    report = capsys.readouterr().out
    assert "1 counted, 0 excluded" in report and "83.3% (5 of 6)" in report and participant in report


def resize(browser, size):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def start(browser, study):
    """Begin the study as Ann."""
    resize(browser, (1366, 768))
    browser.get((study / "study.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    element(browser, "participant").send_keys("Ann", "\n")
    wait(browser, at(0))


def test_cannot_tell_is_an_answer_and_the_last_answer_is_taken_back(study, browser):
    from selenium.webdriver import Keys

    start(browser, study)
    press(browser, Keys.ARROW_DOWN)
    wait(browser, at(1))
    press(browser, "u")
    wait(browser, at(0))
    assert element(browser, "unsure").get_attribute("aria-pressed") == "true"
    press(browser, "1")
    wait(browser, at(1))
    browser.execute_script("document.getElementById('back').focus()")
    browser.switch_to.active_element.send_keys(Keys.SPACE)  # which presses the button that has the focus
    wait(browser, at(0))
    for place in range(PAIRS + 1):
        wait(browser, at(place))
        if place == 2:
            element(browser, "unsure").click()
        else:
            press(browser, (Keys.SPACE, "0", Keys.ARROW_DOWN)[place % 3])
    wait(browser, lambda browser: element(browser, "save").is_displayed())
    saved = json.loads(element(browser, "answers").get_attribute("value"))
    assert saved["format"] == 2 and [answer["chosen"] for answer in saved["answers"]] == [None] * (PAIRS + 1)


@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (128, 64)], ids=["square", "wide", "tall"])
def test_all_answers_are_in_sight_and_images_fill_the_window(tmp_path, browser, shape):
    for value, name in enumerate((*SYSTEMS, "labels")):
        write(tmp_path / name, "a", np.full((*shape, 3), 80 * value))
    main(arguments(tmp_path))
    start(browser, tmp_path)
    for size, side in (((1366, 768), 370), ((390, 844), 190), ((844, 390), 140), ((390, 700), 140)):
        resize(browser, size)
        boxes = wait(browser, lambda browser, size=size: all_in_sight(browser, *size))
        assert len({(box["width"], box["height"]) for box in boxes}) == 1, "all are of one size"
        width, height = boxes[0]["width"], boxes[0]["height"]
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.02)
        assert max(width, height) > side


def all_in_sight(browser, width, height):
    """The boxes of label map and images, if these and all answers are within the window; else None."""
    boxes = browser.execute_script(
        """return ["label", "image0", "image1", "choose0", "choose1", "unsure"].map((id) =>
          document.getElementById(id).getBoundingClientRect().toJSON())"""
    )
    whole = all(0 <= b["left"] < b["right"] <= width and 0 <= b["top"] < b["bottom"] <= height for b in boxes)
    whole = whole and browser.execute_script("return document.documentElement.scrollWidth") <= width
    return boxes[:3] if whole else None


def test_the_next_person_begins_anew_in_another_order(study, browser):
    """Storage outlives the page: what the first person saw must not be what the second answers."""
    key = read_key(study / "study.key.json")
    browser.get((study / "study.html").as_uri())
    browser.execute_script("localStorage.clear(); window.confirm = () => true")
    browser.refresh()
    shown = []
    for participant in ("Ann", "Bo"):
        browser.execute_script("window.confirm = () => true")
        element(browser, "participant").send_keys(participant, "\n")
        wait(browser, at(0))
        shown.append(element(browser, "image0").get_attribute("src"))
        sources = browser.execute_script(
            "const {pairs} = JSON.parse(document.getElementById('data').textContent);"
            "return pairs.map(({id, images}) => [id, ...images])"
        )
        (place, *_), (left, *_) = order(key.study, participant, len(key.ids))
        assert [source[0] for source in sources] == key.ids
        assert shown[-1] == sources[place][1 + left]
        element(browser, "other").click()
        assert element(browser, "start").is_displayed()
    assert digest(*key.ids) == key.study
