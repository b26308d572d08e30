// New canvases, scenes, and files: what is opened and what is saved.

import { LabelFileError, readLabelMap, writeLabelMap } from "./label_files.js";
import { writeRgbPng } from "./png.js";
import { zip } from "./zip.js";

export class Files {
  #model;
  #engine;
  #painting;
  #renderer;
  #styles;
  #tell;
  #report;

  /**
   * @param {(text: string) => void} tell puts a line in the status
   * @param {(error: Error) => void} report shows a failure
   */
  constructor({ model, engine, painting, renderer, styles, tell, report }) {
    this.#model = model;
    this.#engine = engine;
    this.#painting = painting;
    this.#renderer = renderer;
    this.#styles = styles;
    this.#tell = tell;
    this.#report = report;
    document.querySelector("#scenes").hidden = !model.scenes;
    document.querySelector("#another-scene").hidden = !(model.scenes_available > model.scenes);
    document.querySelector("#open-photo").disabled = !model.segmenter;
    if (!model.segmenter) document.querySelector("#photo-note").textContent = whyNoLabels(model);
    this.#listen();
  }

  blank() {
    this.#painting.replace(this.#painting.blank());
    this.#tell("A new canvas. Undo brings the last one back.");
  }

  /** Use the label map of a scene. */
  async openScene(number) {
    const blob = await blobAt(`scenes/${number}.png`);
    const { ids } = await readLabelMap(await blob.arrayBuffer(), this.#model);
    this.#painting.replace(ids);
    this.#tell(`Scene ${number}`);
  }

  /** Use a label map from a file. */
  async openLabelFile(file) {
    try {
      const { ids, note } = await readLabelMap(await file.arrayBuffer(), this.#model);
      this.#painting.replace(ids);
      this.#tell(`${file.name}: ${note}.`);
    } catch (error) {
      throw error instanceof LabelFileError ? new Error(`${file.name}: ${error.message}.`) : error;
    }
  }

  /** Save what is drawn now: "labels", "picture", which is made first if it is not there yet, or "both" in one file. */
  async save(what) {
    const { width, height, name } = this.#model;
    const files = [];
    if (what !== "labels") {
      const { pixels } = await this.#renderer.upToDate();
      files.push([`${name}_picture.png`, await writeRgbPng(width, height, pixels)]);
    }
    if (what !== "picture") files.push([`${name}_labels.png`, await writeLabelMap(this.#painting.ids, this.#model)]);
    const [[only, content]] = files;
    const saved = files.length > 1 ? `${name}.zip` : only;
    download(files.length > 1 ? zip(files) : new Blob([content], { type: "image/png" }), saved);
    this.#tell(`Saved ${saved}, ${width}x${height} pixels.`);
  }

  #listen() {
    const on = (selector, listener) => {
      document.querySelector(selector).addEventListener("click", () => this.#attempt(listener));
    };
    on("#new", () => this.blank());
    const openScene = (number) => this.openScene(number);
    on("#scenes", () => this.#showCards("#scene-dialog", "#scene-cards", "png", openScene));
    on("#another-scene", () => this.#anotherScene());
    on("#open-labels", () => choose("#label-file"));
    on("#open-photo", () => choose("#photo-file"));
    for (const what of ["labels", "picture", "both"]) on(`#save-${what}`, () => this.save(what));
    const useStyle = (number) => this.#sceneStyle(number);
    on("#style-photo", () => this.#showCards("#style-dialog", "#style-cards", "jpg", useStyle));
    on("#own-photo", () => choose("#style-file"));
    this.#onFile("#label-file", (file) => this.openLabelFile(file));
    this.#onFile("#photo-file", (file) => this.#openPhoto(file));
    this.#onFile("#style-file", (file) => this.#ownStyle(file));
    // Anywhere: what is dropped beside the canvas would replace the page.
    const isFile = (event) => event.dataTransfer.types.includes("Files"); // and not text for a field
    document.addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) this.#attempt(() => this.openLabelFile(file));
    });
  }

  #onFile(selector, listener) {
    const input = document.querySelector(selector);
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (file) this.#attempt(() => listener(file)).then(() => (input.value = ""));
    });
  }

  /** Do something that may fail, with the menu closed. */
  async #attempt(action) {
    document.querySelectorAll(".menu").forEach((menu) => menu.hidePopover?.()); // not there before 2024
    document.querySelector("#error").hidden = true; // of what was tried before
    try {
      await action();
    } catch (error) {
      this.#report(error);
    }
  }

  async #openPhoto(file) {
    this.#tell("The segmenter labels the photo…");
    this.#painting.replace(await this.#engine.labelsOf(file));
    this.#tell(`${file.name}: labeled by the segmenter.`);
  }

  async #ownStyle(file) {
    document.querySelector("#style-dialog").close();
    await this.#styles.usePhoto(file, file.name);
  }

  async #sceneStyle(number) {
    await this.#styles.usePhoto(await blobAt(`scenes/${number}.jpg`), `Scene ${number}`);
  }

  async #anotherScene() {
    const { scenes, scenes_available: available } = this.#model;
    document.querySelector("#scene-dialog").close();
    await this.openScene(scenes + Math.floor(Math.random() * (available - scenes)));
  }

  /** Open a dialog of scenes, whose images are loaded the first time. */
  #showCards(dialogName, listName, kind, choose) {
    const dialog = document.querySelector(dialogName);
    const list = document.querySelector(listName);
    const { width, height } = this.#model; // room for the images before they come
    for (let number = list.children.length; number < this.#model.scenes; number++) {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const image = (extension, alt) => {
        return Object.assign(new Image(width, height), { src: `scenes/${number}.${extension}`, alt });
      };
      button.append(image(kind, `Scene ${number}`));
      if (kind === "png") button.append(image("jpg", ""));
      button.addEventListener("click", () => {
        dialog.close();
        this.#attempt(() => choose(number));
      });
      list.append(button);
    }
    dialog.showModal();
  }
}

function whyNoLabels({ engine }) {
  return engine === "browser"
    ? "Labeling a photo needs a server: this page runs in the browser alone."
    : "This server was started without a segmenter, which labels photos.";
}

async function blobAt(url) {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Error("This scene could not be loaded. Is the server running?");
  return response.blob();
}

function choose(selector) {
  document.querySelector(selector).click();
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
