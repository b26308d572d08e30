"""Weight files of pretrained networks for losses and scores: found on this machine, or downloaded."""

from __future__ import annotations

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from util.errors import InputError
from util.fetch import Expected, Patience, fetch
from util.files import readable_size

PATIENCE = Patience(unanswered=1, timeout=15)
"""Gives up at once without network, but retries a transfer that has begun."""


@dataclass(frozen=True)
class WeightFile:
    """The source of a pretrained network's weights.

    Attributes:
        what: description of the weights, as the subject of a message.
        names: published file names; the first is that of `url`.
        url: official address.
        size: in bytes, for messages.
        sha256: the first digits of the file's SHA-256.
        license: of the weights, for messages.
        option: flag with which a user gives the file.
        otherwise: alternative for users without the file.
    """

    what: str
    names: tuple[str, ...]
    url: str
    size: int
    sha256: str
    license: str
    option: str
    otherwise: str

    def advice(self) -> str:
        """Say how to get the file manually, and what to do without it."""
        return (
            f"get {self.names[0]} from {self.url} ({readable_size(self.size)}, its SHA-256 starts with {self.sha256}) "
            f"and give it with {self.option} FILE, or put it into {cache_folder()}, {self.otherwise}"
        )


WEIGHT_FILES = {
    "vgg19": WeightFile(
        what="the VGG-19 weights that the perceptual loss needs",
        names=("vgg19-dcbb9e9d.pth",),
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        size=574_673_361,
        sha256="dcbb9e9d",
        license="BSD-3-Clause (torchvision), trained on ImageNet, which is for non-commercial research",
        option="--vgg_weights",
        otherwise="or train without the perceptual loss (--no_vgg_loss)",
    ),
    # Converted from the TensorFlow network that defines FID. The two names are two conversions of one file, with the
    # same parameter names: those of torchvision's Inception.
    "inception": WeightFile(
        what="the Inception weights that FID and KID need",
        names=("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"),
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        size=95_628_359,
        sha256="6726825d",
        license="Apache-2.0 (pytorch-fid and TensorFlow), trained on ImageNet, which is for non-commercial research",
        option="--inception_weights",
        otherwise="or take --features random, whose distances compare only with each other",
    ),
    "alexnet": WeightFile(
        what="the AlexNet weights that LPIPS needs",
        names=("alexnet-owt-7be5be79.pth",),
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        size=244_408_911,
        sha256="7be5be79",
        license="BSD-3-Clause (torchvision), trained on ImageNet, which is for non-commercial research",
        option="--lpips_weights",
        otherwise="or leave the diversity of styles out",
    ),
}


def cache_folder() -> Path:
    """The checkpoint folder of torch hub, below TORCH_HOME."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch_weights(name: str, allowed: bool) -> Path:
    """Return a file of `WEIGHT_FILES` from torch hub's checkpoint folder, downloading it if it is missing.

    Among several processes, also of other programs, one downloads and the others wait. An interrupted download resumes
    the next time.

    Args:
        allowed: whether it may be downloaded.
    Raises:
        InputError: the file is missing and must not, or cannot, be downloaded; the message names file, address and
            folder.
    """
    weights = WEIGHT_FILES[name]
    if found := _found(weights):
        return found
    if not allowed:
        raise InputError(
            f"{weights.what} are not on this machine, and --no_download forbids to fetch them: {weights.advice()}"
        )
    path = cache_folder() / weights.names[0]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path) as (lock, waited):
            if found := _found(weights):  # by the process that was waited for
                return found
            if waited and (failure := lock.read()):
                raise InputError(failure)
            lock.truncate(0)
            print(
                f"Fetching {weights.what}: {weights.url}, {readable_size(weights.size)}, to {path.parent}; license: "
                f"{weights.license}",
                flush=True,
            )
            try:
                fetch(weights.url, path, Expected(sha256=weights.sha256), PATIENCE)
            except InputError as error:
                lock.write(str(error))  # for the waiting processes, which then need not try
                raise
    except (InputError, OSError) as error:
        raise InputError(f"{weights.what} cannot be fetched ({error}): {weights.advice()}") from None
    return path


def _found(weights: WeightFile) -> Path | None:
    return next((path for name in weights.names if (path := cache_folder() / name).is_file()), None)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[tuple[IO[str], bool]]:
    """Lock the creation of `path`; yield the lock file, and whether another process held the lock before."""
    with path.with_name(f".{path.name}.lock").open("a+", encoding="utf-8") as file:  # stays: see RunLock
        waited = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.name}: another process fetches it; waiting", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
            waited = True
        file.seek(0)
        yield file, waited
