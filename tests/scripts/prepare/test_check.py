"""The checker finds what would stop a training, and only that; each finding is provoked on a tiny custom data set."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import create_dataset
from data.palette import read_palette
from options import TrainOptions, parse_options
from scripts.prepare.check import PRESETS, main
from scripts.prepare.convert_labels import main as convert_labels
from util.errors import InputError

pytestmark = pytest.mark.tools

SHARED_DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
SIZE = 32


@pytest.fixture
def tree(tmp_path) -> Path:
    """Six samples that are fine with --label_nc 3: quarters of ids 0, 1, 2, 1."""
    for i in range(6):
        save(tmp_path / "maps" / f"{i}.png", quarters(0, 1, 2, 1))
        save(tmp_path / "photos" / f"{i}.jpg", np.full((SIZE, SIZE, 3), 40 * i))
    return tmp_path


def quarters(*values: int) -> np.ndarray:
    return np.array(values).reshape(2, 2).repeat(SIZE // 2, 0).repeat(SIZE // 2, 1)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def words(tree: Path, *more: str) -> list[str]:
    folders = ["--label_dir", str(tree / "maps"), "--image_dir", str(tree / "photos")]
    return ["--dataset_mode", "custom", *folders, "--label_nc", "3", *more]


def check(tree: Path, *more: str, workers: int = 1) -> tuple[int, dict]:
    """Exit status and JSON; and that the status is what training says, or 0 once a palette is written."""
    status = main([*words(tree, *more), "--json", str(tree / "report.json"), "--workers", str(workers)])
    report = json.loads((tree / "report.json").read_text())
    is_proposed = "--propose_palette" in more and Path(more[more.index("--propose_palette") + 1]).exists()
    assert status == (0 if report["runs"] or is_proposed else 1)
    return status, report


def trains(tree: Path, *more: str) -> bool:
    """Whether an epoch of the loader meets no error."""
    try:
        dataset = create_dataset(parse_options(TrainOptions, words(tree, *more), PRESETS))
        return all(dataset[i] for i in range(len(dataset)))
    except InputError:
        return False


def kinds(report: dict) -> list[str]:
    return sorted({problem["kind"] for problem in report["problems"]})


def warnings_of(report: dict) -> list[str]:
    return [warning["kind"] for warning in report["warnings"]]


def test_a_good_set_passes_with_exact_counts(tree, capsys):
    status, report = check(tree)
    assert status == 0 and report["problems"] == [] and report["warnings"] == []
    assert report["counts"] == {"labels": 6, "images": 6, "instances": 0, "samples": 6}
    quarter = 6 * SIZE * SIZE // 4
    assert [(row["value"], row["pixels"], row["fraction"], row["files"]) for row in report["values"]] == [
        (0, quarter, 0.25, 6),
        (1, 2 * quarter, 0.5, 6),
        (2, quarter, 0.25, 6),
    ]
    assert report["sizes"]["labels"] == [{"width": SIZE, "height": SIZE, "files": 6}] == report["sizes"]["images"]
    assert report["proposal"]["flags"] == "--label_nc 3 --no_instance"
    assert "training would run" in capsys.readouterr().out


def test_workers_find_the_same(tree):
    for i in range(6, 40):
        save(tree / "maps" / f"{i}.png", quarters(0, 1, 2, i % 5))
        save(tree / "photos" / f"{i}.jpg", np.zeros((SIZE, SIZE, 3)))
    assert check(tree, workers=2) == check(tree, workers=1)


def test_ids_out_of_range_are_counted_and_flags_proposed(tree, capsys):
    save(tree / "maps" / "2.png", quarters(0, 1, 7, 255))
    status, report = check(tree)
    assert status == 1 and kinds(report) == ["label_range"] and not trains(tree)
    (problem,) = report["problems"]
    assert problem["file"] == str(tree / "maps" / "2.png") and "holds label 7, 255" in problem["message"]
    assert [row["value"] for row in report["values"] if not row["allowed"]] == [7, 255]
    assert report["proposal"]["flags"] == "--label_nc 8 --contain_dontcare_label --no_instance"
    assert "OUT OF RANGE" in capsys.readouterr().out
    flags = report["proposal"]["flags"].split()
    status, report = check(tree, *flags)
    assert status == 0 and trains(tree, *flags)
    assert [row["value"] for row in report["unseen_classes"]] == [3, 4, 5, 6]
    assert report["values"][-1]["name"] == "unknown"


def test_all_problems_are_found_in_one_walk(tree, capsys):
    (tree / "photos" / "0.jpg").rename(tree / "photos" / "zero.jpg")
    (tree / "maps" / "1.png").write_bytes((tree / "maps" / "1.png").read_bytes()[:60])
    save(tree / "photos" / "2.jpg", np.zeros((SIZE, SIZE + 1, 3)))
    (tree / "photos" / "3.jpg").write_bytes(b"")
    save(tree / "maps" / "4.png", np.dstack([quarters(0, 128, 128, 0)] * 2 + [quarters(0, 0, 64, 0)]))
    save(tree / "maps" / "5.png", quarters(0, 1, 2, 3))
    status, report = check(tree)
    assert status == 1 and kinds(report) == ["color", "files", "label_range", "size", "unreadable"]
    assert report["unpaired"]["labels_without_image"] == ["0"]
    assert report["unpaired"]["images_without_labels"] == ["zero"]
    broken = [problem["file"] for problem in report["problems"] if problem["kind"] == "unreadable"]
    assert broken == [str(tree / "maps" / "1.png"), str(tree / "photos" / "3.jpg")]
    out = capsys.readouterr().out
    assert "labels without image: 1 (0)" in out and "training would NOT run: 6 problems" in out


def test_damage_that_still_decodes_is_found(tree):
    """The check sum of the pixels, not the pixels: Pillow reads them without a word."""
    path = tree / "maps" / "3.png"
    content = bytearray(path.read_bytes())
    content[-13] ^= 1  # IEND, with length and check sum, is 12 bytes
    path.write_bytes(content)
    status, report = check(tree)
    assert status == 1 and kinds(report) == ["unreadable"]
    assert report["problems"][0]["file"] == str(path)


def test_color_masks_lead_to_the_converter(tree, capsys):
    colors = {0: (0, 0, 0), 1: (200, 10, 10), 2: (10, 10, 200)}
    for i in range(6):
        picture = quarters(0, 1, 2, 1)
        save(tree / "maps" / f"{i}.png", np.array(list(colors.values()))[picture])
    status, report = check(tree, "--propose_palette", str(tree / "palette.txt"))
    assert status == 0 and not report["runs"] and kinds(report) == ["color"]
    assert {tuple(row["color"]) for row in report["colors"]} == set(colors.values())
    assert report["proposal"]["command"].startswith(f"python -m scripts.prepare convert_labels {tree / 'maps'} ")
    lines = (tree / "palette.txt").read_text().splitlines()
    assert lines[1:] == ["0 0 0 0 class 0", "1 10 10 200 class 1", "2 200 10 10 class 2"]

    from scripts.prepare.convert_labels import main as convert

    convert([str(tree / "maps"), str(tree / "ids"), "--palette", str(tree / "palette.txt")])
    (tree / "maps").rename(tree / "color")
    (tree / "ids").rename(tree / "maps")
    assert check(tree)[0] == 0


def test_asking_for_a_palette_that_there_is_not_changes_no_status(tree):
    assert check(tree, "--propose_palette", str(tree / "p.txt"))[0] == 0 and not (tree / "p.txt").exists()
    assert check(tree, "--label_nc", "2", "--propose_palette", str(tree / "p.txt"))[0] == 1


def test_a_palette_that_is_there_is_never_replaced(tree):
    save(tree / "maps" / "0.png", np.full((SIZE, SIZE, 3), (200, 10, 10)))
    palette = tree / "palette.txt"
    assert check(tree, "--propose_palette", str(palette))[0] == 0
    palette.write_text(palette.read_text().replace("class 0", "roof"))
    before = palette.read_bytes()
    line = r"--propose_palette .*palette\.txt: is there already.*; name another file, or delete it first"
    with pytest.raises(InputError, match=line):
        main(words(tree, "--propose_palette", str(palette)))
    assert palette.read_bytes() == before


def test_a_report_takes_the_place_of_reports_alone(tree):
    assert check(tree)[0] == 0 and check(tree, "--max_dataset_size", "2")[1]["counts"]["samples"] == 2
    photo = tree / "photos" / "0.jpg"
    annotations = tree / "annotations.json"
    annotations.write_text('{"images": [], "annotations": []}')
    for path in (photo, annotations):
        before = path.read_bytes()
        with pytest.raises(InputError, match=r"--json .*: is there already and is no report of scripts.prepare check"):
            main(words(tree, "--json", str(path)))
        assert path.read_bytes() == before


def test_photos_as_masks_are_not_a_palette(tree):
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3))
    save(tree / "maps" / "0.png", noise)
    status, report = check(tree)
    assert status == 1 and warnings_of(report) == ["smooth_colors"] and report["colors"] == []


def test_ids_saved_as_rgb_are_ids(tree):
    for i in range(6):
        save(tree / "maps" / f"{i}.png", np.dstack([quarters(0, 1, 2, 5)] * 3))
    status, report = check(tree)
    assert status == 1 and kinds(report) == ["label_range"] and report["colors"] == []
    assert report["proposal"]["flags"] == "--label_nc 6 --no_instance" and report["proposal"]["command"] is None
    assert check(tree, "--label_nc", "6")[0] == 0 and trains(tree, "--label_nc", "6")


def test_masks_all_in_black_keep_their_place_in_the_palette(tree):
    """Alone, such a mask could be an id map; among masks in colors it is none."""
    for i in range(6):
        save(tree / "maps" / f"{i}.png", np.zeros((SIZE, SIZE, 3)) if i == 3 else [[[200, 10, 10]] * SIZE] * SIZE)
    _, report = check(tree, "--propose_palette", str(tree / "palette.txt"))
    assert not report["runs"] and kinds(report) == ["color"] and report["proposal"]["command"]
    assert (tree / "palette.txt").read_text().splitlines()[1:] == ["0 0 0 0 class 0", "1 200 10 10 class 1"]


@pytest.mark.parametrize(("values", "step"), [((0, 255, 255, 0), "0 and 255"), ((0, 60, 120, 180), "multiples of 60")])
def test_stretched_ids_are_told_from_real_ones(tree, values, step):
    for i in range(6):
        save(tree / "maps" / f"{i}.png", quarters(*values))
    status, report = check(tree, "--label_nc", "256")
    assert status == 0 and warnings_of(report) == ["stretched"] and step in report["warnings"][0]["message"]
    assert check(tree)[0] == 1
    check(tree, "--propose_palette", str(tree / "p.txt"))
    assert (tree / "p.txt").read_text().splitlines()[2].startswith("1 ")


def test_palettes_that_differ_between_files_are_doubted(tree):
    for i, colors in enumerate([[(0, 0, 0), (255, 0, 0), (0, 0, 255)]] * 5 + [[(0, 0, 255), (255, 0, 0), (0, 0, 0)]]):
        picture = Image.fromarray(quarters(0, 1, 2, 1).astype(np.uint8))
        picture.putpalette([channel for color in colors for channel in color])
        picture.save(tree / "maps" / f"{i}.png")
    status, report = check(tree)
    assert status == 0 and warnings_of(report) == ["palettes_differ"] and report["warnings"][0]["files"] == ["5"]
    assert "scripts.prepare convert_labels" in report["proposal"]["command"]


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save_indexed(path: Path, *colors: tuple[int, int, int]) -> None:
    """Quarters of indices 0, 1, 2, 1 in these colors."""
    picture = Image.fromarray(quarters(0, 1, 2, 1).astype(np.uint8))
    picture.putpalette([channel for color in colors for channel in color])
    picture.save(path)


@pytest.mark.parametrize("is_rgb", [False, True])
def test_a_proposed_palette_has_the_colors_of_all_palettes_and_masks(tree, is_rgb):
    """Palettes that differ; in the second case masks in RGB, and one in gray, lie among those with palettes."""
    save_indexed(tree / "maps" / "0.png", (0, 0, 0), RED, BLUE)
    for i in range(1, 6):
        save_indexed(tree / "maps" / f"{i}.png", (0, 0, 0), GREEN, (9, i, 9))
    if is_rgb:
        save(tree / "maps" / "4.png", np.full((SIZE, SIZE, 3), (7, 8, 9)))
        save(tree / "maps" / "5.png", quarters(0, 50, 0, 50))
    main([*words(tree), "--propose_palette", str(tree / "p.txt"), "--workers", "1"])
    expected = {(0, 0, 0), RED, BLUE, GREEN, *((9, i, 9) for i in range(1, 4 if is_rgb else 6))}
    found = read_palette(tree / "p.txt").entries
    assert {entry.color for entry in found} == expected | ({(7, 8, 9), (50, 50, 50)} if is_rgb else set())
    assert [entry.id for entry in found] == list(range(len(found)))
    convert_labels([str(tree / "maps"), str(tree / "ids"), "--palette", str(tree / "p.txt"), "--workers", "1"])
    assert len(list((tree / "ids").iterdir())) == 6


def test_a_proposed_palette_keeps_the_indices_of_palettes_that_agree(tree):
    for i in range(6):
        save_indexed(tree / "maps" / f"{i}.png", RED, (0, 0, 0), GREEN)
    assert check(tree, "--propose_palette", str(tree / "p.txt"))[0] == 0
    assert [(entry.id, entry.color) for entry in read_palette(tree / "p.txt").entries] == [
        (0, RED),
        (1, (0, 0, 0)),
        (2, GREEN),
    ]


def test_smoothed_maps_are_doubted_and_sharp_ones_not(tree):
    ids = Image.fromarray(np.random.default_rng(0).integers(0, 150, (4, 4), dtype=np.uint8))
    ids.resize((SIZE, SIZE), Image.Resampling.NEAREST).save(tree / "maps" / "0.png")
    ids.resize((SIZE, SIZE), Image.Resampling.BILINEAR).save(tree / "maps" / "1.png")
    _, report = check(tree, "--label_nc", "256")
    assert [warning["files"] for warning in report["warnings"]] == [["1"]]


def test_instances(tree):
    for i in range(6):
        save(tree / "inst" / f"{i}.png", np.full((SIZE, SIZE), 3))
    more = ("--instance_dir", str(tree / "inst"))
    status, report = check(tree, *more)
    assert status == 0 and warnings_of(report) == ["constant_instances"] and report["counts"]["instances"] == 6
    save(tree / "inst" / "1.png", np.zeros((8, 8)))
    (tree / "inst" / "2.png").unlink()
    status, report = check(tree, *more)
    assert status == 1 and kinds(report) == ["files", "size"]
    assert report["unpaired"]["labels_without_instances"] == ["2"]


def test_a_missing_folder_does_not_stop_the_walk(tree):
    (tree / "maps").rename(tree / "train_label")
    (tree / "photos").rename(tree / "train_img")
    save(tree / "train_label" / "0.png", quarters(0, 1, 2, 200))
    status = main(["--dataset_mode", "coco", "--dataroot", str(tree), "--json", str(tree / "r.json")])
    report = json.loads((tree / "r.json").read_text())
    assert status == 1 and kinds(report) == ["files", "label_range"]
    assert "train_inst: no such folder" in report["problems"][0]["message"]
    assert report["proposal"]["flags"] == "--label_nc 182 --contain_dontcare_label --no_instance"


@pytest.mark.parametrize(
    ("mode", "folders", "values", "words"),
    [
        ("ade20k", ("annotations/training", "images/training"), (0, 7, 149, 255), "editions whose classes are 0..149"),
        ("ade20k", ("annotations/training", "images/training"), (0, 0, 255, 255), "wanted are the annotations of ADE"),
        ("ade20k", ("annotations/training", "images/training"), (0, 7, 151, 9), "ADE20K has the ids 0 for unknown and"),
        ("coco", ("train_label", "train_img"), (0, 92, 120, 183), "182 and 183 are of COCO's stuff-only maps"),
        ("coco", ("train_label", "train_img"), (1, 90, 120, 182), "numbers of COCO's categories, 1..182"),
        ("coco", ("train_label", "train_img"), (1, 90, 120, 200), "COCO-Stuff has the ids 0..181"),
        ("cityscapes", ("gtFine/train/a", "leftImg8bit/train/a"), (0, 7, 18, 255), "255 is unknown among train ids"),
        ("flickr", ("train_label", "train_img"), (0, 92, 120, 183), "the network of the paper gives the ids 0..181"),
    ],
)
def test_other_editions_are_named_and_no_flags_proposed(tmp_path, capsys, mode, folders, values, words):
    endings = ("_gtFine_labelIds.png", "_leftImg8bit.png") if mode == "cityscapes" else (".png", ".jpg")
    for i in range(16):
        save(tmp_path / folders[0] / f"{i}{endings[0]}", quarters(*values))
        save(tmp_path / folders[1] / f"{i}{endings[1]}", np.zeros((SIZE, SIZE, 3)))
    words_given = ["--dataset_mode", mode, "--dataroot", str(tmp_path), "--no_instance"]
    assert main([*words_given, "--json", str(tmp_path / "r.json"), "--workers", "1"]) == 1
    report, said = json.loads((tmp_path / "r.json").read_text()), capsys.readouterr().out
    assert kinds(report) == ["label_range"] and all(words in problem["message"] for problem in report["problems"])
    assert "flags for these files" not in said and "(add " not in said
    with pytest.raises(InputError, match=re.escape(words)):
        create_dataset(parse_options(TrainOptions, words_given, PRESETS))[0]


def test_a_data_set_laid_out_like_a_published_one_has_ids_of_its_own(tree, capsys):
    (tree / "maps").rename(tree / "train_label")
    (tree / "photos").rename(tree / "train_img")
    save(tree / "train_label" / "0.png", quarters(0, 1, 2, 183))
    given = ["--dataset_mode", "coco", "--dataroot", str(tree), "--no_instance", "--workers", "1"]
    assert main([*given, "--label_nc", "3"]) == 1
    said = capsys.readouterr().out
    assert "(add --label_nc 184?)" in said and "flags for these files: --label_nc 184" in said
    assert main([*given, "--label_nc", "184"]) == 0


def test_sizes_that_do_not_suit_the_mode_are_named(tree):
    save(tree / "maps" / "4.png", np.zeros((16, 16)))
    save(tree / "photos" / "4.jpg", np.zeros((16, 16, 3)))
    more = ("--preprocess_mode", "crop", "--crop_size", "32")
    status, report = check(tree, *more)
    assert status == 1 and kinds(report) == ["preprocess"] and not trains(tree, *more)
    assert report["problems"][0]["file"] == str(tree / "maps" / "4.png")


def turned_photo(path: Path, size: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photos_with_an_orientation_are_counted_whatever_their_shape(tree, capsys, orientation):
    for i in (1, 4):
        turned_photo(tree / "photos" / f"{i}.jpg", (SIZE, SIZE), orientation)
    status, report = check(tree)
    assert status == 0 and warnings_of(report) == ["exif_orientation"]
    assert report["warnings"][0]["files"] == ["1", "4"]
    assert "warning: 2 of 6 photos (1, 4) have an EXIF orientation" in capsys.readouterr().out
    status, report = check(tree, "--apply_exif")
    assert status == 0 and warnings_of(report) == [] and report["options"]["apply_exif"] is True


def test_photos_on_their_side(tree):
    save(tree / "maps" / "0.png", np.zeros((20, 10)))
    turned_photo(tree / "photos" / "0.jpg", (20, 10), 6)
    status, report = check(tree)
    assert status == 1 and kinds(report) == ["size"] and not trains(tree)
    assert "(the EXIF orientation of 0.jpg says to turn it by 90 degrees: --apply_exif does so)" in str(report)
    assert check(tree, "--apply_exif")[0] == 0 and trains(tree, "--apply_exif")


def test_label_maps_with_an_orientation_are_counted_too(tree):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(quarters(0, 1, 2, 1).astype(np.uint8)).save(tree / "maps" / "2.png", exif=exif)
    status, report = check(tree)
    assert status == 0 and "1 of 6 label maps (2) have an EXIF orientation" in report["warnings"][0]["message"]


@pytest.mark.parametrize("value", [21845, 26001])
def test_no_network_of_thousands_of_classes_is_proposed_for_instance_maps(tree, value):
    Image.fromarray(quarters(0, 1, 2, value).astype(np.uint16)).save(tree / "maps" / "3.png")
    status, report = check(tree)
    assert status == 1 and warnings_of(report) == ["instance_ids"]
    assert report["proposal"]["flags"] == "--label_nc 3 --no_instance"


def test_deep_photos(tree):
    (tree / "photos" / "1.jpg").unlink()
    Image.fromarray(np.full((SIZE, SIZE), 3000, dtype=np.uint16)).save(tree / "photos" / "1.png")
    status, report = check(tree)
    assert status == 0 and warnings_of(report) == ["deep_photos"]
    assert report["warnings"][0]["message"].startswith("1 of 6 photos (1) come out dark")
    assert report["warnings"][0]["files"] == ["1"]


def test_photos_of_16_bits_that_use_them_are_fine(tree):
    (tree / "photos" / "1.jpg").unlink()
    Image.fromarray(np.full((SIZE, SIZE), 30000, dtype=np.uint16)).save(tree / "photos" / "1.png")
    status, report = check(tree)
    assert status == 0 and warnings_of(report) == []


def test_photos_with_transparent_pixels_are_counted(tree):
    for i in (1, 4):
        (tree / "photos" / f"{i}.jpg").unlink()
        save(tree / "photos" / f"{i}.png", np.dstack([quarters(9, 1, 2, 1)] * 3 + [quarters(255, 255, 0, 255)]))
    status, report = check(tree)
    assert status == 0 and warnings_of(report) == ["transparent_photos"]
    assert report["warnings"][0]["message"].startswith("2 of 6 photos (1, 4) are transparent in places")


def test_files_that_hold_no_ids_are_named_with_what_they_hold(tree):
    pages = [Image.fromarray(quarters(0, 1, 2, n).astype(np.uint8)) for n in range(3)]
    (tree / "maps" / "0.png").unlink()
    pages[0].save(tree / "maps" / "0.tiff", save_all=True, append_images=pages[1:])
    (tree / "maps" / "1.png").unlink()
    Image.fromarray(quarters(0, 1, 2, 1) + np.float32(0.5)).save(tree / "maps" / "1.tiff")
    Image.fromarray(quarters(0, 1, 2, 1).astype(np.uint8)).convert("LA").save(tree / "maps" / "2.png")
    alpha = np.dstack([quarters(0, 1, 2, 1), quarters(0, 255, 255, 255)])
    save(tree / "maps" / "3.png", alpha)
    (tree / "photos" / "4.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    status, report = check(tree)
    said = {Path(problem["file"]).name: (problem["kind"], problem["message"]) for problem in report["problems"]}
    assert status == 1 and not trains(tree)
    assert {name: kind for name, (kind, _) in said.items()} == {
        "0.tiff": "frames", "1.tiff": "not_ids", "3.png": "not_ids", "4.jpg": "unreadable",
    }  # fmt: skip
    words = {
        "0.tiff": "holds 3 pages",
        "1.tiff": "no whole numbers",
        "3.png": "is transparent",
        "4.jpg": "git lfs pull",
    }
    assert all(word in said[name][1] for name, word in words.items())
    assert report["proposal"]["command"] is None and report["colors"] == []


def test_fewer_samples_than_a_batch(tree):
    assert check(tree, "--batch_size", "6")[0] == 0
    status, report = check(tree, "--batch_size", "7")
    assert status == 1 and kinds(report) == ["batch"] and "use --batch_size 6" in report["problems"][0]["message"]


def test_max_dataset_size_and_file_list_are_followed(tree):
    save(tree / "maps" / "5.png", quarters(9, 9, 9, 9))
    assert check(tree)[0] == 1
    assert check(tree, "--max_dataset_size", "5")[0] == 0
    (tree / "list.txt").write_text("1\n3\n")
    status, report = check(tree, "--file_list", str(tree / "list.txt"))
    assert status == 0 and report["counts"]["samples"] == 2
    (tree / "list.txt").write_text("1\nx\n")
    assert kinds(check(tree, "--file_list", str(tree / "list.txt"))[1]) == ["files", "label_range"]


def test_validation_needs_no_photos(tree, capsys):
    arguments = ["--dataset_mode", "custom", "--label_dir", str(tree / "maps"), "--label_nc", "3", "--phase", "val"]
    assert main(arguments) == 0
    assert "testing would run" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(arguments[:-2])
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", ["--dataset_mode nothing", "--label_ncc 3", "--dataset_mode custom --workers x"])
def test_wrong_command_lines_are_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    assert caught.value.code == 2 and "error:" in capsys.readouterr().err


def test_landscapes_have_nothing_to_check(capsys):
    assert main(["--dataset_mode", "landscapes"]) == 0
    assert "no files to check" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        ("--dataset_mode coco --dataroot {}/coco_stuff", [13, 13, 13]),
        ("--dataset_mode coco --dataroot {}/coco_stuff --phase val", [4, 4, 4]),
        ("--dataset_mode cityscapes --dataroot {}/cityscapes --phase val --max_dataset_size 1", [3, 0, 3]),
        ("--dataset_mode ade20k --dataroot {}/ADEChallengeData2016 --phase val", [2, 2, 0]),
    ],
)
def test_real_files(tmp_path, arguments, counts):
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder with real data set files is not beside the repository")
    path = tmp_path / "report.json"
    assert main([*arguments.format(SHARED_DATA).split(), "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert [report["counts"][kind] for kind in ("labels", "images", "instances")] == counts
    assert report["problems"] == [] and report["warnings"] == []
