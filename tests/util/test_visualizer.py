"""What a training shows: log, page and events, also after it was interrupted."""

import contextlib
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.util.pages import Page
from util.errors import InputError, Interrupted
from util.score_log import ScoreRecord
from util.training_page import RunFacts
from util.visualizer import Visualizer
from util.warn import SAMPLE_SKIPPED, warn

COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)
LOSSES = {"GAN": 0.5, "VGG": 2.0}
KINDS = ("input_label", "synthesized_image", "real_image")


def visualizer(run_dir, html=True, tensorboard=False, wandb_config=None, images_seen=1000):
    return Visualizer(
        run_dir,
        title="demo <training>",
        class_names=["road", "sky", "tree"],
        class_colors=COLORS,
        html=html,
        tensorboard=tensorboard,
        display_winsize=64,
        wandb_config=wandb_config,
        images_seen=images_seen,
    )


def show(vis, epoch, images_seen, class_id=1, samples=None):
    labels = torch.full((1, 4, 6), class_id)
    fake, real = torch.zeros(1, 3, 4, 6), torch.ones(1, 3, 4, 6)
    vis.show(epoch, images_seen, labels, fake=fake, real=real, samples=samples)


def events(run_dir):
    accumulator = EventAccumulator(str(run_dir / "logs"))
    accumulator.Reload()
    return accumulator


def page(run_dir):
    return Page(run_dir / "web" / "index.html")


def data(run_dir):
    """What the page's script draws."""
    text = (run_dir / "web" / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text)[1])


def charts(run_dir):
    """{chart: {curve: (positions, means)}} of the page."""
    return {
        chart["key"]: {curve["name"]: (curve["x"], curve["mean"]) for curve in chart["curves"]}
        for chart in data(run_dir)["charts"]
    }


def refresh(read):
    return [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "refresh"]


def test_log_writes_and_prints_the_published_line(tmp_path, capsys):
    vis = visualizer(tmp_path, html=False)
    vis.log(epoch=3, images_this_epoch=40, images_seen=240, seconds_per_image=0.25, losses=LOSSES)
    vis.close()
    line = (tmp_path / "loss_log.txt").read_text().splitlines()[-1]
    assert line == "(epoch: 3, iters: 40, time: 0.250) GAN: 0.500 VGG: 2.000"
    assert capsys.readouterr().out == line + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss_log.txt"]


def test_the_time_left_is_printed_and_not_logged(tmp_path, capsys):
    vis = visualizer(tmp_path, html=False)
    vis.log(3, 40, 240, 0.25, LOSSES, watched={"lr/G": 0.0001}, seconds_left=2 * 3600 + 300)
    line = (tmp_path / "loss_log.txt").read_text().splitlines()[-1]
    assert line == "(epoch: 3, iters: 40, time: 0.250) GAN: 0.500 VGG: 2.000"
    assert capsys.readouterr().out == line + "  2 h 05 min left\n"


def test_pictures_have_the_published_names_and_the_right_pixels(tmp_path):
    show(visualizer(tmp_path), epoch=2, images_seen=7)
    images = tmp_path / "web" / "images"
    assert {path.name for path in images.iterdir()} == {f"epoch002_iter007_{kind}.png" for kind in KINDS}
    for kind, color in zip(KINDS, ([0, 255, 0], [127] * 3, [255] * 3)):
        with Image.open(images / f"epoch002_iter007_{kind}.png") as image:
            assert image.size == (6, 4)
            assert np.unique(np.asarray(image).reshape(-1, 3), axis=0).tolist() == [color]


def test_a_batch_is_shown_as_a_row_of_at_most_four(tmp_path):
    vis = visualizer(tmp_path)
    labels = torch.arange(6).clamp(max=2)[:, None, None].expand(6, 4, 6)  # 0 1 2 2 | 2 2
    vis.show(1, 100, labels, torch.zeros(6, 3, 4, 6), torch.zeros(6, 3, 4, 6))
    with Image.open(tmp_path / "web" / "images" / "epoch001_iter100_input_label.png") as image:
        assert image.size == (4 * 6 + 3 * 2, 4)
        assert [image.getpixel((x, 0)) for x in (0, 8, 16, 24)] == [tuple(map(int, COLORS[i])) for i in (0, 1, 2, 2)]


