"""The paint page in a real browser, as a person uses it: what is drawn, kept, opened, saved and seen."""

from __future__ import annotations

import io
import itertools
import time
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.scripts.browser import chromium
from tests.scripts.paint.drawn import polygon, rectangle, stroke
from tests.scripts.paint.page_driver import CONTROL, DOWN, ENTER, ESCAPE, LOW_CONTRAST, RIGHT, TAB, UP, Page
from tests.scripts.paint.page_server import page_server

pytestmark = pytest.mark.tools

HEIGHT, WIDTH = 32, 48
COLORS = {
    "sky": (117, 158, 223),
    "sea": (30, 90, 160),
    "tree": (40, 95, 60),
    "sand": (240, 220, 160),
    "snow": (250, 251, 252),
}
SKY, SEA, TREE, SAND, SNOW, UNKNOWN = range(6)
MODEL = {
    "version": 1,
    "engine": "server",
    "name": "small",
    "height": HEIGHT,
    "width": WIDTH,
    "classes": [
        *({"id": i, "name": name, "color": color} for i, (name, color) in enumerate(COLORS.items())),
        {"id": UNKNOWN, "name": "unknown", "color": (0, 0, 0)},
    ],
    "unknown_id": UNKNOWN,
    "unknown_value": 255,
    "base_class": SKY,
    "num_labels": 6,
    "edges": True,
    "z_dim": 4,
    "encoder": True,
    "segmenter": False,
    "scenes": 3,
    "more_scenes": True,
    "scenes_available": 100,
    "browser": None,
}


