"""One fake a step for both players, and an average of the weights of the networks of SPADE."""

import pytest
import torch

from data import PRESETS
from models import METHODS, create_method, create_model
from models.methods.spade import SPADEMethod
from models.methods.spade_plus import SPADEPlusMethod
from options import TrainOptions, parse_options
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("kind, times", [(SPADEMethod, 2), (SPADEPlusMethod, 1)])
def test_both_players_see_the_same_fakes_in_the_order_of_the_parts(kind, times, accumulate):
    method = kind(make_model(vae=True))
    generated, encoded, seen = [], [], []
    method.model.netG.register_forward_hook(lambda _, inputs, images: generated.append(images.detach().clone()))
    method.model.netE.register_forward_hook(lambda _, inputs, output: encoded.append(output))
    method.netD.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1].detach().clone()))
    Pix2PixTrainer(method, accumulate=accumulate, lr=1e-3).step(make_batch(4))
    assert len(generated) == len(encoded) == times * accumulate
    fakes = [images[: len(images) // 2] for images in seen]  # then the photos
    of_G, of_D = fakes[:accumulate], fakes[accumulate:]
    for part in range(accumulate):
        assert torch.equal(of_G[part], generated[part])
        assert torch.equal(of_D[part], of_G[part]) == (kind is SPADEPlusMethod)


def parse(words: str) -> TrainOptions:
    return parse_options(TrainOptions, [*words.split(), "--gpu_ids", "-1"], PRESETS, METHODS)


def test_only_the_average_is_not_an_option_of_spade():
    plus, spade = vars(parse("--method spade_plus --dataset_mode coco")), vars(parse("--dataset_mode coco"))
    assert {name for name in spade if plus[name] != spade[name]} == {"method", "ema"}
    assert (spade["ema"], plus["ema"]) == (None, 0.999)


def test_networks_are_those_of_spade_under_the_same_names():
    words = "--ngf 2 --ndf 2 --crop_size 64 --use_vae --z_dim 4 --no_vgg_loss"
    opt = parse(f"--method spade_plus {words}")
    model = create_model(opt)
    assert isinstance(create_method(opt, model), SPADEPlusMethod)
    spade = create_model(parse(f"{words}"))
    assert [(n, t.shape) for n, t in model.state_dict().items()] == [
        (n, t.shape) for n, t in spade.state_dict().items()
    ]


def test_more_discriminator_steps_than_fakes_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--method spade_plus --D_steps_per_G 2")
    assert "--D_steps_per_G 2: --method spade_plus does not use it" in capsys.readouterr().err
