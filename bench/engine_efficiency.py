#!/usr/bin/env python3
"""How fast llama.cpp runs on a CPU, from the microbenchmark of the same machine.

    python3 bench/engine_efficiency.py collect RUNS.csv MODELS --profile PROFILE.json
    python3 bench/engine_efficiency.py fit [--check]
    python3 bench/engine_efficiency.py compare RUNS.csv MODELS --profile PROFILE.json

RUNS.csv and MODELS are what bench/llama_cpp_decode.py writes, PROFILE.json is of `sizer measure`; both of one machine,
made one right after the other.

collect  adds the runs to data/measurements/llama_cpp_cpu.csv, with the work that the library sees in each and the rates
         that the profile has for it
fit      writes libsizer/include/sizer/speed/engine_efficiency.hpp from that file. Shapes whose name begins with "test"
         are never fitted. --check compares instead of writing
compare  predicts every run from the profile with sizer.estimate, as a user would, and prints measured against
         predicted; 1 when a shape whose name begins with "test" is missed by more than 10 % at depth 0 or 15 % beyond

A token's time is a sum over what it does, each part at the rate that the microbenchmark measured for it:

    t = sum_f bytes_f / kernel_f / share_f + rows x (loop x attention_row + rest x attention_rest)
      + layers x (layer + barriers x barrier)

with rows the query heads x cached tokens of all layers, loop the time of attention_by_row in the model's shape, and
rest the elements of a head that do not fill the engine's vectors, at the attention kernel's rate. share, attention_row,
attention_rest, barriers and layer are fitted, none below 0; an 80 % interval comes from shapes left out in turn.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads may add in another order
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "data" / "measurements" / "llama_cpp_cpu.csv"
HEADER = ROOT / "libsizer" / "include" / "sizer" / "speed" / "engine_efficiency.hpp"

#: Formats that are fitted: the kernel that stands for each, and bits per weight of the format and of the kernel's.
KERNELS = {
    "f16": ("f16", 16.0, 16.0),
    "q8_0": ("q8_0", 8.5, 8.5),
    "q4_0": ("q4_0", 4.5, 4.5),
    "q4_k": ("q4_k", 4.5, 4.5),
    "q6_k": ("q4_k", 6.5625, 4.5),
}
#: Every format of speed/weight_format.hpp, in its order, and whose share it takes.
SHARES = {
    "f32": "f16", "f16": "f16", "bf16": "f16", "q8_0": "q8_0", "q4_0": "q4_0", "q2_k": "q6_k", "q3_k": "q6_k",
    "q4_k": "q4_k", "q5_k": "q6_k", "q6_k": "q6_k", "iq4": "q4_0", "iq_small": "q6_k", "mxfp4": "q4_0",
    "nvfp4": "q4_0", "packed": "q8_0", "bf16_experts": "f16",
}  # fmt: skip
FIXED = ("attention_row", "attention_rest", "barriers", "layer")
COLUMNS = (
    *("machine", "engine", "engine_version", "engine_build", "date", "shape", "quantisation", "kv_type", "threads"),
    *("depth", "tokens_per_s", "low", "high", "n"),
    *(f"bytes_{name}" for name in KERNELS),
    *("attention_rows", "layers", "read_gb_per_s"),
    *(f"kernel_{name}_gb_per_s" for name in ("f16", "q8_0", "q4_0", "q4_k")),
    *("row_loop_ns", "row_rest_ns", "barrier_us"),
)

Row = dict[str, Any]


def is_test(row: Row) -> bool:
    """Whether a run is kept back from the fit."""
    return str(row["shape"]).startswith("test")


def runs_of(path: Path) -> list[Row]:
    """Decode runs of a file of bench/llama_cpp_decode.py."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["kind"] == "decode"]


def rates_of(profile: dict[str, Any], threads: int) -> Row:
    """What the profile measured with that many threads."""
    entry = next(one for one in profile["machine"]["devices"][0]["measured"] if one["threads"] == threads)
    return {
        "read_gb_per_s": entry["read"]["value"],
        **{f"kernel_{name}_gb_per_s": figure["value"] for name, figure in entry["weights"].items()},
        "barrier_us": entry["barrier"]["value"] if threads > 1 else 0,
    }


