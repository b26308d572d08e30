"""The page that compares runs: the images it links, what a name means, and sorting in a browser."""

import os

import pytest
from PIL import Image

from tests.scripts.browser import chromium, wait
from tests.scripts.compare.compared_runs import NAMES, compare, gray, refusal, save, table, write_run, write_scores

pytestmark = pytest.mark.tools

# ---- Images ----


def test_rows_link_the_images_of_every_run_where_they_are(tmp_path):
    write_run(tmp_path, "with photos")
    write_run(tmp_path, "without", photos=False)
    page = compare(tmp_path, "without", "with photos")
    assert page.words("h2")[-4:] == ["a", "b", "c9", "c10"]
    targets = page.targets()
    assert len(targets) == 2 * 4 * 4 and all(target.exists() for target in targets)
    assert all(image["loading"] == "lazy" and image["width"] == "8" for image in page.all("img"))
    assert page.words("figcaption")[:4] == ["label map", "without", "with photos", "photo"]
    assert "http://" not in page.path.read_text() and "https://" not in page.path.read_text()


def test_images_that_are_missing_are_shown_as_such(tmp_path):
    write_run(tmp_path, "whole")
    folder = write_run(tmp_path, "part")
    (folder / "images" / "synthesized_image" / "b.png").unlink()
    (folder / "images" / "synthesized_image" / "c9.png").write_text("damaged")
    page = compare(tmp_path, "whole", "part")
    assert [text for text in page.words("figure") if text in ("missing", "cannot be read")] == [
        "missing",
        "cannot be read",
    ]
    assert page.words("li") == ["part has no image of 1 of 4: b"]


def test_label_maps_of_one_name_that_differ_are_told(tmp_path):
    write_run(tmp_path, "one")
    folder = write_run(tmp_path, "two")
    save(folder / "images" / "input_label" / "b.png", gray(31))
    page = compare(tmp_path, "one", "two")
    assert page.words("li") == ["The images of 1 label maps differ between runs: b"]
    assert page.words("h2", "small") == ["⚠ label maps differ; that of one is shown"]
    Image.open(folder / "images" / "input_label" / "a.png").save(
        folder / "images" / "input_label" / "b.png", compress_level=0
    )
    assert compare(tmp_path, "one", "two").words("li") == [], "the same pixels in another file are the same"


def test_how_many_rows(tmp_path, capsys):
    write_run(tmp_path, "one")
    page = compare(tmp_path, "one", "--how_many", "3")
    assert page.words("article", "h2")[-3:] == ["a", "b", "c9"]
    assert "3 of 4" in page.words("dd")
    assert capsys.readouterr().out.splitlines()[1:] == ["no scores.json: one"]


def test_scores_are_printed_too(tmp_path, capsys):
    write_scores(write_run(tmp_path, "scored"))
    write_run(tmp_path, "not")
    compare(tmp_path, "scored", "not")
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == ["scored  FID 50, mIoU 50 %, pixel accuracy 80 %", "no scores.json: not"]


def test_why_runs_do_not_compare_is_printed(tmp_path, capsys):
    write_scores(write_run(tmp_path, "one"))
    folder = write_run(tmp_path, "two", names=("a", "b"))
    save(folder / "images" / "input_label" / "b.png", gray(31))
    write_scores(folder, images=2, scores={"fid": 40.0})
    compare(tmp_path, "one", "two")
    first, *others = capsys.readouterr().out.splitlines()
    assert first.endswith("compare.html: one, two; 4 label maps, 2 of all 4 in common")
    assert others[:3] == [
        "label maps differ: two was not tested on 2 of 4: c9, c10",
        "label maps differ: The images of 1 label maps differ between runs: b",
        "scores do not compare: Number of images: 4 for one, 2 for two. Concerns FID.",
    ]


def test_a_poor_segmenter_is_told(tmp_path, capsys):
    write_scores(
        write_run(tmp_path, "x"),
        protocol={"segmentation": {"network": "OwnSegmenter"}},
        real_photos={"scores": {"miou": 0.25}},
    )
    said = "x: the segmentation network recognizes only 25% (mIoU) of the real photos: the score says little"
    assert any(said in text for text in compare(tmp_path, "x").words("article", "p"))
    assert said in capsys.readouterr().out


def test_names_are_text_not_markup(tmp_path):
    write_scores(write_run(tmp_path, "<b>bold", names=["<i>x"]), {"<i>x": 0.5})
    page = compare(tmp_path, "<b>bold")
    assert "<i>x" in page.words("h2") and not page.all("i")
    assert "<b>bold" in page.words("th")


# ---- Which test a name means ----


def test_images_of_another_program_are_compared_too(tmp_path):
    write_scores(write_run(tmp_path, "ours"))
    for name in NAMES:
        save(tmp_path / "theirs" / f"{name}.png", gray(7))
    write_scores(tmp_path / "theirs", scores={"fid": 60.0})
    page = compare(tmp_path, "ours", tmp_path / "theirs")
    assert table(page, "Scores")["FID↓"] == ["50.00", "60.00+10.00"]
    assert page.words("figcaption")[:4] == ["label map", "ours", "theirs", "photo"]
    assert {target.parent.name for target in page.targets()} >= {"theirs", "input_label"}


