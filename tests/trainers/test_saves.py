"""Files of a save: whole, and known to be, or not there."""

import itertools
import json
import os
import resource
import subprocess
import sys

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


@pytest.mark.system
def test_the_newest_intact_save_is_found_and_old_ones_go(tmp_path):
    saves = Saves(tmp_path, keep=2)
    assert saves.newest_intact() is None
    for value in (1, 2, 3):
        saves.write(content(value), FACTS)
    assert value_of(saves.newest_intact()) == 3
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
    assert value_of(saves.newest_intact()) == 1
    warning = capsys.readouterr().err
    assert "000002 is damaged" in warning
    assert named in warning


@pytest.mark.parametrize("damage, named", DAMAGES.values(), ids=DAMAGES)
def test_saves_that_are_all_damaged_are_refused_by_name(tmp_path, capsys, damage, named):
    saves = Saves(tmp_path)
    for value in (1, 2):
        damage(saves.write(content(value), FACTS).file("net_G.pth"))
    with pytest.raises(InputError) as refused:
        saves.newest_intact()
    for text in ("000001 is damaged", "000002 is damaged", named, "backup", "another --name", "--load_pretrained"):
        assert text in str(refused.value)
    assert capsys.readouterr().err == ""
    assert value_of(saves.write(content(3), FACTS)) == value_of(saves.newest_intact()) == 3


@pytest.mark.parametrize(
    "spoiled", [None, "", "[]", '{"files": []}', '{"files": {"net_G.pth": {"sha256": "0"}}}'], ids=repr
)
def test_a_single_save_without_a_readable_manifest_is_a_damaged_one(tmp_path, spoiled):
    path = Saves(tmp_path).write(content(1), FACTS).file("manifest.json")
    path.unlink() if spoiled is None else path.write_text(spoiled)
    with pytest.raises(InputError, match=r"000001 is damaged \(manifest.json is missing or cannot be read\)"):
        Saves(tmp_path).newest_intact()


def test_a_save_without_a_readable_manifest_is_none(tmp_path):
    saves = Saves(tmp_path)
    for spoil in (lambda path: path.unlink(), lambda path: path.write_text('{"files": {"net_G')):
        saves.write(content(1), FACTS)
        spoil(saves.write(content(2), FACTS).file("manifest.json"))
        assert value_of(saves.newest_intact()) == 1


def test_what_a_killed_process_left_is_removed_and_never_taken_for_a_save(tmp_path):
    saves = Saves(tmp_path)
    saves.write(content(1), FACTS)
    left = saves.folder / "000002.unfinished"
    left.mkdir()
    (left / "net_G.pth").write_bytes(b"half")
    assert value_of(saves.newest_intact()) == 1
    saves.write(content(2), FACTS)
    assert not left.exists()
    assert value_of(saves.newest_intact()) == 2


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
    assert value_of(saves.newest_intact()) == 2


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


CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree", "shutil.copyfile"}
"""What Python tells an audit hook before it changes something on the disk; it calls `open` for folders, too."""


def killed_before_change(number: int, job) -> bool:
    """Run `job` in a process of its own that ends without a word before its change `number` of the disk.

    Returns:
        whether it came to that.
    """
    if (process := os.fork()) == 0:
        changes = itertools.count(1)

        def count(event, args):
            if event in CHANGES and next(changes) == number:
                os._exit(9)

        sys.addaudithook(count)
        job()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_a_kill_at_any_moment_leaves_a_whole_save_and_nothing_that_the_next_one_does_not_remove(
    tmp_path, monkeypatch, links
):
    if not links:
        monkeypatch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError("not supported")))

    def save(value: int) -> None:
        saves = Saves(folder, keep=1)
        saves.publish(saves.write(content(value), FACTS), {"net_G.pth": ["latest_net_G.pth", f"{value}_net_G.pth"]})

    for number in itertools.count(1):
        folder = tmp_path / str(number)
        save(1)
        killed = killed_before_change(number, lambda: save(2))
        assert value_of(Saves(folder).newest_intact()) in (1, 2)
        save(3)
        (kept,) = (folder / "saves").iterdir()
        assert kept.name.isdecimal() and value_of(Saves(folder).newest_intact()) == 3
        names = {path.name for path in folder.iterdir()} - {"2_net_G.pth"}
        assert names == {"saves", "latest_net_G.pth", "1_net_G.pth", "3_net_G.pth"}
        if not killed:
            break
    assert number > 15


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text('{"files": {"net_G')])
def test_old_folders_go_whether_or_not_they_can_be_read(tmp_path, spoil):
    """As an earlier version left them when it was killed while it removed one."""
    saves = Saves(tmp_path, keep=2)
    spoil(saves.write(content(1), FACTS).file("manifest.json"))
    for value in (2, 3):
        saves.write(content(value), FACTS)
    assert sorted(path.name for path in saves.folder.iterdir()) == ["000002", "000003"]


def test_a_folder_that_has_not_got_its_name_yet_is_no_save(tmp_path):
    saves = Saves(tmp_path)
    for value in (1, 2):
        last = saves.write(content(value), FACTS)
    for ending in (".unfinished", ".removed"):
        last.path.rename(saves.folder / f"000002{ending}")
        assert value_of(Saves(tmp_path).newest_intact()) == 1
        (saves.folder / f"000002{ending}").rename(last.path)
