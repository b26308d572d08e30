import numpy as np
import pytest
from PIL import Image

from data.ade20k import Ade20kDataset
from data.ade20k_outdoor import INDOOR, OUTDOOR, Ade20kOutdoorDataset, is_outdoor, list_path
from options.data_file import shipped_set
from scripts.prepare.outdoor import main
from util.errors import InputError

NAMES = tuple(row.name for row in shipped_set("ade20k").classes)


def scene(**pixels: int) -> np.ndarray:
    """A label map of 100 pixels, so many of each class; the rest is unknown."""
    ids = [NAMES.index(name.replace("_", " ")) for name, count in pixels.items() for _ in range(count)]
    return np.array(ids + [0] * (100 - len(ids)), dtype=np.uint8).reshape(10, 10)


def test_the_lists_are_classes_of_the_data_set_and_apart():
    assert set(OUTDOOR) | set(INDOOR) < set(NAMES)
    assert len(set(OUTDOOR)) == len(OUTDOOR) and len(set(INDOOR)) == len(INDOOR)
    assert not set(OUTDOOR) & set(INDOOR)


@pytest.mark.parametrize(
    ("pixels", "outdoor"),
    [
        ({"sky": 40, "building": 35, "grass": 15, "wall": 10}, True),
        ({"road": 50}, True),  # half of the label map, whatever the rest is
        ({"road": 49}, False),
        ({"sky": 60, "person": 40}, True),
        ({"building": 90, "ceiling": 2}, True),  # a room behind a shop window
        ({"building": 90, "ceiling": 3}, False),  # an atrium
        ({"windowpane": 30, "tree": 30, "wall": 20, "floor": 20}, False),  # a room with a view
        ({"bed": 30, "wall": 50, "floor": 20}, False),
        ({"wall": 100}, False),
        ({}, False),
    ],
)
def test_the_rule(pixels, outdoor):
    assert is_outdoor(scene(**pixels)) is outdoor


def test_real_scenes_are_told(shared_data):
    """Both are streets under the sky."""
    for path in sorted((shared_data / "ADEChallengeData2016" / "annotations" / "validation").glob("*.png")):
        assert is_outdoor(np.asarray(Image.open(path)))


@pytest.fixture
def tree(tmp_path, save, save_photo):
    """Three streets and a room for each part, in a stock tree."""
    scenes = {1: scene(sky=80), 2: scene(bed=80), 3: scene(sea=90), 10: scene(house=50, sky=20)}
    for split, folder in (("train", "training"), ("val", "validation")):
        for number, labels in scenes.items():
            save(
                tmp_path / "annotations" / folder / f"ADE_{split}_{number:08d}.png",
                np.kron(labels, np.ones((2, 2), np.uint8)),
            )
            save_photo(tmp_path / "images" / folder / f"ADE_{split}_{number:08d}.jpg", size=(20, 20))
    return tmp_path


@pytest.fixture
def options(tree, make_options):
    def make(**given):
        values = {
            "dataset_mode": "ade20k_outdoor",
            "dataroot": str(tree),
            "label_nc": 150,
            "contain_dontcare_label": True,
        }
        return make_options(**values | given)

    return make


def names(dataset) -> list[str]:
    return [paths.name for paths in dataset.paths]


def test_the_script_writes_what_the_data_set_reads(tree, options, capsys):
    main([str(tree)])
    assert f"{tree / 'outdoor_training.txt'}: 3 of 4 scenes" in capsys.readouterr().out
    dataset = Ade20kOutdoorDataset(options())
    assert names(dataset) == ["ADE_train_00000001", "ADE_train_00000003", "ADE_train_00000010"]
    assert dataset.class_names[dataset[1]["labels"][0, 0]] == "sea" and "image" in dataset[1]
    assert names(Ade20kOutdoorDataset(options(max_dataset_size=2))) == names(dataset)[:2]
    tested = Ade20kOutdoorDataset(options(is_train=False, phase="test"))
    assert names(tested) == ["ADE_val_00000001", "ADE_val_00000003", "ADE_val_00000010"]


