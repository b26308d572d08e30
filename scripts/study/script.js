"use strict";
// Asks the questions of a study. Knows pairs of images, and not who made them.
{
  const { study, pairs } = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const STORE = `preference-study-${study}`;
  const FORMAT = 2; // of the answers; 1 had no "cannot tell"
  const DOUBLE_CLICK = 250; // milliseconds in which a new question takes no answer, so that a double click is one

  // ---- Order: the same lines as in order.py, which draws it again from the answers. ----

  function fnv1a(text) {
    let value = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
    return value;
  }

  function mulberry32(seed) {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function shuffled(items, random) {
    for (let last = items.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [items[last], items[other]] = [items[other], items[last]];
    }
    return items;
  }

  const numberOn = (side, left) => (side === 0 ? left : 1 - left);

  function order(participant) {
    const random = mulberry32(fnv1a(`${study}/${participant}`));
    const places = shuffled(pairs.map((_, i) => i), random);
    const first = Math.floor(random() * 2);
    const lefts = shuffled(pairs.map((_, place) => (first + place) % 2), random);
    return places.map((pair, place) => ({ pair: pairs[pair], left: lefts[place] }));
  }

  // ---- What a person has answered so far. ----

  let state = null; // participant, started, place, answers by place: {chosen: 0, 1 or null (cannot tell), seconds}
  let questions = [];
  let remembers = true;

  function load() {
    try {
      const saved = JSON.parse(localStorage.getItem(STORE));
      if (saved?.participant && Array.isArray(saved.answers)) return saved;
    } catch {
      // Nothing readable is nothing.
    }
    return null;
  }

  function store() {
    try {
      if (state) localStorage.setItem(STORE, JSON.stringify(state));
      else localStorage.removeItem(STORE);
    } catch {
      remembers = false; // private windows, full disks
    }
  }

  function begin(saved) {
    state = saved;
    questions = order(state.participant);
    store();
    show();
  }

  function result() {
    const answers = questions.map(({ pair, left }, place) => ({ pair: pair.id, left, ...state.answers[place] }));
    const { participant, started, finished } = state;
    return { format: FORMAT, kind: "preference study answers", study, participant, started, finished, answers };
  }

  // ---- Screens ----

  let shownAt = null; // since when this question can be answered; null before, so that nobody answers blindly

  function showScreen(name) {
    for (const id of ["start", "question", "finish"]) element(id).hidden = id !== name;
    document.body.dataset.screen = name;
    shownAt = null;
  }

  function show() {
    if (!state) {
      showScreen("start");
      element("participant").focus();
    } else if (state.place < questions.length) {
      showQuestion(state.place);
    } else {
      showFinish();
    }
  }

  async function showQuestion(place) {
    showScreen("question");
    const { pair, left } = questions[place];
    element("label").src = pair.label;
    for (const side of [0, 1]) {
      const number = numberOn(side, left);
      element(`image${side}`).src = pair.images[number];
      element(`choose${side}`).setAttribute("aria-pressed", state.answers[place]?.chosen === number);
    }
    element("unsure").setAttribute("aria-pressed", state.answers[place]?.chosen === null);
    element("classes").replaceChildren(...pair.classes.map(chip));
    element("back").disabled = place === 0;
    element("progress").value = place / questions.length;
    element("place").textContent = `${place + 1} of ${questions.length}`;
    element("person").textContent = remembers
      ? `Answered by ${state.participant}.`
      : `Answered by ${state.participant}. This browser cannot remember answers: do not close or reload the page.`;
    fit();
    const images = ["label", "image0", "image1"].map((id) => element(id).decode().catch(() => {}));
    await Promise.all([...images, new Promise((done) => setTimeout(done, DOUBLE_CLICK))]);
    if (state?.place === place && !element("question").hidden) {
      shownAt = performance.now();
      document.body.dataset.place = place;
    }
  }

  // Ways to arrange label map and images, and what a frame adds to the size of an image, in pixels.
  const LAYOUTS = {
    row: { columns: 3, lines: 1, frame: [20, 50] },
    two: { columns: 2, lines: 2, frame: [20, 50] }, // the label map above
    column: { columns: 1, lines: 3, frame: [20, 50] },
    stack: { columns: 1, lines: 3, frame: [100, 12] }, // a column with the captions beside the images
  };
  const GAP = 10; // as in the style
  const BETTER = 1.1; // by how much larger images must be in a later arrangement than in an earlier one

  /** Arrange the images so that they are as large as the window allows, with all answers in sight. */
  function fit() {
    if (!state || element("question").hidden) return;
    const [width, height] = questions[state.place].pair.size;
    const place = document.querySelector(".comparison");
    const { clientHeight } = document.documentElement;
    const top = place.getBoundingClientRect().top + window.scrollY;
    const room = [place.parentElement.clientWidth, clientHeight - top - element("unsure").offsetHeight - 2 * GAP];
    const scale = ({ columns, lines, frame }) => {
      const [across, down] = [columns, lines].map((count, axis) => (room[axis] + GAP) / count - GAP - frame[axis]);
      return Math.max(Math.min(across / width, down / height), 1 / width);
    };
    const names = Object.keys(LAYOUTS);
    const best = names.reduce((one, other) => (scale(LAYOUTS[other]) > BETTER * scale(LAYOUTS[one]) ? other : one));
    place.dataset.layout = best;
    place.style.setProperty("--width", `${Math.floor(width * scale(LAYOUTS[best]))}px`);
    place.style.setProperty("--aspect", width / height);
  }

  function chip([name, color]) {
    const [item, swatch, text] = ["li", "i", "span"].map((tag) => document.createElement(tag));
    swatch.style.background = color;
    text.textContent = name;
    item.append(swatch, text);
    return item;
  }

  function showFinish() {
    showScreen("finish");
    state.finished ??= new Date().toISOString();
    store();
    element("answers").value = JSON.stringify(result());
    element("saved").textContent = "";
  }

  // ---- What a person does ----

  /** Note the answer to the question: a side, 0 or 1, or null for "cannot tell". */
  function choose(side) {
    if (shownAt === null) return;
    const { left } = questions[state.place];
    const chosen = side === null ? null : numberOn(side, left);
    const before = state.answers[state.place]?.seconds ?? 0;
    const seconds = Math.round((before + (performance.now() - shownAt) / 1000) * 10) / 10;
    state.answers[state.place] = { chosen, seconds };
    state.place++;
    store();
    document.activeElement?.blur(); // else a held Enter would answer the next question too
    show();
  }

  function back() {
    if (!state?.place) return;
    state.place--;
    delete state.finished;
    store();
    show();
  }

  function forget(question) {
    if (!confirm(question)) return;
    state = null;
    store();
    element("participant").value = "";
    show();
  }

  function save() {
    const name = state.participant.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "_");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([element("answers").value + "\n"], { type: "application/json" }));
    link.download = `answers-${study}-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    element("saved").textContent = `Saved as ${link.download} where your browser keeps downloads.`;
  }

  element("entry").addEventListener("submit", (event) => {
    event.preventDefault();
    const participant = element("participant").value.trim();
    if (participant) begin({ participant, started: new Date().toISOString(), place: 0, answers: [] });
  });
  for (const side of [0, 1]) element(`choose${side}`).addEventListener("click", () => choose(side));
  element("unsure").addEventListener("click", () => choose(null));
  element("back").addEventListener("click", back);
  element("reopen").addEventListener("click", back);
  element("save").addEventListener("click", save);
  element("other").addEventListener("click", () => forget("Forget these answers and start as someone else?"));
  element("next").addEventListener("click", () => forget("Forget these answers? Save them first."));
  element("answers").addEventListener("focus", (event) => event.target.select());

  const [left, right, unsure] = [() => choose(0), () => choose(1), () => choose(null)];
  const KEYS = { ArrowLeft: left, 1: left, ArrowRight: right, 2: right, ArrowDown: unsure, 0: unsure, " ": unsure };
  Object.assign(KEYS, { Backspace: back, u: back, U: back });
  document.addEventListener("keydown", (event) => {
    const action = KEYS[event.key];
    if (!action || element("question").hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && event.target.matches("button")) return; // presses that button
    event.preventDefault();
    action();
  });
  window.addEventListener("resize", fit);

  const saved = load();
  if (saved) begin(saved);
  else show();
}
