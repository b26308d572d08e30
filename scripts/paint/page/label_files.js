// Label maps as files: ids, or colors that mean classes, read into ids of the model, and written.

import { PngError, readPng, writeIndexedPng } from "./png.js";

/** A file that is no label map of the model; the message is one line. */
export class LabelFileError extends Error {}

// NVIDIA's GauGAN demo saved label maps in these colors, whose red channel is the id in COCO-Stuff: color, name, and
// the name in COCO-Stuff where that is another.
const GAUGAN = `
9ceedd sky sky-other|696969 cloud clouds|9ac6da sea|869664 mountain|7bc800 grass|a8c832 tree|606e32 bush|956432 rock
999900 sand|9e9eaa snow|b1c8ff water water-other|9364c8 river|6e6e28 dirt|77ba1d fog|7ec864 hill|7c32c8 gravel
946e28 road|87716f mud|760000 flower|a2a3eb straw|a1a164 stone|b57b00 wood|7f4502 house|5e5bc5 bridge|706419 fence
aad16a wall-brick|ae2974 wall-stone|b0c1c3 wall-wood`
  .trim()
  .split(/[|\n]/)
  .map((line) => line.split(" "))
  .map(([color, ...names]) => ({ color: parseInt(color, 16), names }));

const LARGEST_PIXELS = 2 ** 24; // 4096x4096: larger files would stop the page for many seconds

/**
 * Read a label map, at the size of the model: an id for each pixel (gray or palette), or the colors of the model's
 * classes or of GauGAN.
 *
 * @param {Uint8Array | ArrayBuffer} bytes a PNG file
 * @param {object} model model.json
 * @returns {Promise<{ids: Uint8Array, note: string}>} `note`: one line on how the file was read
 * @throws {LabelFileError} for anything else: what is where, and what is allowed
 */
export async function readLabelMap(bytes, model) {
  const file = await readPng(bytes, LARGEST_PIXELS).catch((error) => {
    if (!(error instanceof PngError)) throw error;
    throw new LabelFileError(error.message);
  });
  const { ids, note } = readPixels(file, model);
  if (file.width === model.width && file.height === model.height) return { ids, note };
  const isScaled = file.width * model.height === file.height * model.width;
  const how = isScaled ? "" : ", which changes its proportions";
  return {
    ids: resize(ids, file, model),
    note: `${note}; resized from ${file.width}x${file.height} to ${model.width}x${model.height}${how}`,
  };
}

/**
 * A label map as the project reads it: a PNG file whose palette indices are ids, with the value that label files have
 * for unknown pixels.
 */
export function writeLabelMap(ids, model) {
  const { width, height, unknown_id: unknownId, unknown_value: unknownValue } = model;
  const colors = model.classes.map(({ color }) => color);
  if (unknownId === null || unknownValue === null) return writeIndexedPng(width, height, ids, colors);
  colors[unknownValue] = colors[unknownId];
  const values = ids.map((id) => (id === unknownId ? unknownValue : id));
  return writeIndexedPng(width, height, values, colors);
}

function readPixels({ width, bitDepth, channels, data, palette }, model) {
  if (channels === 2 || channels === 4) refuseTransparent(data, channels, width, 2 ** bitDepth - 1);
  const colorsOf = { classes: classColors(model), gaugan: gauganColors(model) };
  if (palette) return readPalette(data, palette, width, model, colorsOf);
  if (channels < 3) return { ids: readIds(everyNth(data, channels), width, model), note: "Read as ids" };
  if (bitDepth === 16) {
    throw new LabelFileError("this file has colors of 16 bits; label maps in colors have 8 bits per channel");
  }
  const colors = new Uint32Array(data.length / channels);
  for (let i = 0, at = 0; i < colors.length; i++, at += channels) {
    colors[i] = pack([data[at], data[at + 1], data[at + 2]]);
  }
  const used = distinct(colors);
  const read = readColors(used, colorsOf);
  if (read) return { ids: translate(colors, read.idOf), note: read.note };
  // Programs that cannot save gray write ids three times.
  if (used.every((color) => color % 0x10101 === 0)) {
    return { ids: readIds(colors.map((color) => color & 255), width, model), note: "Read as ids" };
  }
  throw new LabelFileError(strangeColor(colors, width, colorsOf));
}

/**
 * Palette files hold ids. One whose palette consists of colors of classes, in another order, does not: programs that
 * make PNG files smaller turn colors into such a palette. Entries that do not occur may have any color.
 */
function readPalette(indices, palette, width, model, colorsOf) {
  const used = distinct(indices);
  const isOwn = (id) => id >= palette.length || `${palette[id]}` === `${model.classes[id]?.color}`;
  const isInOrder = model.classes.every(({ id }) => isOwn(id)) || used.every(isOwn);
  const isWhole = used.every((index) => index < palette.length);
  const read = !isInOrder && isWhole && readColors(used.map((index) => pack(palette[index])), colorsOf);
  if (!read) return { ids: readIds(indices, width, model), note: "Read as ids" };
  const idOf = new Map(used.map((index) => [index, read.idOf.get(pack(palette[index]))]));
  return { ids: translate(indices, idOf), note: read.note };
}

