"""Shapes, names and sizes of the networks."""

import json
from pathlib import Path

import pytest
import torch

from data import PRESETS
from models import create_model
from models.networks.discriminators import MultiscaleDiscriminator, NLayerDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import Pix2PixHDGenerator, SPADEGenerator, first_map_size
from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout
from options import TrainOptions, parse_options
from options.networks import UPSAMPLINGS
from util.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden"
ARCHITECTURES = json.loads((GOLDEN / "architectures.json").read_text())


def model_for(*argv: str):
    """The model of a command line, without memory behind its weights."""
    with torch.device("meta"):
        return create_model(parse_options(TrainOptions, [*argv, "--init_type", "none"], PRESETS))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_state_dict_names_and_shapes_are_the_published_ones(name):
    recorded = ARCHITECTURES[name]
    model = model_for(*recorded["argv"], "--crop_size", str(recorded["crop_size"]))
    ours = {
        letter: {entry: list(tensor.shape) for entry, tensor in network.state_dict().items()}
        for letter, network in model.networks.items()
    }
    assert ours == recorded["keys"]


@pytest.mark.parametrize(
    "argv, counts",
    [
        ("--dataset_mode coco", {"G": 97_480_899, "D": 5_904_514}),
        ("--dataset_mode ade20k", {"G": 96_492_483, "D": 5_836_930}),
        ("--dataset_mode cityscapes", {"G": 93_048_003, "D": 5_601_410}),
        ("--dataset_mode facades", {"G": 92_359_107, "D": 5_554_306}),
        ("--dataset_mode coco --num_upsampling_layers most", {"G": 98_515_043, "D": 5_904_514}),
        ("--dataset_mode coco --use_vae", {"G": 112_626_883, "D": 5_904_514, "E": 10_463_424}),
        ("--dataset_mode ade20k --use_vae", {"G": 111_942_595, "D": 5_836_930, "E": 10_463_424}),
        ("--dataset_mode cityscapes --use_vae", {"G": 101_136_579, "D": 5_601_410, "E": 10_463_424}),
        ("--dataset_mode coco --netG pix2pixhd", {"G": 182_989_507, "D": 5_904_514}),
    ],
)
def test_parameter_counts_are_the_published_ones(argv, counts):
    networks = model_for(*argv.split()).networks
    assert {letter: parameter_count(network) for letter, network in networks.items()} == counts


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--conditioning concat --norm_G spadebatch3x3", "--norm_G spadebatch3x3: --conditioning concat needs a plain"),
        ("--netG pix2pixhd --norm_G spadebatch3x3", "--norm_G spadebatch3x3: --conditioning none needs a plain norm"),
        ("--netG pix2pixhd --conditioning spade --norm_G batch", "--norm_G batch: --conditioning spade needs a SPADE"),
    ],
)
def test_a_norm_that_the_conditioning_has_no_use_for_is_refused(flags, message):
    with pytest.raises(InputError, match=message):
        model_for(*flags.split())


@pytest.mark.parametrize("num_upsampling_layers", UPSAMPLINGS)
@pytest.mark.parametrize("aspect_ratio", [1.0, 2.0])
def test_output_size_follows_crop_size_and_aspect_ratio(num_upsampling_layers, aspect_ratio):
    """What the options say about the sizes of a generator is what its blocks do."""
    crop_size = 2 * 2 ** UPSAMPLINGS[num_upsampling_layers]
    size = first_map_size(crop_size, aspect_ratio, UPSAMPLINGS[num_upsampling_layers])
    netG = SPADEGenerator(3, 2, "spadeinstance1x1", size, num_upsampling_layers)
    fake = netG(SemanticLayout(torch.zeros(1, 8, 8, dtype=torch.long), None, 3))
    assert fake.shape == (1, 3, crop_size / aspect_ratio, crop_size)
    assert netG.output_size == tuple(fake.shape[2:])
    assert fake.abs().max() <= 1


def test_style_decides_the_image_when_there_is_a_latent():
    torch.manual_seed(0)
    netG = SPADEGenerator(3, 2, "spadebatch3x3", latent_size=(1, 1), z_dim=5).eval()
    layout = SemanticLayout(torch.randint(0, 3, (2, 32, 32)), None, 3)
    z = torch.randn(2, 5)
    assert torch.equal(netG(layout, z), netG(layout, z))
    assert not torch.equal(netG(layout, z), netG(layout, z.flip(0)))
    assert not torch.equal(netG(layout), netG(layout)), "without z a new one is drawn"


@pytest.mark.parametrize("norm", ["instance", "spectralinstance", "none", "batch", "spectralsyncbatch"])
def test_pix2pixhd_keeps_the_size_of_the_layout(norm):
    netG = Pix2PixHDGenerator(4, 2, norm, n_downsample=2, n_blocks=1)
    layout = SemanticLayout(torch.zeros(1, 16, 24, dtype=torch.long), torch.zeros(1, 16, 24, dtype=torch.bool), 3)
    assert netG(layout).shape == (1, 3, 16, 24)


def test_discriminator_feature_sizes_are_the_published_ones():
    """Reference sizes for 256x256: 129, 65, 33, 34, 35 and 65, 33, 17, 18, 19."""
    netD = MultiscaleDiscriminator(semantic_nc=2, ndf=2)
    layout = SemanticLayout(torch.zeros(1, 256, 256, dtype=torch.long), None, 2)
    features = netD(layout, torch.zeros(2, 3, 256, 256))
    assert [[layer.shape[-1] for layer in scale] for scale in features] == [[129, 65, 33, 34, 35], [65, 33, 17, 18, 19]]
    assert [scale[-1].shape[:2] for scale in features] == [(2, 1), (2, 1)]


def test_discriminator_pools_without_counting_the_padding():
    """A constant image must stay constant on the second scale; counted zeros would darken its border."""
    netD = MultiscaleDiscriminator(semantic_nc=1, ndf=2, n_layers=1)
    seen = []
    netD.discriminator_1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    netD(SemanticLayout(torch.zeros(1, 8, 8, dtype=torch.long), None, 1), torch.ones(1, 3, 8, 8))
    assert torch.equal(seen[0], torch.ones(1, 4, 4, 4))


def test_discriminator_shows_every_image_set_the_same_layout():
    torch.manual_seed(0)
    netD = MultiscaleDiscriminator(semantic_nc=3, ndf=2).eval()
    layout = SemanticLayout(torch.randint(0, 3, (2, 16, 16)), None, 3)
    images = torch.randn(2, 3, 16, 16)
    both, alone = netD(layout, torch.cat([images, images])), netD(layout, images)
    for scale_both, scale_alone in zip(both, alone, strict=True):
        torch.testing.assert_close(scale_both[-1], torch.cat([scale_alone[-1], scale_alone[-1]]))


def test_discriminator_width_stops_at_512_channels():
    with torch.device("meta"):
        netD = NLayerDiscriminator(4, ndf=128, n_layers=5)
    assert [netD.get_submodule(f"model{n}")[0][0].weight.shape[0] for n in range(1, 5)] == [256, 512, 512, 512]


@pytest.mark.parametrize("crop_size, layers", [(8, 1), (32, 3), (64, 4), (100, 4), (128, 5), (256, 6), (512, 6)])
def test_encoder_suits_any_crop_size_and_z_dim(crop_size, layers):
    netE = ConvEncoder(crop_size, ngf=2, z_dim=7)
    mu, logvar = netE(torch.rand(2, 3, crop_size, crop_size * 2))
    assert mu.shape == logvar.shape == (2, 7)
    assert netE.num_layers == layers
