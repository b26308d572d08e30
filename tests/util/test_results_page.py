"""The page of a test: files where scoring finds them, links that work, legends that tell the truth."""

import numpy as np
import pytest
from PIL import Image

from tests.util.pages import Page
from util import html
from util.errors import InputError
from util.results_page import ResultsPage, add_scores, read_classes

CLASSES = ["road", "sky", "tree & bush", "unknown"]
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], dtype=np.uint8)
AWKWARD = [
    "plain",
    "frankfurt/frankfurt_000000_000294",
    "a name with spaces",
    "what #1? 100%25 & more",
    "street.v2",
    "Zürich/日本",
    "<b>\"bold\"</b> 'quoted'",
    "back\\slash;semi:colon",
]


def new_page(directory, **changes):
    arguments = {
        "title": "Experiment = demo",
        "class_names": CLASSES,
        "class_colors": COLORS,
        "display_width": 256,
        "facts": {"Phase": "test"},
    }
    return ResultsPage(directory, **arguments | changes)


def gray(value, height=4, width=8):
    return np.full((height, width, 3), value, dtype=np.uint8)


def two_classes(first=0, second=2):
    """Three quarters of the first class, one of the second."""
    labels = np.full((4, 8), first)
    labels[0] = second
    return labels


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_pictures_are_written_at_once_where_scoring_finds_them(tmp_path):
    page = new_page(tmp_path)
    page.add("city/street.v2", two_classes(), [("first", gray(10)), ("second", gray(20))], photo=gray(30))
    images = tmp_path / "images"
    written = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    assert written == [
        "input_label/city/street.v2.png",
        "real_image/city/street.v2.png",
        "synthesized_image/city/street.v2.png",
        "synthesized_image_style2/city/street.v2.png",
    ]
    assert pixels(images / written[2]).tolist() == gray(10).tolist()
    assert pixels(images / written[3]).tolist() == gray(20).tolist()
    assert pixels(images / written[1]).tolist() == gray(30).tolist()
    label_picture = pixels(images / written[0])
    assert label_picture[0].tolist() == [[0, 0, 255]] * 8
    assert label_picture[3].tolist() == [[255, 0, 0]] * 8


def test_a_canvas_is_shown_between_the_labels_and_the_result(tmp_path):
    page = new_page(tmp_path)
    page.add("a", two_classes(), [("result", gray(1))], photo=gray(2), canvas=gray(3))
    assert Page(page.save()).words("figcaption") == ["label map", "canvas", "result", "photo"]
    assert pixels(tmp_path / "images" / "input_canvas" / "a.png").tolist() == gray(3).tolist()
    new_page(tmp_path)
    assert not (tmp_path / "images" / "input_canvas").exists()


@pytest.mark.parametrize("name", AWKWARD)
def test_every_link_is_a_file_whatever_the_name(tmp_path, name):
    page = new_page(tmp_path)
    page.add(name, two_classes(), [("result", gray(1))], photo=gray(2))
    read = Page(page.save())
    targets = read.targets()
    assert len(targets) == 6  # three pictures, each shown and linked
    assert set(targets) == set((tmp_path / "images").rglob("*.png"))
    assert read.words("h2") == [name]
    assert [image["alt"] for image in read.all("img")] == [
        f"{what} of {name}" for what in ("label map", "result", "photo")
    ]


def test_pictures_keep_their_place_and_load_late(tmp_path):
    page = new_page(tmp_path)
    page.add("a", two_classes(), [("result", gray(1, height=10, width=20))])
    images = Page(page.save()).all("img")
    assert [(image["width"], image["height"]) for image in images] == [("8", "4"), ("20", "10")]
    assert all(image["loading"] == "lazy" for image in images)


def test_legends_hold_exactly_the_classes_in_the_pictures(tmp_path):
    page = new_page(tmp_path)
    page.add("a", two_classes(0, 2), [("result", gray(1))])
    page.add("b", two_classes(2, 2), [("result", gray(1))])
    read = Page(page.save())
    assert read.words("article", "li", "span") == ["road", "tree & bush", "tree & bush"]
    assert read.words("article", "li", "small") == ["75%", "25%", "100%"]
    assert read.words("aside", "li", "span") == ["tree & bush", "road"]
    assert read.words("aside", "li", "small") == ["2 images", "1 image"]
    swatches = [swatch["style"] for swatch in read.all("i")]
    assert swatches == [f"background:#{color}" for color in ("0000ff", "ff0000", "ff0000", "0000ff", "0000ff")]


def test_a_class_of_a_few_pixels_is_not_said_to_have_none(tmp_path):
    labels = np.zeros((100, 100), dtype=np.int64)
    labels[0, 0] = 1
    page = new_page(tmp_path)
    page.add("a", labels, [("result", gray(1))])
    assert Page(page.save()).words("article", "li", "small") == ["100%", "<1%"]


def test_facts_and_captions_are_text_not_markup(tmp_path):
    page = new_page(tmp_path, title="<script>x</script>", facts={"Note": "<img src=x>"})
    page.add("a", two_classes(), [("<i>caption</i>", gray(1))])
    read = Page(page.save())
    assert read.words("h1") == read.words("title") == ["<script>x</script>"]
    assert read.words("dt") == ["Note", "Images"]
    assert read.words("dd") == ["<img src=x>", "1"]
    assert read.words("figcaption") == ["label map", "<i>caption</i>"]
    assert not read.words("script")[0].startswith("x")


