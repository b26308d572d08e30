"""Values that contradict each other are refused with a fix that works."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import METHODS
from options import OptionError, TestOptions, TrainOptions, parse_options
from options.networks import UPSAMPLINGS
from options.sources import usual_values
from util.device import seed_everything

SIZED = {"preprocess_mode": "fixed"}


def fits(**values) -> bool:
    try:
        TrainOptions(**SIZED, **values)
    except OptionError:
        return False
    return True


@pytest.mark.parametrize(
    ("layers", "crop_size", "aspect_ratio", "works"),
    [
        ("normal", 256, 1, True),
        ("normal", 512, 2, True),
        ("normal", 80, 1, False),
        ("normal", 32, 1, True),
        ("normal", 32, 2, False),
        ("normal", 32, 100, False),
        ("normal", 128, 4 / 3, True),
        ("normal", 128, 1.3333, True),
        ("normal", 128, 0.5, True),
        ("more", 512, 2, True),
        ("more", 96, 1, False),
        ("more", 64, 2, False),
        ("most", 192, 1, False),
        ("most", 128, 1, True),
    ],
)
def test_sizes_of_the_spade_generator(layers, crop_size, aspect_ratio, works):
    assert fits(num_upsampling_layers=layers, crop_size=crop_size, aspect_ratio=aspect_ratio) is works


@given(
    layers=st.sampled_from(sorted(UPSAMPLINGS)),
    crop_size=st.integers(1, 4096) | st.integers(1, 64).map(lambda multiple: 32 * multiple),
    aspect_ratio=st.sampled_from([0.5, 0.75, 1.0, 4 / 3, 1.5, 1.78, 2.0]) | st.floats(0.1, 10),
)
def test_allowed_sizes_are_those_the_generator_makes_and_every_fix_works(layers, crop_size, aspect_ratio):
    # The generator's output (reference: SPADE generator): width sw * 2^n, height sh * 2^n.
    step = 2 ** {"normal": 5, "more": 6, "most": 7}[layers]
    width = crop_size // step * step
    height = round(crop_size // step / aspect_ratio) * step
    made = (width, height) == (crop_size, round(crop_size / aspect_ratio)) and width > 0 and height > 0
    values = {"num_upsampling_layers": layers, "crop_size": crop_size, "aspect_ratio": aspect_ratio}
    try:
        TrainOptions(**SIZED, **values)
    except OptionError as error:
        assert not made
        flag, message = re.fullmatch(r"--(crop_size|aspect_ratio) \S+: (.*)", str(error)).groups()
        fixes = re.findall(r"[\d.]+", message.rpartition("; use ")[2])
        assert 1 <= len(fixes) <= 2
        for fix in fixes:
            fixed = {"crop_size": int(fix), "aspect_ratio": 1.0} if flag == "crop_size" else {flag: float(fix)}
            assert fits(**values | fixed)
    else:
        assert made


def test_the_message_has_the_sizes_that_work(parse_train, refused):
    assert refused(parse_train, "--crop_size 80").endswith(
        "--crop_size 80: must be a multiple of 32 with --num_upsampling_layers normal; use 64 or 96"
    )
    assert refused(parse_train, "--crop_size 20").endswith("; use 32")
    assert refused(parse_train, "--crop_size 512 --aspect_ratio 1.4").endswith(
        "--crop_size 512 gives height 366, which must be a multiple of 32 with --num_upsampling_layers normal; "
        "use --aspect_ratio 1.45455 or 1.33333"
    )


def test_sizes_of_the_pix2pixhd_generator(parse_train, refused):
    assert parse_train("--netG pix2pixhd --crop_size 80").crop_size == 80
    assert refused(parse_train, "--netG pix2pixhd --crop_size 88").endswith(
        "--crop_size 88: must be a multiple of 16 with --resnet_n_downsample 4; use 80 or 96"
    )
    assert parse_train("--netG pix2pixhd --crop_size 88 --resnet_n_downsample 3").crop_size == 88
    assert "--aspect_ratio 4: --crop_size 32 gives height 8" in refused(
        parse_train, "--netG pix2pixhd --crop_size 32 --aspect_ratio 4"
    )


@pytest.mark.parametrize("mode", ["resize_and_crop", "scale_width_and_crop", "scale_shortside_and_crop"])
def test_the_crop_lies_inside_what_is_loaded(mode, parse_train, refused):
    line = refused(parse_train, f"--preprocess_mode {mode} --load_size 286")
    assert line.endswith(
        "--load_size 286: smaller than --crop_size 512; use --load_size 512 or more, or --crop_size 256"
    )
    assert parse_train(f"--preprocess_mode {mode} --load_size 512")


@pytest.mark.parametrize("mode", ["crop", "fixed", "none", "scale_width", "scale_shortside"])
def test_other_modes_do_not_crop_what_was_scaled(mode, parse_train):
    assert parse_train(f"--preprocess_mode {mode} --load_size 286").crop_size == 512


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--use_vae --netG pix2pixhd", "--use_vae: --netG pix2pixhd takes no latent; use --netG spade or --no_use_vae"),
        (
            "--random_input --netG pix2pixhd",
            "--random_input: --netG pix2pixhd takes no latent; use --netG spade or --no_random_input",
        ),
        (
            "--use_vae --conditioning none",
            "--conditioning none: with --use_vae the generator would not see the label map; use --conditioning spade "
            "or --no_use_vae",
        ),
        ("--random_input --use_vae", "--random_input: with --use_vae the latent is a style; use --no_use_vae"),
        ("--niter 0", "--niter 0: with --niter_decay 0 there are no epochs; use --niter 1 or more"),
        (
            "--dataset_mode custom",
            "--dataset_mode custom: add --data FILE, or --label_dir FOLDER, the folder of label maps",
        ),
        (
            "--dataset_mode custom --label_dir l",
            "--dataset_mode custom: add --image_dir FOLDER, the folder of photos",
        ),
    ],
)
def test_contradictions(line, message, parse_train, refused):
    assert refused(parse_train, line) == f"train.py: error: {message}"


@pytest.mark.parametrize("flag", ["label_dir", "image_dir", "instance_dir", "label_suffix"])
def test_folders_of_a_data_set_that_would_not_read_them(flag, parse_train, parse_test, refused):
    for parse in (parse_train, parse_test):  # landscapes are drawn: training would never see these files
        line = refused(parse, f"--{flag} maps")
        assert f"--{flag} maps: --dataset_mode landscapes does not read it; leave the flag out, or" in line
        assert "add --dataset_mode custom" in line
    assert "or name a saved run: there is none at checkpoints/" in refused(parse_test, "--name typo --label_dir maps")


@pytest.mark.parametrize("flag", ["checkpoints_dir", "cache_dir", "load_pretrained"])
def test_a_file_where_a_folder_is_wanted(flag, tmp_path, parse_train, refused):
    (tmp_path / "file").touch()
    line = refused(parse_train, f"--{flag} {tmp_path / 'file'}")
    assert line == f"train.py: error: --{flag} {tmp_path / 'file'}: must be a folder, and this is a file"
    assert parse_train(f"--{flag} {tmp_path / 'to_be_made'}")


@pytest.mark.parametrize("flag", ["file_list", "vgg_weights"])
def test_a_folder_where_a_file_is_wanted(flag, tmp_path, parse_train, refused):
    line = refused(parse_train, f"--{flag} {tmp_path}")
    assert line == f"train.py: error: --{flag} {tmp_path}: must be a file, and this is a folder"


def test_decay_alone_is_a_schedule(parse_train):
    assert parse_train("--niter 0 --niter_decay 5").niter == 0


def test_custom_needs_no_photos_to_test(parse_test):
    assert parse_test("--dataset_mode custom --label_dir l").image_dir is None


@pytest.mark.parametrize("line", ["--num_styles 2", "--style_image a.jpg"])
def test_styles_need_an_encoder(line, parse_test, refused):
    assert refused(parse_test, line).endswith("add --use_vae")
    assert parse_test(f"{line} --use_vae")


def test_random_input_gives_several_images_of_a_label_map_but_takes_no_style(parse_test, refused):
    assert parse_test("--random_input --num_styles 2").num_styles == 2
    assert "a network without encoder has no styles" in refused(parse_test, "--random_input --style_image a.jpg")


@pytest.mark.parametrize(
    "flags, line",
    [
        ("--method spade --use_vae --num_styles 2", "--method spade does not use it (oasis does); leave it out"),
        ("--method oasis", "every label map has one style; add --num_styles 2 or more"),
    ],
)
def test_resampling_a_class_needs_noise_and_several_styles(flags, line, presets, refused):
    def parse(line):
        return parse_options(TestOptions, line.split(), presets, METHODS)

    assert parse("--method oasis --num_styles 2 --resample_class 1").resample_class == "1"
    assert refused(parse, f"{flags} --resample_class sky") == f"test.py: error: --resample_class sky: {line}"


@pytest.mark.parametrize(
    "flag, off, on",
    [
        ("--lambda_vgg 5.0", "--no_vgg_loss", "--vgg_loss"),
        ("--lambda_feat 5.0", "--no_gan_feat_loss --no_vgg_loss", "--gan_feat_loss"),
        ("--lambda_kld 0.1", "", "--use_vae"),
        ("--r1_interval 4", "", "--r1_gamma 1"),
        ("--lecam_start 4", "", "--lambda_lecam 1"),
        ("--best_score miou", "", "--eval_freq 1"),
        ("--lambda_labelmix 5.0", "--method oasis --no_labelmix", "--method oasis"),
        ("--feat_num 4", "--method pix2pixhd --netG global", "--method pix2pixhd --netG global --label_feat"),
        ("--norm_E instance", "", "--use_vae"),
        ("--resnet_n_blocks 4", "", "--netG pix2pixhd"),
        ("--resnet_kernel_size 5", "--method spade_plus", "--method spade_plus --netG pix2pixhd"),
        ("--num_upsampling_layers more", "--netG pix2pixhd", "--netG spade"),
    ],
)
def test_a_flag_without_effect_is_refused(flag, off, on, presets, refused):
    def parse(line):
        return parse_options(TrainOptions, line.split(), presets, METHODS)

    assert parse(f"{flag} {on}")
    assert refused(parse, f"{flag} {off}").startswith(f"train.py: error: {flag}: has no effect while --")
    assert parse(f"{flag.split()[0]} 0 {off}") if "lambda" in flag else True  # nothing is asked for


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/a", "a/", "a\\b", " a"])
def test_a_run_has_a_plain_name(name):
    with pytest.raises(OptionError, match="must be one plain folder name"):
        TrainOptions(name=name)


@pytest.mark.parametrize(("text", "ids"), [("auto", None), ("-1", ()), ("0", (0,)), ("0,1", (0, 1)), ("3,1", (3, 1))])
def test_gpu_ids(text, ids, parse_train):
    assert parse_train(f"--gpu_ids {text}").gpu_id_list == ids


@pytest.mark.parametrize("text", ["", "gpu", "0,", "0,0", "0,-1", "-2", "1.0", "0;1"])
def test_gpu_ids_that_are_none(text, parse_train):
    with pytest.raises(OptionError, match="must be auto, -1"):
        TrainOptions(gpu_ids=text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label_nc": "13"}, "--label_nc 13: must be an integer"),
        ({"label_nc": True}, "--label_nc True: must be an integer"),
        ({"label_nc": None}, "--label_nc None: must be an integer"),
        ({"flip": 1}, "--flip 1: must be true or false"),
        ({"lr": 0}, "--lr 0: must be greater than 0"),
        ({"gan_mode": "x"}, "--gan_mode x: must be one of ls, original, hinge, w"),
    ],
)
def test_objects_made_in_python_are_checked_too(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TrainOptions(**values)


def test_seeds_are_those_that_every_generator_takes(parse_train, refused):
    seed_everything(parse_train("--seed 4294967295").seed)
    for wrong in ("4294967296", "-1"):
        assert refused(parse_train, f"--seed {wrong}").endswith(f"--seed {wrong}: must be 0..4294967295")


def test_a_number_of_processes_that_would_stop_the_machine_is_refused(parse_train, refused):
    assert parse_train("--num_workers 64").num_workers == 64
    line = refused(parse_train, "--num_workers 100000")
    assert re.search(r"--num_workers 100000: must be 0\.\.\d+$", line)


def test_derived_values():
    opt = TrainOptions(label_nc=10, contain_dontcare_label=True, instance=True, checkpoints_dir="c", name="n")
    assert (opt.num_labels, opt.semantic_nc, opt.run_dir.as_posix(), opt.is_train) == (11, 12, "c/n", True)
    assert not TestOptions().is_train
    assert TestOptions(instance=False).semantic_nc == 182


def test_a_training_says_what_differs_from_the_presets(presets):
    line = "--dataset_mode coco --name mine --ngf 16 --no_flip --beta1 0.5 --max_dataset_size 9 --crop_size 128"
    opt = parse_options(TrainOptions, line.split(), presets, METHODS)
    assert opt.describe(usual_values(opt, presets, METHODS)).splitlines() == [
        "Training spade on coco: 182 classes and unknown pixels, images of 128x128, batches of 1, 50 epochs",
        "  --crop_size 128        [default: 256]",
        "  --load_size 143        [default: 286]",
        "  --no_flip              [default: on]",
        "  --max_dataset_size 9   [default: all]",
        "  --ngf 16               [default: 64]",
        "  --beta1 0.5            [default: 0.0]",
        "All other options have their defaults for this method and data set; checkpoints/mine/options.json lists them "
        "all",
    ]


def test_a_training_on_a_data_file_names_its_data_set(presets):
    Path("streets.toml").write_text(
        'name = "streets"\nclasses = [{ id = 0, name = "road" }, { id = 1, name = "sky" }]\n'
        '[train]\nlabels = "l"\nphotos = "p"\n[options]\ncrop_size = 128\nload_size = 143\n',
        encoding="utf-8",
    )
    opt = parse_options(TrainOptions, "--name mine --data streets.toml".split(), presets, METHODS)
    first, last = opt.describe(usual_values(opt, presets, METHODS)).splitlines()
    assert first == "Training spade on streets: 2 classes, images of 128x128, batches of 1, 50 epochs"
    assert last.startswith("All other options have their defaults")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("line", ["", "--dataset_mode coco", "--dataset_mode custom --label_dir l --image_dir i"])
def test_presets_alone_differ_in_nothing_but_what_is_typed(method, line, presets):
    opt = parse_options(TrainOptions, f"{line} --method {method} --crop_size 256".split(), presets, METHODS)
    flags = [text.split()[0] for text in opt.differences(usual_values(opt, presets, METHODS))]
    assert set(flags) <= {"--label_dir", "--image_dir", "--crop_size", "--load_size"}


def test_flags_of_a_scoring_that_never_comes_are_refused():
    with pytest.raises(OptionError, match="nothing is scored without --eval_freq; add --eval_freq N"):
        TrainOptions(eval_flags="--features random")
    TrainOptions(eval_flags="--features random", eval_freq=2)
    TrainOptions(eval_flags="")


def test_networks_of_an_epoch_need_a_flag_that_loads_them():
    with pytest.raises(OptionError, match="--which_epoch best: --auto_resume resumes from the latest save"):
        TrainOptions(which_epoch="best", auto_resume=True)
    with pytest.raises(OptionError, match="--which_epoch 3: goes with --continue_train or --load_pretrained DIR"):
        TrainOptions(which_epoch="3")
    TrainOptions(which_epoch="3", continue_train=True)
    TrainOptions(which_epoch="best", load_pretrained="folder")
    TestOptions(which_epoch="best")


@pytest.mark.parametrize(
    "flag", ["--crop_size 512", "--aspect_ratio 2.0", "--load_size 300", "--preprocess_mode scale_width"]
)
def test_a_size_that_tiles_replace_is_refused_if_it_was_typed(flag, parse_test, refused, tmp_path):
    assert refused(parse_test, f"--tile 64 {flag}") == (
        f"test.py: error: {flag}: has no effect with --tile 64; leave one of them out"
    )
    TrainOptions(name="run", crop_size=128, load_size=140).save(tmp_path / "checkpoints" / "run" / "options.json")
    opt = parse_test("--name run --tile 64")
    assert (opt.tile, opt.crop_size) == (64, 128)


def test_the_size_of_a_latent_may_be_typed_beside_tiles(parse_test, refused):
    assert parse_test("--tile 64 --use_vae --crop_size 128").crop_size == 128
    assert "has no effect" in refused(parse_test, "--tile 64 --use_vae --crop_size 128 --load_size 140")


def test_advice_says_folder_for_an_option_that_names_one(parse_train, refused):
    assert "use --load_pretrained FOLDER, or leave the flag out" in refused(parse_train, "--load_what_fits")
