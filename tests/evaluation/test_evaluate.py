"""evaluate.py as a user runs it: on folders, on a run, in several processes, and on what cannot be scored."""

import itertools
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import Subset

import evaluate as program
import test as test_program
import train as train_program
from data import PRESETS, create_dataset, create_loader
from evaluation import instruments
from evaluation.features import FeatureExtractor, random_features
from evaluation.image_sets import DataSetTruth
from evaluation.scoring import Evaluation
from models import create_model
from options import TestOptions, parse_options
from scripts.compare.__main__ import main as compare
from tests.evaluation.folders import NAMES, flags, save, segmented, write_segmenter, write_set
from tests.util.pages import Page
from trainers.loading import load_networks
from util import html
from util.image import to_uint8
from util.results_page import ResultsPage
from util.weight_files import WEIGHT_FILES

pytestmark = pytest.mark.system


@pytest.fixture
def folders(tmp_path):
    root = write_set(tmp_path / "set")
    write_segmenter(root / "segmenter.pt")
    return root


def evaluate(argv) -> dict:
    program.main(argv)
    beside = Path(argv[argv.index("--fake") + 1]) if "--fake" in argv else None
    output = argv[argv.index("--output") + 1] if "--output" in argv else beside / "scores.json"
    return json.loads(Path(output).read_text())


def refused(argv, capsys, main=program.main) -> str:
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and re.match(r"(evaluate\.py|python -m scripts\.compare): error: ", lines[0])
    return lines[0]


def test_a_folder_alone_is_held_against_the_data_set(tmp_path):
    """Real images are at distance 0 of themselves, mirrored ones are not."""
    data = "--dataset_mode landscapes --crop_size 64 --how_many 4 --gpu_ids -1".split()
    dataset = create_dataset(parse_options(TestOptions, data, PRESETS))
    scores = {}
    for kind, step in (("real", 1), ("upside_down", -1)):
        (tmp_path / kind).mkdir()
        for i in range(4):
            sample = dataset[i]
            pixels = ((sample["image"] + 1) * 127.5).round().to(torch.uint8).movedim(0, -1).numpy()[::step]
            save(pixels, tmp_path / kind / f"{sample['name']}.png")
        content = evaluate(["--fake", str(tmp_path / kind), *data, "--features", "random"])
        scores[kind] = content["scores"]["random_feature_distance"]
    assert scores["real"] == pytest.approx(0, abs=1e-6)
    assert scores["upside_down"] > 1e-3


def test_folders_are_scored_and_everything_is_said(folders, capsys):
    content = evaluate(segmented(folders, "--kid", "--bootstrap", "50"))
    printed = capsys.readouterr().out
    assert content["format"] == 1 and content["run"] is None and content["images"] == 5
    assert content["fake"] == str(folders / "fake") and content["labels"] == str(folders / "labels")
    assert content["dataset_mode"] == "custom" and content["published"] == {}
    distances = {"random_feature_distance", "random_feature_kernel_distance"}
    expected = distances | {"miou", "miou_present", "accuracy", "accuracy_with_void"}
    assert content["scores"].keys() == expected | {"random_feature_kernel_distance_deviation"}
    # Rows 0, 3, 6, ... are turned into their negative, class k into 3 - k; row 0 has no class.
    assert content["scores"]["accuracy"] == pytest.approx(42 / 63)
    assert content["scores"]["accuracy_with_void"] == pytest.approx(42 / 64)
    assert {name: values["accuracy"] for name, values in content["per_image"].items()} == pytest.approx(
        dict.fromkeys(NAMES, 42 / 63)
    )
    assert set(content["per_class_iou"]) == {"class 0", "class 1", "class 2", "class 3"}
    assert content["scores"]["miou"] == pytest.approx(np.mean(list(content["per_class_iou"].values())))
    assert content["versions"]["torch"] == torch.__version__.partition("+")[0]
    segmentation = content["protocol"]["segmentation"]
    assert segmentation["scored_at"] == "64x64" and len(segmentation["files"][0]["sha256"]) == 64
    for words in ("66.7", "65.6", "mIoU", "distance of random features", "FID, KID: left out", "no FID", "no KID"):
        assert words in printed
    # Of every image just as many pixels are right.
    assert content["intervals"].keys() == expected
    assert content["intervals"]["accuracy"] == pytest.approx([42 / 63] * 2)
    assert all(low <= content["scores"][name] <= high for name, (low, high) in content["intervals"].items())
    assert "66.7 [66.7, 66.7]" in printed and "95% bootstrap intervals from 50 draws" in printed
    assert content["bootstrap"]["draws"] == 50 and "photos" in content["bootstrap"]["drawn"]


