"""`--shards` names tars, and stands for the data file beside them."""

import pytest

from data import PRESETS
from options import TestOptions, TrainOptions
from options.command_line import CommandLine
from options.field import OptionError
from options.resolve import resolve
from options.shards import expand, index_name, shards_of

TEXT = """
classes = [{ id = 0, name = "road" }, { id = 1, name = "sky" }]
[train]
shards = "train-{000..011}.tar"
[val]
shards = "https://host/data/val-{0..1}.tar"
"""


def opened(*words: str, program: type[TrainOptions | TestOptions] = TrainOptions):
    flags = ["--no_vgg_loss"] if program is TrainOptions else []
    typed = CommandLine(program, PRESETS).typed(["--name", "new", *flags, *words])
    return resolve(program, CommandLine(program, PRESETS).options, PRESETS, typed)[0]


def refused(*words: str, program: type[TrainOptions | TestOptions] = TrainOptions) -> str:
    with pytest.raises(OptionError) as caught:
        opened(*words, program=program)
    return str(caught.value)


@pytest.fixture
def shards(tmp_path):
    (tmp_path / "data.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_a_range_of_numbers_is_expanded_with_its_zeros():
    assert expand("d/a-{008..011}.tar") == ["d/a-008.tar", "d/a-009.tar", "d/a-010.tar", "d/a-011.tar"]
    assert expand("{8..10}.tar") == ["8.tar", "9.tar", "10.tar"]
    assert expand("d/one.tar") == ["d/one.tar"]


@pytest.mark.parametrize(
    "pattern", ["{3..1}.tar", "{0..9}{0..9}.tar", "*.tar", "{a..b}.tar", "{0..99999999}.tar", "x.zip"]
)
def test_other_patterns_are_refused(pattern):
    with pytest.raises(OptionError, match="--shards"):
        expand(pattern)


def test_the_index_is_named_like_the_tars():
    assert index_name("d/train-{000..011}.tar") == index_name("d/train-000.tar") == "train-index.json"
    assert index_name("http://host/d/{000..011}.tar") == "index.json"


@pytest.mark.parametrize("words", ["{}", "{}/", "{}/train-{{000..011}}.tar"])
def test_a_folder_and_all_its_tars_mean_the_data_file(shards, words):
    opt = opened("--shards", words.format(shards))
    assert (opt.data, opt.dataset_mode, opt.label_nc, opt.shards) == (f"{shards}/data.toml", "custom", 2, None)


def test_tars_that_are_not_all_or_not_those_are_named(shards):
    assert "train-011.tar is left out" in refused("--shards", f"{shards}/train-{{000..010}}.tar")
    assert "train-012.tar is not one of them" in refused("--shards", f"{shards}/train-{{000..012}}.tar")
    assert "[val]" in refused("--shards", f"{shards}/train-{{000..011}}.tar", program=TestOptions)


def test_a_folder_without_data_file_is_named(tmp_path):
    assert f"--shards {tmp_path}: holds no data.toml" in refused("--shards", str(tmp_path))
    assert "there is no such folder" in refused("--shards", f"{tmp_path}/none/{{0..1}}.tar")


@pytest.mark.parametrize("other", ["data", "dataroot", "label_dir", "image_dir", "instance_dir"])
def test_other_data_beside_shards_is_refused(shards, other):
    said = refused("--shards", str(shards), f"--{other}", "d")
    assert said.endswith(f"says where the samples are, and so does --{other}; leave one of them out")


@pytest.mark.parametrize("name", ["data.toml", "train-index.json"])
def test_a_file_beside_the_tars_is_named(shards, name):
    (shards / "train-index.json").touch()
    assert refused("--shards", f"{shards}/{name}") == f"--shards {shards}/{name}: is a file; name its folder alone"


def test_addresses_that_cannot_be_reached_are_said_in_plain_words(tmp_path):
    assert "is a file; name its folder" in refused("--shards", "http://host/set/data.toml")
    for address in ("http://", "https:///set", "http://[set"):
        assert "names no server; write http://HOST/FOLDER" in refused("--shards", address)
    said = refused("--shards", "http://127.0.0.1:9/set", "--cache_dir", str(tmp_path))
    assert "http://127.0.0.1:9/set/data.toml cannot be fetched (Connection refused); check the address" in said


def test_an_address_in_a_data_file_stays_one(shards):
    opt = opened("--shards", str(shards), program=TestOptions)
    assert shards_of(opt) == "https://host/data/val-{0..1}.tar"


@pytest.mark.parametrize("more", ['labels = "l"', "fraction = 0.1"])
def test_a_part_with_shards_and_more_is_refused(shards, more):
    (shards / "data.toml").write_text(f"{TEXT}{more}\n", encoding="utf-8")
    assert "val: has " in refused("--shards", str(shards))
