"""A user's own folders, however label maps, photos and instance maps lie in them."""

from pathlib import Path

import pytest

from data.custom import CustomDataset
from util.errors import InputError


@pytest.fixture
def read(make_options, tmp_path):
    """Read a custom data set from folders below `tmp_path`: (label map, photo, instance map) of each sample."""

    def read(label="", image="", instance=None, **given) -> list[tuple[str, ...]]:
        folders = {"label_dir": label, "image_dir": image, "instance_dir": instance}
        given |= {flag: str(tmp_path / folder) for flag, folder in folders.items() if folder is not None}
        dataset = CustomDataset(make_options(**given, instance=instance is not None))
        assert all(sample["labels"].shape == (16, 16) for sample in dataset)
        return [tuple(path.relative_to(tmp_path).as_posix() for path in paths.files) for paths in dataset.paths]

    return read


@pytest.fixture
def fill(tmp_path, save_ids, save_photo):
    """Write files: photos where the ending is .jpg or the like, or the name has "_photo", else maps."""

    def fill(*names: str) -> Path:
        for name in names:
            is_photo = Path(name).suffix.lower().startswith(".j") or "_photo" in name
            (save_photo if is_photo else save_ids)(tmp_path / name)
        return tmp_path

    return fill


def test_maps_beside_photos_of_the_same_names(fill, read):
    fill("cmp_b1.png", "cmp_b1.jpg", "x/cmp_b2.png", "x/cmp_b2.JPEG")
    (fill() / "cmp_b1.xml").write_text("<object/>")
    assert read() == [("cmp_b1.png", "cmp_b1.jpg"), ("x/cmp_b2.png", "x/cmp_b2.JPEG")]


@pytest.mark.parametrize(
    "names", [("1.jpg.png", "1.jpg"), ("1.tif", "1.webp"), ("1.bmp", "1.jfif"), ("1.webp", "1.jpg")]
)
def test_the_format_that_loses_less_is_the_map(fill, read, save_ids, tmp_path, names, make_options):
    fill(*names)
    options = make_options(label_dir=str(tmp_path), image_dir=str(tmp_path))
    (paths,) = CustomDataset(options).paths
    assert (paths.labels.name, paths.image.name) == names


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "1.tif"],  # which is which?
        ["1.png", "2.png"],  # each would be its own photo
        ["1.jpg", "2.jpg"],
        ["1.png", "2.jpg"],  # no name has both
        ["1.webp", "1.jpg", "2.png", "2.webp"],  # a map here, and a photo there
    ],
)
def test_endings_that_do_not_tell_maps_from_photos(fill, read, names):
    fill(*names)
    with pytest.raises(InputError, match=r"endings do not tell which is which; .*--label_suffix _mask.*two folders"):
        read()


def test_endings_seen_in_one_folder_are_named(fill, read):
    fill("1_mask.png", "1_sat.jpg", "2_mask.png", "2_sat.jpg")
    with pytest.raises(InputError, match="names here end with _mask or _sat"):
        read()
    expected = [(f"{i}_mask.png", f"{i}_sat.jpg") for i in "12"]
    assert read(label_suffix="_mask", image_suffix="_sat") == expected


def test_what_is_missing_in_one_folder_is_named(fill, read):
    fill("1.png", "1.jpg", "2.png", "2.jpg", "3.png", "4.jpg")
    with pytest.raises(
        InputError, match=r"1 of 3 label maps have no photo \(3\); 1 of 3 photos have no label map \(4\)"
    ):
        read()


def test_testing_takes_the_maps_of_a_mixed_folder(fill, read, capsys):
    root = fill("1.png", "1.jpg", "2.png", "2.jpg")
    assert read(image=None, is_train=False) == [("1.png",), ("2.png",)]
    assert f"{root}: 2 files are left out: JPEG" in capsys.readouterr().err


def test_suffixes_tell_files_of_one_folder_apart(fill, read):
    fill("1_mask.png", "1_photo.png", "1_inst.png", "2_mask.png", "2_photo.png", "2_inst.png")
    suffixes = {"label_suffix": "_mask", "image_suffix": "_photo", "instance_suffix": "_inst"}
    expected = [(f"{i}_mask.png", f"{i}_photo.png", f"{i}_inst.png") for i in "12"]
    assert read(instance="", **suffixes) == expected


def test_photos_without_a_suffix_are_those_that_have_no_other(fill, read):
    fill("1_mask.png", "1.jpg", "1_inst.png", "2_mask.png", "2.jpg", "2_inst.png")
    suffixes = {"label_suffix": "_mask", "instance_suffix": "_inst"}
    assert read(instance="", **suffixes) == [(f"{i}_mask.png", f"{i}.jpg", f"{i}_inst.png") for i in "12"]


def test_endings_tell_beside_instance_maps(fill, read):
    fill("1.png", "1.jpg", "1_inst.png")
    assert read(instance="", instance_suffix="_inst") == [("1.png", "1.jpg", "1_inst.png")]


def test_a_suffix_in_folders_of_their_own(fill, read, capsys):
    root = fill("maps/a/1_mask.png", "maps/a/1_overlay.png", "photos/a/1.jpg", "maps/2.jpg_mask.png", "photos/2.jpg")
    assert read("maps", "photos", label_suffix="_mask") == [
        ("maps/2.jpg_mask.png", "photos/2.jpg"),
        ("maps/a/1_mask.png", "photos/a/1.jpg"),
    ]
    expected = f"{root / 'maps'}: 1 file is left out, not named *_mask.* (1_overlay.png)"
    assert capsys.readouterr().err.count(expected) == 1


@pytest.mark.parametrize("suffix", ["_mask.png", "_mask"])
def test_a_suffix_may_come_with_the_ending(fill, read, suffix):
    fill("maps/1_mask.png", "photos/1.jpg")
    assert read("maps", "photos", label_suffix=suffix) == [("maps/1_mask.png", "photos/1.jpg")]


def test_a_suffix_that_is_too_short(fill, read):
    fill("maps/1_mask.png", "photos/1.jpg", "maps/2_mask.png", "photos/2.jpg")
    with pytest.raises(InputError, match=r"names would pair without _mask: .* add --label_suffix _mask"):
        read("maps", "photos", label_suffix="mask")


def test_a_suffix_that_no_file_has(fill, read):
    fill("maps/1_mask.png", "photos/1.jpg")
    with pytest.raises(InputError, match=r"no files \*_msk\.\* .*1 file is named otherwise \(1_mask\.png\)"):
        read("maps", "photos", label_suffix="_msk")


def test_folders_inside_one_another(fill, read):
    fill("1.jpg", "x/2.jpg", "masks/1.png", "masks/x/2.png", "masks/inst/1.png", "masks/inst/x/2.png")
    assert read("masks", "", "masks/inst") == [
        ("masks/1.png", "1.jpg", "masks/inst/1.png"),
        ("masks/x/2.png", "x/2.jpg", "masks/inst/x/2.png"),
    ]


def test_label_maps_may_be_their_own_instance_maps(fill, read):
    fill("maps/1.png", "photos/1.jpg")
    assert read("maps", "photos", "maps") == [("maps/1.png", "photos/1.jpg", "maps/1.png")]
