// Keyboard shortcuts, and the help that lists them.

import { TOOLS } from "./tools.js";

/**
 * The shortcuts by group: [keys as shown, what they do, keys of events, action(key)].
 *
 * They work with any element in focus except fields that take text.
 */
export function shortcuts({ painting, settings, gesture, stage, renderer, styles, files, views }) {
  const click = (selector) => () => document.querySelector(selector).click();
  const resize = (key) => {
    const step = Math.max(1, Math.round(settings.size / 8));
    settings.set({ size: settings.size + (key === "]" ? step : -step) });
  };
  const chooseTool = (tool) => () => settings.set({ tool });
  const zoom = (key) => stage.zoomAt(...stage.middle(), key === "-" ? 0.8 : 1.25);
  const changeShape = () => settings.set({ shape: settings.shape === "round" ? "square" : "round" });
  return [
    ["Tools", TOOLS.map(({ key, label, name }) => [key.toUpperCase(), label, [key], chooseTool(name)])],
    [
      "Brush and classes",
      [
        ["[ and ]", "Smaller and larger brush", ["[", "]"], resize],
        ["X", "Round or square brush", ["x"], changeShape],
        ["1 to 9", "Classes used most", [..."123456789"], (key) => useDigit(settings, key)],
        ["/", "Find a class", ["/"], () => views.findClass()],
      ],
    ],
    [
      "Canvas",
      [
        ["Ctrl+Z", "Undo", ["ctrl+z"], () => gesture.back() || painting.undo()],
        ["Ctrl+Y", "Redo; also Ctrl+Shift+Z", ["ctrl+y", "ctrl+shift+z"], () => gesture.cancel() || painting.redo()],
        ["Esc", "Give up the stroke in progress", ["escape"], () => gesture.cancel()],
        ["N", "New canvas", ["n"], () => files.blank()],
        ["Ctrl+O", "Open a label map", ["ctrl+o"], click("#open-labels")],
        ["Ctrl+S", "Save label map and picture", ["ctrl+s"], click("#save-both")],
      ],
    ],
    [
      "View",
      [
        ["+ and -", "Zoom in and out", ["+", "=", "-"], zoom],
        ["0", "Fit to the window", ["0"], () => stage.fit()],
        ["V", "Side by side, over, picture alone", ["v"], () => views.next()],
        ["?", "This help", ["?"], () => views.help()],
      ],
    ],
    [
      "Picture",
      [
        ["Ctrl+Enter", "Render now", ["ctrl+enter"], () => renderer.render()],
        ["D", "Random style", ["d"], () => styles.roll()],
      ],
    ],
  ];
}

function useDigit(settings, key) {
  const id = settings.digits[Number(key) - 1];
  if (id !== undefined) settings.set({ classId: id });
}

const POINTER_HELP = [
  ["Draw", "Left button, pen or one finger, on the label map or on the picture"],
  ["Erase", "Right button, or the eraser: both draw the base class"],
  ["Pick a class", "Alt and a click"],
  ["Zoom", "Wheel, or two fingers"],
  ["Move the view", "Space and drag, middle button, or two fingers"],
  ["Brush size", "Alt and the wheel, or the wheel over the slider"],
  ["Open a label map", "Drop a PNG file on the page"],
];
const KEYBOARD_HELP = [
  ["Arrow keys", "Move the cursor by one pixel; with Shift by eight"],
  ["Space or Enter", "Press at the cursor; arrow keys then draw, and the same key releases"],
  ["Enter", "Close the polygon; Ctrl+Z takes its last corner back"],
];

/** Listen for the keys, and write the help. */
export function installShortcuts(groups) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input:not([type=radio], [type=checkbox], [type=range])");
    const isAlt = event.altKey && !event.getModifierState("AltGraph"); // brackets need AltGraph on some keyboards
    if (isTyping || isAlt || document.querySelector("dialog[open]")) return;
    const action = groups.flatMap(([, rows]) => rows).find(([, , keys]) => keys.includes(nameOf(event)))?.[3];
    if (!action) return;
    event.preventDefault();
    action(event.key);
  });
  const sheet = document.querySelector("#help-sheet");
  sheet.append(section("Pointer", POINTER_HELP), section("Keyboard alone, on the canvas", KEYBOARD_HELP));
  sheet.append(...groups.map(([title, rows]) => section(title, rows, "kbd")));
}

/** The key of an event as the shortcuts name it; Command stands for Ctrl. */
function nameOf(event) {
  const key = event.key.toLowerCase();
  if (event.getModifierState("AltGraph")) return key;
  return event.ctrlKey || event.metaKey ? `ctrl+${event.shiftKey ? "shift+" : ""}${key}` : key;
}

function section(title, rows, tag = "span") {
  const part = document.createElement("section");
  part.append(Object.assign(document.createElement("h3"), { textContent: title }));
  const list = part.appendChild(document.createElement("dl"));
  for (const [term, description] of rows) {
    const name = list.appendChild(document.createElement("dt"));
    name.append(Object.assign(document.createElement(tag), { textContent: term }));
    list.append(Object.assign(document.createElement("dd"), { textContent: description }));
  }
  return part;
}
