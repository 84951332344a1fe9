// The registration: from no license to REGISTERED, at one sight. What is shown follows the daemon's word.

import {
  byId, call, certified, clockText, confirmed, daemonNow, el, failureItem, facts, follow, isAdmin, lengthText, put, setNow,
  showFailure, svg, t, when,
} from "./app.js";
import { sixDigits } from "./digits.js";
import { agreed } from "./effect.js";
import { showPast } from "./past.js";

const CHIPS = { REGISTERED: "good", RECOVERING: "warn", UNREGISTERED: "warn", EXPIRED: "bad", UNLICENSED: "idle" };
const MINUTE = 60_000;
const DAY = 86_400_000;
const MOST_BYTES = 65_537; // one more than a license may have: the daemon names what a larger file is

let current = null;
let position = 0; // of what is shown: changes from before it came late
let overId = null; // the challenge whose countdown has ended here: it never comes back
let shownId = null;
let saidId = null;
let boxes = null;

const bare = (value) => value.replace(/^.*_STATE_/, "");
const vendor = (license) => `${license.vendor_name} <${license.vendor_email}>`;

function show(news) {
  if (news.position < position) return;
  position = news.position;
  const registration = news.registration;
  const before = current && bare(current.state);
  current = registration;
  const state = bare(registration.state);
  byId("state").textContent = t(`state.${state}`);
  const doubtful = state === "REGISTERED" && !well(registration);
  byId("state").className = `chip ${doubtful ? "warn" : CHIPS[state] ?? "idle"}`;
  put(byId("advice"), advice(registration, state));
  showSeats(registration);
  showFacts(registration);
  showBanners(registration, state);
  showReleased(registration);
  showPast(registration);
  if (isAdmin) showSteps(registration, state, before);
  showBlocking(registration, state);
}

function advice(registration, state) {
  const license = registration.license;
  const values = {
    company: license?.company,
    vendor: license && vendor(license),
    since: when(registration.recovering_since ?? 0),
    date: when(state === "RECOVERING" ? registration.recovery_deadline : license?.expires_at ?? 0),
  };
  const waiting = state === "REGISTERED" && registration.nodes_waiting ? ".waiting" : "";
  return t(`advice.${state}${waiting}`, values);
}

function showSeats(registration) {
  const { nodes_licensed: held, max_nodes: max } = registration;
  byId("seats").hidden = !max;
  put(byId("seats-text"), t("status.seats.text", { held, max }));
  const width = max ? Math.min(1000, (1000 * held) / max) : 0;
  byId("seats-meter").replaceChildren(svg("rect", { class: "held", width, height: 24 }));
}

function showFacts(registration) {
  const { license, leader } = registration;
  const rows = [];
  if (license) {
    const { content } = license.application;
    rows.push(["company", license.company], ["project", license.project]);
    rows.push(["application", certified(license.application)]);
    if (content) rows.push(["content", content]);
    const grace = parseFloat(license.outage_grace);
    const outage = grace ? t("fact.outage_grace.text", { length: lengthText(grace) }) : t("fact.outage_grace.none");
    rows.push(["expires", when(license.expires_at)], ["vendor", vendor(license)], ["license", license.license_id]);
    rows.push(["outage_grace", outage]);
  }
  if (registration.registered_at) rows.push(["registered", when(registration.registered_at)]);
  if (registration.recovery_deadline) rows.push(["recovery", when(registration.recovery_deadline)]);
  const { nodes_connected: connected, nodes_waiting: waiting } = registration;
  rows.push(["nodes", t("fact.nodes.text", { connected, waiting })]);
  if (leader) rows.push(["leader", t("fact.leader.text", { address: leader.address, since: when(leader.since) })]);
  byId("facts").replaceChildren(
    ...rows.map(([key, value]) => el("div", {}, el("dt", {}, t(`fact.${key}`)), el("dd", {}, value))));
}

function banner(id, text, kind = "warn") {
  let place = byId(id);
  if (!text) return place?.remove();
  if (!place) byId("banners").append(place = el("p", { class: `banner ${kind}`, id }));
  put(place, text);
}

function showBanners(registration, state) {
  const license = registration.license;
  const left = license ? Date.parse(license.expires_at) - daemonNow() : Infinity;
  const values = license && { date: when(license.expires_at), vendor: vendor(license), days: Math.floor(left / DAY) };
  const near = state !== "EXPIRED" && left < 30 * DAY;
  banner("banner-expiry", near ? t(left < DAY ? "banner.expiry.hours" : "banner.expiry", values) : "");
  const renew = license?.recertify_days && registration.registered_at
    ? Date.parse(registration.registered_at) + license.recertify_days * DAY : Infinity;
  const soon = renew - daemonNow() < 30 * DAY;
  banner("banner-recertify", soon ? t("banner.recertify", { date: when(renew) }) : "");
  const { clock_untrusted: clock, journal_unavailable: stuck } = registration;
  banner("banner-clock", clock ? t("banner.clock", { detail: clock.detail, remedy: clock.remedy }) : "", "bad");
  banner("banner-journal", stuck ? t("banner.journal") : "", "bad");
  const warnings = (registration.warnings ?? []).map(({ title, detail, remedy }) => `${title}. ${detail}. ${remedy}`);
  banner("banner-certificate", warnings.join(" "));
}

