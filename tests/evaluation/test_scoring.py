"""Scores in memory, again and again against one real side, as a training wants them."""

import json
from types import SimpleNamespace

import pytest
import torch

from evaluation import protocol
from evaluation.distances import FeatureSet
from evaluation.feature_scores import FeatureCollector
from evaluation.features import random_features
from evaluation.page import draw_confusion
from evaluation.published_scores import PRINTED, published_scores
from evaluation.report import create_report
from evaluation.scores import SCORES
from evaluation.scoring import Evaluation, Measurement
from tests.evaluation.folders import GraySegmenter, Squares, as_inception, generated
from util.distributed import World
from util.errors import InputError
from util.segmentation_scores import ConfusionMatrix


def test_one_evaluation_scores_again_and_again_and_reads_the_real_side_once(monkeypatch):
    truth = Squares()
    evaluation = Evaluation(truth, features=as_inception(), segmenter=GraySegmenter())
    outputs = [list(generated(truth, evaluation.shard, shade)) for shade in (0, 32, 0)]
    monkeypatch.setattr(Squares, "__getitem__", None)
    before = torch.get_rng_state()
    exact, shaded, again = (evaluation.score(output) for output in outputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert exact == again
    assert exact.keys() == {"fid", "kid", "kid_deviation", "miou", "miou_present", "accuracy", "accuracy_with_void"}
    assert exact["fid"] == pytest.approx(0, abs=1e-6) and exact["accuracy"] == 1
    assert exact["accuracy_with_void"] == pytest.approx(31 / 32)
    assert shaded["fid"] > 0.01 and 0.4 < shaded["accuracy"] < 0.8
    json.dumps(evaluation.protocol)


def test_reading_the_real_side_draws_no_number_of_the_training():
    before = torch.get_rng_state()
    Evaluation(Squares(), features=random_features("cpu"))
    assert torch.equal(torch.get_rng_state(), before)


def test_images_come_in_any_order_and_batches_and_repeated_ones_count_once():
    truth = Squares()
    evaluation = Evaluation(truth, features=as_inception(), segmenter=GraySegmenter())
    images = torch.cat([image for _, image in generated(truth, range(7), shade=20)])
    expected = evaluation.measure([(range(7), images)])
    order = [3, 3, 6, 0, 1, 5, 2, 4, 0]
    shuffled = evaluation.measure([(torch.tensor(order[:5]), images[order[:5]]), (order[5:], images[order[5:]])])
    assert shuffled.scores == pytest.approx(expected.scores, rel=1e-9)
    assert shuffled.per_image == expected.per_image and set(expected.per_image) == set("abcdefg")


def test_features_are_in_the_order_of_the_samples_so_that_subsets_drawn_by_place_are_the_same():
    truth = Squares()
    shuffled, ordered = (FeatureCollector(as_inception(), truth.names) for _ in range(2))
    for index in (4, 0, 6):
        shuffled.add([index], truth[index]["photo"][None])
    ordered.add([0, 4, 6], torch.stack([truth[index]["photo"] for index in (0, 4, 6)]))
    torch.testing.assert_close(shuffled.gathered(World()).features, ordered.gathered(World()).features)


def test_what_is_no_set_of_images_is_refused():
    truth = Squares()
    evaluation = Evaluation(truth, features=random_features("cpu"))
    images = torch.zeros(7, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match="6 images were generated of 7"):
        evaluation.score([(range(6), images[:6])])
    with pytest.raises(ValueError, match="sample 7 is not in"):
        evaluation.score([([7], images[:1])])
    with pytest.raises(ValueError, match="uint8"):
        evaluation.score([([0], images[:1].float())])
    with pytest.raises(InputError, match=r"16x32.*32x32"):
        evaluation.score([([0], images[:1, :, :, :16])])


def real_features(evaluation: Evaluation) -> FeatureSet:
    assert evaluation.feature_scores is not None
    return evaluation.feature_scores.real


def test_kid_needs_the_features_of_every_photo():
    truth, features = Squares(), as_inception()
    statistics = real_features(Evaluation(truth, features=features))
    assert statistics.n == 7
    bare = FeatureSet(most_kept=0)
    bare.add(statistics.features)
    evaluation = Evaluation(truth, features=features, real=bare)
    assert evaluation.score(generated(truth, range(7))).keys() == {"fid"}
    assert Evaluation(truth, features=features, kid=False).feature_scores.kernel_score is None
    assert not Evaluation(truth, features=random_features("cpu")).feature_scores.kernel_score


def test_protocols_tell_measurements_apart_and_alike():
    evaluations = [Evaluation(Squares(), features=as_inception(), seed=seed) for seed in (0, 0)]
    hashes = [protocol.protocol_hash(evaluation.protocol) for evaluation in evaluations]
    assert hashes[0] == hashes[1] and len(hashes[0]) == 12
    other = Evaluation(Squares(), features=random_features("cpu"))
    assert protocol.protocol_hash(other.protocol) != hashes[0]
    statistics = real_features(evaluations[0])
    statistics.facts = {"resize": "clean"}
    with pytest.raises(InputError, match="made with resize clean"):
        protocol.check_statistics(as_inception(), statistics, "x.npz")


def test_published_scores_are_table_1_as_shares():
    assert PRINTED["coco"]["SPADE"] == {"miou": 37.4, "accuracy": 67.9, "fid": 22.6}
    assert published_scores("cityscapes")["SPADE"] == {"miou": 0.623, "accuracy_with_void": 0.819, "fid": 71.8}
    assert published_scores("cityscapes")["SIMS"]["fid"] == 49.7
    assert published_scores("landscapes") == {}
    assert {score for rows in PRINTED.values() for row in rows.values() for score in row} <= set(SCORES)


def report(real_photos=None, **changes):
    matrix = ConfusionMatrix(2)
    matrix.add(predictions=torch.tensor([0, 1, 0]), truth=torch.tensor([0, 0, 255]))
    scores = {"miou": 0.3871, "accuracy": 0.5, "fid": 30.004, "kid": 0.0123, "kid_deviation": 0.001}
    given = {
        "run": "x",
        "dataset_mode": "coco",
        "protocol": {
            "images": {"count": 3, "size": "8x8"},
            "inception": {
                "real_images": 3,
                "real_side": "photos",
                "resize": "tf",
                "weights": "w",
                "weights_sha256": "abc",
            },
            "kid": {"estimate": "unbiased", "subsets": 1, "subset_size": 3},
            "segmentation": {"mean_iou": "labelled", "scored_at": "8x8", "network": "N"},
        },
        "class_names": ["sky", "sea"],
        "class_colors": ["#80c0ff", "#0040a0"],
        "real_photos": real_photos,
        "left_out": {"LPIPS": "no styles"},
    }
    sources = SimpleNamespace(folder="fake", real="real", labels=None, truth=range(3))
    return create_report(Measurement(scores | changes, matrix), sources, **given)


def test_the_table_has_our_values_beside_published_ones_and_the_protocol_in_words():
    text = report().table()
    rows = {line[:12].strip(): line.split() for line in text.splitlines()}
    assert rows["FID ↓"][2:4] == ["30.00", "22.60"]
    assert rows["mIoU, % ↑"][3:5] == ["38.7", "37.4"]
    assert "0.01230 ± 0.00100" in text
    for words in ("table 1", "resize tf", "occur in the label maps", "LPIPS: left out", "pix2pixHD"):
        assert words in text


def test_what_scores_have_in_common_is_said_once():
    said = report().protocols
    assert said[0] == ("segmentation scores", "segmented by N of None, compared at 8x8; 3 images of 8x8")
    together = dict(said)
    assert together["mIoU"] == "over the classes that occur in the label maps"
    assert together["FID"].startswith("3 images of 8x8 against 3 real ones")
    assert sum("compared at 8x8" in words for words in together.values()) == 1


def test_real_photos_have_a_column_of_what_is_known():
    assert report().head[:3] == ["score", "ours", "SPADE"]
    measured = report(real_photos={"scores": {"miou": 0.8, "accuracy": 0.91}, "class_iou": [0.9, None]})
    assert measured.head[:4] == ["score", "ours", "real photos", "SPADE"]
    assert measured.row("miou")[:4] == ["mIoU, % ↑", "38.7", "80.0", "37.4"] and measured.row("fid")[2] == ""
    assert measured.content["real_photos"]["per_class_iou"] == {"sky": 0.9, "sea": None}
    assert "real photos of the same label maps" in measured.legend
    validated = report()
    validated.content["protocol"]["segmentation"]["on_real_photos"] = {"mean_iou": 0.7, "photos": 200}
    assert validated.row("miou")[2] == "70.0" and validated.row("accuracy")[2] == ""
    assert "on 200 photos it was validated with" in validated.legend


def test_a_segmenter_that_fails_on_real_photos_is_said_to_say_little():
    def warning(real, network="OwnSegmenter"):
        result = report(real_photos={"scores": {"miou": real}, "class_iou": [real, None]})
        result.content["protocol"]["segmentation"]["network"] = network
        assert (result.warning is not None) == ("Warning: " in result.table())
        return result.warning

    poor = "the segmentation network recognizes only 25% (mIoU) of the real photos: the score says little"
    assert warning(0.25) == f"{poor}; train it longer"
    assert warning(0.6) is None and report().warning is None
    assert warning(0.42, "ADE20K") is None  # as published
    assert warning(0.38, "ADE20K") is None  # ours are 0.7 points ahead, which a good generator may be
    less = "less of the real photos, 30.0% (mIoU), than of the generated images, 38.7%: the score says little"
    assert warning(0.3, "ADE20K") == f"the segmentation network recognizes {less}"


def test_equal_means_over_the_same_classes_have_one_row():
    assert report(miou_present=0.3871).rows == ["fid", "kid", "miou", "accuracy"]
    assert "miou_present" in report(miou_present=0.5).rows
    other = report(miou_present=0.3871)
    other.content["protocol"]["segmentation"]["mean_iou"] = "all"
    assert "miou_present" in other.rows


def test_a_score_of_nothing_is_left_out_of_the_file(tmp_path):
    result = report(accuracy=float("nan"))
    assert "accuracy" not in result.content["scores"] and "accuracy" in result.left_out
    assert result.content["per_class_iou"] == {"sky": 0.5, "sea": 0.0}
    assert result.content["class_pixels"] == {"sky": 2, "sea": 0}
    assert json.loads(result.save(tmp_path / "new" / "scores.json").read_text()) == result.content


def test_a_confusion_matrix_is_drawn_with_many_classes_too(tmp_path):
    for classes in (2, 182):
        matrix = ConfusionMatrix(classes)
        matrix.add(predictions=torch.tensor([0, 1]), truth=torch.tensor([1, 1]))
        path = draw_confusion(matrix, [f"class {i} $x_" for i in range(classes)], tmp_path / f"{classes}.png")
        assert path.stat().st_size > 1000
