"""One line for whatever a user got wrong."""

import pytest
from torch.utils.data import DataLoader, Dataset

from util.errors import InputError, report_input_errors


class Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise InputError("photos/a\nb.png: cannot be read; replace it")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_line_break_in_a_name_stays_on_the_line_also_from_a_worker(num_workers, capsys):
    with pytest.raises(SystemExit) as stop, report_input_errors("train.py"):
        next(iter(DataLoader(Broken(), num_workers=num_workers)))
    assert stop.value.code == 2
    assert capsys.readouterr().err == "train.py: error: photos/a\\nb.png: cannot be read; replace it\n"


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), report_input_errors("train.py"):
        1 / 0  # noqa: B018
