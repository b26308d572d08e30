// What the tools draw: masks, as Uint8Array(width * height) of 0 and 1, row by row. Nothing is anti-aliased.
//
// A point [x, y] names a pixel by two integers, x to the right and y down. Points may lie outside the map; what a shape
// covers there is left out.

/**
 * Mask of a stroke: a brush moved along straight lines from point to point. A stroke drawn in pieces, each of which
 * starts where the one before ends, covers the same pixels as one drawn at once.
 *
 * @param {[number, number][]} points none gives an empty mask, one a single dab
 * @param {number} size pixels across, an integer from 1; an even brush reaches one pixel further to the left and up
 * @param {"round" | "square"} shape
 * @returns {Uint8Array}
 */
export function brushMask(width, height, points, size, shape) {
  const mask = new Uint8Array(width * height);
  const rows = brushRows(size, shape);
  const dab = (x, y) => {
    for (const [dy, left, right] of rows) {
      if (y + dy < 0 || y + dy >= height) continue;
      const row = (y + dy) * width;
      mask.fill(1, row + clamp(x + left, 0, width), row + clamp(x + right, 0, width));
    }
  };
  points.forEach((point, i) => line(points[Math.max(i - 1, 0)], point, dab));
  return mask;
}

/** Mask of a straight line, both ends included; the same in both directions. */
export function lineMask(width, height, start, end, size, shape) {
  return brushMask(width, height, [start, end], size, shape);
}

/** Mask of a filled rectangle between two opposite corners, both included. */
export function rectangleMask(width, height, [x0, y0], [x1, y1]) {
  const mask = new Uint8Array(width * height);
  const left = clamp(Math.min(x0, x1), 0, width);
  const right = clamp(Math.max(x0, x1) + 1, 0, width);
  const bottom = clamp(Math.max(y0, y1) + 1, 0, height);
  for (let y = clamp(Math.min(y0, y1), 0, height); y < bottom; y++) mask.fill(1, y * width + left, y * width + right);
  return mask;
}

/**
 * Mask of a closed polygon: the pixels whose centers lie inside by the even-odd rule, and its outline one pixel wide.
 *
 * @param {[number, number][]} points corners in order, at any number of which one may cross the others
 */
export function polygonMask(width, height, points) {
  const mask = brushMask(width, height, [...points, ...points.slice(0, 1)], 1, "square");
  for (let y = 0; y < height; y++) {
    const crossings = [];
    points.forEach(([x0, y0], i) => {
      const [x1, y1] = points[(i + 1) % points.length];
      // Half open, so that a corner between two edges counts once.
      if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i < crossings.length; i += 2) {
      const left = clamp(Math.ceil(crossings[i]), 0, width);
      mask.fill(1, y * width + left, y * width + clamp(Math.floor(crossings[i + 1]) + 1, left, width));
    }
  }
  return mask;
}

/** Mask of the connected region of one id around (x, y); pixels are connected across their four sides. */
export function fillMask(ids, width, height, x, y) {
  const mask = new Uint8Array(width * height);
  if (x < 0 || x >= width || y < 0 || y >= height) return mask;
  const id = ids[y * width + x];
  const waiting = [y * width + x];
  while (waiting.length) {
    const seed = waiting.pop();
    if (mask[seed]) continue;
    const row = seed - (seed % width);
    let left = seed;
    while (left > row && ids[left - 1] === id) left--;
    let right = seed + 1;
    while (right < row + width && ids[right] === id) right++;
    mask.fill(1, left, right);
    for (const step of [-width, width]) {
      // One seed for each run of the id in the row above, and in that below.
      for (let i = left + step; i < right + step; i++) {
        const starts = i === left + step || ids[i - 1] !== id;
        if (ids[i] === id && !mask[i] && starts) waiting.push(i);
      }
    }
  }
  return mask;
}

/**
 * Give the pixels of a mask an id, in place.
 *
 * @returns {boolean} whether any pixel had another id before
 */
export function paint(ids, mask, id) {
  let changed = false;
  for (let i = 0; i < ids.length; i++) {
    if (!mask[i] || ids[i] === id) continue;
    ids[i] = id;
    changed = true;
  }
  return changed;
}

/**
 * Move the pixels of a mask by (dx, dy). They cover what was there; those that leave the map are lost.
 *
 * @param {number} base id of the pixels that they leave behind
 * @returns {Uint8Array} new ids; the old ones stay as they are
 */
export function moveRegion(ids, width, height, mask, dx, dy, base) {
  const moved = ids.slice();
  paint(moved, mask, base);
  for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
    for (let x = Math.max(0, -dx); x < Math.min(width, width - dx); x++) {
      if (mask[y * width + x]) moved[(y + dy) * width + x + dx] = ids[y * width + x];
    }
  }
  return moved;
}

/** Rows of a brush around (0, 0): [y, first x, x after the last]. */
function brushRows(size, shape) {
  const first = -(size >> 1);
  // Distances from the center, doubled so that they are integers. This disk touches each side of its square, and a
  // brush of three pixels is a plus, not a square.
  const limit = Math.max(size * size - 2, 0);
  const isInside = (column, row) => {
    const [x, y] = [2 * column - size + 1, 2 * row - size + 1];
    return shape === "square" || x * x + y * y <= limit;
  };
  const rows = [];
  for (let row = 0; row < size; row++) {
    let left = 0;
    while (!isInside(left, row)) left++;
    rows.push([first + row, first + left, first + size - left]);
  }
  return rows;
}

/**
 * Call `visit(x, y)` for each pixel of a line, in steps of one along its longer side. Halves are rounded up whatever
 * their sign, so the pixels are the same in both directions.
 */
function line([x0, y0], [x1, y1], visit) {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
  visit(x0, y0);
  for (let i = 1; i <= steps; i++) {
    visit(x0 + Math.round((i * (x1 - x0)) / steps), y0 + Math.round((i * (y1 - y0)) / steps));
  }
}

function clamp(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}
