"""Colors for label maps: the PASCAL VOC scheme for any number of classes, and the lookup of class colors."""

import numpy as np

# The published code interleaves 7 rounds of three bits, so ids below 2**21 get distinct bits; VOC itself uses 8 bits.
VOC_ROUNDS = 7


def voc_colors(n: int) -> np.ndarray:
    """Return `n` well separated colors, (n, 3) uint8.

    Entry i spreads the bits of the id i + 1 (so that no class is black): bit 0 of the id sets the top bit of red,
    bit 1 that of green, bit 2 that of blue; the next three bits set the next lower bit of each channel, and so on
    (published code).
    """
    ids = np.arange(1, n + 1)
    colors = np.zeros((n, 3), dtype=np.uint8)
    for level in range(VOC_ROUNDS):
        for channel in range(3):
            bit = ids >> (3 * level + channel) & 1
            colors[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colors


def colorize(labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Map class ids `labels` (..., H, W) to `colors` (n, 3) uint8; return (..., H, W, 3) uint8.

    Ids must lie in 0..n-1; the data package checks them when files are read.
    """
    labels = np.asarray(labels)
    assert labels.min() >= 0, f"class id {labels.min()} is negative"
    return np.asarray(colors, dtype=np.uint8)[labels]
