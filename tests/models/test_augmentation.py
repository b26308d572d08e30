"""DiffAugment: hand-worked colors, shifts and cutouts, label maps that move along, and what each player sees."""

import pytest
import torch

from models.augmentation import DRAWS, POLICIES, DiffAugment, adjust_color, cut_out, translate, translate_layout
from models.methods.pix2pix import Pix2PixMethod
from models.methods.pix2pixhd import Pix2PixHDMethod
from models.methods.spade import SPADEMethod
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.layout import NO_CLASS, SemanticLayout
from models.networks.pix2pix import PatchDiscriminator, UNetGenerator
from models.pix2pix_model import Pix2PixModel
from models.tables import PresentLabelsDiscriminator
from tests.models.methods.test_pix2pixhd import make_model as make_pix2pixhd_model
from tests.trainers.jobs import make_model
from trainers import Pix2PixTrainer

ONE, ZERO = torch.ones(1), torch.zeros(1)


def test_color_of_a_two_by_two_image_by_hand():
    image = torch.tensor([[[[0.0, 0.3], [0.6, 0.9]], [[0.3, 0.3], [0.0, 0.6]], [[0.6, 0.3], [0.3, 0.6]]]])
    torch.testing.assert_close(adjust_color(image, ZERO, ONE, ONE), image)
    torch.testing.assert_close(adjust_color(image, torch.tensor([0.25]), ONE, ONE), image + 0.25)
    gray = torch.tensor([[0.3, 0.3], [0.3, 0.7]])  # means over the three colors
    torch.testing.assert_close(adjust_color(image, ZERO, ZERO, ONE), gray.expand(1, 3, 2, 2))
    doubled = 2 * image - gray
    torch.testing.assert_close(adjust_color(image, ZERO, 2 * ONE, ONE), doubled)
    torch.testing.assert_close(adjust_color(image, ZERO, ONE, ONE / 2), 0.5 * image + 0.2)  # the mean is 0.4
    # All together, in this order: the mean of all values is then 0.65.
    together = adjust_color(image, torch.tensor([0.25]), 2 * ONE, ONE / 2)
    torch.testing.assert_close(together, 0.65 + 0.5 * (doubled + 0.25 - 0.65))


