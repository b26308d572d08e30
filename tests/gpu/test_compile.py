"""torch.compile takes G, D, E and VGG-19 as one graph each, and what it makes of them computes the same."""

import copy

import pytest
import torch
from torch import nn

from models.vgg import VGGLoss
from tests.trainers.jobs import make_batch, make_model
from util.fill import fill

pytestmark = pytest.mark.system

SIZE = 64


def images(device: torch.device, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(2, 3, SIZE, SIZE, generator=generator) * 2 - 1).to(device)


def generator_of(device):
    model = make_model(size=SIZE).to(device)
    layout = model.layout(make_batch(2, SIZE))
    return model.netG, lambda netG: netG(layout, None)


def discriminator_of(device):
    model = make_model(size=SIZE).to(device)
    layout = model.layout(make_batch(2, SIZE))
    return model.netD, lambda netD: sum(
        layer.square().mean() for scale in netD(layout, images(device, 0)) for layer in scale
    )


def encoder_of(device):
    model = make_model(vae=True, size=SIZE).to(device)
    return model.netE, lambda netE: sum(netE(images(device, 0)))


def vgg_of(device):
    vgg = VGGLoss()
    fill(vgg.features, seed=0)
    fake = nn.Parameter(images(device, 0))
    vgg.register_parameter("fake", fake)  # its gradient is compared with those of parameters
    return vgg.to(device), lambda vgg: vgg(vgg.fake, images(device, 1))


@pytest.mark.parametrize(
    ("device", "make"),
    [
        ("cpu", vgg_of),  # tests/trainers/test_switches.py has the others on a CPU
        *(
            pytest.param("cuda", make, marks=pytest.mark.gpu)
            for make in (generator_of, discriminator_of, encoder_of, vgg_of)
        ),
    ],
    indirect=["device"],
)
def test_a_compiled_network_is_one_graph_and_computes_the_same(device, make):
    """Not one graph break: `fullgraph` makes an error of each. On a CPU no code is generated, only traced."""
    network, run = make(device)
    compiled = copy.deepcopy(network)
    torch.compiler.reset()
    compiled.compile(fullgraph=True, backend="inductor" if device.type == "cuda" else "eager")
    plainly, found = (outcome(each, run) for each in (network, compiled))
    torch.compiler.reset()
    assert found.keys() == plainly.keys() and len(found) > 1
    least = 0.01 * max(float(x.norm()) for x in plainly.values())  # gradients that are 0 but for rounding
    for name, x in plainly.items():
        assert (found[name] - x).norm() <= 1e-3 * max(float(x.norm()), least), name


def outcome(network, run) -> dict[str, torch.Tensor]:
    """Result, gradients, and buffers as a pass in training leaves them."""
    y = run(network)
    y.sin().sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {name: x.detach().double() for name, x in [("result", y), *gradients.items(), *network.named_buffers()]}
