"""The advice in refusals is walked: doing what a message says must end in a command line that is accepted.

On the way no message may ask for what a message before it forbade, or for what is already typed.
"""

import ast
import re
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from data import PRESETS
from models import METHODS
from options import EvaluateOptions, TestOptions, TrainOptions
from options.command_line import CommandLine
from options.resolve import resolve

ROOT = Path(__file__).parents[2]
PLACEHOLDERS = {
    "FOLDER": "folder",
    "DIR": "folder",
    "FILE": "file",
    "RUN": "file",
    "N": "2",
    "X": "0.5",
}
CUSTOM = {"dataset_mode": "custom", "label_dir": "l", "image_dir": "i", "label_nc": 9}
RUNS = {
    "plain": TrainOptions(name="plain", crop_size=256, ngf=16),
    "encoder": TrainOptions(name="encoder", crop_size=256, use_vae=True),
    "hd": TrainOptions(name="hd", crop_size=256, netG="pix2pixhd", norm_G="instance", conditioning="none"),
    "batch": TrainOptions(name="batch", crop_size=256, norm_D="spectralbatch", vgg_loss=False),
    "custom": TrainOptions(name="custom", crop_size=256, **CUSTOM, instance=True, instance_dir="n"),
    "oasis": TrainOptions(name="oasis", crop_size=256, method="oasis", instance=False, z_dim=64, vgg_loss=False),
    "sketch": TrainOptions(name="sketch", crop_size=256, **CUSTOM | {"label_nc": 0, "input_nc": 1}, instance=False),
    "patch": TrainOptions(name="patch", crop_size=256, method="pix2pix", norm_G="batch", norm_D="batch"),
}
"""Saved runs, which some of the command lines name."""

