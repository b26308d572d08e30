// Which parts of the page are seen: views, the divider, sheets on a phone, menus and dialogs.

const VIEWS = ["side", "over", "picture"];

export class Views {
  /** Fraction of the pane left of the divider, where the labels are. */
  divider = 0.5;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    document.querySelector("#views").addEventListener("change", (event) => this.show(event.target.value));
    document.querySelector("#help").addEventListener("click", () => this.help());
    for (const button of document.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
    }
    for (const button of document.querySelectorAll("[data-sheet]")) {
      button.addEventListener("click", () => this.sheet(button.dataset.sheet));
    }
    document.querySelector("#stage").addEventListener("pointerdown", () => this.sheet(null));
    // What ends a visit to a sheet: a class, and all that opens something else.
    for (const done of document.querySelectorAll("#class-list, #file > button:not([popovertarget]), .menu button")) {
      done.addEventListener("click", ({ target, detail }) => {
        const isArrowKey = target.type === "radio" && detail === 0; // on its way to another class
        if (!isArrowKey) this.sheet(null);
      });
    }
    for (const menu of document.querySelectorAll(".menu")) menu.addEventListener("toggle", () => place(menu));
    this.#listenToDivider();
  }

  get view() {
    return document.body.dataset.view;
  }

  show(view) {
    document.body.dataset.view = view;
    document.querySelector(`#views [value="${view}"]`).checked = true;
    this.#onChange();
  }

  next() {
    this.show(VIEWS[(VIEWS.indexOf(this.view) + 1) % VIEWS.length]);
  }

  help() {
    document.querySelector("#help-dialog").showModal();
  }

  /** Open a panel that a phone hides, or close it; null closes them all. */
  sheet(name) {
    const open = document.body.dataset.sheet === name ? null : name;
    if (open) document.body.dataset.sheet = open;
    else delete document.body.dataset.sheet;
    for (const button of document.querySelectorAll("[data-sheet]:not(body)")) {
      button.setAttribute("aria-expanded", button.dataset.sheet === open);
    }
  }

  findClass() {
    if (document.querySelector("#classes").offsetParent === null) this.sheet("classes");
    document.querySelector("#class-search").focus();
  }

  divide(fraction) {
    this.divider = Math.min(Math.max(fraction, 0), 1);
    const percent = Math.round(100 * this.divider);
    document.body.style.setProperty("--divider", `${100 * this.divider}%`);
    const element = document.querySelector("#divider");
    element.setAttribute("aria-valuenow", percent);
    element.setAttribute("aria-valuetext", `${percent} % labels`);
  }

  #listenToDivider() {
    const divider = document.querySelector("#divider");
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const { left, width } = document.querySelector("#stage").getBoundingClientRect();
      this.divide((event.clientX - left) / width);
    });
    divider.addEventListener("lostpointercapture", () => this.#onChange());
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.divide(this.divider + step);
      this.#onChange();
    });
  }
}

/** Put an open menu below its button, inside the window. */
function place(menu) {
  const { left, bottom } = document.querySelector(`[popovertarget=${menu.id}]`).getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
}