def test_without_a_segmenter_the_table_says_how_to_get_one(folders, capsys):
    content = evaluate(flags(folders))
    printed = capsys.readouterr().out
    assert content["scores"].keys() == {"random_feature_distance"} and content["labels"] is None
    assert "intervals" not in content and "brackets" not in printed
    assert "segmentation scores: left out" in printed and "scripts.segmenter" in printed
    for mode, named in (("coco", "deeplabv2_resnet101"), ("ade20k_outdoor", "encoder_epoch_50.pth,decoder_epoch_50")):
        opt = SimpleNamespace(dataset_mode=mode, features="none", segmenter=None, segmenter_weights=None)
        assert named in instruments.missing_scores(opt, None)["segmentation scores"]


def test_equal_images_are_at_distance_zero_and_others_are_not(folders, tmp_path):
    same = [*flags(folders)]
    same[1] = str(folders / "real")
    assert evaluate([*same, "--output", str(tmp_path / "same.json")])["scores"]["random_feature_distance"] < 1e-6
    assert evaluate(flags(folders))["scores"]["random_feature_distance"] > 1e-3


def test_statistics_of_real_photos_take_their_place(folders, tmp_path, capsys):
    file = tmp_path / "real.npz"
    first = evaluate(flags(folders, "--save_real_statistics", str(file)))
    argv = flags(folders, "--real_statistics", str(file), "--kid", "--bootstrap", "20")
    del argv[argv.index("--real") : argv.index("--real") + 2]
    second = evaluate(argv)
    name = "random_feature_distance"
    assert second["scores"][name] == pytest.approx(first["scores"][name], rel=1e-9)
    assert "kernel distance: left out" in capsys.readouterr().out
    low, high = second["intervals"][name]
    assert low < second["scores"][name] < high and "stay" in second["bootstrap"]["drawn"]
    assert second["real"] == str(file) and second["protocol"][name]["real_images"] == 5
    assert first["protocol"][name] != second["protocol"][name]
    np.savez(tmp_path / "other.npz", mu=np.zeros(3), sigma=np.eye(3))
    assert "3 features" in refused([*argv, "--real_statistics", str(tmp_path / "other.npz")], capsys)


@pytest.mark.parametrize("flag", ["--output", "--save_real_statistics"])
def test_a_file_of_another_kind_is_refused_before_anything_is_scored(folders, tmp_path, capsys, flag):
    ours = tmp_path / "ours"
    for _ in range(2):  # what it wrote itself is replaced
        program.main(flags(folders, flag, str(ours)))
    photo = folders / "real" / "c.png"
    np.savez(tmp_path / "theirs.npz", mu=np.zeros(3), sigma=np.eye(3))
    for path in (photo, tmp_path / "theirs.npz"):
        before = path.read_bytes()
        line = refused(flags(folders, flag, str(path)), capsys)
        assert f"{flag} {path}: is there already and is no file" in line and "name another file" in line
        assert path.read_bytes() == before
    assert f"{flag} {tmp_path}: is a folder; name a file in it" in refused(flags(folders, flag, str(tmp_path)), capsys)


