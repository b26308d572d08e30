import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.segmenters import Segmenter, load_own_segmenter
from models.segmenters.own import OwnSegmenter
from models.segmenters.unet import UNet
from util.errors import InputError
from util.segmentation_scores import IGNORED

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::FutureWarning")


class ThreeColors(nn.Module):
    """Photos to logits of red, green and blue, at half their size; with a weight, as most networks have."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, photos):
        return F.avg_pool2d(photos, 2) * self.scale


def filled(segmenter: OwnSegmenter) -> OwnSegmenter:
    """With weights and statistics that are not those of a new network."""
    with torch.no_grad():
        for name, tensor in segmenter.network.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * (1 if "running_var" in name else 0.3))
    return segmenter


def small(**settings) -> OwnSegmenter:
    arguments = {"class_ids": (1, 2, 4), "unlabelled_ids": (0, 255), "image_size": (16, 24), "widths": (4, 6, 8)}
    return OwnSegmenter("custom", **arguments | settings)


@pytest.fixture
def stripes() -> torch.Tensor:
    """Photos (3, 3, 16, 24) in [0, 1], their left, middle and right third red, green and blue in turn."""
    photo = torch.eye(3).repeat_interleave(8, dim=1)[:, None].expand(3, 16, 24)
    return torch.stack([photo, photo.flip(-1), photo.roll(8, dims=-1)])


def test_unet_gives_logits_of_every_pixel_and_each_depends_on_all_of_the_photo():
    torch.manual_seed(0)  # unlucky narrow networks have dead units
    network = UNet(5, (4, 6, 8)).eval()
    photo = torch.rand(2, 3, 20, 12, requires_grad=True)
    logits = network(photo)
    assert logits.shape == (2, 5, 20, 12)
    logits[0, :, 0, 0].sum().backward()
    assert (photo.grad[0].abs().sum(dim=0) > 0).float().mean() > 0.9 and not photo.grad[1].any()


def test_a_saved_run_predicts_the_same_when_it_is_loaded(tmp_path):
    segmenter = filled(small())
    segmenter.save(tmp_path / "run", {"validation": {"mean_iou": 0.5}})
    loaded = load_own_segmenter(tmp_path / "run")
    images = torch.rand(2, 3, 16, 24)
    assert torch.equal(loaded.scores(images, (16, 24)), segmenter.scores(images, (16, 24)))
    assert loaded.predict(images, (32, 48)).shape == (2, 32, 48)
    assert loaded.settings == segmenter.settings and loaded.facts["validation"] == {"mean_iou": 0.5}
    assert not loaded.training and not any(weight.requires_grad for weight in loaded.parameters())


def test_it_is_a_segmenter_with_the_label_rule_it_was_trained_on(tmp_path):
    small().save(tmp_path, {})
    segmenter = load_own_segmenter(str(tmp_path))
    assert isinstance(segmenter, Segmenter) and segmenter.num_classes == 3 and segmenter.mean_iou == "labelled"
    assert segmenter.ground_truth(torch.tensor([[[0, 1, 2, 4, 255]]])).tolist() == [[[IGNORED, 0, 1, 2, IGNORED]]]
    with pytest.raises(InputError, match="label maps hold 3, which is not an id of custom"):
        segmenter.ground_truth(torch.tensor([[[3]]]))
    with pytest.raises(ValueError, match="must be in"):
        segmenter.scores(torch.full((1, 3, 16, 24), 2.0), (16, 24))


def test_photos_of_another_size_are_brought_to_the_short_side_it_knows():
    segmenter = small(image_size=(16, 24), mean=(0, 0, 0), std=(1, 1, 1))
    seen = segmenter.preprocess(torch.full((1, 3, 40, 64), 255.0))
    assert seen.shape == (1, 3, 16, 26) and torch.allclose(seen, torch.ones(()))
    pixels = torch.arange(3 * 16 * 24).reshape(1, 3, 16, 24) % 256.0
    assert torch.equal(segmenter.preprocess(pixels), pixels / 255)
    assert segmenter.scores(torch.rand(1, 3, 40, 64), (40, 64)).shape == (1, 3, 40, 64)


def test_runs_that_cannot_be_used_are_one_line(tmp_path):
    def refused(words: str) -> None:
        with pytest.raises(InputError) as caught:
            load_own_segmenter(tmp_path / "run")
        assert words in str(caught.value) and "\n" not in str(caught.value)

    refused("run: no such run of scripts.segmenter, and no such file")
    (tmp_path / "run").mkdir()
    refused("run: no segmenter.json inside, so it is not a run of scripts.segmenter")
    small().save(tmp_path / "run", {})
    facts = json.loads((tmp_path / "run" / "segmenter.json").read_text())
    (tmp_path / "run" / "segmenter.pth").rename(tmp_path / "kept.pth")
    refused("segmenter.pth: no such file")
    torch.save({"classify.weight": torch.zeros(2)}, tmp_path / "run" / "segmenter.pth")
    refused("segmenter.pth: does not fit the network beside it: it lacks down.0.0.0.weight")
    torch.save(small(widths=(4, 6, 10)).network.state_dict(), tmp_path / "run" / "segmenter.pth")
    refused("down.2.0.0.weight of shape (10, 6, 3, 3), not (8, 6, 3, 3)")
    for wrong in ("no JSON", "[]", "{}", json.dumps(facts | {"settings": {"name": "x"}}), '{"settings": 3}'):
        (tmp_path / "run" / "segmenter.json").write_text(wrong)
        refused("segmenter.json: not a file of scripts.segmenter (")


def script(path):
    torch.jit.save(torch.jit.trace(ThreeColors(), torch.rand(2, 3, 8, 6)), path)


def export(path):
    sides = {2: 2 * torch.export.Dim("h", max=500), 3: 2 * torch.export.Dim("w", max=500)}
    shapes = {"photos": {0: torch.export.Dim("n", max=64), **sides}}
    torch.export.save(torch.export.export(ThreeColors(), (torch.rand(2, 3, 8, 6),), dynamic_shapes=shapes), path)


def export_of_one_size(path):
    torch.export.save(torch.export.export(ThreeColors(), (torch.rand(2, 3, 32, 48),)), path)


@pytest.mark.parametrize(
    ("save", "name"), [(script, "program.pt"), (export, "program.pt2"), (export_of_one_size, "program.pt2")]
)
def test_programs_of_torchscript_and_torch_export_label_photos(save, name, stripes, tmp_path):
    save(tmp_path / name)
    segmenter = load_own_segmenter(tmp_path / name)
    assert isinstance(segmenter, Segmenter) and (segmenter.name, segmenter.num_classes) == (name, 3)
    classes = segmenter.predict(stripes, (16, 24))
    truth = stripes.argmax(dim=1)
    assert classes.shape == truth.shape and (classes == truth).all()
    assert segmenter.predict(stripes, (8, 12)).shape == (3, 8, 12)
    assert segmenter.ground_truth(torch.tensor([[[0, 2, 3, 255]]])).tolist() == [[[0, 2, IGNORED, IGNORED]]]
    assert not segmenter.eval().train().training


class Flat(nn.Module):
    def forward(self, photos):
        return photos.mean(dim=1)


class Two(nn.Module):
    def forward(self, photos, labels):
        return photos + labels


def test_files_that_are_no_such_programs_are_one_line(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "state.pth")
    (tmp_path / "text.pt2").write_text("hello")
    torch.jit.save(torch.jit.script(Flat()), tmp_path / "flat.pt")
    torch.jit.save(torch.jit.script(Two()), tmp_path / "two.pt")
    torch.jit.save(torch.jit.script(nn.Conv2d(4, 3, 1)), tmp_path / "four.pt")
    torch.jit.save(torch.jit.script(nn.Conv2d(3, 300, 1)), tmp_path / "many.pt")
    two = torch.export.export(Two(), (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)))
    torch.export.save(two, tmp_path / "two.pt2")
    for name, words in [
        ("state.pth", "is neither a run of scripts.segmenter, nor a TorchScript file, nor a *.pt2"),
        ("text.pt2", "is not a file of torch.export with one input (a program: trust where it comes from) ("),
        ("flat.pt", "must map photos (N, 3, H, W) in [0, 1] to logits (N, C, h, w)"),
        ("two.pt", "cannot label photos of shape (1, 3, 256, 256) in [0, 1] ("),
        ("four.pt", "cannot label photos of shape (1, 3, 256, 256) in [0, 1] ("),
        ("many.pt", "gives logits of 300 classes; must be 1 to 255"),
        ("two.pt2", "is not a file of torch.export with one input"),
    ]:
        with pytest.raises(InputError) as caught:
            load_own_segmenter(tmp_path / name)
        assert f"{tmp_path / name}: {words}" in str(caught.value) and "\n" not in str(caught.value)