function showReleased(registration) {
  const release = registration.release;
  byId("step-released").hidden = !release;
  if (release && isAdmin && byId("release-url").getAttribute("href") !== release.url) {
    byId("release-url").setAttribute("href", release.url);
    byId("release-qr").src = `/api/release.svg?at=${Date.parse(release.released_at)}`;
  }
}

const well = (registration) =>
  !registration.clock_untrusted && !registration.journal_unavailable && !registration.warnings?.length &&
  !ailing(registration);

/** Whether a registered cluster has nodes that may not work, or whose clocks drift. */
function ailing({ nodes_connected: connected, nodes_licensed: licensed, nodes_waiting: waiting, nodes_drifted: drifted }) {
  return connected > licensed + waiting || drifted > 0;
}

let asked = 0;
async function showBlocking(registration, state) {
  const registered = state === "REGISTERED";
  const wanted = registered ? ailing(registration) : state !== "UNLICENSED";
  const mine = ++asked;
  let failures = wanted ? await call("check").then((answer) => answer.failures, () => []) : [];
  if (mine !== asked) return;
  if (registered) failures = failures.filter((failure) => failure.node_name);
  put(byId("blocking-title"), t(registered ? "check.registered" : "check.title"));
  byId("blocking").hidden = !failures.length;
  byId("blocking-list").replaceChildren(...failures.map(failureItem));
}

// --- the three steps ---

const challengeOver = (challenge) =>
  bare(challenge.state) !== "PENDING" || challenge.challenge_id === overId
  || Date.parse(challenge.expires_at) <= daemonNow();

const used = (challenge) => Boolean(challenge) && bare(challenge.state) === "USED";

function showSteps(registration, state, before) {
  const { license, lockout } = registration;
  const challenge = used(registration.challenge) ? null : registration.challenge; // an ended registration's is no help
  const locked = lockout.locked;
  const pending = challenge && !challengeOver(challenge);
  const registered = state === "REGISTERED";
  showLicenseStep(license, state, before);
  showQr(challenge, pending, registered);
  byId("draw").hidden = registered && !pending;
  byId("draw").disabled = !license || locked || state === "EXPIRED";
  byId("draw").classList.toggle("primary", !pending); // one thing at a time is what to do next
  byId("draw").textContent = t(challenge && !registered ? "scan.refresh" : "scan.draw");
  byId("step-code").hidden = registered && !pending;
  byId("step-scan").hidden = registered && !pending;
  byId("code-field").disabled = !pending || locked;
  byId("code").hidden = locked;
  byId("locked").hidden = !locked;
  put(byId("attempts"), lockout.wrong_codes ? attempts(lockout.attempts_left) : "");
  byId("step-manage").hidden = !license;
  byId("steps").classList.toggle("registered", registered);
  byId("reset").disabled = !(registered || state === "RECOVERING" || state === "EXPIRED");
  mark("step-license", Boolean(license) && state !== "EXPIRED", !license || state === "EXPIRED");
  mark("step-scan", Boolean(pending), Boolean(license) && !pending && !registered && state !== "EXPIRED" && !locked);
  mark("step-code", false, Boolean(pending) && !locked);
  tick();
}

function mark(id, ready, now) {
  byId(id).classList.toggle("ready", ready);
  byId(id).classList.toggle("now", now);
}

const attempts = (count) => (count === 1 ? t("code.attempt") : t("code.attempts", { count }));

function showLicenseStep(license, state, before) {
  byId("license-done").hidden = !license;
  byId("license-form").classList.toggle("first", !license);
  if (license) {
    put(byId("license-done"),
      t("license.done", { company: license.company, nodes: license.max_nodes, date: when(license.expires_at) }));
  }
  if (before !== state) byId("license-form").open = !license || state === "EXPIRED";
}

function showQr(challenge, pending, registered) {
  byId("scan").hidden = !challenge || registered;
  byId("scan-lead").hidden = registered;
  if (!challenge) return;
  if (challenge.challenge_id !== shownId) {
    shownId = challenge.challenge_id;
    byId("qr").src = `/api/challenge.svg?id=${shownId}`;
    byId("qr-url").setAttribute("href", challenge.url);
  }
  byId("qr-frame").classList.toggle("over", !pending);
  byId("qr-url").hidden = !pending;
}

