"""Label maps that the paint page opens and saves, against Pillow and the project's own reading."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from data.coco import CocoDataset
from data.id_maps import read_ids
from data.landscape import CLASS_COLORS, CLASS_NAMES
from data.read import LabelIds
from tests.scripts.paint.page_modules import PageError
from tests.scripts.paint.png_files import encode

pytestmark = pytest.mark.tools

HEIGHT, WIDTH = 12, 16


def model(names, colors, height=HEIGHT, width=WIDTH, **facts) -> dict:
    classes = [
        {"id": i, "name": name, "color": [int(channel) for channel in color]}
        for i, (name, color) in enumerate(zip(names, colors))
    ]
    sizes = {"height": height, "width": width, "num_labels": len(classes)}
    return {"classes": classes, "unknown_id": None, "unknown_value": None, **sizes, **facts}


UNKNOWN = {"unknown_id": 18, "unknown_value": 255}
LANDSCAPES = model([*CLASS_NAMES, "unknown"], [*CLASS_COLORS, [0, 0, 0]], **UNKNOWN, coco_ids={"plant": 118})
GAUGAN = {"sky": 0x9CEEDD, "cloud": 0x696969, "sea": 0x9AC6DA, "water": 0xB1C8FF, "tree": 0xA8C832}


def png(array: np.ndarray, mode: str | None = None, palette=None) -> bytes:
    file, image = io.BytesIO(), Image.fromarray(array, mode)
    if palette is not None:
        image.putpalette(np.asarray(palette, np.uint8).tobytes())
    image.save(file, "PNG")
    return file.getvalue()


def rgb(color: int) -> list[int]:
    return [color >> 16, color >> 8 & 255, color & 255]


def opened(modules, data: bytes, wanted=LANDSCAPES) -> tuple[np.ndarray, str]:
    found = modules.run("return label_files.readLabelMap(...args)", data, wanted)
    assert found["ids"].dtype == np.uint8
    return found["ids"].reshape(wanted["height"], wanted["width"]), found["note"]


def refusal(modules, data: bytes, wanted=LANDSCAPES) -> str:
    with pytest.raises(PageError) as refused:
        opened(modules, data, wanted)
    return re.fullmatch("LabelFileError: this (.*[^.])", str(refused.value)).group(1)


@pytest.fixture
def ids() -> np.ndarray:
    """A map with all classes of the landscapes, and unknown pixels."""
    return np.random.default_rng(0).permutation(np.arange(HEIGHT * WIDTH) % 19).astype(np.uint8).reshape(HEIGHT, WIDTH)


def test_id_maps_of_every_kind_are_read(modules, ids):
    values = np.where(ids == 18, 255, ids).astype(np.uint8)
    alpha = np.full_like(ids, 255)
    for data in (
        png(values),
        png(ids),  # the model's own id for unknown means nothing else
        png(values.astype(np.uint16)),
        png(values, "P", np.arange(256).repeat(3)),
        png(values, "P", CLASS_COLORS),
        png(ids, "P", [*CLASS_COLORS, [0, 0, 0]]),
        png(values, "P", np.random.default_rng(1).integers(0, 256, (256, 3))),
        png(np.dstack([values, alpha]), "LA"),
        png(np.dstack([values] * 3)),
        png(np.dstack([values] * 3 + [alpha])),
    ):
        found, note = opened(modules, data)
        assert np.array_equal(found, ids) and note == "Read as ids"
    few = (ids % 4)[..., None]  # of 2 bits, which Pillow would scale to 0..255
    for kind, palette in (((0, 2), b""), ((3, 2), bytes(range(12)))):
        assert np.array_equal(opened(modules, encode(few, kind, palette=palette))[0], few[..., 0])


def test_colors_of_the_classes_are_read(modules, ids):
    colors = np.array([entry["color"] for entry in LANDSCAPES["classes"]], np.uint8)
    for data in (png(colors[ids]), png(np.dstack([colors[ids], np.full_like(ids, 255)]))):
        found, note = opened(modules, data)
        assert np.array_equal(found, ids) and note == "Read by the colors of the classes"


def test_gaugans_colors_are_read(modules):
    names = np.random.default_rng(2).choice(list(GAUGAN), (HEIGHT, WIDTH))
    pixels = np.array([[rgb(GAUGAN[name]) for name in row] for row in names], np.uint8)
    found, note = opened(modules, png(pixels))
    assert note == "Read by GauGAN's colors"
    assert np.array_equal(found, [[CLASS_NAMES.index(name) for name in row] for row in names])
    # A model of COCO-Stuff knows the ids themselves; its classes have longer names.
    classes = CocoDataset.classes(182, False)
    found, _ = opened(modules, png(pixels), model(*classes))
    assert np.array_equal(found, pixels[..., 0])
    # Another name for an id of COCO-Stuff: 118, the flowers, are plants here.
    assert (opened(modules, png(np.full_like(pixels, rgb(0x760000))))[0] == CLASS_NAMES.index("plant")).all()


def test_gaugans_colors_of_classes_that_the_model_lacks_are_named(modules):
    pixels = np.full((HEIGHT, WIDTH, 3), rgb(GAUGAN["sky"]), np.uint8)
    pixels[3, 4:6], pixels[5, 5] = rgb(0x7F4502), rgb(0x5E5BC5)
    message = refusal(modules, png(pixels))
    assert message == "file is in GauGAN's colors, and the model has no class for: house, bridge"


def test_palettes_that_a_program_made_of_colors_are_not_taken_for_ids(modules, ids):
    """Programs that make PNG files smaller store colors as palettes in an order of their own."""
    colors = np.array([entry["color"] for entry in LANDSCAPES["classes"]])
    order = np.random.default_rng(3).permutation(19)
    found, note = opened(modules, png(np.argsort(order).astype(np.uint8)[ids], "P", colors[order]))
    assert np.array_equal(found, ids) and note == "Read by the colors of the classes"
    # Indices without a color are ids, with which the palette has nothing to do.
    beyond = np.where(ids == 18, 255, ids).astype(np.uint8)
    assert np.array_equal(opened(modules, png(beyond, "P", colors[order]))[0], ids)
    # A palette often has entries that do not occur.
    foreign = np.array([*colors[order], [255, 0, 255]])
    found, note = opened(modules, png(np.argsort(order).astype(np.uint8)[ids], "P", foreign))
    assert np.array_equal(found, ids) and note == "Read by the colors of the classes"
    in_order = np.where(np.arange(19)[:, None] == 7, 255, colors)  # whose own color does not occur
    assert opened(modules, png(np.where(ids == 7, 3, ids).astype(np.uint8), "P", in_order))[1] == "Read as ids"
    two = png((ids % 2).astype(np.uint8), "P", [rgb(GAUGAN["sea"]), rgb(GAUGAN["sky"])])
    found, note = opened(modules, two)
    assert np.array_equal(found, np.where(ids % 2, 0, CLASS_NAMES.index("sea"))) and note == "Read by GauGAN's colors"


def test_classes_of_one_color_keep_their_ids_in_palettes(modules, ids):
    """Cityscapes has several black classes, and the palette of a saved map is filled up with black."""
    city = model("abcd", [[0, 0, 0], [0, 0, 0], [9, 9, 9], [0, 0, 0]], unknown_id=3, unknown_value=255)
    few = ids % 4
    data = modules.run("return label_files.writeLabelMap(...args)", few, city).tobytes()
    assert np.array_equal(opened(modules, data, city)[0], few)
    first, note = opened(modules, png(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), city)
    assert not first.any() and note == "Read by the colors of the classes"


def test_other_colors_are_refused_with_the_first_of_them(modules):
    pixels = CLASS_COLORS[np.zeros((HEIGHT, WIDTH), int)]
    pixels[2, 5:7] = 255, 0, 10
    pixels[3, 1] = 1, 2, 3
    message = refusal(modules, png(pixels))
    assert message.startswith(
        "file has the color #ff000a at 2 pixels (first at x 5, y 2), which no class has; a label "
    )
    pixels[2, 5:7] = rgb(GAUGAN["sky"])
    assert refusal(modules, png(pixels)).startswith("file has the color #010203 at 1 pixel (first at x 1, y 3)")
    pixels[3, 1] = CLASS_COLORS[0]  # colors of two tables: what is right in one is wrong in the other
    assert refusal(modules, png(pixels)).startswith("file has the color #9ceedd at 2 pixels (first at x 5, y 2)")


def test_other_files_are_refused(modules, ids):
    wrong = ids.copy()
    wrong[4, 2:5] = 77
    assert refusal(modules, png(wrong)) == (
        "file holds id 77 at 3 pixels (first at x 2, y 4); the model knows 0 to 18, or 255 for unknown"
    )
    all_known = model(CLASS_NAMES, CLASS_COLORS)
    unknown = refusal(modules, png(np.where(ids == 18, 255, ids).astype(np.uint8)), all_known)
    assert re.fullmatch(r"file holds id 255 at 10 pixels \(.*\); the model knows 0 to 17", unknown)
    large = np.array([[0, 300, 0, 65000]], np.uint16)
    assert "holds id 300 at 1 pixel (first at x 1, y 0)" in refusal(modules, png(large))
    clear = np.dstack([CLASS_COLORS[ids % 18], np.where(ids == 5, 0, 255).astype(np.uint8)])
    y, x = np.argwhere(ids == 5)[0]
    where = f"at {(ids == 5).sum()} pixels (first at x {x}, y {y})"
    assert refusal(modules, png(clear)) == f"file is transparent {where}; save it opaque"
    deep = encode(np.zeros((2, 2, 3), np.uint16), (2, 16))
    assert refusal(modules, deep) == "file has colors of 16 bits; label maps in colors have 8 bits per channel"
    photo = io.BytesIO()
    Image.fromarray(CLASS_COLORS[ids % 18]).save(photo, "JPEG")
    assert refusal(modules, photo.getvalue()) == "is not a PNG file"


def test_large_files_are_refused_before_they_are_read(modules):
    rows = np.zeros((1, 2**24 + 1), np.uint8)
    assert refusal(modules, png(rows)) == "PNG file has 16777217x1 pixels; files of 1 to 16777216 are read"
    found, note = opened(modules, png(rows[:, 1:].reshape(4096, 4096)))
    assert not found.any() and "resized from 4096x4096" in note


def test_maps_of_other_sizes_are_resized_as_pillow_does(modules):
    rng = np.random.default_rng(5)
    sizes = [(24, 32), (6, 8), (1, 1), (5, 300), (299, 7), (12, 16), *rng.integers(1, 70, (30, 2)).tolist()]
    for height, width in sizes:
        new_height, new_width = (int(side) for side in rng.integers(1, 130, 2)) if height > 24 else (HEIGHT, WIDTH)
        ids = rng.integers(0, 18, (height, width), np.uint8)
        wanted = model(CLASS_NAMES, CLASS_COLORS, new_height, new_width)
        found, note = opened(modules, png(ids), wanted)
        expected = Image.fromarray(ids).resize((new_width, new_height), Image.Resampling.NEAREST)
        assert np.array_equal(found, np.asarray(expected))
        if (height, width) != (new_height, new_width):
            changed = ", which changes its proportions" if height * new_width != width * new_height else ""
            assert note == f"Read as ids; resized from {width}x{height} to {new_width}x{new_height}{changed}"


def test_saved_maps_are_read_by_the_project_and_by_the_page(modules, ids, tmp_path):
    data = modules.run("return label_files.writeLabelMap(...args)", ids, LANDSCAPES).tobytes()
    path = tmp_path / "map.png"
    path.write_bytes(data)
    assert np.array_equal(LabelIds(18, contain_dontcare_label=True).check(read_ids(path), path), ids)
    assert np.array_equal(opened(modules, data)[0], ids)
    shown = np.asarray(Image.open(path).convert("RGB"))
    assert np.array_equal(shown, np.array([entry["color"] for entry in LANDSCAPES["classes"]])[ids])
    plain = model(CLASS_NAMES, CLASS_COLORS)
    data = modules.run("return label_files.writeLabelMap(...args)", ids % 18, plain).tobytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), ids % 18)
