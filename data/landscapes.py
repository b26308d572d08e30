"""The embedded data set: landscapes drawn in memory, without any file or download."""

import mmap

import numpy as np
import torch

from data.landscape import CLASS_COLORS, CLASS_NAMES, UNKNOWN, draw_scene
from data.sample import Sample, SampleDataset, run_decides
from options.data_file import shipped_set
from options.description import DataFile
from util.errors import InputError

DATA_SEED = 0
"""Seed of the scenes. --seed does not change it: runs with different seeds train on the same images."""
TRAIN_SCENES = 2000
VALIDATION_SCENES = 200
FIRST_VALIDATION_SCENE = 1_000_000  # far above any number of training scenes
CACHE_BYTES = 2**30


class LandscapesDataset(SampleDataset):
    """Painted landscapes in the eighteen classes of the GauGAN brushes, at the size of the network's images.

    Phase "train" has 2000 scenes, every other phase has 200 other ones; --max_dataset_size limits both. Ids are 0..17,
    and 18 for unknown (the sun, a hut, a boat). Instance ids distinguish single trees, bushes, rocks, stones, clouds
    and mountains.

    Args:
        opt: train or test options. Raises `InputError` for any other number of classes, and for --tile.
    """

    preset = shipped_set("landscapes").preset

    def __init__(self, opt):
        if opt.label_nc != len(CLASS_NAMES) or not opt.contain_dontcare_label:
            flags = f"--label_nc {len(CLASS_NAMES)} --contain_dontcare_label"
            fix = f"leave out --label_nc and --no_contain_dontcare_label, or give {flags}"
            if run_decides(opt):
                fix = "the saved run has others: leave out --dataset_mode, or name a run that was trained on landscapes"
            raise InputError(
                f"--dataset_mode landscapes has {len(CLASS_NAMES)} classes and unknown pixels ({flags}); {fix}"
            )
        if getattr(opt, "tile", None):  # an option of test.py alone
            raise InputError(
                f"--tile {opt.tile}: --dataset_mode landscapes draws its label maps at --crop_size; leave the flag "
                f"out, or name files of other sizes: --dataset_mode custom --label_dir FOLDER --instance_dir FOLDER"
            )
        super().__init__(opt)
        training = opt.phase == "train"
        self.first = 0 if training else FIRST_VALIDATION_SCENE
        self.count = len(range(TRAIN_SCENES if training else VALIDATION_SCENES)[: opt.max_dataset_size])
        self.width, self.height = opt.crop_size, round(opt.crop_size / opt.aspect_ratio)
        self.flip = opt.flip and opt.is_train
        self.instance = opt.instance
        self.scenes = SceneCache(self.count, self.width, self.height)

    @classmethod
    def classes(
        cls, label_nc: int, contain_dontcare_label: bool, description: DataFile | None = None
    ) -> tuple[tuple[str, ...], np.ndarray]:
        """Names and colors (19, 3) uint8, the same under all options."""
        return (*CLASS_NAMES, "unknown"), np.vstack([CLASS_COLORS, np.zeros((1, 3), dtype=np.uint8)])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        """Draw a scene, or take it from the cache; in training, flip it at random with torch's generator."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        labels, instances, image = self.scenes.get(index, self.first + index)
        if self.flip and torch.rand(()) < 0.5:
            labels, instances, image = labels[:, ::-1], instances[:, ::-1], image[:, ::-1]
        labels = np.where(labels == UNKNOWN, len(CLASS_NAMES), labels).astype(np.uint8)
        sample: Sample = {  # image: (H, W, 3) -> (3, H, W)
            "name": f"{index:05d}",
            "labels": torch.from_numpy(labels),
            "image": torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).contiguous() / 127.5 - 1.0,
        }
        if self.instance:
            sample["instances"] = torch.from_numpy(instances.astype(np.int32))
        return sample


class SceneCache:
    """Keeps drawn scenes in memory, so that each is drawn once.

    A scene takes 6 bytes per pixel: 2000 scenes take 49 MB at 64x64, 197 MB at 128x128 and 786 MB at 256x256. The
    memory is an anonymous shared mapping: forked data workers fill one cache together, and unused pages take no memory.
    (A pickled copy, for spawned workers, starts empty.) Scenes beyond `CACHE_BYTES` are drawn every time.
    """

    def __init__(self, count: int, width: int, height: int):
        self.width, self.height = width, height
        pixels = width * height
        self.kept = min(count, CACHE_BYTES // (6 * pixels))
        memory = mmap.mmap(-1, max(self.kept * (6 * pixels + 1), 1))
        self.instances = np.frombuffer(memory, np.uint16, self.kept * pixels).reshape(-1, height, width)
        rest = np.frombuffer(memory, np.uint8, self.kept * (4 * pixels + 1), offset=self.instances.nbytes)
        labels, image, self.drawn = np.split(rest, np.array([1, 4]) * self.kept * pixels)
        self.labels, self.image = labels.reshape(-1, height, width), image.reshape(-1, height, width, 3)

    def __reduce__(self):
        return type(self), (self.kept, self.width, self.height)

    def get(self, place: int, scene: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (labels, instances, image) of a scene, cached at `place`; labels hold 255 for unknown."""
        if place >= self.kept:
            drawn = draw_scene(DATA_SEED, scene, self.width, self.height)
            return drawn.labels, drawn.instances, drawn.image
        if not self.drawn[place]:
            drawn = draw_scene(DATA_SEED, scene, self.width, self.height)
            self.labels[place], self.instances[place], self.image[place] = drawn.labels, drawn.instances, drawn.image
            self.drawn[place] = 1
        return self.labels[place], self.instances[place], self.image[place]
