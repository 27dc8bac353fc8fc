#!/usr/bin/env python3
"""Fits the levels of the speed model to data/measurements/speed.csv.

    cmake --build --preset release --target sizer_python_files sizer_python
    PYTHONPATH=build/release/python python3 bench/fit_speed.py            writes the two headers and held_out.csv
    PYTHONPATH=build/release/python python3 bench/fit_speed.py --check    writes nothing; fails if they would differ

Deterministic: the same rows, catalogue and library give the same files, byte for byte. The library makes the shares of
each row (speed/decode.hpp, speed/prefill.hpp) and solves (speed/calibration.hpp); this script only chooses rows, folds
and intervals. libsizer/include/sizer/speed/fitted_levels.hpp and fitted_intervals.hpp are what it is for;
data/measurements/held_out.csv has what the same model says of each row without its device, its model, its group.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import speed_rows as sr
from speed_rows import ROOT, FitRow

# isort: split
import numpy as np

from sizer import _core

HEADERS = ROOT / "libsizer" / "include" / "sizer" / "speed"
LEVELS = HEADERS / "fitted_levels.hpp"
INTERVALS = HEADERS / "fitted_intervals.hpp"
HELD_OUT = ROOT / "data" / "measurements" / "held_out.csv"

# The error of log speed, of decode and of prefill, beyond which a row pulls less.
TOLERANCE = {True: 0.07, False: 0.1}
# A step that gains less than this of the sum of squares is the last; a fold starts next to its solution.
SETTLED, SETTLED_FOLD = 1e-5, 0.02
# Intervals: added to residuals before their logarithm, and the width of the prior on each feature's weight.
RESIDUAL_FLOOR, FEATURE_WIDTH = 0.03, 1.0
NARROWEST = 0.04  # as narrowest_interval
# The quantiles that hold 80 % of rows of devices and models that were left out of both the fit and the interval.
COVERAGE = {True: 0.79, False: 0.82}
# Place of "no device of the class was measured" among the features (speed/interval.hpp).
UNMEASURED = 8
LEAST_UNMEASURED = 0.1
FOLDS: dict[str, Callable[[FitRow], object]] = {
    "device": lambda row: row.device,
    "model": lambda row: row.model,
    "group": sr.group_of,
}
BACKENDS = ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "hpu", "other")
CLASSES = (
    *("nvidia_consumer", "nvidia_workstation", "nvidia_datacenter", "nvidia_unified", "nvidia_legacy"),
    *("nvidia_jetson", "apple_base", "apple_pro", "apple_max", "apple_ultra", "amd_rdna", "amd_cdna", "amd_gcn"),
    *("amd_strix_halo", "amd_apu", "intel_arc", "intel_datacenter", "intel_igpu", "qualcomm", "cpu_desktop"),
    *("cpu_server", "cpu_sbc", "other"),
)


class Fit:
    """Rows of one test as the library's calibration has them."""

    def __init__(self, rows: Sequence[FitRow], decode: bool):
        """Adds every row and every level that one of them has."""
        self.rows = [row for row in rows if row.decode == decode]
        self.decode = decode
        self.problem = _core.Calibration(tolerance=TOLERANCE[decode])
        self.levels: dict[int, int] = {}
        self.weights = sr.weights_of(self.rows)
        for row, weight in zip(self.rows, self.weights, strict=True):
            shares = []
            for excess, overlap, amount, levels, _ in row.answer["shares"]:
                uses = [(self._level(key, centre, width), factor) for key, factor, centre, width in levels]
                shares.append((excess, overlap, amount, uses))
            self.problem.add_row(shares, seconds=row.seconds, weight=weight)
        self.everything = list(range(len(self.rows)))
        self.full = self.problem.fit(used=[], start=[], settled=SETTLED)

    def _level(self, key: int, centre: float, width: float) -> int:
        if key not in self.levels:
            self.levels[key] = self.problem.add_level(centre=centre, width=width)
        return self.levels[key]

    def speeds(self, levels: Sequence[float], at: Sequence[int] | None = None) -> np.ndarray:
        """Tokens/s of rows at those levels, never above the ceiling."""
        at = self.everything if at is None else at
        seconds = np.array(self.problem.seconds(levels, at))
        amounts = np.array([self.rows[i].answer["produced"] for i in at])
        ceilings = np.array([self.rows[i].answer["ceiling_tokens_per_s"] for i in at])
        return np.minimum(amounts / seconds, ceilings)

    def held_out(self, key: Callable[[FitRow], object]) -> np.ndarray:
        """Predictions of each row by a fit that never saw a row with the same key."""
        keys = [key(row) for row in self.rows]
        out = np.zeros(len(self.rows))
        for one in sorted(set(keys), key=str):
            inside = [i for i, k in enumerate(keys) if k == one]
            used = [int(k != one) for k in keys]
            levels = self.problem.fit(used=used, start=self.full, settled=SETTLED_FOLD)
            out[inside] = self.speeds(levels, inside)
        return out


