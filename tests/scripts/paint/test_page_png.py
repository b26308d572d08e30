"""PNG files that the paint page reads and writes, against Pillow and files by the specification."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.scripts.paint.page_modules import PageError
from tests.scripts.paint.png_files import KINDS, SIGNATURE, chunk, encode, header, random_samples

pytestmark = pytest.mark.tools

SIZES = [(13, 21), (1, 1), (3, 2), (8, 5)]
PALETTE = bytes(range(256)) * 3


def saved(image: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **how)
    return file.getvalue()


def read(modules, files: list[bytes]) -> list[dict]:
    return modules.run("return Promise.all(args[0].map((bytes) => png.readPng(bytes)))", files)


def refusal(modules, data: bytes) -> str:
    with pytest.raises(PageError) as refused:
        read(modules, [data])
    assert re.fullmatch(r"PngError: this .*[^.]", str(refused.value))
    return str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_color_type_and_bit_depth_with_every_filter_and_interlace(modules, kind):
    rng = np.random.default_rng(0)
    cases = [(random_samples(kind, size, rng), interlace) for size in SIZES for interlace in (0, 1)]
    palette = PALETTE[: 3 * 2 ** kind[1]] if kind[0] == 3 else b""
    files = [encode(samples, kind, interlace, (3, 4, 2, 1, 0), palette) for samples, interlace in cases]
    for (samples, _), found, file in zip(cases, read(modules, files), files):
        assert (found["colorType"], found["bitDepth"]) == kind
        assert (found["height"], found["width"], found["channels"]) == samples.shape
        assert found["data"].dtype == samples.dtype and np.array_equal(found["data"], samples.ravel())
        assert (found["palette"] is None) == (not palette)
        if kind[1] == 8:  # the test's own files are right, says Pillow
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))).ravel(), found["data"])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "RGB", "RGBA", "P"])
def test_files_of_pillow(modules, mode):
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(40), np.arange(50))[..., None] * np.arange(1, 5) // 2 % 256
    images = []
    for values in (smooth, rng.integers(0, 256, smooth.shape)):  # Pillow chooses other filters for these
        rgba = Image.fromarray(values.astype(np.uint8), "RGBA")
        if mode == "I;16":
            images.append(Image.fromarray((values[..., 0] * 255).astype(np.uint16)))
        else:
            images.append(rgba.quantize(200) if mode == "P" else rgba.convert(mode))
    for image, found in zip(images, read(modules, [saved(image) for image in images])):
        assert np.array_equal(found["data"], np.asarray(image).ravel())
        if mode == "P":
            pixels = np.array(found["palette"])[found["data"]].reshape(40, 50, 3)
            assert np.array_equal(pixels, np.asarray(image.convert("RGB")))


def test_files_of_one_chunk_a_byte_and_with_texts_are_read(modules):
    data = zlib.compress(b"\0\7\0\x09")
    parts = [header(1, 2), chunk(b"tEXt", b"Title\0x"), *(chunk(b"IDAT", bytes([byte])) for byte in data)]
    assert read(modules, [SIGNATURE + b"".join([*parts, chunk(b"IEND")])])[0]["data"].tolist() == [7, 9]


def test_broken_files_are_refused_in_one_line(modules):
    good = encode(np.zeros((4, 4, 1), np.uint8), (0, 8))
    rows = zlib.compress(bytes(20))

    def built(*parts: bytes) -> bytes:
        return SIGNATURE + b"".join([*parts, chunk(b"IEND")])

    for data in (b"", b"GIF89a", good[:7], saved(Image.new("RGB", (4, 4))).replace(b"PNG", b"PNK", 1)):
        assert refusal(modules, data) == "PngError: this is not a PNG file"
    for length in (8, 20, 40, len(good) - 1, len(good) - 12):
        assert "is cut off" in refusal(modules, good[:length])
    for position in (18, 45, len(good) - 2):
        broken = bytearray(good)
        broken[position] ^= 1
        assert "wrong checksum at byte" in refusal(modules, bytes(broken))
    cases = {
        "one header, as its first chunk": built(chunk(b"IDAT", rows), header(4, 4)),
        "a header of 12 bytes": built(chunk(b"IHDR", bytes(12))),
        "color type 5 with 8 bits": built(header(4, 4, color=5)),
        "color type 2 with 4 bits": built(header(4, 4, depth=4, color=2)),
        "interlace 2": built(header(4, 4, interlace=2)),
        "0x4 pixels": built(header(0, 4), chunk(b"IDAT", rows)),
        "its palette is missing": built(header(4, 4, color=3), chunk(b"IDAT", rows)),
        "a palette of 4 bytes": built(header(4, 4, color=3), chunk(b"PLTE", bytes(4))),
        "an extension that is not known: NEEd": built(header(4, 4), chunk(b"NEEd"), chunk(b"IDAT", rows)),
        "cannot be decompressed": built(header(4, 4), chunk(b"IDAT", b"no zlib")),
        "too little": built(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(19)))),
        "too much": built(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(21)))),
        "no row has filter 5": built(header(4, 4), chunk(b"IDAT", zlib.compress(b"\5" + bytes(19)))),
    }
    for message, data in cases.items():
        assert message in refusal(modules, data)
    assert "cannot be decompressed" in refusal(modules, built(header(4, 4), chunk(b"IDAT", rows[:-6])))
    assert "too little" in refusal(modules, built(header(4, 4)))


def test_damage_behind_right_checksums_is_refused_or_read(modules):
    """No damage makes another error than a refusal, nor another number of samples."""
    rng = np.random.default_rng(4)
    files = []
    for _ in range(200):
        data = bytearray(zlib.compress(rng.integers(0, 2, 4 * 13, np.uint8).tobytes()))
        data[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
        fields = bytearray(struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
        fields[rng.integers(0, 13)] ^= rng.integers(0, 2) << rng.integers(0, 5)
        files.append(SIGNATURE + chunk(b"IHDR", fields) + chunk(b"IDAT", data) + chunk(b"IEND"))
    body = """return Promise.all(args[0].map((bytes) => png.readPng(bytes).then(
      ({ width, height, channels, data }) => data.length === width * height * channels,
      (error) => error instanceof png.PngError)))"""
    assert modules.run(body, files) == [True] * 200


def test_huge_files_are_refused_before_they_are_inflated(modules):
    """Sizes that are too large, sizes that the file cannot fill, and pixels that no one asked for."""
    small = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND")
    assert "has 2147483647x2147483647 pixels" in refusal(modules, SIGNATURE + header(2**31 - 1, 2**31 - 1) + small)
    assert "has 8193x8192 pixels; files of 1 to 67108864" in refusal(modules, SIGNATURE + header(8193, 8192) + small)
    assert "too little" in refusal(modules, SIGNATURE + header(8192, 8192, 16, 6) + small)
    bomb = chunk(b"IDAT", zlib.compress(bytes(2**24))) + chunk(b"IEND")
    assert "too much" in refusal(modules, SIGNATURE + header(9, 9) + bomb)
    lie = struct.pack(">I", 2**31) + b"IDAT"  # a chunk longer than the file
    assert "is cut off" in refusal(modules, SIGNATURE + header(9, 9) + lie + bytes(20))


def test_ids_are_written_as_palette_indices(modules):
    rng = np.random.default_rng(2)
    colors = rng.integers(0, 256, (19, 3)).tolist()
    for height, width, largest in ((7, 11, 18), (1, 1, 0), (30, 20, 255)):
        ids = rng.integers(0, largest + 1, (height, width), np.uint8)
        ids[-1, -1] = largest
        file = modules.run("return png.writeIndexedPng(...args)", width, height, ids, colors).tobytes()
        image = Image.open(io.BytesIO(file))
        image.verify()
        image = Image.open(io.BytesIO(file))
        assert image.mode == "P" and np.array_equal(np.asarray(image), ids)
        shown = np.array([*colors, *[[0, 0, 0]] * 237])[ids]
        assert np.array_equal(np.asarray(image.convert("RGB")), shown)
        found = read(modules, [file])[0]
        assert np.array_equal(found["data"], ids.ravel()) and found["palette"][:19] == colors


def test_pictures_are_written_exactly(modules):
    rng = np.random.default_rng(3)
    for height, width in ((1, 1), (9, 14), (64, 64)):
        rgba = rng.integers(0, 256, (height, width, 4), np.uint8)
        file = modules.run("return png.writeRgbPng(...args)", width, height, rgba).tobytes()
        image = Image.open(io.BytesIO(file))
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), rgba[..., :3])
        assert np.array_equal(read(modules, [file])[0]["data"], rgba[..., :3].ravel())