def test_a_list_takes_the_place_of_such_lists_alone(tree):
    for _ in range(2):
        main([str(tree), "--workers", "1"])
    mine = tree / "outdoor_validation.txt"
    mine.write_text("ADE_val_00000002\n")
    (tree / "outdoor_training.txt").unlink()
    photo = tree / "images" / "training" / "ADE_train_00000001.jpg"
    for path, words in ((mine, []), (photo, [str(photo), "--phase", "train"])):
        before = path.read_bytes()
        with pytest.raises(InputError, match=rf"{path.name}: is there already and is no list of scripts"):
            main([str(tree), *words, "--workers", "1"])
        assert path.read_bytes() == before and not (tree / "outdoor_training.txt").exists()


def test_label_maps_alone_do(tree, options):
    for path in (tree / "images").rglob("*.jpg"):
        path.unlink()
    main([str(tree), "--phase", "val", "--workers", "1"])
    dataset = Ade20kOutdoorDataset(options(is_train=False, phase="test"))
    assert len(dataset) == 3 and set(dataset[0]) == {"name", "labels"}


def test_without_a_list_the_command_is_named_and_works(tree, options):
    with pytest.raises(
        InputError, match=r"outdoor_training\.txt: no such file.* python -m scripts\.prepare outdoor"
    ) as caught:
        Ade20kOutdoorDataset(options())
    words = str(caught.value).split("python -m scripts.prepare outdoor ")[1].split(" (or")[0]
    main([words, "--workers", "1"])
    assert len(Ade20kOutdoorDataset(options())) == 3


def test_a_list_of_your_own_goes_first(tree, options):
    mine = tree / "mine.txt"
    mine.write_text("ADE_train_00000002\nimages/training/ADE_train_00000010.jpg\n")
    assert names(Ade20kOutdoorDataset(options(file_list=str(mine)))) == ["ADE_train_00000002", "ADE_train_00000010"]


def test_one_part_elsewhere(tree, options):
    main([str(tree), str(tree / "lists" / "mine.txt"), "--phase", "train", "--workers", "1"])
    assert not list_path(tree, "train").exists()
    dataset = Ade20kDataset(options(dataset_mode="ade20k", file_list=str(tree / "lists" / "mine.txt")))
    assert names(dataset) == ["ADE_train_00000001", "ADE_train_00000003", "ADE_train_00000010"]
    with pytest.raises(SystemExit):
        main([str(tree), str(tree / "both.txt")])


def test_a_folder_that_cannot_be_written_names_the_way_out(tree):
    list_path(tree, "train").mkdir()
    with pytest.raises(
        InputError, match=r"outdoor_training\.txt: cannot be written .* OUT\.txt --phase train, .*file_list"
    ):
        main([str(tree), "--phase", "train", "--workers", "1"])


def test_a_stale_list_is_refused(tree, options):
    main([str(tree), "--workers", "1"])
    (tree / "annotations" / "training" / "ADE_train_00000003.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 names are not among the 3 samples \(ADE_train_00000003\)"):
        Ade20kOutdoorDataset(options())


def test_ids_of_another_edition_make_no_list(tree, save):
    ids = scene(sky=40).astype(int)
    save(tree / "annotations" / "training" / "ADE_train_9.png", np.where(ids, ids - 1, 255).astype(np.uint8))
    with pytest.raises(InputError, match=r"editions whose classes are 0\.\.149"):
        main([str(tree), "--workers", "1"])
    assert not (tree / "outdoor_training.txt").exists()


def test_rooms_only_make_a_list_that_says_so(tree, options, save, capsys):
    for path in (tree / "annotations" / "training").iterdir():
        save(path, scene(bed=90))
    main([str(tree), "--phase", "train", "--workers", "1"])
    assert capsys.readouterr().out.endswith("outdoor_training.txt: 0 of 4 scenes\n")
    with pytest.raises(InputError, match=r"outdoor_training\.txt: names no sample"):
        Ade20kOutdoorDataset(options())


def test_presets_are_those_of_ade20k_in_its_folder():
    own, stock = Ade20kOutdoorDataset.preset, Ade20kDataset.preset
    assert own.both == stock.both | {"dataroot": "./datasets/ade20k/"} and own.test == stock.test
