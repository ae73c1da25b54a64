// The live page: asks once a second, one request at a time, and shows what it is told.

import { pollAlerts } from "./alerts.js";
import { arrange, byId, h, setNumber, setText } from "./dom.js";
import { Feed, getJson } from "./feed.js";
import { pollForecast } from "./forecast.js";
import { showFunnel } from "./funnel.js";
import {
  ABSENT, basis, count, days, duration, growth, isPeriod, isoDay, kindName, moment, money, percent, share,
  windowName, windowRange,
} from "./format.js";
import { Table, corrected, isThin } from "./tables.js";
import { SHOWN, showTrend } from "./trend.js";

const EVERY = 1_000;
const LONGEST = 30_000;
/** Shown first where it is configured: long enough to mean something, and always current. */
const PREFERRED = ["rolling_28d", "month", "rolling_30d", "rolling_7d"];
/** Only so much of the past is asked for, in days. */
const PAST = { day: 45, week: 200, month: 420, quarter: 900, year: 2_300 };

const state = {
  status: null,
  kind: null,
  // The start of the window chosen; null follows the current one.
  start: null,
  segments: null,
  trend: null,
  // How members are shown, of the process that started then.
  members: {},
  started: null,
  paused: false,
  failures: 0,
  timer: null,
  asking: false,
};

const tables = new Map();
const tiles = new Map();

// --- Asking -------------------------------------------------------------------------------------

async function ask() {
  if (state.asking || state.paused) return;
  state.asking = true;
  clearTimeout(state.timer);
  try {
    state.status = await getJson("api/v1/status");
    if (state.started !== state.status.started) {
      state.members = (await getJson("api/v1/members")).members;
      state.started = state.status.started;
    }
    showStatus();
    showKinds();
    await askRows();
    await pollAlerts(state.status.zone, state.members);
    state.failures = 0;
    showConnection();
  } catch (error) {
    state.failures += 1;
    console.warn("tidemark:", error);
    showConnection();
  }
  state.asking = false;
  schedule();
}

/** The two questions of the page; each is asked anew when the choice or the window changes. */
async function askRows() {
  if (!state.kind) return;
  const trendKind = isPeriod(state.kind) ? state.kind : periodForTrend();
  if (trendKind) {
    const trend = { window: trendKind, grain: "overall", ...pastOf(trendKind) };
    const fresh = !state.trend?.answers(trend);
    if (fresh) state.trend = new Feed(trend);
    if (await state.trend.poll() || fresh) showTrend(trendKind, periods(trendKind).slice(-SHOWN[basis(trendKind)]));
  }
  const window = chosenWindow();
  if (!window) return;
  const segments = { window: state.kind };
  if (isPeriod(state.kind)) Object.assign(segments, spanOf(window));
  const fresh = !state.segments?.answers(segments);
  if (fresh) state.segments = new Feed(segments);
  const changed = await state.segments.poll();
  if (changed || fresh) showNumbers(window);
  // Of a window that is over nothing is to be foretold.
  const running = state.start === null ? state.status.windows.find((w) => w.kind === trendKind) : null;
  await pollForecast(trendKind, running, state.status);
}

/** From where to where; by dates where segments have zones of their own, which begin them apart. */
function spanOf({ start, end, zone }) {
  const apart = state.status.zones?.length > 0;
  return apart ? { from: isoDay(start, zone), to: isoDay(end, zone) } : { from: start, to: end };
}

function periodForTrend() {
  const kinds = state.status.windows.map((w) => w.kind).filter(isPeriod);
  return kinds.includes("month") ? "month" : kinds[0];
}

/** Counted from the start of the current window, so that the question stays the same within it. */
function pastOf(kind) {
  const current = state.status.windows.find((w) => w.kind === kind);
  if (!current) return {};
  const from = new Date(Date.parse(current.start) - PAST[basis(kind)] * 86_400_000);
  return from.getTime() > 0 ? { from: from.toISOString() } : {};
}

/** Windows of a kind for the whole business, oldest first, without those that have not begun. */
function periods(kind) {
  const current = state.status.windows.find((w) => w.kind === kind);
  return [...state.trend.rows.values()]
    .filter((row) => row.window.kind === kind && (!current || row.window.start <= current.start))
    .toSorted((a, b) => Date.parse(a.window.start) - Date.parse(b.window.start));
}

