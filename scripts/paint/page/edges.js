/**
 * Mark every pixel whose id differs from one of its four neighbors': regions of one class are the instances.
 *
 * @param {Uint8Array} ids width * height of them, row by row
 * @returns {Uint8Array} 1 at edges, else 0, in the same order
 */
export function instanceEdges(ids, width, height) {
  const edges = new Uint8Array(ids.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x + 1 < width && ids[i] !== ids[i + 1]) edges[i] = edges[i + 1] = 1;
      if (y + 1 < height && ids[i] !== ids[i + width]) edges[i] = edges[i + width] = 1;
    }
  }
  return edges;
}
