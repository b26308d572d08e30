"""CRN as a method: loss by number of images, what is saved, modules that are not trained."""

from types import SimpleNamespace

import pytest
import torch

from models.crn_loss import CRNLoss, TermWeights
from models.methods.base import Part
from models.methods.crn import CRNMethod
from models.networks.crn import CRNGenerator, module_channels
from models.pix2pix_model import Pix2PixModel
from trainers import Pix2PixTrainer
from util.errors import InputError


def make_method(num_images=2):
    torch.manual_seed(0)
    netG = CRNGenerator(4, module_channels(16, most=4), num_images)
    return CRNMethod(Pix2PixModel(netG, None, None, 4), CRNLoss(None, TermWeights()))


def make_batch():
    return {"labels": torch.randint(4, (2, 16, 16)), "image": torch.rand(2, 3, 16, 16)}


@pytest.mark.parametrize("num_images", [1, 2])
def test_one_image_has_the_plain_loss_and_several_the_best_per_class(num_images):
    method, batch = make_method(num_images), make_batch()
    layout = method.model.layout(batch)
    outcome = method.losses(Part(layout, batch["image"]))
    images = method.netG.images(layout)
    expected = method.loss.diversity(images, batch["image"], layout)
    if num_images == 1:
        expected = (images[:, 0] - batch["image"]).abs().mean() * 127.5
    torch.testing.assert_close(outcome.losses["Features"], expected)
    assert torch.equal(outcome.fake, images[:, 0].clamp(-1, 1))


def test_training_lowers_the_loss_and_its_state_is_saved():
    method, batch = make_method(), make_batch()
    trainer, losses = Pix2PixTrainer(method, lr=0.01), []
    for _ in range(10):
        trainer.step(batch)
        losses.append(trainer.losses["Features"].item())
    assert losses[-1] < 0.8 * losses[0]
    other = make_method()
    other.load_state_dict(trainer.state_dict()["method"])
    assert other.loss.weights.passes == 10
    assert torch.equal(other.loss.weights.sums, method.loss.weights.sums)


def test_modules_below_the_first_trained_one_keep_their_weights():
    method, batch = make_method(), make_batch()
    method.netG.train_from(8)
    before = {name: tensor.clone() for name, tensor in method.netG.state_dict().items()}
    Pix2PixTrainer(method).step(batch)
    changed = {name.split("_")[1] for name, t in method.netG.state_dict().items() if not torch.equal(t, before[name])}
    assert changed == {"8", "16"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"crop_size": 48}, "--crop_size 48: images of 48x48, but --method crn makes heights of 16, 32, 64"),
        ({"crop_size": 8}, "--crop_size 8: images of 8x8, but"),
        ({"crop_size": 40, "aspect_ratio": 40 / 32}, None),
        ({"crop_size": 36, "aspect_ratio": 36 / 32}, "images of 36x32, but"),
        ({"crn_train_from": 12}, "--crn_train_from 12: must be one of 4, 8, 16, 32, 64"),
        ({"vgg_origin": "caffe"}, "--vgg_origin caffe: .* add --vgg_weights FILE"),
        ({"vgg_origin": "caffe", "vgg_weights": "file"}, None),
    ],
)
def test_options_that_it_cannot_use_are_refused(options, message):
    usual = {"crop_size": 64, "aspect_ratio": 1, "is_train": True, "crn_train_from": None}
    vgg = {"vgg_loss": True, "vgg_origin": "torchvision", "vgg_weights": None}
    opt = SimpleNamespace(**usual | vgg | options)
    if message is None:
        CRNMethod.check(opt)
    else:
        with pytest.raises(InputError, match=message):
            CRNMethod.check(opt)
