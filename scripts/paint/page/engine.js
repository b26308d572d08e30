// What makes pictures: the server, or the generator in this browser. Both have the methods of ServerEngine.

import { Superseded, Unsupported } from "./errors.js";
import { readPng } from "./png.js";

export { Superseded, Unsupported };

/** Nobody answered, or the server is busy: the same request may succeed in `seconds`. */
export class Unreachable extends Error {
  constructor(message, seconds) {
    super(message);
    this.seconds = seconds;
  }
}

/** The engine that model.json names; the code of the other is not loaded. */
export async function createEngine(model) {
  if (model.engine === "server") return new ServerEngine(model);
  const { BrowserEngine } = await import("./browser_engine.js");
  return new BrowserEngine(model);
}

class ServerEngine {
  #model;
  #session = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  #number = 0;
  #running = new Map(); // lane -> AbortController of its newest request
  #device = "server";

  constructor(model) {
    this.#model = model;
  }

  /** Ask once what the server runs on; it loads its network by itself. */
  async ready() {
    const response = await fetchOrExplain("api/status");
    this.#device = (await response.json()).device;
  }

  describe() {
    return this.#device;
  }

  /**
   * The picture of a map in a style.
   *
   * @param {Uint8Array} ids height * width
   * @param {Float32Array | null} z null for a model without styles
   * @param {{lane: "picture" | "styles"}} options a newer call in the same lane rejects this one with Superseded
   * @returns {Promise<{pixels: Uint8ClampedArray, milliseconds: number}>} RGBA
   */
  async image(ids, z, { lane }) {
    this.#running.get(lane)?.abort();
    const controller = new AbortController();
    this.#running.set(lane, controller);
    const query = new URLSearchParams({ session: this.#session, number: this.#number++, lane });
    // The server refuses pages of a model that it no longer has.
    if (this.#model.fingerprint) query.set("model", this.#model.fingerprint);
    // On the wire z is little-endian, as it is in the memory of everything that runs a browser.
    const body = new Blob(z ? [ids, z] : [ids]);
    const response = await fetchOrExplain(`api/image?${query}`, { method: "POST", body, signal: controller.signal });
    const png = await readPng(new Uint8Array(await interruptible(response.arrayBuffer())));
    return { pixels: withAlpha(png.data), milliseconds: Number(response.headers.get("X-Milliseconds")) };
  }

  /** The style of a photo: the mean that the encoder gives. */
  async styleOf(blob) {
    const response = await fetchOrExplain("api/style", { method: "POST", body: blob });
    return Float32Array.from((await response.json()).z);
  }

  /** The label map of a photo, by the server's segmenter. */
  async labelsOf(blob) {
    if (!this.#model.segmenter) throw new Unsupported("This server has no segmenter.");
    const response = await fetchOrExplain("api/labels", { method: "POST", body: blob });
    return (await readPng(new Uint8Array(await response.arrayBuffer()))).data;
  }
}

/** A response with status 200; any other end becomes one of the errors that the page tells apart. */
async function fetchOrExplain(url, options = {}) {
  const response = await interruptible(fetch(url, options));
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  if (response.status === 409 && !body.reload) throw new Superseded("a newer map was drawn");
  if (response.status === 401) throw new Error("This page needs a token: open the address that the program printed.");
  if (response.status === 503) {
    throw new Unreachable("The server is busy", Number(response.headers.get("Retry-After")) || 1);
  }
  throw new Error(`The server refused: ${body.error ?? `status ${response.status}`}`);
}

async function interruptible(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw new Superseded("a newer map was drawn");
    throw new Unreachable("The server does not answer", 2);
  }
}

function withAlpha(rgb) {
  const pixels = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    pixels[to] = rgb[from];
    pixels[to + 1] = rgb[from + 1];
    pixels[to + 2] = rgb[from + 2];
  }
  return pixels;
}