DATA = """
name = "streets"
classes = [{ id = 0, name = "road" }, { id = 1, name = "sky" }]
[train]
labels = "l"
photos = "p"
"""
SKETCHES = """
[train]
labels = "l"
photos = "p"
[options]
label_nc = 0
input_nc = 1
"""
TRAIN = """
--name new --crop_size 80
--name new --crop_size 512 --aspect_ratio 1.4
--name new --dataset_mode coco --load_size 128
--name new --dataset_mode coco --load_size 100 --num_upsampling_layers most
--name new --dataset_mode custom
--name new --data=
--name new --dataset_mode custom --label_dir l
--name new --dataset_mode custom --label_dir l --image_dir i --instance
--name new --data RUNS/data.toml --dataset_mode coco
--name new --data RUNS/data.toml --phase other
--name new --shards=
--name new --shards RUNS --label_dir l
--name new --shards RUNS --dataroot d
--name new --shards RUNS/train-{0..1}.tar
--name plain --continue_train --config RUNS/encoder/options.json
--name new --label_dir maps
--name new --dataset_mode coco --image_suffix _x
--name new --netG global
--name new --netG pix2pixhd --upsampling_G bilinear
--name new --netG pix2pixhd --use_vae
--name new --netG pix2pixhd --random_input
--name new --netG pix2pixhd --z_dim 8
--name new --use_vae --random_input
--name new --conditioning none --use_vae
--name new --conditioning none --random_input
--name new --load_what_fits
--name new --which_epoch 3
--name new --which_epoch 3 --auto_resume
--name new --niter 0
--name new --eval_flags x
--name new --eval_freq 2 --eval_generator both
--name new --batch_size 4 --accumulate 3
--name new --batch_size 2 --accumulate 3
--name new --dataset_mode coco --load_size 300 --crop_size 512 --aspect_ratio 2
--name new --dataset_mode coco --load_size 280 --crop_size 512 --aspect_ratio 4
--name new --dataset_mode custom --label_dir l --image_dir i --instance_dir n --load_size 100
--name new --lambda_kld 0.1
--name new --no_vgg_loss --lambda_vgg 1
--name new --no_vgg_loss --no_gan_feat_loss --lambda_feat 1
--name new --norm_E instance
--name new --resnet_n_blocks 3
--name new --netG pix2pixhd --num_upsampling_layers more
--name new --r1_interval 3
--name new --best_score fid
--name new --eval_generator raw
--name new --method oasis --no_labelmix --lambda_labelmix 2
--name new --method oasis --use_vae
--name new --method oasis --crop_size 80
--name new --method pix2pix --crop_size 200
--name new --method pix2pix --crop_size 256 --aspect_ratio 3
--name new --method pix2pix --norm_G instance3
--name new --method pix2pix --norm_D spectralbatch
--name new --method pix2pix --r1_gamma 1
--name new --method pix2pixhd --netG spade
--name new --method pix2pixhd --norm_D spectralinstance
--name new --method pix2pixhd --crop_size 16
--name new --method pix2pixhd --feat_num 2
--name new --method pix2pixhd --instance_feat --label_feat
--name new --method pix2pixhd --instance_feat --no_instance
--name new --method pix2pixhd --niter_fix_global 3
--name new --method pix2pixhd --netG local --niter 2 --niter_decay 0 --niter_fix_global 3
--name new --method crn --crop_size 200 --vgg_weights v
--name new --method crn --crn_train_from 5
--name new --method crn --vgg_origin caffe
--name new --method crn --vgg_origin caffe --no_vgg_loss
--name new --method sims --disparity_dir d
--name new --r1_gamma 1 --compile
--name new --r1_gamma 1 --norm_D spectralsyncbatch
--name new --load_from_opt_file
--name plain --continue_train --ngf 32
--name plain --continue_train --method oasis
--name plain --continue_train --use_vae
--name plain --continue_train --lambda_kld 0.1
--name plain --continue_train --netG pix2pixhd
--name plain --auto_resume --ngf 32
--name plain --load_from_opt_file --lambda_kld 0.1
--name plain --load_from_opt_file --resnet_n_blocks 3
--name encoder --continue_train --crop_size 128
--name encoder --load_from_opt_file --netG pix2pixhd
--name batch --continue_train --r1_gamma 1
--name batch --continue_train --lambda_vgg 2
--name hd --continue_train --num_upsampling_layers more
--name new --label_nc 0
--name new --input_nc 3
--name new --input_nc 3 --dataset_mode custom --label_dir l --image_dir i --instance_dir n
--name new --method oasis --input_nc 3
--name new --method pix2pixhd --dataset_mode custom --label_dir l --image_dir i --label_nc 0 --input_nc 3 --label_feat
--name sketch --continue_train --input_nc 3
--name sketch --continue_train --modulation table
--name sketch --continue_train --instance
--name sketch --continue_train --method oasis
--name new --data RUNS/sketches.toml --method oasis
--name patch --continue_train --r1_gamma 1
"""
TEST = """
--name new --dataset_mode custom
--name new --dataset_mode custom --label_dir l --instance
--name new --label_dir maps
--name new --style_image photo.png
--name new --num_styles 3
--name new --reconstruct
--name plain --reconstruct
--name encoder --reconstruct --style_image photo.png
--name encoder --reconstruct --num_styles 2
--name new --random_input --style_image photo.png
--name new --resample_class sky
--name new --method oasis --resample_class sky
--name new --method oasis --no_noise_3d --num_styles 2
--name new --method oasis --style_image photo.png
--name new --method pix2pix --num_styles 3 --no_dropout
--name new --method pix2pix --num_styles 3 --crop_size 96
--name new --tile --netG pix2pixhd
--name new --tile --norm_G spectralspadeinstance3x3
--name new --tile --compile
--name new --tile --crop_size 512
--name plain --tile 64 --crop_size 512 --aspect_ratio 2
--name plain --tile 64 --load_size 300
--name encoder --tile 64 --preprocess_mode fixed
--name plain --tile 64 --recalibrate_bn 16
--name oasis --tile --num_styles 2 --resample_class sky
--name new --method pix2pixhd --instance_feat
--name new --method pix2pixhd --use_encoded_image
--name new --method crn --crop_size 200
--name new --method sims --crop_size 200
--name new --load_from_opt_file
--name plain --ngf 32
--name plain --use_vae
--name plain --method oasis
--name plain --style_image photo.png
--name plain --num_styles 3
--name plain --style_image photo.png --num_styles 2 --use_vae
--name plain --label_dir maps
--name plain --dataset_mode custom
--name plain --crop_size 80
--name plain --netG pix2pixhd
--name plain --resample_class sky
--name encoder --crop_size 128
--name encoder --no_use_vae
--name encoder --random_input
--name custom
--name custom --label_dir l
--name custom --label_dir l --no_instance
--name hd --num_styles 2
--name sketch --resample_class sky
--name sketch --label_dir l --modulation table
--name sketch --tile 256
--name hd --upsampling_G bilinear
--name oasis --resample_class sky
--name oasis --netG spade
--name oasis --use_vae
--name patch --num_styles 2 --test_statistics running
--name patch --num_styles 2 --no_dropout
"""
EVALUATE = """
--output scores.json
--name plain --fake images
--name plain --real photos
--name plain --labels maps
--fake images --features inception --labels maps
--fake images --segmenter s --real photos
--fake images --labels maps --features none --reconstruct
--fake images --segmenter_weights s --real photos
--fake images --labels maps --segmenter s --kid
--name plain --inception_weights w --features random
--name plain --features none
--name plain --features incepton
--name plain --features random --features_size 16
--name plain --features none --segmenter s --precision_recall
--name plain --real_statistics a --precision_recall
--name plain --features none --kid --segmenter s
--fake images --labels maps --features none --kid --segmenter s
--name plain --real_statistics a --save_real_statistics b
--name plain --features none --segmenter s --real_statistics a
--name plain --features none --segmenter s --save_real_statistics a
--fake images --labels maps --features none --segmenter s --save_real_statistics a
--name plain --segmenter s --segmenter_weights w
--name sketch --segmenter s
--name sketch --segmenter_weights w
--name plain --segmenter_weights ,
--name plain --lpips_weights w
--name new --dataset_mode custom
--name encoder --crop_size 128
--fake images --dataset_mode custom
"""
LINES = [
    (program, line.strip())
    for program, lines in ((TrainOptions, TRAIN), (TestOptions, TEST), (EvaluateOptions, EVALUATE))
    for line in lines.strip("\n").split("\n")
]


