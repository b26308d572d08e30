"""How networks about segments shape the canvas of a test, with networks that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.sims.canvas import Segment
from data.sims.components import Component
from data.sims.roles import Roles
from data.sims.scene import Scene
from data.skipping import collate
from models.fixed_inputs import fixed_inputs
from models.methods.sims_segments import SIMSModel, earlier_in_front, num_stages, reduce, shifts
from models.networks.layout import SemanticLayout
from models.networks.sims import OrderingNetwork, SIMSGenerator, TransformationNetwork, Widths

TINY = Widths(2, 3, 3, 4, 5)
ROLES = Roles.of(["class 0", "class 1", "class 2"])


def make_scene(size: int = 64, count: int = 2) -> Scene:
    """Class 1 on the left and class 2 on the right; their segments overlap in the middle half."""
    labels = np.ones((size, size), np.uint8)
    labels[:, size // 2 :] = 2
    pasted = []
    for label, columns in ((1, slice(0, 3 * size // 4)), (2, slice(size // 4, size)))[:count]:
        mask = np.zeros((size, size), bool)
        mask[:, columns] = True
        pasted.append(
            (Component(label, labels == label), Segment(mask, np.full((size, size, 3), label / 4, "f"), labels))
        )
    return Scene(labels, pasted, ROLES, 0, [0])


def layout_of(scene: Scene) -> SemanticLayout:
    return SemanticLayout(torch.from_numpy(scene.labels)[None], None, 3)


def aligner(*theta: float) -> TransformationNetwork:
    """A network that returns these six numbers for any segment."""
    netA = TransformationNetwork(3, TINY)
    with torch.no_grad():
        netA.fc.bias.copy_(torch.tensor(theta))
    return netA.eval()


def orderer(*logits: float) -> OrderingNetwork:
    """A network that returns these logits for any pair."""
    netO = OrderingNetwork(3, TINY)
    torch.nn.init.zeros_(netO.g_selection_classify.weight)
    with torch.no_grad():
        netO.g_selection_classify.bias.copy_(torch.tensor(logits))
    return netO.eval()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_segment_is_shifted_by_whole_pixels_against_the_map(count):
    """theta reads output pixel x from x + 2.4 and y from y - 3.7; its matrix is left out."""
    scene = make_scene(count=count)
    with torch.no_grad():
        found = shifts(aligner(1.1, 0.2, 2.4, -0.3, 0.8, -3.7), scene, layout_of(scene))
    assert found == [(4, -2)] * count


def test_large_images_are_seen_at_the_size_of_the_first_stage():
    scene = make_scene(512)
    with torch.no_grad():
        assert shifts(aligner(1, 0, 2.4, 0, 1, -3.7), scene, layout_of(scene)) == [(7, -5)] * 2
    assert reduce(torch.rand(1, 3, 512, 64)).shape == (1, 3, 256, 32)
    images = torch.rand(1, 3, 448, 64)
    assert reduce(images) is images and num_stages(1024) == 2


@pytest.mark.parametrize(("logits", "front"), [((9, 1, 0), True), ((9, 0, 1), False), ((9, 1, 1), False)])
def test_of_two_segments_the_one_whose_class_has_the_larger_logit_is_in_front(logits, front):
    scene = make_scene()
    with torch.no_grad():
        assert earlier_in_front(orderer(*logits), scene, layout_of(scene)) == ([(0, 1)] if front else [])
        assert earlier_in_front(orderer(*logits), make_scene(count=1), layout_of(scene)) == []


def test_fixed_inputs_leave_out_what_only_losses_use():
    """Some 20 MB a sample of 256x512, of which trainings with an average keep 128."""
    model = SIMSModel(SIMSGenerator(3, 64, 0, TINY), None, None, 3)
    kept, dropped = ("labels", "canvas", "changed_labels"), ("image", "segments", "pair_labels")
    (fixed,) = fixed_inputs([{name: torch.zeros(1, 2, 2) for name in (*kept, *dropped)}], model, seed=0)
    assert set(fixed.batch) == set(kept)


def canvas_by(scene: Scene, **networks) -> torch.Tensor:
    model = SIMSModel(SIMSGenerator(3, 64, 0, TINY), None, None, 3, networks, ["canvas", "changed_labels"])
    batch = collate([{"name": "one", "labels": torch.from_numpy(scene.labels), "scene": scene}])
    layout = model.eval().layout(batch)
    assert "scenes" not in batch and torch.equal(batch["canvas"], layout.maps["canvas"])
    assert batch["changed_labels"].shape == (1, 64, 64) and batch["changed_labels"].dtype == torch.int16
    return batch["canvas"][0]


def test_networks_that_change_nothing_leave_the_canvas_as_it_is():
    plain, _ = make_scene().compose()
    assert torch.equal(canvas_by(make_scene(), A=TransformationNetwork(3, TINY)), plain)  # a new one: the identity
    assert torch.equal(canvas_by(make_scene(), O=orderer(0, 0, 1)), plain)


def test_canvases_are_composed_as_both_networks_say():
    expected, _ = make_scene().shifted([(0, -8), (0, -8)]).ordered([(0, 1)]).compose()
    made = canvas_by(make_scene(), A=aligner(1, 0, 8, 0, 1, 0), O=orderer(0, 1, 0))
    assert torch.equal(made, expected) and not torch.equal(made, make_scene().compose()[0])
