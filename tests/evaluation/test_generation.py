"""Networks as they generate the images of a test."""

import re

import pytest
import torch

from data import PRESETS
from evaluation.generation import Generation, find_class
from models import METHODS, create_model
from models.networks.spectral_norm import spectral_layers
from options import TestOptions, parse_options
from util.errors import InputError
from util.latents import draw_latents


@pytest.mark.parametrize("flags", [[], ["--modulation", "dense"]], ids=["default", "dense"])
def test_norms_are_folded_however_modulation_is_computed(flags):
    opt = parse_options(TestOptions, ["--crop_size", "64", "--ngf", "2", "--gpu_ids", "-1", *flags], PRESETS)
    model = create_model(opt)
    assert list(spectral_layers(model.netG))
    Generation(opt, model, dataset=None)
    assert list(spectral_layers(model.netG)) == []


def test_random_input_has_styles_without_an_encoder():
    """One image for each of --num_styles, from the latents that the label map's index draws."""
    flags = "--crop_size 64 --ngf 2 --gpu_ids -1 --random_input --z_dim 4 --num_styles 2 --conditioning concat"
    opt = parse_options(TestOptions, flags.split(), PRESETS)
    generation = Generation(opt, create_model(opt), dataset=None)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    found = dict(generation.images({"labels": labels, "instances": labels, "index": torch.tensor([3])}))
    assert list(found) == ["random style 1", "random style 2"]
    latents = [z for _, z in generation.styles.of([3], labels)]
    assert torch.equal(torch.stack(latents, 1), draw_latents(opt.seed, [3], 4, 2))
    assert (found["random style 1"] != found["random style 2"]).any()


def oasis(*flags: str):
    words = "--method oasis --dataset_mode cityscapes --crop_size 64 --aspect_ratio 1 --ngf 2 --z_dim 4 --gpu_ids -1"
    return parse_options(TestOptions, [*words.split(), *flags], PRESETS, METHODS)


class Classes:
    """Stands for a data set."""

    class_names = ("unlabeled", "sky", "Sea", "seat")


def test_noise_changes_only_at_pixels_of_the_resampled_class():
    opt = oasis("--num_styles", "3", "--resample_class", "sky")
    generation = Generation(opt, create_model(opt), dataset=Classes)
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[0, :32] = 1
    plain = draw_latents(opt.seed, [3, 8], 4, 3)
    captions, latents = zip(*generation.styles.of([3, 8], labels))
    assert captions == ("random style 1", "random style 2", "random style 3")
    assert torch.equal(latents[0], plain[:, 0])  # the image of the first style, whatever is resampled
    for k in (1, 2):
        assert latents[k].shape == (2, 4, 64, 64)
        assert (latents[k][0, :, :32] == plain[0, k, :, None, None]).all()
        assert (latents[k][0, :, 32:] == plain[0, 0, :, None, None]).all()
        assert (latents[k][1] == plain[1, 0, :, None, None]).all()  # which has no such class
    images = [found for _, found in generation.images({"labels": labels, "index": torch.tensor([3, 8])})]
    assert (images[1][0] != images[0][0]).any() and abs(images[1][1].astype(int) - images[0][1]).max() <= 1
    assert (images[2][0] != images[1][0]).any()


def test_the_noise_of_an_image_depends_on_seed_and_index_alone():
    opt = oasis("--num_styles", "2")
    generation = Generation(opt, create_model(opt), dataset=None)
    labels = torch.randint(4, (3, 64, 64))

    def images(*places):
        batch = {"labels": labels[[*places]], "index": torch.tensor(places)}
        return [torch.from_numpy(found).int() for _, found in generation.images(batch)]

    for together, alone in zip(images(2, 0), images(0)):
        assert (together[1] - alone[0]).abs().max() <= 1


@pytest.mark.parametrize("text, number", [("sky", 1), ("sea", 2), ("Seat", 3), ("0", 0), ("3", 3)])
def test_a_class_is_given_by_name_or_id(text, number):
    assert find_class(text, Classes.class_names) == number


@pytest.mark.parametrize(
    "text, hint", [("sk", "did you mean sky?"), ("Sae", "did you mean Sea"), ("4", "unlabeled, sky, Sea"), ("", "sky")]
)
def test_unknown_classes_are_refused_with_near_names(text, hint):
    with pytest.raises(InputError, match=rf"--resample_class {text}: no class .* an id in 0..3 .*{re.escape(hint)}"):
        find_class(text, Classes.class_names)
