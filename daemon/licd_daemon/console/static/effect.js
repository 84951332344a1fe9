// What an upload would change (R2): who loses what, and what would stand in the way, before it is made.

import { byId, certified, el, failureItem, t, when } from "./app.js";

function rows(effect, registered) {
  const { license } = effect;
  const values = {
    company: license.company,
    application: certified(license.application),
    nodes: license.max_nodes,
    date: when(license.expires_at),
  };
  const goesOn = registered ? t("effect.registration.stays") : t("effect.registration.none");
  const rejected = effect.nodes_rejected.map((node) => node.name).join(", ");
  return [
    [t("effect.license"), t("effect.license.text", values)],
    [t("effect.registration"), effect.ends_registration ? t("effect.registration.ends") : goesOn],
    [t("effect.seats"), effect.seats_lost ? String(effect.seats_lost) : t("effect.seats.none")],
    ...(rejected ? [[t("effect.rejected"), rejected]] : []),
  ];
}

/** Shows an effect and asks whether to go on. `said`: who loses what; `registered`: there is a registration now. */
export function agreed(effect, said, registered) {
  const dialog = byId("effect");
  byId("effect-said").textContent = said;
  byId("effect-facts").replaceChildren(
    ...rows(effect, registered).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  byId("effect-blocking").hidden = !effect.failures.length;
  byId("effect-reasons").replaceChildren(...effect.failures.map(failureItem));
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
