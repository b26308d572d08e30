// Styles: latent vectors z by seed, and blends of two.

/**
 * Standard normal numbers, a function of the seed alone and the same in every browser.
 *
 * @param {number} seed integer from 0 to 2^32 - 1
 * @param {number} dim how many
 * @returns {Float32Array} rounded to 32 bits, since browsers may differ in the last bit of a logarithm or a cosine
 */
export function latent(seed, dim) {
  const z = new Float32Array(dim);
  const key = mixed(seed ^ 0x6a09e667);
  // Hash of a counter under a key, in (0, 1]: neighboring seeds have nothing in common.
  const uniform = (count) => (mixed(key + Math.imul(count + 1, 0x9e3779b9)) + 1) / 2 ** 32;
  for (let i = 0; i < dim; i += 2) {
    // Box and Muller (1958): two uniform numbers make two normal ones.
    const radius = Math.sqrt(-2 * Math.log(uniform(i)));
    const angle = 2 * Math.PI * uniform(i + 1);
    z[i] = radius * Math.cos(angle);
    if (i + 1 < dim) z[i + 1] = radius * Math.sin(angle);
  }
  return z;
}

/**
 * A style on the way from `a` to `b`: the direction turns evenly and the norm changes evenly. A straight line between
 * two standard normal vectors would pass nearer to 0 than such vectors lie, where pictures look dull.
 *
 * @param {Float32Array} a
 * @param {Float32Array} b of the same length
 * @param {number} t 0 gives exactly `a`, 1 exactly `b`
 * @returns {Float32Array} on the straight line where the two have no angle, or directions exactly opposite
 */
export function blend(a, b, t) {
  const normA = Math.hypot(...a);
  const normB = Math.hypot(...b);
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (normA * normB);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  if (!(sine > 1e-6)) return a.map((value, i) => (1 - t) * value + t * b[i]);
  const norm = (1 - t) * normA + t * normB;
  const ofA = (norm * Math.sin((1 - t) * angle)) / (sine * normA);
  const ofB = (norm * Math.sin(t * angle)) / (sine * normB);
  return a.map((value, i) => ofA * value + ofB * b[i]);
}

/** Hash of 32 bits in which each bit of the input changes half of the output: the finalizer of MurmurHash3. */
function mixed(value) {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
