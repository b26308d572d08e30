"""Color-coded masks become id maps exactly, or are refused with file, position and color."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.opening import orientation_of
from data.palette import Entry, Palette, ids_of_mask, read_palette
from options.data_file import SETS
from scripts.prepare.convert_labels import main
from util.errors import InputError

pytestmark = pytest.mark.tools

COLORS = {"road": (128, 64, 0), "sky": (0, 128, 128), "tree": (0, 128, 0)}
SHARED_PHOTOS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "facade_photos"


@pytest.fixture
def palette(tmp_path) -> Path:
    path = tmp_path / "palette.json"
    path.write_text(json.dumps(COLORS))
    return path


def paint(ids: np.ndarray) -> np.ndarray:
    return np.array(list(COLORS.values()), dtype=np.uint8)[ids]


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def run(source: Path, target: Path, palette: Path, *words: str) -> None:
    main([str(source), str(target), "--palette", str(palette), "--workers", "1", *words])


def ids_of(path: Path) -> list:
    return np.asarray(Image.open(path)).tolist()


IDS = np.array([[0, 1, 2], [2, 2, 0]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_every_way_to_save_colors_gives_the_same_ids(tmp_path, palette, mode):
    picture = Image.fromarray(paint(IDS))
    picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    assert picture.mode == mode
    picture.save(tmp_path / "a.png")
    ids = ids_of_mask(tmp_path / "a.png", read_palette(palette))
    assert ids.tolist() == IDS.tolist() and ids.dtype == np.uint8


def test_grey_masks_are_colors_too(tmp_path):
    (tmp_path / "p.txt").write_text("0 0 0 0 nothing\n1 255 255 255 thing\n")
    path = save(tmp_path / "a.png", np.array([[0, 255]], dtype=np.uint8))
    assert ids_of_mask(path, read_palette(tmp_path / "p.txt")).tolist() == [[0, 1]]
    path = save(tmp_path / "b.png", np.array([[False, True]]))
    assert ids_of_mask(path, read_palette(tmp_path / "p.txt")).tolist() == [[0, 1]]


def write_16_bit_png(path: Path, pixel: tuple[int, int, int]) -> Path:
    """One pixel of 16 bits a channel, which Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", *pixel)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))
    return path


def test_colors_of_16_bits_are_read_exactly_or_refused(tmp_path, palette):
    whole = write_16_bit_png(tmp_path / "a.png", tuple(channel * 257 for channel in COLORS["sky"]))
    assert ids_of_mask(whole, read_palette(palette)).tolist() == [[1]]
    between = write_16_bit_png(tmp_path / "b.png", (0, 128 * 257 + 1, 128 * 257))
    with pytest.raises(InputError, match=r"b\.png: the pixel at x 0, y 0 has the 16-bit color 0 32897 32896, which"):
        ids_of_mask(between, read_palette(palette))


@given(data=st.data(), shape=st.tuples(st.integers(1, 12), st.integers(1, 12)), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_painting_and_converting_gives_the_ids_back(data, shape, seed):
    colors = data.draw(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=40, unique=True))
    ids = data.draw(st.lists(st.integers(0, 65535), min_size=len(colors), max_size=len(colors)))
    palette = Palette([Entry(i, color, "x") for i, color in zip(ids, colors)], Path("p"))
    places = np.random.default_rng(seed).integers(0, len(colors), shape)
    alpha = np.full((*shape, 1), 255)
    found, missing = palette.find(np.concatenate([np.array(colors)[places], alpha], axis=-1).astype(np.uint8))
    assert not missing.any() and (found == np.array(ids)[places]).all()
    assert found.dtype == (np.uint8 if max(ids) < 256 else np.uint16)


def test_a_folder_keeps_its_names_and_is_skipped_when_up_to_date(tmp_path, palette, capsys):
    save(tmp_path / "color" / "a" / "1.bmp", paint(IDS))
    save(tmp_path / "color" / "b.c.png", paint(IDS.T))
    run(tmp_path / "color", tmp_path / "ids", palette)
    assert sorted(p.relative_to(tmp_path / "ids").as_posix() for p in (tmp_path / "ids").rglob("*.*")) == [
        "a/1.png",
        "b.c.png",
    ]
    assert ids_of(tmp_path / "ids" / "a" / "1.png") == IDS.tolist()
    out = capsys.readouterr().out
    assert "2 id maps made, 0 up to date" in out
    checking = f"python -m scripts.prepare check --dataset_mode custom --label_dir {tmp_path / 'ids'}"
    assert f"{checking} --image_dir PHOTOS --label_nc 3" in out

    run(tmp_path / "color", tmp_path / "ids", palette)
    assert "0 id maps made, 2 up to date" in capsys.readouterr().out
    save(tmp_path / "color" / "b.c.png", paint(np.array([[1, 1]])))
    run(tmp_path / "color", tmp_path / "ids", palette)
    assert "1 id maps made, 1 up to date" in capsys.readouterr().out
    assert ids_of(tmp_path / "ids" / "b.c.png") == [[1, 1]]
    palette.write_text(json.dumps(dict(reversed(COLORS.items()))))
    run(tmp_path / "color", tmp_path / "ids", palette)
    assert ids_of(tmp_path / "ids" / "b.c.png") == [[1, 1]] and ids_of(tmp_path / "ids" / "a" / "1.png")[0] == [2, 1, 0]
    run(tmp_path / "color", tmp_path / "ids", palette, "--overwrite")
    assert "2 id maps made, 0 up to date" in capsys.readouterr().out.splitlines()[-2]


