"""Conditioning images in place of labels: one-hot maps train as labels do, and everything moves, waits and splits."""

import pytest
import torch

from models.augmentation import POLICIES, DiffAugment, translate_layout
from models.methods.base import Method, Part
from models.methods.fake_pool import FakePool
from models.methods.pix2pixhd import Pix2PixHDMethod
from models.methods.spade import SPADEMethod
from models.networks.layout import SoftLayout
from tests.models.methods.test_pix2pixhd import make_batch as make_pix2pixhd_batch
from tests.models.methods.test_pix2pixhd import make_model as make_pix2pixhd_model
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer

pytestmark = pytest.mark.usefixtures("double_precision")


def losses_and_gradients(method: Method, batch: dict, soft: bool) -> dict[str, torch.Tensor]:
    """Of every player, on a batch whose labels are given as such, or as the one-hot maps that they stand for."""
    found = {}
    torch.manual_seed(0)
    for objective in method.objectives:
        layout = method.model.layout(batch)
        if soft:
            layout = SoftLayout(layout.at(*layout.size))
        real = batch["image"].to(torch.float64)
        part = Part(layout, real, method.draw_noise(len(real)), method.draw_augmentation(len(real)))
        outcome = objective.losses(part)
        sum(outcome.losses.values()).backward()
        found |= {name: loss.detach() for name, loss in outcome.losses.items()}
        for letter, network in objective.networks.items():
            found |= {
                f"{letter}.{name}": p.grad.clone() for name, p in network.named_parameters() if p.grad is not None
            }
            network.zero_grad()
    return found


@pytest.mark.parametrize("make", ["spade", "pix2pixhd"])
def test_one_hot_maps_train_to_the_losses_and_gradients_of_their_labels(make):
    results = []
    for soft in (False, True):
        if make == "spade":
            method, batch = SPADEMethod(make_model(), diffaugment=DiffAugment(*POLICIES)), make_batch(2)
        else:
            method = Pix2PixHDMethod(make_pix2pixhd_model(), pool_size=3, diffaugment=DiffAugment("translation"))
            batch = make_pix2pixhd_batch()
        results.append(losses_and_gradients(method, batch, soft))
    labels, maps = results
    assert labels.keys() == maps.keys() and len(labels) > 20
    for name, value in labels.items():
        torch.testing.assert_close(maps[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_a_condition_trains_as_the_labels_of_which_it_is_the_one_hot_map():
    """Through the whole trainer. Labels are equal over the largest pixels of the generator, as means are then exact."""
    states = []
    coarse = torch.randint(0, 3, (2, 2, 2), generator=torch.Generator().manual_seed(2))
    labels = coarse.repeat_interleave(32, dim=1).repeat_interleave(32, dim=2)  # (2, 64, 64)
    image = make_batch(2, size=64)["image"]
    edges = torch.zeros(2, 1, 64, 64)
    one_hot = torch.cat([torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).double(), edges], dim=1)
    for given in ({"labels": labels, "instances": torch.zeros_like(labels)}, {"condition": one_hot}):
        trainer = Pix2PixTrainer(SPADEMethod(make_model(size=64)))
        for _ in range(2):
            trainer.step({**given, "image": image})
        states.append((trainer.read_losses(), trainer.model.state_dict()))
    assert states[1][0] == pytest.approx(states[0][0], rel=1e-7)
    for name, value in states[0][1].items():
        torch.testing.assert_close(states[1][1][name], value, rtol=1e-6, atol=1e-8, msg=name)


def test_smaller_conditions_are_means_where_labels_are_single_pixels():
    sketch = torch.ones(1, 1, 4, 4)
    sketch[..., 1, :] = 0  # a line of one pixel
    assert SoftLayout(sketch).at(2, 2).flatten().tolist() == [1, 1, 1, 1]  # it is gone
    assert SoftLayout(sketch, "area").at(2, 2).flatten().tolist() == [0.5, 0.5, 1, 1]


def test_parts_of_a_batch_are_those_of_its_maps():
    layout = SoftLayout(torch.rand(4, 2, 3, 5), "area")
    first, second = layout.to("cpu").split(2)
    assert (len(first), first.size, first.channels, second.resize) == (2, (3, 5), 2, "area")
    assert torch.equal(torch.cat([first.at(2, 2), second.at(2, 2)]), layout.at(2, 2))


def test_maps_move_with_the_photo_and_zeros_come_in():
    layout = SoftLayout(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]]), "area")
    moved = translate_layout(layout, torch.tensor([1]), torch.tensor([-1]))
    assert isinstance(moved, SoftLayout) and moved.resize == "area"
    assert moved.semantics.tolist() == [[[[0, 0], [2, 0]], [[0, 0], [6, 0]]]]


def test_the_pool_returns_images_with_their_maps():
    pool, seen = FakePool(2), []
    torch.manual_seed(0)
    for number in range(30):
        values = torch.full((1, 3, 1, 1), float(number))
        layout, fake = pool.exchange(SoftLayout(values[:, :1]), values)
        assert isinstance(layout, SoftLayout) and torch.equal(layout.semantics, fake[:, :1])
        seen.append(int(fake[0, 0]))
    assert seen != list(range(30))  # some came back later