def work_of(path: Path, machine: Any, depth: int, kv_type: str, threads: int) -> Row:
    """What the library sees in one token."""
    import sizer
    from sizer import _arguments, _core

    model = sizer.model(path)
    work = sizer.decode_work(model=model, depth=depth, kv_type=kv_type)
    request = _arguments.request(
        **dict.fromkeys(("quant", "context", "parallel", "prompt_tokens", "output_tokens", "engine", "ubatch")),
        kv_type=kv_type, batch=1, depth=depth, flash_attention=True, engine_options={"n_threads": threads},
    )  # fmt: skip
    row = _core.measured_row(model._entry, machine._entry, request)
    return {
        **{f"bytes_{name}": round(work["weights_bytes"].get(name, 0)) for name in KERNELS},
        "attention_rows": round(work["attention_rows"]),
        "layers": round(work["layers"]),
        "row_loop_ns": round(row["loop_s"] * 1e9, 4),
        "row_rest_ns": round(row["rest_s"] * 1e9, 6),
    }


def collect(runs: Path, models: Path, profile_path: Path) -> None:
    """Adds runs; a run of the same machine, engine build, shape, quantisation, threads, depth and cache is replaced."""
    import sizer

    profile = json.loads(profile_path.read_text(encoding="utf-8"))
    machine = sizer.hardware(profile_path)
    known = read_rows() if RUNS.exists() else []
    key = ("machine", "engine_version", "engine_build", "shape", "quantisation", "kv_type", "threads", "depth")
    table = {tuple(str(row[name]) for name in key): row for row in known}
    for run in runs_of(runs):
        threads, depth, kv_type = int(run["threads"]), int(run["depth"]), run["kv_type"]
        row: Row = {
            "machine": profile["machine"]["id"],
            "engine": "llama.cpp",
            "engine_version": f"llama-cpp-python {run['llama_cpp_python']}",
            "engine_build": run["system_info"],
            "date": run["date"][:10],
            **{name: run[name] for name in ("shape", "quantisation", "kv_type", "threads", "depth")},
            **{name: run[name] for name in ("tokens_per_s", "low", "high", "n")},
            **work_of(models / f"{run['shape']}-{run['quantisation']}.gguf", machine, depth, kv_type, threads),
            **rates_of(profile, threads),
        }
        table[tuple(str(row[name]) for name in key)] = row
    with RUNS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.values())
    print(f"{RUNS.relative_to(ROOT)}: {len(table)} runs")


def read_rows() -> list[Row]:
    """The committed runs."""
    with RUNS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shares(row: Row) -> np.ndarray:
    """Seconds of each part of a token when its factor is 1, in the order of KERNELS and FIXED."""
    number = {name: float(value) for name, value in row.items() if name not in COLUMNS[:8]}
    read = number["read_gb_per_s"] * 1e9
    parts = []
    for name, (kernel, bits, kernel_bits) in KERNELS.items():
        rate = min(number[f"kernel_{kernel}_gb_per_s"] * 1e9 * bits / kernel_bits, read)
        parts.append(number[f"bytes_{name}"] / rate)
    rows = number["attention_rows"] * 1e-9
    parts += [rows * number["row_loop_ns"], rows * number["row_rest_ns"]]
    parts += [number["layers"] * number["barrier_us"] * 1e-6, number["layers"]]
    return np.array(parts)


def solve(rows: list[Row]) -> np.ndarray:
    """Factors of at least 0 that leave the least relative errors (Lawson and Hanson's non-negative least squares)."""
    time = np.array([1 / float(row["tokens_per_s"]) for row in rows])
    table = np.array([shares(row) for row in rows])
    a = table / time[:, None]
    b = np.ones(len(rows))
    scale = np.where(a.any(axis=0), np.linalg.norm(a, axis=0), 1.0)
    a = a / scale
    x = np.zeros(a.shape[1])
    used = np.zeros(a.shape[1], dtype=bool)
    for _ in range(10 * len(x)):
        gradient = a.T @ (b - a @ x)
        gradient[used] = 0
        best = int(np.argmax(gradient))
        if gradient[best] <= 1e-10:
            break
        used[best] = True
        while True:
            trial = np.zeros_like(x)
            trial[used] = np.linalg.lstsq(a[:, used], b, rcond=None)[0]
            if trial[used].min() > 0:
                x = trial
                break
            down = used & (trial <= 0)
            step = np.min(x[down] / (x[down] - trial[down]))
            x = x + step * (trial - x)
            used &= x > 1e-12
            x[~used] = 0
    return x / scale


def predicted(factors: np.ndarray, row: Row) -> float:
    """Tokens per second."""
    return float(1 / (shares(row) @ factors))


