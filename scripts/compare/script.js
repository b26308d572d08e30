"use strict";
// Sorts the rows of images by the scores of single images, and the tables of class "sortable" by a column.
{
  // Rows without a value come last in either direction; equal ones stay in the order of names.
  function sort(items, valueOf, descending) {
    const keyed = items.map((item, index) => ({ item, index, value: valueOf(item) }));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
      const compared = typeof a.value === "string" ? a.value.localeCompare(b.value) : a.value - b.value;
      return (descending ? -compared : compared) || a.index - b.index;
    });
    return keyed;
  }

  function setUpRows() {
    const [select, direction] = [document.getElementById("sort"), document.getElementById("direction")];
    if (!select) return;
    const place = document.getElementById("rows");
    const rows = [...place.children];
    let descending = false;

    function apply() {
      const [score, run, other] = JSON.parse(select.value);
      const numberOf = (row, k) => JSON.parse(row.dataset.scores)[k][score] ?? null;
      const valueOf = (row) => {
        if (!score) return Number(row.dataset.index);
        const value = numberOf(row, run);
        if (other === undefined || value === null) return value;
        const base = numberOf(row, other);
        return base === null ? null : value - base;
      };
      const sorted = sort(rows, valueOf, Boolean(score) && descending);
      place.replaceChildren(...sorted.map(({ item }) => item));
      const missing = sorted.filter(({ value }) => value === null).length;
      document.getElementById("missing").textContent = missing ? `${missing} without a value come last` : "";
      direction.hidden = !score;
      direction.textContent = descending ? "highest first ↓" : "lowest first ↑";
    }

    select.addEventListener("change", apply);
    direction.addEventListener("click", () => {
      descending = !descending;
      apply();
    });
    apply(); // browsers keep the choice over a reload
  }

  function setUpTable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      let descending = false;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent || "class";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const valueOf = (row) => {
          const text = row.cells[column].dataset.value;
          return column === 0 ? text : text ? Number(text) : null;
        };
        body.replaceChildren(...sort([...body.rows], valueOf, descending).map(({ item }) => item));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        descending = !descending;
      });
    });
  }

  setUpRows();
  for (const table of document.querySelectorAll("table.sortable")) setUpTable(table);
}
