// The funnel of the whole business: what became of the visits of each stage.

import { arrange, byId, h, setText } from "./dom.js";
import { count, days, share } from "./format.js";

const COLUMNS = [
  ["Entered", (stage) => count(stage.entered)],
  ["Advanced", (stage) => share(stage.step_rate ?? undefined)],
  ["Lost", (stage) => share(stage.drop_off ?? undefined)],
  ["Went back", (stage) => count(stage.back)],
  ["Left otherwise", (stage) => count(stage.left)],
  ["Still there", (stage) => count(stage.held)],
  ["Won in the end", (stage) => share(stage.win_rate ?? undefined)],
  ["Median time", (stage) => days(stage.days_p50 ?? undefined)],
];

/** Shows the funnel of a row; where it has none there is no place for it. */
export function showFunnel(row) {
  const stages = row?.funnel?.stages ?? [];
  byId("funnel").hidden = stages.length === 0;
  const { bottleneck } = row?.funnel ?? {};
  setText(byId("funnel-note"), "visits that began in the window; won in the end: of the deals closed in it");
  arrange(byId("funnel-stages"), stages.map((stage) => {
    const name = h("bdi", { title: stage.name }, stage.label ?? stage.name);
    const worst = stage.name === bottleneck ? h("span", { class: "tag warm" }, "bottleneck") : null;
    return h("tr", {}, h("th", { scope: "row", class: "name" }, name, worst),
      ...COLUMNS.map(([, text]) => h("td", {}, text(stage))));
  }));
  arrange(byId("funnel-head"), [h("th", { scope: "col", class: "name" }, "Stage"),
    ...COLUMNS.map(([title]) => h("th", { scope: "col" }, title))]);
}
