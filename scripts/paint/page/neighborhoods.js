/**
 * The inputs of an exported generator by table, as `prepare` in scripts/export/generate.py makes them: the distinct
 * neighborhoods of a label map. Rows stand in another order; what every site's row holds is the same.
 *
 * Neighborhoods of maps before are kept, so that after a stroke only those that it made new are computed.
 */

import { instanceEdges } from "./edges.js";

const OUTSIDE = 0; // symbol beyond the border; others are 1 + id, and num_labels more at an edge
const FACTOR = 0x9e3779b1; // odd, 2^32 / golden ratio: multiplication spreads its bits (Knuth, 6.4)

/**
 * The neighborhoods of a label map at every size of the generator's feature maps.
 *
 * @param {Uint8Array} ids height * width of the model, row by row
 * @param {object} model model.json
 * @param {Object<string, Neighborhoods>} known by size, of maps before: it grows. Empty for one map alone
 * @returns {Object<string, Int32Array>} by input: outer_HxW, rows of k * k, the neighborhoods that are new; inner_HxW,
 *   rows of k * k, the windows in them; and sites_HxW (H * W), the number of every site's neighborhood, of all known
 */
export function prepare(ids, model, known = {}) {
  const { height, width, num_labels: labels, browser } = model;
  const { kernel, padding, sizes } = browser.neighborhoods;
  const edges = model.edges ? instanceEdges(ids, width, height) : new Uint8Array(ids.length);
  const symbols = new Int32Array(ids.length).map((_, i) => 1 + ids[i] + labels * edges[i]);
  const inputs = {};
  for (const [rows, columns] of sizes) {
    const size = `${rows}x${columns}`;
    known[size] ??= new Neighborhoods(kernel, padding);
    const found = known[size].of(everyNth(symbols, height, width, rows, columns), rows, columns);
    for (const [part, values] of Object.entries(found)) inputs[`${part}_${size}`] = values;
  }
  return inputs;
}

/** A map of rows x columns from one of height x width, both multiples: every second, fourth, ... pixel. */
function everyNth(map, height, width, rows, columns) {
  const down = height / rows;
  const across = width / columns;
  const picked = new Int32Array(rows * columns);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) picked[i] = map[y * down * width + x * across];
  }
  return picked;
}

/** The distinct neighborhoods that two kernel x kernel convolutions in a row see in maps of one size. */
export class Neighborhoods {
  #kernel;
  #inner;
  #outer;

  /** @param {"zeros" | "replicate"} padding of both convolutions */
  constructor(kernel, padding) {
    this.#kernel = kernel;
    this.#inner = new Windows(kernel, padding);
    this.#outer = new Windows(kernel, padding);
    this.#inner.add(new Int32Array(kernel * kernel).fill(OUTSIDE)); // row 0 lies wholly outside
  }

  /** How many there are. */
  get count() {
    return this.#outer.count;
  }

  /**
   * Number the neighborhoods of a map of symbols > 0.
   *
   * @param {Int32Array} symbols height * width of them
   * @returns {{inner: Int32Array, outer: Int32Array, sites: Int32Array}} rows of symbols, after row 0, which lies wholly
   *   outside; rows of indices into `inner`, of the neighborhoods that no map before had; the number of every site's
   */
  of(symbols, height, width) {
    const before = this.#outer.count;
    const sites = this.#outer.of(this.#inner.of(symbols, height, width), height, width);
    const rows = new Int32Array(this.#inner.count).fill(-1); // of the windows that are needed
    const needed = [0];
    rows[0] = 0;
    const outer = this.#outer.from(before).map((window) => {
      if (rows[window] < 0) rows[window] = needed.push(window) - 1;
      return rows[window];
    });
    const length = this.#kernel ** 2;
    const inner = new Int32Array(needed.length * length);
    needed.forEach((window, i) => inner.set(this.#inner.row(window), i * length));
    return { inner, outer, sites };
  }
}

/** Numbers distinct kernel x kernel windows of maps, and keeps their contents. */
class Windows {
  #kernel;
  #padding;
  #contents = new Int32Array(1024); // kernel^2 values of each
  #table = new Int32Array(4096); // open addressing: 1 + number of a window, 0 where there is none
  count = 0;