function chosenWindow() {
  const current = state.status.windows.find((w) => w.kind === state.kind);
  if (!isPeriod(state.kind) || state.start === null) return current;
  return periods(state.kind).find((row) => row.window.start === state.start)?.window ?? current;
}

function schedule() {
  clearTimeout(state.timer);
  // A page that nobody sees asks nothing.
  if (state.paused || document.hidden) return;
  const wait = state.failures === 0 ? EVERY : Math.min(LONGEST, EVERY * 2 ** state.failures);
  state.timer = setTimeout(ask, wait);
  countDown(Date.now() + wait);
}

/** Seconds to the next try: for the eye only, a screen reader hears once that the line is lost. */
function countDown(until) {
  const left = Math.ceil((until - Date.now()) / 1000);
  const waits = state.failures > 0 && !state.paused && left > 0;
  setText(byId("retry"), waits ? `next try in ${duration(left * 1000)}` : "");
  if (waits) setTimeout(countDown, 250, until);
}

// --- Showing ------------------------------------------------------------------------------------

function showConnection() {
  const { paused, failures, status } = state;
  const [name, text] = paused ? ["paused", "Paused"]
    : failures > 0 ? ["lost", "Connection lost"]
      : status && !status.ready ? ["starting", "Restoring"]
        : ["live", "Live"];
  byId("connection").dataset.state = name;
  document.body.dataset.state = name;
  setText(byId("connection"), text);
}

function showStatus() {
  const { status } = state;
  const zone = status.zone;
  const complete = status.watermark ?? status.as_of;
  const now = Date.parse(status.now);
  if (complete) {
    const at = Date.parse(complete);
    setText(byId("watermark"), moment(at, now, zone));
    // Ahead: a demo or a replay lives in a time of its own.
    const how = now - at > 1_500 ? `${duration(now - at)} behind`
      : at - now > 60_000 ? `${duration(at - now)} ahead of the clock` : "up to now";
    setText(byId("behind"), how);
  } else {
    setText(byId("watermark"), ABSENT);
    setText(byId("behind"), "no event yet");
  }
  setNumber(byId("events"), count(status.events_taken));
  setNumber(byId("late"), count(status.late));
  setNumber(byId("too-late"), count(status.too_late));
  setNumber(byId("dead"), count(status.dead_letters.total));
  const codes = Object.entries(status.dead_letters.by_code).toSorted((a, b) => b[1] - a[1]);
  const worst = codes.slice(0, 2).map(([code, n]) => `${code} ${count(n)}`);
  setText(byId("dead-codes"), worst.join(", ") + (codes.length > 2 ? ", …" : ""));
  byId("dead").closest("div").classList.toggle("warm", status.dead_letters.total > 0);
  byId("too-late").closest("div").classList.toggle("warm", status.too_late > 0);
  setText(byId("mode"), status.mode === "kafka" ? "Kafka" : "embedded");
  setText(byId("zone"), [zone, ...(status.zones ?? [])].join(", "));
  setText(byId("currency"), status.currency);
  setText(byId("app"), status.app === "tidemark" ? "" : status.app);
  document.title = status.app === "tidemark" ? "Tidemark" : `${status.app} · Tidemark`;
  const since = moment(Date.parse(status.started), now, zone);
  setText(byId("about"), `Tidemark ${status.version}, tz database ${status.tzdb}. Counts in the strip are since ${since}, this process.`);
}

function showKinds() {
  const kinds = state.status.windows.map((w) => w.kind);
  if (!kinds.includes(state.kind)) {
    state.kind = PREFERRED.find((kind) => kinds.includes(kind)) ?? kinds[0] ?? null;
    state.start = null;
  }
  const list = byId("kind-list");
  if (list.dataset.kinds === kinds.join()) return;
  list.dataset.kinds = kinds.join();
  arrange(list, kinds.map((kind) => {
    const input = h("input", { type: "radio", name: "kind", value: kind, checked: kind === state.kind });
    return h("label", {}, input, h("span", {}, kindName(kind)));
  }));
}