def test_scores_of_another_program_beside_the_images_are_not_replaced(folders, capsys):
    theirs = folders / "fake" / "scores.json"
    theirs.write_text('{"fid": 3}')
    assert f"--output {theirs}: is there already" in refused(flags(folders), capsys)
    assert theirs.read_text() == '{"fid": 3}'


def test_a_cut_of_the_data_set_is_scored_when_asked_for(folders, capsys):
    for name in NAMES[3:]:
        (folders / "fake" / f"{name}.png").unlink()
    assert "--how_many 3" in refused(flags(folders), capsys)
    assert evaluate(flags(folders, "--how_many", "3"))["images"] == 3


def test_styles_are_compared_when_there_are_two(folders, capsys, monkeypatch):
    assert "set/fake_style2" in refused(flags(folders, "--lpips"), capsys)

    class Distance:
        facts = {"network": "stub"}  # noqa: RUF012

        def __call__(self, first, second):
            return (first.float() - second.float()).abs().mean(dim=(1, 2, 3))

    monkeypatch.setattr(instruments, "lpips_distance", lambda *arguments: Distance())
    for place, name in enumerate(NAMES):
        shape = (64, 64, 3)
        save(np.full(shape, 10, dtype=np.uint8), folders / "fake" / f"{name}.png")
        save(np.full(shape, 10 + place, dtype=np.uint8), folders / "fake_style2" / f"{name}.png")
    content = evaluate(flags(folders, "--lpips"))
    assert content["scores"]["lpips_diversity"] == pytest.approx(2.0)
    assert content["protocol"]["lpips"] == {"network": "stub", "styles": 2, "label_maps": 5}


# A run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder with checkpoints/tiny and results/tiny of four landscapes."""
    folder = tmp_path_factory.mktemp("run")
    shared = ["--name", "tiny", "--checkpoints_dir", str(folder / "checkpoints"), "--gpu_ids", "-1"]
    size = "--crop_size 64 --ngf 2 --ndf 2 --no_vgg_loss --batchSize 2 --max_dataset_size 4 --niter 1 --print_freq 2"
    assert train_program.main([*shared, *size.split(), "--no_html"]) == 0
    test_program.main([*shared, "--results_dir", str(folder / "results"), "--how_many", "4"])
    return folder


def of_run(run: Path, *more: str) -> list[str]:
    places = ["--checkpoints_dir", str(run / "checkpoints"), "--results_dir", str(run / "results")]
    return ["--name", "tiny", *places, "--gpu_ids", "-1", "--features", "random", "--how_many", "4", *more]


