#!/usr/bin/env python3
"""Fits the speed parameters to data/measurements/speed.csv and writes libsizer/include/sizer/speed/fitted_parameters.hpp.

    cmake --build --preset release --target sizer_speed_features
    python3 bench/fit_speed.py [--tool build/release/bench/speed_features/sizer_speed_features] [--check]

Deterministic: the same rows give the same header. --check fits and compares with the header instead of writing it. The
features of a row come from the library (bench/speed_features), the model and the regression are in bench/speed_model.py,
bench/accuracy.py reports. Needs numpy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import speed_model as sm  # before numpy: it asks for one thread
from speed_model import FORMATS, ROOT, Regression, Row

import numpy as np

HEADER = ROOT / "libsizer" / "include" / "sizer" / "speed" / "fitted_parameters.hpp"
TOOL = ROOT / "build" / "release" / "bench" / "speed_features" / "sizer_speed_features"
# Rows of the table: engines' kernels and the backends they run on.
BACKENDS = {"llama_cpp": ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu"), "vllm": ("cuda", "rocm", "sycl", "hpu", "cpu"),
            "mlx": ("metal",)}
# Measurements of a class count as much as this many series of its backend when the interval is set.
PRIOR_SERIES = 8.0
NARROWEST = 0.04  # an interval is never narrower than this on either side: two sources of one row differ by several per cent
# Exponent of decode_work_of. 0.6, 0.75, 0.85 and 1 were tried on the 51 batched MoE rows: median errors 14, 12, 10 and 9 %.
OVERLAP = 1.0


def spread(rows: list[Row], predicted: np.ndarray) -> tuple[float, float, int]:
    """10 % and 90 % quantiles of log(measured / predicted), and how many series they rest on."""
    if not rows:
        return 0.0, 0.0, 0
    r = np.log([row.measured for row in rows]) - np.log(predicted)
    return float(np.quantile(r, 0.1)), float(np.quantile(r, 0.9)), len({row.series for row in rows})


class Intervals:
    """80 % intervals from residuals of rows that the fit never saw."""

    def __init__(self, rows: list[Row], full: Regression):
        keep = [i for i, row in enumerate(rows) if row.named_engine and (not row.decode or row.batch == 1)]
        self.rows = [rows[i] for i in keep]
        self.by_device = sm.held_out(rows, lambda row: row.device, full)[keep]
        self.by_model = sm.held_out(rows, lambda row: row.model, full)[keep]
        self.by_class = sm.held_out(rows, lambda row: (row.backend, row.device_class), full)[keep]

    def _part(self, chosen, predicted):
        at = [i for i, row in enumerate(self.rows) if chosen(row)]
        return spread([self.rows[i] for i in at], predicted[at])

    def factors(self, backend: str, device_class: str | None) -> tuple[float, float]:
        everything = self._part(lambda row: True, self.by_class)
        if device_class is None:  # a class without measurements: as classes did when they were left out
            own = self._part(lambda row: row.backend == backend, self.by_class)
            parent = everything
        else:
            devices = {row.device for row in self.rows if (row.backend, row.device_class) == (backend, device_class)}
            held = self.by_device if len(devices) > 1 else self.by_model
            own = self._part(lambda row: (row.backend, row.device_class) == (backend, device_class), held)
            parent = self._part(lambda row: row.backend == backend, self.by_device)
            parent = parent if parent[2] else everything
        share = own[2] / (own[2] + PRIOR_SERIES)
        low, high = (share * own[i] + (1 - share) * parent[i] for i in (0, 1))
        return float(np.exp(min(low, -NARROWEST))), float(np.exp(max(high, NARROWEST)))


def number(x: float) -> str:
    return f"{x:.4g}"


def record(decode: Regression, prefill: Regression, intervals, rows, family: str, backend: str, device_class: str | None):
    """One line of the table. device_class None: the backend's own values."""
    b, c = sm.kin(backend), device_class
    d, p = decode.value, prefill.value

    def at(g, name):
        return [name, (name, b)] + ([(name, backend, c)] if c else [])

    def engine(name):
        return [(name, "family", family)] if family != "llama_cpp" else []

    kv = at(d, "kv")
    attention = ["attention", ("attention", b)]
    prefill_attention = at(p, "prefill_attention")
    values = [
        d(*at(d, "excess"), *engine("excess")), d(*kv), d(*kv, ("latent", b)), d(*attention),
        d(*attention, ("latent_attention", b)), d(*at(d, "layer"), *engine("layer")), d(*at(d, "moe_layer")),
        d("recurrent", ("recurrent", b)), d(*at(d, "batch")), p(*at(p, "gemm"), *engine("gemm")), p(("routed", b)),
        p(*at(p, "gemm"), *engine("gemm"), "small_expert", ("small_expert", b)), p(*prefill_attention),
        p(*prefill_attention, ("prefill_latent", b)), p("stream", ("stream", b)), p("prefill_layer", ("prefill_layer", b)),
        p("recurrent_token", ("recurrent_token", b)),
    ]
    numbers = [number(float(np.exp(v))) for v in values]
    for test in ("tg", "pp"):
        numbers += [number(f) for f in intervals[test].factors(backend, c)]
    own = [row for row in rows if row.named_engine and (row.family, row.backend, row.device_class) == (family, backend, c)]
    numbers += [str(sum(row.decode for row in own)), str(sum(not row.decode for row in own)), str(len({row.device for row in own}))]
    return (f"    {{kernel_family::{family}, backend::{backend}, device_class::{c or 'other'},\n     " +
            ", ".join(numbers[:9]) + ",\n     " + ", ".join(numbers[9:17]) + ",\n     " + ", ".join(numbers[17:]) + "},\n")


