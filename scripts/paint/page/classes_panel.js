// The list of classes: choose, search, the digits of the ones in use.

const GROUPS_ABOVE = 40; // classes; a shorter list needs no groups
const FIRST_STUFF = 91; // id in COCO-Stuff: 91 things come before

export class ClassesPanel {
  #settings;
  #rows = new Map(); // id -> its <label>

  constructor(model, settings) {
    this.#settings = settings;
    const list = document.querySelector("#class-list");
    for (const [title, classes] of groups(model)) {
      const group = document.createElement("div");
      if (title) group.append(Object.assign(document.createElement("h3"), { textContent: title }));
      group.append(...classes.map((entry) => this.#row(entry, model)));
      list.append(group);
    }
    const search = document.querySelector("#class-search");
    search.addEventListener("input", () => this.#filter(search.value));
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#chooseFirst();
      if (event.key === "Escape") this.#filter((search.value = ""));
    });
    settings.addEventListener("change", () => this.#show());
    this.#show();
  }

  #row({ id, name, color }, model) {
    const row = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: id });
    const swatch = document.createElement("i");
    swatch.style.backgroundColor = `rgb(${color.join(" ")})`;
    const text = document.createElement("span");
    text.textContent = name + (id === model.base_class ? " (base)" : "");
    row.append(input, swatch, text, document.createElement("kbd"));
    row.dataset.name = name.toLowerCase();
    input.addEventListener("change", () => this.#settings.set({ classId: id }));
    this.#rows.set(id, row);
    return row;
  }

  #show() {
    const { classId, digits } = this.#settings;
    for (const [id, row] of this.#rows) {
      const digit = digits.indexOf(id) + 1;
      row.querySelector("kbd").textContent = digit || "";
      if (id !== classId || row.firstChild.checked) continue;
      row.firstChild.checked = true;
      row.scrollIntoView({ block: "nearest" });
    }
    const chosen = this.#rows.get(classId);
    document.querySelector("#class-name").textContent = chosen.dataset.name;
    document.querySelector("#class-color").style.backgroundColor = chosen.querySelector("i").style.backgroundColor;
  }

  #filter(text) {
    const words = text.toLowerCase().split(/\s+/);
    for (const row of this.#rows.values()) row.hidden = !words.every((word) => row.dataset.name.includes(word));
    for (const group of document.querySelectorAll("#class-list > div")) {
      group.hidden = !group.querySelector("label:not([hidden])");
    }
    document.querySelector("#no-class").hidden = this.#found.length > 0;
  }

  get #found() {
    return [...this.#rows].filter(([, row]) => !row.hidden);
  }

  #chooseFirst() {
    if (this.#found.length) this.#settings.set({ classId: this.#found[0][0] });
  }
}

/** [title, classes] by what COCO-Stuff counts as things and as stuff, where it knows nearly all of them. */
function groups({ classes, coco_ids: cocoIds = {} }) {
  const isKnown = ({ name }) => name in cocoIds;
  const known = classes.filter(isKnown);
  if (classes.length <= GROUPS_ABOVE || known.length < 0.9 * classes.length) return [["", classes]];
  return [
    ["Things", known.filter(({ name }) => cocoIds[name] < FIRST_STUFF)],
    ["Stuff", known.filter(({ name }) => cocoIds[name] >= FIRST_STUFF)],
    ["Other", classes.filter((entry) => !isKnown(entry))],
  ].filter(([, members]) => members.length);
}