def scene(number: int):
    """Sea below sky, higher with each scene, and a photo that is brighter with each."""
    ids = np.full((HEIGHT, WIDTH), SKY, dtype=np.uint8)
    ids[HEIGHT - 4 - number % 8 :] = SEA
    return ids, np.full((HEIGHT, WIDTH, 3), 60 + 40 * (number % 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def browser(downloads):
    with chromium(downloads) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(browser):
    with page_server(MODEL, scene) as server:
        yield server
        browser.get("about:blank")  # what a page still asks for would fail


@pytest.fixture
def page(browser, server):
    """The page as one sees it who comes for the first time."""
    server.broken = None
    server.gate.set()
    browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": server.url[:-1], "storageTypes": "all"})
    page = Page(browser)
    page.resize(1366, 768)
    return page.open(server.url)


def blank(page) -> np.ndarray:
    """Begin with a new canvas; return its ids."""
    page.click("#new")
    return np.full((HEIGHT, WIDTH), SKY, dtype=np.uint8)


def test_every_tool_draws_exactly_what_was_drawn_and_undo_leads_back_to_the_start(page):
    steps = [page.ids]
    expected = blank(page)

    def check(mask, label):
        expected[mask] = label
        np.testing.assert_array_equal(page.ids, expected)
        steps.append(expected.copy())

    check(np.zeros_like(expected, dtype=bool), 0)
    shape, size = expected.shape, 7
    page.use("brush", SEA, size)
    points = [(5, 5), (20, 9), (21, 20), (60, 40)]  # leaves the map
    page.drag(*points)
    check(stroke(shape, points, size), SEA)
    page.click("#shapes [value=square]")
    page.use("line", SAND, 4)
    page.drag((40, 2), (30, 6), (10, 28))
    check(stroke(shape, [(40, 2), (10, 28)], 4, "square"), SAND)
    page.use("rectangle", TREE)
    page.drag((30, 20), (35, 5), (26, 11))
    check(rectangle(shape, (30, 20), (26, 11)), TREE)
    page.use("polygon", SNOW)
    corners = [(2, 30), (14, 12), (18, 29), (6, 18)]
    for corner in corners:
        page.drag(corner)
    page.type(ENTER)
    check(polygon(shape, corners), SNOW)
    page.use("polygon", SEA)
    corners = [(30, 3), (44, 6), (40, 22)]
    for corner in (*corners, (20, 20)):
        page.drag(corner)
    page.click("#undo")
    page.drag(corners[0])  # the first one closes
    check(polygon(shape, corners), SEA)
    page.use("fill", UNKNOWN)
    page.drag((28, 12))
    regions, _ = ndimage.label(expected == TREE)
    check(regions == regions[12, 28], UNKNOWN)
    page.use("eraser", size=5)
    page.drag((28, 12), (28, 18))
    check(stroke(shape, [(28, 12), (28, 18)], 5, "square"), SKY)
    page.use("brush", SAND)
    page.drag((3, 3), button=2)  # the second button erases
    check(stroke(shape, [(3, 3)], 5, "square"), SKY)
    page.use("eyedropper")
    page.drag((15, 29))
    assert page.label == expected[29, 15]
    page.use("move")
    regions, _ = ndimage.label(expected == expected[20, 20])
    region = regions == regions[20, 20]
    moved = expected.copy()
    moved[region] = SKY
    moved[4:, 3:][region[:-4, :-3]] = expected[20, 20]
    page.drag((20, 20), (25, 20), (23, 24))
    expected[:] = moved
    check(np.zeros_like(region), 0)

    unique = [step for step, after in itertools.pairwise(steps) if (step != after).any()]
    for step in reversed(unique):
        page.click("#undo")
        np.testing.assert_array_equal(page.ids, step)
    assert page.find("#undo").get_property("disabled")
    for _ in unique:
        page.chord(CONTROL, "y")
    np.testing.assert_array_equal(page.ids, expected)


def test_more_than_a_hundred_steps_can_be_undone(page):
    start = blank(page)
    page.use("fill")
    page.find("#label-pane").click()  # fills with the class that was chosen at first
    page.type(*["1", ENTER, "3", ENTER] * 60)
    assert (page.ids == TREE).all()
    for _ in range(121):
        page.run("document.querySelector('#undo').click()")
    np.testing.assert_array_equal(page.ids, start)


def test_a_reload_loses_nothing(page, server):
    blank(page)
    page.use("rectangle", TREE)
    page.drag((4, 5), (20, 20))
    page.use("brush", SAND, 9)
    page.set("#seed", "77")
    page.click("#views [value=over]")
    page.settle()
    ids, z = page.ids, page.z
    page.browser.execute_async_script("painting.keep().then(arguments[0])")
    page.open(server.url)
    np.testing.assert_array_equal(page.ids, ids)
    np.testing.assert_array_equal(page.z, z)
    assert page.run("return document.body.dataset.view") == "over"
    assert page.run("return [...document.querySelectorAll('#side :checked')].map((input) => input.value)") == [
        "brush",
        "round",
        str(SAND),
    ]
    assert page.find("#size").get_property("value") == "9"


def test_a_browser_that_keeps_nothing_is_told_once(page):
    page.run("IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }")
    blank(page)
    error = page.find("#error-text")
    page.wait(lambda: error.text == "This browser keeps no drawings; save your label map.")
    page.click("#dismiss")
    page.use("rectangle", TREE)
    page.drag((4, 5), (20, 20))
    page.browser.execute_async_script("painting.keep().then(arguments[0])")
    assert not page.find("#error").is_displayed()


def test_saved_files_hold_the_ids_and_the_picture_and_open_again(page, server, downloads):
    page.use("rectangle", UNKNOWN)
    page.drag((4, 5), (20, 20))
    ids = page.ids
    folder = downloads / "downloads"
    names = ["small_labels.png", "small_picture.png", "small.zip"]
    for button, name in zip(("labels", "picture", "both"), names):
        page.find("#save").click()  # a real click: browsers ask before a page saves two files by itself
        page.find(f"#save-{button}").click()
        page.wait((folder / name).exists)
    files = [folder / name for name in names[:2]]
    with zipfile.ZipFile(folder / "small.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in names[:2]} == {file.name: file.read_bytes() for file in files}
    with Image.open(files[0]) as labels, Image.open(files[1]) as picture:
        assert labels.mode == "P" and picture.mode == "RGB"
        values = np.where(ids == UNKNOWN, 255, ids)  # as label files of the data set hold them
        np.testing.assert_array_equal(np.asarray(labels), values)
        np.testing.assert_array_equal(np.asarray(picture), server.picture(ids, page.z))
    blank(page)
    page.find("#label-file").send_keys(str(files[0]))
    page.wait(lambda: (page.ids == ids).all())
    page.find("#label-file").send_keys(str(files[1]))
    error = page.find("#error-text")
    page.wait(lambda: error.text)
    assert error.text.startswith("small_picture.png: this file has the color #")
    np.testing.assert_array_equal(page.ids, ids)
    page.click("#dismiss")
    assert not page.find("#error").is_displayed()


def test_a_file_may_be_dropped_anywhere_also_where_a_browser_has_no_popovers(page):
    page.run("delete HTMLElement.prototype.hidePopover")
    file = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), TREE).save(file, "PNG")
    script = """
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(arguments[0])], "map.png"));
        return ["dragover", "drop"].map((type) => {
            const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector("footer").dispatchEvent(event);
            return event.defaultPrevented;
        });
    """
    assert page.run(script, list(file.getvalue())) == [True, True]
    page.wait(lambda: (page.ids == TREE).all())


def test_scenes_start_a_drawing(page):
    np.testing.assert_array_equal(page.ids, scene(0)[0])
    page.click("#scenes")
    page.find("#scene-cards button:nth-child(3)").click()
    page.wait(lambda: (page.ids == scene(2)[0]).all())
    page.click("#another-scene")
    page.wait(lambda: "Scene" in page.find("#status").text and page.find("#status").text != "Scene 2")
    number = int(page.find("#status").text.split()[1])
    assert 3 <= number < 100
    np.testing.assert_array_equal(page.ids, scene(number)[0])


def test_a_photo_becomes_a_label_map_where_the_server_has_a_segmenter(page, server, tmp_path):
    assert page.find("#open-photo").get_property("disabled")
    assert "without a segmenter" in page.find("#photo-note").get_property("textContent")
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (60, 40)).save(photo)
    server.model = MODEL | {"segmenter": True}
    try:
        page.open(server.url)
        page.find("#photo-file").send_keys(str(photo))
        page.wait(lambda: (page.ids == SEA).all())
    finally:
        server.model = MODEL


