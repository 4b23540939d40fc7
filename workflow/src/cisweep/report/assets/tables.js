// Tables of the page: heads sort, fields filter, and the rows that are left can be taken home.
(function () {
  "use strict";
  const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const plain = (text) => text.replace(/−/g, "-").replace(/\s+/g, " ").trim();

  // The number that a cell is sorted by: the one it carries, else the one it begins with.
  function numberOf(cell) {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const m = /^[+]?(-?[\d,]*\.?\d+)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?/.exec(plain(cell.textContent));
    if (!m) return NaN;
    const power = m[2] ? [...m[2]].map((c) => (c === "⁻" ? "-" : SUPER.indexOf(c))).join("") : "0";
    return Number(m[1].replace(/,/g, "")) * 10 ** Number(power);
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, k) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        // Numbers begin with the largest; what has none comes last, whichever way.
        const numeric = head.classList.contains("number");
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : numeric;
        const sign = down ? -1 : 1;
        const compare = numeric
          ? (a, b) => {
              const [x, y] = [numberOf(a.cells[k]), numberOf(b.cells[k])];
              return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
            }
          : (a, b) => sign * plain(a.cells[k].textContent).localeCompare(plain(b.cells[k].textContent), "en", { numeric: true });
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  // A field of a number takes 0.05 or >= 0.05 (at least) and < 0.05 or <= 0.05; another, a part of the text.
  function kept(cell, wanted, numeric) {
    const m = numeric && /^(<=|>=|<|>|≤|≥|)\s*([-+−]?[\d.]+(?:e[-+]?\d+)?)$/i.exec(wanted.trim());
    if (!m) return plain(cell.textContent).toLowerCase().includes(plain(wanted).toLowerCase());
    const value = numberOf(cell), limit = Number(plain(m[2]));
    if (m[1] === "<") return value < limit;
    if (m[1] === ">") return value > limit;
    return m[1] === "<=" || m[1] === "≤" ? value <= limit : value >= limit;
  }

  function filtered(table) {
    const heads = [...table.tHead.rows[0].cells], fields = [];
    const line = table.tHead.insertRow();
    line.className = "filters";
    const bar = document.createElement("p");
    bar.className = "table-bar";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Download as TSV";
    bar.append(count, " ", button);
    table.parentElement.after(bar);
    const rows = [...table.tBodies[0].rows];
    const pictures = heads.map((_, k) => rows.every((row) => !row.cells[k].textContent.trim() || row.cells[k].querySelector("svg")));
    const apply = () => {
      let n = 0;
      for (const row of rows) {
        row.hidden = !fields.every(([k, field, numeric]) => !field.value.trim() || kept(row.cells[k], field.value, numeric));
        n += !row.hidden;
      }
      count.textContent = `${n} of ${rows.length} rows`;
    };
    heads.forEach((head, k) => {
      const cell = line.insertCell();
      if (pictures[k] && rows.some((row) => row.cells[k].querySelector("svg"))) return;
      const numeric = head.classList.contains("number");
      const field = document.createElement("input");
      field.placeholder = numeric ? "≥ or <" : "contains";
      field.setAttribute("aria-label", `Filter ${plain(head.textContent)}`);
      field.addEventListener("input", apply);
      cell.append(field);
      fields.push([k, field, numeric]);
    });
    button.addEventListener("click", () => {
      const columns = heads.map((_, k) => k).filter((k) => fields.some(([f]) => f === k));
      const clean = (cell) => plain([...cell.childNodes].map((c) => c.textContent).join(" "));
      const lines = [columns.map((k) => plain(heads[k].textContent))];
      for (const row of table.tBodies[0].rows) {
        if (row.hidden) continue;
        lines.push(columns.map((k) => {
          const cell = row.cells[k];
          const exact = cell.dataset.value !== undefined && /^[-+−–\d.,×⁰¹²³⁴⁵⁶⁷⁸⁹⁻\s]+$/.test(cell.textContent);
          return exact ? (isNaN(numberOf(cell)) ? "" : String(numberOf(cell))) : clean(cell);
        }));
      }
      const link = document.createElement("a");
      const text = lines.map((cells) => cells.join("\t")).join("\n") + "\n";
      link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
      link.download = table.dataset.file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    apply();
  }

  for (const table of document.querySelectorAll("main .scroll > table")) {
    if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
    if (table.dataset.file) filtered(table);
    sortable(table);
  }

  // ---- Points: one of a plot can be reached by Tab, its neighbours by the arrows ----
  for (const plot of document.querySelectorAll("svg.points")) {
    const points = [...plot.querySelectorAll(".point")];
    const told = plot.parentElement.querySelector(".told");
    const tell = (point) => { told.textContent = point.getAttribute("aria-label"); };
    points.forEach((point, i) => {
      point.setAttribute("tabindex", i ? "-1" : "0");
      point.addEventListener("focus", () => tell(point));
      point.addEventListener("pointerenter", () => tell(point));
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const next = step && points[i + step];
        if (!next) return;
        point.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
        event.preventDefault();
      });
    });
  }
})();
