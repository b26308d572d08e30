"""`--help` shows where to start, one group or everything, with the defaults in force for the rest of the line."""

import re
from pathlib import Path

import pytest

from data import PRESETS
from models import METHODS
from options import EvaluateOptions, TestOptions, TrainOptions, parse_options
from options.field import declared_options
from options.help import GROUPS
from scripts.export.options import ExportOptions
from scripts.segmenter.options import SegmenterOptions

DATA = """
name = "streets"
classes = [{ id = 0, name = "road" }, { id = 1, name = "sky" }]
[train]
labels = "labels"
photos = "photos"
"""
PROGRAMS = [TrainOptions, TestOptions, EvaluateOptions, ExportOptions, SegmenterOptions]


@pytest.fixture
def shown(capsys):
    """What a program prints for a command line with --help, as one line of words."""

    def run(program, line: str, methods=METHODS) -> str:
        with pytest.raises(SystemExit) as stop:
            parse_options(program, line.split(), PRESETS, methods)
        assert stop.value.code == 0
        out, err = capsys.readouterr()
        assert err == ""
        return " ".join(out.split())

    return run


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_page_has_ten_options_and_two_command_lines_that_work(program, shown, capsys):
    Path("data.toml").write_text(DATA, encoding="utf-8")
    page = shown(program, "--help")
    Path("data.toml").write_text('[train]\nlabels = "l"\nphotos = "p"', encoding="utf-8")
    start = program.start
    assert len(start.options) == 10 and len(start.examples) == 2
    assert start.summary in page
    for name in start.options:
        assert declared_options(program)[name].help in page
    assert page.count(" (default: ") + page.count("; default: ") == 10
    for example in start.examples:
        assert f"{program.program} {example}" in page
        parse_options(program, example.split(), PRESETS, METHODS)
        assert capsys.readouterr().err == ""
    for option in declared_options(program).values():
        assert option.name in program.without_effect() or f"--help {option.group.partition(' ')[0]} " in page
    assert f"--help all ({len(declared_options(program).keys() - program.without_effect().keys())})" in page


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_group_says_what_it_is_about_and_its_first_word_is_its_own(program):
    groups = {option.group for option in declared_options(program).values()}
    assert groups <= GROUPS.keys()
    assert len({group.partition(" ")[0] for group in groups}) == len(groups)


def test_a_group_is_shown_alone(shown):
    page = shown(TrainOptions, "--help schedule")
    listed = set(re.findall(r" --(\w+)(?= [NX{])", page))
    assert {"niter", "lr", "adam", "ema"} <= listed
    assert not {"ngf", "batch_size", "lambda_vgg"} & listed


@pytest.mark.parametrize("topic", ["crop_size", "--crop_size", "crop-size"])
def test_an_option_is_shown_alone(topic, shown):
    assert shown(TrainOptions, f"--help={topic}").startswith("data: --crop_size N width of the networks' images")


def test_a_topic_that_does_not_exist_is_one_line(refused):
    line = refused(lambda words: parse_options(TestOptions, words.split(), PRESETS, METHODS), "--help colors")
    assert line.startswith("test.py: error: --help colors: must be all, an option, or one of run, data, method")


def test_defaults_are_those_of_the_data_set_and_the_method(shown):
    usual = shown(TrainOptions, "--help all")
    assert "--crop_size N width of the networks' images (pixels; default: 256)" in usual
    assert "--niter N length of the first part, at the full learning rate (epochs; default: 50)" in usual
    assert "those of --dataset_mode landscapes and --method spade." in usual
    other = shown(TrainOptions, "--dataset_mode cityscapes --method oasis --ngf 8 --help all")
    assert "--crop_size N width of the networks' images (pixels; default: 512)" in other
    assert "base learning rate of Adam; see --TTUR (default: 0.0004)" in other
    assert "(epochs; default: 200)" in other
    assert "width of generator and encoder (channels; given: 8)" in other
    assert "those of --dataset_mode cityscapes and --method oasis." in other


def test_defaults_of_a_test_are_those_of_the_saved_run(shown):
    trained = parse_options(TrainOptions, "--name mine --crop_size 128 --use_vae --ngf 8".split(), PRESETS, METHODS)
    trained.save(trained.run_dir / "options.json")
    page = shown(TestOptions, "--name mine --help all")
    assert "width of generator and encoder (channels; default: 8)" in page
    assert "--crop_size N width of the networks' images (pixels; default: 128)" in page
    assert page.endswith("and of the saved run checkpoints/mine.")
    assert "(channels; default: 64)" in shown(TrainOptions, "--name mine --help generator")


def test_help_needs_no_valid_command_line(shown):
    """Not even the options that are required."""
    assert "--instance_dir" in shown(TrainOptions, "--dataset_mode custom --help data")
    assert "(pixels; given: 77)" in shown(TrainOptions, "--crop_size 77 --help data")


def test_the_order_of_the_sources_is_told(shown):
    order = "default of the option, preset of the method, preset of the data set, data file, saved run, --config FILE,"
    for program in PROGRAMS:
        assert f"weakest first: {order} what is typed." in shown(program, "--help")
