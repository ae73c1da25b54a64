// What the running period will come to, and how wrong such forecasts were before.

import { arrange, byId, h, setText } from "./dom.js";
import { getJson } from "./feed.js";
import { basis, civilDay, count, money, percent, windowName } from "./format.js";

const METHODS = {
  run_rate: "As much a working day as so far",
  weighted_pipeline: "From what is open by stage",
  same_month_last_quarter: "As three months before",
  same_period_last_year: "As a year before",
};
const COLUMNS = [
  ["Revenue", (f, currency) => money(f.value, currency)],
  ["8 of 10 times between", (f, currency) => f.interval.map((end) => money(end, currency)).join(" and ")],
  ["Off by, on average", (f) => percent(f.backtest.mape ?? undefined)],
  ["Tried on", (f) => `${count(f.backtest.periods)} past periods${unrated(f.backtest.left_out)}`],
];

/** Those that have no relative error: nothing came, or nothing was forecast. */
const unrated = (n) => (n > 0 ? `, and ${count(n)} that have no relative error` : "");

/** What no rate converts, which is in no number. */
const beside = (unconverted) => (unconverted === undefined ? "" : `; without ${
  Object.entries(unconverted).map(([code, n]) => money(n, code)).join(", ")}, for want of a rate`);

/** After a failure it is asked again so many milliseconds later. */
const AGAIN = 30_000;

let asked = null;
let failed = { question: null, at: -Infinity };
/** What is shown: of which window, and when that was. */
let shown = { of: null, at: -Infinity };
/** What was told of a window yesterday is better than nothing. */
const LASTS = 2 * 86_400_000;

/** Asks once for each day of a period that is over: forecasts are made of whole days. */
export async function pollForecast(kind, window, status) {
  // Until all rows are read there is less history than there is.
  if (!status.ready) return;
  const at = Date.parse(status.watermark ?? status.now);
  const day = civilDay(at, status.zone);
  const of = [status.started, kind, window?.start].join();
  const question = [of, day].join();
  if (asked === question) return;
  if (failed.question === question && performance.now() < failed.at + AGAIN) {
    hideOther(of, at);
    return;
  }
  let answer = null;
  if (window && basis(kind) !== "day") {
    const query = new URLSearchParams({ window: kind, kpi: "revenue" });
    try {
      answer = await getJson(`api/v1/forecast?${query}`);
    } catch (error) {
      // What is asked cannot be told, or cannot yet: no rows of days.
      if (error.status !== 400) {
        failed = { question, at: performance.now() };
        asked = null;
        hideOther(of, at);
        return;
      }
    }
  }
  [asked, shown] = [question, { of, at }];
  show(answer, window, status.currency);
}

function hideOther(of, at) {
  if (shown.of === of && at < shown.at + LASTS) return;
  shown = { of: null, at: -Infinity };
  // Whoever comes back to what was shown asks again.
  asked = null;
  show(null);
}

function show(answer, window, currency) {
  byId("forecast").hidden = answer === null;
  if (answer === null) return;
  const { forecasts } = answer;
  byId("forecast-table").hidden = forecasts.length === 0;
  const { over, of } = answer.working_days;
  const name = windowName(window);
  setText(byId("forecast-title"), forecasts.length > 0 ? `${name} will come to` : `No forecast of ${name} yet`);
  setText(byId("forecast-note"), `${money(answer.so_far, currency)} so far, ${count(over)} of ${count(of)} working days over${
    forecasts.some((f) => f.clipped) ? "; no forecast is below that" : ""}${beside(answer.unconverted)}`);
  arrange(byId("forecast-head"), [h("th", { scope: "col", class: "name" }, "Forecast"),
    ...COLUMNS.map(([title]) => h("th", { scope: "col" }, title))]);
  arrange(byId("forecast-methods"), forecasts.map((forecast) => h("tr", {},
    h("th", { scope: "row", class: "name" }, METHODS[forecast.method] ?? forecast.method),
    ...COLUMNS.map(([, text]) => h("td", {}, text(forecast, currency))))));
  const lacking = answer.none.map((none) => `${METHODS[none.method] ?? none.method}: ${none.why}.`);
  setText(byId("forecast-none"), lacking.join(" "));
}
