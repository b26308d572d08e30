#!/usr/bin/env python3
"""Turn label maps into images and a page: python test.py --name NAME [...]; --help lists everything."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from util.console import exit_statuses

import torch
from PIL.Image import Resampling
from torch import Tensor
from torch.utils.data import Subset
from tqdm import tqdm

from data import PRESETS, DataWorkerError, create_dataset, create_loader
from data.files import find_pictures
from data.preprocess import image_to_tensor
from data.read import read_image
from models import Pix2PixModel, create_model
from models.networks.folding import fold_norms
from models.networks.statistics import recalibrate_batch_norm
from options import TestOptions, parse_options
from trainers.checkpoint import load_networks
from trainers.fixed_inputs import fixed_inputs, forwards
from util.device import choose_device, memory_format, prepare_torch
from util.image import to_uint8
from util.precision import autocast
from util.results_page import ResultsPage

CALIBRATION_BATCH = 16


@torch.no_grad()
def test(opt: TestOptions) -> Path:
    """Write images and page of one test; return the page's path."""
    device = choose_device(opt.gpu_id_list)
    prepare_torch(opt.seed, opt.precision, opt.deterministic)
    dataset = create_dataset(opt)
    count = min(len(dataset), opt.how_many or len(dataset))
    loader = create_loader(opt, Subset(dataset, range(count)))
    model = create_model(opt)
    files = load_networks(opt.run_dir, opt.which_epoch, model, averaged=not opt.use_raw_G)
    model.to(device, memory_format=memory_format(opt.channels_last, device, opt.modulation)).eval()
    if opt.recalibrate_bn:
        recalibrate(opt, dataset, model)
    fold_norms(model.netG)
    if opt.compile:
        model.netG.compile()

    styles = Styles(opt, model)
    page = create_page(opt, dataset, styles, files)
    with loader.naming_dead_workers():
        for batch in tqdm(loader, desc="test", unit="batch", dynamic_ncols=True):
            layout = model.layout(batch)
            with autocast(opt.precision, device):
                if styles.are_many:
                    layout = model.netG.prepare(layout)
                results = [(caption, to_uint8(model.netG(layout, z))) for caption, z in styles.of(len(layout))]
            photos = to_uint8(batch["image"]) if "image" in batch else [None] * len(layout)
            for i, name in enumerate(batch["name"]):
                row = [(caption, images[i]) for caption, images in results]
                page.add(name, batch["labels"][i].numpy(), row, photos[i])
    return page.save()


def recalibrate(opt: TestOptions, dataset, model: Pix2PixModel) -> None:
    """Estimate the batch-norm statistics of the generator anew from label maps of the test, as one large batch would.

    Batches of a few samples in training leave statistics that are too noisy for single images.
    """
    count = min(opt.recalibrate_bn, len(dataset))
    batches = create_loader(replace(opt, batch_size=min(count, CALIBRATION_BATCH)), Subset(dataset, range(count)))
    inputs = fixed_inputs(batches, model.z_dim, opt.seed)
    recalibrate_batch_norm(model.netG, forwards(model, inputs, opt.precision))


class Styles:
    """The latents of a test: one per style photo, `num_styles` random ones per label map, or none without an encoder.

    Random latents are drawn per label map from --seed, on the CPU, so that they do not depend on batch size or device.
    """

    def __init__(self, opt: TestOptions, model: Pix2PixModel):
        self.z_dim = opt.z_dim if opt.use_vae else None
        self.num_styles = opt.num_styles
        self.device = model.device
        self.generator = torch.Generator().manual_seed(opt.seed)
        self.photos: dict[str, Tensor] = {}
        self.mu: dict[str, Tensor] = {}
        if opt.style_image:
            given = Path(opt.style_image)
            found = find_pictures(given, "style photos") if given.is_dir() else {given.stem: given}
            size = (opt.crop_size, round(opt.crop_size / opt.aspect_ratio))
            for name, path in found.items():  # photos of one file name in two folders have two names
                self.photos[name] = image_to_tensor(read_image(path).resize(size, Resampling.BICUBIC))
                self.mu[name] = model.netE(self.photos[name][None].to(model.device))[0]

    @property
    def are_many(self) -> bool:
        """Whether a label map is painted more than once."""
        return self.z_dim is not None and (len(self.mu) > 1 if self.mu else self.num_styles > 1)

    def of(self, batch_size: int) -> Iterator[tuple[str, Tensor | None]]:
        """(caption, z (N, z_dim) or None) of every result for the next `batch_size` label maps."""
        if self.z_dim is None:
            yield "synthesized", None
        elif self.mu:
            for name, mu in self.mu.items():
                yield f"style of {name}", mu.expand(batch_size, -1)
        else:
            draws = [torch.randn(self.num_styles, self.z_dim, generator=self.generator) for _ in range(batch_size)]
            z = torch.stack(draws).to(self.device)  # (N, num_styles, z_dim)
            for k in range(self.num_styles):
                yield f"random style {k + 1}" if self.num_styles > 1 else "random style", z[:, k]


def create_page(opt: TestOptions, dataset, styles: Styles, files: list[Path]) -> ResultsPage:
    """The page of this test, in the data set's class names and colours."""
    photos = list(styles.photos.values())
    return ResultsPage(
        Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.which_epoch}",
        title=f"Results of {opt.name}",
        class_names=dataset.class_names,
        class_colors=dataset.class_colors,
        display_width=opt.display_winsize,
        facts={
            "Experiment": opt.name,
            "Phase": opt.phase,
            "Epoch": opt.which_epoch,
            "Networks": ", ".join(path.name for path in files),
            "Data set": opt.dataset_mode,
            "Seed": str(opt.seed),
        },
        style_photo=to_uint8(photos[0]) if len(photos) == 1 else None,
    )


@exit_statuses("test.py")
def main(argv: list[str] | None = None) -> int:
    """Test as the command line says; return the exit status."""
    opt = parse_options(TestOptions, argv, PRESETS)
    try:
        page = test(opt)
    except DataWorkerError as error:
        print(f"test.py: error: {error}", file=sys.stderr)
        return 1
    print(f"Images are in {page.parent / 'images'}; look at {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
