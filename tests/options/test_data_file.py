"""`--data FILE`: reading, refusing, writing, and what follows for options."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from options import OptionError, TestOptions, TrainOptions, parse_options
from options.data_file import describe_the_same, folders, read_data_file
from options.data_file_text import data_file_text
from options.description import ClassRow, DataFile, Part

STREETS = """
name = "streets"
unknown = 200
classes = [
  { id = 0, name = "road", color = [128, 64, 128] },
  { id = 3, name = "sky" },
]

[train]
labels = "train_labels"
photos = "/photos"

[val]
labels = "val_labels"
photos = "val_photos"

[options]
crop_size = 128
"""


@pytest.fixture
def streets(tmp_path):
    path = tmp_path / "streets" / "data.toml"
    path.parent.mkdir()
    path.write_text(STREETS)
    return path


def test_folders_are_relative_to_the_file(streets):
    description = read_data_file(streets)
    assert description.parts["train"] == Part(str(streets.parent / "train_labels"), "/photos")
    assert description.classes == (ClassRow(0, "road", (128, 64, 128)), ClassRow(3, "sky"))


def test_classes_and_folders_give_the_defaults_of_options(streets, parse_train, parse_test):
    opt = parse_train(f"--data {streets}")
    assert (opt.dataset_mode, opt.label_nc, opt.contain_dontcare_label, opt.instance) == ("custom", 4, True, False)
    assert opt.crop_size == 128 and opt.load_size == 143  # in the ratio of the preset
    assert folders(opt) == {"labels": str(streets.parent / "train_labels"), "photos": "/photos"}
    assert folders(parse_test(f"--data {streets}"))["labels"] == str(streets.parent / "val_labels")
    assert folders(parse_test(f"--data {streets} --phase train"))["photos"] == "/photos"
    assert parse_train(f"--data {streets} --label_nc 9 --crop_size 64").label_nc == 9


def test_typed_label_maps_replace_those_of_the_file_and_their_photos(streets, parse_test):
    assert folders(parse_test(f"--data {streets} --label_dir x")) == {"labels": "x"}
    assert parse_test(f"--data {streets} --label_dir x").label_nc == 4


def test_a_known_data_set_is_meant_by_its_name(parse_train):
    opt = parse_train("--data coco")
    assert (opt.dataset_mode, opt.label_nc, opt.data) == ("coco", 182, None)


def test_a_run_is_tested_with_its_own_copy(streets, parse_train, parse_test, tmp_path):
    opt = parse_train(f"--name run --data {streets}")
    opt.save(opt.run_dir / "options.json")
    (opt.run_dir / "data.toml").write_text(STREETS.replace("val_labels", "/copied"))
    streets.unlink()
    tested = parse_test("--name run")
    assert (tested.label_nc, folders(tested)["labels"]) == (4, "/copied")
    resumed = parse_train("--name run --continue_train")
    assert resumed.data == tested.data == "checkpoints/run/data.toml"


def test_a_copy_of_a_data_file_is_no_change(streets, parse_train, tmp_path):
    description = read_data_file(streets)
    copy = tmp_path / "copy.toml"
    copy.write_text(data_file_text(description))
    assert describe_the_same(str(streets), str(copy), str(streets)) and not describe_the_same(str(streets), None)
    run = tmp_path / "options.json"
    parse_train(f"--data {copy}").save(run)
    again = parse_train(f"--data {streets}")
    assert again.changes_since(run) == []
    copy.write_text(copy.read_text().replace("sky", "clouds"))
    assert again.changes_since(run) == [f"--data {copy} -> --data {streets}"]
    copy.unlink()
    assert not describe_the_same(str(streets), str(tmp_path / "absent.toml"))


def test_a_part_that_is_missing_is_named_with_what_to_do(streets, refused, parse_test):
    streets.write_text(STREETS.partition("[val]")[0])
    line = refused(parse_test, f"--data {streets}")
    assert line.endswith(f"{streets} describes [train]; write a [val] into it, or add --label_dir FOLDER")


def test_two_data_sets_are_refused(streets, refused, parse_train):
    line = refused(parse_train, f"--data {streets} --dataset_mode coco")
    assert "is a data set of its own; leave out --dataset_mode coco, or --data" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes", "is no TOML file"),
        ("clases = []", "clases: no such key; there are classes,"),
        ("classes = []", "classes: must be a list of { id = 0"),
        ('classes = [{ name = "a" }]', "classes[0].id: is missing"),
        ("classes = [{ id = -1 }]", "classes[0].id: must be a whole number, 0..65535"),
        ('classes = [{ id = 1, name = "a" }, { id = 2, name = "a" }]', "classes: two are called a"),
        ("classes = [{ id = true }]", "classes[0].id: must be a whole number"),
        ("classes = [{ id = 1 }, { id = 1 }]", "class 1 and class 1 have one id, 1"),
        ("classes = [{ id = 1, color = [1, 2, 256] }]", "classes[0].color: must be three whole numbers, 0..255"),
        ("unknown = 1\nclasses = [{ id = 1 }]", "unknown: 1 is the id of class 1; leave one of them out"),
        ('like = "cocoa"', "like: 'cocoa' must be one of ade20k, "),
        ('[train]\nlabels = "a"', "train.photos: is missing, the folder of photos"),
        ('[train]\nphotos = "a"', "train.labels: is missing"),
        ('[val]\nlabels = ""', "val.labels: is empty"),
        ("[val]\nfraction = 0.1", "fraction: is a part of [train], which is missing"),
        ("[val]\nfraction = 1.5", "val.fraction: must be a number above 0 and below 1"),
        ('[val]\nfraction = 0.5\nlabels = "a"', "val: has fraction, a part of [train], and labels; leave one out"),
        ("colors_are_labels = true\nclasses = [{ id = 0 }]", "colors_are_labels: class 0 has no color"),
        (
            "unknown_colors = [[1, 2]]\ncolors_are_labels = true",
            "unknown_colors[0]: must be three whole numbers, 0..255",
        ),
        ("unknown_colors = [[1, 2, 3]]", "add colors_are_labels = true"),
        ("[options]\ncrop = 3", None),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, text, words):
    path = tmp_path / "data.toml"
    path.write_text(text)
    if words is None:  # presets may have options that a program lacks
        assert read_data_file(path).preset.both == {"crop": 3}
        return
    with pytest.raises(OptionError, match=re.escape(words)) as caught:
        read_data_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(refused, parse_train):
    assert "--data cocoa: there is no such file, nor a data set of that name; did you mean coco?" in refused(
        parse_train, "--data cocoa"
    )


def test_classes_of_a_known_data_set_are_reused(tmp_path, parse_train):
    path = tmp_path / "data.toml"
    path.write_text('like = "ade20k"\n[train]\nlabels = "l"\nphotos = "p"\ninstances = "i"')
    opt = parse_train(f"--data {path}")
    assert (opt.label_nc, opt.contain_dontcare_label, opt.instance, len(read_data_file(path).classes)) == (
        150, True, True, 151,
    )  # fmt: skip


FRACTIONS = DataFile(
    path=None, name="", parts={"train": Part("l", "p"), "val": Part(fraction=0.25), "test": Part(fraction=0.25)}
)


@given(st.lists(st.text(), unique=True))
def test_fractions_divide_the_samples(names):
    for name in names:
        assert [FRACTIONS.has(part, name) for part in FRACTIONS.parts].count(True) == 1


def test_fractions_are_as_large_as_asked_and_depend_on_the_seed():
    names = [f"photo_{number}" for number in range(4000)]
    chosen = {part: {name for name in names if FRACTIONS.has(part, name)} for part in FRACTIONS.parts}
    assert [abs(len(chosen[part]) - size) < 120 for part, size in (("train", 2000), ("val", 1000), ("test", 1000))]
    other = DataFile(path=None, name="", parts=FRACTIONS.parts, split_seed=1)
    assert {name for name in names if other.has("val", name)} != chosen["val"]


@given(
    st.builds(
        DataFile,
        path=st.none(),
        name=st.text(st.characters(exclude_categories=["Cs"])),
        classes=st.lists(
            st.builds(ClassRow, st.integers(0, 65535), st.text(st.characters(exclude_categories=["Cs"])),
                      st.none() | st.tuples(*[st.integers(0, 255)] * 3)),
            min_size=1, unique_by=(lambda row: row.id, lambda row: row.name),
        ).map(tuple),
        unknown=st.none(),
        split_seed=st.integers(0, 9),
        parts=st.just({"train": Part("/l", "/p"), "val": Part(fraction=0.5)}),
    )
)  # fmt: skip
def test_what_is_written_is_read(tmp_path_factory, description):
    path = tmp_path_factory.mktemp("data") / "data.toml"
    path.write_text(data_file_text(description, {"name": "a comment"}), encoding="utf-8")
    read = read_data_file(path)
    for field in ("name", "classes", "unknown", "split_seed", "parts"):
        assert getattr(read, field) == getattr(description, field)


# --config


def test_a_config_file_gives_options_below_those_typed(tmp_path, parse_train, parse_test):
    path = tmp_path / "mine.toml"
    path.write_text('ngf = 16  # small\nno-flip = true\nlr = 1\ngpu_ids = 0\nhow_many = 3\nnThreads = 2\nname = "x"')
    opt = parse_train(f"--config {path} --lr 0.5")
    assert (opt.ngf, opt.flip, opt.lr, opt.gpu_ids, opt.num_workers, opt.name) == (16, False, 0.5, "0", 2, "x")
    assert parse_test(f"--config {path}").how_many == 3  # of another program than train.py


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ngff = 1", "ngff: no such option; did you mean ngf"),
        ("ngf = 1.5", "ngf 1.5: must be an integer"),
        ('ngf = "many"', "ngf many: must be an integer"),
        ("flip = 1", "flip 1: must be true or false"),
        ("ngf", "is no TOML file"),
    ],
)
def test_mistakes_in_a_config_file_are_named(tmp_path, text, words, refused, parse_train):
    (tmp_path / "mine.toml").write_text(text)
    line = refused(parse_train, f"--config {tmp_path / 'mine.toml'}")
    assert f"{tmp_path / 'mine.toml'}" in line and words in line


def test_options_of_any_run_are_a_config(tmp_path, parse_train, parse_test, presets, refused):
    flags = "--dataset_mode coco --ngf 16 --niter 3 --no_flip --use_vae --name old --continue_train".split()
    parse_options(TrainOptions, flags, presets).save(tmp_path / "o.json")
    opt = parse_train(f"--config {tmp_path / 'o.json'} --niter 5")
    assert (opt.ngf, opt.niter, opt.flip, opt.use_vae, opt.dataset_mode) == (16, 5, False, True, "coco")
    assert opt.name == "label2coco" and not opt.continue_train  # of that session
    assert parse_options(TestOptions, ["--config", str(tmp_path / "o.json")], presets).ngf == 16
    parse_train("--name other --ngf 32").save(tmp_path / "checkpoints" / "other" / "options.json")
    line = refused(parse_test, f"--name other --config {tmp_path / 'o.json'}")
    assert "has --dataset_mode" not in line and "leave --config out, or use another --name" in line


def test_a_config_that_is_no_run_is_refused(tmp_path, refused, parse_train):
    (tmp_path / "o.json").write_text(json.dumps({"ngf": 3}))
    assert "no options inside" in refused(parse_train, f"--config {tmp_path / 'o.json'}")
    assert "there is no such file" in refused(parse_train, "--config nowhere.toml")
    assert "there is no such file" in refused(parse_train, "--config nowhere.json")


def test_a_typed_data_set_is_not_mixed_with_that_of_a_weaker_source(streets, tmp_path, parse_train, presets):
    flags = "--dataset_mode custom --label_dir o --image_dir o --label_nc 9 --file_list f --ngf 16".split()
    parse_options(TrainOptions, flags, presets).save(tmp_path / "o.json")
    opt = parse_train(f"--config {tmp_path / 'o.json'} --data {streets}")
    assert (opt.label_dir, opt.file_list, opt.label_nc, opt.ngf) == (None, None, 4, 16)
    (tmp_path / "mine.toml").write_text('label_dir = "o"\nimage_dir = "o"\nngf = 32')
    opt = parse_train(f"--config {tmp_path / 'mine.toml'} --data {streets}")
    assert (opt.label_dir, opt.label_nc, opt.ngf) == (None, 4, 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"sky"', '"sea"'), "id 3 is sea, and the saved run was trained with sky"),
        (("id = 3", "id = 2"), "id 2 is sky, and the saved run was trained with no class"),
        (("unknown = 200", "unknown = 9"), "9 means unknown, and in the saved run 200"),
    ],
)
def test_trained_networks_meet_no_other_classes(streets, refused, parse_train, parse_test, change, words):
    opt = parse_train(f"--name run --data {streets}")
    opt.save(opt.run_dir / "options.json")
    (opt.run_dir / "data.toml").write_text(STREETS)
    other = streets.with_name("other.toml")
    other.write_text(STREETS.replace(*change))
    for parse in (parse_test, lambda line: parse_train(f"{line} --continue_train")):
        assert words in refused(parse, f"--name run --data {other}")


def test_another_division_of_the_samples_is_told_on_resume(streets, parse_train, capsys):
    text = STREETS.partition("[val]")[0] + "[val]\nfraction = 0.2\n"
    streets.write_text(text)
    opt = parse_train(f"--name run --data {streets}")
    opt.save(opt.run_dir / "options.json")
    (opt.run_dir / "data.toml").write_text(text)
    other = streets.with_name("other.toml")
    other.write_text(f"split_seed = 3\n{text}")
    parse_train(f"--name run --continue_train --data {other}")
    assert "divides its samples otherwise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("ngff = 3", "ngff: no such option; did you mean ngf"),
        ("no_flip = 3", "no_flip 3: must be true or false"),
        ('label_dir = "l"', "label_dir: is for a command line, not for [options]"),
        ("continue_train = true", "continue_train: is for a command line"),
    ],
)
def test_options_of_a_data_file_are_checked(streets, refused, parse_train, options, words):
    streets.write_text(f"{STREETS}{options}\n")
    assert words in refused(parse_train, f"--data {streets}")
    streets.write_text(f"{STREETS}no_flip = true\n")
    assert not parse_train(f"--data {streets}").flip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flip = true\nno_flip = true", "no_flip: flip is given twice"),
        ('config = "x.toml"', "a file of options names no other"),
        ("[train]\nlabels = 'l'", "train is no option; is this a data file? give it as --data"),
    ],
)
def test_a_config_file_says_one_thing_once(tmp_path, refused, parse_train, text, words):
    (tmp_path / "mine.toml").write_text(text)
    assert words in refused(parse_train, f"--config {tmp_path / 'mine.toml'}")