def test_styles_come_from_seeds_photos_and_blends(page, server):
    page.set("#seed", "123")
    first = page.z
    page.settle()
    np.testing.assert_array_equal(server.requests[-1][1], first)
    page.click("#dice")
    assert not np.array_equal(page.z, first)
    page.set("#seed", "123")
    np.testing.assert_array_equal(page.z, first)
    page.click("#slots [value='1']")
    page.click("#style-photo")
    page.find("#style-cards button:nth-child(2)").click()
    page.wait(lambda: page.run("return document.querySelector('#slot-1').textContent") == "Scene 1")
    photo = page.z
    np.testing.assert_allclose(photo, 100 / 64 - 2, atol=0.02)
    page.set("#blend", 0)
    np.testing.assert_array_equal(page.z, first)
    page.set("#blend", 100)
    np.testing.assert_array_equal(page.z, photo)
    page.set("#blend", 50)
    assert np.abs(page.z - first).max() > 0.1 < np.abs(page.z - photo).max()
    seed = page.find("#seed")
    page.click("#slots [value='0']")
    page.set("#seed", "")
    assert seed.get_property("value") == "123" and not page.find("#error").is_displayed()
    np.testing.assert_array_equal(page.z, first)
    page.set("#seed", "many")
    assert "whole number" in page.find("#error-text").text


def test_thumbnails_show_six_styles_of_this_very_map(page, server):
    page.use("rectangle", SAND)
    page.drag((4, 5), (20, 20))
    server.lanes.clear(), server.requests.clear()
    page.settle()
    page.wait(lambda: not page.find_all(".thumbnail.old"))
    styles = [
        z for lane, (ids, z) in zip(server.lanes, server.requests) if lane == "styles" and (ids == page.ids).all()
    ]
    assert len({z.tobytes() for z in styles}) == 6
    button = page.find_all(".thumbnail")[2]
    shown = page.run(
        "return [...arguments[0].firstChild.getContext('2d').getImageData(8, 8, 1, 1).data.slice(0, 3)]", button
    )
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert shown == server.picture(page.ids, page.z)[8, 8].tolist()


def test_the_newest_map_wins(page, server):
    page.settle()
    server.lanes.clear(), server.requests.clear()
    server.gate.clear()
    page.use("brush", TREE, 3)
    for x in range(6):
        page.drag((4 + 6 * x, 10))
    server.gate.set()
    page.settle()
    maps = [ids for lane, (ids, _) in zip(server.lanes, server.requests) if lane == "picture"]
    assert len(maps) == 2  # the first stroke, and all of them
    np.testing.assert_array_equal(maps[-1], page.ids)