/** The id of each color, if all are in one of the tables; null if they are in none. */
function readColors(colors, { classes, gaugan }) {
  if (colors.every((color) => classes.has(color))) return { idOf: classes, note: "Read by the colors of the classes" };
  if (!colors.every((color) => gaugan.has(color))) return null;
  const missing = colors.filter((color) => gaugan.get(color).id === null);
  if (missing.length) {
    const names = missing.map((color) => gaugan.get(color).name).join(", ");
    throw new LabelFileError(`this file is in GauGAN's colors, and the model has no class for: ${names}`);
  }
  return { idOf: new Map(colors.map((color) => [color, gaugan.get(color).id])), note: "Read by GauGAN's colors" };
}

/** Ids of the model for values in a file, which may hold the value or the id for unknown. */
function readIds(values, width, model) {
  const idOf = new Map(model.classes.map(({ id }) => [id, id]));
  if (model.unknown_value !== null && model.unknown_id !== null) idOf.set(model.unknown_value, model.unknown_id);
  const first = values.findIndex((value) => !idOf.has(value));
  if (first < 0) return translate(values, idOf);
  const count = values.reduce((sum, value) => sum + (value === values[first]), 0);
  const unknown = model.unknown_value === null ? "" : `, or ${model.unknown_value} for unknown`;
  const wrong = `id ${values[first]} ${pixels(count)} (first ${place(first, width)})`;
  throw new LabelFileError(`this file holds ${wrong}; the model knows 0 to ${model.classes.length - 1}${unknown}`);
}

/** Color -> id; where classes have one color, the first of them. */
function classColors({ classes }) {
  return new Map(classes.map(({ id, color }) => [pack(color), id]).reverse());
}

/** Color -> {name, id}, with id null where the model has no such class. */
function gauganColors({ classes, coco_ids: cocoIds }) {
  const entry = ({ color, names }) => {
    const isIt = ({ name }) => names.includes(name) || cocoIds?.[name] === color >> 16;
    return [color, { name: names[0], id: classes.find(isIt)?.id ?? null }];
  };
  return new Map(GAUGAN.map(entry));
}

function refuseTransparent(data, channels, width, opaque) {
  const alpha = everyNth(data, channels, channels - 1);
  const first = alpha.findIndex((value) => value !== opaque);
  if (first < 0) return;
  const count = alpha.reduce((sum, value) => sum + (value !== opaque), 0);
  throw new LabelFileError(`this file is transparent ${pixels(count)} (first ${place(first, width)}); save it opaque`);
}

/** The message for pixels of which at least one has a color of no table. */
function strangeColor(colors, width, { classes, gaugan }) {
  const isKnown = (color) => classes.has(color) || gaugan.has(color);
  let first = colors.findIndex((color) => !isKnown(color));
  if (first < 0) first = colors.findIndex((color) => !classes.has(color)); // colors of both tables
  const hex = `#${colors[first].toString(16).padStart(6, "0")}`;
  const count = colors.reduce((sum, color) => sum + (color === colors[first]), 0);
  return (
    `this file has the color ${hex} ${pixels(count)} (first ${place(first, width)}), which no class has; a label ` +
    "map holds one id per pixel, only colors of the classes, or only GauGAN's colors"
  );
}

/** Pick pixels as Pillow's NEAREST does: those under the centers of the new ones, found by adding steps as there. */
function resize(ids, from, to) {
  const picked = (size, newSize) => {
    const step = size / newSize;
    let at = step * 0.5;
    return Uint32Array.from({ length: newSize }, () => {
      const pixel = Math.min(Math.floor(at), size - 1);
      at += step;
      return pixel;
    });
  };
  const columns = picked(from.width, to.width);
  const rows = picked(from.height, to.height);
  const resized = new Uint8Array(to.width * to.height);
  rows.forEach((row, y) => columns.forEach((x, i) => (resized[y * to.width + i] = ids[row * from.width + x])));
  return resized;
}

function everyNth(values, step, first = 0) {
  if (step === 1) return values;
  const picked = new Uint16Array(values.length / step);
  for (let i = 0, at = first; i < picked.length; i++, at += step) picked[i] = values[at];
  return picked;
}

/** The values that occur, in the order of their first pixels. */
function distinct(values) {
  const found = new Set();
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== values[i - 1]) found.add(values[i]); // neighbors are mostly equal
  }
  return [...found];
}

/** Ids of values that `idOf`, a Map, knows. */
function translate(values, idOf) {
  const ids = new Uint8Array(values.length);
  for (let i = 0; i < ids.length; i++) ids[i] = values[i] === values[i - 1] ? ids[i - 1] : idOf.get(values[i]);
  return ids;
}

const pack = ([r, g, b]) => (r << 16) | (g << 8) | b;
const pixels = (count) => `at ${count.toLocaleString("en-US")} pixel${count === 1 ? "" : "s"}`;
const place = (index, width) => `at x ${index % width}, y ${Math.floor(index / width)}`;
