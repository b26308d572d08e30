"""What a message says about an error of the system suits that error."""

import errno
import os

import pytest

from util.errors import describe, some_of


def trouble(action) -> str:
    with pytest.raises(OSError) as caught:
        action()
    return describe(caught.value)


def test_each_error_of_a_path_gets_its_own_advice(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    for action, words in (
        (lambda: (tmp_path / "nothing.json").read_text(), "nothing.json: No such file or directory; check the path"),
        (lambda: tmp_path.read_text(), f"{tmp_path}: Is a directory; name a file"),
        (lambda: (tmp_path / "file" / "a").read_text(), "Not a directory; a part of the path is a file"),
        (lambda: (tmp_path / "loop").read_text(), "links lead back to themselves"),
        (lambda: (tmp_path / ("n" * 300)).write_text(""), "File name too long; use a shorter name"),
        (lambda: (tmp_path / "full").rmdir(), "Directory not empty; empty it, or name another place"),
        (lambda: (tmp_path / "full").mkdir(), "File exists; remove it, or name another place"),
    ):
        message = trouble(action)
        assert words in message and "free" not in message and "permissions" not in message


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "name a place that can be written"),
    ],
)
def test_disks_and_permissions_are_named_where_they_are_the_reason(number, words):
    message = describe(OSError(number, os.strerror(number), "a.png"))
    assert message.startswith(f"a.png: {os.strerror(number)}; ") and words in message and "path" not in message


def test_an_error_without_advice_is_given_as_it_is():
    assert describe(OSError(errno.EPIPE, "Broken pipe", "a")) == "a: Broken pipe"


def test_of_many_names_a_message_holds_those_most_like_the_one_that_was_asked_for():
    assert some_of([], "x") == "none" and some_of(["b", "a", "b"], "x") == "a, b"
    said = some_of([f"run{number}" for number in range(200)] + ["coco_vae"], "coco_va")
    assert said.startswith("coco_vae, ") and said.endswith(" and 193 more") and said.count(", ") == 7