def test_fixed_samples_are_a_picture_of_their_own_with_all_of_them(tmp_path):
    vis = visualizer(tmp_path, tensorboard=True)
    show(vis, 1, 100, samples=-torch.ones(5, 3, 4, 6))
    vis.close()
    with Image.open(tmp_path / "web" / "images" / "epoch001_iter100_fixed_sample.png") as image:
        assert image.size == (4 * 6 + 3 * 2, 2 * 4 + 2)
        assert image.getextrema() == ((0, 0),) * 3
    assert "of the training data, always with the same latents, in evaluation mode" in page(tmp_path).words("small")
    assert "fixed_sample" in events(tmp_path).Tags()["images"]


def test_the_page_names_the_classes_of_fixed_samples_and_the_next_command(tmp_path):
    vis = visualizer(tmp_path)
    commands = {"resume": "python train.py --continue_train", "test": "python test.py --name demo"}
    vis.page.facts = RunFacts(latents=False, **commands)
    vis.show_fixed(torch.ones(1, 4, 6, dtype=torch.long), torch.ones(1, 3, 4, 6))
    show(vis, 1, 100, class_id=2, samples=torch.zeros(1, 3, 4, 6))
    read = page(tmp_path)
    assert "of the training data, in evaluation mode" in read.words("small")
    assert "Classes in the fixed samples" in read.words("h2") and "sky" in read.words("article", "li")
    assert "Next:" not in read.words("main") and data(tmp_path)["resume"] == commands["resume"]
    assert data(tmp_path)["overdue"] >= 120
    vis.close()
    assert commands["test"] in page(tmp_path).words("main", "code")
    vis.close(KeyboardInterrupt())
    assert commands["resume"] in page(tmp_path).words("main", "code")


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_looks_without_fixed_samples_are_shown_with_what_they_have(tmp_path, damage):
    vis = visualizer(tmp_path)
    show(vis, 1, 100, samples=torch.zeros(1, 3, 4, 6))
    picture = tmp_path / "web" / "images" / "epoch001_iter100_fixed_sample.png"
    if damage == "missing":
        picture.unlink()
    else:
        picture.write_bytes(picture.read_bytes()[:10])
    show(vis, 1, 200, samples=torch.zeros(1, 3, 4, 6))
    read = page(tmp_path)
    assert read.words("section", "h2", "small") == ["200 images", "100 images"]
    # The newest fixed samples, then the batches.
    assert [re.search(r"iter(\d+)", image["src"])[1] for image in read.all("img")] == ["200"] * 4 + ["100"] * 3
    assert [moment["seen"] for moment in data(tmp_path)["moments"]] == [200]


def test_page_is_there_from_the_start_and_reloads_until_the_end(tmp_path):
    vis = visualizer(tmp_path)
    assert page(tmp_path).words("main") == ["Too early to tell how it goes.", "No images yet."]
    assert refresh(page(tmp_path)) == ["30"]
    show(vis, 1, 100)
    assert refresh(page(tmp_path)) == ["30"]
    vis.close()
    assert refresh(page(tmp_path)) == []
    assert page(tmp_path).words("h1") == ["demo <training>"]


def test_newest_first_and_every_link_works_also_after_resuming(tmp_path):
    first = visualizer(tmp_path)
    for epoch, images_seen in ((1, 900), (1, 1000), (2, 1100)):
        show(first, epoch, images_seen)
    again = visualizer(tmp_path)  # never closed: the training was interrupted
    show(again, 2, 1200)
    read = page(tmp_path)
    assert read.words("section", "h2") == [
        word
        for epoch, seen in ((2, "1,200"), (2, "1,100"), (1, "1,000"), (1, "900"))
        for word in (f"Epoch {epoch}", f"{seen} images")
    ]
    targets = read.targets()
    assert len(set(targets)) == 4 * 3
    assert page(tmp_path).all("details")[0]["id"] == "batches"
    assert "open" not in page(tmp_path).all("details")[0]
    assert all(target.is_file() for target in targets)
    order = [re.search(r"iter(\d+)", image["src"])[1] for image in read.all("img")]
    assert order == [seen for seen in ("1200", "1100", "1000", "900") for _ in KINDS]


