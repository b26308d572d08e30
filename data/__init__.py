"""From files on disk to batches: `create_dataset(opt)`, then `create_loader(opt, dataset)`.

To add a data set: one file with a class, and its line in `DATASETS`. `PairedDataset` does the work for files on disk;
any other class needs `preset`, `class_names`, `class_colors`, `__len__` and `__getitem__`, which returns a `Sample`.
"""

import torch
from torch.utils.data import DataLoader, Dataset

from data.ade20k import Ade20kDataset
from data.ade20k_outdoor import Ade20kOutdoorDataset
from data.cityscapes import CityscapesDataset
from data.coco import CocoDataset
from data.custom import CustomDataset
from data.facades import FacadesDataset
from data.flickr import FlickrDataset
from data.landscapes import LandscapesDataset
from data.parallel import usable_cores
from data.sample import Sample
from data.sampler import EpochSampler
from options import Preset
from util.errors import InputError

DATASETS: dict[str, type[Dataset[Sample]]] = {
    "landscapes": LandscapesDataset,
    "coco": CocoDataset,
    "ade20k": Ade20kDataset,
    "ade20k_outdoor": Ade20kOutdoorDataset,
    "cityscapes": CityscapesDataset,
    "flickr": FlickrDataset,
    "facades": FacadesDataset,
    "custom": CustomDataset,
}
PRESETS: dict[str, Preset] = {mode: dataset.preset for mode, dataset in DATASETS.items()}
MOST_WORKERS = 8  # by default


def create_dataset(opt) -> Dataset[Sample]:
    """Build the data set of `opt.dataset_mode`.

    Returns:
        a sequence of `Sample` with `class_names` and `class_colors` (num_labels, 3) uint8, one for each label channel.

    Raises:
        InputError: for files that are missing, do not pair, or do not suit the options.
    """
    return DATASETS[opt.dataset_mode](opt)


def create_loader(opt, dataset: Dataset[Sample]) -> DataLoader:
    """Batch a data set; training drops an incomplete last batch.

    The order of an epoch depends only on `opt.seed` and the number given to `loader.sampler.set_epoch`, so a resumed
    run keeps the order of an uninterrupted one. Random crops and flips come from torch's generator: the main one, or
    with workers those that torch seeds in each worker from `opt.seed`.

    Raises:
        InputError: when training on fewer samples than one batch.
    """
    if opt.is_train and len(dataset) < opt.batch_size:
        raise InputError(
            f"--batch_size {opt.batch_size}: the data set has only {len(dataset)} samples, so there is not one whole "
            f"batch; use --batch_size {len(dataset)} or less"
        )
    on_gpu = uses_gpu(opt)
    num_workers = count_workers(on_gpu) if opt.num_workers is None else opt.num_workers
    sampler = EpochSampler(dataset, num_replicas=1, rank=0, shuffle=not opt.serial_batches, seed=opt.seed)
    return DataLoader(
        dataset,
        batch_size=opt.batch_size,
        sampler=sampler,
        num_workers=num_workers,
        pin_memory=on_gpu,  # page-locked batches reach the GPU while it computes
        drop_last=opt.is_train,
        persistent_workers=num_workers > 0,
        generator=torch.Generator().manual_seed(opt.seed),
    )


def uses_gpu(opt) -> bool:
    """Whether networks run on a GPU."""
    return opt.gpu_ids != "-1" and torch.cuda.is_available()


def count_workers(on_gpu: bool) -> int:
    """How many processes read by default.

    Beside a GPU one per core, up to 8. Networks on the CPU use its cores themselves, and take so long that reading does
    not show.
    """
    return min(usable_cores(), MOST_WORKERS) if on_gpu else 0
