"""Which differences of runs are larger than noise, why scores do not compare, and which are missing or old."""

import json
import os

import pytest
import torch

from evaluation.image_scores import save_image_scores
from evaluation.segmentation import scores_of
from scripts.compare.causes import causes_of
from scripts.compare.differences import differences
from scripts.compare.runs import read_runs
from tests.scripts.compare.compared_runs import PROTOCOL, VALUES, compare, table, write_run, write_scores
from util.segmentation_scores import ConfusionMatrix

pytestmark = pytest.mark.tools

NAMES = [f"{k:02}" for k in range(12)]
SEGMENTED = {**PROTOCOL, "segmentation": {"network": "drn", "mean_iou": "labelled"}}


def write_segmented(folder, run, right, names=NAMES, **changes):
    """A scored run; of 10 pixels of class 0 in image k, right[k] are classified as 0, the others as 1."""
    test = write_run(folder, run, names=names)
    counts = {}
    for name, pixels in zip(names, right):
        matrix = ConfusionMatrix(2)
        matrix.counts[0] = torch.tensor([pixels, 10 - pixels])
        counts[name] = matrix.counts.double().flatten().to_sparse()
    whole = ConfusionMatrix.of(sum(one.to_dense() for one in counts.values()), 2)
    scores = {name: value for name, value in scores_of(whole, "labelled").items() if value == value}
    per_image = {name: pixels / 10 for name, pixels in zip(names, right)}
    changes = {"class_colors": {"a": "#80c0ff", "b": "url(evil)"}, **changes}
    given = {
        "images": len(names),
        "protocol": SEGMENTED,
        "protocol_hash": "p",
        "per_class_iou": {"a": sum(right) / 10 / len(right), "b": None},
    }
    write_scores(test, per_image, **{**given, "scores": {"fid": 50.0, **scores}, **changes})
    content = json.loads((test / "scores.json").read_text(encoding="utf-8"))
    save_image_scores(test / "scores.json", content, counts)
    return test


def found(folder, *names):
    runs = read_runs(names, folder / "results", folder / "checkpoints", None)
    return {(one.run.name, one.score): one for one in differences(runs, causes_of(runs))}


def test_a_difference_in_every_image_is_larger_than_noise_and_one_of_half_of_them_is_not(tmp_path):
    hard = [k % 6 for k in range(12)]  # images of one run differ much, and those of two runs alike
    write_segmented(tmp_path, "base", hard)
    write_segmented(tmp_path, "better", [pixels + 1 for pixels in hard])
    write_segmented(tmp_path, "swapped", [pixels + (2 if k < 6 else -2) for k, pixels in enumerate([3] * 12)])
    write_segmented(tmp_path, "level", [3] * 12)
    one = found(tmp_path, "base", "better")["better", "accuracy"]
    assert one.value == pytest.approx(10) and one.interval == pytest.approx((10, 10))
    assert one.is_larger_than_noise and one.verdict == "larger than noise over these images"
    other = found(tmp_path, "level", "swapped")["swapped", "accuracy"]
    assert other.value == pytest.approx(0) and not other.is_larger_than_noise
    # The mean of 12 draws of +20 and -20 has a standard deviation of 20 / sqrt(12) = 5.8.
    assert other.interval == pytest.approx((-1.96 * 5.77, 1.96 * 5.77), abs=1.5)
    write_segmented(tmp_path, "little", [pixels + (2 if k < 7 else -2) for k, pixels in enumerate([3] * 12)])
    for runs in (("level", "little"), ("little", "level"), ("level", "swapped")):
        assert compare(tmp_path, *runs).words("td", "b") == [], "within noise, or equal"
    page = compare(tmp_path, "base", "better")
    assert page.words("td", "b") == ["35.0", "35.0", "35.0"]  # of mIoU and both accuracies
    assert [name for name in table(page, "Scores") if name.startswith("mIoU")] == ["mIoU↑"]
    classes = table(page, "IoU of 1 classes")
    assert classes["a"] == ["25.0", "35.0", "+10.0 ✓"] and "background:#80c0ff" in [
        i.get("style") for i in page.all("i")
    ]
    rows = table(page, "Differences")
    assert rows["pixel accuracy"] == ["+10.0[10.0, 10.0]", "✓ larger than noise over these images"]
    assert "mIoU" in rows and "FID" not in rows
    assert "better − base: FID: cannot be told from noise, because the score is of all images together." in page.words(
        "article", "p"
    )


def test_a_score_that_is_the_mean_of_single_images_has_an_interval_too(tmp_path):
    for run, shift in (("one", 0.0), ("two", 0.25)):
        values = {name: 0.25 + shift + 0.5 * (k % 2) for k, name in enumerate(NAMES)}
        test = write_run(tmp_path, run, names=NAMES)
        write_scores(test, images=12, scores={"sharpness": 0.5 + shift}, protocol={})
        content = json.loads((test / "scores.json").read_text(encoding="utf-8"))
        content["per_image"] = {name: {"sharpness": value} for name, value in values.items()}
        (test / "scores.json").write_text(json.dumps(content), encoding="utf-8")
    one = found(tmp_path, "one", "two")["two", "sharpness"]
    assert one.interval == pytest.approx((0.25, 0.25)) and one.is_larger_than_noise


