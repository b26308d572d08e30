// The generator in this browser: the engine of pages without a server.

import { Superseded, Unsupported } from "./errors.js";

/**
 * Has the methods of ServerEngine in engine.js.
 *
 * ?processor=wasm or webgpu, and ?threads=N, in the address of the page choose what is otherwise found out; N counts
 * from 1 to as many threads as the processor runs.
 */
export class BrowserEngine {
  #model;
  #worker = null;
  #loading = null; // promise of a loaded generator
  #onProgress = () => {};
  #description = "";
  #calls = new Map(); // number -> {resolve, reject}, of the worker's answer
  #number = 0;
  #waiting = new Map(); // lane -> {args, resolve, reject}
  #running = null; // {lane, isOld}

  constructor(model) {
    this.#model = model;
  }

  /** Download the generator; after a failure, again. `onProgress(fraction)` follows it. */
  ready(onProgress = () => {}) {
    this.#onProgress = onProgress;
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  describe() {
    return this.#description;
  }

  /**
   * The picture of a map in a style.
   *
   * @param {Uint8Array} ids height * width
   * @param {Float32Array | null} z null for a model without styles
   * @param {{lane: "picture" | "styles"}} options a newer call in the same lane rejects this one with Superseded
   * @returns {Promise<{pixels: Uint8ClampedArray, milliseconds: number}>} RGBA
   */
  image(ids, z, { lane }) {
    this.#waiting.get(lane)?.reject(new Superseded("a newer map was drawn"));
    if (this.#running?.lane === lane) this.#running.isOld = true;
    return new Promise((resolve, reject) => {
      this.#waiting.set(lane, { args: [ids.slice(), z], resolve, reject });
      if (!this.#running) this.#runNext();
    });
  }

  /** The style of a photo: the mean that the encoder gives. */
  async styleOf(blob) {
    if (!this.#model.browser.encoder) throw new Unsupported("This model takes no style from photos.");
    await this.ready(this.#onProgress);
    return this.#call("styleOf", blob);
  }

  async labelsOf() {
    throw new Unsupported("Labeling a photo needs a server: this page runs in the browser alone.");
  }

  async #load() {
    const query = new URLSearchParams(location.search);
    const settings = { processor: query.get("processor"), threads: Number(query.get("threads")) || null };
    this.#worker?.terminate();
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", ({ message }) => this.#fail(message));
    this.#description = await this.#call("load", this.#model, settings);
  }

  #call(name, ...args) {
    this.#number += 1;
    this.#worker.postMessage({ number: this.#number, name, args });
    return new Promise((resolve, reject) => this.#calls.set(this.#number, { resolve, reject }));
  }

  #receive({ progress, description, number, result, error }) {
    if (progress !== undefined) this.#onProgress(progress);
    else if (description !== undefined) this.#description = description;
    else {
      const { resolve, reject } = this.#calls.get(number);
      this.#calls.delete(number);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    }
  }

  /** The worker itself has failed, such as for want of memory: the next call starts another one. */
  #fail(message) {
    this.#loading = null;
    for (const { reject } of this.#calls.values()) reject(new Error(`The generator stopped: ${message ?? "unknown"}`));
    this.#calls.clear();
  }

  /** Run what waits, the picture before thumbnails of styles. */
  async #runNext() {
    while (this.#waiting.size) {
      const lane = this.#waiting.has("picture") ? "picture" : this.#waiting.keys().next().value;
      const { args, resolve, reject } = this.#waiting.get(lane);
      this.#waiting.delete(lane);
      const running = (this.#running = { lane, isOld: false });
      try {
        await this.ready(this.#onProgress);
        const result = await this.#call("image", ...args);
        if (running.isOld) throw new Superseded("a newer map was drawn");
        resolve(result);
      } catch (error) {
        reject(error);
      }
    }
    this.#running = null;
  }
}
