/**
 * The generator, in a thread of its own.
 *
 * A message is a call {number, name, args}, and is answered by {number, result} or {number, error}, one after the
 * other. {progress}, a fraction of the download, and {description} come by themselves.
 */

import { Generator, fileNames, openSession } from "./generator.js";

const MOST_THREADS = 4; // more gain little at these sizes
const ALIKE = 2; // gray levels by which pictures of two processors may differ
const RUNTIMES = {
  wasm: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm"],
  // It needs a WebAssembly that waits for promises (JSPI): browsers without it have WebAssembly alone.
  webgpu: ["ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"],
};

let model; // model.json
let settings; // {processor, threads}: see BrowserEngine
let ort; // onnxruntime-web
let files; // those of the generator, while a second one may be made of them
let generator;
let encoder; // session, once it was needed
let hasWebGpu = false;
let received = 0; // bytes

const calls = {
  /** Download and open the generator; the description of what it runs on. */
  async load(about, wanted) {
    [model, settings, received] = [about, wanted, 0];
    const { runtime } = model.browser;
    hasWebGpu = await findWebGpu();
    const [script, binary] = RUNTIMES[hasWebGpu ? "webgpu" : "wasm"];
    ort = await import(new URL(runtime + script, self.location));
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = new URL(runtime, self.location).href;
    ort.env.wasm.numThreads = threads();
    [ort.env.wasm.wasmBinary, ...files] = await Promise.all([runtime + binary, ...fileNames(model)].map(download));
    generator = await Generator.open(ort, model, files, "wasm");
    return describe("wasm");
  },

  /** The picture of a map: RGBA, and the milliseconds it took. */
  async image(ids, z) {
    const start = performance.now();
    const pixels = await generator.picture(ids, z);
    return { pixels, milliseconds: performance.now() - start };
  },

  /** The style of a photo: the mean that the encoder gives. */
  async styleOf(photo) {
    encoder ??= await openSession(ort, await download(model.browser.encoder), "wasm");
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
  const wanted = Math.trunc(settings.threads ?? MOST_THREADS);
  return Math.min(Math.max(wanted, 1), navigator.hardwareConcurrency);
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
    const other = await Generator.open(ort, model, files, "webgpu");
    const isAlike = (await other.picture(ids, z)).every((value, i) => Math.abs(value - pixels[i]) <= ALIKE);
    const start = performance.now(); // the first picture compiled its programs
    if (isAlike) await other.picture(ids.map((id) => (id + 1) % model.num_labels), z); // another map, for its rows, too
    const isFaster = performance.now() - start < milliseconds || settings.processor === "webgpu";
    if (!isAlike || !isFaster) return await other.release();
    await generator.release();
    generator = other;
    self.postMessage({ description: describe("webgpu") });
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
  if (name === "image" && result && files) {
    if (hasWebGpu) await tryWebGpu(args, result);
    files = null;
  }
}

let last = Promise.resolve();
self.addEventListener("message", ({ data }) => (last = last.then(() => answer(data))));
