"""Spellings, switches, typos and help, over every declared option."""

import dataclasses

import pytest

from options import EvaluateOptions, TestOptions, TrainOptions, parse_options
from options.classic import DEAD, SETTLED
from options.command_line import CommandLine, suggestion
from options.field import declared_options

PROGRAMS = (TrainOptions, TestOptions, EvaluateOptions)
EXAMPLES = {"diffaugment": "translation,color", "warp": "0.05", "bootstrap": "20", "tile": "64"}
"""Values of options with a form of their own."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_switch_goes_on_and_off(program, presets):
    typed = CommandLine(program, presets).typed
    for option in declared_options(program).values():
        if option.kind is not bool:
            continue
        for name in (option.name, option.name.replace("_", "-")):
            assert typed([f"--{name}"]) == {option.name: True}
            assert typed([f"--no_{name}"]) == {option.name: False}
            assert typed([f"--no-{name}"]) == {option.name: False}
            assert typed([f"--no_{name}", f"--{name}"]) == {option.name: True}


def test_a_flag_with_an_optional_value_stands_alone_or_has_one(presets):
    typed = CommandLine(TestOptions, presets).typed
    assert typed(["--tile", "--how_many", "2"]) == {"tile": 512, "how_many": 2}
    assert typed(["--tile", "64"]) == typed(["--tile=64"]) == {"tile": 64}
    assert typed(["--tile="]) == {"tile": None}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_value_is_accepted_under_every_spelling(program, presets):
    typed = CommandLine(program, presets).typed
    for option in declared_options(program).values():
        if option.kind is bool:
            continue
        value = option.choices[0] if option.choices else option.default
        text = EXAMPLES.get(option.name) or {int: "7", float: "0.5"}.get(option.kind, value or "somewhere")
        expected = option.from_text(text)
        for spelling in option.spellings:
            assert typed([spelling, text]) == {option.name: expected}
            assert typed([f"{spelling.replace('_', '-')}={text}"]) == {option.name: expected}


@pytest.mark.parametrize(
    ("classic", "field", "value"),
    [
        ("--batchSize 4", "batch_size", 4),
        ("--nThreads 3", "num_workers", 3),
        ("--nThreads 0", "num_workers", 0),
        ("--init_variance 0.5", "init_gain", 0.5),
        ("--tf_log", "tensorboard", True),
        ("--no_ganFeat_loss", "gan_feat_loss", False),
        ("--no_vgg_loss", "vgg_loss", False),
        ("--no_instance", "instance", False),
        ("--no_flip", "flip", False),
        ("--no_html", "html", False),
        ("--no_TTUR", "TTUR", False),
        ("--no_pairing_check", "pairing_check", False),
        ("--coco_no_portraits", "coco_portraits", False),
        ("--max_dataset_size inf", "max_dataset_size", None),
        ("--gpu_ids -1", "gpu_ids", "-1"),
    ],
)
def test_classic_spellings(classic, field, value, parse_train):
    assert getattr(parse_train(classic), field) == value


def test_classic_command_lines(parse_train, parse_test):
    opt = parse_train("--dataset_mode coco --name x --use_vae --batchSize 4 --no_instance --gpu_ids 0,1")
    assert (opt.dataset_mode, opt.name, opt.use_vae, opt.batch_size, opt.instance) == ("coco", "x", True, 4, False)
    assert opt.gpu_id_list == (0, 1)
    opt = parse_train(
        "--name new --dataset_mode custom --label_dir l --image_dir i --label_nc 9 --no_instance --niter 100 "
        "--niter_decay 100 --continue_train"
    )
    assert (opt.label_dir, opt.image_dir, opt.label_nc, opt.semantic_nc, opt.niter_decay) == ("l", "i", 9, 9, 100)
    opt = parse_test("--name coco_pretrained --dataset_mode coco --dataroot d --how_many 3 --which_epoch 50")
    assert (opt.how_many, opt.which_epoch, opt.dataroot, opt.batch_size) == (3, "50", "d", 1)


def test_how_many_may_be_infinite(parse_test):
    assert parse_test("--how_many inf").how_many is None


def test_argv_none_reads_the_process(monkeypatch, presets):
    monkeypatch.setattr("sys.argv", ["anything.py", "--name", "mine"])
    assert parse_options(TrainOptions, None, presets).name == "mine"


@pytest.mark.parametrize(
    "local_rank, words",
    [("1", "--local-rank=1"), ("1", "--local_rank 1"), ("", "--local_rank 0"), ("", "--local_rank -1")],
)
def test_the_flag_of_old_launchers_is_taken(local_rank, words, parse_train, capsys, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert parse_train(words) == parse_train()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "local_rank, words, message",
    [
        ("0", "--local-rank=1", "train.py: error: --local_rank 1: LOCAL_RANK is 0; leave the flag out"),
        ("", "--local_rank 1", "train.py: error: --local_rank 1: LOCAL_RANK is not set; leave the flag out"),
        ("1", "--local_rank", "train.py: error: --local_rank: expected one argument"),
    ],
)
def test_the_flag_of_old_launchers_must_agree(local_rank, words, message, parse_train, refused, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert refused(parse_train, words).startswith(message)


@pytest.mark.parametrize("name", DEAD)
def test_dead_options_warn_and_do_nothing(name, parse_train, capsys):
    opt = parse_train(f"--{name} 3" if DEAD[name] else f"--{name}")
    assert opt == parse_train()
    assert capsys.readouterr().err == f"train.py: warning: --{name} has no effect\n"


@pytest.mark.parametrize("line", ["--netD multiscale", "--netD=multiscale --netD_subarch n_layer", "--output-nc 3"])
def test_classic_options_with_one_value_may_have_it(line, parse_train, parse_test, capsys):
    assert parse_train(line) == parse_train()
    assert parse_test(line) == parse_test()
    assert capsys.readouterr().err == ""
    assert not declared_options(TrainOptions).keys() & SETTLED.keys()


@pytest.mark.parametrize(
    ("word", "reported", "near"),
    [
        ("--batch", "--batch", "did you mean --batchSize or --batch_size"),
        ("--batchsize=3", "--batchsize", "did you mean --batchSize or --batch_size"),
        ("--label-ncc=3", "--label_ncc", "did you mean --label_nc"),
        ("--no_instanse", "--no_instanse", "did you mean --no_instance"),
        ("--ttur", "--ttur", "did you mean --TTUR"),
        ("--zzzzzzzz", "--zzzzzzzz", "see --help"),
    ],
)
def test_typos_name_near_matches(word, reported, near, parse_train, refused):
    assert refused(parse_train, word).startswith(f"train.py: error: {reported}: no such option; {near}")


def test_no_abbreviations(parse_train, refused):
    assert "did you mean --crop_size" in refused(parse_train, "--crop 256")


def test_suggestions_put_prefix_matches_first():
    assert suggestion("lam", ["slam", "lambda_vgg", "LAM_x"]) == "did you mean LAM_x or lambda_vgg or slam?"
    assert suggestion("qqq", ["slam"]) == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--label_nc x", "--label_nc x: must be an integer"),
        ("--batchSize 0", "--batchSize 0: must be 1 or more"),
        ("--batchSize 1.5", "--batchSize 1.5: must be an integer"),
        ("--lr nan", "--lr nan: must be greater than 0"),
        ("--lr inf", "--lr inf: must be greater than 0"),
        ("--beta1 1", "--beta1 1: must be at least 0 and below 1"),
        ("--resnet_kernel_size 4", "--resnet_kernel_size 4: must be an odd number, 1 or more"),
        ("--gan_mode hing", "--gan_mode hing: must be one of ls, original, hinge, w; did you mean hinge?"),
        (
            "--dataset_mode coko",
            "--dataset_mode coko: must be one of landscapes, coco, ade20k, custom; did you mean coco?",
        ),
        ("--netD n_layers", "--netD n_layers: no longer offered; use --netD multiscale --num_D 1"),
        ("--netD n_layer", "--netD n_layer: no longer offered; use --netD multiscale --num_D 1"),
        ("--netD_subarch multiscal", "--netD_subarch multiscal: must be one of n_layer"),
        ("--netD multi", "--netD multi: must be one of multiscale; did you mean multiscale?"),
        ("--output_nc 1", "--output_nc 1: must be 3: photos and generated images are RGB"),
        ("--output_nc rgb", "--output_nc rgb: must be an integer"),
        ("--name", "--name: expected one argument; write a value that begins with - as --name=VALUE"),
        ("--use_vae True", "True: belongs to no option (a switch such as --use_vae takes no value)"),
        ("-- image_dir x", "-- alone: remove the space between -- and the name of the option"),
        ("--instance=3", "--instance/--no_instance: ignored explicit argument '3'"),
    ],
)
def test_mistakes_are_one_line(line, message, parse_train, refused):
    assert refused(parse_train, line) == f"train.py: error: {message}"


def test_a_line_break_in_a_value_stays_on_the_line(refused, presets):
    words = ["--label_nc", "a\nb"]
    line = refused(lambda _: parse_options(TestOptions, words, presets), "")
    assert line == "test.py: error: --label_nc a\\nb: must be an integer"


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_complete(program, presets, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_options(program, ["--help", "all"], presets)
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    for option in declared_options(program).values():
        for spelling in option.spellings:
            assert f" {spelling}" in words
        assert " ".join(option.help.split()) in words
    assert words.count("default: ") == len(declared_options(program))
    for name in [*program.without_effect(), *DEAD, *SETTLED]:
        assert f"--{name}" in words
    for name in presets:
        assert f"\n  {name} " in shown
    default = declared_options(program)["batch_size"].default
    assert f"--batch_size N, --batchSize N size of a batch (samples; default: {default})" in words
    assert ("load_size 286" in words) == program.is_train


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("which_epoch", ("latest", "epoch", "best")),
        ("norm_G", ("spectral", "spade", "instance", "batch", "syncbatch", "none")),
        ("norm_E", ("spectral", "instance", "batch", "syncbatch", "none")),
    ],
)
def test_help_names_the_values_of_options_that_have_no_list_of_choices(name, words):
    assert [word for word in words if word not in declared_options(TestOptions)[name].help] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_declared_in_full(program):
    for option in declared_options(program).values():
        assert option.group, option.name
        assert option.help and not option.help.endswith("."), option.name
        option.check(option.default)
        if option.name.endswith("_freq"):
            assert option.unit == ("epochs" if option.name in {"save_epoch_freq", "eval_freq"} else "images")
        if option.name in {"load_size", "crop_size", "display_winsize"}:
            assert option.unit == "pixels"


def test_no_spelling_means_two_things():
    for program in PROGRAMS:
        spellings = [s for option in declared_options(program).values() for s in option.spellings]
        assert len(spellings) == len(set(spellings))
        assert not {f"--{name}" for name in [*DEAD, *SETTLED]} & set(spellings)


@pytest.mark.parametrize("program", PROGRAMS)
def test_options_are_frozen(program):
    with pytest.raises(dataclasses.FrozenInstanceError):
        program(name="run").name = "other"


@pytest.mark.parametrize("columns", ["1", "30", "0", "many"])
def test_help_fits_any_terminal(columns, parse_train, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        parse_train("--help")
    assert stop.value.code == 0
    assert "--batch_size" in capsys.readouterr().out
