"""Detectors of river on the streams that bench_drift wrote, beside ours, as Markdown.

usage: bench_drift.py DIR     DIR holds found.json and the streams
"""

import array
import json
import math
import sys
from pathlib import Path

from river import __version__, drift

# Slow: fewer and shorter runs, said in the table.
FEW, SHORT = 30, 3000

# All of them with their defaults; and PageHinkley and ADWIN as somebody would tune them.
ALL = {
    "ADWIN, default": drift.ADWIN,
    "ADWIN, δ = 0.05, at every deal": lambda: drift.ADWIN(delta=0.05, clock=1),
    "PageHinkley, default": drift.PageHinkley,
    "PageHinkley, λ = 10, δ = 0.05, up": lambda: drift.PageHinkley(
        threshold=10, delta=0.05, mode="up"
    ),
    "KSWIN, default": lambda: drift.KSWIN(seed=1),
}
BINARY = {
    "DDM": drift.binary.DDM,
    "HDDM_A": drift.binary.HDDMA,
    "HDDM_W": drift.binary.HDDMW,
    "FHDDM": drift.binary.FHDDM,
}


def streams(path, length):
    values = array.array("H")
    values.frombytes(path.read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return [values[i : i + length] for i in range(0, len(values), length)]


def first(make, stream, change):
    """Place of the first alarm, or None."""
    detector = make()
    for i, value in enumerate(stream):
        detector.update(change(value))
        if detector.drift_detected:
            return i
    return None


def mean(values):
    return sum(values) / len(values) if values else math.nan


def score(make, change, runs, found, limit=None):
    """How a detector did: see `Score` of tests/support/drift_streams.rs."""
    warm, quiet, shifted, soon = (found[k] for k in ("warm", "quiet", "shifted", "soon"))
    cap = min(quiet, limit or quiet)
    firsts = [first(make, s[:cap], change) for s in runs["quiet"]]
    lengths = [cap if at is None else at for at in firsts]
    delay, share = [], []
    for shift in ("shift0", "shift1"):
        ends = [first(make, s, change) for s in runs[shift]]
        delays = [shifted if at is None else at - warm for at in ends if at is None or at >= warm]
        delay.append(mean(delays))
        share.append(mean([float(d < soon) for d in delays]))
    return {
        "arl0": mean(lengths),
        "capped": mean([float(n >= cap) for n in lengths]),
        "early": mean([float(n < 500) for n in lengths]),
        "delay": delay,
        "soon": share,
    }


def line(name, got):
    more = "≥ " if got["capped"] > 0 else ""
    number = lambda x: "–" if math.isnan(x) else f"{x:,.0f}"
    part = lambda x: "–" if math.isnan(x) else f"{x:.2f}"
    return (
        f"| {name} | {more}{got['arl0']:,.0f} | {got['early']:.2f} "
        f"| {number(got['delay'][0])} / {number(got['delay'][1])} "
        f"| {part(got['soon'][0])} / {part(got['soon'][1])} |"
    )


def main():
    root = Path(sys.argv[1])
    found = json.loads((root / "found.json").read_text())
    off = 0
    print("## Run lengths\n")
    print("| chart | published | Tidemark | ratio |\n|---|---|---|---|")
    for row in found["references"]:
        ratio = row["ours"] / row["published"]
        off += abs(ratio - 1) > 0.01
        print(f"| {row['name']} | {row['published']:,} | {row['ours']:,.2f} | {ratio:.4f} |")
    for subject, rest in found["subjects"].items():
        lengths = {"quiet": found["warm"] + found["quiet"]}
        lengths |= dict.fromkeys(("shift0", "shift1"), found["warm"] + found["shifted"])
        runs = {name: streams(root / f"{subject}.{name}", n) for name, n in lengths.items()}
        few = {name: of[:FEW] for name, of in runs.items()}
        a, b = rest["shifts"]
        print(f"\n## {subject}, shifted to {a} / {b}\n")
        print("| detector | ARL0 | false within 500 | mean delay | found within 100 |")
        print("|---|---|---|---|---|")
        for row in rest["scores"]:
            print(line(row["name"], row))
        forms = [("raw days", float), ("ln(days + 1)", math.log1p)]
        for form, change in forms if subject == "cycle_length" else [("", int)]:
            made = ALL if form else ALL | BINARY
            for name, make in made.items():
                named = f"river {__version__}: {name}" + (f", {form}" if form else "")
                if name.startswith("KSWIN"):
                    got = score(make, change, few, found, SHORT)
                    named += f" ({FEW} runs, cap {SHORT:,})"
                else:
                    got = score(make, change, runs, found)
                print(line(named, got), flush=True)
    print("\n## 300 reps, 20 closings a month, 15 fall to 60 %\n")
    print("| rule, looked at once a month | false, reps a month | found in 3 months | in 6 |")
    print("|---|---|---|---|")
    for row in found["reps"]:
        a, b = row["found"]
        print(f"| {row['name']} | {row['wrong']:.2f} | {a:.2f} | {b:.2f} |")
    print(f"\n{found['runs']} streams of each sort, seed {found['seed']}, river {__version__}")
    if off:
        sys.exit(f"{off} run lengths are more than 1 % off")


main()
