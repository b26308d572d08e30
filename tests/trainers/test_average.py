"""The average of the generator: what is averaged, and that the network made of it works."""

import pytest
import torch

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.statistics import recalibrate_batch_norm
from trainers.average import GeneratorAverage


def make_generator(norm: str = "spectralspadesyncbatch3x3") -> SPADEGenerator:
    torch.manual_seed(0)
    return SPADEGenerator(3, 2, norm, latent_size=(1, 1))


@pytest.fixture
def layouts() -> list[SemanticLayout]:
    generator = torch.Generator().manual_seed(0)
    return [SemanticLayout(torch.randint(0, 3, (4, 32, 32), generator=generator), None, 3) for _ in range(3)]


def test_average_by_hand():
    netG = make_generator()
    average = GeneratorAverage(netG, 0.75)
    values = []
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            netG.conv_img.bias.fill_(value)
        average.update(netG)
        values.append(float(average.network.conv_img.bias[0]))
    # the first update begins the average; then 3/4 of the old and 1/4 of the new
    assert values == pytest.approx([1.0, 1.25, 2.4375])
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_raw_weights_are_averaged_under_spectral_norm():
    netG = make_generator()
    average = GeneratorAverage(netG, 0.5)
    average.update(netG)
    before = netG.head_0.conv_0.weight_orig.detach().clone()
    with torch.no_grad():
        netG.head_0.conv_0.weight_orig.mul_(3)
    average.update(netG)
    torch.testing.assert_close(average.network.head_0.conv_0.weight_orig, 2 * before)


def test_singular_vectors_fit_the_averaged_weights(layouts):
    netG = make_generator()
    average = GeneratorAverage(netG, 0.5)
    for _ in range(3):
        with torch.no_grad():
            for parameter in netG.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        average.update(netG)
    network = average.make_consistent([])
    for layer in (network.head_0.conv_0, network.up_0.conv_s, network.up_3.conv_1):
        matrix = layer.weight_orig.flatten(1).double()
        largest = torch.linalg.matrix_norm(matrix, 2)
        estimate = layer.weight_u.double() @ matrix @ layer.weight_v.double()
        assert float(estimate / largest) == pytest.approx(1, abs=2e-2)
        layer.eval()
        layer(torch.zeros(1, matrix.shape[1] // layer.kernel_size[0] ** 2, 4, 4))
        assert float(torch.linalg.matrix_norm(layer.weight.flatten(1), 2)) == pytest.approx(1, abs=2e-2)


def test_statistics_are_those_of_the_averaged_network_not_of_the_trained_one(layouts):
    netG = make_generator()
    average = GeneratorAverage(netG, 0.5)
    average.update(netG)
    with torch.no_grad():
        netG.fc.bias.add_(4)
    average.update(netG)  # its own bias has moved by 2
    layout = layouts[0]
    network = average.make_consistent([lambda netG: netG(layout)])
    norm = network.head_0.norm_0.param_free_norm
    first = network.fc(layout.at(1, 1)).detach()[:, :, 0, 0]  # (4, channels): what the first norm sees
    torch.testing.assert_close(norm.running_mean, first.mean(0))
    torch.testing.assert_close(norm.running_var, first.var(0))
    assert float((netG.fc(layout.at(1, 1)).mean((0, 2, 3)) - norm.running_mean).abs().min()) > 1
    assert norm.momentum == 0.1


def test_recalibration_is_the_plain_mean_over_batches_and_changes_nothing_else(layouts):
    netG = make_generator()
    netG.eval()
    weights = {name: tensor.clone() for name, tensor in netG.state_dict().items()}
    norm = netG.head_0.norm_0.param_free_norm
    seen = []
    norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    recalibrate_batch_norm(netG, [lambda netG, layout=layout: netG(layout) for layout in layouts])
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variances = torch.stack([x.transpose(0, 1).flatten(1).var(1) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not netG.training
    for name, tensor in netG.state_dict().items():
        if "param_free_norm" not in name:
            assert torch.equal(tensor, weights[name]), name


def test_saving_the_average_does_not_disturb_the_training(make_trainer, batch):
    trainers = [make_trainer(ema=0.5) for _ in range(2)]
    for trainer in trainers:
        trainer.generator_step(batch)
        if trainer is trainers[1]:
            trainer.average.make_consistent([lambda netG: netG(trainers[1].model.layout(batch))])
        trainer.generator_step(batch)
    for network in (lambda trainer: trainer.model.netG, lambda trainer: trainer.average.network):
        one, other = (network(trainer).state_dict() for trainer in trainers)
        assert all(torch.equal(one[name], other[name]) for name in one)
