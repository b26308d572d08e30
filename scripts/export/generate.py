#!/usr/bin/env python3
"""Turn label maps into images with a file of scripts.export: generate.py --model FILE --labels DIR --output DIR.

Needs numpy, Pillow, tqdm, and onnxruntime (for .onnx files) or torch (for .pt2 files); nothing of the project it comes
from, so it can be copied beside the model. Label maps are PNG files with one class id per pixel, at any size.
Images that it has made before are replaced, and no other files.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # what follows takes time to import
    signal.signal(signal.SIGINT, lambda *_: os.write(2, b"generate.py: interrupted\n") and os._exit(130))

import numpy as np
from PIL import Image, PngImagePlugin
from tqdm import tqdm

METADATA = "spade.json"
VERSION = 1
PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
NO_PICTURES = (".txt", ".json", ".xml", ".csv", ".md", ".html")
# One channel of whole numbers. A palette picture ("P") holds ids; its palette is only for the eye.
ID_MODES = {"1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"}
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
MADE_HERE = "generate.py"  # key of a text in the images, which holds the checksum of their pixels
ORIENTATION, UPRIGHT = 0x0112, 1  # tag of EXIF, and what it says where nothing is to be turned
BY_PLANE = (284, 2)  # tag of TIFF, and what it says where channels lie one after the other
PNG_DEPTH_AT = 24  # byte of a PNG file that holds the bits per sample
SHOWN = 4  # wrong ids, or names, in a message


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line."""


class Model:
    """An exported network: `run` it, and read what its `metadata` says.

    Args:
        path: file of scripts.export.
        kind: "generator" or "encoder".
    Raises:
        InputError: it is no such file, or what runs it is not installed.
    """

    def __init__(self, path: Path, kind: str):
        if not path.is_file():
            raise InputError(f"{path}: no such file; scripts.export makes it")
        try:
            self.run, text = _open_torch_export(path) if zipfile.is_zipfile(path) else _open_onnx(path)
        except ImportError as error:
            package = (error.name or "").partition(".")[0] or ("torch" if zipfile.is_zipfile(path) else "onnxruntime")
            reason = "" if isinstance(error, ModuleNotFoundError) else f" ({str(error).partition(chr(10))[0]})"
            raise InputError(f"{path}: needs the package {package}{reason}: pip install {package}") from None
        if text is None:
            raise InputError(f"{path}: was not made by scripts.export, so nothing says what it takes")
        self.metadata: dict[str, Any] = json.loads(text)
        if self.metadata["version"] != VERSION:
            raise InputError(f"{path}: is of version {self.metadata['version']}; this generate.py reads {VERSION}")
        if self.metadata["kind"] != kind:
            raise InputError(f"{path}: holds the {self.metadata['kind']}, and the {kind} is needed")


def _open_onnx(path: Path):
    """A function from arrays by name to the output, and the metadata, of an ONNX file."""
    try:
        import onnxruntime
    except ImportError:
        raise
    except Exception as error:  # an installation is broken in many ways
        raise ImportError(str(error), name="onnxruntime") from error

    available = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
    try:
        session = onnxruntime.InferenceSession(path, providers=providers)
    except Exception as error:  # its exceptions have no name in common
        reason = str(error).strip().partition("\n")[0][:120]
        raise InputError(f"{path}: neither an ONNX file that can be run, nor one of torch.export ({reason})") from None
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    return lambda **inputs: session.run(None, inputs)[0], text


def _open_torch_export(path: Path):
    """The same of an archive of torch.export. Its metadata are read first: other zip files need no torch to be told."""
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith(f"/extra/{METADATA}")]
        text = archive.read(found[0]).decode() if found else None
    if text is None:
        return None, None
    import torch

    try:
        module = torch.export.load(io.BytesIO(path.read_bytes())).module()
    except (RuntimeError, ValueError, KeyError, AttributeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:120]
        raise InputError(
            f"{path}: cannot be opened by torch {torch.__version__}, and torch {json.loads(text)['torch']} made it "
            f"({reason})"
        ) from None

    def run(**inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(**{name: torch.from_numpy(array) for name, array in inputs.items()}).numpy()

    return run, text


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which "b2" comes before "b10"."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))], name


def find_pictures(folder: Path, what: str) -> dict[str, Path]:
    """The pictures below a folder, hidden ones left out, by relative path without extension, in natural order.

    Links to folders are followed, but for those that contain them.
    """
    if not folder.is_dir():
        why = "is a file, and a folder is wanted" if folder.is_file() else "no such folder"
        raise InputError(f"{folder}: {why}; it should hold the {what}s")
    found: dict[str, Path] = {}
    left_out = []
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        above = {os.path.realpath(path) for path in (parent, *Path(parent).parents)}
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and os.path.realpath(Path(parent, name)) not in above
        ]
        for file in files:
            if file.startswith(".") or not file.lower().endswith(PICTURES):
                left_out += [file] * (not file.startswith(".") and not file.lower().endswith(NO_PICTURES))
                continue
            path = Path(parent, file)
            name = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
            if name in found:
                raise InputError(f'{path} and {found[name]} are both called "{name}"; keep one of them')
            found[name] = path
    if not found:
        raise InputError(f"{folder}: holds no pictures; it should hold the {what}s, as PNG files")
    if left_out:
        print(f"warning: {folder}: {len(left_out)} files left out, such as {min(left_out)}", file=sys.stderr)
    return {name: found[name] for name in sorted(found, key=natural_key)}


