"""From files on disk to batches: `create_dataset(opt)`, then `create_loader(opt, dataset)`.

To add a data set: one file with a class, and its line in `DATASETS`. `PairedDataset` does the work for files on disk;
any other class needs `preset`, `class_names`, `class_colors`, `__len__` and `__getitem__`, which returns a `Sample`.
"""

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from data.ade20k import Ade20kDataset
from data.cityscapes import CityscapesDataset
from data.coco import CocoDataset
from data.custom import CustomDataset
from data.facades import FacadesDataset
from data.landscapes import LandscapesDataset
from data.sample import Sample
from options import Preset
from util.errors import InputError

DATASETS: dict[str, type[Dataset[Sample]]] = {
    "landscapes": LandscapesDataset,
    "coco": CocoDataset,
    "ade20k": Ade20kDataset,
    "cityscapes": CityscapesDataset,
    "facades": FacadesDataset,
    "custom": CustomDataset,
}
PRESETS: dict[str, Preset] = {mode: dataset.preset for mode, dataset in DATASETS.items()}


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
    # One replica: torch's sampler is the library's name for an order that is a function of seed and epoch.
    sampler = DistributedSampler(
        dataset, num_replicas=1, rank=0, shuffle=not opt.serial_batches, seed=opt.seed, drop_last=False
    )
    return DataLoader(
        dataset,
        batch_size=opt.batch_size,
        sampler=sampler,
        num_workers=opt.num_workers,
        pin_memory=torch.cuda.is_available(),
        drop_last=opt.is_train,
        persistent_workers=opt.num_workers > 0,
        generator=torch.Generator().manual_seed(opt.seed),
    )
