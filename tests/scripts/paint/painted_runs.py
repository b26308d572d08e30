"""Small runs to paint with, as train.py leaves them but never trained."""

from pathlib import Path

import torch

from data import PRESETS
from models import METHODS, create_model
from options import TrainOptions, parse_options
from scripts.paint.options import model_options, parse_args
from trainers.checkpoint import network_path
from util.fill import fill

TINY = "--crop_size 64 --ngf 4 --gpu_ids -1 --no_vgg_loss"
CUSTOM = f"{TINY} --dataset_mode custom --label_dir x --image_dir x"
RUNS = {
    "styles": f"{CUSTOM} --instance_dir x --label_nc 5 --contain_dontcare_label --instance --use_vae --z_dim 4",
    "plain": f"{CUSTOM} --label_nc 5 --no_instance --aspect_ratio 2 --conditioning concat",
    "oasis": f"{TINY} --dataset_mode custom --label_dir x --image_dir x --method oasis --label_nc 5 "
    "--contain_dontcare_label --z_dim 4",
    "landscapes": f"{TINY} --use_vae --z_dim 4",
    "ade20k": f"{TINY} --dataset_mode ade20k",
    "coco": f"{TINY} --dataset_mode coco --no_instance",
    "many": f"{CUSTOM} --label_nc 300",
    "sims": "--gpu_ids -1 --dataset_mode custom --label_dir x --image_dir x --label_nc 5 --method sims --bank x",
}
"""Flags of train.py by name."""


def make_run(folder: Path, name: str) -> Path:
    """Write one of `RUNS` into a folder for --checkpoints_dir; return the folder of the run."""
    argv = [*RUNS[name].split(), "--name", name, "--checkpoints_dir", str(folder)]
    opt = parse_options(TrainOptions, argv, PRESETS, METHODS)
    opt.save(opt.run_dir / "options.json")
    if name in ("many", "sims"):  # refused before networks are loaded
        return opt.run_dir
    args = parse_args(["--name", name, "--checkpoints_dir", str(folder)])
    model = create_model(model_options(args, PRESETS, METHODS))
    for letter, network in model.networks.items():
        fill(network, seed=3)
        torch.save(network.state_dict(), network_path(opt.run_dir, "latest", letter))
    return opt.run_dir
