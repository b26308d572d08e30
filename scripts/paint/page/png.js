// PNG files read and written exactly (W3C, Portable Network Graphics, third edition). A canvas would blend, scale and
// convert colors; here a sample is what the file holds.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GRAY = 0;
const RGB = 2;
const PALETTE = 3;
const GRAY_ALPHA = 4;
const RGBA = 6;
const CHANNELS = { [GRAY]: 1, [RGB]: 3, [PALETTE]: 1, [GRAY_ALPHA]: 2, [RGBA]: 4 };
const DEPTHS = {
  [GRAY]: [1, 2, 4, 8, 16],
  [RGB]: [8, 16],
  [PALETTE]: [1, 2, 4, 8],
  [GRAY_ALPHA]: [8, 16],
  [RGBA]: [8, 16],
};
const PAETH = 4;
const LARGEST_PIXELS = 2 ** 26;
const LARGEST_RATIO = 1032; // bytes that deflate makes of one at most
// Adam7: first column and row of each pass, and the steps to the next.
const INTERLACED = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
const WHOLE = [[0, 0, 1, 1]];

/** A file that cannot be read as PNG; the message is one line. */
export class PngError extends Error {}

/**
 * The samples of a PNG file as it stores them: of 1 to 16 bits, not scaled, with palette indices as they are.
 * Interlaced files are read too. Transparency of a palette or a color (tRNS), gamma and profiles are not applied.
 *
 * @param {Uint8Array | ArrayBuffer} bytes
 * @param {number} mostPixels that a file may have
 * @returns {Promise<{width, height, colorType, bitDepth, channels, data, palette}>} `data` row by row: Uint8Array, or
 *   Uint16Array for 16 bits, of width * height * channels; `palette` [[r, g, b], ...] or null
 * @throws {PngError} for a file that is broken or none, or of too many pixels, before it is inflated
 */
export async function readPng(bytes, mostPixels = LARGEST_PIXELS) {
  const { header, palette, compressed } = readChunks(new Uint8Array(bytes), mostPixels);
  const { width, height, colorType, bitDepth, interlace } = header;
  const channels = CHANNELS[colorType];
  const passes = (interlace ? INTERLACED : WHOLE)
    .map(([x, y, dx, dy]) => {
      return { x, y, dx, dy, width: Math.ceil((width - x) / dx), height: Math.ceil((height - y) / dy) };
    })
    .filter((pass) => pass.width > 0 && pass.height > 0);
  const rowBytes = (pass) => Math.ceil((pass.width * channels * bitDepth) / 8);
  const size = passes.reduce((sum, pass) => sum + pass.height * (1 + rowBytes(pass)), 0);
  const filtered = await inflate(compressed, size);
  const data = new (bitDepth === 16 ? Uint16Array : Uint8Array)(width * height * channels);
  let start = 0;
  for (const pass of passes) {
    let above = new Uint8Array(rowBytes(pass));
    for (let row = 0; row < pass.height; row++) {
      const line = filtered.subarray(start + 1, start + 1 + above.length);
      unfilter(filtered[start], line, above, Math.max((channels * bitDepth) >> 3, 1));
      const first = ((pass.y + row * pass.dy) * width + pass.x) * channels;
      unpack(line, bitDepth, channels, pass.width, data, first, pass.dx * channels);
      start += 1 + above.length;
      above = line;
    }
  }
  return { width, height, colorType, bitDepth, channels, data, palette };
}

/**
 * A PNG file of 8 bits whose palette indices are ids.
 *
 * @param {Uint8Array} ids width * height
 * @param {[number, number, number][]} colors of each id, to be seen in viewers; black where there is none
 * @returns {Promise<Uint8Array>}
 */
export async function writeIndexedPng(width, height, ids, colors) {
  const largest = ids.reduce((a, b) => Math.max(a, b), 0);
  const palette = Uint8Array.from({ length: 3 * Math.max(largest + 1, Math.min(colors.length, 256)) }, (_, i) => {
    return colors[Math.floor(i / 3)]?.[i % 3] ?? 0;
  });
  const rows = new Uint8Array(height * (1 + width)); // filter 0: differences of ids mean nothing
  for (let y = 0; y < height; y++) rows.set(ids.subarray(y * width, (y + 1) * width), y * (1 + width) + 1);
  return join(width, height, PALETTE, [["PLTE", palette], ["IDAT", await deflate(rows)]]);
}

/** A PNG file of RGB, 8 bits, of pixels RGBA as ImageData has them; what is transparent becomes opaque. */
export async function writeRgbPng(width, height, rgba) {
  const stride = 1 + 3 * width;
  const rows = new Uint8Array(height * stride);
  const sample = (i, y) => (i < 0 || y < 0 ? 0 : rgba[y * width * 4 + Math.floor(i / 3) * 4 + (i % 3)]);
  for (let y = 0; y < height; y++) {
    rows[y * stride] = PAETH; // the filter that suits photos
    for (let i = 0; i < 3 * width; i++) {
      const predicted = paeth(sample(i - 3, y), sample(i, y - 1), i < 3 ? 0 : sample(i - 3, y - 1));
      rows[y * stride + 1 + i] = sample(i, y) - predicted;
    }
  }
  return join(width, height, RGB, [["IDAT", await deflate(rows)]]);
}

// ---- Chunks ----