function showNumbers(window) {
  const rows = [...state.segments.rows.values()];
  const overall = rows.find((row) => Object.keys(row.segment).length === 0);
  showWindow(overall?.window ?? window, overall);
  showTiles(overall);
  showFunnel(overall);
  const dimensions = state.status.grains.filter((g) => g.dimensions.length === 1).map((g) => g.name);
  // The leaderboard is the longest: last.
  dimensions.sort((a, b) => (a === "rep") - (b === "rep"));
  for (const dimension of dimensions) {
    if (!tables.has(dimension)) tables.set(dimension, new Table(dimension));
    tables.get(dimension).show(rows.filter((row) => {
      const names = Object.keys(row.segment);
      return names.length === 1 && names[0] === dimension;
    }), state.members[dimension], state.status.zone);
  }
  arrange(byId("grains"), dimensions.map((d) => tables.get(d).element));
}

function showWindow(window, row) {
  setText(byId("window-title"), windowName(window));
  // A day's name says it all.
  setText(byId("window-range"), window.kind === "day" ? "" : windowRange(window));
  const tags = [];
  if (row?.status === "corrected") tags.push(h("span", { class: "tag warm" }, corrected(row)));
  if (row?.status === "on_time") tags.push(h("span", { class: "tag" }, "closed"));
  if (row?.status === "early") {
    const part = row.complete_ratio < 1 && isPeriod(window.kind) ? `, ${percent(row.complete_ratio)} complete` : "";
    tags.push(h("span", { class: "tag cool" }, `running${part}`));
  }
  if (row?.incomplete) {
    const why = "Records of a source were gone before they were read; what they told may lie in this window";
    tags.push(h("span", { class: "tag warm", title: why }, "may lack records"));
  }
  arrange(byId("window-state"), tags);
  const stepper = byId("stepper");
  stepper.hidden = !isPeriod(state.kind);
  if (stepper.hidden) return;
  byId("earlier").disabled = neighbor(-1) === null;
  byId("later").disabled = neighbor(1) === null;
}

/** The start of the window before or after the one chosen. */
function neighbor(step) {
  const all = periods(state.kind).map((row) => row.window.start);
  const at = all.indexOf(chosenWindow()?.start);
  return at < 0 ? null : all[at + step] ?? null;
}

const TILES = [
  ["Revenue", "revenue", (k, c) => money(k.value, c), (row) => unconverted(row.kpis.revenue)],
  ["Deals won", "deals_won", (k) => count(k.value), (row) => `${count(row.kpis.deals_lost?.value)} lost`],
  ["Win rate", "win_rate", (k) => share(k.value), (row) => ofClosed(row.kpis.win_rate)],
  ["Average deal size", "average_deal_size", (k, c) => money(k.value, c), (row) => priced(row.kpis.average_deal_size)],
  ["Median cycle", "cycle_length_p50", (k) => days(k.value), (row) => cycle(row)],
  ["Open pipeline", "open_pipeline", (k, c) => money(k.value, c), (row) => unconverted(row.kpis.open_pipeline)],
  ["Open deals", "open_deals", (k) => count(k.value), (row) => `${count(row.kpis.deals_created?.value)} created in the window`],
  ["Growth", "revenue_growth", (k) => growth(k.value), (row) => growths(row)],
];

/** Shown only where something of the kind was seen in the window. */
const MORE = [
  ["Activities", "activities_done", (k) => count(k.value), (row) => `${count(row.kpis.calls?.value)} calls, ${count(row.kpis.meetings?.value)} meetings`],
  ["Plans kept", "completion_rate", (k) => share(k.value), (row) => `of ${count(row.kpis.completion_rate?.n)} due`],
  ["Orders", "order_revenue", (k, c) => money(k.value, c), (row) => `${count(row.kpis.orders_paid?.value)} paid`],
  ["Spend", "spend", (k, c) => money(k.value, c), (row) => `${money(row.kpis.cost_per_sale?.value, row.currency)} a sale`],
  ["NPS", "nps", (k) => count(k.value), (row) => `${count(row.kpis.nps?.n)} answers`],
  ["Touches", "touches", (k) => count(k.value), (row) => `${count(row.kpis.clicks?.value)} clicks`],
  ["MRR", "mrr", (k, c) => money(k.value, c), (row) => `${count(row.kpis.active_subscriptions?.value)} subscriptions`],
];

