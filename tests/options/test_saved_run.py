"""The options of a run on disk, and who takes what from them."""

import json
import os
from dataclasses import asdict, replace

import pytest

from options import OptionError, TestOptions, TrainOptions, load_saved, parse_options
from options.field import declared_options

RUN = TrainOptions(
    name="run",
    dataset_mode="coco",
    dataroot="data/coco",
    label_nc=20,
    contain_dontcare_label=True,
    instance=False,
    coco_portraits=False,
    preprocess_mode="scale_shortside_and_crop",
    load_size=200,
    crop_size=128,
    aspect_ratio=2.0,
    display_winsize=99,
    flip=False,
    apply_exif=True,
    serial_batches=True,
    max_dataset_size=7,
    batch_size=5,
    seed=11,
    phase="extra",
    gpu_ids="-1",
    ngf=16,
    ndf=8,
    z_dim=32,
    use_vae=True,
    norm_G="spectralspadebatch3x3",
    norm_E="instance",
    norm_D="batch",
    num_upsampling_layers="more",
    resnet_n_blocks=2,
    which_epoch="4",
    continue_train=True,
    lr=0.001,
    tensorboard=False,
)
INHERITED_BY_TEST = {
    *("netG", "norm_G", "norm_D", "norm_E", "ngf", "z_dim", "use_vae", "num_upsampling_layers", "resnet_n_downsample"),
    *("resnet_n_blocks", "resnet_kernel_size", "resnet_initial_kernel_size", "crop_size", "aspect_ratio"),
    *("dataset_mode", "dataroot", "label_nc", "contain_dontcare_label", "instance", "preprocess_mode"),
    "apply_exif",
    "display_winsize",
}
NEVER_RESTORED = {"name", "checkpoints_dir", "gpu_ids", "continue_train", "load_from_opt_file", "which_epoch"}


@pytest.fixture
def run_file():
    path = RUN.run_dir / "options.json"
    RUN.save(path)
    return path


@pytest.mark.parametrize("opt", [RUN, TrainOptions(), TestOptions(how_many=None, num_styles=3, use_vae=True)])
def test_round_trip(opt, tmp_path):
    path = tmp_path / "a" / "b" / "options.json"
    opt.save(path)
    assert type(opt)(**load_saved(path)) == opt


def test_the_file_is_readable(run_file):
    content = json.loads(run_file.read_text())
    assert content == {"options": asdict(RUN)}
    lines = run_file.read_text().splitlines()
    keys = [line.split('"')[1] for line in lines[2:-2]]
    assert keys == sorted(declared_options(TrainOptions))
    assert lines[2].startswith('    "')


def test_a_failed_write_leaves_the_old_file_and_nothing_else(run_file, monkeypatch):
    before = run_file.read_text()
    monkeypatch.setattr(os, "replace", _fail)
    monkeypatch.setattr(type(run_file), "replace", _fail)
    with pytest.raises(OSError, match="disk"):
        replace(RUN, ngf=32).save(run_file)
    assert run_file.read_text() == before
    assert list(run_file.parent.iterdir()) == [run_file]


def _fail(*_):
    raise OSError("disk")


def test_test_takes_architecture_and_data_from_the_run(parse_test, run_file):
    opt = asdict(parse_test("--name run"))
    plain = asdict(TestOptions()) | {"name": "run", "load_size": RUN.crop_size}
    assert opt == plain | {name: getattr(RUN, name) for name in INHERITED_BY_TEST}


def test_test_works_without_a_run(parse_test):
    assert parse_test("--name coco_pretrained --dataset_mode coco").label_nc == 182


@pytest.mark.parametrize("flag", ["--continue_train", "--load_from_opt_file"])
def test_training_takes_everything_but_the_session(parse_train, run_file, flag):
    opt = asdict(parse_train(f"--name run {flag}"))
    session = asdict(TrainOptions()) | {"name": "run", flag.strip("-"): True}
    assert opt == asdict(RUN) | {name: session[name] for name in NEVER_RESTORED}


def test_training_ignores_the_run_unless_asked(parse_train, run_file):
    assert parse_train("--name run") == TrainOptions(name="run")


def test_typed_values_win_on_resume(parse_train, run_file):
    opt = parse_train("--name run --continue_train --niter 9 --lr 0.5 --flip --batchSize 2")
    assert (opt.niter, opt.lr, opt.flip, opt.batch_size) == (9, 0.5, True, 2)


def test_another_data_set_keeps_the_architecture_but_not_the_folder(parse_test, run_file):
    opt = parse_test("--name run --dataset_mode ade20k")
    assert (opt.dataroot, opt.preprocess_mode) == ("./datasets/ade20k/", "resize_and_crop")
    assert (opt.label_nc, opt.contain_dontcare_label, opt.crop_size) == (20, True, 128)


@pytest.mark.parametrize(
    ("typed", "run_has"),
    [
        ("--ngf 64", "--ngf 16"),
        ("--no_use_vae", "--use_vae"),
        ("--instance", "--no_instance"),
        ("--label_nc 182", "--label_nc 20"),
        ("--num_upsampling_layers normal", "--num_upsampling_layers more"),
        ("--crop_size 256", "--crop_size 128"),  # with an encoder the size is in the weights of fc
    ],
)
def test_an_architecture_that_disagrees_is_refused(parse_test, parse_train, run_file, refused, typed, run_has):
    expected = f"error: {typed}: the saved run has {run_has} (checkpoints/run/options.json); leave the flag out"
    assert expected in refused(parse_test, f"--name run {typed}")
    assert expected in refused(parse_train, f"--name run --continue_train {typed}")
    assert parse_train(f"--name run --load_from_opt_file {typed} --load_size 256")


