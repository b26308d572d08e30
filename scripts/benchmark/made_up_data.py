"""Synthetic data sets with files of the size, format and compressibility of published ones."""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.Image import Resampling
from scipy.spatial import KDTree

COCO_SIZE = (640, 480)
CITYSCAPES_SIZE = (2048, 1024)
JPEG_QUALITY = 96  # gives files of 100 to 150 KB, like those of COCO


def make_coco_like(root: Path, count: int) -> None:
    """Write `count` triples in COCO-Stuff's tree: JPEG photos, ids 0..181 and 255, instances of 8 bits."""
    for number in range(count):
        random = np.random.default_rng(number)
        regions = draw_regions(random, COCO_SIZE, 24)
        ids = np.append(random.integers(0, 182, 23), 255).astype(np.uint8)
        name = f"{number:012d}"
        save(draw_photo(random, COCO_SIZE), root / "train_img" / f"{name}.jpg", quality=JPEG_QUALITY)
        save(ids[regions], root / "train_label" / f"{name}.png")
        save(regions, root / "train_inst" / f"{name}.png")


def make_cityscapes_like(root: Path, count: int) -> None:
    """Write `count` triples in Cityscapes' tree: PNG photos, ids 0..33, instances of 16 bits."""
    for number in range(count):
        random = np.random.default_rng(number)
        regions = draw_regions(random, CITYSCAPES_SIZE, 30)
        stem = f"town_000000_{number:06d}"
        truth = root / "gtFine" / "train" / "town"
        photo = root / "leftImg8bit" / "train" / "town" / f"{stem}_leftImg8bit.png"
        save(draw_photo(random, CITYSCAPES_SIZE), photo)
        save(regions, truth / f"{stem}_gtFine_labelIds.png")
        save(regions.astype(np.uint16) * 1000, truth / f"{stem}_gtFine_instanceIds.png")


def draw_photo(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Noise with equal detail at every scale, which compresses like a photo: (H, W, 3) uint8."""
    total = np.zeros((size[1], size[0], 3), dtype=np.float32)
    for halvings in range(7):
        small = random.integers(0, 256, (size[1] >> halvings, size[0] >> halvings, 3), dtype=np.uint8)
        octave = Image.fromarray(small).resize(size, Resampling.BILINEAR)
        total += np.asarray(octave, dtype=np.float32) * 1.55**halvings
    total -= total.min()
    return (total * (255 / total.max())).astype(np.uint8)


def draw_regions(random: np.random.Generator, size: tuple[int, int], count: int) -> np.ndarray:
    """Cut an image into `count` regions with soft outlines: (H, W) uint8."""
    small = (size[0] // 4, size[1] // 4)
    noise = Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8)).resize(small, Resampling.BICUBIC)
    ranks = np.asarray(noise).argsort(axis=None).argsort().reshape(small[::-1])
    regions = (ranks * count // ranks.size).astype(np.uint8)
    return np.asarray(Image.fromarray(regions).resize(size, Resampling.NEAREST))


def draw_cells(random: np.random.Generator, size: tuple[int, int], count: int) -> np.ndarray:
    """Cut an image into `count` cells with slightly curved borders, like label maps of scenes: (H, W) uint8."""
    width, height = size
    centers = random.uniform(0, 1, (count, 2))
    columns, rows = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    waves = [
        np.asarray(Image.fromarray(random.normal(0, 0.04, (5, 5)).astype(np.float32)).resize(size, Resampling.BICUBIC))
        for _ in range(2)
    ]
    places = np.stack([columns + waves[0], rows + waves[1]], axis=-1)
    _, nearest = KDTree(centers).query(places)
    return np.asarray(nearest, dtype=np.uint8)


def save(pixels: np.ndarray, path: Path, **options) -> None:
    """Write an image; make missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