def test_the_newest_test_is_meant_unless_another_is_named(tmp_path, capsys):
    for test, time in (("test_50", 2000), ("test_latest", 1000)):
        folder = write_run(tmp_path, "run", test)
        for images in (folder / "images").iterdir():
            os.utime(images, (time, time))
    write_scores(folder)  # newer, and no test
    (folder / "index.html").write_text("with scores")
    assert "run, test_50" in compare(tmp_path, "run").words("dd")
    assert "run, test_latest" in compare(tmp_path, "run", "--which", "test_latest").words("dd")
    both = [tmp_path / "results" / "run" / test for test in ("test_50", "test_latest")]
    assert table(compare(tmp_path, *both), "Scores")[""] == ["run test_50", "run test_latest"]
    assert "has test_50, test_latest" in refusal(capsys, tmp_path, "run", "--which", "test_7")
    assert "same results twice" in refusal(capsys, tmp_path, "run", both[0])


def test_what_cannot_be_compared_is_refused(tmp_path, capsys):
    write_run(tmp_path, "known")
    assert "runs in" in (line := refusal(capsys, tmp_path, "unknown")) and line.endswith("known")
    assert "--how_many 0" in refusal(capsys, tmp_path, "known", "--how_many", "0")


def test_a_command_that_is_nearly_one_is_named(tmp_path, capsys):
    assert refusal(capsys, tmp_path, "lossess", "two").endswith(
        "lossess: no such run, folder or command; did you mean losses?"
    )


# ---- In a browser ----


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def test_a_page_takes_the_place_of_such_pages_alone(tmp_path, capsys):
    write_run(tmp_path, "one")
    write_run(tmp_path, "two")
    for _ in range(2):
        compare(tmp_path, "one", "two")
    page = (tmp_path / "compare.html").read_text()
    (tmp_path / "compare.html").write_text(page.replace('content="scripts.compare"', 'content="compare_runs.py"'))
    compare(tmp_path, "one", "two")  # over a page of an earlier version
    assert (tmp_path / "compare.html").read_text() == page
    (tmp_path / "compare.html").write_text("<!DOCTYPE html><p>mine</p>")
    assert "compare.html: is there already and is no page of scripts.compare" in refusal(capsys, tmp_path, "one", "two")
    assert (tmp_path / "compare.html").read_text() == "<!DOCTYPE html><p>mine</p>"


def test_rows_are_sorted_by_score(tmp_path, browser):
    from selenium.webdriver.support.ui import Select

    write_scores(
        write_run(tmp_path, "one"),
        {"a": 0.5, "b": 0.9, "c9": 0.7},
        per_class_iou={"road": 0.9, "sky": 0.5, "car": 0.7},
    )
    write_scores(write_run(tmp_path, "two"), {"a": 0.8, "b": 0.4, "c9": 0.7, "c10": 0.6}, per_class_iou={"road": 0.95})
    compare(tmp_path, "one", "two")
    browser.get((tmp_path / "compare.html").as_uri())
    select = Select(browser.find_element("id", "sort"))

    def rows():
        return browser.execute_script("return [...document.querySelectorAll('.row h2')].map((h) => h.textContent)")

    def classes():
        return browser.execute_script(
            "return [...document.querySelectorAll('.sortable tbody th')].map((h) => h.textContent)"
        )

    assert rows() == ["a", "b", "c9", "c10"]
    texts = ["name", "pixel accuracy of one", "pixel accuracy of two", "pixel accuracy: two − one"]
    assert [option.text for option in select.options] == texts
    orders = {}
    for text in texts[1:]:
        select.select_by_visible_text(text)
        orders[text] = rows()
    assert orders == {
        "pixel accuracy of one": ["a", "c9", "b", "c10"],
        "pixel accuracy of two": ["b", "c10", "c9", "a"],
        "pixel accuracy: two − one": ["b", "c9", "a", "c10"],
    }
    assert browser.find_element("id", "missing").text == "1 without a value come last"
    browser.find_element("id", "direction").click()
    assert rows() == ["a", "c9", "b", "c10"], "those without a value come last in either direction"
    select.select_by_visible_text("name")
    assert rows() == ["a", "b", "c9", "c10"]

    browser.find_element("xpath", "//summary[starts-with(., 'IoU')]").click()
    heads = browser.find_elements("css selector", ".sortable th button")
    assert [head.text for head in heads] == ["class", "one", "two", "two − one"]
    heads[1].click()
    assert classes() == ["sky", "car", "road"]
    heads[1].click()
    assert classes() == ["road", "car", "sky"]
    heads[0].click()
    assert classes() == ["car", "road", "sky"]
    images = "return [...document.images].every((image) => !image.complete || image.naturalWidth === 8)"
    assert wait(browser, lambda browser: browser.execute_script(images))


def test_differences_over_other_protocols_are_not_offered_and_a_page_without_scores_works(tmp_path, browser):
    write_scores(write_run(tmp_path, "one"), {"a": 0.5})
    write_scores(write_run(tmp_path, "two"), {"a": 0.8}, protocol={"segmentation": {"network": "other"}})
    write_scores(write_run(tmp_path, "three"), {"a": 0.8}, images=3)
    page = compare(tmp_path, "one", "two", "three")
    assert page.words("option")[1:] == [
        *(f"pixel accuracy of {run}" for run in ("one", "two", "three")),
        "pixel accuracy: three − one",
    ]
    for run in ("one", "two", "three"):
        (tmp_path / "results" / run / "test_latest" / "scores.json").unlink()
    compare(tmp_path, "one", "two")
    browser.get((tmp_path / "compare.html").as_uri())
    assert len(browser.find_elements("class name", "row")) == 4
