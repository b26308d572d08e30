"use strict";
// Shows the images of one row large, side by side, and zooms and moves all of them in step.
// A row is an element with `data-zoom-row`, whose value is its name; its images are `figure > a[href] > img`.
{
  const ROWS = "[data-zoom-row]";
  const LINKS = `${ROWS} figure > a[href]`;
  const LARGEST_PIXEL = 32; // CSS pixels that one pixel of an image takes at most
  const STEP = 1.5; // by which + and - zoom
  const SHIFT = 0.15; // fraction of the view by which an arrow key moves
  const HINT =
    "Zoom with the wheel or + and −, move by dragging or with the arrow keys, 0 shows the whole images. " +
    "N and P: next and previous row. Escape closes.";

  const make = (tag, attributes = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };

  let dialog = null; // made when first needed
  let row = null; // whose images are shown
  let column = 0; // of the image that was chosen
  let views = []; // {box, image}
  let zoom = 1; // 1: the whole image is visible
  let center = [0.5, 0.5]; // point of the images in the middle of the views, as fractions of their width and height

  // ---- What is shown ----

  const linksOf = (element) => [...element.querySelectorAll("figure > a[href]")];
  const isVisible = (element) => element.getClientRects().length > 0 && linksOf(element).length > 0;

  function neighbor(step) {
    const rows = [...document.querySelectorAll(ROWS)];
    let place = rows.indexOf(row) + step;
    while (rows[place] && !isVisible(rows[place])) place += step;
    return rows[place];
  }

  function fileName(caption, href) {
    const words = [document.body.dataset.run, row.dataset.zoomRow, caption].filter(Boolean).join(" ");
    const suffix = /\.\w+$/.exec(new URL(href).pathname)?.[0] ?? ".png";
    return words.replace(/[^\p{L}\p{N}.-]+/gu, "_").replace(/^[_.]+|_+$/g, "") + suffix;
  }

  function view(link) {
    const figure = link.parentElement;
    const caption = figure.querySelector("figcaption")?.textContent ?? "";
    const image = make("img", { src: link.href, alt: link.firstElementChild.alt, draggable: false });
    const box = make("div", { className: "view" }, image);
    // Browsers save no file of a page that is itself opened as a file: there the link opens it in a tab of its own.
    const word = location.protocol === "file:" ? "Open" : "Download";
    const save = { href: link.href, download: fileName(caption, link.href), target: "_blank", textContent: word };
    const download = make("a", save);
    download.setAttribute("aria-label", `${word} ${caption}`);
    image.addEventListener("load", draw);
    const below = make("figcaption", {}, make("span", {}, caption), download);
    return { box, image, figure: make("figure", { className: figure.className }, box, below) };
  }

  function show(next) {
    row = next;
    row.scrollIntoView({ block: "nearest" }); // where pages draw rows only near the window, the next ones are drawn
    views = linksOf(row).map(view);
    dialog.querySelector("h2").textContent = row.dataset.zoomRow;
    dialog.querySelector(".views").replaceChildren(...views.map(({ figure }) => figure));
    button("previous").disabled = !neighbor(-1);
    button("next").disabled = !neighbor(1);
    fit();
  }

  function fit() {
    [zoom, center] = [1, [0.5, 0.5]];
    draw();
  }

  // ---- Geometry ----

  /** Width and height of an image in a view at zoom 1, in CSS pixels. */
  function fitted({ box, image }) {
    const [width, height] = [image.naturalWidth || 1, image.naturalHeight || 1];
    const scale = Math.min(box.clientWidth / width, box.clientHeight / height);
    return [width * scale, height * scale];
  }

  const limited = (value) => {
    const [{ image }] = views;
    const largest = (LARGEST_PIXEL * image.naturalWidth) / fitted(views[0])[0];
    return Math.min(Math.max(value, 1), Math.max(8, largest || 0));
  };

  /** Columns with which images of the shape of the first are largest. */
  function columns() {
    const { clientWidth, clientHeight } = dialog.querySelector(".views");
    const [{ image }] = views;
    const aspect = (image.naturalWidth || 1) / (image.naturalHeight || 1);
    const captions = 30;
    const widthWith = (count) =>
      Math.min(clientWidth / count, (clientHeight / Math.ceil(views.length / count) - captions) * aspect);
    const counts = views.map((_, i) => i + 1);
    return counts.reduce((best, count) => (widthWith(count) > widthWith(best) ? count : best));
  }

  function draw() {
    if (!dialog?.open) return;
    dialog.querySelector(".views").style.setProperty("--columns", columns());
    const [{ box, image }] = views;
    const size = fitted(views[0]);
    zoom = limited(zoom);
    const room = [box.clientWidth, box.clientHeight];
    center = center.map((value, axis) => {
      const half = Math.min(0.5, room[axis] / 2 / (size[axis] * zoom)); // of the image, from the middle to the edge
      return Math.min(Math.max(value, half), 1 - half);
    });
    for (const { box, image } of views) {
      const [width, height] = fitted({ box, image }).map((length) => length * zoom);
      const [x, y] = [box.clientWidth / 2 - center[0] * width, box.clientHeight / 2 - center[1] * height];
      const transform = `translate(${x}px, ${y}px)`;
      Object.assign(image.style, { width: `${width}px`, height: `${height}px`, transform });
    }
    dialog.querySelector("output").textContent = `${Math.round(((size[0] * zoom) / (image.naturalWidth || 1)) * 100)}%`;
  }

  /** Zoom by a factor around a point, given in CSS pixels from the middle of a view. */
  function zoomBy(factor, point = [0, 0]) {
    const size = fitted(views[0]);
    const before = zoom;
    zoom = limited(zoom * factor);
    center = center.map((value, axis) => value + (point[axis] / size[axis]) * (1 / before - 1 / zoom));
    draw();
  }

  /** Move the images by CSS pixels. */
  function moveBy(x, y) {
    const size = fitted(views[0]);
    center = [center[0] - x / (size[0] * zoom), center[1] - y / (size[1] * zoom)];
    draw();
  }

  const shift = (x, y) => {
    const { clientWidth, clientHeight } = views[0].box;
    moveBy(-x * SHIFT * clientWidth, -y * SHIFT * clientHeight);
  };

  // ---- Mouse and fingers ----

  const pointers = new Map(); // id -> [x, y] of those that are down

  function fromMiddle(box, [x, y]) {
    const { left, top, width, height } = box.getBoundingClientRect();
    return [x - left - width / 2, y - top - height / 2];
  }

  /** Middle of the pointers, and the distance of two, or 0. */
  function grip() {
    const [first, second = first] = pointers.values();
    return {
      middle: [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2],
      apart: Math.hypot(first[0] - second[0], first[1] - second[1]),
    };
  }

  function listen(place) {
    place.addEventListener("pointerdown", (event) => {
      const box = event.target.closest(".view");
      if (!box || event.button) return;
      box.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    place.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = grip();
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      const after = grip();
      moveBy(after.middle[0] - before.middle[0], after.middle[1] - before.middle[1]);
      const box = event.target.closest(".view");
      if (box && before.apart && after.apart) zoomBy(after.apart / before.apart, fromMiddle(box, after.middle));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      place.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    place.addEventListener(
      "wheel",
      (event) => {
        const box = event.target.closest(".view");
        if (!box) return;
        event.preventDefault();
        const pixels = event.deltaY * (event.deltaMode ? 30 : 1); // else lines, in some browsers
        const speed = event.ctrlKey ? 0.01 : 0.002; // ctrl is how browsers report the pinch of a trackpad
        zoomBy(Math.exp(-pixels * speed), fromMiddle(box, [event.clientX, event.clientY]));
      },
      { passive: false },
    );
  }

  // ---- Buttons and keys ----

  const go = (step) => {
    const next = neighbor(step);
    if (next) show(next);
  };
  const ACTIONS = {
    previous: { text: "‹", label: "Previous row", keys: ["p", "P"], act: () => go(-1) },
    next: { text: "›", label: "Next row", keys: ["n", "N"], act: () => go(1) },
    out: { text: "−", label: "Zoom out", keys: ["-"], act: () => zoomBy(1 / STEP) },
    in: { text: "+", label: "Zoom in", keys: ["+", "="], act: () => zoomBy(STEP) },
    fit: { text: "Fit", label: "Show the whole images", keys: ["0"], act: fit },
    close: { text: "✕", label: "Close", keys: [], act: () => dialog.close() },
  };
  const KEYS = {
    ArrowLeft: () => shift(-1, 0),
    ArrowRight: () => shift(1, 0),
    ArrowUp: () => shift(0, -1),
    ArrowDown: () => shift(0, 1),
  };
  for (const { keys, act } of Object.values(ACTIONS)) for (const key of keys) KEYS[key] = act;
  const button = (name) => dialog.querySelector(`[data-action=${name}]`);

  function build() {
    const buttons = Object.entries(ACTIONS).map(([name, { text, label, keys, act }]) => {
      const title = `${label} (${keys[0] ?? "Escape"})`;
      const item = make("button", { type: "button", textContent: text, title });
      item.setAttribute("aria-label", label);
      item.dataset.action = name;
      item.addEventListener("click", act);
      return item;
    });
    const place = make("div", { className: "views" });
    dialog = make(
      "dialog",
      { className: "zoom", tabIndex: -1 },
      make("header", {}, make("h2"), make("output"), ...buttons),
      place,
      make("p", { className: "note", textContent: HINT }),
    );
    dialog.setAttribute("aria-label", "Images of one row, enlarged");
    listen(place);
    dialog.addEventListener("keydown", (event) => {
      const act = KEYS[event.key];
      if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      act();
    });
    dialog.addEventListener("close", () => {
      pointers.clear();
      const links = linksOf(row);
      (links[column] ?? links[0])?.focus();
      dialog.querySelector(".views").replaceChildren();
    });
    document.body.append(dialog);
    new ResizeObserver(draw).observe(place);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(LINKS);
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault(); // with a key held, or without this script, the link opens the file
    if (!dialog) build();
    dialog.showModal();
    dialog.focus(); // not a button, so that Enter presses none
    const next = link.closest(ROWS);
    column = linksOf(next).indexOf(link);
    show(next);
  });
}