SITES = {"options": None, "models/methods": ("check",), "models/crn_loss.py": ("check_loss",)}
"""Files and folders whose refusals are walked: all of those that advise something, or those in functions of a name."""
ELSEWHERE = {
    "field.py",
    "command_line.py",
    "saved.py",
    "help.py",
    "parse.py",
    "arguments.py",
    "config.py",
    "other_data.py",
}
"""Files of options/ whose refusals are about one word, or about a file."""
WORDS = re.compile(r"(add|use|give|leave|goes with) |fix")
walked: set[tuple[str, int]] = set()
"""The places (file, line) of the refusals that were walked."""


@pytest.fixture(scope="module", autouse=True)
def _runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data.toml").write_text(DATA, encoding="utf-8")
    (folder / "sketches.toml").write_text(SKETCHES, encoding="utf-8")
    for run in RUNS.values():
        replace(run, checkpoints_dir=str(folder)).save(folder / run.name / "options.json")
    return folder


def refusal(program, typed: dict) -> Exception | None:
    """Why a command line is not accepted."""
    try:
        resolve(program, CommandLine(program, PRESETS, METHODS).options, PRESETS, typed, methods=METHODS)
    except ValueError as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        walked.add((str(Path(place.filename).relative_to(ROOT)), place.lineno or 0))
        return error
    return None


def typed_in(program, line: str, runs: Path) -> dict:
    """The options of a command line, in which RUNS is the folder of the saved runs."""
    words = line.replace("RUNS", str(runs)).split()
    return CommandLine(program, PRESETS, METHODS).typed([*words, "--checkpoints_dir", str(runs)])


