"""SIMS as a method: its losses by hand, its players and their learning rates."""

import math
import re

import pytest
import torch

from data import PRESETS
from models import METHODS, create_method, create_model
from models.crn_loss import CRNLoss, TermWeights
from models.methods.base import Part
from models.methods.sims import (
    MAP_NAMES,
    SIMSMethod,
    alignment_loss,
    num_stages,
    ordering_rate,
    warm_up_rate,
)
from models.methods.sims_segments import reduce
from models.networks.sims import OrderingNetwork, SIMSGenerator, TransformationNetwork, Widths
from models.pix2pix_model import Pix2PixModel
from options import TrainOptions, parse_options
from trainers import Pix2PixTrainer, create_trainer

TINY = Widths(2, 3, 3, 4, 5)
NUM_LABELS = 3


def make_method(height=64, stages=0, letters="") -> SIMSMethod:
    """A small model with further players, and the difference of images alone as its image loss."""
    torch.manual_seed(0)
    others = {"A": TransformationNetwork(NUM_LABELS, TINY), "O": OrderingNetwork(NUM_LABELS, TINY)}
    others = {letter: others[letter] for letter in letters}
    netG = SIMSGenerator(NUM_LABELS, height, stages, TINY)
    model = Pix2PixModel(netG, None, None, NUM_LABELS, others=others, map_names=MAP_NAMES)
    return SIMSMethod(model, CRNLoss(None, TermWeights([1.0])))


def make_batch(size=64, **maps) -> dict:
    labels = torch.zeros(1, size, size, dtype=torch.long)
    canvas = torch.full((1, 3, size, size), 0.5)
    return {"labels": labels, "changed_labels": labels, "canvas": canvas, "image": torch.rand(1, 3, size, size)} | maps


def losses_of(method: SIMSMethod, batch: dict, name: str = "G") -> dict[str, float]:
    (objective,) = (objective for objective in method.objectives if objective.name == name)
    part = Part(method.model.layout(batch), batch["image"])
    return {name: float(loss.detach()) for name, loss in objective.losses(part).losses.items()}


def set_heads(method: SIMSMethod, image: float, logits: list[float]) -> None:
    """Let the generator give one color and one row of logits everywhere."""
    height = method.netG.height
    for name, bias in ((f"g_{height}_conv100", [image] * 3), (f"g_semantic_{height}_conv100", logits)):
        torch.nn.init.zeros_(method.netG.get_parameter(f"{name}.weight"))
        with torch.no_grad():
            method.netG.get_parameter(f"{name}.bias").copy_(torch.tensor(bias))


def test_features_is_in_pixels_and_layout_has_its_weight():
    method = make_method()
    set_heads(method, 0.25, [0.0, 0.0, 0.0])
    losses = losses_of(method, make_batch(image=torch.full((1, 3, 64, 64), -0.75)))
    assert losses == {"Features": pytest.approx(127.5), "Layout": pytest.approx(10 * math.log(3))}


def test_the_second_head_learns_the_labels_before_they_were_changed():
    method = make_method()
    set_heads(method, 0.0, [50.0, 0.0, 0.0])
    batch = make_batch()
    assert losses_of(method, batch | {"changed_labels": batch["labels"] + 1})["Layout"] < 1e-6
    assert losses_of(method, batch | {"labels": batch["labels"] + 1})["Layout"] == pytest.approx(500)


def test_images_of_1024_rows_are_compared_at_half_their_size():
    """Photos that are gray at half their size equal a gray image."""
    stripes = torch.ones(1, 3, 256, 256)
    stripes[..., ::2] = -1
    for stages, loss in ((1, 127.5), (2, 0.0)):
        method = make_method(256, stages)
        set_heads(method, 0.0, [0.0, 0.0, 0.0])
        assert losses_of(method, make_batch(256, image=stripes))["Features"] == pytest.approx(loss)


