"""Training from shards: as from files, killed and resumed, by two processes, from a web server; and packing them."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

import evaluate as evaluate_program
import test as test_program
from scripts.prepare.__main__ import main as prepare
from tests.runs import contents, differences, finish, train, wait_for
from tests.scripts.archive_server import ArchiveServer
from tests.worlds import ended, run_together, start

pytestmark = pytest.mark.system

TINY = (
    "--crop_size 64 --ngf 2 --ndf 2 --conditioning concat --norm_G spectralsyncbatch --no_vgg_loss --gpu_ids -1 "
    "--batch_size 2 --no_html --no_tensorboard --niter 1 --niter_decay 0"
).split()
SAMPLES = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """The flags of a few landscapes on disk."""
    folder = tmp_path_factory.mktemp("files")
    assert prepare(["landscapes", str(folder), "--train", str(SAMPLES), "--val", "0", "--size", "72x72"]) is None
    kinds = {"label": "label", "image": "img", "instance": "inst"}
    folders = [word for kind, end in kinds.items() for word in (f"--{kind}_dir", f"{folder}/train_{end}")]
    return ["--dataset_mode", "custom", *folders, "--label_nc", "18", "--contain_dontcare_label"]


@pytest.fixture(scope="module")
def packed(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    assert prepare(["shards", str(folder), *files, "--samples", "3", "--workers", "1"]) == 0
    return folder


def command(folder: Path, name: str, *more: str) -> list[str]:
    return [*TINY, "--checkpoints_dir", str(folder), "--name", name, *more]


def scores(run: Path, results: Path, *more: str) -> dict:
    """The scores of a run on what it was trained with, and the protocol, digests of the photos included."""
    places = ["--checkpoints_dir", str(run.parent), "--name", run.name, "--results_dir", str(results)]
    words = [*places, "--phase", "train", "--how_many", "4", "--gpu_ids", "-1", *more]
    assert test_program.main(words) == 0
    assert evaluate_program.main([*words, "--features", "random"]) == 0
    report = json.loads((results / run.name / "train_latest" / "scores.json").read_text(encoding="utf-8"))
    return {key: report[key] for key in ("scores", "protocol")}


def test_networks_trained_from_shards_and_files_are_equal_to_the_bit(files, packed, tmp_path):
    """In order: the two shuffle differently."""
    more = ("--serial_batches", "--max_images", "6")
    finish(1, command(tmp_path, "files", *files, *more))
    finish(1, command(tmp_path, "shards", "--shards", f"{packed}/train-{{000000..000003}}.tar", *more))
    one, other = contents(tmp_path / "files"), contents(tmp_path / "shards")
    networks = [name for name in one if "_net_" in name]
    assert networks and all(differences(one[name], other[name]) == [] for name in networks)
    moved = shutil.copytree(packed, tmp_path / "moved")
    of_files, of_shards = (scores(tmp_path / name, tmp_path / "results") for name in ("files", "shards"))
    of_moved = scores(tmp_path / "shards", tmp_path / "other results", "--shards", str(moved))
    assert of_files == of_shards == of_moved and of_files["scores"]["random_feature_distance"] > 0
    copy = (tmp_path / "shards" / "data.toml").read_text(encoding="utf-8")
    assert f'shards = "{packed}/train-{{000000..000003}}.tar"' in copy


def test_a_killed_run_goes_on_within_the_epoch_to_the_same_bits_and_on_two_processes(packed, tmp_path):
    flags = ("--shards", str(packed), "--save_latest_freq", "4", "--auto_resume")
    finish(1, command(tmp_path, "whole", *flags))
    process, _ = start(train, command(tmp_path, "killed", *flags))
    with ended([process]):
        wait_for(lambda: any((tmp_path / "killed" / "saves").glob("*[0-9]")) or not process.is_alive())
        process.kill()
        process.join()
    shutil.copytree(tmp_path / "killed", tmp_path / "by two")
    finish(1, command(tmp_path, "killed", *flags))
    whole = contents(tmp_path / "whole")
    assert differences(whole, contents(tmp_path / "killed")) == []
    printed, _ = finish(2, command(tmp_path, "by two", *flags))
    assert "the save was made by 1 processes" in printed
    progress = contents(tmp_path / "by two")["training_state.pth"]["progress"]
    assert progress == whole["training_state.pth"]["progress"]


def serve(site: ArchiveServer, folder: Path) -> None:
    site.files = {f"/set/{path.name}": path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_shards_of_a_web_server_are_downloaded_once_resumed_and_checked(packed, tmp_path):
    site = ArchiveServer()
    try:
        serve(site, packed)
        site.cuts = {"/set/train-000001.tar": 1}
        flags = ("--shards", f"{site.url}/set", "--cache_dir", str(tmp_path / "cache"), "--serial_batches")
        finish(2, command(tmp_path, "remote", *flags, "--num_workers", "1"))
        asked = [path for path, _ in site.requests if path.endswith(".tar")]
        assert sorted(asked) == sorted([*{*asked}, "/set/train-000001.tar"]) and len({*asked}) == 4
        assert sum(1 for _, headers in site.requests if "range" in headers) == 1
        before = len(site.requests)
        scored = ("--eval_freq", "1", f"--eval_flags=--features random --phase train {shlex.join(flags[2:4])}")
        finish(1, command(tmp_path, "again", *flags, *scored))
        assert not [path for path, _ in site.requests[before:] if path.endswith(".tar")]
    finally:
        site.close()
    finish(1, command(tmp_path, "local", "--shards", str(packed), "--serial_batches", *scored))
    one, other = contents(tmp_path / "again"), contents(tmp_path / "local")
    assert differences(one["latest_net_G.pth"], other["latest_net_G.pth"]) == []
    logs = [(tmp_path / name / "scores.jsonl").read_text(encoding="utf-8") for name in ("again", "local")]
    of_remote, of_local = ([json.loads(line)["scores"] for line in log.splitlines()] for log in logs)
    assert of_remote == of_local and of_remote[0]["random_feature_distance"] > 0


@pytest.mark.parametrize("fault", ["no data file", "no server", "spoiled tar", "no tar"])
def test_faults_of_a_web_server_are_one_line(packed, tmp_path, fault):
    site = ArchiveServer()
    serve(site, packed)
    try:
        messages = {"no data file": "404", "no server": "cannot be fetched", "no tar": "404", "spoiled tar": "sha256"}
        if fault == "no data file":
            del site.files["/set/data.toml"]
        elif fault == "spoiled tar":
            content = bytearray(site.files["/set/train-000000.tar"])
            content[len(content) // 2] ^= 1
            site.files["/set/train-000000.tar"] = bytes(content)
        elif fault == "no tar":
            del site.files["/set/train-000000.tar"]
        url = "http://127.0.0.1:9" if fault == "no server" else site.url
        flags = ("--shards", f"{url}/set", "--cache_dir", str(tmp_path / "cache"), "--serial_batches")
        ((status, printed),) = run_together(1, train, command(tmp_path, "run", *flags))
    finally:
        site.close()
    assert status == 2 and "Traceback" not in printed
    assert messages[fault] in printed.strip().split("\n")[-1]


def test_an_interrupted_packing_goes_on_to_the_same_bytes(files, packed, tmp_path):
    """Killed after some tar; the same command writes what an uninterrupted one does."""
    argv = ["shards", str(tmp_path / "new"), *files, "--samples", "3", "--workers", "1"]
    process, _ = start(prepare, argv)
    with ended([process]):
        wait_for(lambda: (tmp_path / "new" / "train-000001.tar").exists() or not process.is_alive())
        process.kill()
        process.join()
    assert prepare(argv) == 0
    for path in packed.iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes(), path.name
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "new").glob("*.tar")}
    assert prepare(argv) == 0  # nothing is left to do
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "new").glob("*.tar")}
