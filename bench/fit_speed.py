#!/usr/bin/env python3
"""Fits the speed parameters to data/measurements/speed.csv, into libsizer/include/sizer/speed/fitted_parameters.hpp.

    cmake --build --preset release --target sizer_speed_features
    python3 bench/fit_speed.py             writes the header (about a minute)
    python3 bench/fit_speed.py --check     writes nothing; fails if the committed header is not what the rows give

Deterministic: the same rows and catalogue give the same header, byte for byte, and clang-format leaves it alone. The
features of a row come from the library (bench/speed_features), so build that again after a change of the catalogue; the
model and the regression are in bench/speed_model.py; bench/accuracy.py reports. Needs numpy.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

import speed_model as sm  # before numpy: it asks for one thread
from speed_model import FORMATS, ROOT, Regression, Row

# isort: split
import numpy as np

HEADER = ROOT / "libsizer" / "include" / "sizer" / "speed" / "fitted_parameters.hpp"
TOOL = ROOT / "build" / "release" / "bench" / "speed_features" / "sizer_speed_features"
# Rows of the table: engines' kernels and the backends they run on.
BACKENDS = {
    "llama_cpp": ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu"),
    "vllm": ("cuda", "rocm", "sycl", "hpu", "cpu"),
    "mlx": ("metal",),
}
# Backends with factors of formats, in the order of the table.
FORMAT_BACKENDS = ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "hpu", "other")
# Measurements of a class count as much as this many series of its backend when the interval is set.
PRIOR_SERIES = 8.0
# An interval is never narrower than this on either side: two sources of one row differ by several per cent.
NARROWEST = 0.04
# Exponent of decode_work_of. 0.6, 0.75, 0.85 and 1 were tried on the 51 batched MoE rows: median errors 14, 12, 10
# and 9 %.
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
        """Refits without each device, each model and each class; `full` is the fit of all rows."""
        keep = [i for i, row in enumerate(rows) if row.named_engine and (not row.decode or row.batch == 1)]
        self.rows = [rows[i] for i in keep]
        self.by_device = sm.held_out(rows, lambda row: row.device, full)[keep]
        self.by_model = sm.held_out(rows, lambda row: row.model, full)[keep]
        self.by_class = sm.held_out(rows, lambda row: (row.backend, row.device_class), full)[keep]

    def _part(self, chosen, predicted):
        at = [i for i, row in enumerate(self.rows) if chosen(row)]
        return spread([self.rows[i] for i in at], predicted[at])

    def factors(self, backend: str, device_class: str | None) -> tuple[float, float]:
        """Low and high end over the predicted speed; the class's own residuals and its backend's, by their number."""
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
    """A literal of four digits, which is more than the fit knows."""
    return f"{x:.4g}"


def lines(items: list[str], opening: str = "     ", closing: str = "") -> str:
    """Items and commas, broken at the width of the C++ files."""
    text = ", ".join(items) + closing
    return textwrap.fill(text, 120, initial_indent=opening, subsequent_indent=" " * len(opening))


def record(fits, intervals, rows: list[Row], family: str, backend: str, device_class: str | None) -> str:
    """One record of the table. device_class None: the backend's own values."""
    b, c = sm.kin(backend), device_class
    d, p = fits["tg"].value, fits["pp"].value

    def at(name):
        return [name, (name, b)] + ([(name, backend, c)] if c else [])

    def engine(name):
        return [(name, "family", family)] if family != "llama_cpp" else []

    kv = at("kv")
    attention = ["attention", ("attention", b)]
    gemm = [*at("gemm"), *engine("gemm")]
    prefill_attention = at("prefill_attention")
    decode_values = [
        d(*at("excess"), *engine("excess")),
        d(*kv),
        d(*kv, ("latent", b)),
        d(*attention),
        d(*attention, ("latent_attention", b)),
        d(*at("layer"), *engine("layer")),
        d(*at("moe_layer")),
        d("recurrent", ("recurrent", b)),
        d(*at("batch")),
    ]
    prefill_values = [
        p(*gemm),
        p(("routed", b)),
        p(*gemm, "small_expert", ("small_expert", b)),
        p(*prefill_attention),
        p(*prefill_attention, ("prefill_latent", b)),
        p("stream", ("stream", b)),
        p("prefill_layer", ("prefill_layer", b)),
        p("recurrent_token", ("recurrent_token", b)),
    ]
    ends = [*intervals["tg"].factors(backend, c), *intervals["pp"].factors(backend, c)]
    key = (family, backend, c)
    own = [row for row in rows if row.named_engine and (row.family, row.backend, row.device_class) == key]
    n_decode = sum(row.decode for row in own)
    counts = [n_decode, len(own) - n_decode, len({row.device for row in own})]
    return (
        f"    {{kernel_family::{family}, backend::{backend}, device_class::{c or 'other'},\n"
        + lines([number(float(np.exp(v))) for v in decode_values], closing=",") + "\n"
        + lines([number(float(np.exp(v))) for v in prefill_values], closing=",") + "\n"
        + lines([number(f) for f in ends] + [str(n) for n in counts], closing="},") + "\n"
    )