def test_a_run_gets_scores_history_curves_and_a_section_on_its_page(run, capsys):
    write_segmenter(run / "segmenter.pt", classes=18)
    results = run / "results" / "tiny" / "test_latest"
    argv = of_run(run, "--segmenter", str(run / "segmenter.pt"))
    program.main([*argv, "--bootstrap", "20"])  # intervals do not change what a score is
    assert "20 draws" in (results / "index.html").read_text()
    program.main(argv)
    content = json.loads((results / "scores.json").read_text())
    assert content["run"] == "tiny" and set(content["per_image"]) == {"00000", "00001", "00002", "00003"}
    history = [json.loads(line) for line in (run / "checkpoints" / "tiny" / "scores.jsonl").read_text().splitlines()]
    assert len(history) == 2 and history[0]["protocol_hash"] == history[1]["protocol_hash"]
    assert history[0]["epoch"] == "latest" and history[0]["scores"] == history[1]["scores"] == content["scores"]
    events = EventAccumulator(str(run / "checkpoints" / "tiny" / "logs"))
    events.Reload()
    curve = events.Scalars("scores/accuracy")
    assert [event.step for event in curve] == [4, 4]
    assert curve[0].value == pytest.approx(content["scores"]["accuracy"])

    page = Page(results / "index.html")
    assert page.words("h2").count("Scores") == 1
    assert all(target.exists() for target in page.targets())
    assert results / "confusion.png" in page.targets()
    assert Image.open(results / "confusion.png").size[0] > 300
    assert {"never occurs", "0.0"} & {*page.words("details", "li", "span")}
    assert any("pixels are called" in text for text in page.words("details", "li"))
    of_images = html.read_data(results / "index.html")["scores"]
    assert of_images["pixel accuracy, %"]["00003"] == pytest.approx(
        100 * content["per_image"]["00003"]["accuracy"], 0.01
    )
    image_scores = json.loads((results / "image_scores.json").read_text())
    assert image_scores["scores"]["accuracy"]["00003"] == content["per_image"]["00003"]["accuracy"]
    assert content["class_colors"].keys() == content["class_pixels"].keys() == content["per_class_iou"].keys()
    assert content["real_photos"]["scores"].keys() == {"miou", "miou_present", "accuracy", "accuracy_with_void"}
    assert "00003" in page.words("h2"), "the rest of the page is still there"

    shutil.copytree(run, again := run.with_name("again"))
    results = again / "results" / "tiny" / "test_latest"
    shutil.copytree(results, again / "before")
    test_program.main([*of_run(again)[:6], "--gpu_ids", "-1", "--how_many", "2"])
    assert "Scores" not in Page(results / "index.html").words("h2")
    assert {path.name for path in results.iterdir()} == {"images", "index.html", "test_facts.json"}
    program.main([*of_run(again)[:-1], "2"])
    other = json.loads((results / "scores.json").read_text())
    assert other["images_hash"] != content["images_hash"] and other["protocol_hash"] != content["protocol_hash"]
    assert content["command"] == shlex.join(["python", "evaluate.py", *argv])
    kept = [json.loads(line) for line in (again / "checkpoints" / "tiny" / "scores.jsonl").read_text().splitlines()]
    assert [line["images_hash"] for line in kept] == [content["images_hash"]] * 2 + [other["images_hash"]]

    # What scripts.compare believes: scores beside the images they are of.
    output = again / "compare.html"
    compare([str(results), str(again / "before"), "--output", str(output)])
    shutil.copytree(again / "before" / "images", results / "images", dirs_exist_ok=True)
    line = refused([str(results), "--output", str(output)], capsys, compare)
    assert line.startswith(
        f"python -m scripts.compare: error: {results / 'scores.json'}: the scores are of other images"
    )
    assert line.endswith(shlex.join(["python", "evaluate.py", *of_run(again)[:-1], "2"]))


def test_images_that_are_replaced_while_they_are_scored_get_no_scores(folders, capsys, monkeypatch):
    def measured(self, generated, measure=Evaluation.measure):
        measurement = measure(self, generated)
        save(rgb(64, 64), folders / "fake" / "c.png")  # as by another program
        return measurement

    monkeypatch.setattr(Evaluation, "measure", measured)
    line = refused(flags(folders), capsys)
    assert "the scores are of other images" in line and line.endswith(shlex.join(flags(folders)))
    assert not (folders / "fake" / "scores.json").exists()


def test_scores_on_training_scenes_have_curves_of_their_own(run):
    shutil.copytree(run, again := run.with_name("of training"))
    argv = of_run(again, "--phase", "train")
    test_program.main([*argv[:8], "--how_many", "4", "--phase", "train"])
    program.main(argv)
    events = EventAccumulator(str(again / "checkpoints" / "tiny" / "logs"))
    events.Reload()
    assert "scores_train/random_feature_distance" in events.Tags()["scalars"]
    content = json.loads((again / "results" / "tiny" / "train_latest" / "scores.json").read_text())
    points = [event.value for event in events.Scalars("scores_train/random_feature_distance")]
    assert points == pytest.approx([content["scores"]["random_feature_distance"]])


