"""The exported page: the browser generates the images of the trained networks, from the files of one folder alone."""

import argparse
import base64
import io
import json
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.paint import export, serve
from scripts.paint.model import load_painter
from scripts.paint.options import parse_args
from scripts.paint.scenes import palette_png
from tests.scripts.browser import chromium
from tests.scripts.paint.folders import served
from util.errors import InputError

pytestmark = pytest.mark.tools

RUN = "styles"
LABELS, HEIGHT, WIDTH, Z_DIM = 6, 64, 128, 20
BLANK = "blank.html"
START = """
    const [query, done] = arguments;
    history.replaceState(null, "", query);
    window.reports = [];
    fetch("model.json").then(async (response) => {
        const { BrowserEngine } = await import(new URL("browser_engine.js", location));
        window.model = await response.json();
        window.engine = new BrowserEngine(window.model);
        await window.engine.ready((fraction) => window.reports.push(fraction));
        done(window.engine.describe());
    }).catch((error) => done(String(error)));
"""
LOADED = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
WEBGPU = "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"
ADAPTER = """
    const done = arguments[0];
    (navigator.gpu?.requestAdapter() ?? Promise.resolve(null)).then((adapter) => done(adapter !== null));
"""
UNTIL_WEBGPU = """
    const done = arguments[0];
    const poll = () => (engine.describe() === "WebGPU" ? done() : setTimeout(poll, 50));
    poll();
"""
IMAGE = """
    const [ids, z, done] = arguments;
    engine.image(Uint8Array.from(ids), Float32Array.from(z), { lane: "picture" }).then(
        ({ pixels }) => done(Array.from(pixels)), (error) => done(String(error)));
"""


@pytest.fixture(scope="module")
def painter(runs):
    """The painter of a server, with one scene for all numbers."""
    painter = load_painter(parse_args(["--name", RUN, "--checkpoints_dir", str(runs), "--gpu_ids", "-1"]))
    files = {"png": palette_png(drawn(0)[0], painter.colors), "jpg": b"a photo"}
    painter.scenes = SimpleNamespace(first_count=12, count=10_000, files=lambda number: files)
    return painter


def image(painter, ids: np.ndarray, z: list[float]) -> np.ndarray:
    """(H, W, 3) uint8."""
    return painter.image(painter.prepare(ids), np.array(z, dtype=np.float32))


@pytest.fixture(scope="module")
def site(painter, exported, tmp_path_factory):
    """An exported folder, whose runtime is fetched with npm; its networks were exported for other tests, too."""
    folder = tmp_path_factory.mktemp("export") / "site"

    def copy_networks(opt):
        made = exported(RUN, ".onnx")
        opt.output_path.parent.mkdir()
        shutil.copy(made, opt.output_path)
        shutil.copy(made.with_name(f"{RUN}.encoder.onnx"), opt.output_path.with_name(f"{RUN}.encoder.onnx"))
        return [f"generator: {opt.output_path}"]

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(export, "export_networks", copy_networks)
            lines = export.export(argparse.Namespace(export=folder), painter)
    except InputError as error:
        if "npm" not in str(error):
            raise
        pytest.skip(str(error))
    assert lines[0] == "generator: model/generator.onnx" and "--serve" in lines[-1]
    assert [path.name for path in folder.parent.iterdir()] == ["site"]
    (folder / BLANK).write_text('<!doctype html><link rel="icon" href="data:,">')
    return folder


@pytest.fixture(scope="module")
def browser(site, tmp_path_factory):
    """A browser whose page is below a plain server of the folder, which sends no headers of isolation."""
    with served(site) as root, chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.get(root + BLANK)
        assert browser.execute_async_script(START, "?") == "WebAssembly, 1 thread"
        yield browser


def drawn(seed: int) -> tuple[np.ndarray, list[float]]:
    """A label map with regions, and a latent."""
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(LABELS, size=(4, 8), dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))
    ids[3:9, 5:30] = rng.integers(LABELS)
    return ids, rng.standard_normal(Z_DIM).astype(np.float32).tolist()


def assert_same_picture(browser, painter, ids, z):
    pixels = np.reshape(browser.execute_async_script(IMAGE, ids.ravel().tolist(), z), (HEIGHT, WIDTH, 4))
    expected = image(painter, ids, z)
    assert expected.std() > 20 and (pixels[..., 3] == 255).all()
    assert np.abs(pixels[..., :3] - expected.astype(int)).max() <= 2


def assert_same_pictures(browser, painter):
    for seed in range(3):
        assert_same_picture(browser, painter, *drawn(seed))


