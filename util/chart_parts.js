// Numbers and elements of charts: texts, smoothing, ticks of axes, the nearest position.
"use strict";

const short = v => {
  const size = Math.abs(v);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return Number(v.toPrecision(3)).toExponential().replace("e+", "e");
  return String(Number(v.toPrecision(4)));
};
const whole = v => Math.round(v).toLocaleString("en-US");
const compact = v =>
  v >= 1e6 ? `${Number((v / 1e6).toPrecision(4))}M` : v >= 1e4 ? `${Number((v / 1e3).toPrecision(4))}k` : String(v);

// Exponential mean, corrected for its start.
function smoothed(values, weight) {
  let sum = 0;
  let norm = 0;
  return values.map(v => {
    sum = weight * sum + (1 - weight) * v;
    norm = weight * norm + 1 - weight;
    return sum / norm;
  });
}

function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

// Powers of ten, with their double and fivefold if there are few; `low` and `high` are logarithms.
function logTicks(low, high) {
  const every = Math.max(1, Math.ceil((high - low) / 5));
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const factor of high - low < 1.5 ? [1, 2, 5] : [1]) {
      const tick = power + Math.log10(factor);
      if (tick >= low && tick <= high && power % every === 0) ticks.push(factor * 10 ** power);
    }
  }
  return ticks.length > 1 ? ticks : linearTicks(10 ** low, 10 ** high, 4);
}

// Index of the position that is nearest to x; positions rise.
function nearest(positions, x) {
  let low = 0;
  let high = positions.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (positions[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(positions[low] - x) <= Math.abs(positions[high] - x) ? low : high;
}

const svgOf = (tag, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
const htmlOf = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Lowest and highest value of curves from one position to another; of values above 0 alone, if asked for.
function extremes(curves, from, to, positive) {
  let low = Infinity;
  let high = -Infinity;
  for (const curve of curves) {
    curve.x.forEach((x, k) => {
      if (x < from || x > to) return;
      for (const v of [(curve.low ?? curve.mean)[k], (curve.high ?? curve.mean)[k]]) {
        if (positive && v <= 0) continue;
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
    });
  }
  return low <= high ? [low, high] : [0.1, 1];
}
