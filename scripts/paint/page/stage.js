// The two panes: the label map and the picture in the same place of their panes, with what the tools show over them.

import { Viewport } from "./viewport.js";

const MARGIN = 16; // CSS pixels between the keyboard's cursor and the edge of the pane

/** Draws; changes nothing. Events: "view" when zoom or pan changed, "cursor" when keys moved the cursor. */
export class Stage extends EventTarget {
  /** The pixel under the pointer or the keyboard's cursor, or null; set it with `point`. */
  cursor = null;
  #painting;
  #settings;
  #gesture;
  #panes;
  #labels;
  #image; // of the label map, of which `#pixels` is a view
  #pixels;
  #colors;
  #picture;
  #pictureIds = null; // what the picture was made of
  #pending; // what was drawn since, over the picture
  #isFitted = true;
  #isWaiting = false;
  #isStale = true; // the ids to show are others than those drawn

  constructor(painting, settings, gesture) {
    super();
    const { width, height, classes } = painting.model;
    this.viewport = new Viewport(width, height);
    this.#painting = painting;
    this.#settings = settings;
    this.#gesture = gesture;
    this.#panes = [...document.querySelectorAll(".pane")];
    [this.#labels, this.#picture, this.#pending] = ["#labels", "#picture", "#pending"].map((selector) => {
      return Object.assign(document.querySelector(selector), { width, height }).getContext("2d");
    });
    this.#image = new ImageData(width, height);
    this.#pixels = new DataView(this.#image.data.buffer);
    this.#colors = classes.map(({ color: [r, g, b] }) => ((r << 24) | (g << 16) | (b << 8) | 255) >>> 0);
    painting.addEventListener("draw", () => this.draw());
    settings.addEventListener("change", () => this.#request());
    new ResizeObserver(() => this.#arrange()).observe(document.querySelector("#stage"));
    this.#panes.forEach((pane) => new ResizeObserver(() => this.#resized()).observe(pane));
    this.#resized();
  }

  /** Show a picture, RGBA as an engine gives it, of these ids. */
  showPicture(pixels, ids) {
    const { width, height } = this.#painting.model;
    this.#picture.putImageData(new ImageData(pixels, width, height), 0, 0);
    this.#pictureIds = ids;
    this.draw();
  }

  /** Use the coordinates of a pane: both show the same part of the map. */
  enter(pane) {
    const { left, top } = pane.getBoundingClientRect();
    Object.assign(this.viewport, { left, top });
  }

  point(cursor) {
    this.cursor = cursor;
    this.#request();
  }

  zoomAt(x, y, factor) {
    this.viewport.zoomAt(x, y, factor);
    this.#placed(false);
  }

  panBy(dx, dy) {
    this.viewport.panBy(dx, dy);
    this.#placed(false);
  }

  fit() {
    const { clientWidth, clientHeight } = this.#visiblePane();
    this.viewport.fit(clientWidth, clientHeight);
    this.#placed(true);
  }

  /** The middle of the visible pane, in the window. */
  middle() {
    const pane = this.#visiblePane();
    this.enter(pane);
    const { left, top, width, height } = pane.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  }

  /** Move the view so that a pixel is inside it. */
  reveal(point) {
    const pane = this.#visiblePane();
    this.enter(pane);
    const { left, top, right, bottom } = pane.getBoundingClientRect();
    const [x, y] = this.viewport.toClient(...point);
    const inside = (value, low, high) => Math.min(Math.max(value, low), high) - value;
    const [dx, dy] = [inside(x, left + MARGIN, right - MARGIN), inside(y, top + MARGIN, bottom - MARGIN)];
    if (dx || dy) this.panBy(dx, dy);
  }

  /** Draw everything before the browser shows the next frame. */
  draw() {
    this.#isStale = true;
    this.#request();
  }

  #request() {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      if (this.#isStale) this.#drawLabels();
      this.#isStale = false;
      this.#panes.forEach((pane) => pane.clientWidth && this.#drawOverlay(pane.querySelector(".overlay")));
    });
  }

  #visiblePane() {
    return this.#panes.find((pane) => pane.clientWidth > 0) ?? this.#panes[0];
  }

  /** Put the panes side by side, or one below the other where the map is larger then. */
  #arrange() {
    const stage = document.querySelector("#stage");
    const { width, height } = this.#painting.model;
    const zoom = (columns, rows) => Math.min(stage.clientWidth / columns / width, stage.clientHeight / rows / height);
    stage.classList.toggle("stacked", zoom(1, 2) > zoom(2, 1));
  }

  #resized() {
    for (const pane of this.#panes) {
      const overlay = pane.querySelector(".overlay");
      overlay.width = pane.clientWidth * devicePixelRatio;
      overlay.height = pane.clientHeight * devicePixelRatio;
    }
    // Zoom and place of one who looks closer are kept, unless less than the whole pane were filled.
    if (this.#isFitted) return this.fit();
    const { zoom, pan } = this.viewport;
    this.fit();
    if (zoom <= this.viewport.zoom) return;
    Object.assign(this.viewport, { zoom, pan });
    this.panBy(0, 0);
  }

  #placed(isFitted) {
    this.#isFitted = isFitted;
    const { zoom, pan } = this.viewport;
    for (const { canvas } of [this.#labels, this.#picture, this.#pending]) {
      canvas.style.transform = `translate(${pan.x}px, ${pan.y}px) scale(${zoom})`;
    }
    this.#request();
    this.dispatchEvent(new Event("view"));
  }

  get isFitted() {
    return this.#isFitted;
  }

  #drawLabels() {
    const ids = this.#painting.shown;
    for (let i = 0; i < ids.length; i++) this.#pixels.setUint32(4 * i, this.#colors[ids[i]]);
    this.#labels.putImageData(this.#image, 0, 0);
    // Over the picture stands, half transparent, what it does not show yet.
    for (let i = 0; i < ids.length; i++) this.#pixels.setUint8(4 * i + 3, ids[i] === this.#pictureIds?.[i] ? 0 : 160);
    this.#pending.putImageData(this.#image, 0, 0);
  }

  /** What the tool would touch: the brush around the cursor, and the points of the gesture. */
  #drawOverlay(canvas) {
    const context = canvas.getContext("2d");
    const { zoom, pan } = this.viewport;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.scale(devicePixelRatio, devicePixelRatio);
    context.translate(pan.x, pan.y);
    const place = ([x, y]) => [(x + 0.5) * zoom, (y + 0.5) * zoom];
    const path = new Path2D();
    if (this.#gesture.kind === "corners") {
      this.#gesture.points.forEach((point, i) => path[i ? "lineTo" : "moveTo"](...place(point)));
      if (this.cursor && this.#gesture.isActive) path.lineTo(...place(this.cursor));
    }
    if (this.cursor) this.#addCursor(path, this.cursor, zoom);
    // White within black, to be seen on any color.
    for (const [color, width] of [["#000c", 3], ["#fff", 1.25]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke(path);
    }
  }

  #addCursor(path, [x, y], zoom) {
    const { isSized, size, shape } = this.#settings;
    const [left, top, side] = isSized
      ? [(x - (size >> 1)) * zoom, (y - (size >> 1)) * zoom, size * zoom]
      : [x * zoom, y * zoom, zoom];
    if (isSized && shape === "round" && size > 2) {
      path.moveTo(left + side, top + side / 2);
      path.arc(left + side / 2, top + side / 2, side / 2, 0, 2 * Math.PI);
    } else {
      path.rect(left, top, side, side);
    }
    if (side > 12) return;
    // A cross around what is too small to be seen.
    const [middleX, middleY] = [left + side / 2, top + side / 2];
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      path.moveTo(middleX + 8 * dx, middleY + 8 * dy);
      path.lineTo(middleX + 14 * dx, middleY + 14 * dy);
    }
  }
}