def test_what_cannot_be_told_says_why(tmp_path):
    write_segmented(tmp_path, "base", [5] * 12)
    write_segmented(tmp_path, "old", [6] * 12)
    (tmp_path / "results" / "old" / "test_latest" / "image_scores.json").unlink()
    write_segmented(tmp_path, "few", [6] * 4, names=NAMES[:4])
    other = {**SEGMENTED, "segmentation": {"network": "unet", "mean_iou": "labelled"}}
    write_segmented(tmp_path, "other", [6] * 12, protocol=other)
    reasons = {
        run: one.reason for (run, score), one in found(tmp_path, "base", "old", "other").items() if "iou" in score
    }
    assert reasons["old"] == "there is no image_scores.json of old; score again with evaluate.py"
    assert reasons["other"] == "it was not measured alike (segmenter)"
    write_segmented(tmp_path, "few too", [7] * 4, names=NAMES[:4])
    assert found(tmp_path, "few", "few too")["few too", "miou"].reason == "4 images are too few"
    assert found(tmp_path, "few", "base")["base", "accuracy"].reason == "it was not measured alike (number of images)"


def test_every_cause_has_one_sentence_and_stands_in_the_cell(tmp_path):
    digits = ("a" * 64, "b" * 64)
    for run, digest, images in zip("xyz", (*digits, digits[0]), (4, 4, 9)):
        files = [{"name": "seg.pth", "sha256": digest}]
        protocol = {"segmentation": {"network": "unet", "files": files}, "images": {"label_maps": digest[:16]}}
        write_scores(write_run(tmp_path, run), scores={"miou": 0.5}, protocol=protocol, images=images)
    page = compare(tmp_path, "x", "y", "z")
    said = [text for text in page.words("article", "p") if "Concerns" in text]
    assert said == [
        "Number of images: 4 for x and y, 9 for z. Concerns mIoU.",
        "Data (label maps): aaaaaaaa for x and z, bbbbbbbb for y. Concerns mIoU.",
        "Segmenter (files): seg.pth aaaaaaaa for x and z, seg.pth bbbbbbbb for y. Concerns mIoU.",
    ]
    assert table(page, "Scores")["mIoU↑≠"] == ["50.0a", "50.0bother data, segmenter", "50.0cother number of images"]


def test_scores_of_an_earlier_test_or_of_earlier_networks_are_told(tmp_path):
    for run in ("again", "further", "fresh"):
        write_run(tmp_path, run)
        run_dir = tmp_path / "checkpoints" / run
        run_dir.mkdir(parents=True)
        line = {"date": "2026-03-01T10:00:00+00:00", "program": "evaluate.py", "phase": "test", "epoch": "latest"}
        (run_dir / "scores.jsonl").write_text(json.dumps(line) + "\n{cut", encoding="utf-8")
        (run_dir / "latest_net_G.pth").write_bytes(b"weights")
        os.utime(run_dir / "latest_net_G.pth", (1e9, 1e9))
    for run in ("further", "fresh"):
        write_scores(tmp_path / "results" / run / "test_latest", date="2026-03-01T10:00:00+00:00")
    later = 1772539200  # 2026-03-03
    os.utime(tmp_path / "checkpoints" / "further" / "latest_net_G.pth", (later, later))
    page = compare(tmp_path, "fresh", "again", "further")
    assert page.words("article", "p")[:2] == [
        "again was tested again after it was scored on 2026-03-01, so it has no scores now: score it with evaluate.py.",
        "The networks of further were saved after its scores were made (2026-03-03): if it was trained on, run test.py "
        "and evaluate.py again.",
    ]
    assert "⚠ Scores are missing or old" in page.words("h2")
    assert "⚠ Scores are missing or old" not in compare(tmp_path, "fresh").words("h2")


def test_real_photos_have_one_column_where_runs_agree_on_them(tmp_path):
    real = {"scores": {"miou": 0.6942}}
    for run in ("one", "two"):
        write_scores(write_run(tmp_path, run), scores=VALUES, real_photos=real)
    rows = table(compare(tmp_path, "one", "two"), "Scores")
    assert rows[""] == ["one", "two", "real photos"] and rows["mIoU↑"][2] == "69.4" and rows["FID↓"][2] == "–"
    write_scores(tmp_path / "results" / "two" / "test_latest", scores=VALUES, real_photos={"scores": {"miou": 0.5}})
    assert table(compare(tmp_path, "one", "two"), "Scores")[""] == ["one", "two"]
