#!/usr/bin/env python3
"""Turn label maps into images with a file of scripts.export: generate.py --model FILE --labels DIR --output DIR.

Needs numpy, Pillow, tqdm, and onnxruntime (for .onnx files) or torch (for .pt2 files); nothing of the project it comes
from, so it can be copied beside the model. Label maps are PNG files with one class id per pixel, at any size.
Images that it has made before are replaced, and no other files.
"""

from __future__ import annotations

import argparse
import importlib
import io
import itertools
import json
import os
import re
import signal
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":  # what follows takes time to import
    signal.signal(signal.SIGINT, lambda *_: os.write(2, b"generate.py: interrupted\n") and os._exit(130))

import numpy as np
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import TiffImageFile
from tqdm import tqdm

METADATA, VERSIONS = "spade.json", (1, 2)
IMAGES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
NO_IMAGES = (".txt", ".json", ".xml", ".csv", ".md", ".html")
# One channel of integers. A palette image ("P") holds ids; its palette is only for the eye.
ID_MODES = {"1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"}
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
MADE_HERE = "generate.py"  # key of a text chunk in the images, with the checksum of their pixels
ORIENTATION, UPRIGHT = 0x0112, 1  # EXIF tag, and its value for no change
PLANAR_CONFIGURATION, PLANAR = 284, 2  # TIFF tag, and its value for channels stored one after the other
PNG_BIT_DEPTH = 24  # offset in a PNG file of the byte that holds the bits per sample


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line."""


class Model:
    """An exported network, which `run` calls; `metadata` describes its inputs.

    Args:
        path: file of scripts.export.
        kind: "generator" or "encoder".
        threads: of the CPU; by default as many as the package takes.
    Raises:
        InputError: the file is another one, or the package that runs it is not installed.
    """

    def __init__(self, path: Path, kind: str, threads: int | None = None):
        if not path.is_file():
            raise InputError(f"{path}: no such file; scripts.export makes it")
        run, text = (_open_torch_export if zipfile.is_zipfile(path) else _open_onnx)(path, threads)
        if run is None or text is None:
            raise InputError(f"{path}: was not made by scripts.export, so nothing says what it takes")
        self._run: Callable[..., np.ndarray] = run
        self.metadata: dict[str, Any] = json.loads(text)
        if self.metadata["version"] not in VERSIONS:
            read = " and ".join(map(str, VERSIONS))
            raise InputError(f"{path}: is of version {self.metadata['version']}; this generate.py reads {read}")
        if self.metadata["kind"] != kind:
            raise InputError(f"{path}: holds the {self.metadata['kind']}, and the {kind} is needed")

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """The output for arrays by name: labels, edges, z, or what `prepare` makes of them; style for an encoder."""
        return self._run(**prepare(inputs, self.metadata))


def _open_onnx(path: Path, threads: int | None):
    """Open an ONNX file: its function, and its metadata (None for files of other programs)."""
    onnxruntime = _import_for(path, "onnxruntime")
    available = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads or 0  # 0: as many as cores
    try:
        session = onnxruntime.InferenceSession(path, settings, providers=providers)
    except Exception as error:  # its exceptions have no base class in common
        raise InputError(
            f"{path}: neither an ONNX file that can be run, nor one of torch.export ({first_line(error)})"
        ) from None
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    return lambda **inputs: session.run(None, inputs)[0], text


def _open_torch_export(path: Path, threads: int | None):
    """Open a torch.export archive likewise. Reads metadata first, so that other zip files are refused without torch."""
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith(f"/extra/{METADATA}")]
        text = archive.read(found[0]).decode() if found else None
    if text is None:
        return None, None
    torch = _import_for(path, "torch")
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        module = torch.export.load(io.BytesIO(path.read_bytes())).module()
    except (RuntimeError, ValueError, KeyError, AttributeError, OSError) as error:
        versions = f"by torch {torch.__version__}, and torch {json.loads(text)['torch']} made it"
        raise InputError(f"{path}: cannot be opened {versions} ({first_line(error)})") from None

    def run(**inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(**{name: torch.from_numpy(array) for name, array in inputs.items()}).numpy()

    return run, text


def _import_for(path: Path, package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        raise InputError(f"{path}: needs the package {missing}: pip install {missing}") from None
    except Exception as error:  # broken installations raise anything
        raise InputError(f"{path}: needs the package {package} ({first_line(error)}): pip install {package}") from None


def first_line(error: Exception) -> str:
    """The message of an exception in one line."""
    return str(error).strip().partition("\n")[0][:120] or type(error).__name__


def some(items: list) -> str:
    """Join the first few values, for a message."""
    return ", ".join(map(str, items[:4])) + (", ..." if len(items) > 4 else "")


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which "b2" comes before "b10"."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))], name


def find_images(folder: Path, what: str) -> dict[str, Path]:
    """The images below a folder, hidden ones left out, by relative path without extension, in natural order.

    Links to folders are followed, except to a folder that contains them.
    """
    if not folder.is_dir():
        why = "is a file, and a folder is wanted" if folder.is_file() else "no such folder"
        raise InputError(f"{folder}: {why}; it should hold the {what}s")
    found: dict[str, Path] = {}
    left_out = []
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        above = {os.path.realpath(path) for path in (parent, *Path(parent).parents)}
        visible = [name for name in subfolders if not name.startswith(".")]
        subfolders[:] = [name for name in visible if os.path.realpath(Path(parent, name)) not in above]
        for path in (Path(parent, file) for file in files if not file.startswith(".")):
            name = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
            if not path.name.lower().endswith(IMAGES):
                left_out += [path.name] * (not path.name.lower().endswith(NO_IMAGES))
            elif name in found:
                raise InputError(f'{path} and {found[name]} are both called "{name}"; keep one of them')
            else:
                found[name] = path
    if not found:
        raise InputError(f"{folder}: holds no images; it should hold the {what}s, as PNG files")
    if left_out:
        print(f"warning: {folder}: {len(left_out)} files left out, such as {min(left_out)}", file=sys.stderr)
    return {name: found[name] for name in sorted(found, key=natural_key)}


def warn_of_orientation(what: str, paths: Iterable[Path]) -> None:
    """Print a line if images have an EXIF orientation, which is not applied."""
    paths = list(paths)
    if turned := [path.name for path in paths if _has_orientation(path)]:
        print(
            f"warning: {len(turned)} of {len(paths)} {what} ({some(turned)}) have an EXIF orientation: viewers show "
            f"them turned or mirrored, and here pixels are used as they are stored; save them upright",
            file=sys.stderr,
        )


def _has_orientation(path: Path) -> bool:
    try:
        with Image.open(path) as image:  # not the method of PNG files, which decodes the whole image
            return Image.Image.getexif(image).get(ORIENTATION, UPRIGHT) in range(UPRIGHT + 1, 9)
    except (*UNREADABLE, LookupError, TypeError):  # Pillow's EXIF reader may raise any of these
        return False


def read_image(path: Path) -> Image.Image:
    """Decode an image; compare the checksums of a PNG file first."""
    try:
        with Image.open(path) as image:
            if image.format == "PNG":
                image.verify()
        with Image.open(path) as image:
            image.load()
            return image
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an image ({first_line(error)})") from None


def read_ids(path: Path) -> np.ndarray:
    """Read one integer per pixel from a PNG file without loss: (H, W) uint8 or int32."""
    image = read_image(path)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise InputError(f"{path}: holds {frames} frames or pages; save the one that is meant as a file of its own")
    if image.mode == "LA":
        raise InputError(f"{path}: has an alpha channel; save the map without, as a PNG with one id per pixel")
    if image.mode not in ID_MODES:
        raise InputError(f"{path}: is a color image (mode {image.mode}), not a map of ids; save one id per pixel")
    if image.format != "PNG":
        raise InputError(f"{path}: is a {image.format} file; save the map as a PNG with one id per pixel")
    ids = np.asarray(image)
    # Not uint16: Pillow's NEAREST picks other pixels in mode "I;16" than in "L".
    ids = ids.astype(np.uint8 if ids.itemsize == 1 else np.int32, copy=False)
    if image.mode == "L":
        with path.open("rb") as file:
            bits = file.read(PNG_BIT_DEPTH + 1)[PNG_BIT_DEPTH]
        if bits < 8:  # Pillow scales gray of 2 and 4 bits to 0..255
            ids = ids // np.uint8(255 // (2**bits - 1))
    return ids


def read_labels(path: Path, metadata: dict[str, Any]) -> np.ndarray:
    """Read a label map (H, W), with the network's id for unknown pixels; refuse other ids."""
    ids, unknown = read_ids(path), metadata["unknown_value"]
    is_unknown = np.zeros(ids.shape, dtype=bool) if unknown is None else ids == unknown
    is_wrong = ((ids < 0) | (ids >= metadata["file_ids"])) & ~is_unknown
    if is_wrong.any():
        allowed = f"0..{metadata['file_ids'] - 1}" + ("" if unknown is None else f", or {unknown} for unknown")
        wrong = np.unique(ids[is_wrong]).tolist()
        raise InputError(f"{path}: holds label {some(wrong)}; the model knows {allowed}")
    return np.where(is_unknown, np.int32(metadata["unknown_id"] or 0), ids.astype(np.int32))


