// The list of tools, and the size and shape of the brush.

import { TOOLS, toolNamed } from "./tools.js";

export function installTools(model, settings) {
  const list = document.querySelector("#tool-list");
  const template = document.createElement("template");
  for (const { name, label, key } of TOOLS) {
    template.innerHTML =
      `<label title="${label} (${key.toUpperCase()})"><input type="radio" name="tool" value="${name}" ` +
      `aria-label="${label}"><svg aria-hidden="true"><use href="icons.svg#${name}"/></svg></label>`;
    list.append(template.content);
  }
  const size = document.querySelector("#size");
  size.max = settings.largestSize;
  size.addEventListener("input", () => settings.set({ size: Number(size.value) }));
  document.querySelector("#brush-settings").addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      settings.set({ size: settings.size - Math.sign(event.deltaY) });
    },
    { passive: false },
  );
  list.addEventListener("change", (event) => settings.set({ tool: event.target.value }));
  document.querySelector("#shapes").addEventListener("change", (event) => settings.set({ shape: event.target.value }));
  settings.addEventListener("change", show);
  show();

  function show() {
    const { name, label, note } = toolNamed(settings.tool);
    list.querySelector(`[value="${name}"]`).checked = true;
    document.querySelector(`#shapes [value="${settings.shape}"]`).checked = true;
    size.value = settings.size;
    document.querySelector("#size-value").textContent = settings.size;
    size.disabled = document.querySelector("#shapes").disabled = !settings.isSized;
    const base = model.classes[model.base_class].name;
    document.querySelector("#tool-note").textContent = name === "eraser" ? `Draw with ${base}, the base class.` : note;
    document.querySelector("#tool-name").textContent = label;
    document.querySelector("#tool-icon").setAttribute("href", `icons.svg#${name}`);
  }
}