def test_an_interrupted_test_leaves_no_scores_and_is_not_scored_as_if_it_were_whole(run, capsys, monkeypatch):
    shutil.copytree(run, whole := run.with_name("interrupted"))
    program.main(of_run(whole))
    results = whole / "results" / "tiny" / "test_latest"

    def interrupted(page, *sample, add=ResultsPage.add):
        if sample[0] == "00002":
            raise KeyboardInterrupt
        return add(page, *sample)

    monkeypatch.setattr(ResultsPage, "add", interrupted)
    with pytest.raises(SystemExit):
        test_program.main([*of_run(whole)[:6], "--gpu_ids", "-1", "--how_many", "4", "--seed", "1"])
    assert {path.name for path in results.iterdir()} == {"images"}
    line = refused(of_run(whole), capsys)
    assert "has no generated image for 2 of the 4 names" in line
    assert f"make all again with: python test.py --name tiny --checkpoints_dir {whole / 'checkpoints'}" in line


def test_a_generator_in_memory_has_the_scores_of_its_images_on_disk(run):
    program.main(of_run(run))
    written = json.loads((run / "results" / "tiny" / "test_latest" / "scores.json").read_text())
    argv = ["--name", "tiny", "--checkpoints_dir", str(run / "checkpoints"), "--gpu_ids", "-1", "--batch_size", "3"]
    opt = parse_options(TestOptions, argv, PRESETS)
    dataset, model = create_dataset(opt), create_model(opt)
    load_networks(opt.run_dir, "latest", model)
    model.eval()
    evaluation = Evaluation(DataSetTruth(dataset, opt, 4), features=random_features("cpu"))
    loader = create_loader(opt, Subset(dataset, evaluation.shard))

    @torch.no_grad()
    def generated():
        places = iter(evaluation.shard)
        for batch in loader:
            images = torch.from_numpy(to_uint8(model.netG(model.layout(batch)))).permute(0, 3, 1, 2)
            yield list(itertools.islice(places, len(images))), images

    assert evaluation.score(generated()) == pytest.approx(written["scores"], rel=1e-6)


def test_results_that_are_not_there_name_the_command(run, tmp_path, capsys):
    line = refused([*of_run(run), "--phase", "val"], capsys)
    assert "python test.py --name tiny" in line and "--phase val" in line
    argv = of_run(run)
    argv[1] = "other"
    assert "no such run" in (line := refused(argv, capsys)) and "tiny" in line


# What cannot be scored