/** Header, palette and compressed data of a file, of which all checksums are right. */
function readChunks(bytes, mostPixels) {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new PngError("this is not a PNG file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const compressed = [];
  let header = null;
  let palette = null;
  for (let at = SIGNATURE.length; ; ) {
    const length = at + 12 <= bytes.length ? view.getUint32(at) : Infinity;
    if (at + 12 + length > bytes.length) throw new PngError("this PNG file is cut off");
    const body = bytes.subarray(at + 8, at + 8 + length);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw new PngError(`this PNG file is damaged: wrong checksum at byte ${at}`);
    }
    if ((type === "IHDR") !== (header === null)) {
      throw new PngError("this PNG file is damaged: it needs one header, as its first chunk");
    }
    if (type === "IHDR") header = readHeader(body, mostPixels);
    else if (type === "PLTE") palette = readPalette(body);
    else if (type === "IDAT") compressed.push(body);
    else if (type === "IEND") break;
    else if (!(bytes[at + 4] & 0x20)) throw new PngError(`this PNG file needs an extension that is not known: ${type}`);
    at += 12 + length;
  }
  if (header.colorType === PALETTE && !palette) throw new PngError("this PNG file is damaged: its palette is missing");
  return { header, palette, compressed };
}

function readHeader(body, mostPixels) {
  if (body.length !== 13) throw new PngError(`this PNG file is damaged: a header of ${body.length} bytes, not 13`);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bitDepth, colorType, compression, filter, interlace] = body.subarray(8);
  if (width * height === 0 || width * height > mostPixels) {
    throw new PngError(`this PNG file has ${width}x${height} pixels; files of 1 to ${mostPixels} are read`);
  }
  if (!DEPTHS[colorType]?.includes(bitDepth) || compression || filter || interlace > 1) {
    throw new PngError(`this PNG file is damaged: no file has color type ${colorType} with ${bitDepth} bits, \
compression ${compression}, filter ${filter}, interlace ${interlace}`);
  }
  return { width, height, bitDepth, colorType, interlace };
}

function readPalette(body) {
  if (body.length % 3 || body.length === 0 || body.length > 768) {
    throw new PngError(`this PNG file is damaged: a palette of ${body.length} bytes`);
  }
  return Array.from({ length: body.length / 3 }, (_, i) => [...body.subarray(3 * i, 3 * i + 3)]);
}

function join(width, height, colorType, chunks) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colorType], 8); // 8 bits
  const parts = [["IHDR", header], ...chunks, ["IEND", new Uint8Array(0)]].map(([type, body]) => {
    const chunk = new Uint8Array(12 + body.length);
    const fields = new DataView(chunk.buffer);
    fields.setUint32(0, body.length);
    chunk.set([...type].map((letter) => letter.charCodeAt(0)), 4);
    chunk.set(body, 8);
    fields.setUint32(8 + body.length, crc32(chunk.subarray(4, 8 + body.length)));
    return chunk;
  });
  return concatenate([Uint8Array.from(SIGNATURE), ...parts]);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

export function crc32(bytes) {
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}

// ---- Compression ----

/** Inflate parts to exactly `size` bytes; takes no more memory than that, whatever the file holds. */
async function inflate(parts, size) {
  const given = parts.reduce((sum, part) => sum + part.length, 0);
  if (size > given * LARGEST_RATIO) throw new PngError("this PNG file is damaged: it holds too little for its size");
  const bytes = new Uint8Array(size);
  let at = 0;
  const stream = streamOf(parts).pipeThrough(new DecompressionStream("deflate"));
  try {
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes.set(value.subarray(0, size - at), at);
      at += value.length;
      if (at > size) await reader.cancel();
    }
  } catch {
    throw new PngError("this PNG file is damaged: its pixels cannot be decompressed");
  }
  if (at !== size) {
    throw new PngError(`this PNG file is damaged: it holds too ${at < size ? "little" : "much"} for its size`);
  }
  return bytes;
}

async function deflate(bytes) {
  const stream = streamOf([bytes]).pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A stream within this thread; one of a Blob takes some milliseconds more. */
function streamOf(parts) {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// ---- Rows ----

/** Undo the filter of a row, in place; `above` is the row before, and `step` the bytes of a pixel. */
function unfilter(filter, line, above, step) {
  const left = (i) => (i < step ? 0 : line[i - step]);
  const corner = (i) => (i < step ? 0 : above[i - step]);
  // A loop for each filter: every picture from the server comes this way.
  if (filter === 1) for (let i = step; i < line.length; i++) line[i] += line[i - step];
  else if (filter === 2) for (let i = 0; i < line.length; i++) line[i] += above[i];
  else if (filter === 3) for (let i = 0; i < line.length; i++) line[i] += (left(i) + above[i]) >> 1;
  else if (filter === PAETH) for (let i = 0; i < line.length; i++) line[i] += paeth(left(i), above[i], corner(i));
  else if (filter) throw new PngError(`this PNG file is damaged: no row has filter ${filter}`);
}

function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Put the samples of a row into `data`, from index `first` on, `step` from pixel to pixel. */
function unpack(line, bitDepth, channels, width, data, first, step) {
  if (bitDepth === 8 && step === channels) return data.set(line, first);
  for (let x = 0; x < width; x++) {
    for (let channel = 0; channel < channels; channel++) {
      const i = x * channels + channel;
      const bit = i * bitDepth;
      data[first + x * step + channel] =
        bitDepth === 8
          ? line[i]
          : bitDepth === 16
            ? (line[2 * i] << 8) | line[2 * i + 1]
            : (line[bit >> 3] >> (8 - bitDepth - (bit & 7))) & ((1 << bitDepth) - 1);
    }
  }
}