class Scale:
    """The spread of residuals by features, and the quantiles of residuals over it."""

    def __init__(self, features: np.ndarray, residuals: np.ndarray, weights: np.ndarray, coverage: float):
        """Weighted ridge regression of the logarithm of the residuals' size."""
        y = np.log(np.abs(residuals) + RESIDUAL_FLOOR)
        penalty = np.full(features.shape[1], 1 / FEATURE_WIDTH**2)
        penalty[0] = 1e-6
        weighted = features * weights[:, None]
        self.weights = np.linalg.solve(weighted.T @ features + np.diag(penalty), weighted.T @ y)
        # That nobody measured the class is no reason for a narrower interval, whatever few such rows say.
        self.weights[UNMEASURED] = max(self.weights[UNMEASURED], LEAST_UNMEASURED)
        relative = residuals / np.exp(features @ self.weights)
        order = np.argsort(relative)
        reached = np.cumsum(weights[order]) / weights.sum()
        tail = (1 - coverage) / 2
        self.low = float(relative[order][np.searchsorted(reached, tail)])
        self.high = float(relative[order][min(np.searchsorted(reached, 1 - tail), len(order) - 1)])

    def ends(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the ends over the point."""
        scale = np.exp(features @ self.weights)
        return np.minimum(self.low * scale, -NARROWEST), np.maximum(self.high * scale, NARROWEST)


class Residuals:
    """Held-out residuals of a fit with the features that the intervals are made from."""

    def __init__(self, fit: Fit):
        """Refits without each device, each model and each group."""
        self.fit = fit
        self.speeds = {name: fit.held_out(key) for name, key in FOLDS.items()}
        self.measured = np.array([row.measured for row in fit.rows])
        devices: dict[tuple[int, int], set[str]] = {}
        for row in fit.rows:
            devices.setdefault(row.device_class, set()).add(row.device)
        own = np.array([row.answer["features"] for row in fit.rows])
        without = own.copy()
        without[:, UNMEASURED] = [len(devices[row.device_class]) == 1 for row in fit.rows]
        self.features = {"device": without, "model": own, "group": own}
        self.weights = np.array(fit.weights) ** 2

    def residuals(self, fold: str) -> np.ndarray:
        """log(measured / predicted)."""
        return np.log(self.measured / self.speeds[fold])

    def _scale(self, used: np.ndarray) -> Scale:
        """Rows held out by device and by model stand for machines and for models that are new."""
        folds = ("device", "model")
        return Scale(
            np.concatenate([self.features[fold][used] for fold in folds]),
            np.concatenate([self.residuals(fold)[used] for fold in folds]),
            np.concatenate([self.weights[used]] * len(folds)),
            COVERAGE[self.fit.decode],
        )

    def scale(self) -> Scale:
        """The intervals of the library."""
        return self._scale(np.ones(len(self.fit.rows), bool))

    def nested(self, fold: str) -> tuple[np.ndarray, np.ndarray]:
        """Ends of each row's interval, from residuals of other devices, or models, or groups alone."""
        keys = np.array([str(FOLDS[fold](row)) for row in self.fit.rows])
        low, high = np.zeros(len(keys)), np.zeros(len(keys))
        for one in sorted(set(keys)):
            inside = keys == one
            ends = self._scale(~inside).ends(self.features[fold][inside])
            low[inside] = self.speeds[fold][inside] * np.exp(ends[0])
            high[inside] = self.speeds[fold][inside] * np.exp(ends[1])
        ceilings = np.array([row.answer["ceiling_tokens_per_s"] for row in self.fit.rows])
        return low, np.minimum(high, ceilings)


def number(value: float) -> str:
    """A literal of four digits behind the point, which is more than the fit knows; never "-0"."""
    return f"{round(value, 4) + 0.0:.4f}"


def levels_header(fits: dict[bool, Fit], n_left_out: int) -> str:
    """fitted_levels.hpp."""
    lines = []
    for decode in (True, False):
        fit = fits[decode]
        for key, index in fit.levels.items():
            lines.append((key, f"    {{0x{key:08x}U, {number(fit.full[index])}}},  // {_core.level_name(key)}"))
    text = "\n".join(line for _, line in sorted(lines))
    assert len({key for key, _ in lines}) == len(lines)
    return f"""#pragma once
/// @file
/// GENERATED by bench/fit_speed.py from data/measurements/speed.csv ({len(fits[True].rows)} rows of decode and
/// {len(fits[False].rows)} of prefill; {n_left_out} are left out, each for a reason that the file names): do not edit.
/// A value is a logarithm; speed/factor.hpp says what each level is added to.

#include <array>

#include <sizer/speed/level.hpp>

namespace sizer {{
inline namespace v0 {{

// clang-format off
inline constexpr auto fitted_levels = std::to_array<level_value>({{
{text}
}});
// clang-format on

}}  // namespace v0
}}  // namespace sizer
"""


def _scale_text(name: str, scale: Scale) -> str:
    values = [number(float(w)) for w in scale.weights]
    rows = [", ".join(values[i : i + 10]) for i in range(0, len(values), 10)]
    inner = ",\n      ".join(rows)
    ends = f"{number(scale.low)}, {number(scale.high)}"
    return f"inline constexpr interval_scale {name}{{\n    {{{inner}}},\n    {ends}}};\n"


def intervals_header(residuals: dict[bool, Residuals]) -> str:
    """fitted_intervals.hpp."""
    classes = []
    for decode in (True, False):
        counts: dict[tuple[int, int], tuple[int, set[str]]] = {}
        for row in residuals[decode].fit.rows:
            n, devices = counts.get(row.device_class, (0, set()))
            counts[row.device_class] = (n + 1, devices | {row.device})
        test = "decode" if decode else "prefill"
        for (where, what), (n, devices) in sorted(counts.items()):
            classes.append(
                f"    {{speed_test::{test}, backend::{BACKENDS[where]}, device_class::{CLASSES[what]}, {n}, "
                f"{len(devices)}}},"
            )
    decode_scale = _scale_text("fitted_decode_interval", residuals[True].scale())
    prefill_scale = _scale_text("fitted_prefill_interval", residuals[False].scale())
    table = "\n".join(classes)
    return f"""#pragma once
/// @file
/// GENERATED by bench/fit_speed.py: do not edit. Weights of the features of speed/interval.hpp in their order, and the
/// ends; how many rows and devices of each class of devices the levels rest on.

#include <array>

#include <sizer/speed/interval_scale.hpp>

namespace sizer {{
inline namespace v0 {{

// clang-format off
{decode_scale}
{prefill_scale}
inline constexpr auto fitted_classes = std::to_array<measured_class>({{
{table}
}});
// clang-format on

}}  // namespace v0
}}  // namespace sizer
"""


def held_out_table(residuals: dict[bool, Residuals]) -> str:
    """held_out.csv: predictions and nested intervals by fold."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = ("tokens_per_s", "low", "high")
    writer.writerow(["id", "fitted_tokens_per_s", *(f"{fold}_{part}" for fold in FOLDS for part in parts)])
    for decode in (True, False):
        one = residuals[decode]
        fitted = one.fit.speeds(one.fit.full)
        ends = {fold: one.nested(fold) for fold in FOLDS}
        for i, row in enumerate(one.fit.rows):
            cells = [row.resolved.row.id, f"{fitted[i]:.5g}"]
            for fold in FOLDS:
                cells += [f"{value:.5g}" for value in (one.speeds[fold][i], ends[fold][0][i], ends[fold][1][i])]
            writer.writerow(cells)
    return out.getvalue()


def _line(name: str, rows: Sequence[FitRow], one: Residuals, at: np.ndarray) -> str:
    cells = []
    for fold in FOLDS:
        error = np.abs(one.speeds[fold][at] / one.measured[at] - 1)
        low, high = one.nested(fold)
        inside = np.mean((one.measured >= low)[at] & (one.measured <= high)[at])
        median, p90 = 100 * np.median(error), 100 * np.percentile(error, 90)
        cells.append(f"{fold} {median:5.1f} / {p90:5.1f} ({100 * inside:.0f} %)")
    return f"{name:34s} {int(at.sum()):4d}  " + "  ".join(cells)


def report(residuals: dict[bool, Residuals]) -> None:
    """Median / P90 error and coverage by fold, for whoever changes the model."""
    for decode, name in ((True, "decode"), (False, "prefill")):
        one = residuals[decode]
        rows = one.fit.rows
        single = np.array([sr.is_single(row) for row in rows])
        several = np.array([row.resolved.row.device_count > 1 and sr.is_named(row) for row in rows])
        batched = np.array([row.resolved.row.batch > 1 and sr.is_named(row) for row in rows])
        moe = np.array([row.answer["moe"] for row in rows])
        depth = np.array([row.resolved.depth for row in rows])
        slices = {"one device, batch 1": single, "  dense": single & ~moe, "  mixture of experts": single & moe}
        slices |= {"  depth 0 to 1K": single & (depth < 1024), "  depth 8K+": single & (depth >= 8192)}
        slices |= {"  depth 16K+": single & (depth >= 16384)}
        for backend in ("cuda", "rocm", "vulkan", "metal", "cpu"):
            slices[f"  {backend}"] = single & np.array([row.resolved.backend == backend for row in rows])
        slices |= {"batched": batched, "several devices": several}
        fitted = one.fit.speeds(one.fit.full)
        error = np.abs(fitted / one.measured - 1)[single]
        print(f"\n{name}: {len(rows)} rows, {len(one.fit.levels)} levels; in sample", end=" ")
        print(f"{100 * np.median(error):.1f} / {100 * np.percentile(error, 90):.1f}")
        for title, at in slices.items():
            if at.sum() >= 5:
                print(_line(title, rows, one, at))


def main() -> int:
    """Fits, and writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files; 1 if one differs")
    parser.add_argument("--report", action="store_true", help="print errors and coverage by fold, write nothing")
    args = parser.parse_args()
    rows, left_out = sr.load()
    fits = {decode: Fit(rows, decode) for decode in (True, False)}
    residuals = {decode: Residuals(fit) for decode, fit in fits.items()}
    if args.report:
        report(residuals)
        return 0
    texts: dict[Path, str] = {
        LEVELS: levels_header(fits, len(left_out)),
        INTERVALS: intervals_header(residuals),
        HELD_OUT: held_out_table(residuals),
    }
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="ascii") != text]
    if args.check:
        names = ", ".join(path.name for path in stale)
        print(f"{names}: not what the rows give; run bench/fit_speed.py" if stale else "up to date")
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path], encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