def warn_of_turned(what: str, paths: Iterable[Path]) -> None:
    """Print a line if pictures have an EXIF orientation, which is not applied."""
    paths = list(paths)
    turned = [path.name for path in paths if _is_turned(path)]
    if turned:
        shown = ", ".join(turned[:SHOWN]) + (", ..." if len(turned) > SHOWN else "")
        print(
            f"warning: {len(turned)} of {len(paths)} {what} ({shown}) have an EXIF orientation: viewers show them "
            f"turned or mirrored, and here pixels are used as they are stored; save them upright",
            file=sys.stderr,
        )


def _is_turned(path: Path) -> bool:
    try:
        with Image.open(path) as picture:  # not the method of PNG files, which decodes the whole picture
            return Image.Image.getexif(picture).get(ORIENTATION, UPRIGHT) in range(UPRIGHT + 1, 9)
    except (*UNREADABLE, LookupError, TypeError):  # broken in ways of its own
        return False


def read_ids(path: Path) -> np.ndarray:
    """Read one whole number a pixel from a PNG without loss: (H, W) uint8 or int32."""
    picture = _read(path)
    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise InputError(f"{path}: holds {frames} frames or pages; save the one that is meant as a file of its own")
    if picture.mode == "LA":
        raise InputError(f"{path}: has an alpha channel; save the map without, as a PNG with one id per pixel")
    if picture.mode not in ID_MODES:
        raise InputError(f"{path}: is a colour picture (mode {picture.mode}), not a map of ids; save one id per pixel")
    if picture.format != "PNG":
        raise InputError(f"{path}: is a {picture.format} file; save the map as a PNG with one id per pixel")
    ids = np.asarray(picture)
    # Not 16 bits: Pillow's NEAREST picks other pixels in its mode "I;16" than in "L".
    ids = ids.astype(np.uint8 if ids.itemsize == 1 else np.int32, copy=False)
    if picture.mode == "L":
        with path.open("rb") as file:
            bits = file.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT]
        if bits < 8:  # Pillow stretches grey of 2 and 4 bits to 0..255
            ids = ids // np.uint8(255 // (2**bits - 1))
    return ids


def _read(path: Path) -> Image.Image:
    """Decode a picture; for PNG files compare the check sums first."""
    try:
        with Image.open(path) as picture:
            if picture.format == "PNG":
                picture.verify()
        with Image.open(path) as picture:
            picture.load()
            return picture
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: cannot be read as a picture ({reason})") from None


def read_labels(path: Path, metadata: dict[str, Any]) -> np.ndarray:
    """Read a label map (H, W), its unknown pixels as the id that the network has for them; refuse other ids."""
    ids, unknown = read_ids(path), metadata["unknown_value"]
    is_unknown = np.zeros(ids.shape, dtype=bool) if unknown is None else ids == unknown
    is_wrong = ((ids < 0) | (ids >= metadata["file_ids"])) & ~is_unknown
    if is_wrong.any():
        wrong = np.unique(ids[is_wrong]).tolist()
        allowed = f"0..{metadata['file_ids'] - 1}" + ("" if unknown is None else f", or {unknown} for unknown")
        shown = ", ".join(map(str, wrong[:SHOWN])) + (", ..." if len(wrong) > SHOWN else "")
        raise InputError(f"{path}: holds label {shown}; the model knows {allowed}")
    return np.where(is_unknown, np.int32(metadata["unknown_id"] or 0), ids.astype(np.int32))


