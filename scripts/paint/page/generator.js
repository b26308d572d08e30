/** The exported generator: a label map and a style in, a picture out. */

import { instanceEdges } from "./edges.js";
import { Tables, integers } from "./tables.js";

export class Generator {
  #ort;
  #model;
  #sessions;
  #tables = null; // of a generator by table

  /**
   * Open its files.
   *
   * @param ort onnxruntime-web
   * @param {object} model model.json
   * @param {Uint8Array[]} files of `fileNames(model)`
   * @param {"wasm" | "webgpu"} processor
   */
  static async open(ort, model, files, processor) {
    const generator = new Generator();
    const sessions = [];
    for (const file of files) sessions.push(await openSession(ort, file, processor));
    [generator.#ort, generator.#model, generator.#sessions] = [ort, model, sessions];
    if (model.browser.rows) generator.#tables = new Tables(ort, model, sessions[1]);
    return generator;
  }

  /**
   * The picture of a map: RGBA, Uint8ClampedArray. Fractions of gray levels are cut off, as everywhere in the project.
   *
   * @param {Uint8Array} ids height * width
   * @param {Float32Array | null} z null for a generator without
   */
  async picture(ids, z) {
    const { height, width } = this.#model;
    const feeds = this.#tables ? await this.#tables.inputs(ids) : this.#maps(ids);
    if (z) feeds.z = new this.#ort.Tensor("float32", z, [1, z.length]);
    const values = (await this.#sessions[0].run(feeds)).images.data; // (1, 3, H, W) in [-1, 1]
    const plane = height * width;
    const pixels = new Uint8ClampedArray(4 * plane).fill(255);
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0, from = channel * plane; i < plane; i++, from++) {
        pixels[4 * i + channel] = Math.floor(((values[from] + 1) / 2) * 255);
      }
    }
    return pixels;
  }

  async release() {
    for (const session of this.#sessions) await session.release();
  }

  /** The inputs of a generator that takes label maps. */
  #maps(ids) {
    const { height, width } = this.#model;
    const feeds = { labels: integers(this.#ort, ids, [1, height, width]) };
    if (this.#model.edges) {
      feeds.edges = new this.#ort.Tensor("bool", instanceEdges(ids, width, height), [1, height, width]);
    }
    return feeds;
  }
}

export function fileNames({ browser: { generator, rows } }) {
  return rows ? [generator, rows] : [generator];
}

export function openSession(ort, file, processor) {
  // 3: errors. It warns of small operations that stay on the processor, as they should.
  return ort.InferenceSession.create(file, { executionProviders: [processor], logSeverityLevel: 3 });
}
