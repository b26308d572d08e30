import pytest
import torch

from trainers.segmenter import learning_rate, pixel_loss
from util.segmentation_scores import IGNORED


def test_photos_whose_pixels_have_no_class_change_nothing():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    truth = torch.full((2, 4, 4), IGNORED)
    assert pixel_loss(logits, truth).item() == 0
    truth[0, 0, :2] = 1
    expected = -logits.log_softmax(dim=1)[0, 1, 0, :2].mean()
    assert torch.allclose(pixel_loss(logits, truth), expected)


def test_the_learning_rate_rises_to_its_largest_and_falls_to_zero():
    rates = [learning_rate(done) for done in (0, 0.05, 0.1, 0.55, 1)]
    assert rates == pytest.approx([0.1, 0.55, 1, 0.5, 0])
