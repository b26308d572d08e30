"""SPADE from Python: build or load a generator, generate from arrays, train on data of one's own, score folders.

docs/api.md shows each in a few lines. Options are keyword arguments with the names that `--help` lists. What cannot be
used is a `ValueError` (its subclasses `InputError` and `OptionError`) or a `TypeError`, with a message of one line that
names options as flags. Random numbers, threads and precision of the calling program stay as they are.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike

from data import PRESETS
from data.arrays import ArrayDataset, maps_of
from data.custom import IN_PYTHON
from evaluation.generator import Generator
from evaluation.run import evaluate
from models import METHODS, create_model
from options import EvaluateOptions, TrainOptions
from options.keywords import options_of
from options.model import ModelOptions
from options.saved import SAVED_NAME
from trainers.loading import check_label_maps_suffice, load_networks
from trainers.run import Run, create_run
from util.device import choose_device, place, prepare_torch, restored_settings
from util.distributed import World
from util.errors import InputError, Interrupted

__all__ = ["Generator", "build", "load", "score", "train"]

WEIGHTS_NAME = re.compile(r"(.+)_net_G(_ema)?\.pth")
Device = str | torch.device | None


def build(device: Device = None, **options: Any) -> Generator:
    """A generator with new random weights.

    Args:
        device: such as "cpu" or "cuda:1"; by default a GPU if there is one.
        options: of train.py that define the networks: method, label_nc, crop_size, ngf, use_vae, z_dim, ... The data
            set is "custom" unless `dataset_mode` names another. `seed` decides the weights.
    """
    opt = options_of(ModelOptions, {"dataset_mode": "custom", "init_type": "xavier"} | options | _gpu(device), *_TABLES)
    return _generator(opt)


def load(run: str | os.PathLike, device: Device = None, **options: Any) -> Generator:
    """The generator of a trained run, or of weights that were released for the published code.

    The average of its weights is taken where there is one, as by test.py.

    Args:
        run: folder of a run, or a file LABEL_net_G.pth in such a folder (the encoder is LABEL_net_E.pth beside it).
        device: such as "cpu" or "cuda:1"; by default a GPU if there is one.
        options: `which_epoch` ("best", "20") and `use_raw_G`. Without options.json in the folder also `dataset_mode`
            ("coco", "ade20k", "cityscapes"), whose preset is the published architecture, and what differs from it.
    Raises:
        InputError: there is no such run, or its weights are those of another architecture.
    """
    path = Path(run).resolve()
    given = dict(options)
    if not path.is_dir():
        match = WEIGHTS_NAME.fullmatch(path.name)
        if not path.is_file() or not match:
            what = "must be named LABEL_net_G.pth, as train.py names it" if path.is_file() else "no such run or file"
            raise InputError(f"{run}: {what}")
        given = {"which_epoch": match[1], "use_raw_G": match[2] is None} | given
        path = path.parent
    saved = path / SAVED_NAME
    if not saved.exists() and "dataset_mode" not in given:
        raise InputError(f'{path}: has no {SAVED_NAME}; say what the weights are for, such as dataset_mode="coco"')
    given |= {"name": path.name, "checkpoints_dir": str(path.parent)}
    return _generator(options_of(ModelOptions, given | _gpu(device), *_TABLES, saved=saved), is_trained=True)


def train(
    dataset: Any = None,
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    class_colors: ArrayLike | None = None,
    device: Device = None,
    **options: Any,
) -> Generator:
    """Train as train.py does, and return the trained generator. The run, with its page, is in checkpoints/NAME.

    Ctrl-C saves the run and raises a KeyboardInterrupt; the same call with `continue_train=True` goes on.

    Args:
        dataset: a sequence or a torch Dataset of (labels, photo), or of dicts with "labels", "image" and perhaps
            "instances": maps (H, W) of integer ids, 255 for unknown with `contain_dontcare_label`; photos (H, W, 3)
            uint8. Arrays, tensors, Pillow images or files. With `input_nc` the labels are conditioning images. By
            default the data set that `options` name.
        class_names, class_colors: of the classes, in the order of their ids; the run keeps them. Or `data` names a
            data file with the classes.
        device: such as "cpu" or "cuda:1"; by default a GPU if there is one.
        options: of train.py; `label_nc` is needed for a data set in Python without `class_names` or `data`.
    Raises:
        InputError: something cannot be used; an earlier run of the name is then untouched.
    """
    given = {"name": name} | options | _gpu(device)
    if dataset is not None:
        given = _of_own_data(dataset, class_names, given) | given
    saved = Path(given.get("checkpoints_dir", "./checkpoints")) / name / SAVED_NAME
    opt = options_of(TrainOptions, given, *_TABLES, saved=saved)
    check_label_maps_suffice(opt)
    own = None if dataset is None else ArrayDataset(dataset, opt, class_names, class_colors)
    with restored_settings(), _ctrl_c(), ExitStack() as stack:
        run_loop = _training_loop()
        run_loop(opt, create_run(opt, World.from_environment(), stack, own))
    return load(opt.run_dir, device)


def score(
    fake: str | os.PathLike, real: str | os.PathLike | None = None, device: Device = None, **options: Any
) -> dict:
    """Score a folder of images against a folder of photos as evaluate.py does; return the content of its scores.json.

    Args:
        fake, real: folders of images; with segmentation or label maps alone there need be no photos.
        device: such as "cpu" or "cuda:1"; by default a GPU if there is one.
        options: of evaluate.py: `features`, `labels`, `segmenter`, `bootstrap`, ... `output` names a file to write.
    Raises:
        InputError: the folders or options cannot be used.
    """
    folders = {"fake": fake} if real is None else {"fake": fake, "real": real}
    opt = options_of(EvaluateOptions, folders | options | _gpu(device), *_TABLES)
    with restored_settings():
        prepare_torch(opt.seed, threads=opt.threads)
        report, _ = evaluate(opt, World(), choose_device(opt.gpu_id_list), writes=opt.output is not None)
    if opt.output is not None:
        report.save(Path(opt.output))
    return report.content


_TABLES = (PRESETS, METHODS)


def _generator(opt: ModelOptions, is_trained: bool = False) -> Generator:
    check_label_maps_suffice(opt)
    with restored_settings():
        prepare_torch(opt.seed, threads=opt.threads)
        device = choose_device(opt.gpu_id_list)
        model = create_model(opt)
        if is_trained:
            load_networks(opt.run_dir, opt.which_epoch, model, averaged=not opt.use_raw_G)
        return Generator(opt, place(model, device, opt.channels_last, opt.modulation))


def _gpu(device: Device) -> dict[str, str]:
    """A device as --gpu_ids."""
    if device is None:
        return {}
    chosen = torch.device(device)
    if chosen.type not in ("cpu", "cuda"):
        raise InputError(f'device {device}: must be "cpu" or "cuda", perhaps with a number')
    return {"gpu_ids": "-1" if chosen.type == "cpu" else str(chosen.index or 0)}


def _training_loop() -> Callable[[TrainOptions, Run], None]:
    """The loop in train.py. Raises `InputError` if a file of the calling program hides it."""
    found = importlib.util.find_spec("train")
    if found is None or found.origin is None or Path(found.origin).parent != Path(__file__).parent:
        raise InputError(f"{found and found.origin}: has the name of train.py of this project; give it another one")
    from train import train

    return train


def _of_own_data(dataset: Any, class_names: Sequence[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a data set in Python decides. Raises `InputError` if nothing names or counts its classes."""
    ways = ("label_nc", "input_nc", "data", "config", "continue_train", "auto_resume")
    if class_names is None and not any(given.get(name) for name in ways):
        raise InputError("label_nc: say how many classes there are, or give their class_names")
    if class_names is not None and given.get("data"):
        raise InputError(f"class_names: the classes are those of {given['data']}; leave one of them out")
    if not hasattr(dataset, "__len__"):
        raise InputError(f"the data set: a {type(dataset).__name__} has no length; give a sequence or a torch Dataset")
    if not len(dataset):
        raise InputError("the data set: holds no samples")
    classes = {} if class_names is None else {"label_nc": len(class_names)}
    folders = {"label_dir": IN_PYTHON, "image_dir": IN_PYTHON}
    if maps_of(dataset[0], "sample 0").get("instances") is not None:
        folders["instance_dir"] = IN_PYTHON
    return {"dataset_mode": "custom"} | folders | classes


@contextlib.contextmanager
def _ctrl_c() -> Iterator[None]:
    """Turn the end of a training by Ctrl-C into a KeyboardInterrupt, as Python programs and notebooks expect."""
    try:
        yield
    except Interrupted as error:
        if error.exit_status != 128 + signal.SIGINT:
            raise
        raise KeyboardInterrupt(str(error).replace("--continue_train", "continue_train=True")) from None
