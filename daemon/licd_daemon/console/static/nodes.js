// The nodes, live: rows come as they change, and only the page of them that is visible is shown.

import {
  ago, byId, call, confirmed, daemonNow, el, facts, follow, gloss, isAdmin, setNow, showFailure, svg, t, when, whenExactly,
} from "./app.js";
import { drawTimeline } from "./timeline.js";

const PAGE = 50;
const CHIPS = { LICENSED: "good", WAITING: "warn", REJECTED: "bad", PENDING: "idle" };
const REFRESH_MS = 1000;
const TIMELINE_MS = 15_000;
const KEYS = {
  name: (row) => row.name,
  state: (row) => Object.keys(CHIPS).indexOf(row.state),
  since: (row) => row.joined,
  heard: (row) => row.heard ?? 0,
  clock: (row) => Math.abs(row.offset ?? 0),
};
const collator = new Intl.Collator(undefined, { numeric: true });

const rows = new Map();
const drawn = new Map(); // by session: the row's element and what it shows
let total = 0;
let page = 0;
let sort = { column: null, down: false };
let span = "hour";
let points = [];

// --- one row ---

function clockPicture(row) {
  const limit = facts.limit;
  const scale = (ms) => 60 + Math.max(-1.2, Math.min(1.2, ms / limit)) * 45;
  const over = Math.abs(row.offset) - row.error > limit;
  const [left, right] = [scale(row.offset - row.error), scale(row.offset + row.error)];
  const said = t("nodes.offset", { offset: row.offset, error: row.error, limit });
  return el("span", {},
    svg("svg", { class: over ? "clock over" : "clock", viewBox: "0 0 120 20", role: "img", "aria-label": said },
      svg("path", { class: "axis", d: "M2 10H118" }),
      svg("path", { class: "limit", d: `M15 3V17M105 3V17M60 6V14` }),
      svg("rect", { class: "bound", x: left, y: 6, width: Math.max(2, right - left), height: 8 }),
      svg("circle", { class: "dot", cx: scale(row.offset), cy: 10, r: 3.5 })),
    el("span", { class: "clock-text", "aria-hidden": "true" }, `${sign(row.offset)} ± ${row.error} ms`));
}

const sign = (value) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));

function cells(row) {
  const why = row.why.map(([title, detail, remedy, reason]) => el("div", { lang: "en" }, title, gloss(reason),
    detail ? el("span", {}, detail) : null, remedy ? el("span", { class: "remedy" }, remedy) : null));
  const made = [
    ["name", row.name],
    ["state", el("span", { class: `chip ${CHIPS[row.state]}` }, t(`node.${row.state}`))],
    ["why", ...why],
    ["since", el("span", { class: "nowrap" }, when(row.joined))],
    ["heard", el("span", { class: "nowrap heard" })],
    ["clock", row.offset === null ? el("span", { class: "soft nowrap" }, t("nodes.unmeasured")) : clockPicture(row)],
    ["address", row.address.replace(/^ipv[46]:/, "").replaceAll("%5B", "[").replaceAll("%5D", "]")],
  ];
  return made.map(([column, ...content]) =>
    el("td", { class: column === "why" || column === "name" ? column : null, "data-label": t(`nodes.${column}`) }, ...content));
}

function element(row) {
  const made = el("tr", { "data-session": row.id }, ...cells(row));
  if (isAdmin) {
    const button = el("button", { type: "button", class: "small", "aria-label": t("evict.of", { name: row.name }) },
      t("evict.button"));
    button.addEventListener("click", () => evict(row));
    made.append(el("td", { "data-label": "" }, button));
  }
  return made;
}

/** A row's content by cell, so that a heartbeat changes no more than it must (and no focus is lost). */
function update(shown, row) {
  const before = shown.row;
  if (JSON.stringify({ ...before, heard: 0 }) !== JSON.stringify({ ...row, heard: 0 })) {
    cells(row).forEach((cell, index) => {
      if (!cell.isEqualNode(shown.element.cells[index])) shown.element.cells[index].replaceWith(cell);
    });
  }
  shown.row = row;
}

function tellHeard(shown) {
  const place = shown.element.querySelector(".heard");
  const { heard } = shown.row;
  const text = heard === null ? t("nodes.never") : ago(Math.max(0, daemonNow() - heard));
  if (place.textContent !== text) place.textContent = text;
  if (heard !== null) place.title = whenExactly(heard);
}

// --- the table ---

