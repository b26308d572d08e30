"""The page finds the same neighborhoods in label maps as `scripts.export.generate` and the tables of the models."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data.landscape import UNKNOWN, draw_scene
from models.tables.neighborhoods import Neighborhoods
from scripts.export import generate
from tests.scripts.browser import chromium
from tests.scripts.paint.folders import served

pytestmark = pytest.mark.tools

PAGE = Path(__file__).resolve().parents[3] / "scripts" / "paint" / "page"
UNKNOWN_ID = 18


# Each map is numbered with what maps before it left; new rows alone come back.
OF_MAPS = """
    const [maps, height, width, kernel, padding] = args;
    const { Neighborhoods } = await import(root + "neighborhoods.js");
    const neighborhoods = new Neighborhoods(kernel, padding);
    return maps.map((map) => neighborhoods.of(Int32Array.from(map), height, width));
"""
CALL = """
    const [path, name, ...rest] = args;
    const module = await import(root + path);
    return module[name](...rest.map((arg) => (Array.isArray(arg) ? Int32Array.from(arg) : arg)));
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs a script in the browser with `args` from JSON; typed arrays in the result become lists."""
    with served(PAGE) as root, chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.get(root + "edges.js")  # any page of this origin

        def run(script: str, *args):
            wrapped = f"""
                const [root, args, done] = arguments;
                const plain = (value) => {{
                    if (ArrayBuffer.isView(value)) return Array.from(value);
                    if (Array.isArray(value)) return value.map(plain);
                    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
                }};
                (async () => {{ {script} }})().then((result) => done(plain(result)), (error) => done(String(error)));
            """
            result = browser.execute_async_script(wrapped, root, args)
            assert not isinstance(result, str), result
            return result

        yield run


@pytest.fixture(scope="module")
def call(run):
    """A function that calls one of a module: module, function, arguments; lists become typed arrays there."""
    return lambda module, function, *args: run(CALL, module, function, *args)


def contents(found: list[dict[str, list[int]]], length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """After each of the maps: the symbols in all neighborhoods so far, (U, k^2, k^2), and the row of every site."""
    table, states = np.zeros((0, length, length), dtype=int), []
    for part in found:
        inner, outer, sites = (np.array(part[name], dtype=int) for name in ("inner", "outer", "sites"))
        table = np.concatenate([table, inner.reshape(-1, length)[outer.reshape(-1, length)]])
        states.append((table, sites))
    return states


def scene(index: int, height: int = 256, width: int = 256) -> np.ndarray:
    labels = draw_scene(0, index, width, height).labels.copy()
    labels[labels == UNKNOWN] = UNKNOWN_ID
    return labels


def noise(seed: int, num_labels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(num_labels, size=(height, width), dtype=np.uint8)


def rectangles(seed: int, num_labels: int, height: int, width: int) -> np.ndarray:
    """A map of regions of many classes."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), dtype=np.uint8)
    for _ in range(200):
        y, x = rng.integers(height), rng.integers(width)
        labels[y : y + rng.integers(1, height), x : x + rng.integers(1, width)] = rng.integers(num_labels)
    return labels


