"""The perceptual loss and where its weights come from."""

from dataclasses import replace
from hashlib import sha256

import pytest
import torch
import torch.nn.functional as F
import torchvision

from models.vgg import CRN_TAPS, TAPS, AveragePoolVGG, VGGLoss
from util.errors import InputError
from util.fill import fill
from util.weight_files import WEIGHT_FILES


@pytest.fixture(scope="module")
def vgg() -> VGGLoss:
    loss = VGGLoss()
    fill(loss.features, seed=3)
    return loss


def test_loss_is_the_weighted_l1_of_the_five_relu_outputs(vgg):
    torch.manual_seed(0)
    fake, real = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected, x, y = 0.0, fake, real
    convolutions_seen = {1: 1 / 32, 3: 1 / 16, 5: 1 / 8, 9: 1 / 4, 13: 1.0}  # relu1_1, 2_1, 3_1, 4_1, 5_1
    count = 0
    for layer in vgg.features:
        x, y = layer(x), layer(y)
        if isinstance(layer, torch.nn.ReLU):
            count += 1
            expected += convolutions_seen.get(count, 0) * F.l1_loss(x, y)
    torch.testing.assert_close(vgg(fake, real), expected)


def test_gradients_reach_the_fake_only_and_no_weight(vgg):
    fake, real = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32, requires_grad=True)
    vgg(fake, real).backward()
    assert fake.grad.abs().sum() > 0
    assert real.grad is None
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_weights_come_from_a_file_in_torchvisions_format(vgg, tmp_path):
    state = {f"features.{name}": tensor for name, tensor in vgg.features.state_dict().items()}
    state["classifier.0.bias"] = torch.zeros(1)
    torch.save(state, tmp_path / "vgg19.pth")
    loaded = VGGLoss.pretrained(tmp_path / "vgg19.pth")
    for name, tensor in vgg.features.state_dict().items():
        assert torch.equal(loaded.features.state_dict()[name], tensor)


def test_missing_wrong_and_unreadable_files_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"--vgg_weights .*absent.pth: no such file.*--no_vgg_loss"):
        VGGLoss.pretrained(tmp_path / "absent.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "half.pth")
    with pytest.raises(InputError, match=r"--vgg_weights .*half.pth: holds another network; get vgg19-dcbb9e9d.pth"):
        VGGLoss.pretrained(tmp_path / "half.pth")
    torch.save(
        {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(7)}, tmp_path / "half.pth"
    )
    with pytest.raises(InputError, match="holds another network"):
        VGGLoss.pretrained(tmp_path / "half.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds something other than a state dict"):
        VGGLoss.pretrained(tmp_path / "list.pth")
    (tmp_path / "noise.pth").write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a readable PyTorch weight file"):
        VGGLoss.pretrained(tmp_path / "noise.pth")


def test_weights_are_fetched_where_they_are_missing_if_that_is_allowed(vgg, server, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    state = {f"features.{name}": tensor for name, tensor in vgg.features.state_dict().items()}
    torch.save(state, tmp_path / "published.pth")
    content = (tmp_path / "published.pth").read_bytes()
    server.files["/vgg19.pth"] = content
    published = replace(WEIGHT_FILES["vgg19"], url=f"{server.url}/vgg19.pth", sha256=sha256(content).hexdigest())
    monkeypatch.setitem(WEIGHT_FILES, "vgg19", published)
    with pytest.raises(InputError, match=r"--no_download.*vgg19.pth.*--vgg_weights FILE.*--no_vgg_loss"):
        VGGLoss.pretrained(may_download=False)
    assert not server.requests
    loaded = VGGLoss.pretrained()
    for name, tensor in vgg.features.state_dict().items():
        assert torch.equal(loaded.features.state_dict()[name], tensor)
    (kept,) = (tmp_path / "home").rglob("vgg19-dcbb9e9d.pth")
    kept.write_bytes(content[:1000])
    with pytest.raises(InputError, match=r"vgg19-dcbb9e9d.pth: not a readable .*; move it away to download it again"):
        VGGLoss.pretrained()
    assert kept.read_bytes() == content[:1000]


def test_taps_are_relu_layers():
    with torch.device("meta"):
        layers = torchvision.models.vgg19(weights=None).features
    assert all(isinstance(layers[index], torch.nn.ReLU) for index in (*TAPS, *CRN_TAPS))


@pytest.mark.parametrize("caffe", [True, False])
def test_features_with_average_pooling(caffe):
    """relu1_2, 2_2, 3_2, 4_2, 5_2, the last of each resolution's first two convolutions."""
    vgg = AveragePoolVGG(caffe)
    fill(vgg.features, seed=3)
    pixels = torch.rand(1, 3, 32, 32) * 255
    mean, std = ([123.68, 116.779, 103.939], [1, 1, 1]) if caffe else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    mean, std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    x = ((pixels if caffe else pixels / 255) - mean) / std
    expected, weights = [], [vgg.features.state_dict()[f"{i}.weight"] for i in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)]
    for number, weight in enumerate(weights):
        x = F.avg_pool2d(x, 2) if number in (2, 4, 8) else x
        index = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)[number]
        x = F.relu(F.conv2d(x, weight, vgg.features[index].bias, padding=1))
        if number in (1, 3, 5, 9):
            expected.append(x)
    found = vgg(pixels)
    assert [tuple(feature.shape[1:]) for feature in found] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)
    ]  # fmt: skip
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