def resize(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ids (H, W) to (height, width) by picking pixels."""
    height, width = size
    return np.asarray(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST))


def instance_edges(instances: np.ndarray) -> np.ndarray:
    """Mark every pixel of (H, W) whose instance id differs from one of its four neighbors; bool."""
    edges = np.zeros(instances.shape, dtype=bool)
    across, down = instances[:, 1:] != instances[:, :-1], instances[1:] != instances[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


def prepare(inputs: dict[str, np.ndarray], metadata: dict[str, Any]) -> dict[str, np.ndarray]:
    """The inputs of a model: for one with tables neighborhoods in place of `labels` and `edges` (N, H, W) of its size.

    Other inputs stay as they are, and all of them for other models and where neighborhoods are there already.
    """
    facts = metadata.get("neighborhoods")
    if facts is None or "labels" not in inputs:
        return inputs
    others = {name: array for name, array in inputs.items() if name not in ("labels", "edges")}
    symbols = 1 + inputs["labels"].astype(np.int64)  # 0 lies outside
    if metadata["edges"]:
        symbols += metadata["num_labels"] * inputs["edges"]
    for height, width in facts["sizes"]:
        down, across = symbols.shape[1] // height, symbols.shape[2] // width
        found = neighborhoods(symbols[:, ::down, ::across], facts["kernel"], facts["padding"])
        others |= {f"{part}_{height}x{width}": array for part, array in zip(("inner", "outer", "sites"), found)}
    return others


def neighborhoods(symbols: np.ndarray, kernel: int, padding: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct neighborhoods that two kernel x kernel convolutions in a row see in maps (N, H, W) of symbols > 0.

    Returns:
        inner: (V, kernel^2), symbols of the distinct windows of the first convolution; row 0 lies wholly outside.
        outer: (U, kernel^2), rows of `inner` in the distinct windows of the second one.
        sites: (N, H, W), the row of `outer` at every site.
    """
    numbers, count = number(symbols)
    values = np.zeros(count + 1, dtype=np.int64)
    values[numbers + 1] = symbols
    inner_sites, inner = windows(numbers + 1, count + 1, kernel, padding)
    inner = np.concatenate([np.zeros_like(inner[:1]), values[inner]])
    sites, outer = windows(inner_sites + 1, len(inner), kernel, padding)
    return inner, outer, sites


def windows(ids: np.ndarray, count: int, kernel: int, padding: str) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct kernel x kernel windows of maps (N, H, W) of ids below `count`; 0 lies outside.

    Returns:
        The number of every site's window, (N, H, W); the ids in each window, (windows, kernel^2).
    """
    margin = kernel // 2
    padded = np.pad(
        ids, [(0, 0), (margin, margin), (margin, margin)], mode="edge" if padding == "replicate" else "constant"
    )
    views = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))  # (N, H, W, k, k)
    packed, bound = np.zeros_like(ids), 1  # all ids of a window as the digits of one integer
    for row, column in itertools.product(range(kernel), repeat=2):
        if bound > np.iinfo(np.int64).max // count:
            packed, bound = number(packed)
        packed = packed * count + views[..., row, column]
        bound *= count
    numbers, distinct = number(packed)
    first = np.empty(distinct, dtype=np.int64)
    first[numbers.ravel()] = np.arange(ids.size)  # a site of each
    return numbers, views[np.unravel_index(first, ids.shape)].reshape(distinct, -1)


def number(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the distinct values of an array from 0: the number of each of its values, and how many there are."""
    flat = values.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))  # runs of equal values are sorted once
    distinct, numbers = np.unique(flat[starts], return_inverse=True)
    return np.repeat(numbers, np.diff(starts, append=len(flat))).reshape(values.shape), len(distinct)


