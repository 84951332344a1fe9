// Seats used over time against the maximum: a step line, drawn from the journal's points [time, held, maximum].

import { byId, daemonNow, svg, t, when } from "./app.js";

const SPANS = { hour: 3_600_000, day: 86_400_000, month: 30 * 86_400_000 };
const HEIGHT = 160;
const TOP = 18;
const BOTTOM = 24;

/** The points of a span, begun with what held at its start. */
function within(points, from) {
  const inside = points.filter(([at]) => at >= from);
  const before = points.filter(([at]) => at < from).at(-1);
  if (before) inside.unshift([from, before[1], before[2]]);
  return inside;
}

function steps(points, x, y, pick) {
  return points.map((point, index) => {
    const [at, value] = [x(point[0]), y(pick(point))];
    return index ? `H${at}V${value}` : `M${at} ${value}`;
  }).join("");
}

/** Draws the timeline. */
export function drawTimeline(points, span) {
  const place = byId("timeline");
  const width = Math.max(280, place.clientWidth);
  const until = Math.max(daemonNow(), points.at(-1)?.[0] ?? 0);
  const from = until - SPANS[span];
  const shown = within(points, from);
  const [, held, max] = points.at(-1) ?? [0, 0, 0];
  const peak = Math.max(0, ...shown.map((point) => point[1]));
  const top = Math.max(1, peak, ...shown.map((point) => point[2]));
  const x = (at) => Math.round(((at - from) / (until - from)) * (width - 2) * 10) / 10 + 1;
  const y = (value) => Math.round((HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)) * 10) / 10;
  place.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const line = steps(shown, x, y, (point) => point[1]);
  const label = (text, at, anchor) => {
    const made = svg("text", { x: at, y: HEIGHT - 6, "text-anchor": anchor });
    made.append(text);
    return made;
  };
  const pieces = [svg("path", { class: "grid", d: `M0 ${y(0)}H${width}` })];
  if (shown.length) {
    const floor = y(0);
    pieces.push(
      svg("path", { class: "area", d: `${line}V${floor}H${x(shown[0][0])}Z` }),
      svg("path", { class: "line", d: line }),
      svg("path", { class: "most", d: steps(shown, x, y, (point) => point[2]) }));
    const most = svg("text", { x: 2, y: Math.max(12, y(shown.at(-1)[2]) - 5) });
    most.append(t("timeline.max", { max }));
    pieces.push(most);
  }
  pieces.push(label(when(from), 2, "start"), label(when(until), width - 2, "end"));
  place.replaceChildren(...pieces);
  byId("timeline-said").textContent =
    points.length > 1 || held ? t("timeline.said", { held, max, peak }) : t("timeline.none");
}
