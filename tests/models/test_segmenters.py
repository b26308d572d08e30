"""The segmentation networks of the evaluation: recorded numbers, preprocessing, label rules, weight files."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from models.segmenters import SEGMENTERS, drn, load_segmenter
from models.segmenters.base import resize_pixels
from models.segmenters.upernet import input_size, resize_fixed_point
from scripts.fidelity.__main__ import main
from scripts.fidelity.comparison import compare
from scripts.fidelity.segmenters import REPLAYS, TOLERANCES, SegmenterRecording, filled, measure
from util.errors import InputError
from util.segmentation_scores import IGNORED, MEAN_IOU

GOLDEN = Path(__file__).parents[1] / "golden" / "segmenters"
CITYSCAPES_TABLE = Path(__file__).parents[3] / "shared" / "data" / "meta" / "cityscapes_35.json"
RECORDINGS = {"coco": "deeplabv2", "cityscapes": "drn_d_105", "ade20k": "upernet101"}


def empty(mode, **settings):
    """A segmenter without values, made in no time."""
    with torch.device("meta"):
        return SEGMENTERS[mode](**settings)


def photos(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).float()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Recorded numbers


@pytest.fixture(scope="module", params=RECORDINGS)
def recorded(request):
    """A recording and the network it is of, filled: as large as the published one, so its tests are no unit tests."""
    recording = SegmenterRecording.read(GOLDEN / f"{RECORDINGS[request.param]}.json")
    return recording, filled(request.param, recording.scalars["seed"])


@pytest.mark.system
def test_every_recorded_number_is_met(recorded):
    recording, segmenter = recorded
    results = compare(measure(segmenter, recording), recording.results(), TOLERANCES)
    assert [str(result) for result in results if not result.passed] == []
    quantities = " ".join(result.quantity for result in results)
    assert all(what in quantities for what in ("keys", "parameters", "stages", "input", "logits", "argmax"))


# Near the input and near the output; of entries whose channel is not dead behind its ReLU.
WEIGHTS = {
    "coco": ["base.layer1.conv1.bn.running_var", "base.aspp.c0.weight"],
    "cityscapes": ["base.0.0.weight", "up.weight"],
    "ade20k": ["encoder.conv2.weight", "decoder.fpn_out.2.0.0.weight"],
}


@pytest.mark.system
def test_one_altered_weight_is_noticed(recorded):
    recording, segmenter = recorded
    root = segmenter if segmenter.name == "ade20k" else segmenter.network
    for name in WEIGHTS[segmenter.name]:
        values = root.state_dict()[name].view(-1)
        old = values[values.numel() // 2].item()
        values[values.numel() // 2] = old + 0.5
        failed = {
            r.quantity for r in compare(measure(segmenter, recording), recording.results(), TOLERANCES) if not r.passed
        }
        values[values.numel() // 2] = old
        assert any("log" in quantity for quantity in failed), name  # logits, or log-probabilities after `up`


@pytest.mark.system
def test_images_of_a_batch_do_not_meet(recorded):
    _, segmenter = recorded
    if segmenter.name == "cityscapes":
        segmenter.resolution = "512"
    if segmenter.name == "ade20k":
        segmenter.scales = (32, 64)
    images = photos(2, 3, 32, 40) / 255
    together = segmenter.scores(images, (20, 25))
    assert together.shape == (2, segmenter.num_classes, 20, 25) and not together.requires_grad
    alone = torch.cat([segmenter.scores(image[None], (20, 25)) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5 * together.abs().max().item())
    predicted = segmenter.predict(images, (20, 25))
    assert predicted.dtype == torch.int64 and torch.equal(predicted, together.argmax(1))
    assert len(predicted.unique()) > 1
    if segmenter.name == "ade20k":
        torch.testing.assert_close(together.sum(1), torch.ones(2, 20, 25))


def test_the_program_replays_recordings_and_fails_on_a_wrong_score(tmp_path, capsys):
    assert main([str(GOLDEN / "metrics.json")]) == 0
    for suffix in (".json", ".npz"):
        shutil.copy(GOLDEN / f"metrics{suffix}", tmp_path)
    content = json.loads((tmp_path / "metrics.json").read_text())
    content["sets"]["n19"]["three_images"]["drn"]["mean IoU unrounded"] += 1e-12
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    assert main([str(tmp_path / "metrics.json")]) == 1
    assert "FAIL drn" in capsys.readouterr().out
    (tmp_path / "metrics.npz").unlink()
    with pytest.raises(InputError, match="not a recording"):
        main([str(tmp_path / "metrics.json")])


def test_deeplab_looks_at_its_four_distances():
    """The recorded map is smaller than the two largest: a lone 1 must reach 6, 12, 18 and 24 places away."""
    aspp = empty("coco").network.base.aspp.to_empty(device="cpu")
    for number, branch in enumerate(aspp.children()):
        nn.init.constant_(branch.weight, 10.0**number)
        nn.init.zeros_(branch.bias)
    x = torch.zeros(1, 2048, 1, 61)
    x[..., 30] = 1 / 2048
    row = aspp(x)[0, 5, 0]
    seen = {i - 30: round(row[i].item(), 3) for i in row.nonzero().flatten().tolist()}
    assert seen == {0: 1111} | {side * 6 * (n + 1): 10**n for n in range(4) for side in (-1, 1)}


# What all share


@pytest.mark.parametrize("mode", SEGMENTERS)
def test_what_the_table_says(mode):
    segmenter = empty(mode)
    assert segmenter.name == mode and {mode for mode, _ in REPLAYS.values()} == set(SEGMENTERS)
    assert segmenter.num_classes == {"coco": 182, "ade20k": 150, "cityscapes": 19}[mode]
    assert not set(segmenter.class_ids) & set(segmenter.unlabelled_ids)
    assert segmenter.mean_iou == {"coco": "labelled", "ade20k": "all", "cityscapes": "occurring"}[mode]
    assert segmenter.mean_iou in MEAN_IOU and segmenter.license and segmenter.source.startswith("https://")
    segmenter.train()
    assert not any(module.training for module in segmenter.modules())
    assert not any(parameter.requires_grad for parameter in segmenter.parameters())


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 255.0, float("nan")])
def test_images_outside_of_0_to_1_are_refused(wrong):
    images = torch.full((1, 3, 8, 8), 0.5)
    images[0, 1, 3, 3] = wrong
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        empty("coco").scores(images, (8, 8))


@pytest.mark.parametrize(
    "mode, labels, expected",
    [
        ("coco", [0, 11, 181, 255], [0, 11, 181, IGNORED]),
        ("ade20k", [0, 1, 2, 150], [IGNORED, 0, 1, 149]),
        ("cityscapes", [0, 7, 8, 9, 11, 26, 33, 34, 255], [IGNORED, 0, 1, IGNORED, 2, 13, 18, IGNORED, IGNORED]),
    ],
)
def test_label_files_become_classes(mode, labels, expected):
    truth = empty(mode).ground_truth(torch.tensor([[labels]], dtype=torch.uint8))
    assert truth.dtype == torch.int64 and truth.tolist() == [[expected]]


@pytest.mark.parametrize(
    "mode, wrong", [("coco", 182), ("ade20k", 255), ("cityscapes", 35), ("coco", 256), ("coco", -1)]
)
def test_ids_of_another_data_set_are_refused(mode, wrong):
    with pytest.raises(InputError, match=f"hold {wrong}, which is not an id of {mode}"):
        empty(mode).ground_truth(torch.tensor([[[1, wrong]]]))


def test_training_ids_are_those_of_the_data_set():
    if not CITYSCAPES_TABLE.is_file():
        pytest.skip("the table of Cityscapes is not beside the repository")
    table = [row for row in json.loads(CITYSCAPES_TABLE.read_text()) if row["id"] >= 0]
    truth = empty("cityscapes").ground_truth(torch.tensor([[[row["id"] for row in table]]]))
    assert truth.flatten().tolist() == [IGNORED if row["trainId"] in (-1, 255) else row["trainId"] for row in table]


@pytest.mark.parametrize("size", [(4, 8), (7, 5), (30, 41)])
def test_label_maps_are_resized_as_pillow_does(size):
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 182, (1, 16, 24)))
    truth = empty("coco").ground_truth(labels, size)
    expected = Image.fromarray(labels[0].numpy().astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST)
    assert np.array_equal(truth[0], np.asarray(expected))


@pytest.mark.parametrize("size", [(96, 128), (33, 70), (10, 12)])
def test_pixels_are_resized_as_pillow_does(size):
    pixels = photos(2, 3, 30, 40)
    resized = resize_pixels(pixels, size)
    for image, ours in zip(pixels, resized):
        photo = Image.fromarray(image.permute(1, 2, 0).numpy().astype(np.uint8))
        assert np.array_equal(ours.permute(1, 2, 0), np.asarray(photo.resize(size[::-1], Image.Resampling.BILINEAR)))


# Cityscapes: resolution


class InputAsLogits(nn.Module):
    """Stands in for DRN: three channels of its input among 19, sides rounded up to multiples of 8; counts sizes."""

    def __init__(self):
        super().__init__()
        self.gain, self.sizes = nn.Parameter(torch.ones(())), []

    def forward(self, x):
        self.sizes.append(tuple(x.shape[-2:]))
        x = F.pad(x, (0, -x.shape[-1] % 8, 0, -x.shape[-2] % 8))
        return F.pad(x * self.gain, (0, 0, 0, 0, 0, 16))


@pytest.mark.parametrize(
    "resolution, fed, scored",
    [("512", (12, 20), (12, 20)), ("upsample_logits", (12, 20), (48, 80)), ("upsample_image", (48, 80), (48, 80))],
)
def test_resolution_says_what_is_fed_and_where_it_is_scored(monkeypatch, resolution, fed, scored):
    monkeypatch.setattr(drn, "FULL_SIZE", (48, 80))
    segmenter = empty("cityscapes", resolution=resolution)
    segmenter.network = InputAsLogits()
    images = photos(2, 3, 12, 20)
    size = segmenter.scored_size((12, 20), (48, 80))
    scores = segmenter.scores(images / 255, size)
    assert size == scored and segmenter.network.sizes == [fed] and scores.shape == (2, 19, *scored)
    photo = Image.fromarray(images[1].permute(1, 2, 0).numpy().astype(np.uint8))
    x = np.asarray(photo.resize(fed[::-1], Image.Resampling.BILINEAR))
    x = ((x / 255 - drn.MEAN) / drn.STD).astype(np.float32)
    maps = (Image.fromarray(np.ascontiguousarray(x[..., channel])) for channel in range(3))
    expected = np.stack([np.asarray(one.resize(size[::-1], Image.Resampling.BILINEAR)) for one in maps])
    np.testing.assert_allclose(scores[1, :3], expected, atol=2e-6)


def test_the_other_data_sets_are_scored_at_the_size_of_their_label_files():
    assert [empty(mode).scored_size((256, 256), (480, 640)) for mode in SEGMENTERS] == [(480, 640)] * 3


def test_cityscapes_is_scored_at_full_resolution_unless_told_otherwise():
    assert empty("cityscapes").resolution == "upsample_image" and drn.FULL_SIZE == (1024, 2048)


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="resolution 1024: must be one of 512, upsample_logits, upsample_image"):
        empty("cityscapes", resolution="1024")
    with pytest.raises(ValueError, match="preprocessing hsv: must be one of rgb, bgr"):
        empty("ade20k", preprocessing="hsv")


# ADE20K: sizes and scales


@pytest.mark.parametrize(
    "size, scale, expected",
    [
        ((256, 256), 300, (320, 320)), ((256, 256), 375, (384, 384)), ((256, 256), 450, (480, 480)),
        ((256, 256), 525, (544, 544)), ((256, 256), 600, (608, 608)),
        ((48, 64), 300, (320, 416)), ((48, 64), 375, (384, 512)), ((48, 64), 600, (608, 800)),
        ((100, 400), 300, (256, 1024)),  # the long side stops at 1000
        ((320, 320), 320, (320, 320)),  # a multiple of 32 stays
    ],
)  # fmt: skip
def test_input_sizes(size, scale, expected):
    assert input_size(size, scale) == expected


def test_probabilities_of_the_scales_are_averaged():
    segmenter = empty("ade20k", scales=(32, 64, 90))
    assert empty("ade20k").scales == (300, 375, 450, 525, 600)
    assert empty("ade20k", preprocessing="bgr").scales == (450,)
    segmenter.encoder = nn.Conv2d(3, 150, 4, stride=4)
    segmenter.decoder = nn.Identity()
    pixels, size = photos(1, 3, 20, 30), (20, 30)
    expected = 0
    for scale, sides in ((32, (32, 64)), (64, (64, 96)), (90, (96, 160))):
        x = segmenter.preprocess(pixels, scale)
        assert x.shape[-2:] == sides
        logits = F.interpolate(segmenter.encoder(x), size, mode="bilinear", align_corners=False)
        expected = expected + logits.softmax(1) / 3
    torch.testing.assert_close(segmenter.scores(pixels / 255, size), expected.detach())


def test_fixed_point_resizing_by_hand():
    """From 2 to 4 pixels: weights 3/4 and 1/4 inside, the outermost pixels twice; sums are cut before rounding."""
    pixels = torch.tensor([[10.0, 21.0], [30.0, 41.0]]).expand(1, 3, 2, 2)
    row = [10, 10 * 0.75 + 21 * 0.25, 10 * 0.25 + 21 * 0.75, 21]
    assert resize_fixed_point(pixels, (2, 4))[0, 0, 0].tolist() == [10, round(row[1]), round(row[2]), 21]
    resized = resize_fixed_point(pixels, (4, 4))
    assert resized[0, 0, :, 0].tolist() == [10, 15, 25, 30]
    exact = F.interpolate(pixels, (4, 4), mode="bilinear", align_corners=False)
    assert (resized - exact).abs().max() <= 0.75
    assert torch.equal(resize_fixed_point(pixels, (2, 2)), pixels)


# Weight files. Every tensor is one number seen through a large shape, so that files are small and loads are quick.


def states(mode):
    """{file name: state dict}, number i in entry i."""
    segmenter = empty(mode)
    return {
        file: {
            name: torch.tensor(float(i)).expand(tensor.shape)
            for i, (name, tensor) in enumerate(getattr(segmenter, part).state_dict().items())
            if not name.endswith("num_batches_tracked")
        }
        for part, file in segmenter.files.items()
    }


def saved(folder, contents, **options):
    paths = []
    for file, content in contents.items():
        paths.append(folder / file)
        torch.save(content, paths[-1], **options)
    return paths


def as_trained(state):
    return {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}


def with_training_buffers(state):
    extra = ("_tmp_running_mean", "_tmp_running_var", "_running_iter", "num_batches_tracked")
    norms = [name.removesuffix("running_mean") for name in state if name.endswith(".running_mean")]
    return state | {norm + name: torch.ones(1) for norm in norms for name in extra}


def of_2018(state):
    return {
        name.replace("base.aspp.", "base.aspp.stages.").replace("base.", "scale.", 1): tensor
        for name, tensor in state.items()
    }


def half(state):
    return {name: tensor.half() for name, tensor in state.items()}


@pytest.mark.parametrize(
    "mode, change",
    [(mode, change) for mode in SEGMENTERS for change in (dict, as_trained, with_training_buffers)]
    + [("coco", of_2018), ("cityscapes", half)],
)
def test_published_files_load_as_they_are(tmp_path, mode, change):
    contents = states(mode)
    paths = saved(tmp_path, {file: change(state) for file, state in contents.items()})
    segmenter = load_segmenter(mode, paths[::-1])  # the order of files does not matter
    for part in segmenter.files:
        loaded = getattr(segmenter, part).state_dict()
        for i, (name, tensor) in enumerate(loaded.items()):
            if name.endswith("num_batches_tracked"):
                assert tensor == 0
            else:
                assert tensor.dtype == torch.float32 and tensor.min() == tensor.max() == i, name
    assert not segmenter.training and not any(p.requires_grad for p in segmenter.parameters())
    assert not any(tensor.is_meta for tensor in segmenter.state_dict().values())


def test_files_of_old_pytorch_load_and_settings_arrive(tmp_path):
    paths = saved(tmp_path, states("cityscapes"), _use_new_zipfile_serialization=False)
    assert load_segmenter("cityscapes", paths, resolution="512").resolution == "512"


def test_files_of_another_network_are_told_apart(tmp_path):
    paths = saved(tmp_path, states("cityscapes"))
    with pytest.raises(InputError) as error:
        load_segmenter("coco", paths)
    assert str(error.value) == (
        f"{paths[0]}: is of the network that segments cityscapes, not coco; it takes "
        "deeplabv2_resnet101_msc-cocostuff164k-100000.pth from https://github.com/kazuto1011/deeplab-pytorch"
    )


WANTED = "encoder_epoch_50.pth and decoder_epoch_50.pth from https://github.com/CSAILVision"


def test_too_few_and_too_many_files(tmp_path):
    encoder, decoder = saved(tmp_path, states("ade20k"))
    with pytest.raises(InputError, match=f"^decoder_epoch_50.pth not given; it takes {WANTED}"):
        load_segmenter("ade20k", [encoder])
    with pytest.raises(
        InputError, match=f"^encoder_epoch_50.pth and decoder_epoch_50.pth not given; it takes {WANTED}"
    ):
        load_segmenter("ade20k", [])
    with pytest.raises(InputError, match=f"is decoder_epoch_50.pth, and so is .*; it takes {WANTED}"):
        load_segmenter("ade20k", [decoder, encoder, decoder])


@pytest.mark.parametrize(
    "change, reason",
    [
        (
            lambda s: s | {"base.aspp.c0.bias": torch.zeros(21)},
            r"it has base.aspp.c0.bias of shape \(21,\), not \(182,\)",
        ),
        (lambda s: {k: v for k, v in s.items() if k != "base.aspp.c3.bias"}, "it lacks base.aspp.c3.bias"),
        (lambda s: s | {"base.fc.weight": torch.zeros(2)}, "it has base.fc.weight, which the network does not have"),
        (lambda s: {"weight": torch.zeros(2)}, "it lacks base.layer1.conv1.conv.weight"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(tmp_path, change, reason):
    contents = {file: change(state) for file, state in states("coco").items()}
    with pytest.raises(
        InputError, match=rf"does not fit the network that segments coco: {reason}; it takes deeplabv2_"
    ):
        load_segmenter("coco", saved(tmp_path, contents))


class Attack:
    def __reduce__(self):
        return (Path.touch, (Path("attacked"),))


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], {"a": 1}, {"state_dict": {}}, Attack()])
def test_other_contents_are_refused_and_never_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    if isinstance(content, Attack):
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"x\.pth: (holds something other than a state dict|not a readable PyTorch)"):
        load_segmenter("cityscapes", [path])
    assert not (tmp_path / "attacked").exists()


def test_unknown_modes_and_absent_files(tmp_path):
    with pytest.raises(InputError, match="no published segmenter for facades; there are segmenters for coco, ade20k, "):
        load_segmenter("facades", [])
    with pytest.raises(InputError, match="no such file"):
        load_segmenter("coco", [tmp_path / "absent.pth"])