def test_each_sample_moves_by_its_own_shift_and_zeros_come_in():
    x = torch.arange(1.0, 10).view(1, 1, 3, 3).repeat(3, 2, 1, 1)
    moved = translate(x, torch.tensor([1, 0, -2]), torch.tensor([0, -1, 2]))
    assert moved[0, 1].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert moved[1, 0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert moved[2, 1].tolist() == [[0, 0, 7], [0, 0, 0], [0, 0, 0]]


def test_labels_and_edges_move_with_the_image_and_have_no_class_outside():
    labels = torch.tensor([[[0, 1], [2, 1]]], dtype=torch.uint8)
    layout = SemanticLayout(labels, torch.tensor([[[True, False], [True, True]]]), 3)
    moved = translate_layout(layout, torch.tensor([1]), torch.tensor([-1]))
    assert moved.labels.tolist() == [[[NO_CLASS, NO_CLASS], [1, NO_CLASS]]]
    assert moved.edges is not None and moved.edges.tolist() == [[[False, False], [False, False]]]
    torch.testing.assert_close(moved.at(2, 2), translate(layout.at(2, 2), torch.tensor([1]), torch.tensor([-1])))


def test_a_discriminator_of_present_labels_sees_zeros_where_there_is_no_class():
    torch.manual_seed(0)
    dense = MultiscaleDiscriminator(4, 2)
    table = PresentLabelsDiscriminator(4, 2)
    table.load_state_dict(dense.state_dict())
    labels = torch.randint(0, 3, (2, 32, 32))
    layout = translate_layout(SemanticLayout(labels, labels == 1, 3), torch.tensor([4, -3]), torch.tensor([0, 2]))
    images = torch.rand(4, 3, 32, 32)
    for one, other in zip(dense.eval()(layout, images), table.eval()(layout, images)):
        torch.testing.assert_close(one[-1], other[-1])


def test_the_cutout_is_half_as_high_and_wide_and_is_cut_off_at_the_border():
    images = torch.ones(3, 3, 4, 8)
    cut = cut_out(images, torch.tensor([2, 0, 3]), torch.tensor([4, 0, 7]))
    rows_and_columns = [(slice(1, 3), slice(2, 6)), (slice(0, 1), slice(0, 2)), (slice(2, 4), slice(5, 8))]
    for image, (rows, columns) in zip(cut, rows_and_columns):
        expected = torch.ones(3, 4, 8)
        expected[:, rows, columns] = 0
        assert torch.equal(image, expected)


def test_draws_become_the_published_ranges():
    layout = SemanticLayout(torch.zeros(2, 16, 32, dtype=torch.long), None, 1)
    lowest, highest = torch.zeros(1, DRAWS), torch.full((1, DRAWS), 1 - 1e-6)
    draw, images = torch.cat([lowest, highest]), torch.full((2, 3, 16, 32), 0.5)
    _, color = DiffAugment("color")(draw, layout, images)
    torch.testing.assert_close(color.amax(dim=(1, 2, 3)), torch.tensor([0.0, 1.0]))  # gray: brightness alone counts
    moved, image = DiffAugment("translation")(draw, layout, images)
    for labels, pixels, inside in zip(
        moved.labels, image, [(slice(0, 14), slice(0, 28)), (slice(2, 16), slice(4, 32))]
    ):
        expected = torch.zeros(16, 32, dtype=torch.bool)
        expected[inside] = True  # 2 rows and 4 columns are an eighth
        assert torch.equal(labels == 0, expected) and torch.equal(pixels[0] == 0.5, expected)
    same, cut = DiffAugment("cutout")(draw, layout, images)
    assert same is layout
    assert (cut[:, 0] == 0).sum(dim=(1, 2)).tolist() == [4 * 8, 5 * 9]  # a corner lies outside


def test_gradients_flow_through_all_policies():
    torch.manual_seed(0)
    layout = SemanticLayout(torch.zeros(1, 8, 4, dtype=torch.long), None, 1)
    draw = torch.rand(1, DRAWS, dtype=torch.float64)
    images = torch.rand(1, 3, 8, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: DiffAugment(*POLICIES)(draw, layout, x)[1], images)


def make_method(name: str, **settings):
    """Small networks for two or three classes, and edges in some; and a batch for them."""
    generator = torch.Generator().manual_seed(1)
    size = 64 if name == "pix2pix" else 32
    labels = torch.randint(0, 2, (2, size, size), generator=generator)
    batch = {"labels": labels, "image": torch.rand(2, 3, size, size, generator=generator) * 2 - 1}
    if name != "pix2pix":
        batch["instances"] = labels
    torch.manual_seed(0)
    if name == "pix2pix":
        netG = UNetGenerator(2, ngf=2, num_downs=6, image_size=(64, 64))
        return Pix2PixMethod(Pix2PixModel(netG, PatchDiscriminator(2, 2, "instance"), None, 2), **settings), batch
    if name == "pix2pixhd":
        return Pix2PixHDMethod(make_pix2pixhd_model(), **settings), batch
    return SPADEMethod(make_model(), **settings), batch


@pytest.mark.parametrize("name", ["spade", "pix2pixhd", "pix2pix"])
def test_both_players_see_fakes_and_photos_under_the_draw_of_their_step(name):
    method, batch = make_method(name, diffaugment=DiffAugment("translation"))
    draws, seen = [], []
    draw_augmentation = method.draw_augmentation
    method.draw_augmentation = lambda count: draws.append(draw_augmentation(count)) or draws[-1]
    assert method.model.netD is not None
    method.model.netD.register_forward_pre_hook(lambda _, inputs: seen.append((len(draws) - 1, *inputs)))
    Pix2PixTrainer(method).step(batch)
    assert len(draws) == 2 and not torch.equal(*draws)
    photos_seen = 0
    for step, layout, images in seen:
        own, photos = DiffAugment("translation")(draws[step], method.model.layout(batch), batch["image"])
        assert torch.equal(layout.labels, own.labels)
        assert torch.equal(images[:, 0] == 0, (own.labels == NO_CLASS).repeat(len(images) // 2, 1, 1))
        photos_seen += torch.equal(images[-2:], photos)
    assert photos_seen == (1 if name == "pix2pix" else 2)  # the generator of pix2pix has no feature matching


@pytest.mark.parametrize("name", ["spade", "pix2pixhd", "pix2pix"])
def test_without_policies_nothing_is_drawn_and_nothing_changes(name):
    method, batch = make_method(name)
    assert method.draw_augmentation(2) is None
    seen = []
    assert method.model.netD is not None
    method.model.netD.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    Pix2PixTrainer(method).step(batch)
    for layout in seen:
        assert torch.equal(layout.labels, batch["labels"])
