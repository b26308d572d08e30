"""Loss terms against numbers worked by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.losses import GAN_LOSSES, feature_matching_loss, gan_loss, kl_loss

LOGITS = torch.tensor([-2.0, 0.5, 3.0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    "mode, generator, fake, real",
    [
        ("hinge", -0.5, (0 + 1.5 + 4) / 3, (3 + 0.5 + 0) / 3),
        ("ls", (9 + 0.25 + 4) / 3, (4 + 0.25 + 9) / 3, (9 + 0.25 + 4) / 3),
        (
            "original",
            (softplus(2) + softplus(-0.5) + softplus(-3)) / 3,
            (softplus(-2) + softplus(0.5) + softplus(3)) / 3,
            (softplus(2) + softplus(-0.5) + softplus(-3)) / 3,
        ),
        ("w", -0.5, 0.5, -0.5),
    ],
)
def test_adversarial_losses_by_hand(mode, generator, fake, real):
    loss = GAN_LOSSES[mode]
    assert loss.generator(LOGITS).item() == pytest.approx(generator, abs=1e-6)
    assert loss.discriminator_fake(LOGITS).item() == pytest.approx(fake, abs=1e-6)
    assert loss.discriminator_real(LOGITS).item() == pytest.approx(real, abs=1e-6)


def test_adversarial_loss_is_the_mean_over_scales_not_over_all_logits():
    features = [[torch.zeros(1), torch.full((8,), 2.0)], [torch.zeros(1), torch.full((2,), 4.0)]]
    assert gan_loss(GAN_LOSSES["w"].discriminator_fake, features).item() == 3.0


def test_feature_matching_by_hand():
    """Two scales, two inner layers each, logits left out: ((1 + 2) + (3 + 4)) / 2."""

    def features(values):
        return [[torch.full((1, 2, 2, 2), v) for v in scale] for scale in values]

    fake, real = features([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]]), features([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert feature_matching_loss(fake, real).item() == 5.0


def test_feature_matching_gives_no_gradient_to_the_real_side():
    fake, real = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    feature_matching_loss([[fake, fake]], [[real, real]]).backward()
    assert real.grad is None
    assert fake.grad is not None


def test_kl_is_summed_over_batch_and_dimensions():
    mu, logvar = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(2.0)]])
    expected = 0.5 * 1 + 0.5 * (2 - 1 - math.log(2))
    assert kl_loss(mu, logvar).item() == pytest.approx(expected, abs=1e-6)
    assert kl_loss(mu.repeat(3, 1), logvar.repeat(3, 1)).item() == pytest.approx(3 * expected, abs=1e-5)


def test_kl_agrees_with_torch_distributions():
    torch.manual_seed(0)
    mu, logvar = torch.randn(4, 6), torch.randn(4, 6)
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(kl_loss(mu, logvar), expected)


def test_original_loss_is_stable_for_large_logits():
    assert GAN_LOSSES["original"].discriminator_fake(torch.tensor([500.0])).item() == pytest.approx(500.0)
    assert F.softplus(torch.tensor(500.0)).item() == 500.0
