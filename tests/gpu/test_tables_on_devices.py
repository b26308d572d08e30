"""A block with tables against the definition, both on one device; 64 bits on the CPU say what is right."""

import contextlib
import itertools
from statistics import mean

import pytest
import torch

from models.networks.blocks import SPADEResnetBlock
from models.networks.layout import SemanticLayout
from models.networks.norms import NormSpec
from models.tables import TableResnetBlock, sites_of
from models.tables.modulation import modulate
from util.precision import autocast

CLASSES = 4
EDGES = {
    "no edges": lambda labels: None,
    "empty edges": lambda labels: torch.zeros_like(labels, dtype=torch.bool),
    "some edges": lambda labels: torch.rand(labels.shape) < 0.2,
    "full edges": lambda labels: torch.ones_like(labels, dtype=torch.bool),
}
INPUTS = {1: ((3, 9, 7), (1, 8, 6)), 2: ((3, 5, 3), (1, 4, 6))}
"""Scale -> batch, height and width of inputs of a block."""


def regions(batch: int, height: int, width: int) -> torch.Tensor:
    """Label maps of a few rectangles."""
    coarse = torch.randint(CLASSES, (batch, 3, 3))
    rows, columns = torch.arange(height) * 3 // height, torch.arange(width) * 3 // width
    return coarse[:, rows][:, :, columns]


def filled_state(block: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights and statistics that show every mistake."""
    state = {}
    for name, tensor in block.state_dict().items():
        state[name] = torch.randn(tensor.shape) * 0.3 if tensor.is_floating_point() else tensor
        if name.endswith("running_var"):
            state[name] = state[name].abs() + 0.5
    return state


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype):
    """That of semantic maps."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def outcome(block, state, x, labels, edges, scale, precision="fp32", dtype=torch.float32) -> dict[str, torch.Tensor]:
    """Image, gradients and statistics of one step, in 64 bits on the CPU."""
    block.load_state_dict(state)
    block, x = block.to(x.device, dtype).train(), x.detach().to(dtype, copy=True).requires_grad_()
    layout = SemanticLayout(labels.to(x.device), None if edges is None else edges.to(x.device), CLASSES)
    with default_dtype(dtype), autocast(precision, x.device):
        y = block(x, layout, scale)
    (y.double() * torch.sin(torch.arange(y.numel(), device=x.device).view(y.shape))).sum().backward()
    tensors = {"image": y, "input": x.grad} | {name: p.grad for name, p in block.named_parameters()}
    tensors |= {name: buffer for name, buffer in block.named_buffers() if buffer.is_floating_point()}
    return {name: tensor.detach().cpu().double() for name, tensor in tensors.items()}


def cases(scale: int):
    """Names and inputs: edges, batch and size vary."""
    for (name, edges), (batch, *size) in itertools.product(EDGES.items(), INPUTS[scale]):
        labels = regions(batch, 21, 33)
        yield f"{name}, batch {batch}, {size}", labels, edges(labels), torch.randn(batch, 5, *size)


def blocks(kernel: int, edges) -> list[torch.nn.Module]:
    sizes = 5, 6, CLASSES + (edges is not None), NormSpec.parse(f"spadebatch{kernel}x{kernel}")
    return [SPADEResnetBlock(*sizes), SPADEResnetBlock(*sizes), TableResnetBlock(*sizes, always=True)]


def errors(found: dict, right: dict) -> dict[str, float]:
    """Distance of each tensor, relative to its norm; where this is a rounding of 0, to a part of the largest norm.

    The gradient of a bias in front of a batch norm is such a zero.
    """
    least = 0.01 * max(float(tensor.norm()) for tensor in right.values())
    return {name: float((found[name] - x).norm()) / max(float(x.norm()), least) for name, x in right.items()}


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_tables_in_32_bits_give_images_gradients_and_statistics_of_the_definition(device, kernel, scale):
    torch.manual_seed(0)
    for case, labels, edges, x in cases(scale):
        exact, _, table = blocks(kernel, edges)
        state = filled_state(exact)
        right = outcome(exact, state, x, labels, edges, scale, dtype=torch.float64)
        found = outcome(table, state, x.to(device), labels, edges, scale)
        worst = errors(found, right)
        assert max(worst.values()) < 5e-5, (case, worst)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_tables_in_16_bits_come_as_close_as_the_definition_in_16_bits(device, kernel, scale):
    torch.manual_seed(0)
    every = {"dense": [], "table": []}
    for case, labels, edges, x in cases(scale):
        exact, dense, table = blocks(kernel, edges)
        state = filled_state(exact)
        right = outcome(exact, state, x, labels, edges, scale, dtype=torch.float64)
        for name, block in (("dense", dense), ("table", table)):
            found = errors(outcome(block, state, x.to(device), labels, edges, scale, "bf16"), right)
            assert 1e-4 < found["image"] < 0.05, case  # it was in 16 bits, and it is the same image
            assert max(found.values()) < 0.5, (case, found)  # a gradient that is missing, or of another site, is 1 off
            every[name] += found.values()
    assert mean(every["table"]) < 2 * mean(every["dense"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_result_in_place_is_that_of_one_apart(device, scale, dtype):
    """`in_place` allows to overwrite the input; other inputs are kept."""
    torch.manual_seed(0)
    sites = sites_of(SemanticLayout(regions(2, 21, 33).to(device), None, CLASSES), scale * 5, scale * 7, 3, always=True)
    rows = torch.randn(len(sites.neighborhoods.outer), 6, device=device, dtype=dtype)
    x = torch.randn(2, 3, 5, 7, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    before = x.clone()
    apart = modulate(x, rows, sites, 0.2, scale)
    assert torch.equal(x, before)
    assert torch.equal(modulate(x, rows, sites, 0.2, scale, in_place=True), apart)