def factors_of_formats(fits, backend: str) -> str:
    """One entry of the table of formats: excess, arithmetic, gemm."""
    b = sm.kin(backend)
    d, p = fits["tg"].value, fits["pp"].value
    excess, arithmetic, gemm = [], [], []
    for f in FORMATS:
        excess.append(np.exp(0 if f == "q8_0" else d(("excess_format", f), ("excess_format", f, b))))
        none = f in ("f32", "packed")
        arithmetic.append(0 if none else np.exp(d("arithmetic", ("arithmetic", b), ("arithmetic_format", f))))
        gemm.append(np.exp(0 if f == "q8_0" else p(("gemm_format", f), ("gemm_format", f, b))))
    parts = [
        lines([number(float(x)) for x in values], opening="     {", closing=end)
        for values, end in ((excess, "},"), (arithmetic, "},"), (gemm, "}},"))
    ]
    return f"    {{backend::{backend},\n" + "\n".join(parts) + "\n"


def between_devices(decode: Regression, rows: list[Row]) -> tuple[float, float]:
    """Median time of one hop of a layer split, and of one sum over devices of a tensor split (decode, batch 1)."""
    split = [row for row in rows if row.decode and row.count > 1 and row.batch == 1 and row.named_engine]
    alone = 1 / sm.predict(decode, split)
    hops, sums = [], []
    for row, t in zip(split, alone, strict=True):
        if row.family == "llama_cpp":
            hops.append((1 / row.measured - t) / (row.count - 1))
        else:
            sums.append((1 / row.measured - t / row.count) / (2 * row.x["d_layers"]))
    return max(float(np.median(hops)), 0.0), max(float(np.median(sums)), 0.0)


def generate(rows: list[Row]) -> str:
    """The text of the header."""
    used = {test: sm.fitted_rows(rows, test) for test in ("tg", "pp")}
    fits = {test: sm.fit(used[test]) for test in used}
    intervals = {test: Intervals(used[test], fits[test]) for test in used}
    hop, all_reduce = between_devices(fits["tg"], rows)
    everything = used["tg"] + used["pp"]
    seen = sorted({(row.family, row.backend, row.device_class) for row in everything})

    def one_record(family: str, backend: str, device_class: str | None) -> str:
        return record(fits, intervals, everything, family, backend, device_class)

    records = ""
    for family, backends in BACKENDS.items():
        for backend in backends:
            classes = sorted({c for f, b, c in seen if b == backend and f in (family, "llama_cpp")})
            records += "".join(one_record(family, backend, c) for c in [*classes, None])
    records += one_record("llama_cpp", "other", None)
    formats = "".join(factors_of_formats(fits, b) for b in FORMAT_BACKENDS)
    return f"""#pragma once
/// @file
/// GENERATED by bench/fit_speed.py from data/measurements/speed.csv ({len(used["tg"])} decode and {len(used["pp"])}
/// prefill rows on one device): do not edit. The sources of the rows are in that file; the equation is in
/// speed/parameters.hpp, the order of the numbers in speed/fitted_record.hpp, the order of formats in speed/work.hpp.

#include <array>

#include <sizer/speed/fitted_record.hpp>

namespace sizer {{
inline namespace v0 {{
namespace detail {{

inline constexpr double fitted_expert_overlap = {OVERLAP};
inline constexpr double fitted_hop_seconds = {number(hop)};
inline constexpr double fitted_all_reduce_seconds = {number(all_reduce)};

// clang-format puts each number on a line of its own.
// clang-format off
inline constexpr auto fitted_formats = std::to_array<format_factors>({{
{formats}}});

inline constexpr auto fitted_records = std::to_array<fitted_record>({{
{records}}});
// clang-format on

}}  // namespace detail
}}  // namespace v0
}}  // namespace sizer
"""


def main() -> int:
    """Writes or checks the header."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=TOOL, help="the built sizer_speed_features (build/release's)")
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed header, write nothing; 1 if it differs"
    )
    args = parser.parse_args()
    text = generate(sm.load(args.tool))
    if args.check:
        same = HEADER.read_text(encoding="ascii") == text
        print("up to date" if same else f"{HEADER.name} is not what the rows give; run bench/fit_speed.py")
        return 0 if same else 1
    HEADER.write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
