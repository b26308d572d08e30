import os
from functools import partial

import pytest

from data.parallel import FILES_PER_TASK, parallel_map
from util.errors import InputError


def double(number: int) -> int:
    return 2 * number


def refuse(bad: int, number: int) -> int:
    if number == bad:
        raise InputError(f"{number} will not do")
    return number


def die(number: int) -> None:
    os._exit(1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_order(workers):
    numbers = range(3 * FILES_PER_TASK + 1)
    assert list(parallel_map(double, numbers, workers)) == [2 * number for number in numbers]
    assert list(parallel_map(double, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_work_are_raised_here(workers):
    with pytest.raises(InputError, match=r"^20 will not do$"):
        list(parallel_map(partial(refuse, 20), range(4 * FILES_PER_TASK), workers))


def test_a_worker_that_dies_is_an_input_error():
    with pytest.raises(InputError, match="--workers 2: a worker was ended from outside"):
        list(parallel_map(die, range(4 * FILES_PER_TASK), 2))
