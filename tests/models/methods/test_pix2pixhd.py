"""The players of pix2pixHD: their networks, losses and order, one fake for both, and what is trained when."""

import pytest
import torch

from data import PRESETS
from models import METHODS, create_method, create_model
from models.losses import GAN_LOSSES, feature_matching_loss
from models.methods.base import Part
from models.methods.instance_features import InstanceFeatureModel
from models.methods.pix2pixhd import Pix2PixHDMethod, sum_over_scales
from models.networks.init import init_weights
from models.networks.pix2pixhd import FeatureEncoder, GlobalGenerator, LocalEnhancer, Pix2PixHDDiscriminator
from models.pix2pix_model import Pix2PixModel
from options import TrainOptions, parse_options
from trainers import Pix2PixTrainer
from util.errors import InputError


def make_model(
    netG: type[GlobalGenerator | LocalEnhancer] = GlobalGenerator,
    features: bool = False,
    inner_features: bool = True,
    n_layers: int = 3,
) -> Pix2PixModel:
    """Networks for two classes and edges; always the same weights."""
    torch.manual_seed(0)
    G = netG(3, 2, 1, 1, feat_num=2 * features)
    D = Pix2PixHDDiscriminator(3, 2, n_layers=n_layers, inner_features=inner_features)
    for network in (G, D):
        init_weights(network, "normal", 0.2, zero_biases=False)
    if not features:
        return Pix2PixModel(G, D, None, 2).train()
    return InstanceFeatureModel(G, D, FeatureEncoder(2, 2, 1), 2, "instances").train()


def make_batch(samples: int = 2) -> dict:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 2, (samples, 16, 16), generator=generator)
    image = torch.rand(samples, 3, 16, 16, generator=generator) * 2 - 1
    return {"labels": labels, "instances": labels, "image": image}


def part_of(model: Pix2PixModel, batch: dict) -> Part:
    return Part(model.layout(batch), batch["image"])


def trained(network) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def changed(network, before: dict[str, torch.Tensor]) -> set[str]:
    """The first parts of the names of the parameters that have changed."""
    return {name.split(".")[0] for name, p in network.named_parameters() if not torch.equal(p, before[name])}


def test_both_players_have_one_rate_and_the_encoder_is_trained_with_the_generator():
    objectives = Pix2PixHDMethod(make_model(features=True)).objectives
    assert [(one.name, sorted(one.networks)) for one in objectives] == [("G", ["E", "G"]), ("D", ["D"])]
    assert [(one.lr_factor, one.betas) for one in objectives] == [(1.0, (0.5, 0.999))] * 2


def test_gan_terms_are_summed_over_scales():
    features = [[torch.full((1, 1, 2, 2), 0.5)], [torch.full((1, 1, 1, 1), -1.0)]]
    assert float(sum_over_scales(GAN_LOSSES["ls"].generator, features)) == 0.25 + 4
    assert float(sum_over_scales(GAN_LOSSES["ls"].discriminator_fake, features)) == 0.25 + 1


def test_the_discriminator_minimizes_half_of_what_is_plotted():
    method = Pix2PixHDMethod(make_model())
    part = part_of(method.model, make_batch())
    method.generator_losses(part)
    outcome = method.discriminator_losses(part)
    assert set(outcome.losses) == {"D"}
    assert outcome.losses["D"].item() == pytest.approx(
        0.5 * float(outcome.metrics["D_fake"] + outcome.metrics["D_real"])
    )


@pytest.mark.parametrize("n_layers, factor", [(3, 1.0), (1, 2.0), (7, 0.5)])
def test_feature_matching_is_weighted_by_the_number_of_layers(n_layers, factor):
    method = Pix2PixHDMethod(make_model(n_layers=n_layers), lambda_feat=3.0)
    part = part_of(method.model, make_batch())
    fake = torch.zeros_like(part.real)
    losses = method.image_losses(part, fake)
    features = [method.netD(part.layout, images) for images in (fake, part.real)]
    torch.testing.assert_close(losses["G_GAN_Feat"], 3.0 * factor * feature_matching_loss(*features))


