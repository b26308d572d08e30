/**
 * The inputs of an exported generator by table, as `prepare` in scripts/export/generate.py makes them: the distinct
 * neighborhoods of a label map. Rows may stand in another order; what every site's row holds is the same.
 */

import { instanceEdges } from "./edges.js";

const OUTSIDE = 0; // symbol beyond the border; others are 1 + id, and num_labels more at an edge
const FACTOR = 0x9e3779b1; // odd, 2^32 / golden ratio: multiplication spreads its bits (Knuth, 6.4)

/**
 * The neighborhoods of a label map at every size of the generator's feature maps.
 *
 * @param {Uint8Array} ids height * width of the model, row by row
 * @param {object} model model.json
 * @returns {Object<string, Int32Array>} by input: inner_HxW (V rows of k * k), outer_HxW (U rows of k * k) and
 *   sites_HxW (H * W)
 */
export function prepare(ids, model) {
  const { height, width, num_labels: labels, browser } = model;
  const { kernel, padding, sizes } = browser.neighborhoods;
  const edges = model.edges ? instanceEdges(ids, width, height) : new Uint8Array(ids.length);
  const symbols = new Int32Array(ids.length).map((_, i) => 1 + ids[i] + labels * edges[i]);
  const inputs = {};
  for (const [rows, columns] of sizes) {
    const picked = everyNth(symbols, height, width, rows, columns);
    for (const [part, values] of Object.entries(neighborhoods(picked, rows, columns, kernel, padding))) {
      inputs[`${part}_${rows}x${columns}`] = values;
    }
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

/**
 * The distinct neighborhoods that two kernel x kernel convolutions in a row see in a map of symbols > 0.
 *
 * @param {Int32Array} symbols height * width of them
 * @param {"zeros" | "replicate"} padding of both convolutions
 * @returns {{inner: Int32Array, outer: Int32Array, sites: Int32Array}} symbols of the distinct windows of the first
 *   convolution, after row 0, which lies wholly outside; rows of `inner` in the distinct windows of the second one; the
 *   row of `outer` at every site
 */
export function neighborhoods(symbols, height, width, kernel, padding) {
  const first = windows(symbols, height, width, kernel, padding);
  const inner = new Int32Array(kernel * kernel + first.contents.length).fill(OUTSIDE, 0, kernel * kernel);
  inner.set(first.contents, kernel * kernel);
  const { sites, contents } = windows(first.sites.map((site) => site + 1), height, width, kernel, padding);
  return { inner, outer: contents, sites };
}

/**
 * Number the distinct kernel x kernel windows of a map from 0, in order of their first sites.
 *
 * @returns {{sites: Int32Array, contents: Int32Array}} the number of every site's window; kernel^2 values of each
 */
function windows(map, height, width, kernel, padding) {
  const { padded, stride } = pad(map, height, width, kernel >> 1, padding);
  const steps = new Int32Array(kernel * kernel); // from a window's first value to each of its values
  for (let i = 0; i < steps.length; i++) steps[i] = Math.floor(i / kernel) * stride + (i % kernel);

  const sites = new Int32Array(height * width);
  const starts = new Int32Array(height * width); // of the first window with each number, in `padded`
  const bits = Math.ceil(Math.log2(2 * height * width + 1)); // so the table stays at most half full
  const table = new Int32Array(2 ** bits); // open addressing: 1 + number of a window, 0 where there is none
  let count = 0;
  for (let y = 0, site = 0; y < height; y++) {
    for (let x = 0; x < width; x++, site++) {
      const start = y * stride + x;
      let hash = 0;
      for (let i = 0; i < steps.length; i++) hash = Math.imul(hash ^ padded[start + steps[i]], FACTOR) ^ (hash >>> 15);
      let slot = Math.imul(hash, FACTOR) >>> (32 - bits);
      while (table[slot] && !equal(padded, starts[table[slot] - 1], start, steps)) {
        slot = (slot + 1) & (table.length - 1);
      }
      if (!table[slot]) {
        starts[count] = start;
        table[slot] = ++count;
      }
      sites[site] = table[slot] - 1;
    }
  }
  const contents = new Int32Array(count * steps.length);
  for (let i = 0; i < contents.length; i++) {
    contents[i] = padded[starts[Math.floor(i / steps.length)] + steps[i % steps.length]];
  }
  return { sites, contents };
}

/** Whether two windows hold the same values. */
function equal(padded, one, other, steps) {
  for (let i = 0; i < steps.length; i++) if (padded[one + steps[i]] !== padded[other + steps[i]]) return false;
  return true;
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
