"""field default < what follows from other options < dataset preset < saved run < what the user typed."""

import json

import pytest

from options import Preset, TrainOptions, parse_options


@pytest.fixture
def save_run(tmp_path):
    """Write the options of a saved run called "run", as training would or raw."""

    def write(**options):
        path = tmp_path / "checkpoints" / "run" / "options.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"options": options}))
        return path

    return write


def test_each_place_beats_the_weaker_ones(presets, save_run):
    def crop_size(line):
        return parse_options(TrainOptions, line.split(), presets).crop_size

    assert crop_size("--name run") == 512
    assert crop_size("--name run --dataset_mode coco") == 256
    save_run(crop_size=128)
    assert crop_size("--name run --dataset_mode coco") == 256
    assert crop_size("--name run --dataset_mode coco --load_from_opt_file") == 128
    assert crop_size("--name run --dataset_mode coco --load_from_opt_file --crop_size 64") == 64


def test_training_and_test_have_their_own_defaults_and_presets(parse_train, parse_test):
    def facts(opt):
        return opt.phase, opt.load_size, opt.crop_size, opt.display_winsize, opt.serial_batches, opt.flip

    assert facts(parse_train()) == ("train", 1024, 512, 400, False, True)
    assert facts(parse_test()) == ("test", 256, 256, 256, True, False)
    assert facts(parse_train("--dataset_mode coco")) == ("train", 286, 256, 256, False, True)
    assert facts(parse_test("--dataset_mode coco")) == ("test", 256, 256, 256, True, False)


def test_a_preset_can_be_switched_off(parse_train):
    assert parse_train("--dataset_mode coco").semantic_nc == 184
    assert parse_train("--dataset_mode coco --no_contain_dontcare_label --no_instance").semantic_nc == 182
    assert parse_train("--dataset_mode ade20k").semantic_nc == 151
    assert parse_train("--dataset_mode ade20k --instance").semantic_nc == 152


def test_dataroot_names_the_data_set_unless_preset_or_typed(parse_train, presets):
    assert parse_train("--dataset_mode coco").dataroot == "./datasets/coco/"
    assert parse_train("--dataset_mode coco --dataroot d").dataroot == "d"
    elsewhere = {"coco": Preset(both={"dataroot": "elsewhere"})}
    assert parse_options(TrainOptions, ["--dataset_mode", "coco"], elsewhere).dataroot == "elsewhere"


def test_the_generator_decides_its_norm(parse_train, save_run):
    assert parse_train().norm_G == "spectralspadesyncbatch3x3"
    assert parse_train("--netG pix2pixhd").norm_G == "instance"
    assert parse_train("--netG pix2pixhd --norm_G spectralinstance").norm_G == "spectralinstance"

    save_run(netG="pix2pixhd")
    assert parse_train("--name run --load_from_opt_file").norm_G == "instance"
    assert parse_train("--name run --load_from_opt_file --norm_G batch").norm_G == "batch"
    assert parse_train("--name run --load_from_opt_file --netG spade").norm_G == "spectralspadesyncbatch3x3"
    save_run(netG="spade", norm_G="spectralspadeinstance3x3")
    assert parse_train("--name run --load_from_opt_file").norm_G == "spectralspadeinstance3x3"
    assert parse_train("--name run --load_from_opt_file --netG spade").norm_G == "spectralspadeinstance3x3"
    assert parse_train("--name run --load_from_opt_file --netG pix2pixhd").norm_G == "instance"


def test_no_ttur_decides_the_betas(parse_train):
    def betas(line):
        opt = parse_train(line)
        return opt.beta1, opt.beta2

    assert betas("") == (0.0, 0.9)
    assert betas("--no_TTUR") == (0.5, 0.999)
    assert betas("--no_TTUR --beta1 0.25") == (0.25, 0.999)
    assert betas("--no_TTUR --TTUR") == (0.0, 0.9)


def test_test_images_are_loaded_at_crop_size(parse_test, save_run):
    assert parse_test("--crop_size 512").load_size == 512
    assert parse_test("--dataset_mode coco --crop_size 512").load_size == 512
    assert parse_test("--crop_size 512 --load_size 600").load_size == 600
    save_run(dataset_mode="coco", crop_size=512, load_size=572)
    opt = parse_test("--name run")
    assert (opt.crop_size, opt.load_size) == (512, 512)


def test_custom_reads_instances_only_from_a_folder(parse_train, parse_test, save_run, refused):
    folders = "--dataset_mode custom --label_dir l --image_dir i"
    assert not parse_train(folders).instance
    assert parse_train(f"{folders} --instance_dir n").instance
    assert not parse_train(f"{folders} --instance_dir n --no_instance").instance
    assert "add --instance_dir" in refused(parse_train, f"{folders} --instance")

    save_run(dataset_mode="custom", instance=True, instance_dir="training/instances")
    assert "add --instance_dir" in refused(parse_test, "--name run --label_dir l")
    assert parse_test("--name run --label_dir l --instance_dir n").instance
    save_run(dataset_mode="custom", instance=False)
    assert not parse_test("--name run --label_dir l --instance_dir n").instance


def test_modulation_has_one_name_in_training_and_test(parse_train, parse_test, save_run, refused):
    for parse in (parse_train, parse_test):
        assert [parse(line).modulation for line in ("", "--modulation dense", "--modulation table")] == [
            None,
            "dense",
            "table",
        ]
    assert "--dense: no such option" in refused(parse_test, "--dense")
    save_run(modulation="dense")
    assert parse_test("--name run").modulation is None, "it belongs to one command"
