#!/usr/bin/env python3
"""Generate images of label maps, and a page of them: python test.py --name NAME [...]; --help says more."""

from __future__ import annotations

from util.console import exit_statuses, slow_imports  # first: it answers Ctrl-C from the beginning

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from data import PRESETS
from models import METHODS, create_model
from options import TestOptions, parse_options
from options.data_file import folders, name_of_data
from options.shards import shards_of
from options.test import SMALLEST_TILE
from trainers.published_names import EMA, find_network, is_average
from util.launcher import require_one_process
from util.results_folders import note_results
from util.score_log import GENERATOR_NAMES

if TYPE_CHECKING:
    from evaluation.generation import Styles
    from util.results_page import ResultsPage


def test(opt: TestOptions) -> Path:
    """Write the images and the page of one test; return the path of the page."""
    with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
        from tqdm import tqdm

        from data import create_dataset
        from evaluation.generation import Generation, indexed_batches
        from trainers.loading import load_networks
        from util.device import choose_device, place, prepare_torch
        from util.image import to_uint8
        from util.inputs import drawn

    device = choose_device(opt.gpu_id_list)
    prepare_torch(opt.seed, opt.precision, opt.deterministic, opt.threads)
    dataset = create_dataset(opt)
    count = min(len(dataset), opt.how_many or len(dataset))
    loader = indexed_batches(opt, dataset, range(count))
    model = create_model(opt)
    files = load_networks(opt.run_dir, opt.which_epoch, model, averaged=not opt.use_raw_G)
    place(model, device, opt.channels_last, opt.modulation)
    print(f"Generator: {describe_generator(opt, files)}")
    generation = Generation(opt, model, dataset)
    page = create_page(opt, dataset, generation.styles, files)
    with loader.naming_dead_workers():
        for batch in tqdm(loader, desc="test", unit="batch", dynamic_ncols=True):
            results = list(generation.images(batch))
            none = [None] * len(batch["name"])
            maps = drawn(batch["condition"], dataset.class_colors) if "condition" in batch else batch["labels"].numpy()
            photos = to_uint8(batch["image"]) if "image" in batch else none
            canvases = to_uint8(2 * batch["canvas"] - 1) if "canvas" in batch else none  # of SIMS
            for i, name in enumerate(batch["name"]):
                row = [(caption, images[i]) for caption, images in results]
                page.add(name, maps[i], row, photos[i], canvases[i])
    return page.save()


def create_page(opt: TestOptions, dataset, styles: Styles, files: list[Path]) -> ResultsPage:
    """The page of this test, with the class names and colors of the data set."""
    from util.image import to_uint8
    from util.results_page import LABEL_MAPS, TILES, ResultsPage

    results = Path(opt.results_dir) / opt.name
    note_results(opt.run_dir, results)
    return ResultsPage(
        results / f"{opt.phase}_{opt.which_epoch}",
        title=f"Results of {opt.name}",
        class_names=dataset.class_names,
        class_colors=dataset.class_colors,
        display_width=opt.display_winsize,
        facts={
            "Experiment": opt.name,
            "Phase": opt.phase,
            "Epoch": opt.which_epoch,
            "Networks": ", ".join(path.name for path in files),
            "Generator": GENERATOR_NAMES[tested_generator(files)],
            "Data set": name_of_data(opt),
            **({LABEL_MAPS: folder_of_label_maps(opt)} if dataset.paths else {}),
            "Seed": str(opt.seed),
            **({TILES: f"{opt.tile} pixels; each image is as large as its label map"} if opt.tile else {}),
            **styles.facts,
            **({} if styles.resampled is None else {"Resampled class": dataset.class_names[styles.resampled]}),
        },
        style_photos={name: to_uint8(photo) for name, photo in styles.photos.items()},
    )


def folder_of_label_maps(opt: TestOptions) -> str:
    """Where the label maps are: their folder, or the folder of a known data set."""
    in_shards = shards_of(opt)
    return in_shards or str(Path(folders(opt)["labels"] if opt.dataset_mode == "custom" else opt.dataroot or ""))


def tested_generator(files: list[Path]) -> str:
    """The key of `GENERATOR_NAMES` for the generator that was loaded, whose file is the first of `files`."""
    return "average" if is_average(files[0]) else "raw"


def describe_generator(opt: TestOptions, files: list[Path]) -> str:
    """Text that says which generator is tested, and how to test the other one."""
    generator, other = tested_generator(files), ""
    if generator == "average":
        other = " (--use_raw_G takes the trained weights)"
    elif find_network(opt.run_dir, opt.which_epoch, EMA).exists():
        other = " (without --use_raw_G their average)"
    return f"{files[0].name}, the {GENERATOR_NAMES[generator]}{other}"


@exit_statuses("test.py")
def main(argv: list[str] | None = None) -> int:
    """Test as the command line says; return the exit status."""
    opt = parse_options(TestOptions, argv, PRESETS, METHODS)
    require_one_process("test.py")
    with slow_imports():
        from util.lack_of_memory import advising_smaller
    tiles = advising_smaller("--tile", opt.tile, SMALLEST_TILE) if opt.tile else None
    with tiles or advising_smaller("--batch_size", opt.batch_size):
        page = test(opt)
    print(f"Images are in {page.parent / 'images'}; look at {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