/** Once a second: countdowns, and what their ends change. */
function tick() {
  if (!isAdmin || !current) return;
  const { challenge, lockout } = current;
  if (lockout.locked) byId("lock-countdown").textContent = t("lock.left", {
    time: clockText(Date.parse(lockout.locked_until) - daemonNow()),
  });
  if (!challenge || byId("scan").hidden) return;
  const left = Date.parse(challenge.expires_at) - daemonNow();
  const over = challengeOver(challenge);
  if (over && bare(challenge.state) === "PENDING" && overId !== challenge.challenge_id) {
    overId = challenge.challenge_id;
    showSteps(current, bare(current.state), bare(current.state));
    return;
  }
  byId("countdown").textContent = over ? "0:00" : t("scan.left", { time: clockText(left) });
  byId("countdown").classList.toggle("late", over || left < MINUTE);
  put(byId("countdown-said"), over ? t("scan.expired") : left < MINUTE ? t("scan.minute") : "");
}

// --- what the administrator does ---

async function upload(file) {
  const problemPlace = byId("drop-hint");
  put(problemPlace, t("license.uploading"));
  try {
    const method = new FormData(byId("upload")).get("method");
    const head = file.slice(0, MOST_BYTES);
    const answer = await sendOrAsk((how) => call(`license?method=${method}${how}`, head));
    put(problemPlace, t(answer ? "license.accepted" : "license.drop"));
    if (answer) {
      news(answer);
      byId("draw").focus();
    }
  } catch (error) {
    put(problemPlace, t("license.drop"));
    showFailure(error, t("failure.lead.license"));
  }
  byId("file").value = "";
}

/** A dry run first. The daemon refuses what costs something: then it is shown, and goes on only when it is wanted. */
async function sendOrAsk(send) {
  const { effect } = await send("&dry_run=1").catch(() => send("")); // only an upload's refusal is kept with its time (R4)
  try {
    return await send("");
  } catch (error) {
    if (error.reason !== "WOULD_END_REGISTRATION") throw error;
    return await agreed(effect, error.message, Boolean(current?.registered_at)) ? send("&replace=1") : null;
  }
}

function news(answer) {
  setNow(answer.now);
  show(answer);
}

async function draw() {
  byId("draw").disabled = true;
  byId("code-problem").textContent = "";
  try {
    news(await call("challenge", {}));
    boxes.clear();
  } catch (error) {
    byId("draw").disabled = false;
    showFailure(error, t("failure.lead.other"));
  }
}

async function submit() {
  const problem = byId("code-problem");
  problem.textContent = "";
  const code = boxes.value();
  if (code.length !== 6) {
    problem.textContent = t("code.incomplete");
    boxes.first().focus();
    return;
  }
  const button = byId("submit-code");
  button.disabled = true;
  button.textContent = t("code.checking");
  boxes.hold(true);
  try {
    news(await call("code", { challenge_id: current.challenge.challenge_id, code }));
    boxes.clear();
    byId("main").focus();
  } catch (error) {
    await refused(error, problem).catch(() => null);
  }
  boxes.hold(false);
  button.disabled = false;
  button.textContent = t("code.submit");
}

async function refused(error, problem) {
  if (error.reason === "WRONG_CODE") {
    problem.textContent = t("code.wrong");
    boxes.clear();
  } else if (error.reason === "LOCKED_OUT") {
    byId("locked").setAttribute("tabindex", "-1");
    news(await call("registration"));
    byId("locked").focus();
    return;
  } else if (error.reason === "CHALLENGE_EXPIRED" || error.reason === "NO_SUCH_CHALLENGE") {
    overId = current.challenge.challenge_id;
    problem.textContent = t("code.expired");
    byId("draw").focus();
  } else {
    showFailure(error, t(error.failures?.length ? "failure.lead.code" : "failure.lead.other"));
  }
  news(await call("registration"));
}

async function manage(what) {
  if (!await confirmed(t(`${what}.title`), t(`${what}.text`), t(`${what}.yes`))) return;
  try {
    news(await call(what, {}));
  } catch (error) {
    showFailure(error, t("failure.lead.other"));
  }
}

function bind() {
  boxes = sixDigits(byId("digits"));
  byId("file").addEventListener("change", (event) => event.target.files[0] && upload(event.target.files[0]));
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  byId("draw").addEventListener("click", draw);
  byId("code").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  byId("code").noValidate = true;
  byId("reset").addEventListener("click", () => manage("reset"));
  byId("release").addEventListener("click", () => manage("release"));
  byId("file").disabled = false;
}

byId("more").open = matchMedia("(min-width: 60rem)").matches; // on a phone the steps come first
if (isAdmin) bind();
setInterval(tick, 1000);
follow(() => [["topic", "registration"]], { registration: show });