def test_files(site, painter):
    facts = json.loads((site / "model.json").read_text())
    assert (facts["engine"], facts["segmenter"], facts["scenes"], facts["scenes_available"]) == (
        "browser",
        False,
        12,
        48,
    )
    assert facts["browser"]["neighborhoods"]["kernel"] == 3 and facts["browser"]["bytes"] > 10**7
    assert all((site / facts["browser"][name]).is_file() for name in ("generator", "rows", "encoder"))
    assert {path.name: path.read_bytes() for path in (site / "scenes").glob("47.*")} == {
        f"47.{suffix}": content for suffix, content in painter.scenes.files(47).items()
    }
    assert {path.name for path in (site / "runtime").iterdir()} == {*export.RUNTIME_FILES, "LICENSE.txt"}
    assert "onnxruntime-web 1.30.0" in (site / "runtime" / "LICENSE.txt").read_text()


def test_pictures_are_those_of_the_trained_generator(browser, painter):
    assert_same_pictures(browser, painter)


def test_pictures_after_strokes_are_those_of_the_trained_generator(browser, painter):
    """Rows of earlier maps are used again, also in another style, until there are many more than of the first map."""
    rng = np.random.default_rng(0)
    ids, z = drawn(3)
    for step in range(8):
        if step % 3 == 2:
            z = drawn(step)[1]
        else:
            y, x = rng.integers(HEIGHT), rng.integers(WIDTH)
            ids[y : y + 20, x : x + 9] = rng.integers(LABELS)
        if step == 5:
            ids = rng.integers(LABELS, size=ids.shape, dtype=np.uint8)  # noise
        assert_same_picture(browser, painter, ids, z)


def test_progress_ends_with_the_whole_download(browser):
    fractions = browser.execute_script("return window.reports")
    assert len(fractions) > 2 and fractions == sorted(fractions) and fractions[-1] > 0.999


