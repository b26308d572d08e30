"""Undo, styles, autosave and zoom of the paint page, in Chromium."""

import numpy as np
import pytest

from tests.scripts.paint.page_modules import PageError

pytestmark = pytest.mark.tools

# ---- History ----

HISTORY = """
const states = new history.History(args[0], args[1]);
const moves = { push: (ids) => states.push(ids), undo: () => states.undo(), redo: () => states.redo() };
return args[2].map(([move, ids]) => {
  const answer = moves[move](ids);
  const copy = answer?.slice();
  answer?.fill(99); // neither what was handed out nor what was taken is what is kept
  ids.fill(99);
  return [copy, states.canUndo, states.canRedo, states.bytes];
});
"""


class Listed:
    """A history as a list of all states."""

    def __init__(self, ids, limit):
        self.states, self.position, self.limit = [ids], 0, limit

    def push(self, ids):
        if (ids != self.states[self.position]).any():
            self.states = [*self.states[: self.position + 1], ids][-self.limit - 1 :]
            self.position = len(self.states) - 1

    def undo(self, _):
        return self._step(-1)

    def redo(self, _):
        return self._step(1)

    def _step(self, by):
        if not 0 <= self.position + by < len(self.states):
            return None
        self.position += by
        return self.states[self.position]


@pytest.mark.parametrize("limit", [2, 200])
def test_history_is_a_list_of_states(modules, limit):
    rng = np.random.default_rng(7)
    listed, moves, expected = Listed(np.zeros(30, np.uint8), limit), [], []
    for move in rng.choice(["push", "push", "undo", "redo"], 400):
        ids = listed.states[listed.position].copy()
        ids[rng.integers(0, 30, 2)] = rng.integers(0, 4)  # at times the same as before
        answer = getattr(listed, move)(ids)
        moves.append([move, ids])
        expected.append((answer, listed.position > 0, listed.position < len(listed.states) - 1))
    found = modules.run(HISTORY, np.zeros(30, np.uint8), limit, moves)
    for (ids, can_undo, can_redo, _), (answer, *wanted) in zip(found, expected):
        assert [can_undo, can_redo] == wanted
        assert (ids is None) == (answer is None) and (ids is None or np.array_equal(ids, answer))


def test_a_hundred_strokes_can_be_undone_and_cost_the_rows_they_touch(modules):
    body = """
    const ids = new Uint8Array(256 * 256);
    const states = new history.History(ids);
    for (let i = 0; i < 250; i++) {
      shapes.paint(ids, shapes.brushMask(256, 256, [[i, 20], [i, 43]], 24, "round"), 1 + (i % 9));
      states.push(ids);
    }
    let count = 0;
    while (states.undo()) count++;
    return [count, states.bytes];
    """
    count, size = modules.run(body)
    assert count == 200
    assert size <= count * 48 * 256  # an eighth of the maps


def test_history_refuses_a_map_of_another_size(modules):
    with pytest.raises(PageError, match="RangeError: a map of 5 pixels, not 4"):
        modules.run("new history.History(new Uint8Array(4)).push(new Uint8Array(5))")
