"""Reads exports back with DuckDB and compares them with the rows that they were made of.

usage: read_back.py ROWS.jsonl WIDE.parquet WIDE.csv LONG.parquet

Counts, sums, numerators, denominators and sample sizes digit for digit, quotients as the same float;
what is absent must be null.
"""

import json
import sys
from datetime import datetime
from decimal import Decimal

import duckdb

TYPES = {
    "window_kind": "VARCHAR",
    "window_start": "TIMESTAMP WITH TIME ZONE",
    "incomplete": "BOOLEAN",
    "deals_won": "BIGINT",
    "revenue": "DECIMAL(38,12)",
    "win_rate": "DOUBLE",
}
INSTANTS = ("window_start", "window_end", "as_of")


def micros(text):
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def head(row, dimensions):
    """What the columns before the KPIs must hold."""
    window = row["window"]
    out = {
        "window_kind": window["kind"],
        "window_start": micros(window["start"]),
        "window_end": micros(window["end"]),
        "zone": window["zone"],
        "grain": "_".join(row["segment"]) or "overall",
        "status": row["status"],
        "revision": row["revision"],
        "as_of": micros(row["as_of"]),
        "complete_ratio": row["complete_ratio"],
        "incomplete": row.get("incomplete", False),
        "currency": row["currency"],
    }
    return out | {d: row["segment"].get(d) for d in dimensions}


def same(want, got):
    if want is None or got is None:
        return want is None and got is None
    if isinstance(want, bool):
        return str(want).lower() == str(got).lower()
    if isinstance(want, str):
        return want == got
    if isinstance(got, float):
        return float(want) == got
    return Decimal(want) == Decimal(got)


def main(rows_file, wide_parquet, wide_csv, long_parquet):
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'").fetchall()
    with open(rows_file) as lines:
        # Numbers stay the text that was published.
        rows = [json.loads(line, parse_float=Decimal) for line in lines]
    dimensions = sorted({d for row in rows for d in row["segment"]})
    faults, compared = [], 0

    def check(place, what, want, got):
        nonlocal compared
        compared += 1
        if not same(want, got):
            faults.append(f"{place} {what}: {want} expected, {got} found")

    def records(source):
        instants = ", ".join(f"epoch_us({i}::timestamptz) as {i}" for i in INSTANTS)
        found = con.sql(f"select * replace ({instants}) from {source}")
        names = found.columns
        return [dict(zip(names, values)) for values in found.fetchall()]

    def place(record):
        names = ("window_kind", "window_start", *dimensions)
        return tuple(record[name] for name in names)

    known = {}
    for row in rows:
        columns = head(row, dimensions)
        known[place(columns)] = (columns, row["kpis"])

    # The CSV all as text: a reader that guesses types must not hide a digit.
    csv = f"read_csv('{wide_csv}', all_varchar = true, nullstr = '')"
    for source in (f"'{wide_parquet}'", csv):
        found = records(source)
        if {place(record) for record in found} != set(known) or len(found) != len(rows):
            faults.append(f"{source}: {len(rows)} rows expected, {len(found)} found, or others")
            continue
        for record in found:
            at = place(record)
            columns, kpis = known[at]
            for name, want in columns.items():
                check(at, name, want, record[name])
            for name, kpi in kpis.items():
                check(at, name, kpi["value"], record[name])
                check(at, f"{name}_n", kpi["n"], record.get(f"{name}_n", record[name]))
                for part in [p for p in ("num", "den") if p in kpi]:
                    check(at, f"{name}_{part}", kpi[part], record[f"{name}_{part}"])
    for record in records(f"'{long_parquet}'"):
        at = place(record)
        kpi = known[at][1][record["kpi"]]
        for part in ("value", "num", "den", "n"):
            check(at, f"{record['kpi']} {part}", kpi.get(part), record[part])
    described = con.sql(f"describe select * from '{wide_parquet}'").fetchall()
    types = {column[0]: column[1] for column in described}
    for name, want in TYPES.items():
        check("types", name, want, types[name])
    print("\n".join(faults[:10]))
    print(f"{compared} cells read back, {len(faults)} differ")
    return 1 if faults or compared < 100_000 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