def test_alignment_loss_by_hand():
    """2x2 pixels. The first segment misses its pixel by 0.2 in one channel; the other one is missing."""
    aligned, masks = torch.zeros(1, 2, 3, 2, 2), torch.zeros(1, 2, 2, 2, dtype=torch.bool)
    photo = torch.zeros(1, 3, 2, 2)  # 0.5 in 0..1
    masks[0, 0, 0, 0] = masks[0, 0, 1, 1] = True
    aligned[0, 0, :, 0, 0] = torch.tensor([0.5, 0.7, 0.5])
    aligned[0, 0, :, 1, 1] = 0.5
    aligned[0, 0, :, 0, 1] = 1.0  # not where it belongs
    expected = 255 * 0.2 / 3 / (2 + 1)
    assert float(alignment_loss(aligned, masks, photo)) == pytest.approx(expected)


def square(size, row, column):
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[row : row + 16, column : column + 16] = True
    return mask


def segment_batch(count: int) -> dict:
    """One gray square, two pixels to the left of where it belongs, and `count` - 1 missing segments."""
    masks = torch.zeros(1, count, 64, 64, dtype=torch.bool)
    segments = torch.zeros(1, count, 3, 64, 64)
    masks[0, 0] = square(64, 24, 26)
    segments[0, 0] = 0.5 * square(64, 24, 24)
    return make_batch(image=torch.zeros(1, 3, 64, 64), segments=segments, segment_masks=masks)


def test_missing_segments_do_not_count():
    """The new network returns the identity: 2 of 16 columns are black instead of gray."""
    for count in (1, 3):
        loss = losses_of(make_method(letters="A"), segment_batch(count), "A")
        assert loss == {"Align": pytest.approx(127.5 * 2 * 16 / (16 * 16 + 1))}


def test_segments_of_large_images_are_aligned_at_the_size_of_the_first_stage():
    torch.manual_seed(0)
    photo, masks = torch.rand(1, 3, 512, 128), torch.rand(1, 2, 512, 128) > 0.5
    segments = torch.rand(1, 2, 3, 512, 128)
    small = {"segments": reduce(segments[0])[None], "segment_masks": reduce(masks.float()), "image": reduce(photo)}
    large = {"segments": segments, "segment_masks": masks, "image": photo}
    method = make_method(letters="A")
    one, other = (
        losses_of(method, {"labels": torch.zeros(1, *maps["image"].shape[-2:], dtype=torch.long)} | maps, "A")
        for maps in (small, large)
    )
    assert one == other and small["image"].shape == (1, 3, 256, 64)


def test_missing_pairs_do_not_count():
    method = make_method(letters="O")
    netO = method.model.networks["O"].eval()
    torch.nn.init.zeros_(netO.get_parameter("g_selection_classify.weight"))
    with torch.no_grad():
        netO.get_parameter("g_selection_classify.bias").copy_(torch.tensor([0.0, 50.0, 0.0]))
    pairs = torch.full((1, 3, 64, 64), -1)
    pairs[0, :, 8:16], pairs[0, :, 16:24] = 0, 1
    fronts = torch.tensor([[1, 0, -1]])
    batch = make_batch(pair_labels=pairs, pair_fronts=fronts)
    assert losses_of(method, batch, "O") == {"Order": pytest.approx(25)}  # mean of 0 and 50
    assert losses_of(method, batch | {"pair_fronts": fronts * 0 - 1}, "O") == {"Order": 0}


def test_every_player_learns():
    method = make_method(letters="AO")
    pairs = torch.full((1, 1, 64, 64), -1)
    pairs[0, :, 8:16], pairs[0, :, 16:24] = 0, 1
    photo = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)  # brighter to the right
    segments = segment_batch(1) | {"image": photo, "segments": (photo.roll(2, -1)[:, None] + 1) / 2}  # 2 pixels off
    batch = segments | {"pair_labels": pairs, "pair_fronts": torch.tensor([[1]])}
    trainer = Pix2PixTrainer(method, lr=0.03)
    assert [player.name for player in trainer.players] == ["G", "A", "O"]
    trainer.set_learning_rate(30)  # of the ordering network, which begins slowly
    trainer.step(batch)
    before = trainer.read_losses()
    for _ in range(4):
        trainer.step(batch)
    after = trainer.read_losses()
    assert before.keys() == {"Features", "Layout", "Align", "Order"}
    assert all(after[name] < before[name] for name in before), (before, after)


