"""field default < what follows from other options < dataset preset < saved run < what the user typed."""

import json

import pytest

from options import Preset, TrainOptions, parse_options
from options.scale import scale_note


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


def test_the_generator_decides_how_the_label_map_enters_and_both_decide_the_norm(parse_train, save_run):
    def choice(line):
        opt = parse_train(line)
        return opt.conditioning, opt.norm_G

    spade = ("spade", "spectralspadesyncbatch3x3")
    assert choice("") == choice("--conditioning spade") == spade
    assert choice("--conditioning concat") == ("concat", "spectralsyncbatch")
    assert choice("--conditioning none --norm_G batch") == ("none", "batch")
    assert choice("--netG pix2pixhd") == choice("--conditioning none --netG pix2pixhd") == ("none", "instance")
    for line in ("--netG pix2pixhd --conditioning spade", "--conditioning spade --netG pix2pixhd"):
        assert choice(line) == spade
    assert choice("--conditioning concat --netG pix2pixhd") == ("concat", "spectralsyncbatch")

    resumed = "--name run --continue_train"
    save_run(netG="pix2pixhd", norm_G="spectralinstance")  # of a version without the option
    assert choice(resumed) == ("none", "spectralinstance")
    save_run(netG="spade", norm_G="spectralspadebatch1x1")
    assert choice(resumed) == ("spade", "spectralspadebatch1x1")
    save_run(netG="pix2pixhd", conditioning="spade", norm_G="spectralspadebatch1x1")
    assert choice(resumed) == ("spade", "spectralspadebatch1x1")
    assert choice("--name run --load_from_opt_file --netG pix2pixhd --conditioning none") == ("none", "instance")


def test_a_length_of_the_latent_without_encoder_asks_for_random_input_in_a_new_run(parse_train, parse_test, save_run):
    def choice(parse, line):
        opt = parse(line)
        return opt.random_input, opt.z_dim, opt.has_latent

    assert choice(parse_train, "") == (False, 256, False)
    assert choice(parse_train, "--random_input") == (True, 256, True)
    assert choice(parse_train, "--z_dim 256") == (True, 256, True)
    assert choice(parse_train, "--z_dim 8 --no_use_vae --name run --auto_resume") == (True, 8, True)
    assert choice(parse_train, "--z_dim 8 --use_vae") == (False, 8, True)
    assert choice(parse_train, "--z_dim 8 --no_random_input") == (False, 8, False)

    save_run(z_dim=8, use_vae=False)  # of a version without the option
    assert choice(parse_train, "--name run --continue_train --z_dim 8") == (False, 8, False)
    assert choice(parse_test, "--name run --z_dim 8") == (False, 8, False)
    save_run(z_dim=8, random_input=True)
    assert choice(parse_train, "--name run --auto_resume --z_dim 8") == (True, 8, True)
    assert choice(parse_test, "--name run --num_styles 3") == (True, 8, True)


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


def sizes(opt) -> tuple[int, int]:
    return opt.load_size, opt.crop_size


def test_in_training_files_are_scaled_to_the_crop_in_the_ratio_of_the_preset(parse_train, save_run):
    assert sizes(parse_train("--crop_size 128")) == (256, 128)  # the field's 1024 for 512
    assert sizes(parse_train("--dataset_mode coco")) == (286, 256)
    assert sizes(parse_train("--dataset_mode coco --crop_size 128")) == (143, 128)
    assert sizes(parse_train("--dataset_mode coco --crop_size 512 --aspect_ratio 2")) == (572, 512)
    assert sizes(parse_train("--dataset_mode coco --crop_size 1024 --preprocess_mode scale_shortside_and_crop")) == (
        1144,
        1024,
    )
    assert sizes(parse_train("--dataset_mode coco --crop_size 128 --load_size 286")) == (286, 128)
    assert sizes(parse_train("--load_size 286 --dataset_mode coco --crop_size 128")) == (286, 128)

    save_run(dataset_mode="coco", crop_size=128, load_size=286, use_vae=False)
    going_on = "--name run --continue_train"
    assert sizes(parse_train(going_on)) == (286, 128), "a run goes on as it began"
    assert sizes(parse_train(f"{going_on} --crop_size 128")) == (286, 128)
    assert sizes(parse_train(f"{going_on} --crop_size 192")) == (214, 192)
    assert sizes(parse_train(f"{going_on} --crop_size 192 --load_size 300")) == (300, 192)


@pytest.mark.parametrize("mode", ("scale_width", "scale_shortside"))
@pytest.mark.parametrize("size", (256, 128))
def test_modes_that_do_not_crop_scale_to_the_size_of_the_network(mode, size, parse_train, parse_test, save_run):
    words = f"--dataset_mode coco --preprocess_mode {mode}" + ("" if size == 256 else f" --crop_size {size}")
    assert sizes(parse_train(words)) == sizes(parse_test(words)) == (size, size)
    save_run(dataset_mode="coco", preprocess_mode=mode, crop_size=size, load_size=size)
    assert sizes(parse_train("--name run --load_from_opt_file --crop_size 512")) == (512, 512)


SCALES = {
    "preset": ("", None),
    "small": ("--crop_size 128", None),
    "whole images": ("--load_size 256", None),
    "small, whole": ("--crop_size 128 --load_size 128", None),
    "small, from large": ("--crop_size 128 --load_size 286", ("45% across", "2.2 times smaller", "--load_size 143")),
    "from twice the size": ("--load_size 512", ("50% across", "2.0 times smaller", "--load_size 286")),
    "a little larger": ("--load_size 300", None),
    "by width": (
        "--load_size 512 --preprocess_mode scale_width_and_crop",
        ("scaled to 512", "2.0 times smaller", "--load_size 286"),
    ),
    "pixels as they are": ("--load_size 512 --preprocess_mode crop", None),
    "one size": ("--load_size 512 --preprocess_mode fixed", None),
}


@pytest.mark.parametrize(("words", "said"), SCALES.values(), ids=SCALES)
def test_a_scale_that_test_does_not_have_is_said_with_a_load_size_that_ends_it(words, said, parse_train, presets):
    note = scale_note(parse_train(f"--dataset_mode coco {words}"), presets["coco"])
    if said is None:
        assert note is None
        return
    assert all(part in note for part in said) and "\n" not in note
    fix = note[note.rindex("--load_size") :].split()[:2]
    assert scale_note(parse_train(f"--dataset_mode coco {words} {' '.join(fix)}"), presets["coco"]) is None


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
