from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import Files
from data.pairs import SamplePaths, pair_files, select_listed
from util.errors import InputError


def paths(folder: str, *names: str) -> dict[str, Path]:
    return {name: Path(folder, f"{name}.png") for name in names}


@given(st.permutations(["1", "2", "10", "a/1"]))
def test_equal_names_pair_whatever_the_order(names):
    files = Files(paths("maps", "1", "2", "10", "a/1"), paths("photos", *names), paths("inst", *reversed(names)))
    for sample in pair_files(files, check_names=True, extras_allowed=False):
        assert sample.labels == Path("maps", f"{sample.name}.png")
        assert sample.image == Path("photos", f"{sample.name}.png")
        assert sample.instances == Path("inst", f"{sample.name}.png")


def test_report_counts_and_names_both_sides():
    files = Files(paths("maps", "1", "2", "3", "4", "5"), paths("photos", "5", "6"))
    with pytest.raises(InputError) as caught:
        pair_files(files, check_names=True, extras_allowed=False)
    message = str(caught.value)
    assert "maps and photos: 4 of 5 label maps have no photo (1, 2, 3, ...)" in message
    assert "1 of 2 photos have no label map (6)" in message
    assert "--no_pairing_check" in message
    assert "\n" not in message


def test_instance_maps_are_checked_too():
    files = Files(paths("maps", "1", "2"), paths("photos", "1", "2"), paths("inst", "1"))
    with pytest.raises(InputError, match=r"1 of 2 label maps have no instance map \(2\)"):
        pair_files(files, check_names=True, extras_allowed=False)


def test_extra_photos_are_left_alone_where_allowed_but_missing_ones_never():
    extra = Files(paths("maps", "1"), paths("photos", "1", "2"))
    assert [sample.image for sample in pair_files(extra, True, extras_allowed=True)] == [Path("photos/1.png")]
    with pytest.raises(InputError, match=r"1 of 2 photos have no label map \(2\)"):
        pair_files(extra, True, extras_allowed=False)
    with pytest.raises(InputError, match="1 of 2 label maps have no photo"):
        pair_files(Files(paths("maps", "1", "2"), paths("photos", "1")), True, extras_allowed=True)


def test_no_photos_at_all_are_none():
    (sample,) = pair_files(Files(paths("maps", "1")), check_names=True, extras_allowed=True)
    assert sample == ("1", Path("maps/1.png"), None, None)


def test_pairing_by_position_needs_equal_counts():
    files = Files(paths("maps", "a", "b"), paths("photos", "x", "y"))
    samples = pair_files(files, check_names=False, extras_allowed=False)
    assert [(sample.name, sample.image.stem) for sample in samples] == [("a", "x"), ("b", "y")]
    with pytest.raises(InputError, match="maps holds 2 label maps and photos 1 photos"):
        pair_files(Files(files.labels, paths("photos", "x")), check_names=False, extras_allowed=True)


# --file_list


@pytest.fixture
def write_list(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "list.txt").write_text(text, encoding="utf-8")
        return tmp_path / "list.txt"

    return write


STREETS = [
    SamplePaths(
        f"{city}/{city}_{frame}",
        Path("root/gtFine/val", city, f"{city}_{frame}_gtFine_labelIds.png"),
        Path("root/leftImg8bit/val", city, f"{city}_{frame}_leftImg8bit.png"),
        None,
    )
    for city in ("aachen", "bonn")
    for frame in ("2", "10")
]


def selected(samples: list[SamplePaths], file_list: Path) -> list[str]:
    return [sample.name for sample in select_listed(samples, file_list)]


@pytest.mark.parametrize(
    "line",
    [
        "bonn/bonn_2",
        "bonn/bonn_2.png",
        "bonn/bonn_2_gtFine_labelIds",
        "bonn/bonn_2_leftImg8bit.png",
        "val/bonn/bonn_2_leftImg8bit.png",
        "./root/gtFine/val/bonn/bonn_2_gtFine_labelIds.png",
        str(Path("root/gtFine/val/bonn/bonn_2_gtFine_labelIds.png").absolute()),
    ],
)
def test_a_list_names_samples_or_their_files(write_list, line):
    assert selected(STREETS, write_list(f"{line}\n")) == ["bonn/bonn_2"]


@pytest.mark.parametrize("line", ["bonn_2", "train/bonn/bonn_2_leftImg8bit.png", "bonn/bonn_1", "/bonn/bonn_2.png"])
def test_a_list_never_selects_another_file(write_list, line):
    with pytest.raises(InputError, match=r"list\.txt: 1 of 1 names are not among the 4 samples"):
        select_listed(STREETS, write_list(line))


def test_a_list_keeps_the_order_of_the_data_set_and_skips_comments_blanks_and_repetitions(write_list):
    text = "\ufeff# mine\r\n\r\nbonn/bonn_10\r\n  bonn/bonn_2 \r\nbonn/bonn_2.png\r\naachen/aachen_2"
    assert selected(STREETS, write_list(text)) == ["aachen/aachen_2", "bonn/bonn_2", "bonn/bonn_10"]


def test_dots_in_listed_names_are_no_extensions(write_list):
    samples = [SamplePaths(name, Path("maps", f"{name}.png"), None, None) for name in ("v1.2", "v1", "a.png", "a")]
    assert selected(samples, write_list("v1.2\na.png")) == ["v1.2", "a.png"]


def test_a_portrait_is_listed_by_its_name_or_its_folder(write_list):
    samples = [
        SamplePaths("2", Path("coco/train_label/2.png"), None, None),
        SamplePaths("portrait/2", Path("coco/train_portrait_label/2.png"), None, None),
    ]
    assert selected(samples, write_list("2")) == selected(samples, write_list("train_label/2.png")) == ["2"]
    for line in ("portrait/2", "coco/train_portrait_label/2.png"):
        assert selected(samples, write_list(line)) == ["portrait/2"]


def test_unknown_names_are_counted_with_near_matches(write_list):
    with pytest.raises(InputError) as caught:
        select_listed(STREETS, write_list("bonn/bonn_20\naachen/aachen_2\nx\ny\nz"))
    message = str(caught.value)
    assert "4 of 5 names are not among the 4 samples (bonn/bonn_20, x, y, ...)" in message
    assert "near matches of the first: bonn/bonn_2, bonn/bonn_10" in message
    assert "\n" not in message
    with pytest.raises(InputError, match=r"\(\?\?\); names are like aachen/aachen_2, "):
        select_listed(STREETS, write_list("??"))


def test_lists_that_cannot_be_used_are_named(write_list, tmp_path):
    with pytest.raises(InputError, match=r"list\.txt: names no sample; write one name a line"):
        select_listed(STREETS, write_list("# nothing\n\n"))
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read \(No such file"):
        select_listed(STREETS, tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory"):
        select_listed(STREETS, tmp_path)
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match=r"cannot be read \(not UTF-8"):
        select_listed(STREETS, tmp_path / "list.txt")
