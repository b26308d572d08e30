"""Identifies the images of scores by a hash, so that scores are never attributed to other images."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.files import find_image_files
from util.digests import digest_of
from util.errors import InputError
from util.results_page import RESULTS


def style_folder(folder: Path, k: int) -> Path:
    """The folder of the k-th images of the label maps, from 1: `folder`, `folder`_style2, ..."""
    return folder if k == 1 else folder.with_name(f"{folder.name}_style{k}")


def images_hash(folder: Path, styles: int = 1) -> str:
    """Hexadecimal digest of names and contents of all images in a folder, and in the folders of further styles."""
    files = {}
    for k in range(1, styles + 1):
        found = find_image_files(style_folder(folder, k), "generated images", required=False)
        files |= {f"{k}/{name}": path for name, path in found.items()}
    return digest_of(files)


def check_scores_hold(content: Mapping[str, Any], path: Path, folder: Path) -> bool:
    """Check that scores are of the images in a folder; return False if the scores have no hash of their images.

    Args:
        content: of scores.json.
        path: of scores.json.
        folder: of the images.
    Raises:
        InputError: they are of other images; the message has the command to score the present ones.
    """
    known = content.get("images_hash")
    if not isinstance(known, str):
        return False
    lpips = (content.get("protocol") or {}).get("lpips") or {}
    if images_hash(folder, int(lpips.get("styles", 1))) != known:
        raise InputError(
            f"{path}: the scores are of other images than those that are in {folder} now; score these with: "
            f"{scoring_command(content, folder)}"
        )
    return True


def scoring_command(content: Mapping[str, Any], folder: Path) -> str:
    """The command that scores images, the earlier one if it is known.

    Args:
        content: of scores.json.
        folder: of the images.
    """
    typed, test = content.get("command"), folder.absolute().parents[1]
    of_a_run = (folder.parent.name, folder.name) == ("images", RESULTS)
    if isinstance(typed, str) and content.get("run") == (test.parent.name if of_a_run else None):
        return typed
    if not of_a_run:
        return shlex.join(["python", "evaluate.py", "--fake", str(folder), "--real", "DIR"])
    phase, _, epoch = test.name.rpartition("_")
    words = ["--name", test.parent.name, "--results_dir", str(test.parents[1]), "--phase", phase]
    return shlex.join(["python", "evaluate.py", *words, "--which_epoch", epoch])
