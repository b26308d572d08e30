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


# ---- Styles ----


def test_latents_are_standard_normal_and_a_function_of_the_seed(modules):
    body = "return [0, 1].map(() => Array.from({ length: 10000 }, (_, seed) => random.latent(seed, 16)))"
    first, second = (np.array(rows) for rows in modules.run(body))
    assert np.array_equal(first, second) and first.dtype == np.float32
    assert len(np.unique(first, axis=0)) == 10000
    tolerance = 5 / 10000**0.5  # five standard deviations of a mean
    assert (abs(first.mean(axis=0)) < tolerance).all() and abs(first.mean()) < tolerance / 4
    assert (abs((first**2).mean(axis=0) - 1) < 2**0.5 * tolerance).all()
    assert (abs((first**4).mean(axis=0) - 3) < 96**0.5 * tolerance).all()
    correlation = np.corrcoef(np.concatenate([first[:-1].T, first[1:].T]))  # of places, and of neighboring seeds
    assert abs(correlation - np.eye(32)).max() < 1.2 * tolerance


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, [1.538215160369873, 1.5527317523956299, -0.5390881299972534, -0.37938833236694336]),
        (1, [1.1196744441986084, -0.4074488878250122, 1.6848928928375244, 0.3420431613922119]),
        (2**32 - 1, [0.28692254424095154, 2.005215644836426, 0.9818934798240662, 1.5784043073654175]),
    ],
)
def test_seeds_that_people_wrote_down_keep_their_styles(modules, seed, expected):
    four, three = modules.run("return [random.latent(args[0], 4), random.latent(args[0], 3)]", seed)
    assert four.tolist() == expected and three.tolist() == expected[:3]


def test_a_blend_turns_evenly_and_keeps_the_norm(modules):
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((2, 16)).astype(np.float32)
    steps = [0, 0.25, 0.5, 0.75, 1]
    found = np.array(modules.run("return args[2].map((t) => random.blend(args[0], args[1], t))", a, b, steps))
    norms = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(norms, np.linspace(norms[0], norms[-1], 5), rtol=1e-5)
    cosines = (found[1:] * found[:-1]).sum(axis=1) / (norms[1:] * norms[:-1])
    np.testing.assert_allclose(np.arccos(cosines), np.arccos(a @ b / norms[0] / norms[-1]) / 4, rtol=1e-4)


def test_blends_end_at_exactly_the_two_styles(modules):
    styles = np.random.default_rng(9).standard_normal((50, 2, 16)).astype(np.float32) * 3
    ends = modules.run(
        "return args[0].map((pair) => [0, 1].map((t) => random.blend(...pair, t)))", list(map(list, styles))
    )
    assert np.array_equal(ends, styles)


def test_blends_without_an_angle_lie_on_the_straight_line(modules):
    a = np.array([1, 2, 2], np.float32)
    pairs = [[a, a], [a, 3 * a], [a, 0 * a], [0 * a, a], [a, -a]]
    found = modules.run("return args[0].map((pair) => random.blend(...pair, 0.25))", pairs)
    np.testing.assert_allclose(found, [0.75 * first + 0.25 * second for first, second in pairs], atol=1e-6)


# ---- Autosave ----

STATE = {"ids": np.arange(9, dtype=np.uint8), "seed": 7, "style": {"z": np.ones(3, np.float32), "name": "dawn"}}


def test_a_reload_loses_nothing(modules):
    assert modules.run("return autosave.load('a')") is None
    body = """
    const [state] = args;
    const saves = [autosave.save("a", { ids: null }), autosave.save("a", state), autosave.save("b", { seed: 8 })];
    state.ids.fill(0); // what is drawn after the call is not saved by it
    return Promise.all(saves);
    """
    assert modules.run(body, STATE) == [True, True, True]
    modules.reload()
    found = modules.run("return autosave.load('a')")
    assert np.array_equal(found["ids"], STATE["ids"]) and found["seed"] == 7
    assert found["style"]["name"] == "dawn" and np.array_equal(found["style"]["z"], np.ones(3, np.float32))
    assert modules.run("await autosave.clear('a'); return [await autosave.load('a'), await autosave.load('b')]") == [
        None,
        {"seed": 8},
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(window, 'indexedDB', { value: undefined })",
        "IDBFactory.prototype.open = () => { throw new DOMException('private', 'SecurityError'); }",
        "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }",
    ],
)
def test_without_a_store_states_last_until_the_page_is_left(modules, broken):
    modules.reload()
    body = f"""{broken};
    const kept = [await autosave.save("c", {{ seed: 1 }}), await autosave.load("c"), await autosave.load("d")];
    await autosave.clear("c");
    return [...kept, await autosave.load("c")];
    """
    assert modules.run(body) == [False, {"seed": 1}, None, None]
    modules.reload()


