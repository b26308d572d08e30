// The paint page: reads what the model is, and joins the parts.

import * as autosave from "./autosave.js";
import { ClassesPanel } from "./classes_panel.js";
import { createEngine } from "./engine.js";
import { Files } from "./files.js";
import { Pointers } from "./pointers.js";
import { Renderer } from "./renderer.js";
import { installShortcuts, shortcuts } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Painting, Settings, Style } from "./state.js";
import { StylesPanel } from "./styles_panel.js";
import { installTools } from "./tools_panel.js";
import { Gesture } from "./tools.js";
import { Views } from "./views.js";

const element = (selector) => document.querySelector(selector);

const KEPT_VERSION = 1; // of what is kept over a reload: raise it when `snapshot` changes, or what its values mean

function tell(text) {
  element("#status").textContent = text;
}

/** Show a failure until it is dismissed. */
function report(error) {
  element("#error-text").textContent = error.message;
  element("#error").hidden = false;
}

async function main() {
  element("#dismiss").addEventListener("click", () => (element("#error").hidden = true));
  const response = await fetch("model.json").catch(() => null);
  if (!response?.ok) throw new Error("The model could not be loaded. Is the server running? Then reload this page.");
  const model = await response.json();
  element("#model-name").textContent = model.name;
  document.title = `Paint ${model.name}`;

  const painting = new Painting(model);
  const settings = new Settings(model);
  const style = new Style(model);
  const gesture = new Gesture(painting, settings);
  const stage = new Stage(painting, settings, gesture);
  const engine = await createEngine(model);
  const renderer = new Renderer(engine, painting, style);
  const styles = new StylesPanel({ model, engine, painting, style, renderer, report });
  const files = new Files({ model, engine, painting, renderer, styles, tell, report });
  // What is kept belongs to a size and a list of classes: another model of the same name starts anew.
  const key = [KEPT_VERSION, model.name, model.width, model.height, ...model.classes.map(({ name }) => name)].join("/");
  let isTold = false;
  const keep = oneAtATime(async () => {
    const isKept = await autosave.save(key, snapshot());
    if (!isKept && !isTold) report(new Error("This browser keeps no drawings; save your label map."));
    isTold ||= !isKept;
  });
  const views = new Views(keep);
  const snapshot = () => ({
    ids: painting.ids,
    settings: settings.state,
    style: style.state,
    live: renderer.isLive,
    view: views.view,
    divider: views.divider,
  });
  new Pointers(stage, gesture, settings);
  new ClassesPanel(model, settings);
  installTools(model, settings);
  installShortcuts(shortcuts({ painting, settings, gesture, stage, renderer, styles, files, views }));

  showHistory(painting, gesture);
  showView(stage, painting, model);
  showRendering(renderer, stage, engine);
  views.divide(0.5);
  const saved = await autosave.load(key);
  if (saved) restore(saved, { painting, settings, style, renderer, views });
  else if (model.scenes) await files.openScene(0).catch(report);
  painting.start(painting.ids);
  for (const source of [painting, settings, style]) source.addEventListener("change", keep);
  element("#live").addEventListener("change", keep);

  const ready = renderer.start(showProgress);
  // For tests and for the browser's console: what is drawn, how often a picture came, when all is kept.
  window.painting = {
    model,
    engine,
    renderer,
    ready,
    keep,
    ids: () => painting.ids.slice(),
    z: () => style.z?.slice() ?? null,
    get rendered() {
      return renderer.count;
    },
    toClient: (x, y) => {
      stage.middle();
      return stage.viewport.toClient(x, y);
    },
  };
  await ready;
}

/** Run an action again and again while it is asked for, but never twice at once; resolves after the last. */
function oneAtATime(action) {
  let isWanted = false;
  let running = null;
  const run = async () => {
    while (isWanted) {
      isWanted = false;
      await action();
    }
    running = null;
  };
  return () => {
    isWanted = true;
    return (running ??= run());
  };
}

/** Go on where one left off. */
function restore(saved, { painting, settings, style, renderer, views }) {
  painting.replace(saved.ids);
  settings.set(saved.settings);
  style.restore(saved.style);
  renderer.setLive(saved.live);
  element("#live").checked = saved.live;
  views.show(saved.view);
  views.divide(saved.divider);
  tell("Your last drawing is back.");
}

function showHistory(painting, gesture) {
  const show = () => {
    element("#undo").disabled = !painting.canUndo;
    element("#redo").disabled = !painting.canRedo;
  };
  element("#undo").addEventListener("click", () => gesture.back() || painting.undo());
  element("#redo").addEventListener("click", () => gesture.cancel() || painting.redo());
  painting.addEventListener("change", show);
  show();
}

/** The button that fits the map, the hint of an empty canvas, and what is under the keyboard's cursor. */
function showView(stage, painting, model) {
  element("#fit").addEventListener("click", () => stage.fit());
  stage.addEventListener("view", () => (element("#fit").hidden = stage.isFitted));
  stage.addEventListener("cursor", () => {
    const [x, y] = stage.cursor;
    tell(`x ${x}, y ${y}: ${model.classes[painting.shown[y * model.width + x]].name}`);
  });
  painting.addEventListener("draw", () => {
    element("#hint").hidden = painting.shown.some((id) => id !== model.base_class);
  });
}

const STATES = {
  loading: () => "Loading the model…",
  rendering: () => "Rendering…",
  ready: () => "Picture is up to date",
  stale: () => "The drawing has changed since this picture",
  retrying: ({ error }) => `${error}; trying again…`,
  failed: () => "The picture could not be made",
};

function showRendering(renderer, stage, engine) {
  element("#live").addEventListener("change", (event) => renderer.setLive(event.target.checked));
  element("#render").addEventListener("click", () => renderer.render());
  renderer.addEventListener("picture", () => {
    stage.showPicture(renderer.picture.pixels, renderer.picture.ids);
    element("#speed").textContent = `${Math.round(renderer.picture.milliseconds)} ms · ${engine.describe()}`;
    element("#loading").hidden = true;
    if (element("#error-text").textContent === renderer.error) element("#error").hidden = true;
  });
  renderer.addEventListener("state", () => {
    document.body.dataset.state = renderer.state;
    element("#render").hidden = renderer.isLive;
    element("#render").disabled = renderer.isCurrent;
    const text = STATES[renderer.state](renderer);
    element("#state").textContent = text;
    element("#loading-text").textContent = text;
    if (renderer.state === "failed") report(new Error(renderer.error));
    if (renderer.state === "failed") element("#loading").hidden = true;
  });
}

/** Follow a download, after which the engine has work to do that tells no progress. */
function showProgress(fraction) {
  element("#progress").value = fraction;
  element("#loading-text").textContent = `Loading the model: ${Math.round(100 * fraction)} %`;
  if (fraction < 1) return;
  element("#progress").removeAttribute("value");
  element("#loading-text").textContent = "Preparing the model…";
}

main().catch((error) => {
  console.error(error);
  report(error);
});