def test_a_style_is_that_of_the_trained_encoder(browser, painter):
    rows = np.linspace(0, 1, HEIGHT)[:, None, None] * [255, 100, 0]
    photo = np.broadcast_to(rows + np.linspace(0, 100, WIDTH)[:, None] * [0, 1, 1], (HEIGHT, WIDTH, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    script = """
        const [data, done] = arguments;
        fetch("data:image/png;base64," + data).then((response) => response.blob())
            .then((blob) => engine.styleOf(blob)).then((z) => done(Array.from(z)), (error) => done(String(error)));
    """
    z = browser.execute_async_script(script, base64.b64encode(file.getvalue()).decode())
    with torch.no_grad():
        mu = painter.model.netE(torch.from_numpy(photo).movedim(2, 0)[None] / 127.5 - 1)[0][0]
    np.testing.assert_allclose(z, mu, atol=1e-4)


def test_what_is_refused(browser):
    script = """
        const done = arguments[0];
        const why = (promise) => promise.then(() => "done", (error) => `${error.constructor.name}: ${error.message}`);
        Promise.all([why(engine.labelsOf(new Blob())), why(engine.styleOf(new Blob(["no photo"])))]).then(done);
    """
    assert browser.execute_async_script(script) == [
        "Unsupported: Labeling a photo needs a server: this page runs in the browser alone.",
        "Error: This file is no photo that the browser can read.",
    ]


def test_the_newest_of_each_lane_wins(browser, painter):
    """A call that runs is dropped when it ends, one that waits at once; other lanes are not touched."""
    script = """
        const [ids, z, done] = arguments;
        const ends = [];
        const image = (name, label, lane) =>
            engine.image(Uint8Array.from(ids).fill(label, 0, 100), Float32Array.from(z), { lane }).then(
                ({ pixels }) => ends.push([name, Array.from(pixels.slice(0, 16))]),
                (error) => ends.push([name, error.constructor.name]));
        Promise.all([image("first", 0, "picture"), image("thumbnail", 1, "styles"), image("second", 2, "picture"),
                     image("third", 3, "picture")]).then(() => done(ends));
    """
    ids, z = drawn(7)
    ends = browser.execute_async_script(script, ids.ravel().tolist(), z)
    assert ends[:2] == [["second", "Superseded"], ["first", "Superseded"]]
    assert [name for name, _ in ends[2:]] == ["third", "thumbnail"]
    for (_, pixels), label in zip(ends[2:], (3, 1)):
        ids.ravel()[:100] = label
        expected = image(painter, ids, z)[0, :4]
        assert np.abs(np.reshape(pixels, (4, 4))[:, :3] - expected.astype(int)).max() <= 2


def test_a_download_that_failed_is_tried_again(browser):
    script = """
        const done = arguments[0];
        import(new URL("browser_engine.js", location)).then(async ({ BrowserEngine }) => {
            const changed = structuredClone(model);
            changed.browser.generator = "model/none.onnx";
            const other = new BrowserEngine(changed);
            const [ids, z] = [new Uint8Array(model.height * model.width), new Float32Array(model.z_dim)];
            const message = await other.image(ids, z, { lane: "picture" }).catch((error) => error.message);
            changed.browser.generator = model.browser.generator;
            const { pixels } = await other.image(ids, z, { lane: "picture" });
            done([message, pixels.length]);
        });
    """
    found = browser.execute_async_script(script)
    assert found == ["model/none.onnx could not be downloaded (404).", HEIGHT * WIDTH * 4]


def test_threads_where_the_page_is_isolated(site, painter, tmp_path):
    """The server of --serve isolates the page, and its policy lets the runtime compile and start threads."""
    with served(site, serve.Handler) as root, chromium(tmp_path) as browser:
        browser.get(root + BLANK)
        most = browser.execute_script("return navigator.hardwareConcurrency")
        for wanted, threads in (("-3", 1), ("1.5", 1), ("640", most), ("2", min(2, most))):
            described = f"WebAssembly, {threads} thread{'s' * (threads > 1)}"
            assert browser.execute_async_script(START, f"?threads={wanted}") == described
        assert_same_pictures(browser, painter)


def test_webgpu_is_used_after_its_first_picture_was_right(site, painter, tmp_path):
    """On SwiftShader, which emulates a GPU and is slow, so that pages must be asked to use it."""
    with served(site) as root, chromium(tmp_path, *WEBGPU) as browser:
        browser.get(root + BLANK)
        if not browser.execute_async_script(ADAPTER):
            pytest.xfail("this Chromium has no WebGPU")
        assert browser.execute_async_script(START, "?processor=webgpu") == "WebAssembly, 1 thread"
        assert_same_picture(browser, painter, *drawn(0))
        browser.set_script_timeout(300)
        browser.execute_async_script(UNTIL_WEBGPU)
        assert_same_picture(browser, painter, *drawn(1))


def test_the_whole_page_shows_the_picture_of_the_scene_that_it_begins_with(site, painter, tmp_path):
    script = """
        const done = arguments[0];
        const poll = () => (window.painting ? painting.ready.then(() => done([
            Array.from(painting.ids()), Array.from(painting.z()), Array.from(painting.renderer.picture.pixels),
        ])) : setTimeout(poll, 20));
        poll();
    """
    with served(site) as root, chromium(tmp_path) as browser:
        browser.get(root)
        ids, z, pixels = browser.execute_async_script(script)
        assert browser.find_element("css selector", "meta[http-equiv=Content-Security-Policy]")
        assert all(name.startswith(root) for name in browser.execute_script(LOADED))
    scene = drawn(0)[0]
    assert np.array_equal(np.reshape(ids, scene.shape), scene)
    difference = np.reshape(pixels, (HEIGHT, WIDTH, 4))[..., :3] - image(painter, scene, z).astype(int)
    assert np.abs(difference).max() <= 2


def test_weights_have_8_bits_where_images_stay_the_same(painter, tmp_path, monkeypatch):
    """Those of this network, whose weights are random, do not."""
    opt = export.network_options(painter, tmp_path / "generator.onnx")
    assert (opt.name, opt.precision, opt.by_table) == (RUN, "float32", True)
    assert export.ALIKE < export.difference_of_8_bits(opt) < 0.2
    monkeypatch.setattr(export, "ALIKE", 0.2)
    assert export.network_options(painter, tmp_path / "generator.onnx").precision == "int8"


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path, painter, monkeypatch):
    """Also files of one's own in folders whose names are those of the page."""
    folder = tmp_path / "site"
    (folder / "model").mkdir(parents=True)
    exported = {"browser": {"files": ["model.json", "model/generator.onnx"]}}
    (folder / "model.json").write_text(json.dumps(exported))
    (folder / "model" / "generator.onnx").touch()
    (folder / "model" / "latest_net_G.pth").touch()
    with pytest.raises(InputError, match=r"site: holds model/latest_net_G\.pth, which is no part of the page"):
        export.export(argparse.Namespace(export=folder), painter)
    for path in (folder / "model.json", folder / "model.json" / "site"):
        with pytest.raises(InputError, match=r"model\.json is a file; name a folder"):
            export.export(argparse.Namespace(export=path), painter)
    assert export.relative_files(folder) == ["model.json", "model/generator.onnx", "model/latest_net_G.pth"]
    (folder / "model" / "latest_net_G.pth").unlink()
    monkeypatch.setattr(export, "write_site", lambda folder, painter: [])
    monkeypatch.chdir(folder / "model")
    with pytest.raises(InputError, match="this is the current folder"):
        export.export(argparse.Namespace(export=folder), painter)
    monkeypatch.chdir(tmp_path)
    rename = Path.rename

    def interrupted(path, target):
        if target == folder and export.relative_files(path) == []:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.export(argparse.Namespace(export=folder), painter)
    assert export.relative_files(folder) == ["model.json", "model/generator.onnx"]
    assert list(tmp_path.glob(".*.tmp")) == []


def test_npm_is_missing_or_fails(tmp_path, painter, monkeypatch):
    """One line, and the folder of an earlier export stays."""
    folder, programs = tmp_path / "site", tmp_path / "bin"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"browser": {"files": ["model.json"]}}))
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(InputError, match="--export: needs npm, which fetches onnxruntime-web; install it"):
        export.export(argparse.Namespace(export=folder), painter)
    npm = programs / "npm"
    npm.write_text("#!/bin/sh\necho npm error code ENOTFOUND >&2; echo npm error network no such host >&2; exit 1\n")
    npm.chmod(0o755)
    with pytest.raises(InputError) as error:
        export.export(argparse.Namespace(export=folder), painter)
    assert "(code ENOTFOUND network no such host); is there a network?" in str(error.value)
    assert [path.name for path in tmp_path.iterdir() if path.name != "bin"] == ["site"]
    assert [path.name for path in folder.iterdir()] == ["model.json"]