def spoil(**changes):
    """A way to spoil a set: {folder: (name, pixels or bytes or None to remove)}."""

    def apply(root: Path) -> None:
        for folder, (name, content) in changes.items():
            path = root / folder / f"{name}.png"
            path.unlink(missing_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                save(content, path)

    return apply


def rgb(height, width):
    return np.zeros((height, width, 3), dtype=np.uint8)


GRAY = np.zeros((64, 64), dtype=np.uint8)
SPOILED = {
    "no fake": (spoil(fake=("c", None)), ["set/fake: has no", "1 of the 5 names in", "set/real (c)"]),
    "no photo": (spoil(real=("c", None)), ["set/fake: holds", "set/real lacks (c)"]),
    "no labels": (spoil(labels=("c", None)), ["set/labels", "(c)"]),
    "fake of another size": (spoil(fake=("c", rgb(64, 32))), ["fake/c.png", "32x64", "64x64", "--crop_size"]),
    "photo and labels of two sizes": (spoil(real=("c", rgb(80, 70))), ["c.png", "70x80", "64x64"]),
    "labels out of range": (spoil(labels=("c", GRAY + 9)), ["labels/c.png", "9", "0..3"]),
    "gray fake": (spoil(fake=("c", GRAY)), ["fake/c.png", "gray (mode L)", "RGB"]),
    "unreadable fake": (spoil(fake=("c", b"broken")), ["fake/c.png", "cannot be read"]),
    "unreadable photo": (spoil(real=("c", b"broken")), ["real/c.png", "cannot be read"]),
}


@pytest.mark.parametrize("apply, named", SPOILED.values(), ids=SPOILED)
def test_files_that_cannot_be_scored_get_one_line_and_status_2(folders, capsys, apply, named):
    apply(folders)
    line = refused(segmented(folders), capsys)
    assert all(word in line for word in named), line
    assert not (folders / "fake" / "scores.json").exists()


def test_one_image_is_not_enough(tmp_path, capsys):
    root = write_set(tmp_path / "set", names=["only"])
    assert "2 or more" in refused(flags(root), capsys)


def test_features_that_are_not_finite_name_the_image(folders, capsys, monkeypatch):
    class MeanColor(torch.nn.Module):
        def forward(self, x):
            rows = x.mean(dim=(2, 3))
            rows[len(rows) // 2, 0] = float("nan")
            return rows

    def broken(device):
        return FeatureExtractor("random", "distance", 3, torch.Tensor.float, MeanColor(), device, {})

    monkeypatch.setattr(instruments, "random_features", broken)
    line = refused(flags(folders), capsys)
    assert "city/b: its features are not finite" in line  # the third in natural order


def test_missing_weights_are_an_error_that_offers_another_way(folders, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    argv = flags(folders)
    argv[argv.index("random")] = "inception"
    line = refused([*argv, "--no_download"], capsys)
    assert "--inception_weights" in line and "--features random" in line and "--no_download" in line
    unreachable = replace(WEIGHT_FILES["inception"], url="http://127.0.0.1:9/inception.pth")
    monkeypatch.setitem(WEIGHT_FILES, "inception", unreachable)
    for old in ([], ["--allow_download"]):
        line = refused([*argv, *old], capsys)
        assert "Connection refused" in line and "--inception_weights FILE" in line
    weights = str(tmp_path / "absent.pth")
    assert weights in refused([*argv, "--inception_weights", weights], capsys)
    line = refused(flags(folders, "--labels", str(folders / "labels"), "--segmenter_weights", weights), capsys)
    assert "no published network segments --dataset_mode custom" in line
    line = refused(flags(folders, "--labels", str(folders / "labels"), "--segmenter", "absent"), capsys)
    assert "--segmenter absent" in line


OPTIONS = {
    "nothing": ([], "--name"),
    "both": (["--name", "x", "--fake", "y"], "leave one of them out"),
    "no photos": (["--fake", "y", "--labels", "z"], "--real DIR"),
    "labels of a run": (["--name", "x", "--labels", "y"], "--labels y"),
    "no label maps": (["--fake", "y", "--real", "z", "--segmenter", "s"], "--labels DIR"),
    "two segmenters": (["--name", "x", "--segmenter", "s", "--segmenter_weights", "w"], "leave one"),
    "nothing to score": (["--name", "x", "--features", "none"], "nothing to score"),
    "KID of nothing": (["--name", "x", "--features", "none", "--kid", "--segmenter", "s"], "leave out --features none"),
    "useless weights": (["--name", "x", "--features", "random", "--inception_weights", "w"], "--features inception"),
    "statistics twice": (["--name", "x", "--real_statistics", "a", "--save_real_statistics", "b"], "leave one"),
    "precision of nothing": (["--name", "x", "--features", "none", "--precision_recall", "--lpips"], "leave out"),
    "precision of statistics": (["--name", "x", "--precision_recall", "--real_statistics", "a.npz"], "of every photo"),
    "lpips file": (["--name", "x", "--lpips_weights", "w"], "add --lpips"),
    "typo": (["--name", "x", "--fid_resize", "pytorch"], "pytorch-fid"),
    "absent folder": (["--fake", "/absent", "--real", "/absent", "--features", "random"], "/absent"),
}


@pytest.mark.parametrize("argv, named", OPTIONS.values(), ids=OPTIONS)
def test_options_that_contradict_each_other_get_one_line(argv, named, capsys):
    assert named in refused([*argv, "--gpu_ids", "-1"], capsys)


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_computed(folders, capsys):
    (folders / "file").write_text("")
    line = refused(flags(folders, "--output", str(folders / "file" / "scores.json")), capsys)
    assert "--output" in line
