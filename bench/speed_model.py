"""Shared by bench/fit_speed.py and bench/accuracy.py: the measured rows joined with the library's features of each, and the
robust ridge regression that fits the speed parameters. Needs numpy.

A row's time is a sum of shares c (features of the library: full-speed seconds, or counts) times fitted factors,

    t = sum_i c_i (1 + exp(z_i))   memory shares: exp(z) is the excess over full speed, so no share beats the ceiling
      + sum_j c_j exp(z_j)         arithmetic shares and fixed costs

and each z is a sum of levels (all, backend, device class; engine; format), every level pulled to 0 by a ridge of stated
width. A class with few rows so stays near its backend, a backend with few rows near all.
"""

from __future__ import annotations

import csv
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
MEASUREMENTS = ROOT / "data" / "measurements" / "speed.csv"
FORMATS = ["f32", "f16", "bf16", "q8_0", "q4_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4", "iq_small", "mxfp4",
           "nvfp4", "packed", "bf16_experts"]
FAMILY = {"llama.cpp": "llama_cpp", "ollama": "llama_cpp", "ik_llama.cpp": "llama_cpp", "vllm": "vllm", "mlx": "mlx",
          "tensorrt-llm": "vllm", "deepspeed": "vllm", "sglang": "vllm"}
# Engines that the library does not name: their rows inform the device classes through a factor of their own.
OTHER_ENGINES = ("ik_llama.cpp", "tensorrt-llm", "deepspeed", "sglang")


@dataclass
class Row:
    """One measurement with the library's features."""
    text: dict[str, str]
    x: dict[str, float]
    device_class: str
    count: int
    moe: bool
    prediction: float
    low: float
    high: float
    ceiling: float
    active_bytes: float
    file_bytes: float
    id: str = field(init=False)

    def __post_init__(self):
        t = self.text
        self.id, self.backend, self.engine, self.model, self.device = (t[k] for k in ("id", "backend", "engine", "model", "hardware"))
        self.family = FAMILY.get(self.engine, "llama_cpp")
        self.test, self.batch, self.tokens = t["test"], int(t["batch"]), int(t["tokens"])
        self.depth, self.measured = float(t["mean_depth"]), float(t["tokens_per_s"])
        self.flags = set(t["flags"].split())
        self.series = (t["source"], self.device, self.model, t["quant_as_printed"], self.backend)

    @property
    def decode(self) -> bool:
        return self.test == "tg"

    @property
    def named_engine(self) -> bool:
        return self.engine not in OTHER_ENGINES


def load(tool: Path | None, features: Path | None = None) -> list[Row]:
    """Usable rows. `tool` is the built sizer_speed_features, `features` its saved output."""
    if features is None:
        output = subprocess.run([str(tool), str(MEASUREMENTS)], check=True, capture_output=True, text=True).stdout
    else:
        output = features.read_text()
    with MEASUREMENTS.open(newline="", encoding="utf-8") as file:
        measured = {row["id"]: row for row in csv.DictReader(file)}
    rows = []
    for line in csv.DictReader(output.splitlines()):
        text = measured[line["id"]]
        if text["usable"] != "1":
            continue
        x = {k: float(v) for k, v in line.items() if k[:2] in ("d_", "p_") and v not in ("", None)}
        row = Row(text, x, line["device_class"], int(line["count"]), line["moe"] == "1", float(line["rate"]), float(line["low"]),
                  float(line["high"]), float(line["ceiling"]), float(line["active_bytes"]), float(line["file_bytes"]))
        rows.append(row)
    return rows


def above_ceiling(row: Row) -> bool:
    """Faster than the spec bandwidth allows: a misprint, or a batch whose sequences share experts."""
    return row.measured > row.ceiling * 1.001


# ---- regression ------------------------------------------------------------------------------------------------------

EXCESS, SCALE = 0, 1


