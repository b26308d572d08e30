"""Scores that papers report, by data set and method, for comparison."""

from __future__ import annotations

TABLE_1 = "Park et al. 2019 (arXiv 1903.07291), table 1"
TABLE_3 = "Park et al. 2019 (arXiv 1903.07291), table 3 and the text"
OASIS = "Schönfeld, Sushko et al. 2021 (arXiv 2012.04781)"

Rows = dict[str, dict[str, float]]

# By --dataset_mode, method and score, as printed: mIoU and accuracy in percent. Benchmark lists quote some of them:
# FID 22.6 for COCO-Stuff; mIoU 38.5, 30.8 and 62.3 for ADE20K, its outdoor scenes and Cityscapes.
# OASIS: FID is the lowest of many that were measured in training on the validation set.
# The accuracies of Cityscapes count pixels without a class as errors: without those, 81.9 would be about 93.5.
PRINTED: dict[str, Rows] = {
    "coco": {
        "SPADE": {"miou": 37.4, "accuracy": 67.9, "fid": 22.6},
        "SPADE, ablation": {"miou": 35.2},
        "pix2pixHD": {"miou": 14.6, "accuracy": 45.8, "fid": 111.5},
        "CRN": {"miou": 23.7, "accuracy": 40.4, "fid": 70.4},
        "OASIS": {"miou": 44.1, "fid": 17.0},
    },
    "ade20k": {
        "SPADE": {"miou": 38.5, "accuracy": 79.9, "fid": 33.9},
        "pix2pixHD": {"miou": 20.3, "accuracy": 69.2, "fid": 81.8},
        "CRN": {"miou": 22.4, "accuracy": 68.8, "fid": 73.3},
        "OASIS": {"miou": 48.8, "fid": 28.3},
    },
    "ade20k_outdoor": {
        "SPADE": {"miou": 30.8, "accuracy": 82.9, "fid": 63.3},
        "pix2pixHD": {"miou": 17.4, "accuracy": 71.6, "fid": 97.8},
        "CRN": {"miou": 16.5, "accuracy": 68.6, "fid": 99.0},
        "SIMS": {"miou": 13.1, "accuracy": 74.7, "fid": 67.7},
        "OASIS": {"miou": 40.4, "fid": 48.6},
    },
    "cityscapes": {
        "SPADE": {"miou": 62.3, "accuracy_with_void": 81.9, "fid": 71.8},
        "pix2pixHD": {"miou": 58.3, "accuracy_with_void": 81.4, "fid": 95.0},
        "CRN": {"miou": 52.4, "accuracy_with_void": 77.1, "fid": 104.7},
        "SIMS": {"miou": 47.2, "accuracy_with_void": 75.5, "fid": 49.7},
        "OASIS": {"miou": 69.3, "fid": 47.7},
    },
}
SOURCES = {"SPADE, ablation": TABLE_3, "OASIS": OASIS}
FRACTIONS = ("miou", "accuracy", "accuracy_with_void")


def published_scores(dataset_mode: str) -> Rows:
    """{method: {score: value}} of a data set, fractions as 0 to 1; empty where papers report none."""
    return {
        method: {score: round(value / 100, 4) if score in FRACTIONS else value for score, value in row.items()}
        for method, row in PRINTED.get(dataset_mode, {}).items()
    }


def source_of(method: str) -> str:
    """The table in which the row of a method is printed."""
    return SOURCES.get(method, TABLE_1)