def test_options_build_the_networks_about_segments():
    def networks(argv: str) -> dict[str, torch.nn.Module]:
        words = f"--method sims --dataset_mode landscapes --crop_size 64 --sims_width 1 --no_vgg_loss {argv}".split()
        return create_model(parse_options(TrainOptions, words, PRESETS, METHODS)).networks

    assert list(networks("")) == ["G"]
    assert list(networks("--order_segments")) == ["G", "O"]
    made = networks("--order_segments --align_segments")
    assert list(made) == ["G", "A", "O"]
    theta = made["A"](torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64), torch.rand(2, 19, 64, 64))
    assert theta.tolist() == [[1, 0, 0, 0, 1, 0]] * 2  # also after its weights have been initialized


@pytest.mark.parametrize("height, stages", [(64, 0), (256, 0), (448, 0), (512, 1), (960, 1), (1024, 2), (2048, 3)])
def test_every_doubling_of_256_rows_takes_a_stage(height, stages):
    assert num_stages(height) == stages


@pytest.mark.parametrize("epoch, rate", [(1, 1e-6), (11, 1e-6 * 1.1**10), (74, 1e-3), (112, 1e-3), (113, 1e-4)])
def test_the_published_rates_of_the_generator(epoch, rate):
    assert warm_up_rate(epoch, 1e-4, 800, 0) == pytest.approx(rate)


@pytest.mark.parametrize(
    "argv, rate",
    [("", 1e-6), ("--niter 700 --niter_decay 100", 1e-6), ("--niter 799", 1e-4), ("--crop_size 512", 1e-4)],
)
def test_only_the_published_training_begins_with_tiny_rates(argv, rate):
    words = f"--method sims --dataset_mode landscapes --crop_size 64 --sims_width 1 --no_vgg_loss {argv}".split()
    opt = parse_options(TrainOptions, words, PRESETS, METHODS)
    trainer = create_trainer(opt, create_method(opt, create_model(opt)))
    assert trainer.read_metrics()["lr/G"] == pytest.approx(rate)


def test_the_published_rates_of_the_other_players():
    assert [ordering_rate(epoch, 1e-4, 100, 0) for epoch in (1, 2, 100)] == pytest.approx([1e-6, 1.1e-6, 1e-5])
    trainer = Pix2PixTrainer(make_method(letters="A"), lr=1e-4)
    assert trainer.read_metrics() == {"lr/G": 1e-4, "lr/A": pytest.approx(1e-5)}


@pytest.mark.parametrize(
    "argv, message",
    [
        ("--crop_size 96", "--crop_size 96: --method sims .*multiples of 64; use --crop_size 128"),
        ("--crop_size 576", "multiples of 128 with 512 rows or more; use --crop_size 512"),
        ("--vgg_origin caffe", "--vgg_origin caffe: .* add --vgg_weights FILE"),
        ("--lambda_feat 1", "--method sims does not use it"),
        ("--no_vgg_loss --disparity_dir there", "--disparity_dir there: has no effect while --order_segments is off"),
        ("--method spade --order_segments", r"--order_segments: --method spade does not use it \(sims does\)"),
        ("--method crn --align_segments", r"--align_segments: --method crn does not use it \(sims does\)"),
    ],
)
def test_options_that_it_cannot_use_are_refused(argv, message, capsys):
    with pytest.raises(SystemExit):
        parse_options(TrainOptions, f"--method sims --crop_size 64 {argv}".split(), PRESETS, METHODS)
    assert re.search(message, capsys.readouterr().err)