def resize(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ids (H, W) to (height, width) by picking pixels."""
    return np.asarray(Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST))


def instance_edges(instances: np.ndarray) -> np.ndarray:
    """Mark every pixel of (H, W) whose instance id differs from one of its four neighbours; bool."""
    edges = np.zeros(instances.shape, dtype=bool)
    across, down = instances[:, 1:] != instances[:, :-1], instances[1:] != instances[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


class Sizes:
    """Which size the image of a label map gets: that of --size WIDTHxHEIGHT, the model's only one, or the map's own.

    Raises:
        InputError: the model cannot make the size that was asked for.
    """

    def __init__(self, text: str | None, metadata: dict[str, Any]):
        self.unit, self.smallest = metadata["size_multiple"], metadata["smallest_side"]
        only = None if metadata["dynamic_size"] else (metadata["height"], metadata["width"])
        self.fixed = only
        if text is None:
            return
        match = re.fullmatch(r"(\d+)x(\d+)", text)
        if not match:
            raise InputError(f"--size {text}: give WIDTHxHEIGHT in pixels, as in 512x256")
        height, width = self.fixed = int(match[2]), int(match[1])
        if only and self.fixed != only:
            raise InputError(f"--size {text}: the model makes {only[1]}x{only[0]} only (export it with --dynamic_size)")
        if height % self.unit or width % self.unit or (not only and min(height, width) < self.smallest):
            raise InputError(f"--size {text}: sides must be multiples of {self.unit}, {self.smallest} or more")

    def of(self, labels: np.ndarray) -> tuple[int, int]:
        """(height, width) for labels (H, W); where every size will do, the possible one that is nearest."""
        if self.fixed:
            return self.fixed
        height, width = (max(self.smallest, (side + self.unit // 2) // self.unit * self.unit) for side in labels.shape)
        return height, width


def draw_latents(seed: int, index: int, z_dim: int, styles: int) -> np.ndarray:
    """Latents (styles, z_dim) float32 of a label map, by its place in the folder, as test.py draws them."""
    generator = np.random.Generator(np.random.PCG64([seed, index]))
    return generator.standard_normal((styles, z_dim), dtype=np.float32)


def style_of(path: Path, model_path: Path, metadata: dict[str, Any]) -> np.ndarray:
    """z (1, z_dim) of a photo, by the encoder that lies beside the generator."""
    encoder = Model(model_path.with_name(metadata["encoder"]), "encoder")
    picture = _read(path)
    if np.asarray(picture).dtype != np.uint8 and picture.mode != "1":
        raise InputError(f"{path}: a photo of more than 8 bits (mode {picture.mode}); save it with 8")
    tag, value = BY_PLANE
    if picture.format == "TIFF" and picture.tag_v2.get(tag) == value:  # of which Pillow reads some wrongly
        raise InputError(f"{path}: a TIFF photo whose channels lie one after the other; save it as PNG or JPEG")
    if picture.format != "TIFF":  # which Pillow turns
        warn_of_turned("style photos", [path])
    size = metadata["width"], metadata["height"]
    photo = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    return encoder.run(style=np.ascontiguousarray(photo.transpose(2, 0, 1))[None] / np.float32(127.5) - 1)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """An image (3, H, W) in [-1, 1] as (H, W, 3) uint8. Fractions are cut off, as in the published code."""
    return ((image + 1) / 2 * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def save_png(pixels: np.ndarray, path: Path) -> None:
    """Write a PNG whole or not at all, so that `refuse_to_replace` knows it."""
    info = PngImagePlugin.PngInfo()
    info.add_text(MADE_HERE, str(zlib.crc32(pixels.tobytes())))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.tmp")
    try:
        Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=info)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def image_path(args: argparse.Namespace, name: str, number: int) -> Path:
    """Where the image of a label map in its style of that number, from 1, goes."""
    folder = args.output / f"style{number}" if args.num_styles > 1 else args.output
    return folder / f"{name}.png"


def refuse_to_replace(path: Path) -> None:
    """Raise an `InputError` for a file that is no image of an earlier run, or one that has been edited since."""
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with Image.open(path) as picture:
            if picture.info.get(MADE_HERE) == str(zlib.crc32(np.asarray(picture).tobytes())):
                return
    except UNREADABLE:
        pass
    raise InputError(
        f"{path}: would be replaced, and is no image that generate.py has made; name another --output, or move the "
        f"file away"
    )


def pair_instances(args: argparse.Namespace, labels: dict[str, Path], edges: bool) -> dict[str, Path]:
    """The instance map of every label map; none if the model takes no edges."""
    if not edges:
        if args.instances:
            raise InputError(f"--instances {args.instances}: the model was trained without instance maps; leave it out")
        return {}
    if not args.instances:
        raise InputError("--instances: needed, the folder of instance maps; the model was trained with their edges")
    instances = find_pictures(args.instances, "instance map")
    missing = [name for name in labels if name not in instances]
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise InputError(f"{args.instances}: {len(missing)} of {len(labels)} label maps have no instance map ({shown})")
    return instances


def styles(args: argparse.Namespace, metadata: dict[str, Any]) -> Iterator[list[dict[str, np.ndarray]]]:
    """For each label map in turn, what to give the generator for each of its images: z (1, z_dim), or nothing."""
    z_dim = metadata["z_dim"]
    if z_dim is None:
        if args.style_image or args.num_styles != 1:
            raise InputError("--style_image, --num_styles: the model was trained without an encoder and has no styles")
        while True:
            yield [{}]
    if args.style_image:
        if args.num_styles != 1:
            raise InputError(f"--num_styles {args.num_styles}: --style_image is one style; give one of the two")
        z = style_of(args.style_image, args.model, metadata)
        while True:
            yield [{"z": z}]
    for index in itertools.count():
        yield [{"z": z[None]} for z in draw_latents(args.seed, index, z_dim, args.num_styles)]


def generate(args: argparse.Namespace) -> int:
    """Write the images; return how many."""
    model = Model(args.model, "generator")
    metadata = model.metadata
    sizes = Sizes(args.size, metadata)
    labels = find_pictures(args.labels, "label map")
    instances = pair_instances(args, labels, metadata["edges"])
    for folder in filter(None, (args.labels, args.instances)):
        if args.output.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"--output {args.output}: lies in {folder}, among the maps; name another folder")
    warn_of_turned("label maps", labels.values())
    warn_of_turned("instance maps", (instances[name] for name in labels if name in instances))
    style = styles(args, metadata)
    latents = next(style)  # before the bar, so that what is wrong with them has a line of its own
    for name, number in itertools.product(labels, range(1, args.num_styles + 1)):
        refuse_to_replace(image_path(args, name, number))
    for name, path in tqdm(labels.items(), desc="generate", unit="map", dynamic_ncols=True):
        ids = read_labels(path, metadata)
        size = sizes.of(ids)
        inputs = {"labels": resize(ids, size).astype(np.int64)[None]}
        if metadata["edges"]:
            others = read_ids(instances[name])
            if others.shape != ids.shape:
                raise InputError(
                    f"{path} is {ids.shape[1]}x{ids.shape[0]} but {instances[name]} is "
                    f"{others.shape[1]}x{others.shape[0]}; the two must have one size"
                )
            inputs["edges"] = instance_edges(resize(others, size))[None]
        for number, z in enumerate(latents, start=1):
            save_png(to_uint8(model.run(**inputs, **z)[0]), image_path(args, name, number))
        latents = next(style)
    return len(labels) * args.num_styles


def at_least(low: int):
    """A reader of whole numbers for the command line."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number, {low} or more")
        return int(text)

    return read


class OneLine(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = OneLine(prog="generate.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="generator of scripts.export")
    parser.add_argument("--labels", type=Path, required=True, metavar="DIR", help="folder of label maps, PNG files")
    parser.add_argument("--instances", type=Path, metavar="DIR", help="folder of instance maps of the same names")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the images")
    parser.add_argument("--size", metavar="WxH", help="of the images, for a model of --dynamic_size (each map's own)")
    parser.add_argument("--style_image", type=Path, metavar="FILE", help="photo whose style all images take")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the random styles (%(default)s)")
    parser.add_argument(
        "--num_styles", type=at_least(1), default=1, metavar="N", help="for each label map (%(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Generate as the command line says; return the exit status."""
    args = parse_args(argv)
    try:
        count = generate(args)
        print(f"{count} images are in {args.output}", flush=True)
    except KeyboardInterrupt:
        print("generate.py: interrupted; the images that are there are whole", file=sys.stderr)
        return 130
    except (InputError, OSError) as error:
        named = isinstance(error, OSError) and error.filename is not None
        message = f"{error.filename}: {error.strerror}" if named else str(error)
        line = message.replace("\n", "\\n").replace("\r", "\\r")
        print(f"generate.py: error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a name may hold what the terminal cannot show
    sys.exit(main())
