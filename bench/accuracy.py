#!/usr/bin/env python3
"""How well the library predicts the published speeds, beside what a bandwidth and a file size alone would say.

    python3 bench/accuracy.py [--tool build/release/bench/speed_features/sizer_speed_features] [--held-out] [--worst 20]

Without --held-out: the library's own predictions of rows on one device, from the fitted header it was built with. With
--held-out: the same model refitted without the row's whole device, or without its whole model (some minutes).
Errors are |predicted / measured - 1|. Needs numpy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import speed_model as sm  # before numpy: it asks for one thread
from fit_speed import TOOL

import numpy as np


def line(name: str, rows, predicted) -> str:
    if len(rows) == 0:
        return ""
    error = np.abs(np.asarray(predicted) / np.array([row.measured for row in rows]) - 1)
    return f"| {name} | {len(rows)} | {100 * np.median(error):.1f} | {100 * np.percentile(error, 90):.1f} | {100 * error.mean():.1f} |"


def table(title: str, rows, predicted) -> None:
    print(f"\n### {title}\n\n| rows | n | median % | P90 % | mean % |\n|---|---|---|---|---|")
    predicted = np.asarray(predicted)

    def part(name, chosen):
        at = [i for i, row in enumerate(rows) if chosen(row)]
        text = line(name, [rows[i] for i in at], predicted[at]) if at else ""
        if text:
            print(text)

    part("all", lambda row: True)
    part("dense", lambda row: not row.moe)
    part("mixture of experts", lambda row: row.moe)
    for backend in ("cuda", "rocm", "vulkan", "metal", "cpu", "sycl", "hpu"):
        part(backend, lambda row, b=backend: row.backend == b)
    part("depth to 1K", lambda row: row.depth <= 1100)
    part("depth 1K to 8K", lambda row: 1100 < row.depth <= 8400)
    part("depth over 8K", lambda row: row.depth > 8400)
    part("builds of llama.cpp before autumn 2024", lambda row: "old-build" in row.flags)
    part("later builds and other engines", lambda row: "old-build" not in row.flags)
    devices = {}
    for row in rows:
        devices.setdefault((row.backend, row.device_class), set()).add(row.device)
    part("classes of several measured devices", lambda row: len(devices[row.backend, row.device_class]) > 1)
    part("classes of one measured device", lambda row: len(devices[row.backend, row.device_class]) == 1)
    part("GGUF mixes that are no recipe (UD)", lambda row: "recipe-approximate" in row.flags)


def coverage(rows, low, high) -> str:
    measured = np.array([row.measured for row in rows])
    return f"{100 * np.mean((measured >= low) & (measured <= high)):.0f} % of {len(rows)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=TOOL)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N worst decode rows")
    args = parser.parse_args()
    rows = sm.load(args.tool)

    for test, name in (("tg", "Decode"), ("pp", "Prefill")):
        used = sm.fitted_rows(rows, test)
        asked = [i for i, row in enumerate(used) if row.named_engine and row.batch == 1]
        mine = [used[i] for i in asked]
        predicted = np.array([row.prediction for row in mine])
        table(f"{name}, one device, batch 1: the library", mine, predicted)
        print(f"\n80 % interval holds {coverage(mine, np.array([r.low for r in mine]), np.array([r.high for r in mine]))} rows; "
              f"{sum(row.prediction > row.ceiling * 1.0001 for row in mine)} predictions above their ceiling")
        if test == "tg":
            spec = np.array([float(row.text["bandwidth_spec_gbs"] or 0) * 1e9 for row in mine])
            with_spec = [i for i in range(len(mine)) if spec[i] > 0]
            them = [mine[i] for i in with_spec]
            simple = np.array([spec[i] / mine[i].file_bytes for i in with_spec])
            print("\n### The same rows by bandwidth and size alone\n\n| rows | n | median % | P90 % | mean % |\n|---|---|---|---|---|")
            print(line("bandwidth / file size", them, simple))
            print(line("0.55 x bandwidth / file size", them, 0.55 * simple))
            print(line("bandwidth / active bytes", them, np.array([spec[i] / mine[i].active_bytes for i in with_spec])))
            print(line("the library", them, predicted[with_spec]))
            batch = [row for row in used if row.batch > 1 and row.named_engine]
            print(line("batch 2 to 64: the library", batch, [row.prediction for row in batch]))
        several = [row for row in rows if row.test == test and row.count > 1 and row.batch == 1 and row.named_engine]
        print(f"\n### {name}, several devices\n\n| rows | n | median % | P90 % | mean % |\n|---|---|---|---|---|")
        for family in ("llama_cpp", "vllm"):
            at = [row for row in several if row.family == family]
            print(line(f"{family} kernels", at, [row.prediction for row in at]))
        if args.held_out:
            full = sm.fit(used)
            for what, key in (("device", lambda row: row.device), ("model", lambda row: row.model)):
                held = sm.held_out(used, key, full)[asked]
                table(f"{name}, one device, batch 1: fitted without the row's {what}", mine, held)
                low = np.array([row.low / row.prediction for row in mine]) * held
                high = np.array([row.high / row.prediction for row in mine]) * held
                print(f"\nthe same interval around the held-out point holds {coverage(mine, low, high)} rows")
        if args.worst and test == "tg":
            print("\n| row | predicted / measured | device | backend | engine | model | format | depth |\n|---|---|---|---|---|---|---|---|")
            order = np.argsort(-np.abs(np.log(predicted / np.array([row.measured for row in mine]))))[: args.worst]
            for i in order:
                row = mine[i]
                print(f"| {row.id} | {predicted[i] / row.measured:.2f} | {row.device} | {row.backend} | {row.engine} | {row.model} | "
                      f"{row.text['quant_as_printed']} | {row.depth:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
