"""Segmentation scores of the real photos: what generated images of the same label maps can be held against."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

from evaluation.image_sets import batches
from evaluation.protocol import protocol_hash
from evaluation.scoring import Evaluation
from evaluation.segmentation import SegmentationCounter
from util.digests import cache_folder
from util.files import replacing

FORMAT = 1


def score_real_photos(evaluation: Evaluation, batch_size: int, num_workers: int, show: bool) -> dict[str, Any]:
    """Scores by name and IoU by class number, as JSON values, of the photos that images are compared with.

    They are kept in the user's cache folder, by the contents of photos, label maps and segmenter. All processes of the
    evaluation's `world` must make this call.

    Returns:
        {"scores": {name: 0 .. 1}, "class_iou": [0 .. 1, or None for a class that occurs nowhere]}; empty without
        segmentation network or photos.
    """
    if evaluation.classes is None or not evaluation.truth.photos:
        return {}
    world, protocol = evaluation.world, evaluation.protocol
    key = {"format": FORMAT, "images": protocol["images"], "segmentation": protocol["segmentation"]}
    # Without files, nothing identifies the network.
    path = cache_folder("real_photos") / f"{protocol_hash(key)}.json" if "files" in protocol["segmentation"] else None
    known = {}
    if world.is_main and path:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
    if known := world.broadcast(known):
        return known
    counter = SegmentationCounter(evaluation.classes)
    with world.failing_together():
        for batch in batches(evaluation.truth, evaluation.shard, batch_size, num_workers, "real photos", show):
            counter.add(batch["index"].tolist(), batch["photo"])
    matrix, _ = counter.gathered(world)
    found = {
        "scores": {name: value for name, value in counter.scores(matrix).items() if math.isfinite(value)},
        "class_iou": [value if math.isfinite(value) else None for value in matrix.class_iou().tolist()],
    }
    if world.is_main and path:
        with contextlib.suppress(OSError), replacing(path) as temporary:
            temporary.write_text(json.dumps(found), encoding="utf-8")
    return found
