"""The average of the generator: what is averaged, and that the network made of it works."""

import copy
import math

import pytest
import torch
from torch import nn

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.statistics import recalibrate_batch_norm
from trainers.average import GeneratorAverage


def make_generator(norm: str = "spectralspadesyncbatch1x1") -> SPADEGenerator:
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
    # The first update begins the average. Then min(3/4, 2/11) of it is kept, and min(3/4, 3/12) of that.
    assert values == pytest.approx([1.0, 20 / 11, 5 / 11 + 4.5])
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def fraction_of_first(decay: float, updates: int) -> float:
    """How much of the first weights, all 1, is in the average after later ones, all 0."""
    netG = nn.Linear(1, 1, bias=False)
    average = GeneratorAverage(netG, decay)
    for value in [1.0] + [0.0] * (updates - 1):
        nn.init.constant_(netG.weight, value)
        average.update(netG)
    return float(average.network.weight)


def test_how_much_of_the_first_weights_is_left_by_hand():
    """(2/11) (3/12) ... (M + 1)/(M + 10) = 10! (M + 1)! / (M + 10)! in M updates after the first."""
    assert fraction_of_first(0.999, 11) == pytest.approx(math.factorial(10) * math.factorial(11) / math.factorial(20))
    # 10! / (1343 * 1344 * ... * 1351), where a decay of 0.999 from the start would leave 0.999^1341 = 0.26
    assert fraction_of_first(0.999, 1342) == pytest.approx(math.factorial(10) / math.prod(range(1343, 1352)), rel=1e-3)
    # From the update after the 10th on, (1 + n)/(10 + n) is more than 0.5.
    assert fraction_of_first(0.5, 3) == pytest.approx(2 / 11 * 3 / 12)
    assert fraction_of_first(0.5, 20) == pytest.approx(fraction_of_first(0.5, 9) * 0.5**11)


def test_an_average_goes_on_where_it_was_saved_to_the_bit():
    netG, updates = make_generator(), 12
    whole, part = GeneratorAverage(netG, 0.6), GeneratorAverage(netG, 0.6)
    for update in range(updates):
        with torch.no_grad():
            for parameter in netG.parameters():
                parameter.add_(torch.randn_like(parameter))
        if update == 5:
            saved = copy.deepcopy((part.network.state_dict(), part.state_dict()))
            part = GeneratorAverage(netG, 0.6)
            part.network.load_state_dict(saved[0])
            part.load_state_dict(saved[1])
        for average in (whole, part):
            average.update(netG)
    for one, other in zip(whole.network.parameters(), part.network.parameters()):
        assert torch.equal(one, other)


def test_an_average_saved_as_consistent_is_not_settled_again(layouts):
    """As when a training goes on to score the generator that it had saved when it was interrupted."""
    netG = make_generator()
    average, restored = GeneratorAverage(netG, 0.5), GeneratorAverage(netG, 0.5)
    average.update(netG)
    calibration = [lambda netG, layout=layout: netG(layout) for layout in layouts]
    average.make_consistent(calibration)
    restored.network.load_state_dict(average.network.state_dict())
    for state, settles in (average.state_dict(), False), ({"updates": 1}, True):  # the second of an earlier version
        restored.load_state_dict(state)
        restored.make_consistent(calibration)
        pairs = zip(average.network.state_dict().values(), restored.network.state_dict().values())
        assert all(torch.equal(one, other) for one, other in pairs) is not settles
    restored.load_state_dict(average.state_dict())
    restored.update(netG)
    assert not restored.state_dict()["is_consistent"]


def test_a_long_average_of_constant_decay_forgets_its_beginning_when_it_goes_on():
    """As saved before the decay was ramped: 26 % of the first weights after 1,342 updates."""
    netG = nn.Linear(1, 1, bias=False)
    average = GeneratorAverage(netG, 0.999)
    nn.init.constant_(average.network.weight, 0.26)
    average.load_state_dict({"updates": 1342})
    nn.init.zeros_(netG.weight)
    for _ in range(1342):
        average.update(netG)
    assert float(average.network.weight) < 0.26 / 2**8


def test_raw_weights_are_averaged_under_spectral_norm():
    netG = make_generator()
    average = GeneratorAverage(netG, 0.5)
    average.update(netG)
    before = netG.head_0.conv_0.weight_orig.detach().clone()
    with torch.no_grad():
        netG.head_0.conv_0.weight_orig.mul_(3)
    average.update(netG)
    torch.testing.assert_close(average.network.head_0.conv_0.weight_orig, (2 / 11 + 9 / 11 * 3) * before)


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
        netG.fc.bias.add_(22)
    average.update(netG)  # its own bias has moved by 18
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
        trainer.step(batch)
        if trainer is trainers[1]:
            trainer.average.make_consistent([lambda netG: netG(trainers[1].model.layout(batch))])
        trainer.step(batch)
    for network in (lambda trainer: trainer.model.netG, lambda trainer: trainer.average.network):
        one, other = (network(trainer).state_dict() for trainer in trainers)
        assert all(torch.equal(one[name], other[name]) for name in one)
