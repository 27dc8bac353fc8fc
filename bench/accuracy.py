#!/usr/bin/env python3
"""How well the library predicts the published speeds, beside what a bandwidth and a file size alone would say.

    python3 bench/accuracy.py                 the library's own predictions, from the fitted header it was built with
    python3 bench/accuracy.py --held-out      and the same model refitted without the row's whole device, or model
    python3 bench/accuracy.py --worst 20      and the 20 decode rows that are furthest off

Errors are |predicted / measured - 1|. Prints Markdown. --held-out takes some minutes. Needs numpy and the built
sizer_speed_features.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import speed_model as sm  # before numpy: it asks for one thread
from fit_speed import TOOL
from speed_model import Row

# isort: split
import numpy as np

NAMES = {"tg": "Decode", "pp": "Prefill"}
HEAD = "| rows | n | median % | P90 % | mean % |\n|---|---|---|---|---|"


def errors(name: str, rows: list[Row], predicted) -> str:
    """One line of a table."""
    if len(rows) == 0:
        return ""
    error = np.abs(np.asarray(predicted) / np.array([row.measured for row in rows]) - 1)
    median, p90, mean = (100 * value for value in (np.median(error), np.percentile(error, 90), error.mean()))
    return f"| {name} | {len(rows)} | {median:.1f} | {p90:.1f} | {mean:.1f} |"


def print_table(title: str, rows: list[Row], predicted) -> None:
    """The errors of all rows and of their parts."""
    print(f"\n### {title}\n\n{HEAD}")
    predicted = np.asarray(predicted)

    def part(name, chosen):
        at = [i for i, row in enumerate(rows) if chosen(row)]
        if at:
            print(errors(name, [rows[i] for i in at], predicted[at]))

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


def coverage(rows: list[Row], low, high) -> str:
    """The share of rows that were measured between low and high."""
    measured = np.array([row.measured for row in rows])
    return f"{100 * np.mean((measured >= low) & (measured <= high)):.0f} % of {len(rows)}"


def print_library(name: str, rows: list[Row]) -> None:
    """The library's own predictions, and how often its interval and its ceiling hold."""
    print_table(f"{name}, one device, batch 1: the library", rows, [row.prediction for row in rows])
    held = coverage(rows, np.array([row.low for row in rows]), np.array([row.high for row in rows]))
    above = sum(row.prediction > row.ceiling * 1.0001 for row in rows)
    print(f"\n80 % interval holds {held} rows; {above} predictions above their ceiling")


def print_baselines(rows: list[Row]) -> None:
    """The decode rows whose device states a bandwidth, by that bandwidth alone."""
    rows = [row for row in rows if float(row.text["bandwidth_spec_gbs"] or 0) > 0]
    bandwidth = np.array([float(row.text["bandwidth_spec_gbs"]) * 1e9 for row in rows])
    by_file = bandwidth / np.array([row.file_bytes for row in rows])
    by_active = bandwidth / np.array([row.active_bytes for row in rows])
    print(f"\n### The same rows by bandwidth and size alone\n\n{HEAD}")
    print(errors("bandwidth / file size", rows, by_file))
    print(errors("0.55 x bandwidth / file size", rows, 0.55 * by_file))
    print(errors("bandwidth / active bytes", rows, by_active))
    print(errors("the library", rows, [row.prediction for row in rows]))


def print_several_devices(name: str, rows: list[Row]) -> None:
    """The library's predictions of rows on several devices."""
    print(f"\n### {name}, several devices\n\n{HEAD}")
    for family in ("llama_cpp", "vllm"):
        at = [row for row in rows if row.family == family]
        print(errors(f"{family} kernels", at, [row.prediction for row in at]))


def print_held_out(name: str, fitted: list[Row], asked: list[int]) -> None:
    """The rows `asked` of the fitted ones, by fits that saw nothing of the row's device or of its model."""
    rows = [fitted[i] for i in asked]
    full = sm.fit(fitted)
    for what, key in (("device", lambda row: row.device), ("model", lambda row: row.model)):
        held = sm.held_out(fitted, key, full)[asked]
        print_table(f"{name}, one device, batch 1: fitted without the row's {what}", rows, held)
        low = np.array([row.low / row.prediction for row in rows]) * held
        high = np.array([row.high / row.prediction for row in rows]) * held
        print(f"\nthe same interval around the held-out point holds {coverage(rows, low, high)} rows")


def print_worst(rows: list[Row], count: int) -> None:
    """The rows that the library misses by the largest factors."""
    print("\n| row | predicted / measured | device | backend | engine | model | format | depth |")
    print("|---|---|---|---|---|---|---|---|")
    ratio = np.array([row.prediction / row.measured for row in rows])
    for i in np.argsort(-np.abs(np.log(ratio)))[:count]:
        row = rows[i]
        cells = (row.id, f"{ratio[i]:.2f}", row.device, row.backend, row.engine, row.model)
        print(f"| {' | '.join(cells)} | {row.text['quant_as_printed']} | {row.depth:.0f} |")


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=TOOL, help="the built sizer_speed_features (build/release's)")
    parser.add_argument("--held-out", action="store_true", help="also refit without each device and each model")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N worst decode rows")
    args = parser.parse_args()
    rows = sm.load(args.tool)

    for test, name in NAMES.items():
        fitted = sm.fitted_rows(rows, test)
        asked = [i for i, row in enumerate(fitted) if row.named_engine and row.batch == 1]
        one_device = [fitted[i] for i in asked]
        several = [row for row in rows if row.test == test and row.count > 1 and row.batch == 1 and row.named_engine]
        print_library(name, one_device)
        if test == "tg":
            print_baselines(one_device)
            batched = [row for row in fitted if row.batch > 1 and row.named_engine]
            print(errors("batch 2 to 64: the library", batched, [row.prediction for row in batched]))
        print_several_devices(name, several)
        if args.held_out:
            print_held_out(name, fitted, asked)
        if args.worst and test == "tg":
            print_worst(one_device, args.worst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