def fit(check: bool) -> int:
    """Fits, says how well, and writes or compares the header."""
    rows = [row for row in read_rows() if not is_test(row)]
    factors = solve(rows)
    names = [*KERNELS, *FIXED]
    ratios = []
    for shape in sorted({row["shape"] for row in rows}):
        others = solve([row for row in rows if row["shape"] != shape])
        ratios += [float(row["tokens_per_s"]) / predicted(others, row) for row in rows if row["shape"] == shape]
    low, high = np.percentile(ratios, [10, 90])
    errors = [abs(predicted(factors, row) / float(row["tokens_per_s"]) - 1) for row in rows]
    left_out = [abs(1 / ratio - 1) for ratio in ratios]
    print(f"{len(rows)} runs of {len({row['shape'] for row in rows})} shapes")
    for name, factor in zip(names, factors, strict=True):
        print(f"  {name:14s} {1 / factor if name in KERNELS and factor > 0 else factor:.4g}")
    print(f"error: median {np.median(errors):.1%}, worst {max(errors):.1%}")
    print(f"shapes left out in turn: median {np.median(left_out):.1%}, worst {max(left_out):.1%}")
    share = {name: 1 / factors[i] if factors[i] > 0 else 1.0 for i, name in enumerate(KERNELS)}
    text = header(share, dict(zip(FIXED, factors[len(KERNELS) :], strict=True)), (low, high), len(rows))
    if check:
        same = HEADER.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{HEADER.relative_to(ROOT)} is not what this fit writes")
        return 0 if same else 1
    HEADER.write_text(text, encoding="utf-8")
    return 0


def header(share: dict[str, float], fixed: dict[str, float], interval: tuple[float, float], n: int) -> str:
    """The header with other numbers in it."""
    values = [f"{share[SHARES[name]]:.3f}" for name in SHARES]
    lines = [", ".join(values[i : i + 8]) for i in (0, 8)]
    numbers = (
        f"inline constexpr engine_efficiency llama_cpp_efficiency{{\n"
        f"    // {', '.join(SHARES)}\n"
        f"    {{{{{lines[0]},\n      {lines[1]}}}}},\n"
        f"    {fixed['attention_row']:.4g},\n"
        f"    {fixed['attention_rest']:.4g},\n"
        f"    {fixed['barriers']:.4g},\n"
        f"    {fixed['layer']:.4g},\n"
        f"    {interval[0]:.3f},\n"
        f"    {interval[1]:.3f},\n"
        f"    {n}}};\n"
    )
    old = HEADER.read_text(encoding="utf-8")
    pattern = r"inline constexpr engine_efficiency llama_cpp_efficiency\{.*?\};\n"
    return re.sub(pattern, lambda _: numbers, old, flags=re.DOTALL)


def compare(runs: Path, models: Path, profile: Path) -> int:
    """Predicts each run as a user would."""
    import sizer

    machine = sizer.hardware(profile)
    wrong = 0
    errors: dict[tuple[bool, bool], list[float]] = {}
    print("| shape | quantisation | KV | threads | depth | measured tok/s | predicted | interval | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    for run in runs_of(runs):
        depth = int(run["depth"])
        e = sizer.estimate(
            model=models / f"{run['shape']}-{run['quantisation']}.gguf",
            hardware=machine,
            context=8192,
            depth=depth,
            prompt_tokens=0,
            output_tokens=32,
            kv_type=run["kv_type"],
            engine="llama.cpp",
            engine_options={"n_threads": int(run["threads"])},
        )
        measured = float(run["tokens_per_s"])
        error = e.decode.tokens_per_s / measured - 1
        allowed = 0.10 if depth == 0 else 0.15
        late = is_test(run) and abs(error) > allowed
        wrong += late
        errors.setdefault((is_test(run), depth > 0), []).append(abs(error))
        what = " | ".join((run["shape"], run["quantisation"], run["kv_type"], run["threads"], run["depth"]))
        got = f"{e.decode.tokens_per_s:.2f} | {e.decode.low:.1f}-{e.decode.high:.1f}"
        print(f"| {what} | {measured:.2f} | {got} | {error:+.1%}{' !' if late else ''} |")
    for (test, deep), found in sorted(errors.items()):
        what = f"{'test' if test else 'fitted'} shapes, depth {'above 0' if deep else '0'}"
        print(f"{what}: median error {np.median(found):.1%}, worst {max(found):.1%}, {len(found)} runs")
    return 1 if wrong else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("collect", "compare"):
        sub = commands.add_parser(name)
        sub.add_argument("runs", type=Path)
        sub.add_argument("models", type=Path)
        sub.add_argument("--profile", type=Path, required=True)
    sub = commands.add_parser("fit")
    sub.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.command == "fit":
        return fit(options.check)
    if options.command == "collect":
        collect(options.runs, options.models, options.profile)
        return 0
    return compare(options.runs, options.models, options.profile)


if __name__ == "__main__":
    sys.exit(main())
