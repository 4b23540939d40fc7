// The explorer: Tabulator's table of regions on the left, igv.js on the right. No network.
(async function () {
  "use strict";
  const box = document.getElementById("explorer");
  if (!box) return;
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const status = document.querySelector(".explorer-status");
  const say = (text) => { status.textContent = text; };

  // ---- Regions ----
  async function unpack(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  const thousands = (n) => n.toLocaleString("en-US");
  const locusOf = (row) => `${row.chrom}:${thousands(row.start + 1)}-${thousands(row.end)}`;

  const TYPES = { f4: Float32Array, i4: Int32Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array };

  async function rowsOf({ n, columns, data }) {
    const buffer = await unpack(data);
    const rows = Array.from({ length: n }, (_, id) => ({ id }));
    let offset = 0;
    for (const { name, type, words } of columns) {
      const values = new TYPES[type](buffer, offset, n);
      offset += values.byteLength;
      if (words) for (let i = 0; i < n; i++) rows[i][name] = words[values[i]];
      else for (let i = 0; i < n; i++) rows[i][name] = values[i];
    }
    return rows;
  }

  const parsed = (text) => {
    const m = /^\s*([^\s:]+):([\d,]+)(?:-([\d,]+))?\s*$/.exec(text);
    if (!m) return null;
    const start = Number(m[2].replace(/,/g, "")) - 1;
    return { chrom: m[1], start, end: m[3] ? Number(m[3].replace(/,/g, "")) : start + 1 };
  };

  // A place finds the regions that it touches; any other text those whose name contains it.
  let asked = {};
  function matchesLocus(wanted, _, row) {
    if (asked.wanted !== wanted) asked = { wanted, place: parsed(wanted), text: wanted.replace(/,/g, "") };
    const { place, text } = asked;
    if (!place) return `${row.chrom}:${row.start + 1}-${row.end}`.includes(text);
    return row.chrom === place.chrom && row.start < place.end && row.end > place.start;
  }

  const order = {};
  const byPlace = (a, b, rowA, rowB) => {
    const [x, y] = [rowA.getData(), rowB.getData()];
    return order[x.chrom] - order[y.chrom] || x.start - y.start;
  };
  // What has no value comes last, whichever way.
  const byNumber = (a, b, rowA, rowB, column, way) =>
    isNaN(a) || isNaN(b) ? (isNaN(a) - isNaN(b)) * (way === "asc" ? 1 : -1) : a - b;
  const shortNumber = (cell) => {
    const v = cell.getValue();
    if (isNaN(v)) return "–";
    return Math.abs(v) >= 100 ? v.toFixed(0) : Number(v.toPrecision(3)).toString().replace("-", "−");
  };

  function columnOf(c) {
    // Without nested data: a target's name may hold a dot.
    const base = { title: c.title, field: c.field, headerTooltip: c.unit ? `${c.group}, ${c.unit}` : true };
    if (c.kind === "locus") {
      return { ...base, formatter: (cell) => document.createTextNode(locusOf(cell.getData())), sorter: byPlace, minWidth: 190,
        headerFilter: "input", headerFilterFunc: matchesLocus, headerFilterPlaceholder: "place or name",
        accessorDownload: (_, row) => locusOf(row).replace(/,/g, "") };
    }
    if (c.kind === "text") {
      return { ...base, headerFilter: "input", headerFilterPlaceholder: "contains", minWidth: 110 };
    }
    return { ...base, hozAlign: "right", headerHozAlign: "right", sorter: byNumber, formatter: shortNumber,
      accessorDownload: (v) => isNaN(v) ? "" : Number.isInteger(v) ? v : Number(v.toPrecision(4)),
      headerSortStartingDir: "desc", headerFilter: "input", headerFilterFunc: ">=",
      headerFilterPlaceholder: "≥", minWidth: 66 };
  }

  function grouped(columns) {
    const found = [];
    for (const c of columns) {
      const last = found[found.length - 1];
      if (!c.group) found.push(columnOf(c));
      else if (last && last.columns && last.title === c.group) last.columns.push(columnOf(c));
      else found.push({ title: c.group, columns: [columnOf(c)] });
    }
    return found;
  }

  const rows = await rowsOf(data.rows);
  for (const row of rows) if (!(row.chrom in order)) order[row.chrom] = Object.keys(order).length;
  const rowOf = new WeakMap();  // to ask a row for its element makes one
  const table = new Tabulator(box.querySelector(".explorer-table"), {
    data: rows, columns: grouped(data.columns), height: "100%", layout: "fitDataStretch",
    nestedFieldSeparator: false, selectableRows: 1, placeholder: "No region matches.",
    rowFormatter: (row) => {
      const element = row.getElement();
      rowOf.set(element, row);
      element.tabIndex = 0;
      element.classList.toggle("without-tracks", !row.getData().shown);
    },
  });
  const ready = new Promise((resolve) => table.on("tableBuilt", resolve));
  const tell = (n) => { box.querySelector(".explorer-count").textContent = `${thousands(n)} of ${thousands(rows.length)} regions`; };
  table.on("dataFiltered", (_, found) => tell(found.length));
  tell(rows.length);
  box.querySelector(".explorer-download").addEventListener("click", () => {
    table.download("csv", `${data.run}.regions.tsv`, { delimiter: "\t" });
  });

  // ---- Tracks ----
  const browser = await igv.createBrowser(box.querySelector(".explorer-tracks"), {
    loadDefaultGenomes: false, search: false, reference: data.reference, showAllChromosomes: true,
    locus: rows.length ? locusOf(rows[0]).replace(/,/g, "") : undefined,
    showSVGButton: true, showSampleNames: false,
  });
  // igv.js reads the first stretch of sequence that a view touches: here all of them.
  const { sequence } = browser.genome;
  sequence.getSequence = async (chrom, start, end) => {
    let bases = "";
    for (const part of sequence.sequences.get(chrom) || []) {
      if (part.end <= start || part.offset >= end) continue;
      const low = Math.max(part.offset, start);
      bases += "*".repeat(low - start - bases.length);
      bases += part.sequence.substring(low - part.offset, Math.min(part.end, end) - part.offset);
    }
    return bases.padEnd(end - start, "*");
  };
  await browser.loadTrackList(data.tracks);

  let current = "";
  async function show(locus) {
    current = locus;
    await browser.search(locus.replace(/,/g, ""));
  }

  function open(row) {
    const d = row.getData();
    table.deselectRow();
    row.select();
    const locus = locusOf(d);
    history.replaceState(null, "", `#${locus}`);
    say(d.shown ? `Shown: ${locus}` : `${locus}: its tracks are not in this page; open the session of the folder browser in IGV.`);
    return show(locus);
  }

  table.on("rowClick", (_, row) => open(row));
  box.querySelector(".explorer-table").addEventListener("keydown", (event) => {
    const element = event.target.closest(".tabulator-row");
    if (!element) return;
    const row = rowOf.get(element);
    if (event.key === "Enter" && row) open(row);
    const next = event.key === "ArrowDown" ? row.getNextRow() : event.key === "ArrowUp" ? row.getPrevRow() : null;
    if (next) { next.getElement().focus(); event.preventDefault(); }
  });

  // Links of the page (class "locus") and its own address: #chr20:311,380-311,440 (1-based).
  async function follow() {
    const place = parsed(decodeURIComponent(location.hash.slice(1)));
    if (!place || !(place.chrom in order)) return false;
    box.scrollIntoView();
    const locus = `${place.chrom}:${thousands(place.start + 1)}-${thousands(place.end)}`;
    if (locus !== current) { say(`Shown: ${locus}`); await show(locus); }
    return true;
  }
  window.addEventListener("hashchange", follow);

  // Places in the text of the page lead here.
  const link = /([A-Za-z0-9_.]+):(\d+(?:,\d{3})*)(?:-(\d+(?:,\d{3})*))?(?!\d)/g;
  const walker = document.createTreeWalker(document.getElementById("main"), NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parent = text.parentElement;
    if (!parent || parent.closest("a, svg, script, style, code, summary, #explorer")) continue;
    const found = [...text.data.matchAll(link)].filter((m) => m[1] in order);
    for (const m of found.reverse()) {
      const rest = text.splitText(m.index);
      rest.splitText(m[0].length);
      const a = document.createElement("a");
      const at = Number(m[2].replace(/,/g, ""));
      a.href = "#" + (m[3] ? m[0] : `${m[1]}:${thousands(Math.max(at - 50, 1))}-${thousands(at + 50)}`);
      a.textContent = m[0];
      rest.replaceWith(a);
    }
  }
  await ready;
  if (!(await follow()) && rows.length) {
    say(`Shown: ${locusOf(rows[0])}`);
    await show(locusOf(rows[0]));
  }
  box.dataset.ready = "true";
})().catch((error) => {
  const status = document.querySelector(".explorer-status");
  if (status) status.textContent = `The explorer cannot be drawn by this browser (${error}).`;
});
