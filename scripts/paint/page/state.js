// What the page shows and changes: the label map, the settings of the tools, and the style. Each tells of its changes.

import { History } from "./history.js";
import { blend, latent } from "./random.js";
import { toolNamed } from "./tools.js";

/**
 * The label map and its history.
 *
 * Events: "draw" when other ids are to be shown, also within a stroke; "change" when a step is complete; "replace"
 * before another map takes the place of this one.
 */
export class Painting extends EventTarget {
  #history;
  #draft = null;

  constructor(model) {
    super();
    this.model = model;
    this.ids = this.blank();
    this.#history = new History(this.ids);
  }

  /** A map of the base class alone. */
  blank() {
    return new Uint8Array(this.model.width * this.model.height).fill(this.model.base_class);
  }

  /** The ids to show: those of the stroke in progress, where there is one. */
  get shown() {
    return this.#draft ?? this.ids;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /** Show ids that are not yet a step. */
  sketch(ids) {
    this.#draft = ids;
    this.dispatchEvent(new Event("draw"));
  }

  /** Make a step of what was sketched, if it changes anything. */
  commit() {
    const draft = this.#draft;
    this.#draft = null;
    if (draft?.some((id, i) => id !== this.ids[i])) this.#show(draft, true);
  }

  /** Forget what was sketched. */
  cancel() {
    this.#draft = null;
    this.dispatchEvent(new Event("draw"));
  }

  /** Make a step of another map: a new canvas, a scene, a file. */
  replace(ids) {
    this.dispatchEvent(new Event("replace"));
    this.sketch(ids.slice());
    this.commit();
  }

  /** Begin with a map, which undo does not leave. */
  start(ids) {
    this.dispatchEvent(new Event("replace"));
    this.#history = new History(ids);
    this.#show(ids.slice(), false);
  }

  /** Go a step back; whether there was one. */
  undo() {
    return this.#travel(this.#history.undo());
  }

  redo() {
    return this.#travel(this.#history.redo());
  }

  #travel(ids) {
    if (ids) this.#show(ids, false);
    return ids !== null;
  }

  #show(ids, isStep) {
    this.ids = ids;
    if (isStep) this.#history.push(ids);
    this.dispatchEvent(new Event("draw"));
    this.dispatchEvent(new Event("change"));
  }
}

const SHORTCUTS = 9; // classes that have a digit

/** Tool, brush and class. Event: "change". */
export class Settings extends EventTarget {
  tool = "brush";
  size = 24;
  shape = "round";
  /** Ids of the classes under the keys 1 to 9. */
  digits;
  #usage; // the same ids, the least recently used first

  constructor(model) {
    super();
    this.model = model;
    this.largestSize = Math.max(16, Math.round(Math.min(model.width, model.height) / 2));
    this.size = Math.min(this.size, this.largestSize);
    const known = model.classes.map((entry) => entry.id).filter((id) => id !== model.unknown_id);
    this.digits = known.slice(0, SHORTCUTS);
    this.#usage = [...this.digits].reverse();
    this.classId = known.find((id) => id !== model.base_class) ?? 0;
  }

  set(values) {
    if ("size" in values) values.size = Math.min(Math.max(Math.round(values.size), 1), this.largestSize);
    Object.assign(this, values);
    if ("digits" in values) this.#usage = [...values.digits].reverse();
    if ("classId" in values) this.#use(values.classId);
    this.dispatchEvent(new Event("change"));
  }

  /** A class without a digit takes that of the class used least recently; all others keep theirs. */
  #use(id) {
    const oldest = this.digits.includes(id) ? id : this.#usage[0];
    this.digits[this.digits.indexOf(oldest)] = id;
    this.#usage = [...this.#usage.filter((other) => other !== oldest), id];
  }

  /** Whether the tool draws with the brush. */
  get isSized() {
    return Boolean(toolNamed(this.tool).sized);
  }

  get state() {
    const { tool, size, shape, classId, digits } = this;
    return { tool, size, shape, classId, digits };
  }
}

/**
 * Two styles and the way between them. Event: "change".
 *
 * A style is {z: Float32Array, seed: integer | null, name}; the one set last is where the blend stands then.
 */
export class Style extends EventTarget {
  slots = [null, null];
  active = 0;
  /** 0 is the first style, 1 the second. */
  fraction = 0;
  /** The style in use, a new array whenever it changes; null for a model without styles. */
  z = null;

  constructor(model) {
    super();
    this.dim = model.z_dim;
    if (!this.dim) return;
    this.slots = [this.ofSeed(1), this.ofSeed(2)];
    this.mix(0);
  }

  ofSeed(seed) {
    return { z: latent(seed, this.dim), seed, name: `Seed ${seed}` };
  }

  get current() {
    return this.slots[this.active];
  }

  /** Put a style in the active slot and use it. */
  choose(style) {
    this.slots[this.active] = style;
    this.activate(this.active);
  }

  activate(slot) {
    this.active = slot;
    this.mix(slot);
  }

  mix(fraction) {
    this.fraction = fraction;
    this.z = blend(this.slots[0].z, this.slots[1].z, fraction);
    this.dispatchEvent(new Event("change"));
  }

  get state() {
    const { slots, active, fraction } = this;
    return { slots, active, fraction };
  }

  /** Go on from a state of a model with as many numbers to a style. */
  restore({ slots, active, fraction }) {
    if (!this.dim || !slots?.every((slot) => slot?.z.length === this.dim)) return;
    Object.assign(this, { slots, active });
    this.mix(fraction);
  }
}
