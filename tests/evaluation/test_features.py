"""Features of images: Inception with stand-in weights, every way of resizing to it, and the random network."""

import dataclasses
import hashlib
import os

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch_fidelity import FeatureExtractorInceptionV3

from evaluation.distances import FeatureSet, frechet_distance
from evaluation.features import RESIZES, inception_features, random_features
from evaluation.published import read_measuring
from util.errors import InputError
from util.fill import fill
from util.weight_files import WEIGHT_FILES


def some_images(n=2, height=40, width=56, seed=0) -> torch.Tensor:
    """Noise of several sizes of grain, in color."""
    random = np.random.default_rng(seed)
    grains = [random.integers(0, 256, (n, 3, height // k, width // k)).repeat(k, 2).repeat(k, 3) for k in (1, 4, 8)]
    return torch.from_numpy(np.mean(grains, axis=0).astype(np.uint8))


@pytest.fixture(scope="module")
def inception_state() -> dict[str, torch.Tensor]:
    """Under the names of torchvision's network, on which pytorch-fid's is built, and so those of the published file."""
    network = torchvision.models.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    fill(network, seed=0)
    return network.state_dict()


@pytest.fixture(scope="module")
def inception_file(inception_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(inception_state, path)
    return path


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    """An empty folder in place of torch hub's."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def reference(inception_file):
    return FeatureExtractorInceptionV3("reference", ["2048"], feature_extractor_weights_path=inception_file)


def test_features_are_those_of_torch_fidelity(inception_file, reference):
    images = some_images()
    extractor = inception_features(str(inception_file), "tf", False, "cpu")
    found = extractor(images)
    assert found.shape == (2, extractor.dim) == (2, 2048) and found.dtype == torch.float32
    assert torch.equal(found, reference(images)[0])
    assert (extractor.name, extractor.score_name) == ("inception", "fid")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(extractor(images), found)


def test_files_without_counters_load_and_the_result_says_what_was_used(
    inception_file, inception_state, tmp_path, capsys
):
    path = tmp_path / "inception.pth"
    torch.save({k: v for k, v in inception_state.items() if not k.endswith("num_batches_tracked")}, path)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    extractor = inception_features(str(path), "clean", False, "cpu")
    assert torch.equal(torch.rand(1), expected)  # nobody else's random numbers are used up
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    library = extractor.facts["library"]
    assert extractor.facts == {
        "features": "inception",
        "dim": 2048,
        "resize": "clean",
        "weights": "inception.pth",
        "weights_sha256": digest,
        "weights_published": False,
        "library": library,
    }
    assert library.startswith("torch-fidelity 0.")
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {path}: not the published weights") and said.count("\n") == 1
    read_measuring("inception", str(path), False)
    assert capsys.readouterr().err == ""  # once is enough
    whole = inception_features(str(inception_file), "clean", False, "cpu")
    assert torch.equal(extractor(some_images()), whole(some_images()))


def bilinear(image: np.ndarray, half: float) -> np.ndarray:
    """(H, W) to 299x299 by the formula: output pixel i is at (i + half) * scale - half of the input."""
    for _ in range(2):
        size = len(image)
        at = np.clip((np.arange(299) + half) * size / 299 - half, 0, size - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, size - 1)
        image = (image[low].T * (1 - (at - low)) + image[high].T * (at - low)).astype(np.float64)
    return image


@pytest.mark.parametrize(("resize", "half", "middle"), [("tf", 0, 128), ("pytorch-fid", 0.5, 127.5)])
@pytest.mark.parametrize("height", [40, 320])
def test_bilinear_ways_follow_their_formula(resize, half, middle, height):
    images = some_images(height=height)
    found = RESIZES[resize](images)
    assert found.shape == (2, 3, 299, 299) and found.dtype == torch.float32
    expected = np.stack([[bilinear(channel.astype(float), half) for channel in image] for image in images.numpy()])
    np.testing.assert_allclose(found * middle + middle, expected, atol=1e-2)


@pytest.mark.parametrize("height", [40, 320])
def test_clean_way_is_pillows_with_antialiasing(height):
    images = some_images(height=height) // 2 + 64  # far from 0 and 255, where Pillow cuts what bicubic overshoots
    found = RESIZES["clean"](images) * 128 + 128
    for image, resized in zip(images, found):
        pil_image = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((299, 299), Image.Resampling.BICUBIC)
        # Pillow rounds images after each direction; ours are floats.
        assert np.abs(np.asarray(pil_image, dtype=float) - resized.permute(1, 2, 0).numpy()).max() < 2
    hard = RESIZES["clean"](images.sign() * 255 * (torch.arange(56) % 8 > 3).byte())
    assert hard.min() == -1 and hard.max() == 127 / 128
    assert not torch.equal(found, found.round())
    assert RESIZES["clean"](images[:0]).shape == (0, 3, 299, 299)


def test_ways_to_inception_differ():
    images = some_images()
    tf, pytorch_fid, clean = (RESIZES[resize](images) for resize in ("tf", "pytorch-fid", "clean"))
    assert min((tf - pytorch_fid).abs().mean(), (tf - clean).abs().mean(), (pytorch_fid - clean).abs().mean()) > 0.01
    same = some_images(height=296, width=296)
    assert list(RESIZES) == ["tf", "pytorch-fid", "clean"] and RESIZES["tf"](same).shape[-1] == 299


def test_other_resizes_and_other_images_are_refused(inception_file):
    with pytest.raises(InputError, match="resize bicubic: must be one of tf, pytorch-fid, clean"):
        inception_features(str(inception_file), "bicubic", False, "cpu")
    extractor = random_features("cpu")
    for images in (torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8), some_images()[:, :1]):
        with pytest.raises(ValueError, match=r"must be \(N, 3, H, W\) uint8"):
            extractor(images)


def test_missing_weights_are_named_with_every_way_out(no_hub):
    with pytest.raises(InputError) as caught:
        inception_features(None, "tf", False, "cpu")
    message, inception = str(caught.value), WEIGHT_FILES["inception"]
    assert "\n" not in message and "Inception" in message
    for part in (inception.names[0], inception.url, "SHA-256 starts with 6726825d", str(no_hub)):
        assert part in message
    for flag in ("--inception_weights FILE", "--no_download", "--features random"):
        assert flag in message


def test_a_given_file_must_exist(tmp_path):
    with pytest.raises(InputError, match=rf"--inception_weights {tmp_path}/none.pth: no such file; get pt_inception"):
        inception_features(str(tmp_path / "none.pth"), "tf", True, "cpu")


@pytest.mark.parametrize("name", WEIGHT_FILES["inception"].names)
def test_weights_are_found_in_the_folder_of_torch_hub_and_their_hash_is_told(name, no_hub, capsys, monkeypatch):
    torch.save({"a": torch.zeros(1)}, no_hub / name)
    digest = hashlib.sha256((no_hub / name).read_bytes()).hexdigest()
    path, state, facts = read_measuring("inception", None, False)
    assert list(state) == ["a"] and path == no_hub / name
    assert facts == {"weights": name, "weights_sha256": digest, "weights_published": False}
    assert "not the published weights" in capsys.readouterr().err
    published = dataclasses.replace(WEIGHT_FILES["inception"], sha256=digest[:8])
    monkeypatch.setitem(WEIGHT_FILES, "inception", published)
    assert read_measuring("inception", None, False)[2]["weights_published"]
    assert capsys.readouterr().err == ""


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_files_with_code_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    torch.save({"Conv2d_1a_3x3.conv.weight": Trap()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil.pth: would run .*mkdir when loaded, so it is refused"):
        inception_features(str(tmp_path / "evil.pth"), "tf", False, "cpu")
    assert not (tmp_path / "sprung").exists()


def test_files_of_other_networks_are_refused(inception_state, tmp_path):
    path = tmp_path / "other.pth"
    contents = {
        "holds something other": [1, 2],
        "holds another network": {"fc.weight": torch.zeros(1008, 2048)},
        "holds another network; get pt_inception": inception_state | {"fc.bias": torch.zeros(1000)},
        "not a readable": None,
    }
    for message, content in contents.items():
        if content is None:
            path.write_bytes(b"no weights")
        else:
            torch.save(content, path)
        with pytest.raises(InputError, match=message) as caught:
            inception_features(str(path), "tf", False, "cpu")
        assert str(caught.value).startswith(f"--inception_weights {path}: ") and "\n" not in str(caught.value)


def test_random_features_follow_from_the_seed():
    images = some_images(n=3)
    extractor = random_features("cpu")
    found = extractor(images)
    assert found.shape == (3, extractor.dim) == (3, 128) and found.dtype == torch.float32
    assert (extractor.name, extractor.score_name) == ("random", "random_feature_distance")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(random_features("cpu")(images), found)
    assert torch.equal(torch.rand(1), expected)
    assert not torch.allclose(random_features("cpu", seed=1)(images), found, atol=0.01)
    assert extractor.facts["features"] == "random" and extractor.facts["seed"] == 0
    # The same numbers on every machine.
    gray = random_features("cpu")(torch.full((1, 3, 64, 64), 200, dtype=torch.uint8))[0]
    assert gray[:4].tolist() == pytest.approx([1.2015967, 0.4416139, 0.1440644, 0.2636092], rel=1e-5)
    assert gray.double().sum().item() == pytest.approx(32.567252, rel=1e-5)


def test_random_features_see_color_and_texture():
    def measured(change) -> FeatureSet:
        result = FeatureSet()
        result.add(random_features("cpu")(change(some_images(40, 64, 64, seed=len(seeds))).byte()))
        seeds.append(0)
        return result

    seeds: list[int] = []
    real, again = measured(lambda x: x), measured(lambda x: x)
    blurred = measured(lambda x: torch.nn.functional.avg_pool2d(x.float(), 5, 1, 2, count_include_pad=False))
    slightly, strongly = (measured(lambda x, k=k: x * torch.tensor([1, k, k]).view(3, 1, 1)) for k in (0.9, 0.5))
    chance = frechet_distance(real, again)
    assert frechet_distance(real, blurred) > 10 * chance
    assert frechet_distance(real, strongly) > 3 * frechet_distance(real, slightly) > 3 * chance
