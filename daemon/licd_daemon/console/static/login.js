// Logs in with a token, or with the link's secret, which is in the address's fragment and is used once.

import { byId, call, t } from "./app.js";

const problem = byId("login-problem");
const hint = byId("login-hint");
const hintNodes = [...hint.childNodes];
const PAGES = new Set(["registration", "nodes", "events"]);
const REFUSED = { NO_CREDENTIALS: "login.unknown", RATE_LIMITED: "login.often" };

function onward() {
  const next = new URLSearchParams(location.search).get("next");
  location.replace(`/${PAGES.has(next) ? next : "registration"}`);
}

async function logIn(credentials) {
  try {
    await call("login", credentials);
    onward();
  } catch (error) {
    const words = credentials.link && error.reason === "NO_CREDENTIALS" ? "login.link.over" : REFUSED[error.reason];
    problem.textContent = words ? t(words) : error.message;
    hint.replaceChildren(...hintNodes);
    byId("token").focus();
    byId("token").select();
  }
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  problem.textContent = "";
  logIn({ token: byId("token").value });
});
byId("enter").disabled = false; // until here, Enter would have the browser load the page again

const link = location.hash.slice(1);
if (link) {
  history.replaceState(null, "", location.pathname + location.search);
  hint.textContent = t("login.linked");
  logIn({ link });
} else {
  const session = await call("session").catch(() => null);
  if (session?.role) onward();
  else byId("token").focus();
}
