/**
 * The generator, in a thread of its own.
 *
 * A message is a call {number, name, args}, and is answered by {number, result} or {number, error}, one after the
 * other. {progress}, a fraction of the download, and {description} come by themselves.
 */

import { instanceEdges } from "./edges.js";
import { prepare } from "./neighborhoods.js";

const MOST_THREADS = 4; // more gain little at these sizes
const ALIKE = 2; // gray levels by which pictures of two processors may differ
const RUNTIMES = { wasm: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm"] };
// WebGPU needs a WebAssembly that waits for promises (JSPI): browsers without it have WebAssembly alone.
RUNTIMES.webgpu = ["ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"];

let model; // model.json
let settings; // {processor, threads}: see BrowserEngine
let ort; // onnxruntime-web
let weights; // the generator's file, while a second session may be made of it
let generator; // session
let encoder; // session, once it was needed
let hasWebGpu = false;
let received = 0; // bytes

const calls = {
  /** Download and open the generator; the description of what it runs on. */
  async load(about, wanted) {
    [model, settings, received] = [about, wanted, 0];
    const { generator: file, runtime } = model.browser;
    hasWebGpu = await findWebGpu();
    const [script, binary] = RUNTIMES[hasWebGpu ? "webgpu" : "wasm"];
    ort = await import(new URL(runtime + script, self.location));
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = new URL(runtime, self.location).href;
    ort.env.wasm.numThreads = threads();
    [ort.env.wasm.wasmBinary, weights] = await Promise.all([download(runtime + binary), download(file)]);
    generator = await open(weights, "wasm");
    return describe("wasm");
  },

  /** The picture of a map: RGBA, and the milliseconds it took. */
  async image(ids, z) {
    const start = performance.now();
    const pixels = await run(generator, inputs(ids, z));
    return { pixels, milliseconds: performance.now() - start };
  },

  /** The style of a photo: the mean that the encoder gives. */
  async styleOf(photo) {
    encoder ??= await open(await download(model.browser.encoder), "wasm");
    const style = new ort.Tensor("float32", await planes(photo), [1, 3, model.height, model.width]);
    return (await encoder.run({ style })).z.data;
  },
};

async function findWebGpu() {
  if (settings.processor === "wasm" || !navigator.gpu || !WebAssembly.Suspending) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  const isEmulated = adapter?.info?.isFallbackAdapter; // far slower than WebAssembly
  return adapter !== null && (!isEmulated || settings.processor === "webgpu");
}

function threads() {
  if (!self.crossOriginIsolated) return 1; // threads share memory, which only isolated pages may
  return settings.threads ?? Math.min(MOST_THREADS, navigator.hardwareConcurrency);
}

function describe(processor) {
  if (processor === "webgpu") return "WebGPU";
  return `WebAssembly, ${threads()} thread${threads() === 1 ? "" : "s"}`;
}

/** The bytes of a file, with messages of progress. */
async function download(file) {
  const response = await fetch(new URL(file, self.location)).catch(() => null);
  if (!response?.ok) throw new Error(`${file} could not be downloaded (${response?.status ?? "no connection"}).`);
  const parts = [];
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    received += value.length;
    self.postMessage({ progress: Math.min(1, received / model.browser.bytes) });
  }
}

function open(bytes, processor) {
  return ort.InferenceSession.create(bytes, { executionProviders: [processor] });
}

/** What the generator's file takes for a map and a style. */
function inputs(ids, z) {
  const { height, width, browser } = model;
  const feeds = {};
  if (browser.neighborhoods) {
    const window = browser.neighborhoods.kernel ** 2;
    for (const [name, values] of Object.entries(prepare(ids, model))) {
      const size = name.split("_")[1].split("x").map(Number);
      feeds[name] = integers(values, name.startsWith("sites") ? [1, ...size] : [values.length / window, window]);
    }
  } else {
    feeds.labels = integers(ids, [1, height, width]);
    if (model.edges) feeds.edges = new ort.Tensor("bool", instanceEdges(ids, width, height), [1, height, width]);
  }
  if (z) feeds.z = new ort.Tensor("float32", z, [1, z.length]);
  return feeds;
}

/** A tensor of 64-bit integers >= 0. */
function integers(values, dims) {
  const halves = new Int32Array(2 * values.length); // the lower half of each comes first
  for (let i = 0; i < values.length; i++) halves[2 * i] = values[i];
  return new ort.Tensor("int64", new BigInt64Array(halves.buffer), dims);
}

/** Generate: RGBA. Fractions of gray levels are cut off, as everywhere in the project. */
async function run(session, feeds) {
  const { images } = await session.run(feeds);
  const values = await images.getData(); // (1, 3, H, W) in [-1, 1]
  const plane = model.height * model.width;
  const pixels = new Uint8ClampedArray(4 * plane).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0, from = channel * plane; i < plane; i++, from++) {
      pixels[4 * i + channel] = Math.floor(((values[from] + 1) / 2) * 255);
    }
  }
  return pixels;
}

/** A photo at the model's size: the planes of red, green and blue, in [-1, 1]. */
async function planes(photo) {
  const { height, width } = model;
  const bitmap = await createImageBitmap(photo).catch(() => null);
  if (bitmap === null) throw new Error("This file is no photo that the browser can read.");
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const plane = height * width;
  return new Float32Array(3 * plane).map((_, i) => (data[4 * (i % plane) + Math.floor(i / plane)] / 255) * 2 - 1);
}

/**
 * After the first picture: move to WebGPU if it makes the same picture in less time.
 *
 * Drivers of GPUs are many, and some are wrong; and some GPUs are slower than the processor.
 */
async function tryWebGpu([ids, z], { pixels, milliseconds }) {
  try {
    const session = await open(weights, "webgpu");
    const feeds = inputs(ids, z);
    const isAlike = (await run(session, feeds)).every((value, i) => Math.abs(value - pixels[i]) <= ALIKE);
    const start = performance.now(); // the first run compiled its programs
    if (isAlike) await run(session, feeds);
    const isFaster = performance.now() - start < milliseconds || settings.processor === "webgpu";
    const [better, other] = isAlike && isFaster ? [session, generator] : [generator, session];
    generator = better;
    await other.release();
    if (better === session) self.postMessage({ description: describe("webgpu") });
  } catch (error) {
    console.warn(`WebGPU is not used: ${error.message}`);
  }
}

async function answer({ number, name, args }) {
  let result;
  try {
    result = await calls[name](...args);
    self.postMessage({ number, result }); // copied: the pixels may be compared below
  } catch (error) {
    self.postMessage({ number, error: error.message });
  }
  if (name === "image" && result && weights) {
    if (hasWebGpu) await tryWebGpu(args, result);
    weights = null;
  }
}

let last = Promise.resolve();
self.addEventListener("message", ({ data }) => (last = last.then(() => answer(data))));
