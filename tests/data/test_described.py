"""Data sets that a data file describes."""

import numpy as np
import pytest
from PIL import Image

from data import PRESETS, create_dataset
from data.cache import SampleCache
from data.read import read_labels
from options import TestOptions, TrainOptions, parse_options
from util.errors import InputError

CLASSES = """
unknown = 0
classes = [
  { id = 1, name = "road", color = [255, 0, 0] },
  { id = 3, name = "sky", color = [0, 0, 255] },
]
[train]
labels = "maps"
photos = "photos"
"""


@pytest.fixture
def folder(tmp_path):
    """Two samples of ids 0, 1, 3."""
    for kind in ("maps", "photos", "colors"):
        (tmp_path / kind).mkdir()
    ids = np.zeros((16, 16), np.uint8)
    ids[:8, :8], ids[8:] = 1, 3
    colors = np.zeros((16, 16, 3), np.uint8)
    colors[:8, :8, 0], colors[8:, :, 2] = 255, 255
    for name in ("a", "b"):
        Image.fromarray(ids).save(tmp_path / "maps" / f"{name}.png")
        Image.fromarray(colors).save(tmp_path / "photos" / f"{name}.png")
        Image.fromarray(colors).save(tmp_path / "colors" / f"{name}.png")
    return tmp_path


def dataset(folder, text=CLASSES, *words, program=TrainOptions):
    (folder / "data.toml").write_text(text)
    fixed = ["--data", str(folder / "data.toml"), "--crop_size", "16", "--preprocess_mode", "fixed", "--no_flip"]
    return create_dataset(parse_options(program, [*fixed, "--netG", "pix2pixhd", *words], PRESETS))


def test_any_value_can_mean_unknown(folder):
    samples = dataset(folder)
    assert samples.class_names == ("class 0", "road", "class 2", "sky", "unknown")
    labels = samples[0]["labels"]
    assert (labels[0, 0], labels[0, -1], labels[-1, 0]) == (1, 4, 3)


def test_colors_are_read_as_ids_and_others_are_refused(folder):
    text = CLASSES.replace("maps", "colors").replace("unknown", "colors_are_labels = true\nunknown")
    colored, plain = dataset(folder, text), dataset(folder)
    assert (colored[0]["labels"] == plain[0]["labels"]).all()
    assert (np.asarray(read_labels(folder / "colors" / "a.png", colored.ids)) == colored[0]["labels"].numpy()).all()
    with pytest.raises(InputError, match=r"has the color 0 0 255, which is not in .*toml"):
        dataset(folder, text.replace("[0, 0, 255]", "[0, 0, 254]"))[0]


def test_colors_without_class_are_unknown(folder):
    text = CLASSES.replace("maps", "colors").replace("unknown = 0", "colors_are_labels = true")
    text = text.replace('  { id = 1, name = "road", color = [255, 0, 0] },\n', "")
    samples = dataset(folder, "unknown_colors = [[255, 0, 0], [0, 0, 0]]\n" + text)
    assert samples.class_names[-1] == "unknown" and samples[0]["labels"].unique().tolist() == [3, 4]


def test_other_colors_have_other_entries_in_a_cache(folder):
    text = CLASSES.replace("maps", "colors").replace("unknown", "colors_are_labels = true\nunknown")
    colored = dataset(folder, text)
    others = text.replace("[255, 0, 0]", "[9, 9, 9]").replace("[0, 0, 255]", "[255, 0, 0]")
    swapped = dataset(folder, others.replace("[9, 9, 9]", "[0, 0, 255]"))
    caches = [SampleCache(folder / "cache", each.reader) for each in (colored, swapped)]
    first, second = (cache.get(colored.paths[0]).labels for cache in caches)
    assert first[0, 0] == 1 and second[0, 0] == 3


def test_ids_that_are_not_described_lead_to_the_file(folder):
    with pytest.raises(
        InputError, match=r"holds label 0, 3; ids must be 0..2 but for 0, or 255 for unknown \(these are"
    ):
        dataset(folder, CLASSES.replace("id = 3", "id = 2").replace("unknown = 0", "unknown = 255"))[0]


def test_ids_between_those_of_classes_are_refused(folder):
    (folder / "maps" / "b.png").unlink()
    ids = np.zeros((16, 16), np.uint8)
    ids[0, 0] = 2
    Image.fromarray(ids).save(folder / "maps" / "b.png")
    with pytest.raises(InputError, match=r"b.png holds label 2; ids must be 0..3 but for 2, or 0 for unknown"):
        dataset(folder)[1]


def test_folders_that_are_typed_for_a_training_keep_its_validation_apart(folder):
    text = CLASSES + "[val]\nfraction = 0.5\n"
    (folder / "data.toml").write_text(text)
    typed = ["--label_dir", str(folder / "maps"), "--image_dir", str(folder / "photos"), "--no_instance"]
    names = {paths.name for paths in dataset(folder, text, *typed).paths}
    assert names == {paths.name for paths in dataset(folder, text).paths} != {"a", "b"}


def test_a_list_names_the_samples_of_a_part(folder):
    (folder / "list.txt").write_text("b\n")
    assert [paths.name for paths in dataset(folder, CLASSES + 'file_list = "list.txt"').paths] == ["b"]


def test_a_fraction_of_few_samples_that_is_none_is_refused(folder):
    text = CLASSES + "[val]\nfraction = 0.0001\n"
    with pytest.raises(InputError, match=r"\[val\] has no sample, as its fraction of so few is none"):
        dataset(folder, text, program=TestOptions)
