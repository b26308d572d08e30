"""CRN's loss: terms and their weights, the best image per class, weights derived from the first forward passes."""

import json

import pytest
import torch
from torch import nn

from models import crn_loss
from models.crn_loss import TERMS, CRNLoss, TermWeights, read_term_weights
from models.networks.layout import SemanticLayout
from util.errors import InputError


class HalvedTwice(nn.Module):
    """Stands for VGG: features of full and of half size."""

    def forward(self, pixels):
        return [2 * pixels, nn.functional.avg_pool2d(pixels[:, :1], 2)]


def images(*values):
    """Images (k, 3, 2, 2) of one value in 0..255 each."""
    return torch.tensor(values)[:, None, None, None].expand(-1, 3, 2, 2) / 127.5 - 1


def test_terms_are_weighted_mean_differences_of_images_in_0_to_255():
    loss = CRNLoss(HalvedTwice(), TermWeights([1.0, 0.5, 10.0]))
    fake, real = images(10.0, 40.0), images(20.0, 20.0)  # differ by 10 and 20
    torch.testing.assert_close(loss.terms(fake, real), torch.tensor([15.0, 15.0, 150.0]))
    torch.testing.assert_close(loss(fake, real), torch.tensor(180.0))
    torch.testing.assert_close(CRNLoss(None, TermWeights([1.0, 9.0]))(fake, real), torch.tensor(15.0))


def test_the_best_image_of_each_class_counts():
    loss = CRNLoss(None, TermWeights([1.0]))
    layout = SemanticLayout(torch.tensor([[[0, 0], [0, 2]]]), None, 3)
    real = torch.full((1, 3, 2, 2), -1.0)
    fakes = torch.full((1, 2, 3, 2, 2), -1.0)
    fakes[0, 0, :, 0, 0] = 40 / 127.5 - 1  # error 40 at one pixel of class 0
    fakes[0, 1, :, 1, 1] = 80 / 127.5 - 1  # error 80 at the pixel of class 2
    terms = loss.diversity_terms(fakes, real, layout)  # means over all four pixels
    torch.testing.assert_close(terms, torch.tensor([[[[10.0, 0.0, 0.0], [0.0, 0.0, 20.0]]]]))
    # Each class has an image without error; the mean of the two has a weight of 0.001.
    torch.testing.assert_close(loss.diversity(fakes, real, layout), torch.tensor(0.001 * (5 + 10)))


def test_the_minimum_is_that_of_the_sum_of_the_terms_and_samples_are_averaged():
    torch.manual_seed(0)
    loss = CRNLoss(HalvedTwice(), TermWeights([1.0, 2.0, 3.0]))
    layout = SemanticLayout(torch.randint(2, (3, 4, 4)), None, 2)
    fakes, real = torch.rand(3, 5, 3, 4, 4), torch.rand(3, 3, 4, 4)
    terms = loss.diversity_terms(fakes, real, layout)
    assert terms.shape == (3, 3, 5, 2)
    errors = terms.sum(0)
    expected = (0.999 * errors.min(1).values + 0.001 * errors.mean(1)).sum() / 3
    torch.testing.assert_close(loss.diversity(fakes, real, layout), expected)
    alone = [
        loss.diversity(fakes[i : i + 1], real[i : i + 1], SemanticLayout(layout.labels[i : i + 1], None, 2))
        for i in range(3)
    ]
    torch.testing.assert_close(sum(alone) / 3, expected)


def test_with_one_image_the_diversity_loss_is_the_plain_one():
    torch.manual_seed(0)
    loss = CRNLoss(HalvedTwice(), TermWeights([1.0, 2.0, 3.0]))
    layout = SemanticLayout(torch.randint(4, (2, 4, 4)), None, 4)
    fake, real = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(loss.diversity(fake[:, None], real, layout), loss(fake, real))


def test_gradients_reach_the_fakes_alone():
    fake, real = torch.rand(1, 3, 4, 4, requires_grad=True), torch.rand(1, 3, 4, 4, requires_grad=True)
    CRNLoss(HalvedTwice(), TermWeights())(fake, real).backward()
    assert fake.grad.abs().sum() > 0 and real.grad is None


def test_weights_are_derived_from_the_means_so_far_and_then_fixed(monkeypatch, capsys):
    monkeypatch.setattr(crn_loss, "DERIVED_OVER", 2)
    weights = TermWeights()
    assert weights(torch.tensor([10.0, 2.0])).tolist() == [1.0, 5.0]
    assert weights(torch.tensor([20.0, 8.0])).tolist() == [1.0, 3.0]
    assert '{"input": 1.0, "relu1_2": 3.0}' in capsys.readouterr().out
    assert weights(torch.tensor([1.0, 500.0])).tolist() == [1.0, 3.0]
    assert capsys.readouterr().out == ""


def test_derived_weights_go_on_from_a_state_and_survive_a_batch_that_is_not_finite():
    weights, resumed = TermWeights(), TermWeights()
    weights(torch.tensor([10.0, 2.0]))
    weights(torch.tensor([float("nan"), 2.0]))
    resumed.load_state_dict(weights.state_dict())
    assert weights(torch.tensor([20.0, 8.0])).tolist() == resumed(torch.tensor([20.0, 8.0])).tolist() == [1.0, 3.0]
    fresh = TermWeights()
    fresh.load_state_dict(TermWeights().state_dict())
    assert fresh(torch.tensor([10.0, 2.0])).tolist() == [1.0, 5.0]


def test_weights_of_a_file(tmp_path):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({term: index for index, term in enumerate(TERMS)}))
    assert read_term_weights(path) == [0, 1, 2, 3, 4, 5]
    for content in ("[1, 2]", '{"input": 1}', "{", '{"input": "a"}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r'--crn_weights .*weights.json: must hold .*such as {"input": 1.0'):
            read_term_weights(path)
    with pytest.raises(InputError, match=r"--crn_weights .*No such file"):
        read_term_weights(tmp_path / "absent.json")
