"""Files of a save: whole, and known to be, or not there."""

import json
import resource
import subprocess

import pytest
import torch

from trainers.saves import Saves
from util.errors import InputError

FACTS = {"labels": ["latest"], "processes": 1}


def content(value: float) -> dict:
    return {"net_G.pth": {"w": torch.full((1000,), value)}, "training_state.pth": {"steps": 1}}


def value_of(save) -> float:
    return float(torch.load(save.file("net_G.pth"), weights_only=True)["w"][0])


def files_below(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_newest_whole_save_is_found_and_old_ones_go(tmp_path):
    saves = Saves(tmp_path, keep=2)
    assert saves.newest_whole() is None
    for value in (1, 2, 3):
        saves.write(content(value), FACTS)
    assert value_of(saves.newest_whole()) == 3
    assert sorted(path.name for path in saves.folder.iterdir()) == ["000002", "000003"]
    manifest = json.loads((saves.folder / "000003" / "manifest.json").read_text())
    assert manifest["processes"] == 1
    for name, entry in manifest["files"].items():
        said = subprocess.run(["sha256sum", saves.folder / "000003" / name], capture_output=True, text=True)
        assert entry["sha256"] == said.stdout.split()[0]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "cut short": (cut, " bytes of "),
    "one bit": (flip_a_bit, "the checksum of net_G.pth is wrong"),
    "gone": (lambda path: path.unlink(), "net_G.pth: No such file"),
}


@pytest.mark.parametrize("damage, named", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_save_is_named_and_passed_over(tmp_path, capsys, damage, named):
    saves = Saves(tmp_path)
    saves.write(content(1), FACTS)
    damage(saves.write(content(2), FACTS).file("net_G.pth"))
    assert value_of(saves.newest_whole()) == 1
    warning = capsys.readouterr().err
    assert "000002 is damaged" in warning
    assert named in warning


def test_a_save_without_a_readable_manifest_is_none(tmp_path):
    saves = Saves(tmp_path)
    for spoil in (lambda path: path.unlink(), lambda path: path.write_text('{"files": {"net_G')):
        saves.write(content(1), FACTS)
        spoil(saves.write(content(2), FACTS).file("manifest.json"))
        assert value_of(saves.newest_whole()) == 1


def test_what_a_killed_process_left_is_removed_and_never_taken_for_a_save(tmp_path):
    saves = Saves(tmp_path)
    saves.write(content(1), FACTS)
    left = saves.folder / "000002.unfinished"
    left.mkdir()
    (left / "net_G.pth").write_bytes(b"half")
    assert value_of(saves.newest_whole()) == 1
    saves.write(content(2), FACTS)
    assert not left.exists()
    assert value_of(saves.newest_whole()) == 2


@pytest.fixture
def files_below_100_kb():
    """The system refuses to make larger ones, as when a quota is used up."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_save_that_cannot_be_written_leaves_all_as_it_was(tmp_path, files_below_100_kb):
    saves = Saves(tmp_path)
    saves.write(content(1), FACTS)
    before = files_below(tmp_path)
    with pytest.raises(InputError, match=r"000002: cannot be saved \(File too large\); earlier saves are kept"):
        saves.write({"net_G.pth": {"w": torch.zeros(100_000)}}, FACTS)
    assert files_below(tmp_path) == before


def test_a_full_disk_leaves_all_as_it_was(small_disk):
    folder = small_disk(size_mib=1)
    saves = Saves(folder)
    saves.write(content(1), FACTS)
    before = files_below(folder)
    with pytest.raises(InputError, match=r"cannot be saved \(No space left on device\)"):
        saves.write({"net_G.pth": {"w": torch.zeros(10)}, "net_D.pth": {"w": torch.zeros(500_000)}}, FACTS)
    assert files_below(folder) == before
    saves.write(content(2), FACTS)
    assert value_of(saves.newest_whole()) == 2


def test_names_stand_for_files_of_a_save(tmp_path):
    saves = Saves(tmp_path)
    for value in (1, 2):
        save = saves.write(content(value), FACTS)
        saves.publish(save, {"net_G.pth": ["latest_net_G.pth", f"{value}_net_G.pth"]})
        saves.publish(save, {"net_G.pth": ["latest_net_G.pth"]})  # again, as after an interruption
    values = {path.name: float(torch.load(path, weights_only=True)["w"][0]) for path in tmp_path.glob("*.pth")}
    assert values == {"latest_net_G.pth": 2, "1_net_G.pth": 1, "2_net_G.pth": 2}
    assert not list(tmp_path.glob(".*"))


def test_names_are_copies_where_there_are_no_links(tmp_path, monkeypatch):
    saves = Saves(tmp_path)
    save = saves.write(content(1), FACTS)
    monkeypatch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError("not supported")))
    saves.publish(save, {"net_G.pth": ["latest_net_G.pth"]})
    assert (tmp_path / "latest_net_G.pth").read_bytes() == save.file("net_G.pth").read_bytes()
    assert not (tmp_path / "latest_net_G.pth").samefile(save.file("net_G.pth"))