def fixed_size(text: str | None, metadata: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) of all images, from --size WIDTHxHEIGHT or the model; None if each map has its own.

    Raises:
        InputError: the model cannot generate the requested size.
    """
    only = None if metadata["dynamic_size"] else (metadata["height"], metadata["width"])
    if text is None:
        return only
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise InputError(f"--size {text}: give WIDTHxHEIGHT in pixels, as in 512x256")
    height, width = int(match[2]), int(match[1])
    if only and (height, width) != only:
        raise InputError(f"--size {text}: the model makes {only[1]}x{only[0]} only (export it with --dynamic_size)")
    unit, smallest = metadata["size_multiple"], metadata["smallest_side"]
    if height % unit or width % unit or (not only and min(height, width) < smallest):
        raise InputError(f"--size {text}: sides must be multiples of {unit}, {smallest} or more")
    return height, width


def nearest_size(labels: np.ndarray, metadata: dict[str, Any]) -> tuple[int, int]:
    """The (height, width) nearest to that of labels (H, W) that a model of free size can generate."""
    unit, smallest = metadata["size_multiple"], metadata["smallest_side"]
    height, width = (max(smallest, (side + unit // 2) // unit * unit) for side in labels.shape)
    return height, width


def draw_latents(seed: int, index: int, z_dim: int, styles: int) -> np.ndarray:
    """Latents (styles, z_dim) float32 of a label map, by its index in the folder, equal to those of test.py."""
    generator = np.random.Generator(np.random.PCG64([seed, index]))
    return generator.standard_normal((styles, z_dim), dtype=np.float32)


def style_of(path: Path, model_path: Path, metadata: dict[str, Any], threads: int | None = None) -> np.ndarray:
    """Encode a photo to z (1, z_dim) with the encoder beside the generator."""
    encoder = Model(model_path.with_name(metadata["encoder"]), "encoder", threads)
    image = read_image(path)
    if np.asarray(image).dtype != np.uint8 and image.mode != "1":
        raise InputError(f"{path}: a photo of more than 8 bits (mode {image.mode}); save it with 8")
    # Pillow reads some of these wrongly.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PLANAR_CONFIGURATION) == PLANAR:
        raise InputError(f"{path}: a TIFF photo whose channels lie one after the other; save it as PNG or JPEG")
    if image.format != "TIFF":  # which Pillow rotates by itself
        warn_of_orientation("style photos", [path])
    size = metadata["width"], metadata["height"]
    photo = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    style = np.ascontiguousarray(photo.transpose(2, 0, 1))[None]  # (1, 3, H, W)
    return encoder.run(style=style / np.float32(127.5) - 1)


def choose_styles(args: argparse.Namespace, metadata: dict[str, Any]) -> Callable[[int], list[dict[str, np.ndarray]]]:
    """Return a function from the index of a label map to inputs of its images: z (1, z_dim), or none."""
    z_dim = metadata["z_dim"]
    if z_dim is None:
        if args.style_image or args.num_styles != 1:
            raise InputError("--style_image, --num_styles: the model was trained without an encoder and has no styles")
        return lambda index: [{}]
    if args.style_image and metadata["encoder"] is None:
        raise InputError(
            f"--style_image {args.style_image}: the model was trained without an encoder; use --num_styles"
        )
    if args.style_image:
        if args.num_styles != 1:
            raise InputError(f"--num_styles {args.num_styles}: --style_image is one style; give one of the two")
        z = style_of(args.style_image, args.model, metadata, args.threads)
        return lambda index: [{"z": z}]
    return lambda index: [{"z": z[None]} for z in draw_latents(args.seed, index, z_dim, args.num_styles)]


def pair_instances(args: argparse.Namespace, labels: dict[str, Path], edges: bool) -> dict[str, Path]:
    """The instance map of every label map; empty if the model takes no edges."""
    if not edges:
        if args.instances:
            raise InputError(f"--instances {args.instances}: the model was trained without instance maps; leave it out")
        return {}
    if not args.instances:
        raise InputError("--instances: needed, the folder of instance maps; the model was trained with their edges")
    instances = find_images(args.instances, "instance map")
    if missing := [name for name in labels if name not in instances]:
        counts = f"{len(missing)} of {len(labels)}"
        raise InputError(f"{args.instances}: {counts} label maps have no instance map ({some(missing)})")
    return {name: instances[name] for name in labels}


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Turn an image (3, H, W) in [-1, 1] into (H, W, 3) uint8. Fractions are cut off, as in the published code."""
    return ((image + 1) / 2 * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def save_png(pixels: np.ndarray, path: Path) -> None:
    """Write a PNG atomically, with the mark that `refuse_to_replace` checks."""
    info = PngImagePlugin.PngInfo()
    info.add_text(MADE_HERE, str(zlib.crc32(pixels.tobytes())))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.tmp")
    try:
        Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=info)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_to_replace(path: Path) -> None:
    """Raise an `InputError` for a file that this program did not write, or that was edited since."""
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with Image.open(path) as image:
            if image.info.get(MADE_HERE) == str(zlib.crc32(np.asarray(image).tobytes())):
                return
    except UNREADABLE:
        pass
    raise InputError(
        f"{path}: would be replaced, and is no image that generate.py has made; name another --output, or move the "
        f"file away"
    )


