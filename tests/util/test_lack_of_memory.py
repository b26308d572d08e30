"""Lack of memory is recognized by what really happens, and ends a program with one line."""

from util.console import exit_statuses

import pytest
import torch

from util.lack_of_memory import advising_smaller_batch, is_out_of_memory

MORE_THAN_THERE_IS = 2**60


def test_only_lack_of_memory_is_taken_for_it():
    with pytest.raises(RuntimeError) as real:
        torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8)
    assert is_out_of_memory(real.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize(
    "batch_size, fix", [(8, "use --batch_size 4"), (1, "use --gpu_ids -1 or a device with more memory")]
)
def test_a_smaller_batch_is_advised(batch_size, fix, capsys):
    with pytest.raises(SystemExit) as stop, exit_statuses("test.py"), advising_smaller_batch(batch_size):
        torch.empty(MORE_THAN_THERE_IS, dtype=torch.uint8)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"test.py: error: --batch_size {batch_size}: out of memory; {fix}\n"


def test_other_errors_keep_their_traceback():
    with pytest.raises(RuntimeError, match="shapes"), advising_smaller_batch(8):
        raise RuntimeError("shapes cannot be multiplied")
