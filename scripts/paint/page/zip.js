// Several files as one, which browsers save without asking.

import { crc32 } from "./png.js"; // PNG and ZIP have the same checksum

/**
 * A ZIP archive that stores files as they are: PNG files do not get smaller.
 *
 * @param {[string, Uint8Array][]} files names in ASCII, and contents
 * @returns {Blob}
 */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const size = [bytes.length, 4];
    // Version 2.0, no flags, stored, midnight of 1980-01-01, checksum, both sizes, length of the name, nothing extra.
    const sums = [[crc32(bytes), 4], size, size];
    const header = fields([20, 2], [0, 2], [0, 2], [0, 2], [33, 2], ...sums, [name.length, 2], [0, 2]);
    parts.push(fields([0x04034b50, 4]), header, name, bytes);
    // No comment, first disk, no attributes.
    directory.push(fields([0x02014b50, 4], [20, 2]), header, fields([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), name);
    offset += 4 + header.length + name.length + bytes.length;
  }
  const size = new Blob(directory).size;
  const counts = [files.length, 2];
  const end = fields([0x06054b50, 4], [0, 2], [0, 2], counts, counts, [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Unsigned little-endian numbers: [value, bytes]. */
function fields(...numbers) {
  return Uint8Array.from(numbers.flatMap(([value, size]) => Array.from({ length: size }, (_, i) => value >>> (8 * i))));
}