def test_the_perceptual_loss_has_the_weight_of_feature_matching():
    class Distance(torch.nn.Module):
        def forward(self, fake, real):
            return (fake - real).abs().mean()

    method = Pix2PixHDMethod(make_model(inner_features=False), 3.0, feature_matching=False, vgg=Distance())
    part = part_of(method.model, make_batch())
    losses = method.image_losses(part, torch.zeros_like(part.real))
    assert list(losses) == ["G_GAN", "G_VGG"]
    torch.testing.assert_close(losses["G_VGG"], 3.0 * part.real.abs().mean())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_iteration_makes_one_fake_which_both_players_see(accumulate):
    """With two parts, the discriminator gets the fakes of both in their order."""
    method = Pix2PixHDMethod(make_model())
    trainer = Pix2PixTrainer(method, accumulate=accumulate)
    made, judged = [], []
    method.model.netG.register_forward_hook(lambda _, __, image: made.append(image.detach()))
    method.netD.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[1].detach()))
    trainer.step(batch := make_batch())
    assert len(made) == accumulate and not method.fakes
    real = batch["image"].chunk(accumulate)
    # Each pass of a player sees one part: G its fake and, for feature matching, the photo; then D both again.
    expected = [images for pair in zip(made, real) for images in pair] * 2
    for one, other in zip(judged, expected, strict=True):
        assert torch.equal(one, other)


def test_parts_of_a_batch_give_the_gradients_of_the_whole():
    states = []
    for accumulate in (1, 2):
        method = Pix2PixHDMethod(make_model(features=True))
        Pix2PixTrainer(method, accumulate=accumulate, lr=1e-3).step(make_batch())
        states.append({name: p.grad for name, p in method.model.named_parameters() if p.grad is not None})
    for name, gradient in states[0].items():
        torch.testing.assert_close(states[1][name], gradient, rtol=1e-3, atol=1e-5)


def test_only_the_outermost_enhancer_and_the_encoder_are_trained_at_first():
    model = make_model(LocalEnhancer, features=True)
    trainer = Pix2PixTrainer(Pix2PixHDMethod(model, fixed_epochs=2), niter=4)
    networks = {letter: (network, trained(network)) for letter, network in model.networks.items()}
    for epoch in (1, 2):
        trainer.set_learning_rate(epoch)
        trainer.step(make_batch())
    assert changed(*networks["G"]) == {"model1_1", "model1_2"}
    assert changed(*networks["E"]) and changed(*networks["D"])
    trainer.set_learning_rate(3)
    trainer.step(make_batch())
    assert changed(*networks["G"]) == {"model", "model1_1", "model1_2"}
    states = trainer.optimizers["optimizer_G"].state.values()
    assert {float(state["step"]) for state in states} == {1.0}  # a new Adam for all of them


def test_the_discriminator_sees_fakes_of_the_pool_which_is_saved():
    torch.manual_seed(0)
    method = Pix2PixHDMethod(make_model(), pool_size=2)
    for number in range(6):
        part = part_of(method.model, make_batch(1))
        method.fakes.append(torch.full_like(part.real, number / 6))
        method.discriminator_losses(part)
    state, random_state = method.state_dict(), torch.get_rng_state()

    def next_metrics(method):
        torch.set_rng_state(random_state)
        results = []
        for number in range(4):
            part = part_of(method.model, make_batch(1))
            method.fakes.append(torch.full_like(part.real, -number / 4))
            results.append(float(method.discriminator_losses(part).metrics["D_fake"]))
        return results

    expected = next_metrics(method)
    other = Pix2PixHDMethod(make_model(), pool_size=2)
    other.load_state_dict(state)
    assert next_metrics(other) == expected
    assert next_metrics(Pix2PixHDMethod(make_model(), pool_size=2)) != expected


