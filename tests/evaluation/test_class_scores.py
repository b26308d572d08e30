"""Scores of single images and classes, and of the real photos: by hand, as files, and as a page shows them."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from evaluation.class_scores import Confusion, class_pixels, largest_confusions, worst_images
from evaluation.image_scores import by_title, read_counts, save_image_scores
from evaluation.page import show_on_page
from evaluation.real_photos import score_real_photos
from evaluation.scoring import Evaluation
from evaluation.segmentation import scores_of_draws
from tests.evaluation.folders import GraySegmenter, Squares, generated
from tests.evaluation.test_scoring import report
from tests.util.pages import Page
from util.segmentation_scores import ConfusionMatrix


def counts_of(*cells: tuple[int, int, int], classes: int = 3) -> torch.Tensor:
    """The confusion of an image from (class, predicted class, pixels)."""
    matrix = ConfusionMatrix(classes)
    for true, predicted, pixels in cells:
        matrix.counts[true, predicted] = pixels
    return matrix.counts.double().flatten().to_sparse()


IMAGES = {
    "half": counts_of((0, 0, 40), (0, 1, 40), (1, 1, 20)),  # class 0: 40 of 80
    "good": counts_of((0, 0, 90), (0, 1, 10)),  # class 0: 90 of 100
    "bad": counts_of((0, 1, 50), (1, 1, 50)),  # class 0: 0 of 50
    "few": counts_of((0, 1, 1), (1, 1, 999)),  # class 0: 0 of 1, which are too few
    "fair": counts_of((0, 0, 70), (0, 2, 30), (3, 0, 7)),  # class 0: 70 of 100; pixels without a class do not count
}


def test_the_worst_images_of_a_class_are_those_with_its_lowest_iou():
    zero, one, two = worst_images(IMAGES, 3)
    assert zero == [("bad", 0), ("half", 0.5), ("fair", 0.7)]
    assert [name for name, _ in one] == ["half", "bad", "few"]  # 20 of 60, 50 of 100, 999 of 1000
    assert two == []  # called, and in no label map
    rare, *_ = worst_images({"few": IMAGES["few"]}, 3)
    assert rare == [("few", 0)], "where a class has few pixels everywhere, those count"


def test_the_largest_confusions_have_the_most_pixels():
    matrix = ConfusionMatrix(3)
    matrix.counts = torch.tensor([[60, 30, 10], [0, 50, 50], [0, 0, 0], [9, 9, 9]])
    assert class_pixels(matrix) == [100, 100, 0]
    assert largest_confusions(matrix, 2) == [Confusion(1, 2, 0.5, 0.25), Confusion(0, 1, 0.3, 0.15)]
    assert len(largest_confusions(matrix, 9)) == 3


def test_the_confusion_of_images_is_read_as_it_was_written_and_only_for_its_scores(tmp_path):
    path, per_image = tmp_path / "scores.json", {name: {"accuracy": 0.5, "miou": None} for name in IMAGES}
    content = {"format": 1, "images_hash": "a", "protocol_hash": "b", "per_class_iou": dict.fromkeys("xyz", 0.5)}
    save_image_scores(path, {**content, "per_image": per_image}, IMAGES)
    written = json.loads((tmp_path / "image_scores.json").read_text(encoding="utf-8"))
    assert written["scores"] == {"accuracy": dict.fromkeys(IMAGES, 0.5), "miou": dict.fromkeys(IMAGES)}
    assert written["confusion"]["bad"] == [[0, 1, 50], [1, 1, 50]] and written["classes"] == ["x", "y", "z"]
    read = read_counts(path, content)
    assert list(read) == list(IMAGES)
    assert all(torch.equal(read[name].to_dense(), IMAGES[name].to_dense()) for name in IMAGES)
    assert read_counts(path, {**content, "images_hash": "c"}) == {}
    for damaged in ("{", "[]", json.dumps({**written, "confusion": {"bad": [[9, 9, 9]]}})):
        (tmp_path / "image_scores.json").write_text(damaged, encoding="utf-8")
        assert read_counts(path, content) == {}
    save_image_scores(path, content, {})
    assert not (tmp_path / "image_scores.json").exists()


def test_scores_of_images_have_titles_and_percent_on_the_page():
    per_image = {"a": {"accuracy": 2 / 3, "psnr2": 21.23456}, "b": {"accuracy": None}}
    assert by_title(per_image) == {"pixel accuracy, %": {"a": 66.7, "b": None}, "psnr2": {"a": 21.23, "b": None}}


def test_real_photos_are_segmented_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    evaluation = Evaluation(Squares(), segmenter=GraySegmenter(), segmenter_files=[{"name": "s", "sha256": "0"}])
    found = score_real_photos(evaluation, 2, 0, show=False)
    assert found["scores"] == {
        "miou": 1,
        "miou_present": 1,
        "accuracy": 1,
        "accuracy_with_void": pytest.approx(31 / 32),
    }
    assert found["class_iou"] == [1, 1, 1, 1]
    monkeypatch.setattr(GraySegmenter, "score_pixels", None)
    assert score_real_photos(evaluation, 2, 0, show=False) == found
    (kept,) = (tmp_path / "spade" / "real_photos").iterdir()
    kept.write_text("{", encoding="utf-8")
    with pytest.raises(TypeError):
        score_real_photos(evaluation, 2, 0, show=False)


def test_without_photos_or_segmenter_there_are_no_scores_of_real_photos(monkeypatch):
    assert score_real_photos(Evaluation(Squares()), 2, 0, show=False) == {}
    monkeypatch.setattr(Squares, "photos", False)
    assert score_real_photos(Evaluation(Squares(), segmenter=GraySegmenter()), 2, 0, show=False) == {}


def test_the_counts_of_images_give_the_scores_of_all():
    truth = Squares()
    measured = Evaluation(truth, segmenter=GraySegmenter()).measure(generated(truth, range(7), shade=20))
    counts = list(measured.image_counts.values())
    (once,) = zip(*scores_of_draws(counts, torch.arange(7)[None], 4, "labelled").values())
    assert dict(zip(measured.scores, once)) == measured.scores
    assert [values["accuracy"] for values in measured.per_image.values()] == [
        scores_of_draws([one], torch.zeros(1, 1, dtype=torch.int64), 4, "labelled")["accuracy"][0] for one in counts
    ]


def test_the_page_shows_bars_worst_images_and_confusions(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<html><body><main><p>rest</p></main></body></html>", encoding="utf-8")
    for kind in ("input_label", "synthesized_image"):
        (tmp_path / "images" / kind / "x").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / kind / "x" / "a.png")
    result = report(real_photos={"scores": {"miou": 0.8}, "class_iou": [0.9, None]})
    result = replace(result, image_counts={"x/a": counts_of((0, 0, 1), (0, 1, 1), (2, 0, 1), classes=2)})
    for _ in range(2):  # the second replaces the first
        assert show_on_page(page, result, None)
    shown = Page(page)
    assert shown.words("h2").count("Scores") == 1 and shown.words("p")[-1] == "rest"
    assert all(target.exists() for target in shown.targets()) and len(shown.targets()) == 4
    assert [entry["data-zoom-row"] for entry in shown.all("span") if "data-zoom-row" in entry] == [
        "x/a: IoU of sky 50.0%"
    ]
    assert "width:50.0%;background:#80c0ff" in [bar.get("style") for bar in shown.all("b")]
    assert "left:90.0%" in [mark.get("style") for mark in shown.all("i")]
    assert "50% of sky pixels are called sea" in shown.words("ol", "li")
    assert [entry.get("class") for entry in shown.all("p")].count("doubt") == 0
    assert shown.words("table", "thead", "th")[:4] == ["score", "ours", "real photos", "SPADE"]
    assert {entry["title"] for entry in shown.all("th") if "title" in entry} == {"higher is better", "lower is better"}
    poor = report(real_photos={"scores": {"miou": 0.2}, "class_iou": [0.2, None]})
    assert show_on_page(page, poor, None) and Page(page).words("p")[1].startswith("⚠ The segmentation network recogni")
    assert not show_on_page(tmp_path / "absent.html", result, None)
