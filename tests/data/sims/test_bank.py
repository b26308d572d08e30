"""The bank: small masks, outlines, its file, and what is refused."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.sims import bank as bank_module
from data.sims.bank import Bank, count_bits, count_common, grid_of, pack_bits, shrink
from tests.data.sims.small_banks import make_bank, rectangle
from util.errors import InputError


@settings(max_examples=25)
@given(arrays(bool, (5, 7, 9)), arrays(bool, (7, 9)))
def test_packed_intersections_are_those_of_the_masks(masks, query):
    packed = np.stack([pack_bits(mask) for mask in masks], axis=1)  # (words, n)
    np.testing.assert_array_equal(count_common(packed, pack_bits(query)), (masks & query).sum(axis=(1, 2)))


@given(arrays(np.uint64, 9))
def test_bits_are_counted_alike_by_every_numpy(words):
    by_table = bank_module.ONES[words.view(np.uint16).reshape(-1, 4)].sum(axis=1)
    assert [int(word).bit_count() for word in words] == count_bits(words).tolist() == by_table.tolist()


@pytest.mark.parametrize(
    "size, grid", [((256, 256), (64, 64)), ((256, 512), (64, 128)), ((32, 48), (32, 48)), ((100, 50), (64, 32))]
)
def test_small_masks_have_64_rows_at_most(size, grid):
    assert grid_of(*size) == grid


def test_shrinking_takes_the_centers_of_cells():
    ids = np.arange(6 * 4).reshape(6, 4)
    np.testing.assert_array_equal(shrink(ids, (2, 2)), [[5, 7], [17, 19]])
    np.testing.assert_array_equal(shrink(ids, (6, 4)), ids)


@settings(max_examples=10)
@given(arrays(np.uint8, (3, 70, 6), elements=st.integers(0, 3)))
def test_a_bank_holds_every_mask_at_full_size(maps):
    maps[0, 0, 0] = 0
    bank = make_bank(*maps)
    kept = np.full((3, 70, 6), 3)
    for place in range(len(bank)):
        mask = bank.mask(place)
        assert mask.sum() == bank.areas[place]
        kept[bank.images[place]][mask] = bank.labels[place]
    np.testing.assert_array_equal(kept, maps)


def test_segments_are_sorted_by_class():
    bank = make_bank(rectangle(0, 0, 2, 4, label=2), rectangle(2, 0, 4, 4, label=1), rectangle(4, 0, 6, 4, label=2))
    assert bank.labels.tolist() == [0, 0, 0, 1, 2, 2] and bank.images.tolist() == [0, 1, 2, 1, 0, 2]
    assert bank.segments_of(2) == slice(4, 6) and bank.segments_of(1) == slice(3, 4)
    assert bank.boxes[5].tolist() == [4, 0, 6, 4] and bank.small_areas.tolist() == [120, 120, 120, 8, 8, 8]


def test_a_bank_is_the_same_after_saving_and_loading(tmp_path):
    bank = make_bank(rectangle(0, 0, 2, 4), rectangle(2, 0, 4, 4, label=2), names=["a", "b/é"])
    bank.save(tmp_path / "bank.npz")
    loaded = Bank.load(str(tmp_path / "bank.npz"))
    for field in fields(Bank):
        np.testing.assert_equal(getattr(loaded, field.name), getattr(bank, field.name))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something", b"\x93NUMPY", b"text"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "bank.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^--bank .*bank.npz: is no bank, or damaged; python -m scripts.prepare bank"):
        Bank.load(str(path))


def test_damaged_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "bank.npz"
    np.savez(path, labels=np.zeros(3))
    with pytest.raises(InputError, match="is no bank, or damaged"):
        Bank.load(str(path))
    make_bank(rectangle(0, 0, 2, 4)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="is no bank, or damaged"):
        Bank.load(str(path))
    with pytest.raises(InputError, match=r"nowhere: No such file or directory; python -m scripts.prepare bank"):
        Bank.load(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"label_nc": 5}, "--bank FILE: was made with --label_nc 3, and this is --label_nc 5; name a bank of this"),
        ({"dataset_mode": "coco"}, "--bank FILE: was made with --dataset_mode custom, and this is --dataset_mode coco"),
        ({"crop_size": 32}, "--bank FILE: holds segments of 16x8 images, and the network makes 32x16; name a bank"),
        ({"aspect_ratio": 1.0}, "--bank FILE: holds segments of 16x8 images, and the network makes 16x16; name a bank"),
    ],
)
def test_banks_of_other_data_and_sizes_are_refused(changes, message):
    bank = make_bank(rectangle(0, 0, 2, 4))
    opt = dict(bank.options)
    bank.check("FILE", SimpleNamespace(**opt))
    with pytest.raises(InputError) as refused:
        bank.check("FILE", SimpleNamespace(**opt | changes))
    assert str(refused.value).startswith(message)
