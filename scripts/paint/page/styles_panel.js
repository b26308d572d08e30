// The styles: two slots with a blend between them, seeds, photos, and random styles of this very map.

import { Superseded } from "./engine.js";

const THUMBNAILS = 6;
const PAUSE = 900; // milliseconds without a change before the thumbnails are made again: the picture goes first

export class StylesPanel {
  #panel = document.querySelector("#styles");
  #engine;
  #painting;
  #style;
  #renderer;
  #report;
  #thumbnails = []; // {button, seed, ids}: ids of the map that it shows
  #timer = 0;
  #isRunning = false;

  /** @param {(error: Error) => void} report shows a failure */
  constructor({ model, engine, painting, style, renderer, report }) {
    if (!model.z_dim) {
      this.#panel.classList.add("empty");
      document.querySelector("#no-styles").hidden = false;
      return;
    }
    this.#engine = engine;
    this.#painting = painting;
    this.#style = style;
    this.#renderer = renderer;
    this.#report = report;
    document.querySelector("#style-photo").hidden = !model.encoder;
    this.#listen();
    for (let i = 0; i < THUMBNAILS; i++) this.#addThumbnail();
    this.reroll();
    this.#show();
    style.addEventListener("change", () => this.#show());
    painting.addEventListener("change", () => this.#schedule());
    renderer.addEventListener("picture", () => this.#schedule());
    new IntersectionObserver(() => this.#schedule()).observe(document.querySelector("#thumbnails"));
  }

  /** Use a random style. */
  roll() {
    if (this.#style) this.#style.choose(this.#style.ofSeed(randomSeed()));
  }

  /** Six other random styles. */
  reroll() {
    for (const thumbnail of this.#thumbnails) {
      thumbnail.seed = randomSeed();
      thumbnail.ids = null;
      thumbnail.button.title = `Seed ${thumbnail.seed}`;
      thumbnail.button.setAttribute("aria-label", `Style of seed ${thumbnail.seed}`);
    }
    this.#schedule(0);
  }

  /** Use the style of a photo. */
  async usePhoto(blob, name) {
    try {
      this.#style.choose({ z: await this.#engine.styleOf(blob), seed: null, name });
    } catch (error) {
      this.#report(error);
    }
  }

  #listen() {
    const on = (selector, type, listener) => document.querySelector(selector).addEventListener(type, listener);
    on("#dice", "click", () => this.roll());
    on("#more-styles", "click", () => this.reroll());
    on("#blend", "input", (event) => this.#style.mix(event.target.value / 100));
    on("#slots", "change", (event) => this.#style.activate(Number(event.target.value)));
    on("#seed", "change", (event) => this.#typed(event.target));
  }

  #typed(input) {
    if (!input.value.trim()) return this.#show(); // as it was
    const seed = Number(input.value);
    const isSeed = /^\d+$/.test(input.value.trim()) && seed < 2 ** 32;
    input.setAttribute("aria-invalid", String(!isSeed));
    if (isSeed) this.#style.choose(this.#style.ofSeed(seed));
    else this.#report(new Error("A seed is a whole number from 0 to 4294967295."));
  }

  #show() {
    const { slots, active, fraction, current } = this.#style;
    slots.forEach((slot, i) => (document.querySelector(`#slot-${i}`).textContent = slot.name));
    document.querySelector(`#slots input[value="${active}"]`).checked = true;
    const seed = document.querySelector("#seed");
    seed.value = current.seed ?? "";
    seed.placeholder = current.seed === null ? "photo" : "";
    seed.setAttribute("aria-invalid", "false");
    const blend = document.querySelector("#blend");
    blend.value = Math.round(100 * fraction);
    blend.setAttribute("aria-valuetext", `${100 - blend.value} % A, ${blend.value} % B`);
    for (const thumbnail of this.#thumbnails) {
      thumbnail.button.setAttribute("aria-pressed", thumbnail.seed === current.seed);
    }
  }

  #addThumbnail() {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "thumbnail" });
    const { width, height } = this.#painting.model;
    button.append(Object.assign(document.createElement("canvas"), { width, height }));
    const thumbnail = { button, seed: 0, ids: null };
    button.addEventListener("click", () => this.#style.choose(this.#style.ofSeed(thumbnail.seed)));
    this.#thumbnails.push(thumbnail);
    document.querySelector("#thumbnails").append(button);
  }

  #schedule(pause = PAUSE) {
    for (const { button, ids } of this.#thumbnails) button.classList.toggle("old", ids !== this.#painting.ids);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fill(), pause);
  }

  /** Make the thumbnails that show another map, one after the other, as long as nothing else is drawn. */
  async #fill() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { ids } = this.#painting;
    const isCalm = () => ids === this.#painting.ids && this.#renderer.isCurrent && this.#panel.offsetParent !== null;
    for (const thumbnail of this.#thumbnails.filter((one) => one.ids !== ids)) {
      if (!isCalm()) break;
      await this.#make(thumbnail, ids).catch((error) => error instanceof Superseded || console.warn(error.message));
    }
    this.#isRunning = false;
    if (ids !== this.#painting.ids) this.#schedule();
  }

  async #make(thumbnail, ids) {
    const { seed } = thumbnail;
    const { pixels } = await this.#engine.image(ids, this.#style.ofSeed(seed).z, { lane: "styles" });
    if (seed !== thumbnail.seed) return;
    const canvas = thumbnail.button.firstChild;
    canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
    thumbnail.ids = ids;
    thumbnail.button.classList.toggle("old", ids !== this.#painting.ids);
  }
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000; // short enough to be typed
}