def test_pictures_of_a_future_that_is_being_repeated_are_not_shown(tmp_path):
    for images_seen in (100, 200, 300):
        show(visualizer(tmp_path), 1, images_seen)
    show(visualizer(tmp_path), 1, 200)  # went on from a checkpoint at 100 images
    assert page(tmp_path).words("section", "h2", "small") == ["200 images", "100 images"]


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_look_with_a_bad_picture_is_passed_over(tmp_path, damage):
    vis = visualizer(tmp_path)
    show(vis, 1, 100)
    picture = tmp_path / "web" / "images" / "epoch001_iter100_real_image.png"
    if damage == "missing":
        picture.unlink()
    else:
        picture.write_bytes(picture.read_bytes()[:10])
    show(vis, 1, 200)
    read = page(tmp_path)
    assert read.words("section", "h2", "small") == ["200 images"]
    assert all(target.is_file() for target in read.targets())


def test_a_long_training_links_the_folder_for_what_the_page_has_no_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr("util.training_images.MAX_ROWS", 2)
    vis = visualizer(tmp_path)
    for images_seen in (100, 200, 300):
        show(vis, 1, images_seen)
    read = page(tmp_path)
    assert read.words("section", "h2", "small") == ["300 images", "200 images"]
    assert tmp_path / "web" / "images" in read.targets()
    assert "Older: 1 more in the folder" in read.words("p")


def test_legend_names_the_classes_of_the_newest_pictures(tmp_path):
    vis = visualizer(tmp_path)
    show(vis, 1, 100, class_id=0)
    show(vis, 1, 200, class_id=2)
    assert page(tmp_path).words("details", "li", "span") == ["tree"]
    assert [swatch["style"] for swatch in page(tmp_path).all("i")] == ["background:#0000ff"]


def test_losses_are_drawn_by_player_with_what_else_is_known(tmp_path):
    vis = visualizer(tmp_path)
    players = {"GAN": "G", "VGG": "G", "D_real": "D"}
    for images, gan, vgg in ((100, 1.0, 10.0), (200, 3.0, float("nan")), (300, 2.0, 30.0)):
        losses = {"GAN": gan, "VGG": vgg, "D_real": 0.5}
        vis.log(1, images, images, 0.1, losses, {"lr/G": 0.25, "memory/peak_MiB": 9.0}, players=players, waiting=0.5)
    vis.close()
    assert charts(tmp_path) == {
        "loss_G": {"GAN": ([100, 200, 300], [1, 3, 2]), "VGG": ([100, 300], [10, 30])},  # nan is left out
        "loss_D": {"D_real": ([100, 200, 300], [0.5] * 3)},
        "lr": {"G": ([100, 200, 300], [0.25] * 3)},
        "waiting": {"for data": ([100, 200, 300], [0.5] * 3)},
    }


def test_curves_go_on_after_resuming_without_what_is_repeated(tmp_path):
    for start, gan in ((0, 1.0), (200, 2.0)):  # resumed from a checkpoint at 200 images
        vis = visualizer(tmp_path, images_seen=start)
        for images in range(start + 100, start + 400, 100):
            vis.log(1, images, images, 0.1, {"GAN": gan}, {"lr/G": gan})
    vis.close()
    expected = ([100, 200, 300, 400, 500], [1, 1, 2, 2, 2])
    assert charts(tmp_path) == {"loss_G": {"GAN": expected}, "lr": {"G": expected}}


def test_curves_of_a_run_of_an_earlier_version_are_those_of_its_loss_log(tmp_path):
    vis = visualizer(tmp_path, html=False)
    for epoch in (1, 2):
        vis.log(epoch, 100, 100 * epoch, 0.1, {"GAN": 0.5, "D_real": epoch})
    visualizer(tmp_path).close()
    assert charts(tmp_path) == {
        "loss_G": {"GAN": ([100, 200], [0.5, 0.5])},
        "loss_D": {"D_real": ([100, 200], [1, 2])},
    }


