// Numbers and times as text. What is absent is a dash, never 0.

export const ABSENT = "–";

const cache = new Map();

function cached(kind, key, build) {
  const name = `${kind}|${key}`;
  if (!cache.has(name)) cache.set(name, build());
  return cache.get(name);
}

function number(options) {
  return cached("n", JSON.stringify(options), () => new Intl.NumberFormat(undefined, options));
}

function absent(value) {
  return typeof value !== "number" || !Number.isFinite(value);
}

/** A whole number, or one with a few decimals. */
export function count(value) {
  return absent(value) ? ABSENT : number({ maximumFractionDigits: 2 }).format(value);
}

/** An amount; cents are left out where nobody would read them. */
export function money(value, currency) {
  if (absent(value)) return ABSENT;
  const large = Math.abs(value) >= 1000 || Number.isInteger(value);
  const digits = large ? { maximumFractionDigits: 0 } : {};
  return currencyFormat(currency, digits).format(value);
}

/** An amount in few characters, for axes. */
export function moneyShort(value, currency) {
  if (absent(value)) return ABSENT;
  const options = { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 };
  return currencyFormat(currency, options).format(value);
}

function currencyFormat(currency, options) {
  try {
    return number({ style: "currency", currency, ...options });
  } catch {
    return number(options);
  }
}

/** A share as percent. */
export function share(value) {
  const options = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return absent(value) ? ABSENT : number(options).format(value);
}

/** A share as whole percent. */
export function percent(value) {
  return absent(value) ? ABSENT : number({ style: "percent", maximumFractionDigits: 0 }).format(value);
}

/** A change as percent, with its sign. */
export function growth(value) {
  const options = { style: "percent", signDisplay: "exceptZero", maximumFractionDigits: 1 };
  return absent(value) ? ABSENT : number(options).format(value);
}

/** Civil days. */
export function days(value) {
  const options = { style: "unit", unit: "day", unitDisplay: "long", maximumFractionDigits: 1 };
  return absent(value) ? ABSENT : number(options).format(value);
}

/** How long, in its largest unit. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, size]) => seconds >= 2 * size) ?? steps[3];
  const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 };
  return number(options).format(seconds / size);
}

function dates(zone, options) {
  return cached("d", zone + JSON.stringify(options), () => {
    try {
      return new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options });
    } catch {
      // A zone that this browser does not know yet.
      return new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options });
    }
  });
}

/** An instant; the date only where it is not that of `now`. */
export function moment(at, now, zone) {
  const day = dates(zone, { dateStyle: "medium" });
  const time = dates(zone, { timeStyle: "medium" }).format(at);
  return day.format(at) === day.format(now) ? time : `${day.format(at)}, ${time}`;
}

/** The civil day of an instant. */
export function civilDay(at, zone) {
  return dates(zone, { dateStyle: "medium" }).format(new Date(at));
}

/** The same as the API takes it: `2026-03-01`. */
export function isoDay(at, zone) {
  const { year, month, day } = civil(new Date(at), zone);
  return [String(year).padStart(4, "0"), String(month).padStart(2, "0"), String(day).padStart(2, "0")].join("-");
}

const PERIODS = ["day", "week", "month", "quarter", "year"];

/** The civil period that one of another calendar is like: `month` of `fiscal_month`. */
export function basis(kind) {
  return kind.replace(/^(fiscal|sunday)_/, "");
}

/** Whether windows of the kind are calendar periods, which stay when they are over. */
export function isPeriod(kind) {
  return PERIODS.includes(basis(kind));
}

const UNITS = { d: "day", h: "hour", m: "minute" };

/** The name of a kind of window. */
export function kindName(kind) {
  const rolling = /^rolling_(\d+)([dhm])$/.exec(kind);
  if (rolling) {
    const options = { style: "unit", unit: UNITS[rolling[2]], unitDisplay: "long" };
    return `Last ${number(options).format(Number(rolling[1]))}`;
  }
  const words = kind.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The name of one window: "March 2026", "Q1 2026", "Week 13, 2026". */
export function windowName(window) {
  const { kind, zone } = window;
  const start = new Date(window.start);
  switch (kind) {
    case "day": return dates(zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(start);
    case "week": return weekName(start, zone);
    case "month": return dates(zone, { month: "long", year: "numeric" }).format(start);
    case "quarter": {
      const { year, month } = civil(start, zone);
      return `Q${Math.floor((month - 1) / 3) + 1} ${year}`;
    }
    case "year": return String(civil(start, zone).year);
    // Of another calendar: named by its first day, since how it numbers them is up to the house.
    case "sunday_week":
    case "fiscal_month":
    case "fiscal_quarter":
    case "fiscal_year":
      return `${kindName(kind)} from ${dates(zone, { day: "numeric", month: "short", year: "numeric" }).format(start)}`;
    default: return kindName(kind);
  }
}

/** The same in few characters, for axes. */
export function windowShort(window) {
  const { kind, zone } = window;
  const start = new Date(window.start);
  switch (kind) {
    case "day": return dates(zone, { day: "numeric", month: "short" }).format(start);
    case "week": return weekName(start, zone).split(",")[0].replace("Week ", "W");
    case "month": return dates(zone, { month: "short", year: "2-digit" }).format(start);
    case "sunday_week":
    case "fiscal_month": return dates(zone, { day: "numeric", month: "short" }).format(start);
    case "fiscal_quarter":
    case "fiscal_year": return dates(zone, { month: "short", year: "numeric" }).format(start);
    default: return windowName(window);
  }
}

/** First and last day, or moments where the window is shorter than two days. */
export function windowRange(window) {
  const start = new Date(window.start);
  const last = new Date(Date.parse(window.end) - 1);
  const short = last - start < 2 * 86_400_000;
  const options = { day: "numeric", month: "short", year: "numeric", ...(short ? { hour: "numeric", minute: "2-digit" } : {}) };
  return dates(window.zone, options).formatRange(start, short ? new Date(window.end) : last);
}

function civil(at, zone) {
  const format = dates(zone, { calendar: "iso8601", numberingSystem: "latn", year: "numeric", month: "numeric", day: "numeric" });
  const parts = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
  return { year: parts.year, month: parts.month, day: parts.day };
}

/** ISO 8601: a week belongs to the year that its Thursday is in. */
function weekName(monday, zone) {
  const { year, month, day } = civil(monday, zone);
  const thursday = Date.UTC(year, month - 1, day + 3);
  const isoYear = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(isoYear, 0, 1)) / (7 * 86_400_000)) + 1;
  return `Week ${week}, ${isoYear}`;
}
