"""train.py, test.py and the scripts, run as a user runs them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import test as test_program
import train as train_program
from data import PRESETS
from evaluation.in_training import evaluation_options
from models import create_generator
from options import TestOptions, TrainOptions, parse_options
from scripts.compare import colors
from scripts.prepare import landscapes
from tests.util.pages import Page
from util.fill import fill
from util.results_page import read_facts

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]
TINY = shlex.split(
    "--crop_size 64 --ngf 4 --ndf 4 --norm_G spectralspadesyncbatch1x1 --no_vgg_loss --gpu_ids -1 --batchSize 2"
)


def train(checkpoints: Path, *flags: str) -> int:
    return train_program.main([*TINY, "--checkpoints_dir", str(checkpoints), *flags])


def images(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def assert_links_work(path: Path) -> Page:
    page = Page(path)
    assert page.targets()
    assert [target for target in page.targets() if not target.exists()] == []
    return page


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """Two epochs of a model with an encoder, on four landscapes: the run `tiny`."""
    folder = tmp_path_factory.mktemp("checkpoints")
    flags = (
        "--name tiny --use_vae --z_dim 4 --max_dataset_size 4 --niter 2 --print_freq 2 --display_freq 4 --init_gain 1"
    )
    assert train(folder, *flags.split()) == 0
    return folder


@pytest.fixture
def run_test(checkpoints, tmp_path, capsys):
    """Run test.py on the run `tiny`; returns the folder of results."""

    def run(*flags: str, results: Path = tmp_path / "results") -> Path:
        argv = ["--name", "tiny", "--checkpoints_dir", str(checkpoints), "--results_dir", str(results), *flags]
        test_program.main([*argv, "--gpu_ids", "-1"])
        return results / "tiny" / "test_latest"

    return run


def test_a_run_leaves_the_published_files_and_a_page_whose_links_work(checkpoints):
    run = checkpoints / "tiny"
    networks = {f"{label}_net_{letter}.pth" for label in ("latest", "2") for letter in "GDE"}
    others = {"saves", "options.json", "loss_log.txt", "logs", "web", ".launch"}
    assert {path.name for path in run.iterdir()} == networks | others
    assert json.loads((run / "options.json").read_text())["options"]["ngf"] == 4
    pattern = r"\(epoch: \d, iters: \d, time: \d+\.\d{3}\) KLD: \S+ GAN: \S+ GAN_Feat: \S+ D_Fake: \S+ D_real: \S+"
    lines = (run / "loss_log.txt").read_text().splitlines()
    assert sum(bool(re.fullmatch(pattern, line)) for line in lines) == 4
    page = assert_links_work(run / "web" / "index.html")
    assert any(text.startswith("--ngf 4 ") and text.endswith("[default: 64]") for text in page.words("code"))
    assert page.words("dd")[:3] == ["ended", "2 of 2", "8"]
    assert {path.name for path in (run / "web" / "fixed").iterdir()} == {
        f"{kind}_{number}.png" for kind in ("label_map", "photo") for number in range(1, 5)
    }
    assert images(run / "web" / "images") == [
        f"epoch00{epoch}_iter00{images_seen}_{kind}.png"
        for epoch, images_seen in ((1, 2), (1, 4), (2, 8))  # the first batch, and every four images
        for kind in ("fixed_sample", "input_label", "real_image", "synthesized_image")
    ]
    events = EventAccumulator(str(run / "logs"))
    events.Reload()
    watched = {"lr/G", "lr/D", "grad_norm/G", "grad_norm/D", "logits/fake", "logits/real"}
    watched |= {"speed/images_per_second", "memory/peak_MiB"}
    assert set(events.Tags()["scalars"]) == {"KLD", "GAN", "GAN_Feat", "D_Fake", "D_real"} | watched
    assert "fixed_sample" in events.Tags()["images"]
    assert [event.step for event in events.Scalars("GAN")] == [2, 4, 6, 8]


def test_continue_goes_on_with_epoch_optimisers_options_and_rate(checkpoints, tmp_path, capsys):
    shutil.copytree(checkpoints / "tiny", tmp_path / "tiny")
    argv = ["--name", "tiny", "--checkpoints_dir", str(tmp_path), "--continue_train", "--niter", "1"]
    assert train_program.main([*argv, "--niter_decay", "3"]) == 0
    output = capsys.readouterr().out
    assert "resuming in epoch 3, after 0 images" in output
    assert "changed since: --niter 2 -> --niter 1" in output
    assert "changed since: --niter_decay 0 -> --niter_decay 3" in output
    state = torch.load(tmp_path / "tiny" / "saves" / "000002" / "training_state.pth", weights_only=True)
    assert state["progress"] == {"epoch": 5, "images_this_epoch": 0, "images_seen": 16}
    assert state["trainer"]["steps"] == 8
    assert {float(entry["step"]) for entry in state["optimizer_G"]["state"].values()} == {8.0}
    # epochs 1 and 2 at full rate, then 2/3 and 1/3 of it; the generator has half of the base rate
    assert state["optimizer_G"]["param_groups"][0]["lr"] == pytest.approx(0.0001 / 3)
    assert_links_work(tmp_path / "tiny" / "web" / "index.html")


def test_a_new_run_of_the_same_name_keeps_the_old_one_with_its_results(tmp_path, capsys):
    flags = ["--name", "again", "--checkpoints_dir", str(tmp_path / "c")]
    training = "--max_dataset_size 2 --niter 1 --no_html --no_tensorboard".split()
    assert train(tmp_path / "c", *flags, *training) == 0
    assert "index.html" not in capsys.readouterr().out, "--no_html writes none"
    test_program.main([*flags, "--results_dir", str(tmp_path / "elsewhere"), "--how_many", "2", "--gpu_ids", "-1"])
    written = images(tmp_path / "elsewhere" / "again")
    assert train(tmp_path / "c", *flags, *training) == 0
    assert "now in" in (printed := capsys.readouterr().out)
    assert f"its results are in {tmp_path / 'elsewhere' / 'again.old1'}" in printed
    assert (tmp_path / "c" / "again.old1" / "latest_net_G.pth").exists()
    assert images(tmp_path / "elsewhere" / "again.old1") == written and not (tmp_path / "elsewhere" / "again").exists()
    # Whoever goes on with the run keeps its results where they are.
    test_program.main([*flags, "--results_dir", str(tmp_path / "elsewhere"), "--how_many", "2", "--gpu_ids", "-1"])
    assert train_program.main([*flags, "--continue_train", "--niter", "2", "--gpu_ids", "-1"]) == 0
    assert images(tmp_path / "elsewhere" / "again") == written


def test_a_loss_that_is_not_finite_stops_with_step_and_loss(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train(tmp_path, *"--name bad --max_dataset_size 2 --niter 1 --lambda_feat 1e39".split())
    assert stop.value.code == 1
    assert "train.py: stopped: loss GAN_Feat is not finite in step 1; nothing was saved" in capsys.readouterr().err
    assert not list((tmp_path / "bad").glob("*.pth"))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory) -> Path:
    """A run with an average of the generator."""
    folder = tmp_path_factory.mktemp("averaged")
    flags = "--name tiny --ema 0.9 --max_dataset_size 8 --niter 2 --lr 0.01 --no_html --no_tensorboard"
    assert train(folder, *flags.split()) == 0
    return folder


def test_testing_uses_the_average_unless_told_otherwise(averaged, tmp_path):
    def run(results: str, *flags: str) -> tuple[Path, list[str]]:
        argv = ["--name", "tiny", "--checkpoints_dir", str(averaged), "--results_dir", str(tmp_path / results)]
        test_program.main([*argv, "--how_many", "2", "--gpu_ids", "-1", *flags])
        folder = tmp_path / results / "tiny" / "test_latest"
        return folder, Page(folder / "index.html").words("header")

    average, facts = run("average")
    assert any("latest_net_G_ema.pth" in fact for fact in facts)
    raw, facts = run("raw", "--use_raw_G")
    assert any("latest_net_G.pth" in fact for fact in facts)
    assert not np.array_equal(pictures(average)[0], pictures(raw)[0])
    recalibrated, _ = run("recalibrated", "--use_raw_G", "--recalibrate_bn", "8")
    assert not np.array_equal(pictures(recalibrated)[0], pictures(raw)[0])


def test_recalibrated_statistics_bring_testing_close_to_training(tmp_path):
    """Statistics that are far off, as after training on other data: one batch through them makes flat images."""
    flags = (
        "--name tiny --norm_G spadesyncbatch1x1 --init_gain 1 --max_dataset_size 4 --niter 1 --no_html --no_tensorboard"
    )
    assert train(tmp_path, *flags.split()) == 0
    path = tmp_path / "tiny" / "latest_net_G.pth"
    state = torch.load(path, weights_only=True)
    path.unlink()  # not the save that it is a link to
    torch.save({name: t * 1e6 if name.endswith("running_var") else t for name, t in state.items()}, path)
    contrast = {}
    for name, flags in (("spoiled", []), ("mended", ["--recalibrate_bn", "4"])):
        argv = ["--name", "tiny", "--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path / name)]
        test_program.main([*argv, "--how_many", "2", "--gpu_ids", "-1", *flags])
        contrast[name] = pictures(tmp_path / name / "tiny" / "test_latest")[0].std()
    assert contrast["mended"] > 2 * contrast["spoiled"]


def test_pretrained_networks_start_a_run(checkpoints, tmp_path, capsys):
    flags = "--name fine --use_vae --z_dim 4 --max_dataset_size 2 --niter 1 --lr 1e-9 --no_html --no_tensorboard"
    assert train(tmp_path, *flags.split(), "--load_pretrained", str(checkpoints / "tiny")) == 0
    old, new = (
        torch.load(run / "latest_net_G.pth", weights_only=True)["conv_img.weight"]
        for run in (checkpoints / "tiny", tmp_path / "fine")
    )
    torch.testing.assert_close(old, new, rtol=0, atol=1e-6)
    with pytest.raises(SystemExit) as stop:
        train(tmp_path, *flags.split(), "--load_pretrained", str(tmp_path / "absent"))
    assert stop.value.code == 2
    assert "--load_pretrained" in capsys.readouterr().err.splitlines()[-1]


def test_results_have_a_page_and_exactly_as_many_images_as_asked_for(run_test):
    """Three images in batches of two: the published program made four."""
    results = run_test("--how_many", "3", "--batchSize", "2")
    for kind in ("input_label", "synthesized_image", "real_image"):
        assert images(results / "images" / kind) == ["00000.png", "00001.png", "00002.png"]
    page = assert_links_work(results / "index.html")
    assert len([image for image in page.all("img") if "synthesized_image" in image["src"]]) == 3
    assert all(image["loading"] == "lazy" for image in page.all("img"))
    assert Image.open(results / "images" / "synthesized_image" / "00000.png").size == (64, 64)


def pictures(results: Path, folder: str = "synthesized_image") -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((results / "images" / folder).glob("*.png"))]


def test_random_styles_differ_side_by_side_and_follow_the_seed_not_the_batch_size(run_test, tmp_path):
    def run(results, *flags):
        return run_test("--how_many", "2", "--num_styles", "2", *flags, results=tmp_path / results)

    one, other, seeded = run("a", "--batchSize", "1"), run("b", "--batchSize", "2"), run("c", "--seed", "5")
    for folder in ("synthesized_image", "synthesized_image_style2"):
        for first, second in zip(pictures(one, folder), pictures(other, folder), strict=True):
            assert np.abs(first.astype(int) - second).max() <= 1
    assert not np.array_equal(pictures(one)[0], pictures(one, "synthesized_image_style2")[0])
    assert not np.array_equal(pictures(one)[0], pictures(seeded)[0])
    assert_links_work(one / "index.html")


def test_the_dense_definition_of_modulation_gives_the_same_images(run_test, tmp_path):
    def run(*flags):
        return run_test("--how_many", "3", "--num_styles", "2", *flags, results=tmp_path / f"results {len(flags)}")

    by_table, dense = run(), run("--modulation", "dense")
    asked_by_name = run("--modulation", "table", "--seed", "0")
    for path in images(by_table):
        assert (by_table / path).read_bytes() == (asked_by_name / path).read_bytes()
    for folder in ("synthesized_image", "synthesized_image_style2"):
        for first, second in zip(pictures(by_table, folder), pictures(dense, folder), strict=True):
            assert np.abs(first.astype(int) - second).max() <= 1


@pytest.fixture
def strong_styles(checkpoints):
    """The run `tiny` with an encoder whose styles are far apart, which takes longer than two epochs to learn."""
    path = checkpoints / "tiny" / "latest_net_E.pth"
    original = torch.load(path, weights_only=True)
    torch.save(original | {"fc_mu.weight": original["fc_mu.weight"] * 1000}, path)
    yield
    torch.save(original, path)


@pytest.mark.usefixtures("strong_styles")
def test_as_many_threads_compute_as_the_flag_says(run_test):
    before = torch.get_num_threads()
    try:
        run_test("--how_many", "1", "--threads", str(before + 1))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_style_images_decide_the_style(run_test, tmp_path):
    photos = tmp_path / "photos"
    for name, color in (("a", (30, 30, 200)), ("b", (200, 30, 30))):
        (photos / name).mkdir(parents=True)
        Image.new("RGB", (90, 50), color).save(photos / name / "same_name.png")
    both = run_test("--how_many", "2", "--style_image", str(photos), results=tmp_path / "both")
    red = run_test("--how_many", "2", "--style_image", str(photos / "b" / "same_name.png"), results=tmp_path / "one")
    # in name order: a/same_name, b/same_name
    assert np.array_equal(pictures(both, "synthesized_image_style2")[1], pictures(red)[1])
    assert not np.array_equal(pictures(both)[1], pictures(red)[1])
    assert (red / "images" / "style_image.png").exists()


def test_class_colors_are_compared_by_hand(run_test, checkpoints, tmp_path, capsys):
    class_colors = colors.ClassColors(3)
    labels = np.array([[0, 0], [1, 0]])
    image = np.array([[[10, 0, 0], [20, 0, 0]], [[0, 50, 0], [60, 0, 3]]], dtype=np.uint8)
    class_colors.add(labels, image)
    assert np.array_equal(class_colors.means()[:2], [[30, 0, 1], [0, 50, 0]])
    assert np.isnan(class_colors.means()[2]).all()

    run_test("--how_many", "2")
    flags = ["--name", "tiny", "--checkpoints_dir", str(checkpoints), "--results_dir", str(tmp_path / "results")]
    colors.main([*flags, "--how_many", "2"])
    figure = float(re.search(r"([\d.]+)/255", capsys.readouterr().out)[1])
    assert 5 < figure < 150, "an untrained network is far off"


@pytest.fixture(scope="module")
def coco(tmp_path_factory) -> Path:
    """Two training triples and two validation label maps without photos, as COCO-Stuff lies on disk."""
    root = tmp_path_factory.mktemp("coco")
    rng = np.random.default_rng(0)
    for phase, with_photos in (("train", True), ("val", False)):
        for name in ("000000000009", "000000000025"):
            for kind in ("label", "inst", "img") if with_photos else ("label", "inst"):
                shape = (40, 50, 3) if kind == "img" else (40, 50)
                folder = root / f"{phase}_{kind}"
                folder.mkdir(exist_ok=True)
                pixels = rng.integers(0, 182, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}{'.jpg' if kind == 'img' else '.png'}")
    return root


def test_released_weights_work_with_nothing_but_the_file_and_from_label_maps_alone(coco, tmp_path):
    flags = ["--name", "coco_pretrained", "--dataset_mode", "coco", "--dataroot", str(coco), "--crop_size", "64"]
    flags += ["--ngf", "4", "--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path / "results")]
    netG = create_generator(parse_options(TestOptions, flags, test_program.PRESETS))
    fill(netG, seed=1)
    (tmp_path / "coco_pretrained").mkdir()
    torch.save(netG.state_dict(), tmp_path / "coco_pretrained" / "latest_net_G.pth")
    test_program.main([*flags, "--gpu_ids", "-1"])
    results = tmp_path / "results" / "coco_pretrained" / "test_latest"
    assert images(results / "images" / "synthesized_image") == ["000000000009.png", "000000000025.png"]
    assert not (results / "images" / "real_image").exists()
    assert read_facts(results)["Label maps"] == str(coco)
    assert assert_links_work(results / "index.html").words("figcaption")[:2] == ["label map", "generated"]


def test_a_classic_training_command_runs_and_test_needs_only_the_name(coco, tmp_path):
    flags = ["--dataset_mode", "coco", "--dataroot", str(coco), "--load_size", "70", "--nThreads", "0", "--tf_log"]
    assert train(tmp_path, "--name", "label2coco", *flags, "--niter", "1", "--no_instance") == 0
    test_program.main(["--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path / "r"), "--gpu_ids", "-1"])
    assert len(images(tmp_path / "r" / "label2coco" / "test_latest" / "images" / "synthesized_image")) == 2


def test_landscapes_as_files_train_with_the_printed_command(tmp_path, capsys, monkeypatch):
    landscapes.main([str(tmp_path / "files"), "--train", "2", "--val", "1", "--size", "64x64"])
    command = re.search(r"python train.py (.*)", capsys.readouterr().out)[1]
    assert train(tmp_path, *shlex.split(command), "--name", "files", "--niter", "1", "--load_size", "64") == 0


def test_a_scale_that_test_does_not_have_is_said_once_in_training(coco, tmp_path, capsys):
    flags = ["--dataset_mode", "coco", "--dataroot", str(coco), "--niter", "1", "--no_instance", "--no_html"]
    assert train(tmp_path, "--name", "small", *flags) == 0
    assert "times smaller" not in "".join(capsys.readouterr())
    assert json.loads((tmp_path / "small" / "options.json").read_text())["options"]["load_size"] == 72
    assert train(tmp_path, "--name", "large", *flags, "--load_size", "128") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "times smaller" in line]
    assert said == [
        "train.py: warning: training sees crops of 64 (--crop_size) from images scaled to 128 (--load_size), 50% "
        "across; test scales whole images to 64, so objects are 2.0 times smaller there: --load_size 72 trains near "
        "that scale"
    ]


BAD_INPUT = {
    "missing folder": (["--dataset_mode", "coco", "--dataroot", "/absent/place"], "/absent/place"),
    "typo": (["--batchsize", "4"], "--batchSize"),
    "typo in a name": (["--dataset_mode", "landscape"], "landscapes"),
    "crop size": (["--crop_size", "100"], "96"),
    "norm": (["--norm_G", "spectralspadelayer3x3"], "--norm_G spectralspadelayer3x3"),
    "vgg": (["--vgg_loss", "--vgg_weights", "/absent/vgg.pth"], "--no_vgg_loss"),
    "nothing to continue": (["--continue_train", "--name", "absent"], "latest_net_G.pth"),
    "gpu": (["--gpu_ids", "77"], "--gpu_ids"),
    "parts": (["--batchSize", "4", "--accumulate", "3"], "--batch_size 3 or 6"),
    "precision": (["--precision", "fp8"], "bf16"),
    "threads": (["--threads", "9999"], "1..256"),
    "smallest feature map": (["--crop_size", "32", "--batchSize", "1"], "--crop_size 64"),
}


@pytest.mark.parametrize("flags, named", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_gets_one_line_and_status_2(flags, named, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train(tmp_path, *flags)
    assert stop.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("train.py: error: ")
    assert named in lines[0]


def test_weights_that_may_not_be_fetched_are_said_before_an_earlier_run_is_moved(
    checkpoints, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    shutil.copytree(checkpoints / "tiny", tmp_path / "tiny")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tiny").rglob("*")}
    with pytest.raises(SystemExit) as stop:
        train(tmp_path, "--name", "tiny", "--vgg_loss", "--no_download", "--max_dataset_size", "2")
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    for part in ("--no_download", "vgg19-dcbb9e9d.pth", "https://", "--vgg_weights FILE", "--no_vgg_loss"):
        assert part in line
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tiny").rglob("*")} == before
    assert not (tmp_path / "home").exists() and not (tmp_path / "tiny.old1").exists()


def test_scores_in_training_fetch_weights_only_if_training_may():
    def may_fetch(*flags):
        return evaluation_options(parse_options(TrainOptions, ["--eval_freq", "1", *flags], PRESETS)).download

    assert may_fetch() and not may_fetch("--no_download") and may_fetch("--allow_download")
    assert not may_fetch("--eval_flags=--no_download")
    assert may_fetch("--no_download", "--eval_flags=--download")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SystemExit) as stop:
        train(tmp_path / "file", "--max_dataset_size", "2", "--niter", "1")
    assert stop.value.code == 2
    assert str(tmp_path / "file") in capsys.readouterr().err.splitlines()[-1]


def test_a_checkpoint_of_another_architecture_names_the_option(checkpoints, tmp_path, capsys):
    shutil.copytree(checkpoints / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / "options.json").unlink()
    flags = "--name tiny --crop_size 64 --ngf 8 --norm_G spectralspadesyncbatch1x1 --use_vae --z_dim 4 --gpu_ids -1"
    with pytest.raises(SystemExit) as stop:
        test_program.main([*flags.split(), "--checkpoints_dir", str(tmp_path)])
    assert stop.value.code == 2
    assert "--ngf is 4 in the file and 8 here" in capsys.readouterr().err


def test_a_truncated_photo_read_by_a_worker_is_one_line_without_traceback(coco, tmp_path):
    root = shutil.copytree(coco, tmp_path / "coco")
    photo = root / "train_img" / "000000000025.jpg"
    photo.write_bytes(photo.read_bytes()[:300])
    flags = [*TINY, "--checkpoints_dir", str(tmp_path), "--dataset_mode", "coco", "--dataroot", str(root)]
    command = [sys.executable, "train.py", *flags, "--load_size", "70", "--nThreads", "1", "--no_html"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(r"train.py: error: .*000000000025.jpg: cannot be read", done.stderr)


@pytest.mark.parametrize(("seconds", "saves"), [(-1, 2), (1000, 1)])
def test_an_epoch_that_ends_long_after_the_last_save_is_saved(tmp_path, monkeypatch, seconds, saves):
    monkeypatch.setattr("trainers.run.SAVE_AFTER_SECONDS", seconds)
    flags = "--name r --max_dataset_size 2 --niter 2 --no_html --no_tensorboard --save_epoch_freq 9"
    assert train(tmp_path, *flags.split()) == 0
    assert len(list((tmp_path / "r" / "saves").iterdir())) == saves
