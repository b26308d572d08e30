// Mouse, pen, touch, wheel and the keyboard's cursor: what they do on the panes.

const NEAREST_FINGERS = 4; // CSS pixels between two fingers, below which they would zoom wildly
const [MIDDLE, RIGHT, PEN_ERASER] = [1, 2, 5]; // MouseEvent.button

/**
 * Let pointers and keys draw with `gesture` and move the view of `stage`.
 *
 * One finger, a pen or the first mouse button draws; two fingers, the middle button or Space with any pointer move the
 * view; Alt with a press picks the class below.
 */
export class Pointers {
  #stage;
  #gesture;
  #settings;
  #down = new Map(); // pointerId -> its last place [clientX, clientY]
  #isMovingView = false;
  #isSpaceDown = false;
  #wasSpaceUsed = false;

  constructor(stage, gesture, settings) {
    this.#stage = stage;
    this.#gesture = gesture;
    this.#settings = settings;
    for (const pane of document.querySelectorAll(".pane")) {
      pane.addEventListener("pointerdown", (event) => this.#press(event));
      pane.addEventListener("pointermove", (event) => this.#move(event));
      pane.addEventListener("pointerup", (event) => this.#release(event));
      pane.addEventListener("pointercancel", (event) => this.#abandon(event));
      pane.addEventListener("pointerleave", () => this.#down.size || stage.point(null));
      pane.addEventListener("dblclick", () => gesture.close());
      pane.addEventListener("contextmenu", (event) => event.preventDefault());
      pane.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
      pane.addEventListener("keydown", (event) => this.#keydown(event));
      pane.addEventListener("blur", () => this.#leave());
    }
    document.addEventListener("keydown", (event) => this.#space(event, true));
    document.addEventListener("keydown", (event) => this.#closePolygon(event));
    document.addEventListener("keyup", (event) => this.#space(event, false));
  }

  #press(event) {
    const pane = event.currentTarget;
    pane.setPointerCapture(event.pointerId);
    this.#stage.enter(pane);
    this.#down.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.#down.size > 1 || event.button === MIDDLE || this.#isSpaceDown) {
      this.#isMovingView = this.#wasSpaceUsed = true;
      if (this.#gesture.kind !== "corners") this.#gesture.cancel(); // a first finger that had begun to draw
    } else if (event.button === 0) {
      const point = this.#stage.viewport.toPixel(event.clientX, event.clientY);
      this.#gesture.press(point, event.altKey ? "eyedropper" : undefined);
      this.#stage.point(point);
    } else if ([RIGHT, PEN_ERASER].includes(event.button) && !this.#gesture.isActive) {
      this.#gesture.press(this.#stage.viewport.toPixel(event.clientX, event.clientY), "eraser");
    }
  }

  #move(event) {
    if (!this.#down.size) this.#stage.enter(event.currentTarget);
    const before = this.#down.get(event.pointerId);
    if (this.#isMovingView) return before && this.#moveView(event, before);
    // All places since the last event, of which the browser reports one for each frame.
    const events = event.getCoalescedEvents?.() ?? [];
    const points = (events.length ? events : [event]).map((e) => this.#stage.viewport.toPixel(e.clientX, e.clientY));
    if (before) this.#gesture.move(points);
    this.#stage.point(points.at(-1));
  }

  /** Keep the map under the fingers: the others stay where they are while this one moves. */
  #moveView(event, [x, y]) {
    const others = [...this.#down].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const [otherX, otherY] = others[0][1];
      const distance = (toX, toY) => Math.max(Math.hypot(toX - otherX, toY - otherY), NEAREST_FINGERS);
      this.#stage.zoomAt(otherX, otherY, distance(event.clientX, event.clientY) / distance(x, y));
    }
    this.#stage.panBy((event.clientX - x) / this.#down.size, (event.clientY - y) / this.#down.size);
    this.#down.set(event.pointerId, [event.clientX, event.clientY]);
  }

  #release(event) {
    if (!this.#down.delete(event.pointerId)) return;
    if (!this.#isMovingView) {
      this.#gesture.move([this.#stage.viewport.toPixel(event.clientX, event.clientY)]);
      this.#gesture.release();
    }
    if (!this.#down.size) this.#isMovingView = false;
    if (event.pointerType === "touch") this.#stage.point(null);
  }

  #abandon(event) {
    if (this.#down.delete(event.pointerId)) this.#gesture.cancel();
    if (!this.#down.size) this.#isMovingView = false;
  }

  #wheel(event) {
    event.preventDefault();
    // Lines and pages, which some browsers count, in pixels.
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    if (event.altKey) return this.#settings.set({ size: this.#settings.size - Math.sign(pixels) });
    this.#stage.enter(event.currentTarget);
    this.#stage.zoomAt(event.clientX, event.clientY, Math.exp(-pixels / (event.ctrlKey ? 100 : 500)));
  }

  #leave() {
    this.#isSpaceDown = false;
    if (!this.#down.size) this.#gesture.release();
  }

  /** Enter closes a polygon wherever the focus is, except on buttons and in fields, which have their own use for it. */
  #closePolygon(event) {
    if (event.key !== "Enter" || event.target.matches("button, input:not([type=radio]), dialog *")) return;
    this.#gesture.close();
  }

  #keydown(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps && !event.ctrlKey && !event.metaKey) this.#step(steps[event.key], event.shiftKey ? 8 : 1);
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.#enter();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #step([dx, dy], length) {
    const { width, height } = this.#settings.model;
    const [x, y] = this.#stage.cursor ?? [width >> 1, height >> 1];
    const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
    const point = [inside(x + dx * length, width), inside(y + dy * length, height)];
    this.#gesture.move([point]);
    this.#stage.point(point);
    this.#stage.reveal(point);
    this.#stage.dispatchEvent(new Event("cursor"));
  }

  /** Space moves the view with a pointer that drags meanwhile, and else taps. Buttons keep it for themselves. */
  #space(event, isDown) {
    if (event.key !== " " || !event.target.matches("body, .pane")) return;
    event.preventDefault();
    if (isDown && !event.repeat) this.#wasSpaceUsed = false;
    if (!isDown && this.#isSpaceDown && !this.#wasSpaceUsed && event.target.matches(".pane")) this.#tap();
    this.#isSpaceDown = isDown;
  }

  #enter() {
    if (this.#gesture.isActive && this.#gesture.kind === "corners") this.#gesture.close();
    else this.#tap();
  }

  /** Press or release at the keyboard's cursor: between the two, arrow keys draw. */
  #tap() {
    if (!this.#stage.cursor) this.#step([0, 0], 0);
    if (this.#gesture.isActive && this.#gesture.kind !== "corners") this.#gesture.release();
    else this.#gesture.press(this.#stage.cursor);
  }
}