def changes(program, message: str, typed: dict) -> list[dict]:
    """What a message says to type instead: for each way, the options to set, or to leave out (None)."""
    options = CommandLine(program, PRESETS, METHODS).options
    subject = next(iter(re.findall(r"^--(?:no_)?(\w+)", message)), "")
    advice = message.rpartition("; ")[2] if "; " in message else message.partition(": ")[2]
    advice = re.sub(
        r"\(\S*/\S*\)|,? ?(or )?(name|train|use --\w+ \S+ in) a(nother)? (new )?run.*?(?=, or|$)", "", advice
    )
    found: list[dict] = []
    if re.search(r"leave (it|the flag) out", advice):
        found.append({subject: None})
    if "leave one of them out" in advice:
        found += [{name: None} for name in dict.fromkeys(re.findall(r"--(?:no_)?(\w+)", message)) if name in typed]
    for flag in re.findall(r"leave out --(\w+)", advice):
        found.append({flag: None})
    if "use that" in advice or "add that" in advice:
        found.append(flags(options, re.findall(r"--\w+ \w+", message)[1], Path(typed["checkpoints_dir"])))
    if listed := re.search(r"must be one of ([\w.]+)", message):
        found.append({subject: options[subject].from_text(listed.group(1))})
    advice = re.sub(r"(with|without|of|for|while|leave out) --\w+", "", advice)
    word = r"--\w+(?: (?!or |and |in |of |the )[\w./]+)?"
    for words in re.findall(rf"{word}(?: {word})*", advice):
        found.append(flags(options, words, Path(typed["checkpoints_dir"])))
    subject = next(reversed(re.findall(r"use --(\w+) \S", advice)), subject)
    for value in re.findall(r"(?:use|or) ([\d.]+|raw|spade|pix2pixhd)\b", advice):
        found.append({subject: options[subject].from_text(value)})
    return found


def flags(options, words: str, runs: Path) -> dict:
    """The options that words such as `--crop_size 64 --no_flip --lr X` set."""
    values = {}
    for flag, text in re.findall(r"(--\w+)(?: ([^-\s]\S*))?", words):
        option = next(option for option in options.values() if flag in option.spellings)
        if option.name == "data":
            text = str(runs / "data.toml")
        if option.kind is bool:
            values[option.name] = option.switches[flag]
        else:
            values[option.name] = option.from_text(PLACEHOLDERS.get(text or option.metavar, text or "file"))
    return values


def walk(program, typed: dict, done: dict, seen: list[str]) -> None:
    """Follow every way that the messages show, up to a command line that is accepted."""
    error = refusal(program, typed)
    if error is None:
        return
    seen = [*seen, str(error)]
    trail = "\n".join(seen)
    assert len(seen) <= 6, trail
    ways = []
    for change in changes(program, str(error), typed):
        undoes = any(name in done and done[name] != value for name, value in change.items())
        changed = {name: value for name, value in (typed | change).items() if value is not None}
        if changed != typed and not undoes:
            ways.append((changed, done | change))
    assert ways, f"nothing that is said can be done:\n{trail}"
    for changed, now_done in ways:
        walk(program, changed, now_done, seen)


@pytest.mark.parametrize(("program", "line"), LINES, ids=[f"{program.program} {line}" for program, line in LINES])
def test_doing_what_a_message_says_ends_well(program, line, _runs):
    typed = typed_in(program, line, _runs)
    assert refusal(program, typed) is not None
    walk(program, typed, {}, [line])


def refusals() -> set[tuple[str, int]]:
    """The places where something is refused with advice."""
    places = set()
    for room, functions in SITES.items():
        for path in sorted((ROOT / room).rglob("*.py")) if (ROOT / room).is_dir() else [ROOT / room]:
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()
            for function in ast.walk(ast.parse(text)):
                if not isinstance(function, ast.FunctionDef) or (functions and function.name not in functions):
                    continue
                for node in ast.walk(function):
                    if not isinstance(node, ast.Raise) or path.name in ELSEWHERE:
                        continue
                    if WORDS.search(" ".join(lines[node.lineno - 1 : node.end_lineno])):
                        places.add((str(path.relative_to(ROOT)), node.lineno))
    return places


def test_every_advice_is_walked(_runs):
    for program, line in LINES if refusals() - walked else ():  # other tests of this file have not run
        refusal(program, typed_in(program, line, _runs))
    assert sorted(refusals() - walked) == []
