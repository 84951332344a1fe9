// What became of the cluster before: the registration that ended (R17), and what was refused (R4).

import { byId, el, failureItem, put, t, when } from "./app.js";

export function showPast(registration) {
  const { last_registration: ended, last_failures: refused } = registration;
  byId("ended").hidden = !ended;
  if (ended) {
    put(byId("ended-why"), t("ended.text", { date: when(ended.ended_at), why: why(ended.cause) }));
    put(byId("ended-whose"), whose(ended));
  }
  byId("refused").hidden = !refused.length;
  put(byId("refused-title"), t("refused.title", { count: refused.length }));
  byId("refused-list").replaceChildren(...refused.map(refusal));
}

const why = (cause) => t(`ended.${cause.replace("END_CAUSE_", "")}`);

function whose(ended) {
  const nodes = ended.nodes.join(", ");
  return t(nodes ? "ended.whose" : "ended.since", { date: when(ended.registered_at), nodes });
}

function refusal(failure) {
  const item = failureItem(failure);
  item.prepend(el("time", { class: "soft", datetime: failure.at }, when(failure.at)));
  return item;
}
