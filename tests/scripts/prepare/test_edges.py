import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.id_maps import read_ids
from data.opening import orientation_of
from data.regions import connected_regions
from scripts.prepare.edges import main
from util.errors import InputError

pytestmark = pytest.mark.tools

LABELS = np.array([[0, 0, 1, 0], [2, 0, 1, 0], [2, 1, 1, 255]], dtype=np.uint8)


@pytest.fixture
def folders(tmp_path):
    """LABELS as LABELS/a/1.png and LABELS/b.png, and a folder for what is made of them."""
    for name in ("a/1.png", "b.png"):
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(LABELS).save(path)
    return tmp_path / "labels", tmp_path / "made"


def run(*words) -> None:
    main([str(word) for word in (*words, "--workers", 1)])


def test_files_are_16_bit_in_the_same_folders(folders):
    labels, made = folders
    run(labels, made)
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*.*")) == ["a/1.png", "b.png"]
    with Image.open(made / "b.png") as picture:
        assert picture.mode == "I;16"
    assert read_ids(made / "a" / "1.png").max() == 5


def test_more_than_255_regions_do_not_wrap(tmp_path):
    (tmp_path / "labels").mkdir()
    Image.fromarray((np.indices((20, 40)).sum(0) % 2).astype(np.uint8)).save(tmp_path / "labels" / "chess.png")
    run(tmp_path / "labels", tmp_path / "made")
    assert len(np.unique(read_ids(tmp_path / "made" / "chess.png"))) == 800


def test_what_16_bits_cannot_number_is_refused_by_name(tmp_path):
    (tmp_path / "labels").mkdir()
    Image.fromarray((np.indices((257, 256)).sum(0) % 2).astype(np.uint8)).save(tmp_path / "labels" / "noise.png")
    with pytest.raises(InputError, match=r"noise\.png: has 65792 regions, and 16 bits number 65535"):
        run(tmp_path / "labels", tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("spoil", ["cut", "empty", "gone"])
def test_a_second_run_makes_only_what_is_missing(folders, capsys, spoil):
    labels, made = folders
    run(labels, made)
    spoiled, kept = made / "a" / "1.png", (made / "b.png").stat().st_mtime_ns
    content = spoiled.read_bytes()
    if spoil == "gone":
        spoiled.unlink()
    else:
        spoiled.write_bytes(content[: len(content) // 2] if spoil == "cut" else b"")
    run(labels, made)
    assert spoiled.read_bytes() == content and (made / "b.png").stat().st_mtime_ns == kept
    assert capsys.readouterr().out.endswith("1 instance maps made, 1 were there\n")


def test_label_maps_are_never_written_over(folders):
    labels, _ = folders
    with pytest.raises(InputError, match="which holds the label maps; name another folder"):
        run(labels, labels / ".." / labels.name)
    assert (read_ids(labels / "b.png") == LABELS).all()


def test_what_cannot_be_written_is_named(folders):
    labels, made = folders
    (made / "b.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"b\.png: cannot be written \(Is a directory\)"):
        run(labels, made)
    assert not list(made.rglob("*.tmp"))


def test_several_processes_make_the_same(tmp_path):
    (tmp_path / "labels").mkdir()
    for number in range(40):
        Image.fromarray(np.full((3, number + 1), number, dtype=np.uint8)).save(tmp_path / "labels" / f"{number}.png")
    main([str(tmp_path / "labels"), str(tmp_path / "made"), "--workers", "2", "--ignore", "7"])
    for number in range(40):
        ids = read_ids(tmp_path / "made" / f"{number}.png")
        assert ids.shape == (3, number + 1) and (ids == (number != 7)).all()


def test_as_a_program_one_line_names_a_broken_file(folders):
    labels, made = folders
    (labels / "c.png").write_text("no image")
    command = [sys.executable, "-m", "scripts.prepare", "edges", labels, made]
    done = subprocess.run(command, cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert last.startswith(f"python -m scripts.prepare edges: error: {labels / 'c.png'}: cannot be read as an image")


def test_the_orientation_of_a_label_map_goes_with_its_regions(folders):
    labels, made = folders
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(LABELS).save(labels / "b.png", exif=exif)
    run(labels, made)
    assert [orientation_of(made / name) for name in ("a/1.png", "b.png")] == [1, 6]
    assert read_ids(made / "b.png").tolist() == connected_regions(LABELS).tolist()


def test_files_where_folders_are_wanted(tmp_path):
    label_map = tmp_path / "labels" / "a.png"
    label_map.parent.mkdir()
    Image.new("L", (8, 8)).save(label_map)
    for output in (label_map, label_map / "below"):
        with pytest.raises(InputError, match=r"is a file; name a folder to write to"):
            main([str(label_map.parent), str(output)])
    with pytest.raises(InputError, match=r"a\.png: is a file; give the folder; it should hold the label maps"):
        main([str(label_map), str(tmp_path / "out")])
