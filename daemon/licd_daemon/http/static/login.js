// Logs in with a token, or with the link's secret, which stands in the address's fragment and is used once.

import { byId, call, t } from "./app.js";

const problem = byId("login-problem");
const PAGES = new Set(["registration", "nodes", "events"]);

function onward() {
  const next = new URLSearchParams(location.search).get("next");
  location.replace(`/${PAGES.has(next) ? next : "registration"}`);
}

async function logIn(credentials) {
  try {
    await call("login", credentials);
    onward();
  } catch (error) {
    problem.textContent = error.message;
    byId("token").focus();
    byId("token").select();
  }
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  problem.textContent = "";
  logIn({ token: byId("token").value });
});

const link = location.hash.slice(1);
if (link) {
  history.replaceState(null, "", location.pathname + location.search);
  byId("login-hint").textContent = t("login.linked");
  logIn({ link });
} else {
  const session = await call("session").catch(() => null);
  if (session?.role) onward();
  else byId("token").focus();
}
