/**
 * The rows of gamma and beta of all neighborhoods so far. After a stroke only the rows of new neighborhoods are computed,
 * and for another style of the same map none.
 */

import { prepare } from "./neighborhoods.js";

const MOST_GROWTH = 3; // times the first map's rows, before all are forgotten

export class Tables {
  #ort;
  #model;
  #session;
  #known; // neighborhoods by size, see `prepare`
  #values; // by name: {type, array, length, shape}, `length` values in each row of `shape`, and room for more rows
  #ids; // the map of #sites
  #sites; // tensors by input
  #counts; // of rows by size
  #first; // rows of all sizes after the first map

  /** @param session of model/rows.onnx */
  constructor(ort, model, session) {
    this.#ort = ort;
    this.#model = model;
    this.#session = session;
    this.#forget();
  }

  /** What the generator takes for a map, but for z: sites, and the tables that they look up. */
  async inputs(ids) {
    if (!this.#ids?.every((id, i) => id === ids[i])) {
      try {
        await this.#see(ids);
      } catch (error) {
        this.#forget(); // what is known and what was computed may not agree
        throw error;
      }
    }
    const tables = Object.entries(this.#model.browser.tables).map(([name, size]) => {
      const { type, array, length, shape } = this.#values[name];
      const count = this.#counts[size];
      return [name, new this.#ort.Tensor(type, array.subarray(0, count * length), [count, ...shape])];
    });
    return { ...this.#sites, ...Object.fromEntries(tables) };
  }

  #forget() {
    [this.#known, this.#values, this.#counts, this.#ids, this.#first] = [{}, {}, {}, null, null];
  }

  async #see(ids) {
    if (this.#first !== null && this.#total() > MOST_GROWTH * this.#first) this.#forget();
    const before = { ...this.#counts };
    const found = prepare(ids, this.#model, this.#known);
    const feeds = {};
    this.#sites = {};
    let isNew = false;
    for (const [height, width] of this.#model.browser.neighborhoods.sizes) {
      const size = `${height}x${width}`;
      this.#sites[`sites_${size}`] = integers(this.#ort, found[`sites_${size}`], [1, height, width]);
      this.#counts[size] = this.#known[size].count;
      isNew ||= this.#counts[size] > (before[size] ?? 0);
      for (const part of ["inner", "outer"]) feeds[`${part}_${size}`] = this.#windows(found[`${part}_${size}`]);
    }
    if (isNew) this.#append(await this.#session.run(feeds), before);
    this.#ids = ids.slice();
    this.#first ??= this.#total();
  }

  #total() {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
  }

  /** Windows as rows; one that is not looked at where there are none, since runtimes expect some. */
  #windows(values) {
    const length = this.#model.browser.neighborhoods.kernel ** 2;
    const some = values.length ? values : new Int32Array(length);
    return integers(this.#ort, some, [some.length / length, length]);
  }

  #append(outputs, before) {
    for (const [name, size] of Object.entries(this.#model.browser.tables)) {
      const { type, data, dims } = outputs[name];
      const length = data.length / dims[0];
      const [start, end] = [(before[size] ?? 0) * length, this.#counts[size] * length];
      let array = this.#values[name]?.array ?? data;
      if (end > array.length) {
        array = new data.constructor(Math.ceil(1.5 * end));
        array.set(this.#values[name].array.subarray(0, start));
      }
      array.set(data.subarray(0, end - start), start);
      this.#values[name] = { type, array, length, shape: dims.slice(1) };
    }
  }
}

/** A tensor of 64-bit integers >= 0. */
export function integers(ort, values, dims) {
  const halves = new Int32Array(2 * values.length); // the lower half of each comes first
  for (let i = 0; i < values.length; i++) halves[2 * i] = values[i];
  return new ort.Tensor("int64", new BigInt64Array(halves.buffer), dims);
}