@pytest.mark.parametrize(
    "error, state",
    [
        (None, "ended"),
        (Interrupted(15), "interrupted"),
        (InputError("the disk is full"), "stopped: the disk is full"),
        (ZeroDivisionError(), "stopped: ZeroDivisionError"),
    ],
)
def test_the_page_says_how_a_training_ended(tmp_path, error, state):
    with contextlib.suppress(BaseException), visualizer(tmp_path):
        assert page(tmp_path).words("dd")[0] == "training"
        if error:
            raise error
    assert page(tmp_path).words("dd")[0] == state


def test_the_head_says_what_runs_how_fast_and_how_long(tmp_path):
    vis = visualizer(tmp_path)
    vis.page.facts = RunFacts("python train.py --ngf 16", ["--ngf 16   [default: 64]"], "CPU, fp32", 50, 400)
    vis.log(3, 40, 840, 0.25, LOSSES, seconds_left=2 * 3600 + 300)
    vis.log_scores([scored(3, "raw", 60.0, True)], 40)
    words = page(tmp_path).words("header")
    for name, value in {
        "Epoch": "3 of 50",
        "Images seen": "840",
        "Speed": "4 images/s",
        "Time left": "2 h 05 min",
        "Device": "CPU, fp32",
    }.items():
        assert words[words.index(name) + 1] == value
    assert {"python train.py --ngf 16", "--ngf 16   [default: 64]"} <= set(words)


def test_warnings_stand_on_the_page_also_after_resuming(tmp_path, capsys):
    vis = visualizer(tmp_path)
    vis.log(1, 100, 100, 0.1, LOSSES)
    warn("sample skipped: a.png: is cut off", SAMPLE_SKIPPED)
    warn("disk <nearly> full")
    vis.close()
    warn("said after the training")
    visualizer(tmp_path, images_seen=100).close()
    read = page(tmp_path)
    assert read.words("li", "small") == [text for text in read.words("li", "small") if "100 images" in text]
    assert [text for text in read.words("li") if "skipped" in text or "disk" in text] == [
        "disk <nearly> full",
        "sample skipped: a.png: is cut off",
    ]
    assert "Warnings (2)" in read.words("summary")
    assert read.words("dd")[read.words("dt").index("Samples skipped")] == "1"
    # Goes on before they were said: they come again if they must.
    again = visualizer(tmp_path, images_seen=50)
    assert "Samples skipped" not in page(tmp_path).words("dt")
    again.note_warnings([("warning", "said before the page was there")])
    again.close()
    assert "Warnings (1)" in page(tmp_path).words("summary")


def test_fixed_samples_stand_beside_what_they_are_made_from(tmp_path):
    vis = visualizer(tmp_path)
    vis.show_fixed(torch.ones(2, 4, 6, dtype=torch.long), torch.ones(2, 3, 4, 6))
    for images_seen in (100, 200):
        show(vis, 1, images_seen, samples=torch.zeros(2, 3, 4, 6))
    read = page(tmp_path)
    order = [
        "label_map_1",
        "epoch001_iter200_fixed_sample",
        "photo_1",
        "label_map_2",
        "epoch001_iter200_fixed_sample",
        "photo_2",
    ]
    assert [Path(image["src"]).stem for image in read.all("img")][:6] == order
    # Each shows its part of the row of two: 6 pixels wide, 2 between.
    crops = [image["style"] for image in read.all("img") if "style" in image]
    assert crops == [f"width:233.3333%;left:{left:.4f}%;top:0.0000%" for left in (0.0, -800 / 6)]
    assert [moment["src"] for moment in data(tmp_path)["moments"]] == [
        f"images/epoch001_iter{seen}_fixed_sample.png" for seen in (100, 200)
    ]
    assert all(target.is_file() for target in read.targets())


def test_tensorboard_holds_scalars_and_images_by_images_seen(tmp_path):
    vis = visualizer(tmp_path, html=False, tensorboard=True)
    vis.log(1, 100, 100, 0.1, LOSSES)
    show(vis, 1, 100)
    vis.log(1, 200, 200, 0.1, {"GAN": 0.25, "VGG": 1.0})
    vis.close()
    assert not (tmp_path / "web").exists()
    read = events(tmp_path)
    assert [(event.step, event.value) for event in read.Scalars("GAN")] == [(100, 0.5), (200, 0.25)]
    assert sorted(read.Tags()["images"]) == sorted(KINDS)
    (image,) = read.Images("input_label")
    assert (image.step, image.width, image.height) == (100, 6, 4)


