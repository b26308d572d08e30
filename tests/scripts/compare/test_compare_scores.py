"""Scores of runs side by side: what is compared, and what is never compared silently."""

import shutil

import pytest

from evaluation.scored_images import images_hash
from options.saved import write_saved
from scripts.compare.scores import Scores, flat, groups, read_scores
from tests.scripts.compare.compared_runs import (
    PROTOCOL,
    VALUES,
    compare,
    gray,
    refusal,
    save,
    table,
    write_run,
    write_scores,
)

pytestmark = pytest.mark.tools


def test_scores_stand_side_by_side_with_differences_and_the_best_marked(tmp_path):
    for run, values in (("base", VALUES), ("better", {"fid": 45.5, "miou": 0.52, "accuracy": 0.79, "kid": 0.0123})):
        write_scores(write_run(tmp_path, run), scores=values)
    page = compare(tmp_path, "base", "better")
    rows = table(page, "Scores")
    assert rows[""] == ["base", "better"]
    assert rows["FID↓"] == ["50.00", "45.50−4.50"]
    assert rows["mIoU↑"] == ["50.0", "52.0+2.0"]
    assert rows["pixel accuracy↑"] == ["80.0", "79.0−1.0"]
    assert rows["KID↓"] == ["–", "0.0123"]
    assert rows["images"] == ["4", "4"]
    assert page.words("td", "b") == ["45.50", "52.0", "80.0"]
    assert not [tag for tag, attributes in page.elements if attributes.get("class") == "warning"]


def test_published_numbers_have_their_own_columns(tmp_path):
    published = {"SPADE": {"fid": 71.8, "miou": 0.623}, "pix2pixHD": {"fid": 95.0}}
    write_scores(write_run(tmp_path, "ours"), published=published)
    rows = table(compare(tmp_path, "ours"), "Scores")
    assert rows[""] == ["ours", "SPADE", "pix2pixHD"]
    assert rows["FID↓"] == ["50.00", "71.8", "95"]
    assert rows["mIoU↑"] == ["50.0", "62.3", "–"]


def test_numbers_that_were_measured_differently_are_never_compared_silently(tmp_path):
    write_scores(write_run(tmp_path, "base"))
    write_scores(write_run(tmp_path, "same"), scores={**VALUES, "fid": 49.0})
    other = {**PROTOCOL, "fid": {"resize": "pytorch-fid"}}
    write_scores(write_run(tmp_path, "other"), scores={**VALUES, "fid": 30.0, "miou": 0.6}, protocol=other)
    page = compare(tmp_path, "base", "same", "other")
    assert table(page, "⚠ Not all of these scores compare") == {
        "setting": ["base", "same", "other", "concerns"],
        "fid.resize": ["tf", "tf", "pytorch-fid", "FID"],
    }
    rows = table(page, "Scores")
    assert rows["FID↓≠"] == ["50.00a", "49.00a−1.00", "30.00bother resize"], (
        "no difference and no best over other protocols"
    )
    assert rows["mIoU↑"] == ["50.0", "50.0+0.0", "60.0+10.0"]
    assert page.words("td", "b") == ["60.0"], "equal scores are not marked"
    assert "Resize: tf for base and same, pytorch-fid for other. Concerns FID." in page.words("article", "p")
    text = page.path.read_text()
    assert text.index("Not all of these scores compare") < text.index(">Scores</")


@pytest.mark.parametrize(
    "changes, setting, values",
    [
        ({"images": 500}, "images", ["4", "500"]),
        ({"dataset_mode": "coco"}, "data set", ["cityscapes", "coco"]),
        ({"protocol": {}}, "fid.resize", ["tf", "not recorded"]),
        ({"protocol": {**PROTOCOL, "seed": 1}}, "seed", ["not recorded", "1"]),
    ],
)
def test_what_makes_scores_incomparable(tmp_path, changes, setting, values):
    write_scores(write_run(tmp_path, "one"))
    write_scores(write_run(tmp_path, "two"), **changes)
    warned = table(compare(tmp_path, "one", "two"), "⚠ Not all of these scores compare")
    assert warned[setting][:2] == values


def test_scores_over_other_images_of_the_same_number_do_not_compare(tmp_path):
    for run, names in (("one", "ab"), ("two", "bc")):
        write_scores(write_run(tmp_path, run, names=names))
    page = compare(tmp_path, "one", "two")
    assert "set of images" in table(page, "⚠ Not all of these scores compare")
    assert page.words("li") == ["one was not tested on 1 of 3: c", "two was not tested on 1 of 3: a"]


