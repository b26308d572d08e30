"""Batches reach a GPU by copies that overlap with its work, and arrive as they were read."""

import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset, create_loader
from models import METHODS
from options import TrainOptions, parse_options
from tests.trainers.jobs import make_model


@pytest.fixture
def make_loader(tmp_path):
    for folder, mode in (("maps", "L"), ("photos", "RGB")):
        (tmp_path / folder).mkdir()
        for number in range(12):
            color = number % 3 if mode == "L" else (20 * number, 255 - 20 * number, number)
            image = Image.new(mode, (64, 64), color)
            image.putpixel((number, 0), 1 if mode == "L" else (255, 255, 255))
            image.save(tmp_path / folder / f"{number}.png")

    def make(gpu_ids: str):
        folders = (
            f"--label_dir {tmp_path / 'maps'} --image_dir {tmp_path / 'photos'} --instance_dir {tmp_path / 'maps'}"
        )
        sizes = "--label_nc 3 --crop_size 64 --load_size 64 --batch_size 3 --no_flip --num_workers 1"
        words = f"--dataset_mode custom {folders} {sizes} --gpu_ids {gpu_ids}"
        opt = parse_options(TrainOptions, words.split(), PRESETS, METHODS)
        loader = create_loader(opt, create_dataset(opt))
        loader.sampler.set_epoch(1)
        return loader

    return make


def test_batches_are_pinned_for_a_gpu_and_copied_whole_while_it_is_busy(make_loader, device):
    is_gpu = device.type == "cuda"
    model, copies = make_model().to(device), []
    busy = torch.randn(4096 if is_gpu else 8, 4096 if is_gpu else 8, device=device) / 64
    for batch in make_loader("0" if is_gpu else "-1"):
        tensors = [batch[name] for name in ("labels", "instances", "image")]
        assert [tensor.is_pinned() for tensor in tensors] == [is_gpu] * 3
        for _ in range(50):
            busy = busy @ busy  # about 10 ms of work for a GPU each, so that copies wait in its queue
            busy /= busy.norm()
        layout, real = model.layout(batch), batch["image"].to(device, non_blocking=True)
        copies.append((layout.labels, layout.edges, real))
        del batch, tensors  # their memory may be used for the next batch
    expected = [(batch, model.cpu().layout(batch)) for batch in make_loader("-1")]
    assert len(copies) == len(expected) == 4
    for (labels, edges, real), (batch, layout) in zip(copies, expected):
        assert labels.device.type == edges.device.type == real.device.type == device.type
        assert torch.equal(labels.cpu(), layout.labels) and torch.equal(edges.cpu(), layout.edges)
        assert torch.equal(real.cpu(), batch["image"])
    assert len({tuple(batch["image"].flatten().tolist()) for batch, _ in expected}) == 4