def test_tensorboard_shows_repeated_steps_once(tmp_path):
    for steps in ((100, 200, 300), (200,)):
        vis = visualizer(tmp_path, html=False, tensorboard=True)
        for step in steps:
            vis.log(1, step, step, 0.1, {"GAN": float(len(steps))})
        vis.close()
        time.sleep(1)  # files of one process and second are sorted as text, the tenth before the second
    assert [(event.step, event.value) for event in events(tmp_path).Scalars("GAN")] == [(100, 3.0), (200, 1.0)]


def test_watched_scalars_are_in_tensorboard_under_their_own_names(tmp_path):
    vis = visualizer(tmp_path, html=False, tensorboard=True)
    vis.log(1, 100, 100, 0.1, LOSSES, watched={"lr/G": 0.25, "grad_norm/D": 2.0})
    vis.close()
    read = events(tmp_path)
    assert sorted(read.Tags()["scalars"]) == ["GAN", "VGG", "grad_norm/D", "lr/G"]
    assert [(event.step, event.value) for event in read.Scalars("lr/G")] == [(100, 0.25)]


def scored(epoch: int, generator: str, fid: float, is_best: bool) -> ScoreRecord:
    return ScoreRecord(epoch, 100 * epoch, generator, {"fid": fid, "miou": fid / 1000}, is_best)


def test_scores_are_printed_logged_and_shown_with_the_best_marked(tmp_path, capsys):
    vis = visualizer(tmp_path, tensorboard=True)
    vis.log(1, 100, 100, 0.1, LOSSES)
    vis.log_scores([scored(1, "average", 60.0, False), scored(1, "raw", 50.0, True)], 100)
    vis.log_scores([scored(2, "average", 40.0, True), scored(2, "raw", 45.0, False)], 100)
    vis.log_scores([scored(3, "average", 45.0, False)], 100, {"phase": "val"})
    vis.close()
    assert "epoch 1: fid 50, miou 0.05 (trained weights, the best so far)\n" in capsys.readouterr().out
    assert (tmp_path / "loss_log.txt").read_text().splitlines()[-5:-1] == [
        "(epoch: 1, iters: 100, scores: average) fid: 60 miou: 0.06",
        "(epoch: 1, iters: 100, scores: raw) fid: 50 miou: 0.05",
        "(epoch: 2, iters: 100, scores: average) fid: 40 miou: 0.04",
        "(epoch: 2, iters: 100, scores: raw) fid: 45 miou: 0.045",
    ]
    assert [record.losses for record in visualizer(tmp_path).loss_log.history] == [LOSSES]
    read = events(tmp_path)
    assert [(event.step, event.value) for event in read.Scalars("scores/fid")] == [(100, 60.0), (200, 40.0)]
    assert [(event.step, event.value) for event in read.Scalars("scores_raw/fid")] == [(100, 50.0), (200, 45.0)]
    assert [(event.step, event.value) for event in read.Scalars("scores_val/fid")] == [(300, 45.0)]


def test_the_page_lists_scored_epochs_also_after_resuming(tmp_path):
    vis = visualizer(tmp_path)
    for epoch, fid, is_best in ((1, 60.0, True), (2, 40.0, True), (3, 50.0, False)):
        vis.log_scores([scored(epoch, "raw", fid, is_best)], 100)
    assert page(tmp_path).words("th") == ["Epoch", "Generator", "fid", "miou"]
    rows = [["3", "raw", "50", "0.05"], ["2", "raw", "40", "0.04", "best"], ["1", "raw", "60", "0.06"]]
    assert page(tmp_path).words("td") == [word for row in rows for word in row]
    visualizer(tmp_path, images_seen=150)  # goes on in the middle of epoch 2
    assert page(tmp_path).words("td") == ["1", "raw", "60", "0.06", "best"]