def test_scores_on_other_data_do_not_compare_but_those_of_single_images_do(tmp_path):
    for run, digits in (("one", "aaaa"), ("two", "bbbb")):
        protocol = {**PROTOCOL, "images": {"photos": digits, "label_maps": "cccc"}}
        write_scores(write_run(tmp_path, run), {"a": 0.5}, protocol=protocol)
    page = compare(tmp_path, "one", "two")
    warned = table(page, "⚠ Not all of these scores compare")
    assert warned["images.photos"][:2] == ["aaaa", "bbbb"] and "images.label_maps" not in warned
    assert "FID↓≠" in table(page, "Scores")
    assert "pixel accuracy: two − one" in page.words("option")


def test_a_protocol_concerns_the_scores_it_is_named_for_and_an_unknown_one_all():
    protocol = {
        "inception": {"file": "x"},
        "segmentation": 1,
        "kid": "k",
        "images": {"count": 4},
        "new": {"a": {"b": 0}},
    }
    scores = Scores(protocol=protocol)
    common = {"data set", "images", "set of images", "new.a.b"}
    assert {*scores.settings("fid")} == common | {"inception.file"}
    assert {*scores.settings("kid")} == common | {"inception.file", "kid"}
    assert {*scores.settings("miou_present")} == common | {"segmentation"}
    assert {*scores.settings("something else")} == common
    assert flat({"a": {"b": [1, 2], "c": "text"}, "d": None}) == {"a.b": "[1, 2]", "a.c": "text", "d": "null"}
    plain, other = Scores(scores={"fid": 1}), Scores(scores={"fid": 1}, images=3)
    assert groups([plain, other, None, plain, Scores()], "fid") == [0, 1, None, 0, None]


def test_shares_are_shown_in_per_cent_and_what_is_not_finite_is_left_out(tmp_path):
    folder = write_run(tmp_path, "run")
    values = {"miou": 0.005, "accuracy": 0.7, "fid": 0.4, "kid": float("nan"), "accuracy_with_void": None}
    per_image = {"a": 0.004, "b.png": 0.9}
    write_scores(folder, per_image, scores=values, per_class_iou={"road": 0.001, "sky": None})
    scores = read_scores(folder / "scores.json", [])
    assert scores.scores == pytest.approx({"miou": 0.5, "accuracy": 70, "fid": 0.4})
    assert scores.per_class_iou == pytest.approx({"road": 0.1})
    assert [scores.per_image[name]["accuracy"] for name in "ab"] == pytest.approx([0.4, 90])


def test_a_deviation_and_an_interval_stand_beside_their_score(tmp_path):
    scores = {"kid": 0.0123, "kid_deviation": 0.001, "own": 12.345, "miou": 0.5}
    intervals = {"kid": [-0.01, 0.03], "miou": [0.475, 0.525]}
    write_scores(write_run(tmp_path, "run"), scores=scores, intervals=intervals)
    page = compare(tmp_path, "run")
    rows = table(page, "Scores")
    assert rows["KID↓"] == ["0.0123 ± 0.001 [−0.01, 0.03]"] and rows["mIoU↑"] == ["50.0 [47.5, 52.5]"]
    assert rows["own"] == ["12.35"] and len(rows) == 6
    assert "In brackets: 95% intervals" in page.path.read_text()


def test_classes_have_their_iou_and_its_difference_where_protocols_agree(tmp_path):
    write_scores(write_run(tmp_path, "one"), per_class_iou={"road": 0.9, "sky": 0.5})
    write_scores(write_run(tmp_path, "two"), per_class_iou={"road": 0.95, "car": 0.25})
    rows = table(compare(tmp_path, "one", "two"), "IoU of 3 classes")
    assert rows[""] == ["one", "two", "two − one"]
    assert rows["road"] == ["90.0", "95.0", "+5.0"]
    assert rows["car"] == ["–", "25.0", "–"]
    write_scores(tmp_path / "results" / "two" / "test_latest", per_class_iou={"road": 0.95}, images=7)
    page = compare(tmp_path, "one", "two")
    assert table(page, "IoU of 2 classes")[""] == ["one", "two"]
    assert any("not scored in the same way; see above" in text for text in page.words("details", "p"))


def test_options_in_which_the_trainings_differ_are_listed(tmp_path):
    for run, options in (
        ("one", {"ngf": 64, "name": "one", "seed": 0}),
        ("two", {"ngf": 32, "name": "two", "seed": 0}),
    ):
        write_run(tmp_path, run)
        write_saved(tmp_path / "checkpoints" / run / "options.json", options)
    write_run(tmp_path, "three")
    page = compare(tmp_path, "one", "two", "three")
    assert table(page, "Options that differ") == {"": ["one", "two", "three"], "ngf": ["64", "32", "–"]}
    assert "No options.json of three." in page.words("p")
    assert "None of the runs has scores: evaluate.py writes them." in page.words("p")


