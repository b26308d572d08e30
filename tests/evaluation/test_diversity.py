"""Diversity of styles: LPIPS against its own definition with stand-in weights, and the mean over pairs."""

import itertools

import lpips
import numpy as np
import pytest
import torch
import torchvision

from evaluation.diversity import lpips_distance, mean_pairwise
from util.errors import InputError
from util.fill import fill
from util.weight_files import WEIGHT_FILES


def some_images(seed, n=3, size=(48, 64)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, 3, *size), dtype=np.uint8))


@pytest.fixture(scope="module")
def trunk() -> torch.nn.Sequential:
    layers = torchvision.models.alexnet(weights=None).features
    fill(layers, seed=0)
    return layers


@pytest.fixture(scope="module")
def alexnet_file(trunk, tmp_path_factory):
    """As torchvision's, but without the classifier, which makes the file large."""
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save({f"features.{name}": tensor for name, tensor in trunk.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def distance(alexnet_file):
    return lpips_distance(str(alexnet_file), False, "cpu")


def heads() -> list[torch.Tensor]:
    path = f"{lpips.__path__[0]}/weights/v0.1/alex.pth"
    return list(torch.load(path, map_location="cpu", weights_only=True).values())


@torch.no_grad()
def definition(trunk, first, second) -> torch.Tensor:
    """Zhang et al. 2018, eq. 1: distances of unit feature vectors, weighted, averaged over places, summed."""

    def taps(images):
        x = images.float() / 255
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        for index, layer in enumerate(trunk):
            x = layer(x)
            if index in (1, 4, 7, 9, 11):
                yield x / x.norm(dim=1, keepdim=True).clamp(min=1e-10)

    weighted = zip(heads(), taps(first), taps(second))
    return sum((head * (x - y).square()).sum(dim=1).mean(dim=(1, 2)) for head, x, y in weighted)


def test_distance_is_that_of_the_paper(distance, trunk):
    first, second = some_images(0), some_images(1)
    found = distance(first, second)
    assert found.shape == (3,) and found.dtype == torch.float32
    np.testing.assert_allclose(found, definition(trunk, first, second), rtol=1e-4)
    assert torch.equal(distance(first, first), torch.zeros(3)) and torch.equal(distance(second, first), found)
    closer = (first.float() * 0.9 + second.float() * 0.1).byte()
    assert (distance(first, closer) < found).all() and (found > 0.01).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(distance(first, second), found)


def test_facts_say_what_was_used(distance):
    facts = distance.facts
    assert (facts["network"], facts["version"], facts["weights"]) == ("alex", "0.1", "alexnet.pth")
    assert facts["library"].startswith("lpips ") and not facts["weights_published"]


def test_nothing_is_printed_and_no_random_numbers_are_used_up(alexnet_file, capfd, recwarn):
    lpips_distance(str(alexnet_file), False, "cpu")
    capfd.readouterr()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    lpips_distance(str(alexnet_file), False, "cpu")
    assert torch.equal(torch.rand(1), expected)
    said = capfd.readouterr()
    assert said.out == said.err == "" and not recwarn.list


def test_images_that_cannot_be_compared_are_refused(distance):
    distance(some_images(0, size=(31, 31)), some_images(1, size=(31, 31)))
    with pytest.raises(InputError, match="31x31 or larger; these are 40x30"):
        distance(some_images(0, size=(30, 40)), some_images(1, size=(30, 40)))
    with pytest.raises(ValueError, match="must both be"):
        distance(some_images(0), some_images(1, n=2))
    with pytest.raises(ValueError, match="uint8"):
        distance(some_images(0), some_images(1).float())


def test_missing_weights_are_named_with_every_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError) as caught:
        lpips_distance(None, False, "cpu")
    message, alexnet = str(caught.value), WEIGHT_FILES["alexnet"]
    assert "\n" not in message
    for part in ("LPIPS", alexnet.names[0], alexnet.url, "7be5be79", "--lpips_weights FILE", "--no_download"):
        assert part in message


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(InputError, match=r"--lpips_weights .*vgg.pth: holds another network; get alexnet"):
        lpips_distance(str(tmp_path / "vgg.pth"), False, "cpu")


def test_mean_over_pairs_and_label_maps_by_hand():
    def distance(first, second):
        return (first.float() - second.float()).abs().mean(dim=(1, 2, 3))

    # Two label maps in three styles: gray values, map by map.
    styles = [torch.tensor(values).view(2, 1, 1, 1).expand(2, 3, 4, 4).byte() for values in ([0, 10], [3, 10], [9, 40])]
    assert mean_pairwise(distance, styles) == pytest.approx(((3 + 9 + 6) / 3 + (0 + 30 + 30) / 3) / 2)
    assert mean_pairwise(distance, styles[:2]) == pytest.approx(1.5)
    for order in itertools.permutations(styles):
        assert mean_pairwise(distance, order) == pytest.approx(13)
    with pytest.raises(InputError, match="2 styles or more"):
        mean_pairwise(distance, styles[:1])
    with pytest.raises(ValueError, match="same label maps"):
        mean_pairwise(distance, [styles[0], styles[1][:1]])
    with pytest.raises(ValueError, match="same label maps"):
        mean_pairwise(distance, [styles[0][:0], styles[1][:0]])