def image_path(args: argparse.Namespace, name: str, number: int) -> Path:
    """Path of the image of a label map in style `number`, from 1."""
    folder = args.output / f"style{number}" if args.num_styles > 1 else args.output
    return folder / f"{name}.png"


def generate(args: argparse.Namespace) -> int:
    """Write the images; return their number."""
    model = Model(args.model, "generator", args.threads)
    metadata = model.metadata
    fixed = fixed_size(args.size, metadata)
    labels = find_images(args.labels, "label map")
    instances = pair_instances(args, labels, metadata["edges"])
    for folder in filter(None, (args.labels, args.instances)):
        if args.output.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"--output {args.output}: lies in {folder}, among the maps; name another folder")
    warn_of_orientation("label maps", labels.values())
    warn_of_orientation("instance maps", instances.values())
    styles_of = choose_styles(args, metadata)
    for name, number in itertools.product(labels, range(1, args.num_styles + 1)):
        refuse_to_replace(image_path(args, name, number))
    for index, (name, path) in enumerate(tqdm(labels.items(), desc="generate", unit="map", dynamic_ncols=True)):
        ids = read_labels(path, metadata)
        size = fixed or nearest_size(ids, metadata)
        inputs = {"labels": resize(ids, size).astype(np.int64)[None]}  # (1, H, W)
        if metadata["edges"]:
            others = read_ids(instances[name])
            if others.shape != ids.shape:
                raise InputError(
                    f"{path} is {ids.shape[1]}x{ids.shape[0]} but {instances[name]} is "
                    f"{others.shape[1]}x{others.shape[0]}; the two must have one size"
                )
            inputs["edges"] = instance_edges(resize(others, size))[None]
        inputs = prepare(inputs, metadata)
        for number, z in enumerate(styles_of(index), start=1):
            save_png(to_uint8(model.run(**inputs, **z)[0]), image_path(args, name, number))
    return len(labels) * args.num_styles


