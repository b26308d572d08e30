from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import Files
from data.pairs import pair_files
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