def halves(side: int, smallest: int) -> list[list[int]]:
    """Square sizes from the smallest to the side."""
    return [[side >> i, side >> i] for i in reversed(range((side // smallest).bit_length()))]


ONES = np.ones((16, 16), dtype=np.uint8)
# Label map, number of labels, edges, kernel, padding, sizes.
MAPS = {
    "landscape": (scene(3), 19, True, 3, "zeros", halves(256, 8)),
    "landscape without edges": (scene(4, 64, 128), 19, False, 3, "replicate", [[4, 8], [16, 32], [64, 128]]),
    "182 classes": (rectangles(0, 182, 256, 256), 182, True, 3, "zeros", halves(256, 4)),
    "noise": (noise(0, 19, 48, 32), 19, True, 3, "replicate", [[3, 2], [24, 16], [48, 32]]),
    "noise of many labels": (noise(1, 255, 32, 48), 255, True, 5, "zeros", [[32, 48]]),
    "one label": (ONES, 2, True, 3, "zeros", halves(16, 2)),
    "one label to the border": (ONES, 2, True, 5, "replicate", halves(16, 1)),
    "1x1": (noise(2, 3, 32, 16), 3, True, 1, "zeros", [[8, 4], [32, 16]]),
    "5x5": (scene(5, 64, 64), 19, True, 5, "zeros", halves(64, 2)),
    "5x5 to the border": (scene(6, 32, 64), 19, False, 5, "replicate", [[1, 2], [32, 64]]),
}


@pytest.mark.parametrize("kind", MAPS)
def test_neighborhoods_are_those_of_the_exported_generator(call, kind):
    """Every site's windows hold the same symbols, every window occurs once, and there are no others."""
    labels, num_labels, edges, kernel, padding, sizes = MAPS[kind]
    facts = {"kernel": kernel, "padding": padding, "sizes": sizes}
    height, width = labels.shape
    model = {"height": height, "width": width, "num_labels": num_labels, "edges": edges}
    found = call("neighborhoods.js", "prepare", labels.ravel().tolist(), {**model, "browser": {"neighborhoods": facts}})
    inputs = {"labels": labels[None].astype(np.int64), "edges": generate.instance_edges(labels)[None]}
    expected = generate.prepare(inputs, {"neighborhoods": facts, "num_labels": num_labels, "edges": edges})
    assert found.keys() == expected.keys()
    for rows, columns in sizes:
        size = f"{rows}x{columns}"
        inner, outer, sites = (expected[f"{part}_{size}"] for part in ("inner", "outer", "sites"))
        mine = np.reshape(found[f"inner_{size}"], (-1, kernel**2))
        windows = np.reshape(found[f"outer_{size}"], (-1, kernel**2))
        assert mine.shape == inner.shape and len(np.unique(mine, axis=0)) == len(mine) and not mine[0].any()
        assert windows.shape == outer.shape and len(np.unique(windows, axis=0)) == len(windows)
        places = np.reshape(found[f"sites_{size}"], (rows, columns))
        assert np.array_equal(mine[windows[places]], inner[outer[sites[0]]])


def test_neighborhoods_are_those_of_the_tables(run):
    """The same again without `generate`: pairs of label and edge, as `models.tables` numbers them."""
    labels = scene(7, 128, 128)
    edges = generate.instance_edges(labels)
    theirs = Neighborhoods(3)
    ids = theirs.sites(torch.from_numpy(labels)[None].long(), torch.from_numpy(edges)[None]).ids[0].numpy()
    pairs = torch.cat([torch.zeros(1, dtype=torch.long), 1 + theirs.labels + 100 * theirs.edges])
    expected = pairs[theirs.inner.contents[theirs.outer.contents]].numpy()  # (U, 9, 9)
    symbols = 1 + labels.astype(int) + 100 * edges
    table, sites = contents(run(OF_MAPS, [symbols.ravel().tolist()], 128, 128, 3, "zeros"), 9)[0]
    assert np.array_equal(table[sites.reshape(128, 128)], expected[ids])


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_neighborhoods_of_maps_before_are_kept(run, padding):
    """After each map, tables with the rows of what was new in it serve every site, and no neighborhood comes twice."""
    first = scene(9, 64, 96)
    stroke = first.copy()
    stroke[10:30, 20:44] = 2
    maps = [first, stroke, first, noise(3, 19, 64, 96), np.full_like(first, 5), stroke]
    found = run(OF_MAPS, [(1 + labels.astype(int)).ravel().tolist() for labels in maps], 64, 96, 3, padding)
    news = [len(part["outer"]) // 9 for part in found]
    for labels, (table, sites) in zip(maps, contents(found, 9)):
        inner, outer, expected = generate.neighborhoods(1 + labels[None].astype(np.int64), 3, padding)
        assert np.array_equal(table[sites.reshape(64, 96)], inner[outer[expected[0]]])
        assert len(np.unique(table.reshape(len(table), -1), axis=0)) == len(table)
    assert 0 < news[1] < news[0] / 4 and news[2] == news[5] == 0 and news[3] > 5000


def test_edges_by_hand(call):
    """Three regions in four rows of three; both sides of a border are edges, diagonal neighbors do not count."""
    ids = [1, 1, 1, 1, 1, 2, 1, 1, 1, 3, 1, 1]
    assert call("edges.js", "instanceEdges", ids, 3, 4) == [0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0]
    assert call("edges.js", "instanceEdges", [5], 1, 1) == [0]


def test_edges_are_those_of_the_exported_generator(call):
    for labels in (scene(8, 32, 64), noise(0, 3, 17, 9)):
        height, width = labels.shape
        edges = call("edges.js", "instanceEdges", labels.ravel().tolist(), width, height)
        assert edges == generate.instance_edges(labels).astype(int).ravel().tolist()