def test_copies_of_one_data_file_are_no_difference(tmp_path):
    for run in ("one", "two"):
        write_run(tmp_path, run)
        folder = tmp_path / "checkpoints" / run
        write_saved(folder / "options.json", {"ngf": 64, "data": str(folder / "data.toml")})
        (folder / "data.toml").write_text('classes = [{ id = 0, name = "road" }]')
    assert "The runs were trained with the same options." in compare(tmp_path, "one", "two").words("p")
    (tmp_path / "checkpoints" / "two" / "data.toml").write_text('classes = [{ id = 0, name = "sky" }]')
    assert list(table(compare(tmp_path, "one", "two"), "Options that differ")) == ["", "data"]


# ---- Scores of images that are no longer there ----


CHANGES = {
    "another image": lambda images: save(images / "b.png", gray(61)),
    "one more": lambda images: save(images / "z.png", gray(60)),
    "one less": lambda images: (images / "b.png").unlink(),
    "another name": lambda images: (images / "a.png").rename(images / "y.png"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_scores_of_other_images_are_refused_with_the_command_for_new_ones(tmp_path, capsys, change):
    folder = write_run(tmp_path, "run", "val_20")
    write_scores(folder)
    assert table(compare(tmp_path, "run"), "Scores")["FID↓"] == ["50.00"]
    change(folder / "images" / "synthesized_image")
    line = refusal(capsys, tmp_path, "run")
    assert f"{folder / 'scores.json'}: the scores are of other images" in line
    command = f"python evaluate.py --name run --results_dir {tmp_path / 'results'} --phase val --which_epoch 20"
    assert line.endswith(command)
    write_scores(folder, run="run", command="python evaluate.py --name run --features random", images_hash="0" * 16)
    assert refusal(capsys, tmp_path, "run").endswith("python evaluate.py --name run --features random")


def test_a_folder_of_another_program_is_held_against_its_scores_too(tmp_path, capsys):
    save(tmp_path / "theirs" / "a.png", gray(7))
    write_scores(tmp_path / "theirs")
    compare(tmp_path, tmp_path / "theirs")
    save(tmp_path / "theirs" / "a.png", gray(8))
    assert f"python evaluate.py --fake {tmp_path / 'theirs'}" in refusal(capsys, tmp_path, tmp_path / "theirs")


def test_scores_of_styles_are_of_the_images_of_all_of_them(tmp_path, capsys):
    folder = write_run(tmp_path, "run")
    images = folder / "images" / "synthesized_image"
    save(folder / "images" / "synthesized_image_style2" / "a.png", gray(1))
    lpips = {"protocol": {**PROTOCOL, "lpips": {"styles": 2}}, "images_hash": images_hash(images, styles=2)}
    write_scores(folder, **lpips)
    compare(tmp_path, "run")
    save(folder / "images" / "synthesized_image_style2" / "a.png", gray(2))
    assert "other images" in refusal(capsys, tmp_path, "run")


def test_results_that_are_renamed_or_copied_keep_their_scores(tmp_path):
    write_scores(write_run(tmp_path, "run"))
    (tmp_path / "results" / "run").rename(tmp_path / "results" / "renamed")
    shutil.copytree(tmp_path / "results" / "renamed", tmp_path / "elsewhere")
    page = compare(tmp_path, "renamed", tmp_path / "elsewhere")
    assert table(page, "Scores")["FID↓"] == ["50.00", "50.00+0"]


def test_old_scores_that_say_nothing_of_their_images_are_shown_as_such(tmp_path, capsys):
    write_scores(write_run(tmp_path, "old"), images_hash=None)
    write_scores(write_run(tmp_path, "new"))
    page = compare(tmp_path, "old", "new")
    assert table(page, "Scores")["FID↓"] == ["50.00", "50.00+0"]
    (note,) = (text for text in page.words("p") if "cannot be checked" in text)
    assert note.startswith("scores of old ") and "make new ones with: python evaluate.py --name old " in note
    assert note in capsys.readouterr().out.splitlines()


DAMAGED = {
    "cut short": '{"format": 1, "scores": {',
    "a later format": '{"format": 2}',
    "a list": "[]",
    "words for numbers": '{"format": 1, "scores": {"fid": "low"}}',
    "percents": '{"format": 1, "scores": {"miou": 37.4}}',
    "scores in a list": '{"format": 1, "scores": [1]}',
    "a protocol in a list": '{"format": 1, "scores": {"fid": 1}, "images_hash": "0123456789abcdef", "protocol": [1]}',
    "images in a list": '{"format": 1, "per_image": {"a": 3}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_scores_that_cannot_be_read_are_refused(tmp_path, capsys, content):
    (write_run(tmp_path, "run") / "scores.json").write_text(content)
    assert "scores.json" in refusal(capsys, tmp_path, "run")
    assert not (tmp_path / "compare.html").exists()