def test_features_are_those_of_the_photo_in_the_instances():
    model = make_model(features=True)
    assert isinstance(model, InstanceFeatureModel)
    batch = make_batch()
    with torch.no_grad():
        layout = model.layout(batch)
        expected = model.networks["E"](batch["image"], batch["instances"])
        assert torch.equal(layout.maps["features"], expected)
        with pytest.raises(InputError, match="photos"):
            model.layout({name: value for name, value in batch.items() if name != "image"})
    assert "features" not in model.layout(batch).maps  # in a training step the losses compute them, with gradients
    model.generate(model.with_features(layout, batch["image"]), None).sum().backward()
    assert all(p.grad is not None for p in model.networks["E"].parameters())


FOLDERS = "--dataset_mode custom --label_dir L --image_dir I --gpu_ids -1"


def parse(line: str) -> TrainOptions:
    return parse_options(TrainOptions, f"--method pix2pixhd {FOLDERS} {line}".split(), PRESETS, METHODS)


def test_options_become_networks_and_losses():
    small = "--ngf 2 --ndf 3 --n_downsample_global 1 --n_blocks_global 1 --no_vgg_loss --crop_size 32"
    opt = parse(f"{small} --netG local --n_blocks_local 2 --num_D 3 --label_feat --feat_width 2 --n_downsample_E 1")
    model = create_model(opt)
    assert isinstance(model, InstanceFeatureModel) and isinstance(model.netG, LocalEnhancer)
    assert set(model.networks) == {"G", "D", "E"}
    assert model.netG.state_dict()["model1_1.1.weight"].shape == (2, 13 + 3, 7, 7)
    assert "scale2_layer4.0.bias" in model.networks["D"].state_dict()
    with torch.no_grad():
        maps = model.layout({"labels": torch.zeros(1, 32, 32, dtype=torch.int64), "image": torch.rand(1, 3, 32, 32)})
    assert torch.equal(maps.maps["features"], maps.maps["features"][..., :1, :1].expand(-1, -1, 32, 32))  # one region

    method = create_method(
        parse(f"{small} --no_ganFeat_loss --pool_size 5"), create_model(parse(f"{small} --no_ganFeat_loss"))
    )
    assert isinstance(method, Pix2PixHDMethod) and method.pool.size == 5 and not method.feature_matching
    assert "layer1.8.weight" in method.netD.state_dict()
    assert (opt.lr, opt.beta1, opt.beta2, opt.batch_size, opt.niter, opt.niter_decay) == (
        0.0002,
        0.5,
        0.999,
        1,
        100,
        100,
    )


@pytest.mark.parametrize(
    "line, words",
    [
        ("--crop_size 40", "multiples of 16 with --n_downsample_global 4"),
        ("--crop_size 16", "images are at least 32 pixels"),
        ("--netG local --crop_size 48", "multiples of 32 with --n_downsample_global 4 and --n_local_enhancers 1"),
        ("--netG spade", "--netG spade: must be one of global, local with --method pix2pixhd"),
        ("--norm_G spectralinstance", "--norm_G spectralinstance: must be one of instance, batch with"),
        ("--norm_D none", "--norm_D none: must be one of instance, batch with"),
        ("--instance_feat", "--instance_feat: needs instance maps"),
        ("--instance_dir D --instance_feat --label_feat", "contradicts --instance_feat"),
        ("--niter_fix_global 3", "--niter_fix_global 3: add --netG local"),
        ("--netG local --niter 2 --niter_decay 1 --niter_fix_global 4", "would never be trained in 3 epochs"),
        ("--lambda_vgg 3", "--lambda_vgg 3.0: --method pix2pixhd does not use it"),
        ("--gan_mode hinge", "--gan_mode hinge: --method pix2pixhd does not use it"),
    ],
)
def test_what_the_networks_cannot_be_is_refused(line, words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(line)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