def test_without_live_a_button_renders(page):
    page.find("label.switch").click()
    before = page.run("return painting.rendered")
    page.use("rectangle", SAND)
    page.drag((4, 5), (20, 20))
    time.sleep(0.3)
    assert page.run("return painting.rendered") == before
    assert "changed" in page.find("#state").text
    page.find("#render").click()
    page.settle()
    assert page.run("return painting.rendered") == before + 1


@pytest.mark.parametrize("answer, words", [(0, "does not answer"), (503, "busy")])
def test_a_server_that_is_away_is_asked_again_while_one_draws(page, server, answer, words):
    page.use("brush", TREE, 3)
    server.broken = answer
    page.drag((10, 10))
    page.wait(lambda: words in page.find("#state").text)
    page.drag((20, 10))
    assert page.ids[10, 20] == TREE
    server.broken = None
    page.settle()
    assert all("/api/image" in entry["message"] for entry in page.browser.get_log("browser"))


def test_a_refusal_is_one_line_and_drawing_goes_on(page, server):
    server.broken = 400
    page.use("brush", TREE, 3)
    page.drag((10, 10))
    page.wait(lambda: page.find("#error-text").text == "The server refused: the test wants this")
    server.broken = None
    page.drag((20, 10))
    page.settle()
    assert all("/api/image" in entry["message"] for entry in page.browser.get_log("browser"))


def test_a_page_of_a_model_that_the_server_no_longer_has_says_so(page, server):
    try:
        server.model = MODEL | {"fingerprint": "5eed"}
        page.open(server.url)
        server.model = MODEL | {"fingerprint": "fade"}
        before = len(server.requests)
        page.use("brush", TREE, 3)
        page.drag((10, 10))
        words = "The server refused: the server has another model now; reload this page"
        page.wait(lambda: page.find("#error-text").text == words)
        assert page.run("return painting.renderer.state") == "failed" and len(server.requests) == before
        page.open(server.url)
        assert page.ids[10, 10] == TREE
        assert all("/api/image" in entry["message"] for entry in page.browser.get_log("browser"))
    finally:
        server.model = MODEL


