"""Packing the samples of a data set into tars with an index, resumed after an interruption."""

import hashlib
import io
import itertools
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from data.opening import orientation_like
from data.paired import PairedDataset
from data.pairs import SamplePaths
from data.parallel import parallel_map
from data.preprocess import Size, resize
from data.read import LabelIds, image_size, read_image, read_instances, read_labels
from data.shards.describe import unknown_in_shards
from data.shards.index import FORMAT, VERSION, read_index
from util.errors import InputError
from util.files import checksum, remove_temporaries, replacing
from util.optional import require

LARGEST = 2**16 - 1
"""The largest id that a PNG holds."""
JPEG_QUALITY = 95
NO_SUBSAMPLING = 0
MOST_DIGITS = 6
ABANDONED = 3600  # seconds after which a temporary file is taken for that of a packing that was ended
LABELS, INSTANCES = "label.png", "instances.png"
KIND_OF = {LABELS: "labels", INSTANCES: "instances"}

Encoded = dict[str, bytes]
"""The files of a sample by their endings in the tar."""


@dataclass(frozen=True)
class Packing:
    """How to pack.

    Attributes:
        folder: of the tars.
        samples: number in one tar.
        size: short side in pixels that larger samples are resized to; None keeps them.
        workers: number of processes.
    """

    folder: Path
    samples: int
    size: int | None
    workers: int


@dataclass(frozen=True)
class Encoder:
    """Reads the files of a sample and encodes them for a tar; sent to worker processes."""

    ids: LabelIds
    unknown: int | None
    size: int | None

    def __call__(self, paths: SamplePaths) -> Encoded:
        """Encode. Raises `InputError` for files that training would refuse."""
        labels = read_labels(paths.labels, self.ids)
        width, height = labels.size
        for other in (paths.image, paths.instances):
            if other is not None and image_size(other) != (width, height):
                raise InputError(
                    f"{other}: differs in size from {paths.labels}; the files of a sample must have one size"
                )
        target = self._target(width, height)
        found = {LABELS: self._ids(np.asarray(labels), target, paths.labels)}
        if paths.instances is not None:
            values = np.asarray(read_instances(paths.instances))
            found[INSTANCES] = self._png(_in_range(values), target, paths.instances)
        if paths.image is not None:
            found |= self._photo(paths.image, (width, height), target)
        return found

    def _target(self, width: int, height: int) -> Size:
        short = min(width, height)
        if self.size is None or short <= self.size:
            return width, height
        return self.size * width // short, self.size * height // short

    def _ids(self, labels: np.ndarray, target: Size, path: Path) -> bytes:
        if self.unknown is not None:
            labels = np.where(labels == self.ids.label_nc, np.int32(self.unknown), labels)
        return self._png(labels, target, path)

    def _png(self, values: np.ndarray, target: Size, path: Path) -> bytes:
        values = resize(Image.fromarray(values.astype(np.int32)), target, Resampling.NEAREST)
        small = values.astype(np.uint8 if values.max() < 2**8 else np.uint16)
        return _saved(Image.fromarray(small), "PNG", exif=orientation_like(path))

    def _photo(self, path: Path, size: Size, target: Size) -> Encoded:
        if size == target:
            return {path.suffix.lower()[1:]: path.read_bytes()}
        photo = Image.fromarray(resize(read_image(path), target, Resampling.BICUBIC))
        options = {"quality": JPEG_QUALITY, "subsampling": NO_SUBSAMPLING, "exif": orientation_like(path)}
        return {"jpg": _saved(photo, "JPEG", **options)}


