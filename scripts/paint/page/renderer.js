// When pictures are made: after each step or on demand, and the newest only.

import { Superseded, Unreachable } from "./engine.js";

/**
 * Keeps the picture up to date with the label map and the style.
 *
 * One request runs at a time, and what changes meanwhile makes one more after it: pictures keep coming while a slider
 * moves. Events: "state" and "picture".
 */
export class Renderer extends EventTarget {
  isLive = true;
  /** "loading" | "rendering" | "ready" | "stale" (changed since the picture) | "retrying" | "failed" */
  state = "loading";
  /** One line about the last failure. */
  error = "";
  /** The newest picture {pixels, milliseconds, ids, z}, or null. */
  picture = null;
  /** Number of pictures so far. */
  count = 0;
  #engine;
  #painting;
  #style;
  #isWanted = false;
  #running = null; // promise of the loop

  constructor(engine, painting, style) {
    super();
    this.#engine = engine;
    this.#painting = painting;
    this.#style = style;
    for (const source of [painting, style]) source.addEventListener("change", () => this.#changed());
  }

  /** Load the engine, then make the first picture; `onProgress(fraction)` follows a download. */
  async start(onProgress) {
    while (this.state === "loading" || this.state === "retrying") {
      try {
        await this.#engine.ready(onProgress);
        this.#enter("stale");
      } catch (error) {
        await this.#failed(error);
      }
    }
    if (this.state === "stale") await this.render();
  }

  setLive(isLive) {
    this.isLive = isLive;
    this.#changed();
  }

  /** Whether the picture is that of the map and the style of this moment. */
  get isCurrent() {
    return this.picture?.ids === this.#painting.ids && this.picture.z === this.#style.z;
  }

  /** Make the picture of this moment; resolves once it is shown, or could not be made. */
  render() {
    this.#isWanted = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  /** The picture of exactly this moment. */
  async upToDate() {
    if (!this.isCurrent && this.state !== "retrying" && this.state !== "loading") await this.render();
    if (!this.isCurrent) throw new Error(this.error || "There is no picture of this map yet.");
    return this.picture;
  }

  async #run() {
    while (this.#isWanted) {
      this.#isWanted = false;
      this.#enter("rendering");
      await this.#attempt();
    }
    this.#running = null;
  }

  async #attempt() {
    const [ids, z] = [this.#painting.ids, this.#style.z];
    try {
      this.picture = { ...(await this.#engine.image(ids, z, { lane: "picture" })), ids, z };
      this.count += 1;
      this.#enter(this.isCurrent ? "ready" : "stale");
      this.dispatchEvent(new Event("picture"));
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** Wait, where a later try may succeed. */
  async #failed(error) {
    if (error instanceof Superseded) return this.#enter("stale");
    this.error = error.message;
    if (!(error instanceof Unreachable)) return this.#enter("failed");
    this.#isWanted = true;
    this.#enter("retrying");
    await new Promise((resolve) => setTimeout(resolve, 1000 * error.seconds));
  }

  #changed() {
    if (this.state === "loading" || this.isCurrent) return;
    if (this.isLive) this.render();
    else if (!this.#running) this.#enter("stale");
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