def test_the_discriminator_is_architecture_for_training(parse_train, run_file, refused):
    assert "--ndf 64: the saved run has --ndf 8" in refused(parse_train, "--name run --continue_train --ndf 64")


def test_a_flag_without_effect_is_not_advised_to_change_the_networks_of_a_run(parse_train, run_file, refused):
    replace(RUN, use_vae=False, vgg_loss=False).save(run_file)
    line = refused(parse_train, "--name run --continue_train --lambda_kld 1.0")
    assert line.endswith("--lambda_kld 1.0: has no effect while --use_vae is off; leave the flag out")
    line = refused(parse_train, "--name run --continue_train --lambda_vgg 1.0")
    assert line.endswith("has no effect while --vgg_loss is off; use --vgg_loss, or leave the flag out")
    assert parse_train("--name run --continue_train --lambda_vgg 1.0 --vgg_loss").lambda_vgg == 1.0


def test_testing_proposes_nothing_that_the_saved_run_forbids(parse_test, run_file, refused):
    folders = {"label_dir": "l", "image_dir": "i", "instance_dir": "n"}
    replace(RUN, dataset_mode="custom", instance=True, use_vae=False, **folders).save(run_file)
    line = refused(parse_test, "--name run --label_dir l")
    assert "add --instance_dir FOLDER" in line and "no_instance" not in line
    assert parse_test("--name run --label_dir l --instance_dir n").instance
    for flag in ("--style_image photo.png", "--num_styles 3"):
        line = refused(parse_test, f"--name run --label_dir l --instance_dir n {flag}")
        assert "leave it out, or name a run that was trained with --use_vae" in line and "add --use_vae" not in line


def test_agreeing_flags_are_fine(parse_test, run_file):
    assert parse_test("--name run --ngf 16 --use_vae --no_instance") == parse_test("--name run")


def test_without_encoder_the_size_may_differ(parse_test, parse_train):
    replace(RUN, use_vae=False).save(RUN.run_dir / "options.json")
    opt = parse_test("--name run --crop_size 256 --aspect_ratio 1")
    assert (opt.crop_size, opt.aspect_ratio, opt.load_size) == (256, 1.0, 256)
    assert parse_train("--name run --continue_train --crop_size 192 --aspect_ratio 1").crop_size == 192


def test_run_elsewhere(parse_test, tmp_path):
    RUN.save(tmp_path / "other" / "run" / "options.json")
    assert parse_test("--name run --checkpoints_dir other").ngf == 16
    assert parse_test("--name run").ngf == 64


def test_continue_without_a_run_is_left_to_the_trainer(parse_train):
    assert parse_train("--name run --continue_train").continue_train


def test_loading_without_a_run_is_refused(parse_train, parse_test, refused):
    for parse in (parse_train, parse_test):
        line = refused(parse, "--name run --load_from_opt_file")
        assert "there is no saved run at checkpoints/run/options.json; leave the flag out" in line


def test_unknown_options_in_a_run_warn(parse_test, run_file, capsys):
    run_file.write_text(json.dumps({"options": asdict(RUN) | {"from_the_future": 1}}))
    assert parse_test("--name run").ngf == 16
    warning = "test.py: warning: checkpoints/run/options.json: unknown option from_the_future ignored\n"
    assert capsys.readouterr().err == warning


SETTLED = {"netD": "multiscale", "netD_subarch": "n_layer", "output_nc": 3}


def test_runs_from_before_an_option_was_settled_say_the_same(parse_test, parse_train, run_file, capsys):
    run_file.write_text(json.dumps({"options": asdict(RUN) | SETTLED}))
    assert load_saved(run_file) == asdict(RUN)
    assert RUN.changes_since(run_file) == []
    for parse, line in ((parse_test, "--name run"), (parse_train, "--name run --continue_train")):
        assert parse(line).ngf == RUN.ngf
    assert parse_train("--name run --continue_train --netD multiscale --output_nc 3").ngf == RUN.ngf
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not a JSON file"),
        ("[1]", "no options inside"),
        ('{"options": 3}', "no options inside"),
        ('{"options": {"netD": "sketch"}}', "netD 'sketch': must be one of multiscale"),
        ('{"options": {"output_nc": 4}}', "output_nc 4: must be 3: photos and generated images are RGB"),
        ('{"options": {"ngf": "64"}}', "ngf '64': must be an integer"),
        ('{"options": {"use_vae": 1}}', "use_vae 1: must be true or false"),
        ('{"options": {"ngf": null}}', "ngf None: must be an integer"),
        ('{"options": {"dataset_mode": "gone"}}', "dataset_mode 'gone': must be one of landscapes"),
    ],
)
def test_a_broken_run_names_its_file(parse_test, run_file, refused, text, complaint):
    run_file.write_text(text)
    assert refused(parse_test, "--name run").startswith(f"test.py: error: checkpoints/run/options.json: {complaint}")


def test_bytes_that_are_not_text(run_file):
    run_file.write_bytes(b"\x80\x04\x95")
    with pytest.raises(OptionError, match=r"options\.json: not a JSON file"):
        load_saved(run_file)


def test_what_train_saves_test_reads(parse_train, parse_test, presets):
    trained = parse_train("--name run --dataset_mode ade20k --netG pix2pixhd --ngf 8")
    trained.save(trained.run_dir / "options.json")
    opt = parse_options(TestOptions, ["--name", "run"], presets)
    assert (opt.netG, opt.norm_G, opt.ngf, opt.label_nc, opt.semantic_nc) == ("pix2pixhd", "instance", 8, 150, 151)