def whole(low: int, high: int | None = None):
    """Make an argparse type for integers of at least `low`, and at most `high`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low or (high is not None and int(text) > high):
            allowed = f"{low} or more" if high is None else f"{low}..{high}"
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number, {allowed}")
        return int(text)

    return read


class OneLine(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong one ends the program with status 2."""
    parser = OneLine(prog="generate.py", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="generator of scripts.export")
    parser.add_argument("--labels", type=Path, required=True, metavar="DIR", help="folder of label maps, PNG files")
    parser.add_argument("--instances", type=Path, metavar="DIR", help="folder of instance maps of the same names")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the images")
    parser.add_argument("--size", metavar="WxH", help="of the images, for a model of --dynamic_size (each map's own)")
    parser.add_argument("--style_image", type=Path, metavar="FILE", help="photo whose style all images take")
    parser.add_argument("--threads", type=whole(1, 256), metavar="N", help="of the CPU (as many as cores)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the random styles (%(default)s)")
    parser.add_argument("--num_styles", type=whole(1), default=1, metavar="N", help="for each label map (%(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Generate images according to the command line; return the exit status."""
    args = parse_args(argv)
    try:
        count = generate(args)
        print(f"{count} images are in {args.output}", flush=True)
    except KeyboardInterrupt:
        print("generate.py: interrupted; the images that are there are whole", file=sys.stderr)
        return 130
    except (InputError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}"
        line = message.replace("\n", "\\n").replace("\r", "\\r")
        print(f"generate.py: error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold characters that the terminal cannot encode
    sys.exit(main())
