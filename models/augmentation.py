"""DiffAugment (Zhao et al., arXiv 2006.10738): differentiable augmentation of all that a discriminator sees."""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.layout import NO_CLASS, Layout, SemanticLayout, SoftLayout

POLICIES = ("color", "translation", "cutout")
DRAWS = 7
"""Random numbers of a sample: brightness, saturation, contrast, shift down and right, row and column of the cutout."""
LARGEST_SHIFT = 8
"""Images move by at most this part of their height and width: an eighth."""


class DiffAugment:
    """Changes fakes and photos alike, so that the discriminator cannot learn a few photos by heart.

    Fakes are changed in the steps of both players; the generator's gradients flow through the changes. The fake and the
    photo of a label map get the same draw, as feature matching compares them, and the label map moves with them.

    Args:
        policies: of `POLICIES`; without any, nothing is drawn.
    """

    def __init__(self, *policies: str):
        assert set(policies) <= set(POLICIES), policies
        self.policies = frozenset(policies)

    @classmethod
    def of(cls, opt) -> DiffAugment:
        """With the policies of `--diffaugment`; none without the option."""
        return cls(*opt.diffaugment.split(",")) if opt.diffaugment else cls()

    def draw(self, count: int, device: torch.device) -> Tensor | None:
        """Numbers from U(0, 1) for `count` samples, (count, DRAWS), also those of other policies; None without any."""
        return torch.rand(count, DRAWS, device=device) if self.policies else None

    def __call__(self, draw: Tensor, layout: Layout, *images: Tensor) -> tuple:
        """(layout, *images), augmented.

        Args:
            draw: of these N samples.
            layout: moves as the images do, and has no class where they have no pixels, or 0 in a soft layout; nothing
                else changes it.
            images: each (N, 3, H, W) in [-1, 1].
        """
        height, width = layout.size
        brightness, saturation, contrast, *places = draw.unbind(dim=1)
        down, right, row, column = places
        if "color" in self.policies:
            # From U(-0.5, 0.5), U(0, 2) and U(0.5, 1.5).
            images = tuple(adjust_color(x, brightness - 0.5, 2 * saturation, contrast + 0.5) for x in images)
        if "translation" in self.policies:
            down, right = (_shift(u, size) for u, size in ((down, height), (right, width)))
            images = tuple(translate(x, down, right) for x in images)
            layout = translate_layout(layout, down, right)
        if "cutout" in self.policies:
            row, column = (row * height).long(), (column * width).long()
            images = tuple(cut_out(x, row, column) for x in images)
        return layout, *images


NO_AUGMENTATION = DiffAugment()


def _shift(uniform: Tensor, size: int) -> Tensor:
    """Uniform whole numbers of -most .. most pixels from numbers in [0, 1)."""
    most = size // LARGEST_SHIFT
    return (uniform * (2 * most + 1)).long() - most


def adjust_color(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Add brightness, then scale the distance to gray and the distance to the mean of the image.

    Args:
        images: (N, 3, H, W).
        brightness, saturation, contrast: (N,); 0, 1 and 1 change nothing.
    """
    images = images + brightness[:, None, None, None]
    gray = images.mean(dim=1, keepdim=True)  # (N, 1, H, W)
    images = gray + (images - gray) * saturation[:, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    return mean + (images - mean) * contrast[:, None, None, None]


def translate(x: Tensor, down: Tensor, right: Tensor, outside: float = 0) -> Tensor:
    """Move the pixels of each sample by whole pixels, and fill what becomes free with `outside`.

    Args:
        x: (N, ..., H, W).
        down, right: (N,) integers, of either sign.
    """
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device) - down[:, None]  # (N, H)
    columns = torch.arange(width, device=x.device) - right[:, None]  # (N, W)
    is_inside = _between(rows, 0, height)[:, :, None] & _between(columns, 0, width)[:, None, :]  # (N, H, W)
    of_sample = torch.arange(len(x), device=x.device)[:, None, None]
    rows, columns = rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    moved = x.movedim((-2, -1), (1, 2))[of_sample, rows, columns].movedim((1, 2), (-2, -1))  # (N, ..., H, W)
    return torch.where(is_inside.view(len(x), *[1] * (x.dim() - 3), height, width), moved, outside)


def translate_layout(layout: Layout, down: Tensor, right: Tensor) -> Layout:
    """The maps of a layout, moved as `translate` does; no class, no edge, and 0 in all channels where they were not."""
    if isinstance(layout, SoftLayout):
        return SoftLayout(translate(layout.semantics, down, right), layout.resize)
    labels = translate(layout.labels.long(), down, right, NO_CLASS)
    edges = None if layout.edges is None else translate(layout.edges, down, right)
    return SemanticLayout(labels, edges, layout.num_labels)


def cut_out(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Set to 0, which is gray, a rectangle of half the height and half the width of each image.

    Args:
        images: (N, 3, H, W).
        row, column: (N,) integers: its center, anywhere in the image; parts outside are cut off.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - row[:, None] + height // 4  # (N, H), 0 in its first row
    columns = torch.arange(width, device=images.device) - column[:, None] + width // 4
    is_cut = _between(rows, 0, height // 2)[:, :, None] & _between(columns, 0, width // 2)[:, None, :]  # (N, H, W)
    return torch.where(is_cut[:, None], 0.0, images)


def _between(x: Tensor, low: int, high: int) -> Tensor:
    return (low <= x) & (x < high)