  constructor(kernel, padding) {
    this.#kernel = kernel;
    this.#padding = padding;
  }

  /** The number of every site's window. */
  of(map, height, width) {
    const { padded, stride } = pad(map, height, width, this.#kernel >> 1, this.#padding);
    const length = this.#kernel ** 2;
    const steps = new Int32Array(length); // from a window's first value to each of its values
    for (let i = 0; i < length; i++) steps[i] = Math.floor(i / this.#kernel) * stride + (i % this.#kernel);
    const window = new Int32Array(length);
    const sites = new Int32Array(height * width);
    for (let y = 0, site = 0; y < height; y++) {
      for (let x = 0; x < width; x++, site++) {
        for (let i = 0; i < length; i++) window[i] = padded[y * stride + x + steps[i]];
        const last = sites[site - 1]; // of most sites the same
        sites[site] = last !== undefined && this.#holds(last, window) ? last : this.add(window);
      }
    }
    return sites;
  }

  /** The number of a window, which is new if there was none like it. */
  add(window) {
    const mask = this.#table.length - 1;
    let slot = hash(window) & mask;
    while (this.#table[slot] && !this.#holds(this.#table[slot] - 1, window)) slot = (slot + 1) & mask;
    if (this.#table[slot]) return this.#table[slot] - 1;
    this.#append(window);
    this.#table[slot] = this.count;
    if (2 * this.count > this.#table.length) this.#grow();
    return this.count - 1;
  }

  /** The contents of one window. */
  row(number) {
    const length = this.#kernel ** 2;
    return this.#contents.subarray(number * length, (number + 1) * length);
  }

  /** The contents of all windows from a number on. */
  from(number) {
    const length = this.#kernel ** 2;
    return this.#contents.subarray(number * length, this.count * length);
  }

  #holds(number, window) {
    const start = number * window.length;
    for (let i = 0; i < window.length; i++) if (this.#contents[start + i] !== window[i]) return false;
    return true;
  }

  #append(window) {
    const end = this.count * window.length;
    if (end + window.length > this.#contents.length) {
      const longer = new Int32Array(2 * this.#contents.length);
      longer.set(this.#contents);
      this.#contents = longer;
    }
    this.#contents.set(window, end);
    this.count += 1;
  }

  /** Twice the places, which is at most a quarter full. */
  #grow() {
    this.#table = new Int32Array(2 * this.#table.length);
    const mask = this.#table.length - 1;
    for (let number = 0; number < this.count; number++) {
      let slot = hash(this.row(number)) & mask;
      while (this.#table[slot]) slot = (slot + 1) & mask;
      this.#table[slot] = number + 1;
    }
  }
}

function hash(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum = Math.imul(sum ^ values[i], FACTOR) ^ (sum >>> 15);
  return Math.imul(sum, FACTOR) >>> 8; // the upper bits depend on all values
}

/** A map with what the convolution sees beyond its border, and the length of its rows. */
function pad(map, height, width, margin, padding) {
  const stride = width + 2 * margin;
  const padded = new Int32Array(stride * (height + 2 * margin)).fill(OUTSIDE);
  for (let y = -margin; y < height + margin; y++) {
    const row = Math.min(Math.max(y, 0), height - 1);
    if (row !== y && padding !== "replicate") continue;
    const at = (y + margin) * stride + margin;
    padded.set(map.subarray(row * width, (row + 1) * width), at);
    if (padding === "replicate") {
      padded.fill(padded[at], at - margin, at);
      padded.fill(padded[at + width - 1], at + width, at + width + margin);
    }
  }
  return { padded, stride };
}