function chosen() {
  const wanted = byId("search").value.trim().toLowerCase();
  const state = byId("state-filter").value;
  const found = [...rows.values()].filter((row) => (!state || row.state === state)
    && (!wanted || `${row.name} ${row.address} ${row.id} ${row.why.flat().join(" ")}`.toLowerCase().includes(wanted)));
  if (sort.column) {
    const key = KEYS[sort.column];
    const turn = sort.down ? -1 : 1;
    found.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      return turn * (typeof a === "string" ? collator.compare(a, b) : a - b);
    });
  }
  return found;
}

function draw() {
  const found = chosen();
  page = Math.max(0, Math.min(page, Math.ceil(found.length / PAGE) - 1));
  const inSight = found.slice(page * PAGE, (page + 1) * PAGE);
  const wanted = new Set(inSight.map((row) => row.id));
  for (const [id, shown] of drawn) {
    if (!wanted.has(id)) {
      shown.element.remove();
      drawn.delete(id);
    }
  }
  const body = byId("nodes").tBodies[0];
  inSight.forEach((row, index) => {
    let shown = drawn.get(row.id);
    if (shown) update(shown, row);
    else drawn.set(row.id, shown = { row, element: element(row) });
    if (body.children[index] !== shown.element) body.insertBefore(shown.element, body.children[index] ?? null);
    tellHeard(shown);
  });
  byId("nodes").hidden = !found.length;
  byId("empty").hidden = Boolean(found.length);
  byId("empty").textContent = t(rows.size ? "nodes.empty" : "nodes.none");
  showPager(found.length);
}

function showPager(count) {
  byId("pager").hidden = count <= PAGE;
  byId("previous").disabled = !page;
  byId("next").disabled = (page + 1) * PAGE >= count;
  const text = t("pager.text", { from: page * PAGE + 1, to: Math.min(count, (page + 1) * PAGE), total: count });
  if (byId("pager-text").textContent !== text) byId("pager-text").textContent = text;
}

function summary(registration) {
  const rejected = [...rows.values()].filter((row) => row.state === "REJECTED").length;
  const words = t("nodes.summary", {
    connected: registration.nodes_connected, licensed: registration.nodes_licensed, max: registration.max_nodes,
    waiting: registration.nodes_waiting, rejected,
  });
  const more = total > rows.size ? ` ${t("nodes.more", { shown: rows.size, total })}` : "";
  if (byId("summary").textContent !== words + more) byId("summary").textContent = words + more;
}

// --- changes ---

let registration = null;
let due = false;

function hearNodes(news) {
  for (const row of news.rows) rows.set(row.id, row);
  for (const id of news.gone) rows.delete(id);
  total = news.total;
  soon();
}

function hearRegistration(news) {
  const held = registration?.nodes_licensed;
  registration = news.registration;
  if (held !== registration.nodes_licensed) timeline();
  soon();
}

/** Changes that come together are shown once. */
function soon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    performance.mark("licd-update-start");
    draw();
    if (registration) summary(registration);
    performance.measure("licd-update", "licd-update-start");
  });
}

async function timeline() {
  points = await call("seats").then((answer) => answer.points, () => points);
  drawTimeline(points, span);
}

async function evict(row) {
  if (!await confirmed(t("evict.title", { name: row.name }), t("evict.text"), t("evict.yes"))) return;
  try {
    await call("evict", { session_id: row.id });
    byId("summary").textContent = t("evict.done", { name: row.name });
    byId("table-title").setAttribute("tabindex", "-1");
    byId("table-title").focus();
  } catch (error) {
    showFailure(error, t("failure.lead.other"));
  }
}

byId("filters").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["search", "state-filter"]) {
  byId(id).addEventListener("input", () => { page = 0; soon(); });
}
byId("previous").addEventListener("click", () => { page -= 1; soon(); });
byId("next").addEventListener("click", () => { page += 1; soon(); });
for (const head of document.querySelectorAll("#nodes th")) {
  head.querySelector(".sort")?.addEventListener("click", () => {
    const { column } = head.dataset;
    sort = { column, down: sort.column === column && !sort.down };
    for (const other of document.querySelectorAll("#nodes th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    soon();
  });
}
for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => {
    span = button.dataset.span;
    for (const other of document.querySelectorAll("[data-span]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    drawTimeline(points, span);
  });
}
addEventListener("resize", () => drawTimeline(points, span));
setInterval(() => drawn.forEach(tellHeard), REFRESH_MS);
setInterval(timeline, TIMELINE_MS);
follow(() => {
  rows.clear(); // a stream begins with every row
  return [["topic", "nodes"], ["topic", "registration"]];
}, { nodes: hearNodes, registration: hearRegistration });
