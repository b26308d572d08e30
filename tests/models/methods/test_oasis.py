"""The losses of OASIS by hand, the quirks of LabelMix, the order of its passes, its presets and its labels."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from data import PRESETS
from models import METHODS, create_method, create_model
from models.augmentation import DRAWS, DiffAugment, translate
from models.methods.base import Part
from models.methods.oasis import LabelFacts, OASISMethod, OASISModel, class_weights, labelmix_mask
from models.networks.layout import NO_CLASS
from models.networks.oasis import OASISDiscriminator, OASISGenerator
from models.networks.spectral_norm import spectral_layers
from options import TestOptions, TrainOptions, parse_options
from trainers import Pix2PixTrainer
from util.errors import InputError

LABELS = 4


def make_method(**settings) -> OASISMethod:
    torch.manual_seed(0)
    netG = OASISGenerator(LABELS, 2, "spectralspadeinstance3x3", latent_size=(2, 2), z_dim=3)
    model = OASISModel(netG, OASISDiscriminator(LABELS, 1), LABELS, unknown_is_last=False).train()
    return OASISMethod(model, **{"unknown": 0, **settings})


def make_batch(count=2):
    torch.manual_seed(1)
    return {"labels": torch.randint(LABELS, (count, 64, 64)), "image": torch.rand(count, 3, 64, 64) * 2 - 1}


def part_of(method, batch, coins=(1, 0, 1, 0)) -> Part:
    layout = method.model.layout(batch)
    facts = LabelFacts(method.describe_batch(layout).pixels, torch.tensor(coins))
    return Part(layout, batch["image"], batch=facts)


def test_class_weights_by_hand():
    """12 pixels, of which 4 are unknown, and two classes that occur."""
    pixels = torch.tensor([4, 6, 2, 0])
    assert class_weights(pixels, unknown=0).tolist() == [0, 12 / (6 * 2), 12 / (2 * 2), 0]
    assert class_weights(pixels).tolist() == pytest.approx([12 / (4 * 3), 12 / (6 * 3), 12 / (2 * 3), 0])
    assert class_weights(torch.tensor([9, 0]), unknown=0).tolist() == [0, 0]


def test_a_balanced_loss_is_the_mean_over_classes_of_the_whole_batch():
    method, batch = make_method(), make_batch()
    logits, part = torch.randn(2, LABELS + 1, 64, 64), part_of(method, batch)
    losses = F.cross_entropy(logits, batch["labels"] + 1, reduction="none")
    expected = sum(losses[batch["labels"] == label].mean() for label in (1, 2, 3)) / 3
    assert method.real_loss(logits, part).item() == pytest.approx(float(expected) * 1.0, rel=1e-5)
    plain = make_method(is_balanced=False)
    assert plain.real_loss(logits, part).item() == pytest.approx(losses.mean().item(), rel=1e-5)


def test_a_batch_of_unknown_pixels_alone_has_no_loss():
    method, batch = make_method(), make_batch()
    part = part_of(method, batch | {"labels": torch.zeros_like(batch["labels"])})
    assert method.real_loss(torch.randn(2, LABELS + 1, 64, 64), part).item() == 0


@pytest.mark.parametrize(
    "pixels, coins, real",
    [((1, 1), (1, 0), (0, 0)), ((1, 1), (1, 1), (1, 1)), ((1, 1), (0, 1), (0, 1)), ((2, 0), (1, 0), (1,))],
)
def test_label_0_is_real_only_with_label_1(pixels, coins, real):
    """As published: coins were written into the label map, where a 1 is a label, too."""
    facts = LabelFacts(torch.tensor([*pixels, 0]), torch.tensor([*coins, 0]))
    labels = torch.tensor([[[0, 1]]]) if pixels[1] else torch.tensor([[[0]]])
    assert labelmix_mask(labels, facts).flatten().tolist() == [bool(value) for value in real]


def test_labelmix_passes_gradients_to_all_three_outputs():
    """A pixel of the fake that is not in the mix can only get one from the output for the fake, and so for the real."""
    method, batch = make_method(), make_batch()
    method.netD(batch["image"])  # settles singular vectors
    part = part_of(method, batch)
    fake, real = (images.clone().requires_grad_() for images in (-batch["image"], batch["image"]))
    losses = method.discriminator_losses_of(fake, Part(part.layout, real, batch=part.batch))
    mask = labelmix_mask(part.layout.labels, part.batch).expand_as(fake)
    of_fake, of_real = torch.autograd.grad(losses["LabelMix"], (fake, real))
    assert of_fake[mask].any() and of_fake[~mask].any() and of_real[mask].any() and of_real[~mask].any()


def test_where_augmentation_shifted_the_images_away_there_is_no_loss():
    """The first sample moves 8 rows down and 8 columns left, the second stays."""
    method, batch = make_method(diffaugment=DiffAugment("translation")), make_batch()
    draw = torch.full((2, DRAWS), 0.5)
    draw[0, 3], draw[0, 4] = 1 - 1e-6, 0
    part = replace(part_of(method, batch), augmentation=draw)
    passes = []
    method.netD.register_forward_hook(lambda _, images, logits: passes.append((*images, logits)))
    losses = method.discriminator_losses_of(-batch["image"], part)
    losses |= method.generator_losses_of(-batch["image"], part)

    down, right = torch.tensor([8, 0]), torch.tensor([-8, 0])
    labels = translate(batch["labels"], down, right, outside=NO_CLASS)
    has_class = labels != NO_CLASS
    assert has_class[0].sum() == 56 * 56 and has_class[1].all()
    real = translate(batch["image"], down, right)
    (fakes, of_fakes), (photos, of_photos), (_, of_mixed), (fakes_of_G, logits_of_G) = passes
    assert torch.equal(fakes, -real) and torch.equal(photos, real) and torch.equal(fakes_of_G, -real)

    assert losses["D_Fake"].item() == pytest.approx(-(of_fakes.log_softmax(1)[:, 0] * has_class).mean().item())
    # A class weighs as in the whole label maps, of which some pixels are gone.
    for name, logits in (("D_real", of_photos), ("GAN", logits_of_G)):
        of_pixels = F.cross_entropy(logits, labels.clamp(min=0) + 1, reduction="none")
        of_classes = [(of_pixels * (labels == c)).sum() / (batch["labels"] == c).sum() for c in (1, 2, 3)]
        assert losses[name].item() == pytest.approx(torch.stack(of_classes).mean().item())
    is_real = (labels == 2)[:, None]  # the coins of labels 0 and 1 are not both 1
    difference = torch.where(is_real, of_photos, of_fakes) - of_mixed
    assert losses["LabelMix"].item() == pytest.approx(10 * (difference.square() * has_class[:, None]).mean().item())

    method.is_balanced = False
    _, seen = method.as_seen(batch["image"], part)
    of_pixels = F.cross_entropy(of_photos, labels.clamp(min=0) + 1, reduction="none")
    assert method.real_loss(of_photos, seen).item() == pytest.approx((of_pixels * has_class).mean().item())


@pytest.mark.parametrize("settings, passes", [({}, 4), ({"lambda_labelmix": None}, 3)])
def test_each_pass_of_the_discriminator_takes_a_power_iteration(settings, passes):
    """One in the generator's step, and separate ones for fakes, photos and mixed images."""
    method = make_method(**settings)
    layer = next(spectral_layers(method.netD))
    u, v = layer.weight_u.clone(), layer.weight_v.clone()
    matrix = layer.weight_orig.detach().flatten(1)
    for _ in range(passes):
        v = F.normalize(matrix.t() @ u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
    rates = Pix2PixTrainer(method, lr=1e-30)
    rates.step(make_batch())
    torch.testing.assert_close(layer.weight_u, u, rtol=0, atol=0)
    assert set(rates.losses) == {"GAN", "D_Fake", "D_real"} | (set() if settings else {"LabelMix"})


def options(text: str) -> TrainOptions:
    return parse_options(TrainOptions, ["--method", "oasis", "--gpu_ids", "-1", *text.split()], PRESETS, METHODS)


@pytest.mark.parametrize(
    "mode, size, rates, ema, labelmix, batch_size, epochs",
    [
        ("ade20k", 256, (1e-4, 4e-4), 0.9999, 10, 32, 200),
        ("coco", 256, (1e-4, 4e-4), 0.9999, 10, 32, 100),
        ("cityscapes", 512, (4e-4, 4e-4), 0.999, 5, 20, 200),
    ],
)
def test_published_settings_are_the_defaults(mode, size, rates, ema, labelmix, batch_size, epochs):
    opt = options(f"--dataset_mode {mode} --ngf 2 --ndf 1")
    method = create_method(opt, create_model(opt))
    assert isinstance(method, OASISMethod)
    assert (opt.crop_size, opt.load_size, opt.instance) == (size, size, False)
    assert tuple(opt.lr * objective.lr_factor for objective in method.objectives) == pytest.approx(rates)
    assert all(objective.betas == (0.0, 0.999) for objective in method.objectives)
    assert (opt.ema, method.lambda_labelmix, opt.batch_size) == (ema, labelmix, batch_size)
    assert (opt.niter, opt.niter_decay, opt.flip, opt.z_dim, opt.vgg_loss) == (epochs, 0, True, 64, False)
    assert method.unknown == 0 and method.is_balanced and method.vgg is None and method.model.z_dim == 64


def test_every_ablation_is_a_flag_and_typed_values_beat_the_presets():
    opt = options("--dataset_mode ade20k --crop_size 128 --no_3dnoise --no_labelmix --no_balancing_inloss --no_TTUR")
    assert (opt.load_size, opt.beta1, opt.beta2) == (128, 0.0, 0.999)
    model = create_model(options("--ngf 2 --ndf 1 --no_noise_3d --no_labelmix --no_class_balance"))
    method = create_method(opt, model)
    assert isinstance(method, OASISMethod)
    assert (model.z_dim, method.lambda_labelmix, method.is_balanced) == (None, None, False)
    assert options("--add_vgg_loss").vgg_loss


@pytest.mark.parametrize("mode, expected", [("landscapes", [1, 2, 0]), ("ade20k", [0, 1, 18])])
def test_unknown_is_the_first_label_whatever_the_data_set_says(mode, expected):
    model = create_model(
        options(f"--dataset_mode {mode} --label_nc 18 --contain_dontcare_label --ngf 2 --ndf 1 --crop_size 64")
    )
    batch = {"labels": torch.tensor([[[0, 1, 18]]], dtype=torch.uint8)}
    assert model.layout(batch).labels.flatten().tolist() == expected


def test_without_an_unknown_class_every_label_counts():
    opt = options("--dataset_mode facades --ngf 2 --ndf 1 --crop_size 64")
    method = create_method(opt, create_model(opt))
    assert isinstance(method, OASISMethod) and method.unknown is None


def test_edges_of_instances_can_be_joined_to_the_labels():
    opt = options("--dataset_mode landscapes --instance --ngf 2 --ndf 1 --crop_size 64")
    model, ids = create_model(opt), torch.zeros(1, 64, 64, dtype=torch.long)
    assert model.generate(model.layout({"labels": ids, "instances": ids}), None).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("mode", ["landscapes", "ade20k", "cityscapes", "coco"])
def test_a_test_without_a_saved_run_has_the_architecture_of_a_training(mode):
    flags = ["--method", "oasis", "--dataset_mode", mode, "--gpu_ids", "-1"]
    trained, tested = (parse_options(program, flags, PRESETS, METHODS) for program in (TrainOptions, TestOptions))
    assert not tested.instance
    for name in ("instance", "z_dim", "noise_3d", "crop_size", "label_nc", "contain_dontcare_label", "norm_G", "ngf"):
        assert getattr(trained, name) == getattr(tested, name)


def test_a_generator_without_noise_is_not_told_to_use_an_encoder(capsys):
    with pytest.raises(SystemExit):
        flags = "--method oasis --dataset_mode landscapes --no_noise_3d --num_styles 2"
        parse_options(TestOptions, flags.split(), PRESETS, METHODS)
    assert capsys.readouterr().err.strip().endswith("has one style; add --noise_3d")


def test_one_value_is_not_normalized_by_itself():
    flags = (
        "--method oasis --norm_G spectralspadeinstance3x3 --crop_size 32 --gpu_ids -1 --dataset_mode landscapes --ngf 2"
    )
    with pytest.raises(InputError, match=r"the smallest feature map is 1x1, .*; use --crop_size 64$"):
        create_model(parse_options(TestOptions, flags.split(), PRESETS, METHODS))


def test_sizes_are_multiples_of_64(capsys):
    with pytest.raises(SystemExit):
        options("--crop_size 96")
    assert "makes sizes that are multiples of 64" in capsys.readouterr().err
