"""Small runs to export, as train.py leaves them but never trained, and maps to feed them with."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data import PRESETS
from models import Pix2PixModel, create_model
from models.networks.layout import SemanticLayout
from options import TestOptions, TrainOptions, parse_options
from trainers.checkpoint import network_path
from util.fill import fill

CLASSES = 5
IDS = [0, 1, 2, 3, 4, 255]
SMALL = f"--crop_size 64 --ngf 2 --label_nc {CLASSES} --contain_dontcare_label --gpu_ids -1 --dataset_mode custom"
SPADE = f"{SMALL} --norm_G spectralspadesyncbatch1x1"
RUNS = {
    "plain": f"{SPADE} --instance",
    "styles": f"{SMALL} --no_instance --use_vae --z_dim 20 --crop_size 128 --aspect_ratio 2",
    "random": f"{SMALL} --no_instance --conditioning concat --random_input --z_dim 20",
    "pix2pixhd": f"{SMALL} --instance --netG pix2pixhd --resnet_n_downsample 2 --resnet_n_blocks 1 --ngf 16",
}
"""Flags by name."""
AVERAGED = "pix2pixhd"
"""The run that has an average of its generator, whose weights are others."""
DYNAMIC = [("plain", ".pt2"), ("pix2pixhd", ".onnx"), ("pix2pixhd", ".pt2")]
"""Files that are exported for any size; tracing with free sizes is slow."""
NAMES = ("2", "10", "more/1")
FILE_SIZE = (80, 100)  # height and width of the maps; the networks make others


def make_runs(folder: Path) -> Path:
    """Write all `RUNS` into a folder for --checkpoints_dir, and maps beside it into "labels" and "instances"."""
    for seed, (name, flags) in enumerate(RUNS.items()):
        # The folders of a data set belong to a training. Exporting asks for none.
        paths = ["--label_dir", "somewhere", "--image_dir", "somewhere", "--instance_dir", "somewhere"]
        argv = [*flags.split(), *paths, "--name", name, "--checkpoints_dir", str(folder)]
        opt = parse_options(TrainOptions, argv, PRESETS)
        opt.save(opt.run_dir / "options.json")
        model = create_model(parse_options(TestOptions, [*argv, "--load_from_opt_file"], PRESETS))
        for letter, network in model.networks.items():
            fill(network, seed)
            torch.save(network.state_dict(), network_path(opt.run_dir, "latest", letter))
        if name == AVERAGED:
            fill(model.netG, 100)
            torch.save(model.netG.state_dict(), network_path(opt.run_dir, "latest", "G_ema"))
    write_maps(folder.parent / "maps")
    return folder


def argv(runs: Path, name: str, output: Path, *more: str) -> list[str]:
    """Flags of scripts.export for a run, in the format that the name of the output ends in."""
    format = {".onnx": "onnx", ".pt2": "torch_export"}[output.suffix]
    return ["--name", name, "--checkpoints_dir", str(runs), "--format", format, "--output", str(output), *more]


def write_maps(folder: Path) -> None:
    """A label map and an instance map under each of `NAMES`."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        for kind, ids in (("labels", IDS), ("instances", range(3))):
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cells = rng.choice(np.array(ids, dtype=np.uint8), (8, 10))
            Image.fromarray(np.kron(cells, np.ones((10, 10), dtype=np.uint8))).save(path)


def load_run(folder: Path, name: str, raw: bool = False) -> Pix2PixModel:
    """The networks of a run, without the code that exports; the averaged generator where there is one, unless `raw`."""
    argv = [*RUNS[name].split(), "--label_dir", "x", "--instance_dir", "x", "--name", name]
    model = create_model(parse_options(TestOptions, [*argv, "--checkpoints_dir", str(folder)], PRESETS))
    for key, network in model.networks.items():
        averaged = key == "G" and name == AVERAGED and not raw
        path = network_path(folder / name, "latest", "G_ema" if averaged else key)
        network.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


@torch.no_grad()
def synthesize(model: Pix2PixModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The images of a model for what an exported file takes."""
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    layout = SemanticLayout(tensors["labels"], tensors.get("edges"), model.num_labels)
    return model.netG(layout, tensors.get("z")).numpy()


def random_inputs(name: str, count: int, size: tuple[int, int] | None = None) -> dict[str, np.ndarray]:
    """What the exported generator of a run takes, every pixel drawn for itself."""
    rng = np.random.default_rng(count)
    shape = (count, *(size or ((64, 128) if name == "styles" else (64, 64))))
    inputs = {"labels": rng.integers(0, CLASSES + 1, shape)}
    if name in ("styles", "random"):
        return inputs | {"z": rng.standard_normal((count, 20)).astype(np.float32)}
    return inputs | {"edges": rng.random(shape) < 0.3}
