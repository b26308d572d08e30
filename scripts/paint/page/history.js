// Undo and redo of label maps.

/**
 * The states of a label map, one for each step, and which of them is shown.
 *
 * A step is kept as the XOR of two states over the range of pixels in which they differ: a stroke costs the bytes of
 * the rows that it touches, at most one byte a pixel, and a step without a change costs nothing and is none.
 */
export class History {
  #current;
  #steps = []; // {start, difference}, oldest first
  #position = 0; // number of steps from the oldest state kept to the one shown
  #limit;

  /**
   * @param {Uint8Array} ids the first state
   * @param {number} limit steps that are kept; beyond it the oldest are forgotten
   */
  constructor(ids, limit = 200) {
    this.#current = ids.slice();
    this.#limit = limit;
  }

  get canUndo() {
    return this.#position > 0;
  }

  get canRedo() {
    return this.#position < this.#steps.length;
  }

  /** Bytes that the steps take. */
  get bytes() {
    return this.#steps.reduce((sum, step) => sum + step.difference.length, 0);
  }

  /**
   * Add a state after the one shown; those that were undone are forgotten.
   *
   * @throws {RangeError} for a map of another size
   */
  push(ids) {
    const before = this.#current;
    if (ids.length !== before.length) throw new RangeError(`a map of ${ids.length} pixels, not ${before.length}`);
    const start = before.findIndex((id, i) => id !== ids[i]);
    if (start < 0) return;
    const end = before.findLastIndex((id, i) => id !== ids[i]) + 1;
    const difference = before.slice(start, end).map((id, i) => id ^ ids[start + i]);
    this.#steps.splice(this.#position, Infinity, { start, difference });
    this.#steps.splice(0, this.#steps.length - this.#limit);
    this.#position = this.#steps.length;
    this.#current = ids.slice();
  }

  /** The state before, which is then the one shown; null at the oldest. A copy, as that of `redo`. */
  undo() {
    return this.canUndo ? this.#apply(this.#steps[--this.#position]) : null;
  }

  /** The state after, which is then the one shown; null at the newest. */
  redo() {
    return this.canRedo ? this.#apply(this.#steps[this.#position++]) : null;
  }

  #apply({ start, difference }) {
    difference.forEach((bits, i) => (this.#current[start + i] ^= bits));
    return this.#current.slice();
  }
}