def pack(packing: Packing, part: str, dataset: PairedDataset, advance: Callable[[int], Any]) -> str:
    """Write the tars of a part and their index; return the pattern of their names.

    Args:
        advance: called with the number of samples that are packed.

    Raises:
        InputError: a sample that training would refuse, no room, or files of others under these names.
    """
    samples = list(dataset.paths)
    groups = [samples[start : start + packing.samples] for start in range(0, len(samples), packing.samples)]
    names = [f"{part}-{number:0{MOST_DIGITS}d}.tar" for number in range(len(groups))]
    index, progress = packing.folder / f"{part}-index.json", packing.folder / f"{part}-packing.json"
    encoder = Encoder(dataset.ids, unknown_in_shards(dataset), packing.size)
    content = {"format": FORMAT, "version": VERSION, "source": _source(packing, encoder, samples), "shards": []}
    done = _resumed(content["source"], index, progress, [packing.folder / name for name in names])
    keys = _unique_keys(samples)
    try:
        packing.folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(packing.folder, older_than=ABANDONED)
        if not index.exists():
            _write(progress, {**content, "shards": done})
        for number, (name, group) in enumerate(zip(names, groups)):
            if number < len(done):
                content["shards"].append(done[number])
            else:
                encoded = parallel_map(encoder, group, packing.workers)
                with replacing(packing.folder / name) as temporary:
                    row = write_shard(temporary, name, zip(keys[number * packing.samples :], group, encoded))
                content["shards"].append(row)
                _write(progress, content)
            advance(len(group))
        _write(index, content)
        progress.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{packing.folder}: cannot be written ({error.strerror}); name another DST") from error
    first, last = (number.removesuffix(".tar").rpartition("-")[2] for number in (names[0], names[-1]))
    return f"{part}-{{{first}..{last}}}.tar"


def write_shard(path: Path, name: str, samples: Iterator[tuple[str, SamplePaths, Encoded]]) -> dict[str, Any]:
    """Write one tar; return its row in the index. The same samples give the same bytes."""
    names: dict[str, str] = {}
    with path.open("wb") as file, require("webdataset").TarWriter(file, encoder=False, mtime=0) as tar:
        for key, paths, encoded in samples:
            names[key] = paths.name
            tar.write({"__key__": key, **encoded})
    rows: dict[str, dict[str, Any]] = {key: {"name": sample} for key, sample in names.items()}
    with path.open("rb") as file, tarfile.TarFile(fileobj=file) as tar:
        for member in tar.getmembers():
            head, _, end = member.name.rpartition("/")
            stem, _, ending = end.partition(".")
            file.seek(member.offset_data)
            place = [member.name, member.offset_data, member.size, zlib.crc32(file.read(member.size))]
            rows[f"{head}/{stem}" if head else stem][KIND_OF.get(ending, "photo")] = place
    return {"name": name, "size": path.stat().st_size, "sha256": checksum(path), "samples": list(rows.values())}


def _unique_keys(samples: Sequence[SamplePaths]) -> list[str]:
    """The names of samples without dots, at which webdataset ends a name; numbered where two would be the same."""
    taken: set[str] = set()
    keys = []
    for number, sample in enumerate(samples):
        path = PurePosixPath(sample.name)
        key = str(path.with_name(path.name.replace(".", "_")))
        if key in taken:
            key = f"{key}_{number:09d}"
        taken.add(key)
        keys.append(key)
    return keys


def _source(packing: Packing, encoder: Encoder, samples: Sequence[SamplePaths]) -> str:
    """A hash of what is packed and how, which tells an interrupted packing from another one."""
    digest = hashlib.sha256(repr((packing.samples, packing.size, encoder.ids, encoder.unknown)).encode())
    for sample in samples:
        state = [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in sample.files)]
        digest.update(repr((sample.name, state)).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _resumed(source: str, index: Path, progress: Path, tars: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of tars that an earlier call of the same packing has written; without one, no tar may be there."""
    found = next((path for path in (index, progress) if path.exists()), None)
    if found is None:
        if there := [tar for tar in tars if tar.exists()]:
            raise InputError(f"{there[0]}: is there already, and is of another packing; name another DST")
        return []
    content = read_index(found)
    if content.get("source") != source:
        raise InputError(
            f"{found}: is of another packing, or files or options have changed since; name another DST, or remove it "
            f"and its tars"
        )
    rows = zip(content["shards"], tars)
    return [row for row, _ in itertools.takewhile(lambda pair: _is_there(*pair), rows)]


def _is_there(row: dict[str, Any], tar: Path) -> bool:
    return tar.is_file() and tar.stat().st_size == row["size"]


def _in_range(values: np.ndarray) -> np.ndarray:
    """Instance ids that fit into a PNG: numbered anew if they do not, as only their borders matter."""
    if values.min() >= 0 and values.max() <= LARGEST:
        return values
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _write(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