class Regression:
    """Pseudo-Huber loss on log speed, ridge on every parameter; Levenberg-Marquardt."""

    def __init__(self, sigma: float):
        self.sigma, self.names, self.width, self.centre = sigma, {}, [], []
        self.frozen = False

    def parameter(self, name, width: float, centre: float = 0.0):
        if name not in self.names:
            if self.frozen:
                return None
            self.names[name] = len(self.width)
            self.width.append(width)
            self.centre.append(centre)
        return self.names[name]

    def value(self, *names) -> float:
        """Sum of levels; a level without data is 0."""
        return float(sum(self.solution[self.names[n]] for n in names if n in self.names))

    def assemble(self, shares):
        row, kind, size, design = [], [], [], []
        for i, parts in enumerate(shares):
            for k, c, parameters in parts:
                if c <= 0:
                    continue
                row.append(i)
                kind.append(k)
                size.append(c)
                design.append([p for p in parameters if p is not None])
        matrix = np.zeros((len(row), len(self.width)))
        for i, parameters in enumerate(design):
            for p in parameters:
                matrix[i, p] += 1
        return np.array(row), np.array(kind), np.array(size), matrix, len(shares)

    @staticmethod
    def times(problem, x):
        row, kind, size, matrix, n = problem
        e = np.exp(np.clip(matrix @ x, -30, 30))
        return np.bincount(row, np.where(kind == EXCESS, size * (1 + e), size * e), n), size * e

    def fit(self, shares, log_amount, log_rate, weight, start: "Regression | None" = None):
        problem = self.assemble(shares)
        row, _, _, matrix, _ = problem
        first = np.searchsorted(row, np.arange(problem[4]))  # shares of a row follow each other
        centre, width = np.array(self.centre), np.array(self.width)
        # A fold starts next to its solution, and a tenth of a unit of chi square moves no digit that is reported.
        tolerance = 1e-4 if start is None else 0.1
        x, damping = centre.copy(), 1e-3
        if start is not None:
            for name, i in self.names.items():
                x[i] = start.solution[start.names[name]] if name in start.names else x[i]

        def evaluate(x):
            t, slope = self.times(problem, x)
            r = (log_amount - np.log(t) - log_rate) / self.sigma * weight
            return r, t, slope, np.sum(2 * (np.sqrt(1 + r * r) - 1)) + np.sum(((x - centre) / width) ** 2)

        r, t, slope, cost = evaluate(x)
        for _ in range(80):
            jacobian = np.add.reduceat((slope / t[row])[:, None] * matrix, first, axis=0)
            jacobian *= -(weight / self.sigma)[:, None]
            robust = 1 / np.sqrt(1 + r * r)
            hessian = jacobian.T @ (jacobian * robust[:, None]) + np.diag(1 / width**2)
            gradient = jacobian.T @ (r * robust) + (x - centre) / width**2
            better = None
            while damping < 1e9:
                step = np.clip(-np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient), -1, 1)
                trial = evaluate(x + step)
                if trial[3] < cost:
                    better = step
                    break
                damping *= 4
            if better is None:
                break
            gain = cost - trial[3]
            x, (r, t, slope, cost) = x + better, trial
            damping = max(damping / 5, 1e-6)
            if gain < tolerance:
                break
        self.solution, self.frozen = x, True
        return self

    def predict(self, shares, amount):
        return amount / self.times(self.assemble(shares), self.solution)[0]


def series_weights(rows: list[Row]) -> np.ndarray:
    """A long sweep of one file on one device counts less per row than a lone measurement."""
    n = Counter(row.series for row in rows)
    return np.array([n[row.series] ** -0.25 for row in rows])


# Backends whose kernels are alike enough to start from each other.
KIN = {"sycl": "vulkan", "hpu": "cuda"}


def kin(backend: str) -> str:
    return KIN.get(backend, backend)


def levels(g: Regression, name: str, backend: str, device_class: str, centre: float, widths=(2.0, 0.5, 0.5)):
    out = [g.parameter(name, widths[0], centre), g.parameter((name, kin(backend)), widths[1])]
    if device_class:
        out.append(g.parameter((name, backend, device_class), widths[2]))
    return out


def engine_levels(g: Regression, name: str, row: Row):
    out = []
    if row.family != "llama_cpp":
        out.append(g.parameter((name, "family", row.family), 0.5))
    if row.engine in OTHER_ENGINES:
        out.append(g.parameter((name, "engine", row.engine), 0.5))
    return out


def old(g: Regression, name: str, row: Row, width: float):
    """llama.cpp before autumn 2024; not part of the table, which describes current builds."""
    return [g.parameter((name, "old", kin(row.backend)), width)] if "old-build" in row.flags else []


def formats(g: Regression, name: str, f: str, backend: str):
    wide = (backend == "cpu" and f.startswith("iq")) or f == "bf16_experts"
    return [g.parameter((name, f), 0.4), g.parameter((name, f, kin(backend)), 0.8 if wide else 0.4)]


def decode_shares(g: Regression, row: Row, era: float):
    b, c, x = row.backend, row.device_class, row.x
    excess = levels(g, "excess", b, c, -1.0, (2.0, 0.5, 0.4)) + engine_levels(g, "excess", row) + old(g, "excess", row, era)
    kv = levels(g, "kv", b, c, -0.7, (2.0, 0.5, 0.6)) + old(g, "kv", row, era * 1.5)
    layer = levels(g, "layer", b, c, np.log(40e-6), (2.0, 0.7, 0.5)) + engine_levels(g, "layer", row) + old(g, "layer", row, era)
    attention = [g.parameter("attention", 1.0, 0.0), g.parameter(("attention", kin(b)), 0.6)]
    shares = []
    for f in FORMATS:
        if x[f"d_weights_{f}"] <= 0:
            continue
        relative = [] if f == "q8_0" else formats(g, "excess_format", f, b)
        shares.append((EXCESS, x[f"d_weights_{f}"], excess + relative))
        if f not in ("f32", "packed"):
            shares.append((SCALE, x[f"d_arithmetic_{f}"], [g.parameter("arithmetic", 1.0, 0.3), g.parameter(("arithmetic", kin(b)), 0.5),
                                                           g.parameter(("arithmetic_format", f), 0.4)]))
    shares += [
        (EXCESS, x["d_state"], excess), (EXCESS, x["d_kv"], kv),
        (EXCESS, x["d_latent"], kv + [g.parameter(("latent", kin(b)), 0.8)]),
        (SCALE, x["d_attention"], attention),
        (SCALE, x["d_latent_attention"], attention + [g.parameter(("latent_attention", kin(b)), 0.8)]),
        (SCALE, x["d_layers"], layer), (SCALE, x["d_moe_layers"], levels(g, "moe_layer", b, c, np.log(25e-6), (1.0, 0.7, 0.5))),
        (SCALE, x["d_recurrent_layers"], [g.parameter("recurrent", 1.0, np.log(20e-6)), g.parameter(("recurrent", kin(b)), 0.7)]),
        (SCALE, x["d_batch"], levels(g, "batch", b, c, 0.7, (1.0, 0.7, 0.7))),
    ]
    return shares


