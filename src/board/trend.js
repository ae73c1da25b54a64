// The trend: revenue as columns, win rate as a line, each a plain SVG drawn at the width it has,
// with the same numbers as a table behind a toggle.

import { arrange, byId, h, s, setText } from "./dom.js";
import { count, money, moneyShort, percent, share, windowName, windowShort } from "./format.js";
import { corrected, isThin } from "./tables.js";

/** How many windows of a kind are drawn. */
export const SHOWN = { day: 31, week: 26, month: 13, quarter: 9, year: 6 };

const HEIGHT = 210;
const PAD = { top: 18, right: 8, bottom: 26, left: 58 };

let drawn = { width: 0, rows: [] };

const observer = new ResizeObserver(() => {
  const width = byId("trend-charts").clientWidth;
  if (width !== drawn.width && drawn.rows.length > 0) draw(drawn.rows);
});

/** Shows rows of the whole business, oldest first, from the first window in which a deal closed. */
export function showTrend(kind, all) {
  const first = all.findIndex((row) => (row.kpis.win_rate?.n ?? 0) > 0);
  const rows = first < 0 ? [] : all.slice(first);
  byId("trend").hidden = rows.length === 0;
  if (rows.length === 0) return;
  setText(byId("trend-title"), `Trend by ${kind}`);
  observer.observe(byId("trend-charts"));
  draw(rows);
  table(rows);
}

function draw(rows) {
  const host = byId("trend-charts");
  drawn = { width: host.clientWidth, rows };
  const gap = 24;
  const width = drawn.width >= 760 ? (drawn.width - gap) / 2 : drawn.width;
  arrange(host, [revenue(rows, Math.max(260, width)), winRate(rows, Math.max(260, width))]);
  const notes = [];
  if (rows.some((row) => row.status === "early")) notes.push("Outlined: still running.");
  if (rows.some((row) => row.status === "corrected")) notes.push("◆ Changed after it had closed.");
  if (rows.some((row) => row.kpis.win_rate?.value != null && isThin(row.kpis.win_rate))) notes.push("Hollow: fewer than 10 closed deals.");
  setText(byId("trend-legend"), notes.join(" "));
}

function figure(title, takeaway, svg) {
  return h("figure", {}, h("figcaption", {}, h("b", {}, title), " ", takeaway), svg);
}

/** Latest value, and the one before it, in words. */
function takeaway(rows, text) {
  const last = rows.at(-1);
  const before = rows.at(-2);
  const running = last.status === "early" ? " so far" : "";
  const then = before ? `, ${windowShort(before.window)}: ${text(before)}` : "";
  return `${windowShort(last.window)}${running}: ${text(last)}${then}`;
}

function frame(rows, width, top, label, name) {
  const inner = { width: width - PAD.left - PAD.right, height: HEIGHT - PAD.top - PAD.bottom };
  const step = inner.width / rows.length;
  const x = (i) => PAD.left + step * (i + 0.5);
  const y = (value) => PAD.top + inner.height * (1 - value / top);
  const parts = [];
  for (const tick of [0, top / 2, top]) {
    parts.push(s("line", { class: tick === 0 ? "axis" : "grid", x1: PAD.left, x2: width - PAD.right, y1: y(tick), y2: y(tick) }));
    parts.push(s("text", { class: "tick", x: PAD.left - 8, y: y(tick) + 4, "text-anchor": "end" }, label(tick)));
  }
  // Labels need about 46 pixels each; the last window always has one.
  const every = Math.max(1, Math.ceil(46 / step));
  rows.forEach((row, i) => {
    if ((rows.length - 1 - i) % every !== 0) return;
    parts.push(s("text", { class: "tick", x: x(i), y: HEIGHT - 8, "text-anchor": "middle" }, windowShort(row.window)));
  });
  const svg = s("svg", { class: "chart", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": name }, ...parts);
  return { svg, x, y, step };
}

function diamond(x, y) {
  return s("path", { class: "diamond", d: `M${x} ${y - 5}l4.5 5-4.5 5-4.5-5z` });
}

function hint(row, text) {
  return s("title", {}, [windowName(row.window), text, corrected(row)].filter(Boolean).join(", "));
}

/** A round number that is at least the value, and whose half is round too. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value * 0.999) ?? value;
}

function revenue(rows, width) {
  const currency = rows[0].currency;
  const of = (row) => row.kpis.revenue?.value ?? 0;
  const top = roundUp(Math.max(1, ...rows.map(of)));
  const text = takeaway(rows, (row) => money(row.kpis.revenue?.value, currency));
  const { svg, x, y, step } = frame(rows, width, top, (v) => moneyShort(v, currency), `Revenue. ${text}`);
  const bar = Math.min(44, step * 0.66);
  rows.forEach((row, i) => {
    const value = Math.max(0, of(row));
    const running = row.status === "early";
    const rect = s("rect", {
      class: running ? "column running" : "column",
      x: x(i) - bar / 2, width: bar, y: y(value), height: Math.max(0, y(0) - y(value)), rx: Math.min(3, bar / 4),
    }, hint(row, money(row.kpis.revenue?.value, currency)));
    svg.append(rect);
    if (row.status === "corrected") svg.append(diamond(x(i), y(value) - 9));
  });
  return figure("Revenue", text, svg);
}

function winRate(rows, width) {
  const of = (row) => row.kpis.win_rate?.value ?? null;
  const most = Math.max(0.1, ...rows.map((row) => of(row) ?? 0));
  const top = [0.2, 0.4, 0.6, 0.8, 1].find((n) => n >= most) ?? 1;
  const text = takeaway(rows, (row) => `${share(row.kpis.win_rate?.value ?? undefined)}`);
  const { svg, x, y } = frame(rows, width, top, percent, `Win rate. ${text}`);
  // A window without closed deals has no rate: the line is broken there, not drawn to 0.
  let path = "";
  let pen = false;
  rows.forEach((row, i) => {
    const value = of(row);
    if (value !== null) path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value !== null;
  });
  svg.append(s("path", { class: "line", d: path }));
  rows.forEach((row, i) => {
    const value = of(row);
    if (value === null) return;
    const hollow = row.status === "early" || isThin(row.kpis.win_rate);
    const note = `${share(value)} of ${count(row.kpis.win_rate.n)} closed`;
    svg.append(s("circle", { class: hollow ? "dot hollow" : "dot", cx: x(i), cy: y(value), r: 4 }, hint(row, note)));
    if (row.status === "corrected") svg.append(diamond(x(i), y(value) - 13));
  });
  return figure("Win rate", text, svg);
}

function table(rows) {
  const line = (row) => h("tr", {},
    h("th", { scope: "row", class: "name" }, windowName(row.window)),
    h("td", {}, money(row.kpis.revenue?.value, row.currency)),
    h("td", {}, share(row.kpis.win_rate?.value ?? undefined)),
    h("td", {}, count(row.kpis.win_rate?.n)),
    h("td", { class: "words" }, row.status === "early" ? "running" : corrected(row) || "closed"));
  const head = ["Window", "Revenue", "Win rate", "Closed deals", "State"];
  const cells = head.map((text, i) => h("th", { scope: "col", class: i === 0 ? "name" : i === 4 ? "words" : null }, text));
  const body = h("tbody", {}, ...rows.toReversed().map(line));
  arrange(byId("trend-table"), [h("table", {}, h("thead", {}, h("tr", {}, ...cells)), body)]);
}
