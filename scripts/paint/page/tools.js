// The tools: what the points of one gesture make of the label map.

import { brushMask, fillMask, lineMask, moveRegion, paint, polygonMask, rectangleMask } from "./shapes.js";

const stroke = (map, brush, points) => brushMask(map.width, map.height, points, brush.size, brush.shape);

/**
 * The tools in their order, each with its key and what it draws: `mask(model, settings, points)`.
 *
 * `kind`: "stroke" follows the pointer, and its mask grows; "drag" goes from where it is pressed to where it is
 * released; "corners" takes points one by one; "click" acts at once. `sized` tools use the brush.
 */
export const TOOLS = [
  {
    name: "brush",
    label: "Brush",
    key: "b",
    kind: "stroke",
    sized: true,
    mask: stroke,
    note: "Draw with the chosen class.",
  },
  { name: "eraser", label: "Eraser", key: "e", kind: "stroke", sized: true, mask: stroke, note: "" },
  {
    name: "line",
    label: "Line",
    key: "l",
    kind: "drag",
    sized: true,
    mask: (map, brush, [start, end]) => lineMask(map.width, map.height, start, end, brush.size, brush.shape),
    note: "Drag from one end to the other.",
  },
  {
    name: "rectangle",
    label: "Rectangle",
    key: "r",
    kind: "drag",
    mask: (map, brush, [start, end]) => rectangleMask(map.width, map.height, start, end),
    note: "Drag from corner to corner.",
  },
  {
    name: "polygon",
    label: "Polygon",
    key: "p",
    kind: "corners",
    mask: (map, brush, points) => polygonMask(map.width, map.height, points),
    note: "Click the corners; click the first one again, double-click or press Enter to close.",
  },
  { name: "fill", label: "Fill", key: "f", kind: "click", note: "Click a region to give it the chosen class." },
  { name: "eyedropper", label: "Eyedropper", key: "i", kind: "click", note: "Click a pixel to choose its class." },
  { name: "move", label: "Move region", key: "m", kind: "drag", note: "Drag a region to another place." },
];

export function toolNamed(name) {
  return TOOLS.find((tool) => tool.name === name);
}

/** One gesture at a time, of a pointer or of keys; points are pixels of the map and may lie outside it. */
export class Gesture {
  /** Empty when no gesture is in progress; else start and end, or all corners. */
  points = [];
  #painting;
  #settings;
  #tool = null; // that of the gesture in progress
  #classId; // that it draws
  #ids; // a stroke so far
  #region; // mask of what is moved

  constructor(painting, settings) {
    this.#painting = painting;
    this.#settings = settings;
    painting.addEventListener("replace", () => this.cancel());
    settings.addEventListener("change", () => {
      if (this.#tool?.kind === "corners" && settings.tool !== this.#tool.name) this.cancel();
    });
  }

  get isActive() {
    return this.points.length > 0;
  }

  get kind() {
    return (this.#tool ?? toolNamed(this.#settings.tool)).kind;
  }

  /** Press at a point: begin with the chosen tool or the one named, or add a corner. */
  press(point, name = this.#settings.tool) {
    if (this.isActive) return this.kind === "corners" && this.#corner(point);
    const { ids, model } = this.#painting;
    if (name === "eyedropper") return this.#pick(point);
    this.#tool = toolNamed(name);
    this.#classId = name === "eraser" ? model.base_class : this.#settings.classId;
    this.points = [point, point];
    this.#ids = ids.slice();
    if (name === "fill" || name === "move") this.#region = fillMask(ids, model.width, model.height, ...point);
    if (this.kind === "corners") this.points = [point];
    this.#draw([point]);
    if (this.kind === "click") this.#finish();
  }

  /** Follow the pointer, whose places since the last call are `points`. */
  move(points) {
    if (!this.isActive || !points.length || this.kind === "corners") return;
    const [start, from] = this.points;
    this.points = [start, points.at(-1)];
    this.#draw([from, ...points]);
  }

  /** Let go: the end of every gesture but a polygon. */
  release() {
    if (this.isActive && this.kind !== "corners") this.#finish();
  }

  /** The end of a polygon. */
  close() {
    if (this.isActive && this.kind === "corners") this.#finish();
  }

  /** Forget the gesture; whether there was one. */
  cancel() {
    if (!this.isActive) return false;
    this.#reset();
    this.#painting.cancel();
    return true;
  }

  /** Take back the last corner of a polygon, or forget the gesture; whether there was one. */
  back() {
    if (this.kind !== "corners" || this.points.length < 2) return this.cancel();
    this.points.pop();
    this.#draw();
    return true;
  }

  #pick([x, y]) {
    const { ids, model } = this.#painting;
    const isInside = x >= 0 && y >= 0 && x < model.width && y < model.height;
    if (isInside) this.#settings.set({ classId: ids[y * model.width + x] });
  }

  #corner(point) {
    const last = this.points.at(-1);
    if (point[0] === last[0] && point[1] === last[1]) return; // the second press of a double click
    const [[x, y]] = this.points;
    const near = Math.round(this.#painting.model.width / 85); // pixels: hitting one is hard
    const isFirst = Math.max(Math.abs(point[0] - x), Math.abs(point[1] - y)) <= near;
    if (isFirst && this.points.length > 2) return this.#finish();
    this.points.push(point);
    this.#draw();
  }

  /** Show the map as it would be now; `latest` are the points that a stroke has not drawn yet. */
  #draw(latest) {
    const { ids, model } = this.#painting;
    const { name, kind, mask } = this.#tool;
    if (name === "move") {
      const [[x0, y0], [x1, y1]] = this.points;
      const moved = moveRegion(ids, model.width, model.height, this.#region, x1 - x0, y1 - y0, model.base_class);
      return this.#painting.sketch(moved);
    }
    const isStroke = kind === "stroke";
    if (!isStroke) this.#ids = ids.slice(); // what was drawn for the points before is gone
    const drawn = mask ? mask(model, this.#settings, isStroke ? latest : this.points) : this.#region;
    paint(this.#ids, drawn, this.#classId);
    this.#painting.sketch(this.#ids);
  }

  #finish() {
    this.#reset();
    this.#painting.commit();
  }

  #reset() {
    this.points = [];
    this.#tool = null;
  }
}
