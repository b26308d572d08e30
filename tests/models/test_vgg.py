"""The perceptual loss and where its weights come from."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from models.vgg import TAPS, VGGLoss
from util.errors import InputError
from util.fill import fill


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
    for layer in torchvision.models.vgg19(weights=None).features[:30].__class__(*vgg.features):
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
    with pytest.raises(InputError, match=r"no entry features.0.bias"):
        VGGLoss.pretrained(tmp_path / "half.pth")
    (tmp_path / "noise.pth").write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a readable PyTorch weight file"):
        VGGLoss.pretrained(tmp_path / "noise.pth")


def test_a_failing_download_says_how_to_get_the_file(monkeypatch, tmp_path):
    weights = torchvision.models.VGG19_Weights.IMAGENET1K_V1
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("no route")))
    with pytest.raises(InputError) as error:
        VGGLoss.pretrained()
    message = str(error.value)
    assert "\n" not in message
    assert weights.url in message and "--vgg_weights FILE" in message and "--no_vgg_loss" in message


def test_taps_are_relu_layers():
    layers = torchvision.models.vgg19(weights=None).features
    assert all(isinstance(layers[index], torch.nn.ReLU) for index in TAPS)
