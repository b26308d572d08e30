// Where a label map lies on the screen: arithmetic of zoom and pan.

const LARGEST_ZOOM = 64; // CSS pixels per pixel of the map
const SMALLEST_ZOOM = 1 / 64; // also in an element that is hidden, so that nothing is divided by 0

/**
 * The place of a map of `width` x `height` pixels inside an element.
 *
 * `zoom` is CSS pixels per pixel of the map. `pan` {x, y} is where its upper left corner lies in the element.
 * `left` and `top` are the element's own corner in the window, as getBoundingClientRect() has it; the page sets them
 * when they change, and then all methods take clientX and clientY of events.
 */
export class Viewport {
  left = 0;
  top = 0;
  zoom = 1;
  pan = { x: 0, y: 0 };
  #width;
  #height;
  #box = { width: 1, height: 1 };

  constructor(width, height) {
    this.#width = width;
    this.#height = height;
  }

  /** The pixel of the map [x, y] at a place of the window; outside the map, where it would be. */
  toPixel(clientX, clientY) {
    return [
      Math.floor((clientX - this.left - this.pan.x) / this.zoom),
      Math.floor((clientY - this.top - this.pan.y) / this.zoom),
    ];
  }

  /** The place of the window at the center of a pixel of the map: [clientX, clientY]. */
  toClient(x, y) {
    return [this.left + this.pan.x + (x + 0.5) * this.zoom, this.top + this.pan.y + (y + 0.5) * this.zoom];
  }

  /** Show the whole map, as large as an element of this size allows, in its middle. */
  fit(width, height) {
    this.#box = { width, height };
    this.zoom = this.#smallestZoom();
    this.pan = { x: (width - this.#width * this.zoom) / 2, y: (height - this.#height * this.zoom) / 2 };
  }

  /** Zoom by a factor, so that what is at this place of the window stays there; no further out than the whole map. */
  zoomAt(clientX, clientY, factor) {
    const smallest = this.#smallestZoom();
    const zoom = clamp(this.zoom * factor, smallest, Math.max(smallest, LARGEST_ZOOM));
    const [x, y] = [clientX - this.left, clientY - this.top];
    const scale = zoom / this.zoom;
    this.zoom = zoom;
    this.#panTo(x - (x - this.pan.x) * scale, y - (y - this.pan.y) * scale);
  }

  /** Move the map by CSS pixels. */
  panBy(dx, dy) {
    this.#panTo(this.pan.x + dx, this.pan.y + dy);
  }

  #smallestZoom() {
    return Math.max(Math.min(this.#box.width / this.#width, this.#box.height / this.#height), SMALLEST_ZOOM);
  }

  /** A map smaller than the element stays in its middle, and a larger one covers it. */
  #panTo(x, y) {
    const place = (wanted, free) => (free > 0 ? free / 2 : clamp(wanted, free, 0));
    this.pan = {
      x: place(x, this.#box.width - this.#width * this.zoom),
      y: place(y, this.#box.height - this.#height * this.zoom),
    };
  }
}

function clamp(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}