/** The tiles of a row: those of KPIs that the configuration leaves out have no place. */
function tilesOf(row) {
  if (!row) return TILES;
  return [...TILES.filter(([, name]) => row.kpis[name]), ...MORE.filter(([, name]) => row.kpis[name]?.n > 0)];
}

/** What growth is relative to, and that against the last quarter and year where they are known. */
function growths(row) {
  const far = [["quarter", row.kpis.revenue_growth_quarter], ["year", row.kpis.revenue_growth_year]];
  const told = far.filter(([, kpi]) => typeof kpi?.value === "number");
  const rest = told.map(([name, kpi]) => `, ${growth(kpi.value)} on last ${name}`);
  return `on ${money(row.kpis.revenue_growth?.den, row.currency)} before${rest.join("")}`;
}

function ofClosed(kpi) {
  if (!kpi || kpi.n === 0) return "nothing closed";
  return `${count(kpi.num)} of ${count(kpi.n)} closed${isThin(kpi) ? ", few" : ""}`;
}

function cycle(row) {
  const p90 = row.kpis.cycle_length_p90;
  return p90?.n ? `90% within ${days(p90.value)}, n ${count(p90.n)}` : "nothing won";
}

function priced(kpi) {
  return kpi?.n === 1 ? "1 deal with an amount" : `${count(kpi?.n)} deals with an amount`;
}

/** Amounts in other currencies, which the number beside does not hold. */
function unconverted(kpi) {
  const others = Object.entries(kpi?.unconverted ?? {});
  if (others.length === 0) return priced(kpi);
  return `and ${others.map(([currency, sum]) => money(sum, currency)).join(", ")}, not converted`;
}

/** How the number stands against its target. */
function ofTarget(row, name) {
  const target = row?.targets?.[name];
  if (!target) return "";
  const pace = typeof target.pace === "number" ? `, pace ${percent(target.pace)}` : "";
  return `${percent(target.attainment)} of target${pace}`;
}

function showTiles(row) {
  arrange(byId("tiles"), tilesOf(row).map(([title, name, value, note]) => {
    let tile = tiles.get(name);
    if (!tile) {
      tile = { value: h("p", { class: "big" }), note: h("p", { class: "sub" }), goal: h("p", { class: "sub goal" }) };
      tile.element = h("li", { class: "tile", id: `tile-${name}` }, h("h3", {}, title), tile.value, tile.note, tile.goal);
      tiles.set(name, tile);
    }
    const kpi = row?.kpis[name];
    const text = kpi ? value({ ...kpi, value: kpi.value ?? undefined }, row.currency) : ABSENT;
    setNumber(tile.value, text);
    const goal = ofTarget(row, name);
    setText(tile.note, row ? note(row) : "");
    setText(tile.goal, goal);
    tile.goal.hidden = goal === "";
    if (name === "revenue_growth") {
      tile.value.dataset.sign = Math.sign(kpi?.value ?? 0);
    }
    return tile.element;
  }));
}

// --- Acting -------------------------------------------------------------------------------------

byId("kinds").addEventListener("change", (event) => {
  state.kind = event.target.value;
  state.start = null;
  now();
});
byId("kinds").addEventListener("submit", (event) => event.preventDefault());
byId("earlier").addEventListener("click", () => step(-1));
byId("later").addEventListener("click", () => step(1));
byId("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  byId("pause").setAttribute("aria-pressed", String(state.paused));
  setText(byId("pause"), state.paused ? "Resume" : "Pause");
  showConnection();
  now();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(state.timer);
  else now();
});

function step(by) {
  const start = neighbor(by);
  if (start === null) return;
  const current = state.status.windows.find((w) => w.kind === state.kind);
  state.start = start === current?.start ? null : start;
  now();
}

/** Asks at once. While paused a choice is still answered, once. */
async function now() {
  clearTimeout(state.timer);
  if (!state.paused) return ask();
  if (!state.status || state.asking) return;
  state.asking = true;
  await askRows().catch((error) => console.warn("tidemark:", error));
  state.asking = false;
}

ask();
