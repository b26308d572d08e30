"""SPADE by hand, and the norm strings of the command line."""

import pytest
import torch
from torch import nn

from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import PARAM_FREE_NORMS, PLAIN_NORMS, InstanceNorm, NormSpec, normalized_conv
from util.errors import InputError


@pytest.mark.parametrize("kind", PLAIN_NORMS)
@pytest.mark.parametrize("spectral", [True, False])
def test_plain_norm_strings(spectral, kind):
    assert NormSpec.parse("spectral" * spectral + kind) == NormSpec(spectral, kind)


@pytest.mark.parametrize("kernel", [1, 3, 5, 11])
@pytest.mark.parametrize("kind", PARAM_FREE_NORMS)
@pytest.mark.parametrize("spectral", [True, False])
def test_spade_norm_strings(spectral, kind, kernel):
    assert NormSpec.parse(f"{'spectral' * spectral}spade{kind}{kernel}x{kernel}") == NormSpec(spectral, kind, kernel)


def test_published_spellings():
    assert NormSpec.parse("spectral") == NormSpec(True, "none")
    assert NormSpec.parse("") == NormSpec(False, "none")
    assert NormSpec.parse("spectralsync_batch") == NormSpec(True, "syncbatch")


@pytest.mark.parametrize(
    "text", ["spade", "spadebatch", "spadegroup3x3", "spectralspadebatch3x5", "spadebatch4x4", "x"]
)
def test_wrong_norm_strings_name_the_flag_and_the_allowed(text):
    with pytest.raises(InputError, match=rf"^--norm_G {text}: .*3x3"):
        NormSpec.parse(text, flag="norm_G")


def test_a_norm_of_the_other_family_is_refused():
    with pytest.raises(InputError, match="needs a plain norm"):
        NormSpec.of("spadebatch3x3", spade=False)
    with pytest.raises(InputError, match="needs a SPADE norm"):
        NormSpec.of("batch", spade=True)


def test_equation_1_by_hand():
    """Two classes, 1x1 kernels: gamma = (1, -2), beta = (10, 20) per class; instance norm of (0, 2) is (-1, 1)."""
    spade = SPADE(channels=1, semantic_nc=2, norm=NormSpec.parse("spadeinstance1x1"))
    with torch.no_grad():
        for parameter in spade.parameters():
            parameter.zero_()
        spade.mlp_shared[0].weight[0, 0] = spade.mlp_shared[0].weight[1, 1] = 1  # hidden unit i is class i
        spade.mlp_gamma.weight[0, :2, 0, 0] = torch.tensor([1.0, -2.0])
        spade.mlp_beta.weight[0, :2, 0, 0] = torch.tensor([10.0, 20.0])
    x = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]])
    layout = SemanticLayout(torch.tensor([[[0, 0], [1, 1]]]), None, num_labels=2)
    # class 0: n * (1 + 1) + 10; class 1: n * (1 - 2) + 20
    expected = torch.tensor([[[[8.0, 12.0], [21.0, 19.0]]]])
    torch.testing.assert_close(spade(x, layout), expected, atol=1e-4, rtol=0)


def test_zero_modulation_is_the_identity_on_normalized_activations():
    spade = SPADE(channels=4, semantic_nc=3, norm=NormSpec.parse("spadebatch3x3"))
    for conv in (spade.mlp_gamma, spade.mlp_beta):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    x = torch.randn(2, 4, 6, 6) * 3 + 5
    y = spade(x, SemanticLayout(torch.zeros(2, 6, 6, dtype=torch.long), None, 3))
    # equations 2 and 3: mean and deviation per channel over batch and sites
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), torch.ones(4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", PARAM_FREE_NORMS)
def test_the_layout_survives_normalization_even_if_it_is_uniform(kind):
    """Section 3, "Why does the SPADE work better": a flat map of another class must give another output."""
    torch.manual_seed(0)
    spade = SPADE(channels=2, semantic_nc=2, norm=NormSpec(False, kind, 3))
    x = torch.randn(2, 2, 4, 4)
    outputs = [spade(x, SemanticLayout(torch.full((2, 4, 4), label), None, 2)) for label in (0, 1)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["none", "instance", "batch", "syncbatch"])
@pytest.mark.parametrize("spectral", [True, False])
def test_bias_is_dropped_exactly_when_a_norm_follows(norm, spectral):
    layer = normalized_conv(nn.Conv2d, 2, 3, NormSpec(spectral, norm), kernel_size=1)
    conv = layer if norm == "none" else layer[0]
    assert (conv.bias is None) == (norm != "none")
    assert hasattr(conv, "weight_orig") == spectral


def test_spectral_norm_advances_once_per_training_forward_and_never_in_evaluation():
    torch.manual_seed(0)
    conv = normalized_conv(nn.ConvTranspose2d, 3, 5, NormSpec.parse("spectral"), kernel_size=3)
    matrix, before = conv.weight_orig.detach().transpose(0, 1).flatten(1), conv.weight_u.clone()
    conv(torch.randn(1, 3, 4, 4))
    v = nn.functional.normalize(matrix.T @ before, dim=0)
    torch.testing.assert_close(conv.weight_u, nn.functional.normalize(matrix @ v, dim=0))
    after = conv.weight_u.clone()
    conv.eval()(torch.randn(1, 3, 4, 4))
    assert torch.equal(conv.weight_u, after)


@pytest.mark.parametrize("of_gradient", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("of_input", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("count", [1, 2])
def test_instance_norm_has_the_gradient_of_its_definition(count, of_input, of_gradient):
    torch.manual_seed(0)
    x, gradient = torch.randn(2, count, 5, 8, 6, dtype=torch.float64)
    ours = x.clone(memory_format=of_input).requires_grad_()
    InstanceNorm(5).double()(ours).backward(gradient.contiguous(memory_format=of_gradient))
    definition = x.clone().requires_grad_()
    variance, mean = torch.var_mean(definition, (2, 3), correction=0, keepdim=True)
    ((definition - mean) / (variance + 1e-5).sqrt()).backward(gradient)
    torch.testing.assert_close(ours.grad, definition.grad)