def test_nothing_of_an_earlier_test_is_left_and_nothing_else_is_removed(tmp_path):
    old = new_page(tmp_path, style_photos={"sunset": gray(5)})
    old.add("old/one", two_classes(), [("1", gray(1)), ("2", gray(2))], photo=gray(3))
    old.save()
    kept = [
        tmp_path / "scores.json",
        tmp_path / "images" / "mine" / "a.png",
        tmp_path / "images" / "synthesized_image_backup" / "a.png",
        tmp_path / "images" / "synthesized_image" / "notes.txt",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    new = new_page(tmp_path)
    assert not (tmp_path / "index.html").exists()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)
    assert not (tmp_path / "images" / "synthesized_image_style2").exists()
    new.add("new", two_classes(), [("1", gray(1))])
    assert {path.name for path in Page(new.save()).targets()} == {"new.png"}


def test_scores_go_before_the_images_they_are_of(tmp_path):
    old = new_page(tmp_path)
    old.add("a", two_classes(), [("1", gray(1))])
    old.save()
    (tmp_path / "scores.json").write_text('{"format": 1, "scores": {"fid": 20.0}, "images_hash": "0123456789abcdef"}')
    (tmp_path / "confusion.png").write_bytes(b"picture")
    new = new_page(tmp_path)  # and if it were interrupted now, nothing would speak of images that are gone
    assert not (tmp_path / "scores.json").exists() and not (tmp_path / "confusion.png").exists()
    new.add("b", two_classes(), [("1", gray(2))])
    assert {path.name for path in Page(new.save()).targets()} == {"b.png"}


def test_a_scored_test_of_other_label_maps_is_kept(tmp_path, capsys):
    def scored(maps):
        new_page(tmp_path, facts={"Label maps": maps}).save()
        (tmp_path / "scores.json").write_text('{"format": 1, "scores": {"fid": 20.0}}')

    scored("val")
    with pytest.raises(InputError, match=r"label maps in val, which those of other would .* --results_dir DIR"):
        new_page(tmp_path, facts={"Label maps": "other"})
    assert (tmp_path / "scores.json").exists() and (tmp_path / "index.html").exists()
    scored("./val")  # is the same folder
    said = f"removed the scores of an earlier test: {tmp_path / 'scores.json'}\n"
    assert capsys.readouterr().out == said
    new_page(tmp_path).save()  # drawn
    assert capsys.readouterr().out == said
    new_page(tmp_path, facts={"Label maps": "other"})  # nothing was scored
    assert capsys.readouterr().out == ""


def test_photos_behind_a_link_are_not_removed(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_text("mine")
    (tmp_path / "test" / "images").mkdir(parents=True)
    (tmp_path / "test" / "images" / "real_image").symlink_to(photos, target_is_directory=True)
    page = new_page(tmp_path / "test")
    page.add("a", two_classes(), [("result", gray(1))], photo=gray(2))
    assert (photos / "a.png").read_text() == "mine"


def test_style_photos_head_their_columns_and_are_shown_once(tmp_path):
    page = new_page(tmp_path, style_photos={"dawn": gray(5), "noon": gray(6)})
    for name in "ab":
        page.add(name, two_classes(), [("style of dawn", gray(1)), ("style of noon", gray(2))], photo=gray(3))
    read = Page(page.save())
    for name, value in (("style_image.png", 5), ("style_image_2.png", 6)):
        assert read.targets().count(tmp_path / "images" / name) == 2
        assert pixels(tmp_path / "images" / name).tolist() == gray(value).tolist()
    assert read.words("figcaption")[:2] == ["dawn", "noon"]
    new_page(tmp_path)
    assert not list((tmp_path / "images").glob("style_image*"))


def test_scores_of_images_are_added_to_a_page_that_is_there(tmp_path):
    assert not add_scores(tmp_path, {"mIoU": {"a": 0.5}}) and read_classes(tmp_path) == []
    page = new_page(tmp_path)
    page.add("a </script>", two_classes(), [("result", gray(1))])
    path = page.save()
    before = path.read_text()
    assert read_classes(tmp_path) == [("road", "#ff0000"), ("tree & bush", "#0000ff")]
    assert html.read_data(path)["rows"] == [["a </script>", {"0": 0.75, "2": 0.25}]]
    assert add_scores(tmp_path, {"mIoU": {"a </script>": 0.5}}) and add_scores(tmp_path, {"accuracy": {}})
    assert html.read_data(path)["scores"] == {"mIoU": {"a </script>": 0.5}, "accuracy": {}}
    assert add_scores(tmp_path, {"mIoU": {}})
    assert html.read_data(path)["scores"] == {"mIoU": {}, "accuracy": {}}
    after = path.read_text().replace('"scores":{"mIoU":{},"accuracy":{}}', '"scores":{}')
    assert after == before
    path.write_text("<main></main>")  # of an earlier version
    assert read_classes(tmp_path) == []
    assert not add_scores(tmp_path, {"mIoU": {"a": 0.5}}) and path.read_text() == "<main></main>"


def test_a_name_used_twice_is_refused(tmp_path):
    page = new_page(tmp_path)
    page.add("a", two_classes(), [("result", gray(1))])
    with pytest.raises(AssertionError, match="named a"):
        page.add("a", two_classes(), [("result", gray(1))])


def test_a_page_without_images_says_so(tmp_path):
    read = Page(new_page(tmp_path).save())
    assert read.words("main") == ["No images."]
    assert not read.all("aside")


def test_nothing_is_fetched_and_screens_of_all_kinds_are_served(tmp_path):
    page = new_page(tmp_path)
    text = page.save().read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert "prefers-color-scheme: dark" in text
    read = Page(tmp_path / "index.html")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.all("meta")
    assert {"charset": "utf-8"} in read.all("meta")
    assert not any("http-equiv" in meta for meta in read.all("meta"))
