"""Lack of memory is recognized by what really happens, and ends a program with one line."""

from util.console import exit_statuses

import pytest
import torch

from util.lack_of_memory import advising_smaller, is_out_of_memory

MORE_THAN_THERE_IS = 2**60


def test_only_lack_of_memory_is_taken_for_it():
    with pytest.raises(RuntimeError) as real:
        torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8)
    assert is_out_of_memory(real.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize(
    "at_once, fix",
    [
        (("--batch_size", 8), "--batch_size 4"),
        (("--batch_size", 1), "--gpu_ids -1 or a device with more memory"),
        (("--tile", 64, 32), "--tile 32"),
        (("--tile", 63, 32), "--gpu_ids -1 or a device with more memory"),
    ],
)
def test_half_as_much_at_once_is_advised(at_once, fix, capsys):
    with pytest.raises(SystemExit) as stop, exit_statuses("test.py"), advising_smaller(*at_once):
        torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8)
    assert stop.value.code == 2
    flag, size, *_ = at_once
    assert capsys.readouterr().err == f"test.py: error: {flag} {size}: out of memory; use {fix}\n"


def test_other_errors_keep_their_traceback():
    with pytest.raises(RuntimeError, match="shapes"), advising_smaller("--batch_size", 8):
        raise RuntimeError("shapes cannot be multiplied")