def test_the_keyboard_alone_is_enough(page):
    expected = blank(page)
    page.run("document.activeElement.blur()")
    for _ in range(60):
        page.type(TAB)
        if page.run("return document.activeElement.id") == "label-pane":
            break
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.set("#size", 3)
    page.type("3", RIGHT, UP)  # the third class; the cursor appears in the middle and goes right and up
    cursor = (WIDTH // 2 + 1, HEIGHT // 2 - 1)
    page.type(" ", *[RIGHT] * 6, " ", RIGHT)
    end = (cursor[0] + 6, cursor[1])
    expected[stroke(expected.shape, [cursor, end], 3)] = TREE
    np.testing.assert_array_equal(page.ids, expected)
    assert page.find("#status").text == f"x {end[0] + 1}, y {end[1]}: tree"
    page.type("r", "2", ENTER, *[DOWN] * 4, *[RIGHT] * 3, ENTER)
    expected[rectangle(expected.shape, (end[0] + 1, end[1]), (end[0] + 4, end[1] + 4))] = SEA
    np.testing.assert_array_equal(page.ids, expected)
    page.chord(CONTROL, "z")
    page.type("?")
    assert page.find("#help-dialog").is_displayed()
    page.type(ESCAPE)
    assert not page.find("#help-dialog").is_displayed()
    assert (page.ids == TREE).any() and not (page.ids == SEA).any()


def test_another_class_or_another_map_within_a_stroke_leaves_no_half_of_it(page):
    expected = blank(page)
    page.use("brush", SEA, 3)
    page.find("#label-pane").click()  # a dot, in the middle
    page.chord(CONTROL, "z")
    page.type(ENTER, RIGHT, RIGHT, "3", RIGHT, RIGHT, ENTER)
    assert page.label == TREE and set(np.unique(page.ids)) == {SKY, SEA}
    drawn = page.ids
    page.type(ENTER, RIGHT, RIGHT, "n", RIGHT, RIGHT)
    page.run("document.activeElement.blur()")
    np.testing.assert_array_equal(page.ids, expected)
    page.click("#undo")
    np.testing.assert_array_equal(page.ids, drawn)


def test_zoom_and_pan_change_what_is_seen_and_not_what_is_drawn(page):
    expected = blank(page)
    before = page.place(0, 0)
    page.run(
        "const [x, y] = painting.toClient(10, 10); document.querySelector('#label-pane').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: -700, clientX: x, clientY: y, cancelable: true}))"
    )
    assert page.place(0, 0) != before
    page.use("brush", TREE, 2)
    page.drag((10, 10), (13, 12))
    expected[stroke(expected.shape, [(10, 10), (13, 12)], 2)] = TREE
    np.testing.assert_array_equal(page.ids, expected)
    place = page.place(0, 0)
    page.find("#help").click()
    page.find("#help-dialog [data-close]").click()
    page.run("document.activeElement.blur()")
    page.keys.key_down(" ").perform()
    page.drag((12, 12), (9, 11))
    page.keys.key_up(" ").perform()
    assert page.place(0, 0) != place
    np.testing.assert_array_equal(page.ids, expected)
    page.find("#fit").click()
    assert page.place(0, 0) == before


def test_a_phone_has_room_for_everything(page):
    page.resize(360, 740)
    expected = blank(page)
    page.use("brush", SAND, 3)
    page.touch("touchStart", (10, 10))
    page.touch("touchMove", (20, 14))
    page.touch("touchEnd")
    expected[stroke(expected.shape, [(10, 10), (20, 14)], 3)] = SAND
    np.testing.assert_array_equal(page.ids, expected)
    before = page.place(0, 0)
    page.touch("touchStart", (10, 10))
    page.touch("touchStart", (10, 10), (20, 10))
    page.touch("touchMove", (10, 10), (30, 10))
    page.touch("touchEnd")
    assert page.place(0, 0) != before
    np.testing.assert_array_equal(page.ids, expected)
    assert page.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        360,
        740,
    ]
    for sheet in ("tools", "classes", "styles", "file"):
        page.find(f"[data-sheet={sheet}]").click()
        assert page.find(f"#{sheet}").is_displayed()
        box = page.find(f"#{sheet}").rect
        assert box["x"] >= 0 and box["width"] <= 360 and box["y"] >= 48 and box["y"] + box["height"] <= 740 - 56 + 1
    page.find("[data-sheet=file]").click()
    assert not page.find("#file").is_displayed()
    page.find("[data-sheet=classes]").click()
    page.find("#class-list label:nth-child(2)").click()
    assert page.label == SEA and page.find("#class-name").text == "sea" and not page.find("#classes").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(page, scheme):
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    page.run(
        "document.querySelector('#error').hidden = false; document.querySelector('#error-text').textContent = 'Error'"
    )
    assert page.run(LOW_CONTRAST) == []
    page.click("#help")
    assert page.run(LOW_CONTRAST) == []
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_everything_is_named_comes_from_here_and_fits_on_a_small_laptop(page, server):
    assert page.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        1366,
        768,
    ]
    unnamed = [
        element.get_attribute("outerHTML")
        for element in page.find_all("button, input, [tabindex], select, dialog")
        if not element.accessible_name and element.is_displayed()
    ]
    assert unnamed == []
    resources = page.run("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)")
    assert set(resources) == {server.url[:-1]}


def test_a_model_with_many_classes_and_no_styles(browser):
    names = [f"thing {i}" for i in range(91)] + [f"stuff {i}" for i in range(91)]
    many = MODEL | {
        "name": "many",
        "classes": [{"id": i, "name": name, "color": (i, 255 - i, 99)} for i, name in enumerate(names)],
        "unknown_id": None,
        "unknown_value": None,
        "num_labels": 182,
        "coco_ids": {name: i for i, name in enumerate(names)},
        "z_dim": None,
        "encoder": False,
        "scenes": 0,
        "more_scenes": False,
    }
    with page_server(many) as server:
        page = Page(browser).open(server.url)
        assert page.find("#size-value").text == "16"  # and not 24, for a map of this height
        assert [title.text for title in page.find_all("#class-list h3")] == ["Things", "Stuff"]
        assert page.find("#no-styles").is_displayed() and not page.find("#dice").is_displayed()
        page.type("/", "stuff 90", ENTER)
        assert page.label == 181
        digit = page.find("#class-list [value='181'] ~ kbd").text
        page.find("#label-pane").click()
        page.type("2", digit)
        assert "1" <= digit <= "9" and page.label == 181
        page.use("rectangle")
        page.drag((4, 5), (20, 20))
        assert page.ids[10, 10] == 181
        page.set("#class-search", "nothing")
        assert page.find("#no-class").is_displayed()
        browser.get("about:blank")
