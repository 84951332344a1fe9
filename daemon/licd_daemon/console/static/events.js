// The journal: newest first, filtered, live, exported.

import { byId, call, el, follow, t, whenExactly } from "./app.js";

const MOST_SHOWN = 1000;
const body = byId("events").tBodies[0];
let position = 0; // of the newest event that was shown
let oldest = 0;
let live = null;

function filter() {
  const parameters = new FormData(byId("filters")).getAll("kind").map((kind) => ["kind", kind]);
  for (const id of ["since", "until"]) {
    const moment = Date.parse(byId(id).value);
    if (!Number.isNaN(moment)) parameters.push([id, String(moment)]);
  }
  return parameters;
}

function details(event) {
  const attributes = Object.entries(event.attributes).sort(([one], [other]) => one.localeCompare(other));
  return el("dl", {},
    ...attributes.map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, value))),
    el("div", {}, el("dt", {}, t("events.digest")),
      el("dd", { class: "digest", title: event.digest }, `${event.digest.slice(0, 12)}…`)));
}

/** Who caused it; nothing where time, the daemon or another event did. */
function who(actor) {
  if (!actor) return [];
  const kind = actor.kind.replace("ACTOR_KIND_", "").toLowerCase();
  const role = t(`role.${actor.role.replace("ROLE_", "").toLowerCase()}`);
  return [el("span", { title: actor.id }, actor.name || actor.id,
    el("span", { class: "sub" }, t(`events.by.${kind}`, { role, address: actor.address })))];
}

function row(event) {
  const kind = t(`kind.${event.kind}`);
  return el("tr", { "data-position": event.position },
    el("td", { "data-label": t("events.when") },
      el("span", { class: "nowrap" }, whenExactly(event.at), el("span", { class: "sub" }, `#${event.position}`))),
    el("td", { "data-label": t("events.what") },
      el("span", {}, kind.startsWith("kind.") ? event.kind : kind, el("code", { class: "sub" }, event.kind))),
    el("td", { class: "name", "data-label": t("events.node") }, ...(event.node_name || event.session_id
      ? [el("span", { title: event.session_id }, event.node_name || event.session_id)] : [])),
    el("td", { class: "name", "data-label": t("events.who") }, ...who(event.actor)),
    el("td", { class: "details", "data-label": t("events.details") }, details(event)));
}

function showEmpty() {
  byId("empty").hidden = Boolean(body.rows.length);
  byId("events").hidden = !body.rows.length;
}

async function load(before = 0) {
  const parameters = new URLSearchParams([...filter(), ...(before ? [["before", String(before)]] : [])]);
  const answer = await call(`events?${parameters}`).catch(() => null);
  if (!answer) return;
  if (!before) {
    body.replaceChildren();
    position = Number(answer.position);
  }
  body.append(...answer.events.map(row));
  oldest = Number(answer.events.at(-1)?.position ?? 0);
  byId("older").hidden = !answer.more;
  showEmpty();
}

function hear(news) {
  const fresh = news.events.filter((event) => Number(event.position) > position).map((event) => {
    const made = row(event);
    made.classList.add("fresh");
    return made;
  });
  if (!fresh.length) return;
  position = Number(news.events.at(-1).position);
  for (const old of body.querySelectorAll(".fresh")) old.classList.remove("fresh");
  body.prepend(...fresh.reverse());
  while (body.rows.length > MOST_SHOWN) {
    body.lastElementChild.remove();
    oldest = Number(body.lastElementChild.dataset.position);
    byId("older").hidden = false;
  }
  byId("said").textContent = t("events.new", { count: fresh.length });
  showEmpty();
}

/** New events are announced only while the span has no end. */
function followOrNot() {
  const wanted = byId("live").checked && !byId("until").value;
  live?.stop();
  live = null;
  if (wanted) {
    live = follow(() => [["topic", "events"], ["after", String(position)],
      ...filter().filter(([name]) => name === "kind")], { events: hear });
  }
}

function showExports() {
  for (const format of ["jsonl", "csv"]) {
    byId(`export-${format}`).href = `/api/events/export?${new URLSearchParams([["format", format], ...filter()])}`;
  }
  const count = filter().filter(([name]) => name === "kind").length;
  byId("kinds-count").textContent = count ? t("events.kinds.count", { count }) : t("events.kinds.all");
}

async function refresh() {
  showExports();
  await load();
  followOrNot();
}

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", refresh);
byId("older").addEventListener("click", () => load(oldest));
refresh();