def format_line(decode: Regression, prefill: Regression, backend: str) -> str:
    b = sm.kin(backend)
    excess, arithmetic, gemm = [], [], []
    for f in FORMATS:
        excess.append(np.exp(0 if f == "q8_0" else decode.value(("excess_format", f), ("excess_format", f, b))))
        none = f in ("f32", "packed")
        arithmetic.append(0 if none else np.exp(decode.value("arithmetic", ("arithmetic", b), ("arithmetic_format", f))))
        gemm.append(np.exp(0 if f == "q8_0" else prefill.value(("gemm_format", f), ("gemm_format", f, b))))
    lists = ",\n     ".join("{" + ", ".join(number(float(x)) for x in values) + "}" for values in (excess, arithmetic, gemm))
    return f"    {{backend::{backend},\n     {lists}}},\n"


def between_devices(decode: Regression, rows: list[Row]) -> tuple[float, float]:
    """Median time of one hop of a layer split, and of one sum over devices of a tensor split (decode, batch 1)."""
    split = [row for row in rows if row.decode and row.count > 1 and row.batch == 1 and row.named_engine]
    alone = 1 / sm.predict(decode, split)
    hops, sums = [], []
    for row, t in zip(split, alone):
        if row.family == "llama_cpp":
            hops.append((1 / row.measured - t) / (row.count - 1))
        else:
            sums.append((1 / row.measured - t / row.count) / (2 * row.x["d_layers"]))
    return max(float(np.median(hops)), 0.0), max(float(np.median(sums)), 0.0)


def generate(rows: list[Row]) -> str:
    used = {test: sm.fitted_rows(rows, test) for test in ("tg", "pp")}
    fits = {test: sm.fit(used[test]) for test in used}
    intervals = {test: Intervals(used[test], fits[test]) for test in used}
    hop, all_reduce = between_devices(fits["tg"], rows)
    everything = used["tg"] + used["pp"]
    seen = sorted({(row.family, row.backend, row.device_class) for row in everything})
    records = ""
    for family, backends in BACKENDS.items():
        for backend in backends:
            classes = sorted({c for f, b, c in seen if b == backend and (f in (family, "llama_cpp"))})
            for c in classes:
                records += record(fits["tg"], fits["pp"], intervals, everything, family, backend, c)
            records += record(fits["tg"], fits["pp"], intervals, everything, family, backend, None)
    records += record(fits["tg"], fits["pp"], intervals, everything, "llama_cpp", "other", None)
    formats = "".join(format_line(fits["tg"], fits["pp"], b) for b in ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "hpu", "other"))
    return f"""#pragma once
/// @file
/// GENERATED by bench/fit_speed.py from data/measurements/speed.csv ({len(used['tg'])} decode and {len(used['pp'])} prefill rows on one
/// device): do not edit. The sources of the rows are in that file; the equation is in speed/parameters.hpp, the order of
/// the numbers in speed/fitted_record.hpp, the order of formats in speed/work.hpp.

#include <array>

#include <sizer/speed/fitted_record.hpp>

namespace sizer {{
inline namespace v0 {{
namespace detail {{

inline constexpr double fitted_expert_overlap = {OVERLAP};
inline constexpr double fitted_hop_seconds = {number(hop)};
inline constexpr double fitted_all_reduce_seconds = {number(all_reduce)};

inline constexpr auto fitted_formats = std::to_array<format_factors>({{
{formats}}});

inline constexpr auto fitted_records = std::to_array<fitted_record>({{
{records}}});

}}  // namespace detail
}}  // namespace v0
}}  // namespace sizer
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=TOOL)
    parser.add_argument("--check", action="store_true", help="compare with the header instead of writing it")
    args = parser.parse_args()
    text = generate(sm.load(args.tool))
    if args.check:
        same = HEADER.read_text() == text
        print("up to date" if same else f"{HEADER.name} is not what the rows give; run bench/fit_speed.py")
        return 0 if same else 1
    HEADER.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
