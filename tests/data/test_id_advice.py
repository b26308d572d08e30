"""What a refusal of a label map proposes works, and does not make the object of a mask unknown."""

import numpy as np
import pytest
from PIL import Image

from data.id_advice import stretch
from data.masks import read_colors
from data.palette import read_palette
from data.read import LabelIds, read_labels
from scripts.prepare.check import main as check_dataset
from scripts.prepare.convert_labels import main as convert_labels
from util.errors import InputError


def save(path, *values: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(np.array([values], dtype=np.int32), 8, axis=1).repeat(8, axis=0)).save(path)
    return path


def save_gray(path, *values: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([values], dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=0)).save(path)
    return path


def refusal(path, ids: LabelIds) -> str:
    with pytest.raises(InputError) as caught:
        read_labels(path, ids)
    return str(caught.value)


def deep(dtype, scale: int = 1):
    """A way to save grays with more than 8 bits a pixel."""

    def save(path, *values: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        grays = np.array([values]).repeat(8, axis=1).repeat(8, axis=0) * scale
        # In the name of a PNG, a TIFF: what a file is does not go by its name.
        Image.fromarray(grays.astype(dtype)).save(path, format="PNG" if dtype == np.uint16 else "TIFF")
        return path

    return save


SAVES = {
    "8 bits": save_gray,
    "8 bits in 16": deep(np.uint16),
    "16 bits": deep(np.uint16, 257),
    "32 bits": deep(np.int32),
    "16 bits in 32": deep(np.int32, 257),
    "floats": deep(np.float32),
    "floats of 16 bits": deep(np.float32, 257),
}
every_depth = pytest.mark.parametrize("save_mask", SAVES.values(), ids=SAVES)


@every_depth
def test_black_and_white_masks_lead_to_the_converter_by_lines_that_work(tmp_path, save_mask):
    mask = save_mask(tmp_path / "masks" / "a.png", 0, 255)
    message = refusal(mask, LabelIds(2, False))
    may_be_unknown = "holds label 255;" in message
    assert "a black-and-white mask?" in message and "--label_nc 65536" not in message
    assert ("if 255 means unknown, add --contain_dontcare_label" in message) == may_be_unknown
    lines = message.split("`")[1::2]
    (tmp_path / "palette.txt").write_text("\n".join(lines) + "\n")
    convert_labels(
        [str(mask.parent), str(tmp_path / "ids"), "--palette", str(tmp_path / "palette.txt"), "--workers", "1"]
    )
    read = read_labels(tmp_path / "ids" / "a.png", LabelIds(2, False))
    assert np.unique(np.asarray(read)).tolist() == [0, 1]


@every_depth
@pytest.mark.parametrize(
    "values", [(0, 128, 255), (0, 127, 254), (0, 85, 170, 255), (0, 85, 255), (0, 128), (0, 10, 20), (0, 255)]
)
def test_stretched_ids_lead_to_the_converter_by_a_palette_that_works(tmp_path, values, save_mask, capsys):
    mask = save_mask(tmp_path / "masks" / "a.png", *values)
    save_gray(tmp_path / "photos" / "a.png", *values)
    message = refusal(mask, LabelIds(4, False))
    if values != (0, 255) and f"holds label {values[1]}" in message:
        assert "ids stretched to be seen? scripts.prepare check --propose_palette FILE" in message
        assert f"if they are ids, add --label_nc {max(value for value in values if value != 255) + 1}" in message
    palette = tmp_path / "palette.txt"
    words = (
        f"--dataset_mode custom --no_instance --label_nc 4 --label_dir {mask.parent} --image_dir {tmp_path / 'photos'}"
    )
    assert check_dataset([*words.split(), "--workers", "1", "--propose_palette", str(palette)]) == 0
    assert "instance or panoptic" not in capsys.readouterr().out
    assert [entry.id for entry in read_palette(palette).entries] == list(range(len(values)))
    convert_labels([str(mask.parent), str(tmp_path / "ids"), "--palette", str(palette), "--workers", "1"])
    read = read_labels(tmp_path / "ids" / "a.png", LabelIds(4, False))
    assert np.unique(np.asarray(read)).tolist() == list(range(len(values)))


def test_ids_times_257_are_stretched():
    assert (
        stretch((0, 257, 514)) == 257 and stretch((0, 128 * 257, 65535)) == 127 * 257 and stretch((0, 65535)) == 65535
    )


@pytest.mark.parametrize("values", [(0, 300), (0, 257, 515), (-1, 5), (0, 70000)])
def test_masks_of_numbers_that_are_no_grays_are_refused(tmp_path, values):
    path = save(tmp_path / "a.tiff", *values)
    with pytest.raises(InputError, match=f"a.tiff: holds numbers from {values[0]} to {values[-1]}, and gray masks"):
        read_colors(path)


@pytest.mark.parametrize(
    "values", [(0, 15, 255), (0, 1, 2), (1, 2, 3), (15, 255), (0, 15), (0, 20, 150), (3,), (0, 5, 10)]
)
def test_real_ids_are_not_taken_for_stretched_ones(values):
    assert stretch(values) is None


@pytest.mark.parametrize(
    ("values", "ids", "options"),
    [
        ((1, 2, 3), LabelIds(3, False), {"label_nc": 4}),  # numbered from 1
        ((0, 7, 255), LabelIds(8, False), {"contain_dontcare_label": True}),
        ((0, 15, 255), LabelIds(3, False), {"label_nc": 16, "contain_dontcare_label": True}),
        ((0, 300), LabelIds(3, True), {"label_nc": 301}),
        ((0, 151), LabelIds(150, True, None), {"label_nc": 151}),
    ],
)
def test_options_that_are_proposed_make_the_file_readable(tmp_path, values, ids, options):
    path = save(tmp_path / "a.tiff", *values)
    words = [f"--{name}" + f" {value}" * (value is not True) for name, value in options.items()]
    assert f"(add {' '.join(words)}?)" in refusal(path, ids)
    assert read_labels(path, LabelIds(**vars(ids) | options))


@pytest.mark.parametrize(
    ("values", "ids", "words"),
    [
        (
            (0, 24000, 26001),
            LabelIds(35, False),
            "(an instance or panoptic map? label maps hold class ids; if these are",
        ),
        ((0, 30000, 60000), LabelIds(2, False), "(ids stretched to 16 bits? save 0, 1, 2, ... themselves)"),
        (
            (-1, 3),
            LabelIds(5, False),
            "(negative ids cannot be used: number the classes from 0, and write 255 for unknown)",
        ),
        ((-1, 3), LabelIds(150, True, None), "(negative ids cannot be used: number the classes from 0)"),
        ((0, 7), LabelIds(3, False, fixed="a network has these"), "must be 0..2 (a network has these)"),
    ],
)
def test_other_values_are_told_what_they_may_be(tmp_path, values, ids, words):
    assert words in refusal(save(tmp_path / "a.tiff", *values), ids)


def test_where_options_cannot_help_none_are_proposed(tmp_path):
    ids = LabelIds(2, False, fixed="a network has these")
    for values in ((0, 7), (0, 255), (0, 128, 255), (0, 26001), (1, 255)):
        assert "add --" not in refusal(save(tmp_path / "a.tiff", *values), ids)
