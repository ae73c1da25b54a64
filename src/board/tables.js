// The tables, one a dimension: who sold what, highest revenue first.

import { arrange, h, s, setNumber, setText } from "./dom.js";
import { ABSENT, count, days, money, percent, share } from "./format.js";

/** Rows shown before "show all". */
const SHORT = 20;
/** Below so many closed deals a win rate is noise, and is shown as such. */
const ENOUGH = 10;

const COLUMNS = [
  { title: "Revenue", name: "revenue", bar: true, text: (v, row) => money(v, row.currency) },
  { title: "Won", name: "deals_won", text: count },
  { title: "Win rate", name: "win_rate", n: true, text: share },
  { title: "Of target", goal: "revenue", text: percent },
  { title: "Average deal", name: "average_deal_size", minor: true, text: (v, row) => money(v, row.currency) },
  { title: "Median cycle", name: "cycle_length_p50", minor: true, text: days },
  { title: "Open pipeline", name: "open_pipeline", minor: true, text: (v, row) => money(v, row.currency) },
];

/** Of stages: what stands in each now. What was won is rarely told by the stage it was won in. */
const OF_STAGES = [
  { title: "Open pipeline", name: "open_pipeline", bar: true, text: (v, row) => money(v, row.currency) },
  { title: "Open deals", name: "open_deals", text: count },
  { title: "Won", name: "deals_won", minor: true, text: count },
  { title: "Lost", name: "deals_lost", minor: true, text: count },
];

/** The mark of a window that was changed after it had closed. */
export function corrected(row) {
  return row.status === "corrected" ? `corrected, revision ${row.revision}` : "";
}

/** Marks a number that stands on few cases. */
export function isThin(kpi) {
  return (kpi?.n ?? 0) < ENOUGH;
}

/** How much of the target is reached, and how that compares with the working days that have passed. */
function showGoal(cell, column, target, row, aimed) {
  // A column that is not shown has no text either.
  setNumber(cell.value, target ? column.text(target.attainment ?? undefined) : aimed ? ABSENT : "");
  const paced = typeof target?.pace === "number";
  setText(cell.n, paced ? `pace ${percent(target.pace)}` : "");
  cell.td.classList.toggle("behind", paced && target.pace < 1);
  cell.td.title = target ? `target ${money(target.target, row.currency)}` : "";
}

/** The table of one dimension. */
export class Table {
  constructor(dimension) {
    this.dimension = dimension;
    this.lines = new Map();
    this.all = false;
    this.rows = [];
    const title = dimension.replaceAll("_", " ");
    const id = `table-${dimension}`;
    this.ranked = dimension === "rep";
    this.columns = dimension === "stage" ? OF_STAGES : COLUMNS;
    this.note = h("span", { class: "note" });
    this.body = h("tbody");
    this.more = h("button", { type: "button", class: "more", hidden: true });
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.show(this.rows, this.members, this.zone);
    });
    const head = this.columns.map((c) => h("th", { scope: "col", class: c.goal ? "goal" : c.minor ? "minor" : null }, c.title));
    const name = title.charAt(0).toUpperCase() + title.slice(1);
    this.element = h("div", { class: this.ranked ? "card full" : "card" },
      h("h2", { id }, this.ranked ? "Reps by revenue" : `By ${title}`, " ", this.note),
      h("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": id },
        h("table", {},
          h("thead", {}, h("tr", {}, this.ranked ? h("th", { scope: "col", class: "rank" }, "#") : null,
            h("th", { scope: "col", class: "name" }, name), ...head)),
          this.body)),
      this.more);
  }

  /** Shows these rows: in the order of the members where they have one, else the largest first. */
  show(rows, members = {}, zone = undefined) {
    this.rows = rows;
    this.members = members;
    this.zone = zone;
    const { name } = this.columns.find((column) => column.bar);
    const size = (row) => row.kpis[name]?.value ?? -Infinity;
    const named = (row) => row.segment[this.dimension];
    // Members without a place stand last: infinity less itself is no number, so they tie.
    const place = (row) => members[named(row)]?.order ?? Infinity;
    const sorted = rows.toSorted((a, b) =>
      place(a) - place(b) || size(b) - size(a) || named(a).localeCompare(named(b)));
    // The column is there where any of them has a target.
    this.aimed = sorted.some((row) => row.targets?.revenue);
    this.element.classList.toggle("aimed", this.aimed);
    const most = Math.max(0, ...sorted.map(size));
    const shown = this.all ? sorted : sorted.slice(0, SHORT);
    const keep = new Set(shown.map(named));
    for (const key of this.lines.keys()) if (!keep.has(key)) this.lines.delete(key);
    arrange(this.body, shown.map((row, i) => this.line(row, i + 1, most)));
    setText(this.note, sorted.length > shown.length ? `top ${shown.length} of ${sorted.length}` : `${sorted.length}`);
    this.more.hidden = sorted.length <= SHORT;
    setText(this.more, this.all ? `Show the first ${SHORT}` : `Show all ${sorted.length}`);
    this.element.hidden = sorted.length === 0;
  }

  line(row, rank, most) {
    const key = row.segment[this.dimension];
    let line = this.lines.get(key);
    if (!line) {
      line = this.build(key);
      this.lines.set(key, line);
    }
    if (line.rank) setText(line.rank, String(rank));
    setText(line.mark, corrected(row));
    line.mark.hidden = row.status !== "corrected";
    setText(line.name, this.members[key]?.label ?? key);
    line.name.title = row.window.zone === this.zone ? key : `${key}, days of ${row.window.zone}`;
    this.columns.forEach((column, i) => {
      const cell = line.cells[i];
      if (column.goal) {
        showGoal(cell, column, row.targets?.[column.goal], row, this.aimed);
        return;
      }
      const kpi = row.kpis[column.name];
      const text = kpi ? column.text(kpi.value ?? undefined, row) : ABSENT;
      setNumber(cell.value, text);
      if (column.n) {
        setText(cell.n, kpi ? `n ${count(kpi.n)}` : "");
        cell.td.classList.toggle("thin", isThin(kpi));
      }
      if (column.bar) {
        const width = most > 0 ? (100 * Math.max(0, kpi?.value ?? 0)) / most : 0;
        cell.bar.setAttribute("width", width.toFixed(2));
      }
    });
    return line.element;
  }

  build(key) {
    const rank = this.ranked ? h("td", { class: "rank" }) : null;
    const mark = h("span", { class: "tag warm", hidden: true });
    const cells = this.columns.map((column) => {
      const value = h("span", { class: "value" });
      const n = column.n || column.goal ? h("small", {}) : null;
      const bar = column.bar ? s("rect", { class: "fill", height: 4, width: 0, rx: 1 }) : null;
      const svg = bar && s("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
        s("rect", { class: "track", height: 4, width: 100 }), bar);
      const content = svg ? [h("div", { class: "bar-line" }, svg, value)] : [value, n && " ", n];
      const td = h("td", { class: column.goal ? "goal" : column.minor ? "minor" : svg ? "with-bar" : null }, ...content);
      return { td, value, n, bar };
    });
    // Isolated, so that marks of direction in a name do not turn the numbers around.
    const name = h("bdi", { title: key }, key);
    const head = h("th", { scope: "row", class: "name" }, name, mark);
    return { element: h("tr", {}, rank, head, ...cells.map((c) => c.td)), rank, name, mark, cells };
  }
}