def prefill_shares(g: Regression, row: Row, era: float):
    b, c, x = row.backend, row.device_class, row.x
    gemm = levels(g, "gemm", b, c, 0.7, (2.0, 0.5, 0.5)) + engine_levels(g, "gemm", row) + old(g, "gemm", row, era)
    attention = levels(g, "prefill_attention", b, c, 1.5, (2.0, 0.6, 0.6)) + old(g, "prefill_attention", row, era)
    if row.text["flash_attention"] == "0":
        attention = attention + [g.parameter(("no flash attention", kin(b)), 0.4)]
    routed = [g.parameter(("routed", kin(b)), 0.4)]
    shares = []
    for f in FORMATS:
        relative = [] if f == "q8_0" else formats(g, "gemm_format", f, b)
        if x[f"p_matrices_{f}"] > 0:
            shares.append((SCALE, x[f"p_matrices_{f}"], gemm + relative))
        if x[f"p_routed_{f}"] > 0:
            shares.append((SCALE, x[f"p_routed_{f}"], gemm + relative + routed))
    shares += [
        (SCALE, x["p_small_experts"], gemm + [g.parameter("small_expert", 1.0, 0.0), g.parameter(("small_expert", kin(b)), 0.6)]),
        (SCALE, x["p_attention"], attention),
        (SCALE, x["p_latent_attention"], attention + [g.parameter(("prefill_latent", kin(b)), 0.8)]),
        (EXCESS, x["p_streamed"], [g.parameter("stream", 1.0, -1.0), g.parameter(("stream", kin(b)), 0.4)]),
        (SCALE, x["p_layer_passes"], [g.parameter("prefill_layer", 1.0, np.log(1e-4)), g.parameter(("prefill_layer", kin(b)), 0.7)]),
        (SCALE, x["p_recurrent_tokens"], [g.parameter("recurrent_token", 1.0, np.log(1e-7)), g.parameter(("recurrent_token", kin(b)), 0.7)]),
    ]
    return shares


# How much slower an old build may be before the fit calls it the device's fault (log units).
ERA = 0.3
SIGMA = {"tg": 0.07, "pp": 0.1}


def shares_of(g: Regression, row: Row):
    return decode_shares(g, row, ERA) if row.decode else prefill_shares(g, row, ERA)


def amounts(rows: list[Row]) -> np.ndarray:
    return np.array([row.batch if row.decode else row.tokens for row in rows], float)


def fit(rows: list[Row], start: Regression | None = None) -> Regression:
    g = Regression(SIGMA[rows[0].test])
    shares = [shares_of(g, row) for row in rows]
    return g.fit(shares, np.log(amounts(rows)), np.log([row.measured for row in rows]), series_weights(rows), start)


def predict(g: Regression, rows: list[Row], as_named: bool = True) -> np.ndarray:
    """Speeds by the fit. as_named: as the library answers, which knows neither the age of a build nor engines it has no
    name for."""
    saved = [(row, row.flags, row.engine, row.text) for row in rows]
    if as_named:
        for row in rows:
            row.flags = row.flags - {"old-build"}
            row.engine = "llama.cpp" if row.engine == "ik_llama.cpp" else "vllm" if row.engine in OTHER_ENGINES else row.engine
            row.text = {**row.text, "flash_attention": "1"}
    try:
        return g.predict([shares_of(g, row) for row in rows], amounts(rows))
    finally:
        for row, flags, engine, text in saved:
            row.flags, row.engine, row.text = flags, engine, text


def held_out(rows: list[Row], key, start: Regression | None = None) -> np.ndarray:
    """Predictions of each row by a fit that never saw any row with the same key."""
    out = np.zeros(len(rows))
    for group in sorted({key(row) for row in rows}):
        inside = [i for i, row in enumerate(rows) if key(row) == group]
        g = fit([row for row in rows if key(row) != group], start)
        out[inside] = predict(g, [rows[i] for i in inside])
    return out


def fitted_rows(rows: list[Row], test: str) -> list[Row]:
    """Rows of one test on one device that the fit uses."""
    out = [row for row in rows if row.test == test and row.count == 1]
    return [row for row in out if row.batch > 1 or not above_ceiling(row)] if test == "tg" else out
