"""The flags of every program, with their aliases and defaults, are those of `tests/golden/flags`.

Changing a flag on purpose changes its line there, too.
"""

from pathlib import Path

import pytest

from data import PRESETS
from models.augmentation import POLICIES
from models.losses import GAN_LOSSES
from models.networks.generators import GENERATORS
from models.networks.init import INITIALIZERS
from options import EvaluateOptions, TestOptions, TrainOptions, parse_options
from options.classic import DEAD, SETTLED
from options.command_line import CommandLine
from options.networks import INIT_TYPES, NETG_NAMES
from options.small_data import DIFFAUGMENT_POLICIES
from options.train import ADAMS, GAN_MODES
from scripts.export.options import ExportOptions
from scripts.segmenter.options import SegmenterOptions
from trainers.player import ADAM_SWITCHES

GOLDEN = Path(__file__).parents[1] / "golden" / "flags"
PROGRAMS = {
    "train": TrainOptions,
    "test": TestOptions,
    "evaluate": EvaluateOptions,
    "export": ExportOptions,
    "segmenter": SegmenterOptions,
}


def flags(program) -> list[str]:
    """A line for each flag: its spellings and its default, or that it has no effect."""
    lines = [
        f"{', '.join(option.spellings)}: {option.default!r}"
        for option in CommandLine(program, PRESETS).options.values()
    ]
    ignored = [option.spellings for option in [*program.without_effect().values(), *SETTLED.values()]]
    ignored += [(f"--{name}",) for name in (*DEAD, "local_rank")]
    return sorted([*lines, *(f"{', '.join(spellings)}: without effect" for spellings in ignored)], key=str.lower)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_flags_of_a_program_stay_what_they_are(name):
    assert flags(PROGRAMS[name]) == (GOLDEN / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("choices", "table"),
    [
        (NETG_NAMES, GENERATORS),
        (INIT_TYPES, INITIALIZERS),
        (GAN_MODES, GAN_LOSSES),
        (ADAMS, ADAM_SWITCHES),
        (DIFFAUGMENT_POLICIES, POLICIES),
    ],
    ids=["netG", "init_type", "gan_mode", "adam", "diffaugment"],
)
def test_choices_are_the_keys_of_the_table_that_they_choose_from(choices, table):
    assert sorted(choices) == sorted(table)


def test_evaluate_accepts_the_command_line_of_test(capsys):
    """A whole command line of test.py names the results; what is about networks changes nothing."""
    networks = "--ngf 8 --use_vae --no_compile --precision bf16 --num_styles 3 --style_image photo.jpg --norm_D batch"
    words = ["--name", "run", "--dataset_mode", "ade20k", "--how_many", "3"]
    opt = parse_options(EvaluateOptions, [*words, *networks.split()], PRESETS)
    assert opt == parse_options(EvaluateOptions, words, PRESETS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--ngf wide", "--ngf wide: must be an integer"),
        (
            "--precision bf32",
            "--precision bf32: must be one of fp32, tf32, bf16, fp16; did you mean",
        ),
        ("--use_vaes", "--use_vaes: no such option; did you mean --use_vae"),
    ],
)
def test_options_without_effect_are_checked(flag, message, refused):
    line = refused(lambda words: parse_options(EvaluateOptions, words.split(), PRESETS), f"--name run {flag}")
    assert line.startswith(f"evaluate.py: error: {message}")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_lists_presets_of_options_that_the_program_has(name, capsys):
    with pytest.raises(SystemExit):
        parse_options(PROGRAMS[name], ["--help", "all"], PRESETS)
    table = capsys.readouterr().out.partition("presets (")[2]
    for option in ("label_nc", "load_size", "num_upsampling_layers", "display_winsize"):
        assert (f"{option} " in table) == (option in CommandLine(PROGRAMS[name], PRESETS).options)


def test_evaluating_a_run_with_an_encoder_keeps_its_size(tmp_path, refused):
    """The encoder is no option of evaluate.py, but it fixes the size of the run's images."""
    trained = TrainOptions(name="run", checkpoints_dir=str(tmp_path), use_vae=True, crop_size=256)
    trained.save(trained.run_dir / "options.json")
    words = f"--name run --checkpoints_dir {tmp_path} --crop_size 512"
    line = refused(lambda words: parse_options(EvaluateOptions, words.split(), PRESETS), words)
    assert "--crop_size 512: the saved run has --crop_size 256" in line
