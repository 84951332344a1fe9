// What every page shares: words, calls, elements, dialogs, the live connection. No markup is ever made from text.

const page = JSON.parse(document.getElementById("page-data").textContent);
export const { facts, role, language } = page;
export const isAdmin = role === "admin";
export const byId = (id) => document.getElementById(id);

/** The words of a key, with {names} filled in. */
export function t(key, values = {}) {
  const words = page.words[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Sets text only when it differs: a live region would say it again. */
export function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** An element with attributes and children; a string is text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for a picture. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A refusal by the daemon, with its reason and failures; or a fault on the way to it. */
export class Refused extends Error {
  constructor(refused) {
    super(refused.message);
    Object.assign(this, { reason: refused.reason, failures: refused.failures, metadata: refused.metadata });
  }
}

export function toLogin() {
  location.assign(`/login?next=${location.pathname.slice(1)}`);
}

/** Calls the daemon: GET, or POST when there is a body. Throws Refused. */
export async function call(path, body) {
  const posts = body !== undefined;
  const raw = body instanceof Blob;
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method: posts ? "POST" : "GET",
      headers: posts ? { "x-licd": "console" } : {},
      body: posts && !raw ? JSON.stringify(body) : body,
    });
  } catch {
    throw new Refused({ reason: "UNREACHABLE", message: t("failed.network"), failures: [], metadata: {} });
  }
  if (response.status === 401 && path !== "login") toLogin();
  const content = await response.json().catch(() => ({
    refused: { reason: "UNREACHABLE", message: t("failed.network"), failures: [], metadata: {} },
  }));
  if (content.refused) throw new Refused(content.refused);
  return content;
}

// The region's customs (24 hours or 12), when the browser is set to one of this language.
const locale = navigator.languages.find((name) => name.split("-")[0] === language) ?? language;
const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const dateTimeSeconds = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
export const when = (moment) => dateTime.format(new Date(moment));
export const whenExactly = (moment) => dateTimeSeconds.format(new Date(moment));

/** Minutes and seconds of a span in ms, such as 4:07; hours when there are some. */
export function clockText(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** How long a span is, to the second: 15 minutes. */
export function lengthText(seconds) {
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count) parts.push(new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(count));
  }
  return parts.join(" ");
}

/** How long ago, roughly. */
export function ago(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 2) return t("ago.now");
  if (seconds < 120) return t("ago.s", { n: seconds });
  if (seconds < 7200) return t("ago.m", { n: Math.round(seconds / 60) });
  if (seconds < 172800) return t("ago.h", { n: Math.round(seconds / 3600) });
  return t("ago.d", { n: Math.round(seconds / 86400) });
}

// The daemon's clock counts: a browser's may be wrong.
let skew = 0;
export const setNow = (now) => { skew = now - Date.now(); };
export const daemonNow = () => Date.now() + skew;

/** The application that a license is for, with its versions. */
export const certified = ({ name, version, min_version: lowest }) => `${name} ${version}${lowest ? ` (≥ ${lowest})` : ""}`;

/** What a reason means, for those who read another language than the contract's. */
export const gloss = (reason) => language === "en" || !reason ? null
  : el("span", { lang: language }, t(`reason.${reason.replace("FAILURE_REASON_", "")}`));

/** A failure as a list's item: title, node, detail, remedy, in the contract's words. */
export function failureItem(failure) {
  const title = failure.node_name ? `${failure.title} (${t("failure.node")} ${failure.node_name})` : failure.title;
  return el("li", { lang: "en" },
    el("strong", {}, title),
    gloss(failure.reason),
    failure.detail ? el("span", {}, failure.detail) : null,
    failure.remedy ? el("span", { class: "remedy" }, failure.remedy) : null);
}

/** Shows a refusal in the dialog, every reason with its remedy; the focus returns where it was. */
export function showFailure(error, lead) {
  const dialog = byId("failure");
  byId("failure-lead").textContent = lead;
  const failures = error.failures ?? [];
  byId("failure-reasons").replaceChildren(
    ...(failures.length ? failures.map(failureItem) : [failureItem({ title: error.message })]));
  if (!dialog.open) dialog.showModal();
}

/** Asks before something that can't be taken back. */
export function confirmed(title, text, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * Follows the daemon while the page is visible. `query()` gives the parameters each time it connects again; `heard`
 * has a function for each topic.
 */
export function follow(query, heard) {
  let source = null;
  let retry = 0;
  const ended = new AbortController();
  const offline = (away) => { byId("offline").hidden = !away; };

  function connect() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(`/api/live?${new URLSearchParams(query())}`);
    for (const [topic, hear] of Object.entries(heard)) {
      source.addEventListener(topic, (event) => {
        const news = JSON.parse(event.data);
        if (news.now) setNow(news.now);
        offline(false);
        hear(news);
      });
    }
    source.addEventListener("open", () => offline(false));
    source.addEventListener("away", () => offline(true));
    source.addEventListener("error", lost);
  }

  async function lost() {
    const mine = source;
    mine.close();
    const session = await fetch("/api/session").then((answer) => answer.json()).catch(() => null);
    if (mine !== source || ended.signal.aborted) return;
    if (session && !session.role) {
      toLogin();
      return;
    }
    offline(!session);
    clearTimeout(retry);
    retry = setTimeout(connect, 1000);
  }

  const pause = () => {
    clearTimeout(retry);
    source?.close();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : connect()), { signal: ended.signal });
  connect();
  return { stop: () => { ended.abort(); pause(); } };
}

const logout = byId("logout");
logout?.addEventListener("click", async () => {
  await call("logout", {}).catch(() => null);
  location.assign("/login");
});
if (logout) logout.disabled = false;
