"""From files on disk to batches: `create_dataset(opt)`, then `create_loader(opt, dataset)`.

To add a data set: one file with a class, its description in `data/sets`, and its line in `DATASETS`. `PairedDataset`
does the work for files on disk; any other class is a `SampleDataset`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from options import Preset
from options.data_file import shipped_set
from util.late import LateTable, late

if TYPE_CHECKING:
    from data.create import (
        check_batch_size,
        count_workers,
        create_dataset,
        create_loader,
        extended,
        fixed_batches,
        uses_gpu,
    )
    from data.loader import SampleLoader
    from data.sample import AnySamples, Sample, SampleDataset
    from data.skipping import SkippedSamples
    from data.workers import DataWorkerError

__all__ = [
    "DATASETS",
    "PRESETS",
    "AnySamples",
    "DataWorkerError",
    "Sample",
    "SampleDataset",
    "SampleLoader",
    "SkippedSamples",
    "check_batch_size",
    "count_workers",
    "create_dataset",
    "create_loader",
    "extended",
    "fixed_batches",
    "uses_gpu",
]

DATASETS: LateTable[type[SampleDataset]] = LateTable(
    {
        "landscapes": "data.landscapes:LandscapesDataset",
        "coco": "data.coco:CocoDataset",
        "ade20k": "data.ade20k:Ade20kDataset",
        "ade20k_outdoor": "data.ade20k_outdoor:Ade20kOutdoorDataset",
        "cityscapes": "data.cityscapes:CityscapesDataset",
        "flickr": "data.flickr:FlickrDataset",
        "facades": "data.facades:FacadesDataset",
        "custom": "data.custom:CustomDataset",
    }
)
PRESETS: dict[str, Preset] = {mode: shipped_set(mode).preset for mode in DATASETS}

__getattr__ = late(  # these import PyTorch
    __name__,
    {
        "check_batch_size": "data.create",
        "count_workers": "data.create",
        "create_dataset": "data.create",
        "create_loader": "data.create",
        "extended": "data.create",
        "fixed_batches": "data.create",
        "uses_gpu": "data.create",
        **dict.fromkeys(("AnySamples", "Sample", "SampleDataset"), "data.sample"),
        "SampleLoader": "data.loader",
        "SkippedSamples": "data.skipping",
        "DataWorkerError": "data.workers",
    },
)
