"""The counted memory of a training step is that of a real one, to the byte."""

from dataclasses import replace

import pytest
import torch

from data import PRESETS
from models import METHODS, create_method, create_model
from options import TrainOptions, parse_options
from trainers import create_trainer
from trainers.memory import LiveStorages, at_most, count_steps, needed
from util.errors import InputError

TINY = "--crop_size 64 --ngf 4 --ndf 4 --gpu_ids -1 --no_vgg_loss --modulation dense"


def options(flags: str) -> TrainOptions:
    return parse_options(TrainOptions, f"{TINY} {flags}".split(), PRESETS, METHODS)


def real_peak(opt: TrainOptions) -> int:
    """Peak of the second step of a real training."""
    size = opt.batch_size, opt.crop_size, opt.crop_size
    batch = {"labels": torch.zeros(size, dtype=torch.uint8), "instances": torch.zeros(size, dtype=torch.int32)}
    batch["image"] = torch.zeros(size[0], 3, *size[1:])
    with LiveStorages() as live:
        trainer = create_trainer(opt, create_method(opt, create_model(opt).train()))
        trainer.step(batch)
        live.peak = live.bytes
        trainer.step(batch)
    return live.peak


def test_storages_count_once_until_they_are_freed():
    with LiveStorages() as live:
        x = torch.zeros(100)  # 400 bytes
        view = x[10:]
        y = x + 1
        assert live.bytes == live.peak == 800
        del y
        z = torch.ones(50, dtype=torch.float64) * 2  # 400 bytes, and as many for a moment
        assert (live.bytes, live.peak) == (800, 1200)
        del x, z
        assert live.bytes == 400  # of the view
        view.add_(1)
    assert (live.bytes, live.peak) == (400, 1200)


def test_tensors_without_contents_take_the_memory_of_real_ones():
    opt = options("--checkpoint_activations --use_vae --z_dim 4 --batch_size 2 --r1_gamma 1")
    (counted,) = count_steps(opt, [opt.batch_size], on_gpu=False)
    assert counted == pytest.approx(real_peak(replace(opt, r1_interval=1)), rel=0.01)


def test_an_average_takes_the_memory_of_the_generator_and_more_images_take_more():
    opt = options("--conditioning concat --norm_G spectralsyncbatch --num_D 1")
    one, two = count_steps(opt, [1, 2])
    state = create_model(opt).netG.state_dict().values()
    assert list(count_steps(replace(opt, ema=0.9), [1])) == [one + sum(value.nbytes for value in state)]
    assert two > one + 2 * 64 * 64 * 3 * 4  # at least a fake and a photo


def test_a_line_between_counted_batches_bounds_the_peak():
    assert at_most({1: 100, 4: 160, 16: 520}, 4) == 160
    assert at_most({1: 100, 4: 160, 16: 520}, 2) == 120
    assert at_most({1: 100, 4: 160, 16: 520}, 8) == 280
    assert at_most({1: 100, 4: 160}, 8) == 240
    assert needed(10 * 2**30) == 12.5 * 2**30


def test_a_step_that_depends_on_values_is_refused():
    with pytest.raises(InputError, match="--method oasis: memory is counted for spade, "):
        list(count_steps(parse_options(TrainOptions, ["--method", "oasis"], PRESETS, METHODS), [1]))


def test_conditioning_images_are_counted_as_maps_of_their_channels():
    data = "--dataset_mode custom --label_dir l --image_dir i --label_nc 0 --no_instance"
    one, three = (next(count_steps(options(f"{data} --input_nc {channels}"), [1])) for channels in (1, 3))
    assert three > one


def test_checkpointed_activations_take_less():
    opt = options("--ngf 8 --no_instance --batch_size 8")
    everything, inputs = (next(count_steps(replace(opt, checkpoint_activations=on), [8])) for on in (False, True))
    assert inputs < everything
