"use strict";
// Searches, filters and sorts the rows of a results page, and draws those that are near the window.
// The state is in the fragment of the address, so that a link shows the same rows.
{
  const { rows: samples, classes, scores } = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };
  const place = element("rows");
  const CHUNK = 10; // rows that are drawn together
  const MARGIN = "1500px"; // above and below the window, where they are drawn ahead
  const GAP = 20; // pixels between rows, as in the style

  // ---- Rows. Where scripts run, the content of <noscript> is text, which is parsed when a row is drawn. ----

  const texts = place.querySelector("noscript").textContent.split(/(?=<article>)/);
  const rows = samples.map(([name, fractions], i) => ({ name, fractions, text: texts[i] }));
  const byName = new Intl.Collator("en", { numeric: true });
  [...rows].sort((one, other) => byName.compare(one.name, other.name)).forEach((row, i) => (row.rank = i));
  const number = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
  const inWords = (score, value) => {
    const [, name, unit] = /^(.*?)(?:, (%))?$/s.exec(score);
    return `${name} ${number.format(value)}${unit ?? ""}`;
  };
  let shown = []; // those that match, in their order

  function draw(chunk) {
    if (chunk.firstChild) return;
    const drawn = shown.slice(chunk.dataset.first, Number(chunk.dataset.first) + CHUNK);
    chunk.innerHTML = drawn.map(({ text }) => text).join("");
    chunk.style.height = "";
    drawn.forEach(({ name }, i) => {
      for (const [score, values] of Object.entries(scores)) {
        const value = values[name] ?? null; // null: the image has no such score
        if (value === null) continue;
        chunk.children[i].firstChild.append(" ", make("small", {}, inWords(score, value)));
      }
    });
  }

  /** Remove the rows of a chunk that is out of sight; its height stays. */
  function clear(chunk) {
    if (!chunk.firstChild || chunk.contains(document.activeElement)) return;
    chunk.style.height = `${chunk.offsetHeight}px`;
    chunk.replaceChildren();
  }

  const observer = new IntersectionObserver(
    (entries) => entries.forEach(({ target, isIntersecting }) => (isIntersecting ? draw(target) : clear(target))),
    { rootMargin: MARGIN },
  );

  /** Show the rows in chunks, of which the first is drawn at once and the others when they come near the window. */
  function layOut() {
    observer.disconnect();
    const starts = shown.map((_, i) => i).filter((i) => i % CHUNK === 0);
    const chunks = starts.map(() => make("div", { className: "chunk" }));
    chunks.forEach((chunk, i) => (chunk.dataset.first = starts[i]));
    place.replaceChildren(...chunks);
    if (!shown.length) return place.append(make("p", { className: "note" }, "No image matches."));
    draw(chunks[0]);
    const height = (chunks[0].offsetHeight + GAP) / chunks[0].children.length; // of a row: an estimate for the others
    for (const chunk of chunks.slice(1)) {
      chunk.style.height = `${Math.min(CHUNK, shown.length - chunk.dataset.first) * height - GAP}px`;
    }
    for (const chunk of chunks) observer.observe(chunk);
  }

  // ---- State, and its text in the address ----

  const ids = classes.map(([id]) => String(id));
  const state = { search: "", classes: [], least: 0, sort: "name", reversed: false };

  const percent = (text) => Math.min(Math.max(Number(text) || 0, 0), 100);

  function readAddress() {
    const words = new URLSearchParams(location.hash.slice(1));
    state.search = words.get("search") ?? "";
    state.classes = words.getAll("class").filter((id) => ids.includes(id));
    state.least = percent(words.get("percent"));
    state.sort = sorts().includes(words.get("sort")) ? words.get("sort") : "name";
    state.reversed = words.has("reversed");
  }

  function writeAddress() {
    const words = new URLSearchParams(state.classes.map((id) => ["class", id]));
    if (state.search) words.set("search", state.search);
    if (state.least) words.set("percent", state.least);
    if (state.sort !== "name") words.set("sort", state.sort);
    if (state.reversed) words.set("reversed", "");
    if (`${words}` !== location.hash.slice(1)) history.replaceState(null, "", `#${words}`);
  }

  const sorts = () => [...element("sort").options].map(({ value }) => value);

  // ---- Which rows are shown, in which order ----

  function matching() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    return ({ name, fractions }) =>
      words.every((word) => name.toLowerCase().includes(word)) &&
      state.classes.every((id) => fractions[id] && fractions[id] * 100 >= state.least);
  }

  /** What rows are sorted by: names from the first, scores and fractions from the largest; without a score last. */
  function sortKey() {
    const [, kind, what] = /^(\w+):?(.*)$/s.exec(state.sort);
    if (kind === "score") return ({ name }) => -(scores[what][name] ?? NaN);
    if (kind === "class") return ({ fractions }) => -(fractions[what] ?? 0);
    return ({ rank }) => rank;
  }

  function apply() {
    const key = sortKey();
    const sign = state.reversed ? -1 : 1;
    const keyed = rows.filter(matching()).map((row) => ({ row, value: key(row) }));
    keyed.sort((one, other) => {
      const missing = Number.isNaN(one.value) - Number.isNaN(other.value);
      return missing || sign * (one.value - other.value) || one.row.rank - other.row.rank;
    });
    shown = keyed.map(({ row }) => row);
    layOut();
    showState();
    writeAddress();
  }

  // ---- Controls ----

  const chips = new Map(); // id of a class -> its button in the legend

  function fillLegend() {
    const legend = document.querySelector(".legend");
    if (!legend) return; // conditioning images have no classes
    legend.querySelectorAll("li").forEach((item, i) => {
      const button = make("button", { type: "button" }, ...item.childNodes);
      button.addEventListener("click", () => toggle(ids[i]));
      item.append(button);
      chips.set(ids[i], button);
    });
    const note = make("p", { className: "note" }, "Choose classes: rows with all of them are shown.");
    legend.querySelector("summary").after(note);
  }

  function fillSort() {
    const group = (label, options) => options.length && element("sort").append(make("optgroup", { label }, ...options));
    const option = (value, text) => make("option", { value }, text);
    element("sort").append(option("name", "name"));
    group("Score", Object.keys(scores).map((score) => option(`score:${score}`, score)));
    group("Fraction of class", classes.map(([id, name]) => option(`class:${id}`, name)));
  }

  function toggle(id) {
    state.classes = state.classes.includes(id) ? state.classes.filter((other) => other !== id) : [...state.classes, id];
    apply();
  }

  function chosen(id) {
    const [swatch, name] = chips.get(id).children;
    const button = make("button", { type: "button" }, swatch.cloneNode(), name.textContent, " ✕");
    button.setAttribute("aria-label", `Remove ${name.textContent}`);
    button.addEventListener("click", () => toggle(id));
    return button;
  }

  /** Show the state in the controls; what is typed at the moment stays as it is. */
  function showState() {
    for (const id of ["search", "least", "sort"]) {
      if (document.activeElement !== element(id)) element(id).value = state[id];
    }
    const orders = state.sort === "name" ? ["A to Z ↓", "Z to A ↑"] : ["highest first ↓", "lowest first ↑"];
    element("direction").textContent = orders[Number(state.reversed)];
    for (const [id, button] of chips) button.setAttribute("aria-pressed", state.classes.includes(id));
    element("filter").hidden = !state.classes.length;
    element("chosen").replaceChildren(...state.classes.map(chosen));
    const [some, all] = [shown, rows].map(({ length }) => length.toLocaleString("en-US"));
    element("reset").hidden = some === all;
    element("count").textContent = `${some === all ? "" : `${some} of `}${all} image${all === "1" ? "" : "s"}`;
  }

  const change = (name, value) => {
    state[name] = value;
    apply();
  };
  element("search").addEventListener("input", ({ target }) => change("search", target.value.trim()));
  element("least").addEventListener("input", ({ target }) => change("least", percent(target.value)));
  element("least").addEventListener("focus", ({ target }) => target.select());
  element("sort").addEventListener("change", ({ target }) => change("sort", target.value));
  element("direction").addEventListener("click", () => change("reversed", !state.reversed));
  element("reset").addEventListener("click", () => {
    element("search").value = "";
    Object.assign(state, { search: "", classes: [], least: 0 });
    apply();
    element("search").focus();
  });
  window.addEventListener("hashchange", () => {
    readAddress();
    apply();
  });

  fillLegend();
  fillSort();
  document.querySelector("nav").hidden = false;
  readAddress();
  apply();
}
