// The curves of a training: axes, values under the pointer, smoothing, log scale, and a part of the training.
"use strict";

/* Draw the charts of `data` and connect their controls.

   choices: smoothing, log, span and hidden curves; `keep` saves them.
   Returns a function that says how many milliseconds ago somebody read the curves. */
function startCurves(data, choices, keep) {
  const byId = id => document.getElementById(id);

  const ends = data.charts.flatMap(chart => chart.curves.map(curve => curve.x.at(-1)));
  const lastX = Math.max(1, ...ends);
  function limits() {
    if (Array.isArray(choices.span)) return choices.span;
    return [{ half: lastX / 2, tenth: lastX * 0.9 }[choices.span] ?? 0, lastX];
  }
  const [left, right, top, bottom] = [54, 12, 8, 32]; // margins
  let cursor = null; // the position whose values are shown; null for the last ones
  let touched = 0;
  let charts = [];
  const said = htmlOf("div", { className: "hidden" });
  said.setAttribute("aria-live", "polite");

  function moveTo(x, aloud) {
    cursor = x;
    touched = Date.now();
    for (const chart of charts) chart.showCursor();
    if (aloud) said.textContent = aloud.readOut();
  }

  function redraw() {
    keep();
    for (const chart of charts) {
      chart.prepare();
      chart.draw();
    }
  }

  class Chart {
    constructor(spec) {
      this.spec = spec;
      const label = `${spec.title}, ${spec.unit}; arrow keys read the values`;
      this.svg = svgOf("svg", { tabindex: 0, role: "img", "aria-label": label });
      this.keys = spec.curves.map((curve, i) => this.key(curve, i));
      const caption = htmlOf("figcaption", {}, spec.title, htmlOf("small", { textContent: spec.unit }));
      const keys = htmlOf("div", { className: "keys" }, ...this.keys.map(key => key.button));
      this.figure = htmlOf("figure", {}, caption, keys, this.svg);
      this.figure.dataset.key = spec.key;
      this.listen();
      this.prepare();
      new ResizeObserver(() => this.draw()).observe(this.svg);
    }

    key(curve, i) {
      const name = `${this.spec.key}/${curve.name}`;
      const value = htmlOf("b", {});
      const more = htmlOf("small", {});
      const button = htmlOf(
        "button",
        { type: "button", title: "show or hide this curve" },
        htmlOf("i", {}),
        htmlOf("span", { textContent: curve.name || "value" }),
        value,
        more,
      );
      button.style.setProperty("color", `var(--c${i % 8})`);
      button.addEventListener("click", () => {
        choices.hidden = this.isHidden(name)
          ? choices.hidden.filter(other => other !== name)
          : [...choices.hidden, name];
        redraw();
      });
      return { name, button, value, more };
    }

    get weight() {
      return this.spec.smooth ? choices.smoothing : 0;
    }

    isHidden(name) {
      return choices.hidden.includes(name);
    }

    prepare() {
      this.smooth = this.spec.curves.map(curve => smoothed(curve.mean, this.weight));
      this.keys.forEach(key => key.button.setAttribute("aria-pressed", String(!this.isHidden(key.name))));
    }

    get shown() {
      return this.spec.curves.map((curve, i) => i).filter(i => !this.isHidden(this.keys[i].name));
    }

    draw() {
      const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
      if (!width) return;
      const [from, to] = limits();
      this.x = x => left + ((x - from) / (to - from || 1)) * (width - left - right);
      this.xOf = pixel => from + ((pixel - left) / (width - left - right)) * (to - from);
      const curves = this.shown.map(i => this.spec.curves[i]);
      let [low, high] = extremes(curves, from, to, choices.log);
      this.note = choices.log && extremes(curves, from, to, false)[0] <= 0 ? "only values above 0" : "";
      const scale = choices.log ? Math.log10 : v => v;
      [low, high] = [scale(low), scale(high)];
      const margin = (high - low) * 0.05 || Math.abs(high) * 0.1 || 0.5;
      [low, high] = [low - margin, high + margin];
      this.y = v => top + ((high - scale(v)) / (high - low)) * (height - top - bottom);
      this.drawAxes(width, height, [from, to], choices.log ? logTicks(low, high) : linearTicks(low, high, 4));
      for (const i of this.shown) this.drawCurve(i, from, to);
      this.mark = svgOf("g", {});
      this.svg.append(this.mark);
      this.showCursor();
    }

    drawAxes(width, height, [from, to], yTicks) {
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.svg.replaceChildren();
      const line = (x1, y1, x2, y2, name) => this.svg.append(svgOf("line", { x1, y1, x2, y2, class: name }));
      const write = (x, y, text, anchor) => this.svg.append(svgOf("text", { x, y, "text-anchor": anchor }, text));
      for (const tick of yTicks) {
        line(left, this.y(tick), width - right, this.y(tick), "grid");
        write(left - 6, this.y(tick) + 4, short(tick), "end");
      }
      for (const tick of linearTicks(from, to, Math.max(2, width / 110))) {
        line(this.x(tick), height - bottom, this.x(tick), height - bottom + 4, "axis");
        write(this.x(tick), height - bottom + 16, compact(tick), this.x(tick) > width - 30 ? "end" : "middle");
      }
      line(left, height - bottom, width - right, height - bottom, "axis");
      write(width - right, height - 3, "images seen", "end");
    }

    drawCurve(i, from, to) {
      const curve = this.spec.curves[i];
      const visible = v => !choices.log || v > 0;
      const inside = curve.x
        .map((x, k) => k)
        .filter(k => (curve.x[k + 1] ?? curve.x[k]) >= from && (curve.x[k - 1] ?? curve.x[k]) <= to);
      const group = svgOf("g", { style: `color:var(--c${i % 8})`, "clip-path": "inset(0 -6px)" });
      const points = (values, order) =>
        order
          .filter(k => visible(values[k]))
          .map(k => `${this.x(curve.x[k]).toFixed(1)},${this.y(values[k]).toFixed(1)}`)
          .join(" ");
      if (curve.low) {
        const around = `${points(curve.low, inside)} ${points(curve.high, [...inside].reverse())}`;
        group.append(svgOf("polygon", { points: around, class: "band" }));
      } else if (this.weight > 0) {
        group.append(svgOf("polyline", { points: points(curve.mean, inside), class: "raw" }));
      }
      group.append(svgOf("polyline", { points: points(this.smooth[i], inside), class: "mean" }));
      if ((inside.length <= 40 && !this.weight) || inside.length === 1) {
        for (const k of inside.filter(k => visible(curve.mean[k]))) {
          group.append(this.dot(curve.x[k], curve.mean[k], i, 2.5));
        }
      }
      this.svg.append(group);
    }

    dot(x, y, i, r) {
      return svgOf("circle", { cx: this.x(x), cy: this.y(y), r, fill: `var(--c${i % 8})` });
    }

    // Show the values at the cursor, or the last ones.
    showCursor() {
      this.mark?.replaceChildren();
      this.spec.curves.forEach((curve, i) => {
        const k = cursor === null ? curve.x.length - 1 : nearest(curve.x, cursor);
        const key = this.keys[i];
        key.value.textContent = short(curve.mean[k]);
        const range =
          curve.low && curve.low[k] < curve.high[k] ? `${short(curve.low[k])} to ${short(curve.high[k])}` : "";
        key.more.textContent = [range, this.weight > 0 && curve.x.length > 1 ? `(${short(this.smooth[i][k])})` : ""]
          .filter(Boolean)
          .join(" ");
        if (cursor !== null && this.mark && !this.isHidden(key.name) && !(choices.log && this.smooth[i][k] <= 0)) {
          this.mark.append(this.dot(curve.x[k], this.smooth[i][k], i, 3.5));
        }
      });
      if (!this.mark) return;
      const height = this.svg.clientHeight;
      const below = cursor === null ? this.note : this.when();
      this.mark.append(svgOf("text", { x: left, y: height - 3 }, below));
      if (cursor === null) return;
      const x = this.x(cursor);
      this.mark.prepend(svgOf("line", { x1: x, x2: x, y1: top, y2: height - bottom, class: "cursor" }));
    }

    when() {
      const epoch = data.epochLength ? `, epoch ${Math.max(1, Math.ceil(cursor / data.epochLength))}` : "";
      return `at ${whole(cursor)}${epoch}`;
    }

    readOut() {
      const values = this.keys.map((key, i) => `${this.spec.curves[i].name} ${key.value.textContent}`);
      return `${this.when()}: ${values.join(", ")}`;
    }

    // The position of the first curve that is nearest to a place in the chart.
    snapped(pixel) {
      const curve = this.spec.curves[this.shown[0] ?? 0];
      return curve.x[nearest(curve.x, this.xOf(pixel))];
    }

    listen() {
      let start = null; // where the mouse was pressed
      let box = null; // the part that is chosen
      const at = event => event.clientX - this.svg.getBoundingClientRect().left;
      this.svg.addEventListener("pointerdown", event => {
        if (event.pointerType === "mouse") start = at(event);
      });
      this.svg.addEventListener("pointermove", event => {
        moveTo(this.snapped(at(event)));
        box?.remove();
        if (start === null || !(event.buttons & 1)) {
          start = null;
          return;
        }
        const [a, b] = [start, at(event)].sort((p, q) => p - q);
        const height = this.svg.clientHeight - top - bottom;
        box = svgOf("rect", { x: a, y: top, width: b - a, height, class: "selection" });
        this.svg.append(box);
      });
      this.svg.addEventListener("pointerup", event => {
        const [a, b] = [start ?? at(event), at(event)].sort((p, q) => p - q);
        start = null;
        box?.remove();
        if (b - a > 8) select([Math.max(0, this.xOf(a)), Math.min(lastX, this.xOf(b))]);
      });
      this.svg.addEventListener("pointerleave", () => {
        start = null;
        box?.remove();
        moveTo(null);
      });
      this.svg.addEventListener("dblclick", () => select("all"));
      this.svg.addEventListener("keydown", event => {
        const positions = this.spec.curves[this.shown[0] ?? 0].x;
        const now = cursor === null ? positions.length - 1 : nearest(positions, cursor);
        const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: positions.length - 1 }[event.key];
        if (event.key === "Escape") moveTo(null);
        if (next === undefined) return;
        event.preventDefault();
        moveTo(positions[Math.min(positions.length - 1, Math.max(0, next))], this);
      });
    }
  }

  function select(span) {
    choices.span = span;
    const box = byId("span");
    box.querySelector("[value=chosen]")?.remove();
    if (Array.isArray(span)) {
      box.append(htmlOf("option", { value: "chosen", textContent: `${whole(span[0])} to ${whole(span[1])} images` }));
    }
    box.value = Array.isArray(span) ? "chosen" : span;
    redraw();
  }

  charts = data.charts.map(spec => new Chart(spec));
  byId("charts").append(...charts.map(chart => chart.figure), said);
  const slider = byId("smoothing");
  const log = byId("log");
  const label = () => (byId("smoothed").value = choices.smoothing.toFixed(2));
  slider.value = choices.smoothing;
  log.checked = choices.log;
  label();
  slider.addEventListener("input", () => {
    choices.smoothing = Number(slider.value);
    label();
    redraw();
  });
  log.addEventListener("change", () => {
    choices.log = log.checked;
    redraw();
  });
  byId("span").addEventListener("change", event => {
    if (event.target.value !== "chosen") select(event.target.value);
  });
  select(choices.span);
  return () => Date.now() - touched;
}