def test_the_policy_is_put_into_the_page(tmp_path):
    (tmp_path / "index.html").write_text("<html><head>\n  <title>Paint</title></head></html>")
    export.add_policy(tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert page.index("<head>") < page.index('http-equiv="Content-Security-Policy"') < page.index("<title>")


def test_what_the_server_of_a_folder_sends(tmp_path):
    for name in ("a.mjs", "b.wasm", "c.onnx", "d.json", "index.html"):
        (tmp_path / "site" / "sub").mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text("content")
    (tmp_path / "secret").write_text("secret")
    with served(tmp_path / "site", serve.Handler) as root:
        types = {}
        for name in ("a.mjs", "b.wasm", "c.onnx", "d.json", ""):
            with urllib.request.urlopen(root + name) as answer:
                types[name] = answer.headers.get_content_type()
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert types == {
            "a.mjs": "text/javascript", "b.wasm": "application/wasm", "c.onnx": "application/octet-stream",
            "d.json": "application/json", "": "text/html",
        }  # fmt: skip
        for path in ("sub/", "../secret", "%2e%2e/secret", "none"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(root + path)


def test_a_folder_or_port_that_cannot_be_served(tmp_path):
    with pytest.raises(InputError, match=r"--serve .*: was not written by --export"):
        serve.serve(tmp_path)
    (tmp_path / "model.json").write_text('{"name": "small"}')
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match=r"--port .*: cannot listen"):
        serve.serve(tmp_path, port=taken.getsockname()[1])
    for host in ("192.0.2.1", "no.such.name.invalid"):
        with pytest.raises(InputError, match=f"--host {host}: no address of this machine"):
            serve.serve(tmp_path, host, 0)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0"])
def test_files_are_served_at_any_address(tmp_path, host, monkeypatch, capsys):
    (tmp_path / "model.json").write_text('{"name": "small"}')
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    got = []

    def serve_once(server):
        address = server.socket.getsockname()[:2]
        with socket.create_connection((address[0] if ":" in host else "127.0.0.1", address[1])) as client:
            client.sendall(b"GET /model.json HTTP/1.0\r\n\r\n")
            server.handle_request()
            got.append(client.makefile("rb").read())

    monkeypatch.setattr(serve.Server, "serve_forever", serve_once)
    serve.serve(tmp_path, host, 0)
    assert got[0].startswith(b"HTTP/1.0 200") and got[0].endswith(b'{"name": "small"}')
    said = capsys.readouterr().out
    assert ("no token is asked for" in said) == (host == "0")
    assert said.startswith(f"Painting small: http://{ {'::1': '[::1]', '0': socket.gethostname()}.get(host, host) }:")
