"""The modules of the paint page, called from Python in a headless Chromium."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.scripts.browser import chromium
from tests.scripts.paint.folders import QuietHandler, served

PAGE = Path(__file__).parents[3] / "scripts" / "paint" / "page"
MODULES = ("shapes", "history", "png", "label_files", "random", "autosave", "viewport")
BLANK = b'<!doctype html><title>Modules</title><link rel="icon" href="data:,">'
RUN = """
const [names, body, values, done] = arguments;
const toBase64 = (array) => {
  let text = "";
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
const encode = (value) => {
  if (ArrayBuffer.isView(value)) return {array: value.constructor.name, base64: toBase64(value)};
  if (Array.isArray(value)) return value.map(encode);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
};
const decode = (value) => {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (!value.array) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
  return new globalThis[value.array](Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0)).buffer);
};
(async () => {
  const modules = await Promise.all(names.map((name) => import(`/${name}.js`)));
  const run = new Function(...names, "args", `return (async () => { ${body} })()`);
  return encode(await run(...modules, decode(values))) ?? null;
})().then((value) => done({value}), (error) => done({error: `${error.constructor.name}: ${error.message}`}));
"""


class PageError(Exception):
    """An error of JavaScript: its class and its message."""


class PageModules:
    """The modules in an open page: `run("return shapes.fillMask(...args)", ids, 3, 3, 0, 0)`."""

    def __init__(self, driver, address: str):
        self.driver, self.address = driver, address
        self.reload()

    def reload(self) -> None:
        self.driver.get(self.address)

    def run(self, body: str, *args):
        """What a body of JavaScript returns that knows the modules by name, and `args`; arrays travel as NumPy's."""
        answer = self.driver.execute_async_script(RUN, MODULES, body, _encoded(list(args)))
        if "error" in answer:
            raise PageError(answer["error"])
        return _decoded(answer["value"])


def _encoded(value):
    if isinstance(value, bytes):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, np.ndarray):
        name = f"{value.dtype.name.title().replace('i', 'I')}Array"  # "uint8" -> "UInt8Array"
        return {"array": name.replace("UI", "Ui"), "base64": base64.b64encode(value.tobytes()).decode()}
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    return [_encoded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _decoded(value):
    if isinstance(value, dict) and "array" in value:
        kind = value["array"].removesuffix("Array").replace("Clamped", "").lower()
        return np.frombuffer(base64.b64decode(value["base64"]), kind)
    if isinstance(value, dict):
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


class ModulesHandler(QuietHandler):
    """Answers with the modules, and with a blank page that can import them."""

    extensions_map = {".js": "text/javascript"}  # noqa: RUF012 # Python's own depends on the machine

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(BLANK)


@contextlib.contextmanager
def open_modules(folder: Path) -> Iterator[PageModules]:
    with served(PAGE, ModulesHandler) as root, chromium(folder) as driver:
        yield PageModules(driver, root)
