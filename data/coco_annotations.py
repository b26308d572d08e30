"""The instance annotations of COCO: reading them, and drawing the objects of an image into one map of ids."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from util.errors import InputError

Annotation = dict[str, Any]  # an entry of "annotations", as COCO's site describes it
LEAST_POLYGON = 6  # numbers: x and y of three corners; pycocotools takes four numbers for a box


class AnnotatedImage(NamedTuple):
    """The objects of one image. Sizes are in pixels."""

    width: int
    height: int
    annotations: list[Annotation]


def read_annotations(path: Path) -> dict[str, AnnotatedImage]:
    """Read a file such as instances_train2017.json; return the objects of every image by file name without extension.

    Raises:
        InputError: the file does not hold instance annotations of COCO.
    """
    try:
        content = json.loads(path.read_bytes())
        of_image = defaultdict(list)
        for annotation in content["annotations"]:
            of_image[annotation["image_id"]].append({key: annotation[key] for key in ("id", "segmentation")})
        return {
            Path(image["file_name"]).stem: AnnotatedImage(image["width"], image["height"], of_image[image["id"]])
            for image in content["images"]
        }
    except OSError as error:
        reason = "is a folder" if path.is_dir() else f"cannot be read ({error.strerror})"
        raise InputError(
            f"--annotations {path}: {reason}; give the file instances_train2017.json or its like"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--annotations {path}: is not a file of COCO's instance annotations ({type(error).__name__}: {error}); "
            f"give instances_train2017.json or instances_val2017.json, whole and unpacked"
        ) from error


def draw_instances(image: AnnotatedImage) -> np.ndarray:
    """Draw all objects of an image into one map (H, W) int32: ids 1, 2, ... by decreasing area, 0 elsewhere.

    Smaller objects cover larger ones.

    Raises:
        InputError: an annotation cannot be decoded, or has another size than the image.
    """
    by_id = sorted(image.annotations, key=lambda annotation: annotation["id"])
    masks = [_decode(annotation, image.width, image.height) for annotation in by_id]
    ids = np.zeros((image.height, image.width), dtype=np.int32)
    for number, pixels in enumerate(sorted(masks, key=np.count_nonzero, reverse=True), start=1):
        ids[pixels] = number
    return ids


def _decode(annotation: Annotation, width: int, height: int) -> np.ndarray:
    """Decode the mask of one object, (H, W) bool, from polygons or from run lengths, compressed or not."""
    from pycocotools import mask  # not a requirement of the framework

    shape = annotation["segmentation"]
    try:
        if isinstance(shape, list):
            polygons = [polygon for polygon in shape if len(polygon) >= LEAST_POLYGON]
            runs = mask.merge(mask.frPyObjects(polygons, height, width)) if polygons else None
        else:
            runs = mask.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape
        pixels = np.zeros((height, width)) if runs is None else mask.decode(runs)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"annotation {annotation['id']}: cannot be decoded ({error}); get the file again") from error
    if pixels.shape != (height, width):
        raise InputError(f"annotation {annotation['id']}: mask of {pixels.shape[::-1]}, image of {(width, height)}")
    return pixels.astype(bool)