def test_a_wrong_color_is_refused_with_position_and_nearest_and_others_are_converted(tmp_path, palette, capsys):
    pixels = paint(IDS)
    pixels[1, 2] = (128, 64, 3)
    save(tmp_path / "color" / "bad.png", pixels)
    save(tmp_path / "color" / "good.png", paint(IDS))
    with pytest.raises(InputError, match="1 of 2 masks were refused"):
        run(tmp_path / "color", tmp_path / "ids", palette)
    assert (
        "bad.png: the pixel at x 2, y 1 has the color 128 64 3, which is not in "
        f"{palette} (nearest: 128 64 0 road, distance 3.0); 1 pixels have 1 such colors; add to the palette: 128 64 3"
    ) in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "ids").iterdir()] == ["good.png"]


@pytest.mark.parametrize(("name", "words"), [("a.jpg", "JPEG changes colors"), ("a.png", "made by smooth edges")])
def test_blurred_masks_are_told_why(tmp_path, palette, name, words):
    picture = Image.fromarray(paint(IDS)).resize((32, 32), Image.Resampling.BILINEAR)
    picture.save(tmp_path / name)
    with pytest.raises(InputError, match=words):
        ids_of_mask(tmp_path / name, read_palette(palette))


def test_transparent_pixels_are_refused(tmp_path, palette):
    pixels = np.dstack([paint(IDS), np.full(IDS.shape, 255, dtype=np.uint8)])
    pixels[1, 0, 3] = 254
    path = save(tmp_path / "a.png", pixels)
    with pytest.raises(InputError, match=r"a\.png: the pixel at x 0, y 1 is transparent \(alpha 254 of 255\)"):
        ids_of_mask(path, read_palette(palette))


def test_what_is_no_mask_is_named(tmp_path, palette):
    (tmp_path / "text.png").write_text("hello")
    save(tmp_path / "deep.png", np.array([[1, 300]], dtype=np.uint16))
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    for name in ("text.png", "deep.png", "gone.png"):
        with pytest.raises(InputError, match=name):
            ids_of_mask(tmp_path / name, read_palette(palette))


def test_sources_are_never_overwritten(tmp_path, palette):
    save(tmp_path / "m" / "m" / "a.png", paint(IDS))
    for target in (tmp_path / "m", tmp_path / "m" / "ids"):
        with pytest.raises(InputError, match="which holds the color-coded masks"):
            run(tmp_path / "m", target, palette)
    save(tmp_path / "m" / "a.png", paint(IDS))
    save(tmp_path / "m" / "m" / "m" / "a.png", paint(IDS))
    with pytest.raises(InputError, match="is a source itself"):
        run(tmp_path / "m" / "m", tmp_path / "m", palette)
    assert Image.open(tmp_path / "m" / "m" / "a.png").mode == "RGB"


# Palette files


def test_the_palette_of_a_labeling_tool_will_do_and_what_was_read_is_said(tmp_path, capsys):
    save(tmp_path / "color" / "a.png", paint(IDS))
    rows = "".join(f"{name}:{','.join(map(str, color))}::\n" for name, color in COLORS.items())
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + rows)
    run(tmp_path / "color", tmp_path / "ids", tmp_path / "labelmap.txt")
    assert ids_of(tmp_path / "ids" / "a.png") == IDS.tolist()
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith(
        "labelmap.txt: 3 colors, ids in the order of the file: 0 road (128 64 0), 1 sky (0 128 128), 2 tree (0 128 0)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "# id r g b name\n0 128 64 0 road\n1 0 128 128 sky\n2 0 128 0 tree\n",
        "id,r,g,b,name\n0,128,64,0,road\n1,0,128,128,sky\n2,0,128,0,tree\n",
        json.dumps(COLORS),
        json.dumps([{"id": i, "name": name, "color": color} for i, (name, color) in enumerate(COLORS.items())]),
        json.dumps({"classes": [{"id": i, "name": n, "colour": c} for i, (n, c) in enumerate(COLORS.items())]}),
        json.dumps({"names": list(COLORS), "colours": COLORS, "unknown": 255}),
    ],
)
def test_all_forms_of_palette_files(tmp_path, text):
    (tmp_path / "p").write_text(text)
    palette = read_palette(tmp_path / "p")
    assert [(entry.id, entry.color, entry.name) for entry in palette.entries] == [
        (i, color, name) for i, (name, color) in enumerate(COLORS.items())
    ]