def test_autosave_opens_the_store_again_that_the_browser_closed(modules):
    modules.reload()
    body = """
    const open = IDBFactory.prototype.open;
    let database;
    IDBFactory.prototype.open = function (...words) {
      const request = open.apply(this, words);
      request.addEventListener("success", () => (database = request.result));
      return request;
    };
    const kept = [await autosave.save("e", { seed: 1 })];
    database.close();
    kept.push(await autosave.save("e", { seed: 2 }), await autosave.save("e", { seed: 3 }));
    return [kept, await autosave.load("e")];
    """
    assert modules.run(body) == [[True, True, True], {"seed": 3}]
    modules.reload()


def test_each_tab_keeps_its_own_state_and_a_new_one_begins_with_the_newest(modules):
    driver, load = modules.driver, "return autosave.load('f')"
    first = driver.current_window_handle
    save = "await new Promise((resolve) => setTimeout(resolve, 2)); return autosave.save('f', { seed: args[0] })"
    assert modules.run(save, 1)
    for seed in range(2, 11):
        driver.switch_to.new_window("tab")
        modules.reload()
        assert modules.run(load) == {"seed": seed - 1}
        assert modules.run(save, seed)
        if seed < 10:
            driver.close()
            driver.switch_to.window(first)
    assert modules.run(load) == {"seed": 10}
    modules.reload()
    assert modules.run(load) == {"seed": 10}
    driver.close()
    driver.switch_to.window(first)
    modules.reload()
    assert modules.run(load) == {"seed": 10}  # its own, the oldest of ten, is no longer kept
    assert modules.run(save, 11)
    assert modules.run(load) == {"seed": 11}
    copied = "return [sessionStorage.length, await autosave.clear('f') ?? await autosave.load('f')]"
    assert modules.run(copied) == [0, None]  # a copy of the tab would not have its name


def test_two_open_tabs_do_not_overwrite_each_other(modules):
    driver = modules.driver
    first = driver.current_window_handle
    modules.run("return autosave.save('g', { seed: 1 })")
    driver.switch_to.new_window("tab")
    modules.reload()
    modules.run("return autosave.save('g', { seed: 2 })")
    driver.switch_to.window(first)
    modules.reload()
    assert modules.run("return autosave.load('g')") == {"seed": 1}
    driver.switch_to.window(driver.window_handles[-1])
    driver.close()
    driver.switch_to.window(first)


# ---- Zoom and pan ----


def test_zoom_and_pan(modules):
    body = """
    const view = new viewport.Viewport(200, 100);
    Object.assign(view, { left: 10, top: 20 });
    view.fit(600, 400);
    const fitted = [view.zoom, view.pan, view.toPixel(10, 70), view.toPixel(9, 69), view.toPixel(609, 369)];
    const center = view.toClient(33, 44);
    view.zoomAt(...center, 4);
    const zoomed = [view.zoom, view.toPixel(...center), view.toClient(33, 44), center];
    view.panBy(12, -24);
    const moved = view.toPixel(...center);
    view.panBy(1e6, 1e6);
    const corner = view.pan;
    view.zoomAt(50, 50, 1e-9);
    const out = [view.zoom, view.pan];
    view.zoomAt(50, 50, 1e9);
    return { fitted, zoomed, moved, corner, out, largest: view.zoom };
    """
    found = modules.run(body)
    assert found["fitted"] == [3, {"x": 0, "y": 50}, [0, 0], [-1, -1], [199, 99]]
    assert found["zoomed"] == [12, [33, 44], found["zoomed"][3], [110.5, 203.5]]
    assert found["moved"] == [32, 46]
    assert found["corner"] == {"x": 0, "y": 0}
    assert found["out"] == [3, {"x": 0, "y": 50}]
    assert found["largest"] == 64
    hidden = "const view = new viewport.Viewport(9, 9); view.fit(0, 0); view.zoomAt(1, 1, 2); return view.toPixel(1, 1)"
    assert all(np.isfinite(modules.run(hidden)))
