"""Scores in training: validation photos are read once, and the generator is scored repeatedly."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from data import PRESETS, SampleDataset, create_dataset
from evaluation.generation import Generation, indexed_batches, style_photos
from evaluation.image_sets import DataSetTruth
from evaluation.instruments import create_instruments, scores_whole_labels
from evaluation.protocol import protocol_hash
from models import METHODS, Pix2PixModel, create_model
from options import EvaluateInTrainingOptions, OptionError, TrainOptions
from options.data_file import described
from options.parse import parse_embedded
from util.device import place
from util.distributed import World
from util.errors import InputError
from util.precision import arithmetic

FLAG = "--eval_flags"
WITHOUT_EFFECT = {
    "name": "the run that is trained is scored",
    "checkpoints_dir": "the run that is trained is scored",
    "load_from_opt_file": "the run that is trained is scored",
    "fake": "the run that is trained is scored",
    "real": "photos are those of the data set",
    "labels": "label maps are those of the data set",
    "which_epoch": "the present networks are scored",
    "use_raw_G": "--eval_generator raw, beside it, scores the trained weights",
    "gpu_ids": "scores are computed where the training runs",
    "deterministic": "it is that of the training",
    "num_styles": "every label map gets one image",
    "resample_class": "every label map gets one image",
    "tile": "images are scored at the size of the networks",
    "lpips": "every label map gets one image; evaluate.py --lpips compares styles after test.py --num_styles 2",
    "lpips_weights": "every label map gets one image; evaluate.py --lpips compares styles after test.py --num_styles 2",
    "results_dir": "no images are written, and scores go into the run's folder",
    "bootstrap": "scores in training have no intervals; evaluate.py --bootstrap gives them after test.py",
    "output": "no images are written, and scores go into the run's folder",
    "save_real_statistics": "no images are written, and scores go into the run's folder",
}
"""Options of evaluate.py that have no effect in training, and why."""


def evaluation_options(opt: TrainOptions) -> EvaluateInTrainingOptions:
    """The options in `--eval_flags`, for the run of the training options `opt`.

    Raises:
        InputError: the flags are wrong, or would have no effect.
    """
    session = {"name": opt.name, "checkpoints_dir": opt.checkpoints_dir, "gpu_ids": opt.gpu_ids, "num_workers": 0}
    description = described(opt)
    # [test] is for the end.
    flags = f"--phase val {opt.eval_flags}" if description and "val" in description.parts else opt.eval_flags
    with naming_eval_flags(opt):
        options, typed = parse_embedded(EvaluateInTrainingOptions, flags, PRESETS, METHODS, asdict(opt), **session)
        if useless := sorted(typed & WITHOUT_EFFECT.keys()):
            raise OptionError(f"--{useless[0]}: leave it out; {WITHOUT_EFFECT[useless[0]]}")
    return options if "download" in typed else replace(options, download=opt.download)


@contextlib.contextmanager
def naming_eval_flags(opt: TrainOptions) -> Iterator[None]:
    """Add `--eval_flags` to errors inside, and for a custom data set the validation folders that are missing.

    Args:
        opt: training options.
    """
    try:
        yield
    except (OptionError, InputError) as error:
        hint = ""
        description = described(opt)
        is_described = description is not None and "val" in description.parts
        if opt.dataset_mode == "custom" and not is_described and "--image_dir" not in opt.eval_flags:
            folders = "--label_dir LABELS --image_dir PHOTOS" + (" --instance_dir INSTANCES" if opt.instance else "")
            hint = f'; name the validation folders: {FLAG} "{" ".join([opt.eval_flags, folders]).strip()}"'
        named = InputError(f"{FLAG}: {error}{hint}")
        named.said_elsewhere = getattr(error, "said_elsewhere", False)
        raise named from None


class ScoresInTraining:
    """The scores that `test.py` and then `evaluate.py` would give a generator, without files in between.

    Each process of `world` generates and scores its shard of the label maps; all get the same scores. The random state
    of the training does not change.

    Args:
        opt: of `evaluation_options`.
    Raises:
        InputError: as `evaluate.py`, before anything is trained.
    Attributes:
        facts: phase, images and protocol_hash, as evaluate.py writes them into scores.jsonl.
    """

    def __init__(self, opt: EvaluateInTrainingOptions, world: World, device: torch.device):
        self.opt, self.device = opt, device
        with torch.random.fork_rng(devices=[]), arithmetic("fp32", device):  # as evaluate.py measures
            with world.failing_together():
                if len(style_photos(opt)) > 1:
                    raise InputError(f"--style_image {opt.style_image}: every label map gets one image; name one photo")
                self.dataset = create_dataset(opt)
                tools = create_instruments(opt, device)
                truth = DataSetTruth(
                    create_dataset(replace(opt, instance=False), maps=False),
                    opt,
                    opt.how_many,
                    photos=opt.reconstruct or (tools.features is not None and tools.real is None),
                    labels=tools.segmenter is not None,
                    whole_labels=tools.segmenter is not None and scores_whole_labels(opt),
                )
            self.evaluation = tools.evaluation(opt, truth, world, opt.batch_size, reconstructions=opt.reconstruct)
        images, digits = len(truth), protocol_hash(self.evaluation.protocol)
        # From the main process: one without samples does not know the size of label maps.
        self.facts = world.broadcast({"phase": opt.phase, "images": images, "protocol_hash": digits})

    @property
    def names(self) -> set[str]:
        """Names of the scores."""
        evaluation = self.evaluation
        features = set(evaluation.feature_scores.names) if evaluation.feature_scores else set()
        pixels = {"psnr", "ssim"} if evaluation.reconstructions else set()
        return features | pixels | ({"miou", "accuracy"} if evaluation.segmenter else set())

    def trained_on(self, opt: TrainOptions, dataset: SampleDataset) -> int:
        """Number of the label maps that are also in `dataset`, the training set with options `opt`."""
        indices = range(len(self.evaluation.truth))
        if not self.dataset.paths:  # drawn in memory: phases have different scenes
            same = (opt.dataset_mode, opt.phase) == (self.opt.dataset_mode, self.opt.phase)
            return len(indices[: len(dataset)]) if same else 0
        trained = {paths.labels.resolve() for paths in dataset.paths}
        return sum(self.dataset.paths[index].labels.resolve() in trained for index in indices)

    def of(self, networks: Mapping[str, nn.Module], check: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Finite scores, by name, of networks, whose weights are copied.

        Args:
            networks: by the letter in their file names, at least those that `test.py` loads.
            check: called before each batch; may raise `InputError`, which stops all processes.
        """
        with arithmetic("fp32", self.device):
            scores = self.evaluation.score(self._generated(networks, check))
        return {name: value for name, value in scores.items() if math.isfinite(value)}

    def _generated(
        self, networks: Mapping[str, nn.Module], check: Callable[[], None]
    ) -> Iterator[tuple[list[int], Tensor]]:
        generation = Generation(self.opt, self._copy(networks), self.dataset)
        for batch in indexed_batches(self.opt, self.dataset, self.evaluation.shard):
            check()
            _, images = next(generation.images(batch))  # (N, H, W, 3)
            yield batch["index"].tolist(), torch.from_numpy(images).movedim(-1, 1)  # (N, 3, H, W)

    def _copy(self, trained: Mapping[str, nn.Module]) -> Pix2PixModel:
        with torch.random.fork_rng(devices=[]):  # random weights, which are replaced
            model = create_model(self.opt)
        for letter, network in model.networks.items():
            network.load_state_dict(trained[letter].state_dict())
        return place(model, self.device, self.opt.channels_last, self.opt.modulation)
