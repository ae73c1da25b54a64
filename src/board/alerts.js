// The drift alerts: what moved, since when, from what to what, and how far to believe it.

import { arrange, byId, h, setText } from "./dom.js";
import { getJson } from "./feed.js";
import { ABSENT, civilDay, count, days, growth, money, share } from "./format.js";

/** Those that are over stay on the page for so many of the newest. */
const OVER = 5;

const NAMES = {
  win_rate: "Win rate",
  cohort_conversion_90d: "Conversion within 90 days",
  cycle_length_mean: "Typical cycle length",
  deals_created: "Deals created a day",
  leads_created: "Leads created a day",
  average_deal_size: "Typical deal size",
};

/** The unit of a count. */
const COUNT = "count_per_day";

/** What is said of how one was over. */
const ENDS = {
  no_data: "over for want of data",
  supply: "over for want of data, since fewer deals are created,",
  doubt: "over for want of data, since days may lack records,",
  rebaselined: "ended by another baseline or other settings",
  unwatched: "ended with its rule",
};

/** Asks for them and shows them. `labels` has the members' names by dimension. */
export async function pollAlerts(zone, labels) {
  const { alerts } = await getJson("api/v1/alerts");
  // What corrections undid, or never passed its gates, is for the topic; people read what matters.
  const open = alerts.filter((a) => a.state === "firing" || a.state === "pending");
  const over = alerts.filter((a) => a.state === "resolved" && a.fired && !a.withdrawn);
  const shown = [...open, ...over.slice(0, OVER)];
  byId("alerts").hidden = shown.length === 0;
  setText(byId("alerts-note"), `${open.filter((a) => a.state === "firing").length} firing`);
  arrange(byId("alert-list"), shown.map((alert) => item(alert, zone, labels)));
}

const lines = new Map();

function item(alert, zone, labels) {
  const told = JSON.stringify([alert, labels]);
  const known = lines.get(alert.id);
  if (known?.told === told) return known.element;
  const element = h("li", { class: "alert", "data-state": alert.state }, ...parts(alert, zone, labels));
  lines.set(alert.id, { told, element });
  return element;
}

function parts(alert, zone, labels) {
  const on = (at) => civilDay(at, alert.zone ?? zone);
  const value = unit(alert.unit);
  const where = Object.entries(alert.segment)
    .map(([dimension, member]) => `${dimension.replaceAll("_", " ")} ${labels[dimension]?.[member]?.label ?? member}`)
    .join(", ") || "overall";
  const verb = alert.direction === "up" ? "rose" : "fell";
  const [low, high] = alert.interval ?? [null, null];
  const tag = { firing: "warm", pending: "cool", resolved: "" }[alert.state];
  const ended = ENDS[alert.end_reason] ?? ENDS[alert.end] ?? "over";
  const resolved = alert.resolved ? `, ${ended} on ${on(alert.resolved)}` : "";
  return [
    h("p", { class: "alert-head" },
      h("span", { class: `tag ${tag}` }, alert.state), " ",
      h("b", {}, `${NAMES[alert.kpi] ?? alert.kpi}, `, h("bdi", {}, where)),
      ` ${verb} from ${value(alert.baseline)} to ${value(alert.now)} (${growth(alert.effect)})`),
    h("p", { class: "sub" },
      `Since about ${on(alert.change_time)}, ${alert.state === "pending" ? "noticed" : "fired"} on ${on(alert.since)}${resolved}. `,
      `${cases(alert.n, alert.unit)} since${low === null ? "" : `, 95% interval ${value(low)} to ${value(high)}`}; `,
      `baseline of ${count(alert.baseline_n)} from ${on(alert.baseline_from)}. `,
      `Such a rule gives ${count(alert.expected_false_alarms_per_month)} false alarms a month${seldom(alert)}`,
      beside(alert)),
    ...why(alert, value, labels),
  ];
}

/** How seldom this stream alone alarms falsely. */
function seldom({ arl0, unit }) {
  if (!Number.isFinite(arl0)) return "";
  return `, here one in ${count(Math.round(arl0))} ${unit === COUNT ? "days" : "cases"}`;
}

/** Whether to believe it, where many were looked at. */
function beside({ siblings }) {
  if (!siblings) return "";
  return siblings.believed ? `; believed also among the ${count(siblings.streams)} that were looked at` :
    `; it is one of ${count(siblings.streams)} that were looked at, so chance may have picked it`;
}

/** Why it moved, by the dimension that says most: a line, or none. */
function why(alert, value, labels) {
  const [explained] = alert.explained ?? [];
  if (!explained) return [];
  const by = explained.by.replaceAll("_", " ");
  // Of a share a change is so many points: a percentage of it would be another number.
  const points = (of) => value(of).replace(/%$/, " points");
  const change = (of) => (of === null ? ABSENT : `${of < 0 ? "" : "+"}${points(of)}`);
  // Of a count the value says how many there were.
  const of = (n) => (alert.unit === COUNT ? "" : `, ${cases(n, alert.unit)}`);
  const most = explained.contributors.flatMap((who, i) => {
    const member = who.segment[explained.by];
    return [
      i > 0 ? ", " : "",
      h("bdi", {}, labels[explained.by]?.[member]?.label ?? member),
      ` ${change(who.effect)} (${value(who.baseline)} to ${value(who.now)}${of(who.n)})`,
    ];
  });
  const split = explained.mix === null ? "" :
    `; in all ${change(explained.rate)} by their own numbers, ${change(explained.mix)} by other weights`;
  const against = explained.simpson ? ". Every one that moved went the other way" : "";
  return [h("p", { class: "sub" }, `By ${by}: `, ...most, split, against)];
}

/** How many are behind a value; a count has no cases but itself. */
function cases(n, unit) {
  if (unit === COUNT) return n === 0 ? "None" : count(n);
  return n === 1 ? "1 case" : `${count(n)} cases`;
}

function unit(name) {
  if (name === "ratio") return (v) => share(v ?? undefined);
  if (name === "days") return (v) => (v === null ? ABSENT : days(v));
  if (name === COUNT) return (v) => count(v ?? undefined);
  return (v) => money(v ?? undefined, name);
}