@pytest.mark.parametrize("unknown", [None, 7])
@pytest.mark.parametrize(
    "text",
    [
        "0 1 1 1 a\nunknown 0 0 0 void\n",
        "0 1 1 1 a\n-1 0 0 0 void\n",
        json.dumps([{"id": 0, "color": [1, 1, 1]}, {"id": None, "color": [0, 0, 0]}]),
        json.dumps({"names": ["a"], "colors": {"a": [1, 1, 1], "void": [0, 0, 0]}}),
    ],
)
def test_colors_of_no_class_are_unknown(tmp_path, text, unknown):
    (tmp_path / "p").write_text(text)
    assert [entry.id for entry in read_palette(tmp_path / "p", unknown).entries] == [0, unknown or 255]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no color"),
        ("0 1\n", "holds names or ids without colors"),
        ("0 1 1\nx 1 2 2 2\n", "line 2: 'x 1 2 2 2' is no color of a class"),
        ("0 1 1\n1 2 2 2 x\n", "line 1: '0 1 1' is no color of a class as others are, of the form `id r g b"),
        ("0 1 1 256 x\n", "line 1: a color is three whole numbers 0..255"),
        ("0 1 1 1 x\n# x\nzero 1 1 1 x\n", "line 3: 'zero 1 1 1 x' is no color of a class as others are"),
        ("0 1 1 1 a\n1 1 1 1 b\n", r"a \(id 0\) and b \(id 1\) have one color, 1 1 1"),
        ("{", "is no JSON"),
        ('{"a": 3}', "holds no classes with colors; write lines of `id r g b name`"),
        ('{"a": null, "b": [1, 1, 1]}', '"a": a color is three whole numbers'),
        ("[1]", "holds no classes with colors"),
        ('{"names": ["raod"], "colors": {"road": [1, 1, 1]}}', "raod is among the names but has no color"),
        ('[{"id": 65536, "color": [1, 1, 1]}]', "an id is a number"),
    ],
)
def test_wrong_palettes_are_refused_with_the_place(tmp_path, text, words):
    (tmp_path / "p").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_palette(tmp_path / "p")
    assert "\n" not in str(caught.value)


def test_data_files_are_palettes():
    palette = read_palette(SETS / "coco.toml")
    assert len(palette.entries) == 182 and palette.entries[156].name == "sky-other"


# Real files, and speed


def test_published_masks_of_facades(tmp_path):
    """The small label maps of the same photos were made from them: every pixel must agree."""
    if not SHARED_PHOTOS.is_dir():
        pytest.skip("the folder with real data set files is not beside the repository")
    run(SHARED_PHOTOS / "raw_colour_labels", tmp_path / "ids", SHARED_PHOTOS / "classes.json")
    made = sorted((tmp_path / "ids").iterdir())
    assert len(made) == 4
    for path in made:
        small = Image.open(SHARED_PHOTOS / "val_label" / path.name)
        resized = Image.open(path).resize(small.size, Image.Resampling.NEAREST)
        assert (np.asarray(resized) == np.asarray(small)).all()


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_the_orientation_of_a_mask_goes_with_its_ids(tmp_path, palette, ending):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "masks" / f"a.{ending}", paint(IDS), exif=exif)
    run(tmp_path / "masks", tmp_path / "ids", palette)
    assert ids_of(tmp_path / "ids" / "a.png") == IDS.tolist() and orientation_of(tmp_path / "ids" / "a.png") == 6


def test_masks_beside_photos_are_converted_alone(tmp_path, palette, capsys):
    save(tmp_path / "all" / "a.png", paint(IDS))
    save(tmp_path / "all" / "a.jpg", paint(IDS))
    (tmp_path / "all" / "b.heic").touch()
    run(tmp_path / "all", tmp_path / "ids", palette)
    assert ids_of(tmp_path / "ids" / "a.png") == IDS.tolist()
    said = capsys.readouterr().err
    assert "1 file is left out: JPEG, beside" in said and "1 file is left out: 1 .heic (b.heic)" in said
