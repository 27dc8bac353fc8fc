"""The model that the speed fit solves: measured rows joined with the library's features, and a robust ridge regression.

Shared by bench/fit_speed.py, which writes the parameters, and bench/accuracy.py, which reports. Needs numpy.

A row's time is a sum of shares c (features of the library: full-speed seconds, or counts) times fitted factors,

    t = sum_i c_i (1 + exp(z_i))   memory shares: exp(z) is the excess over full speed, so no share beats the ceiling
      + sum_j c_j exp(z_j)         arithmetic shares and fixed costs

and each z is a sum of levels (all, backend, device class; engine; format), every level pulled to 0 by a ridge of stated
width. A class with few rows so stays near its backend, a backend with few rows near all.
"""

from __future__ import annotations

import copy
import csv
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# Several threads may add in another order, and the header would differ in its last digits.
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
    """One measurement with the library's features.

    text             the line of speed.csv, by column
    x                the shares of its time at full speed, by their names in bench/speed_features
    prediction, low, high, ceiling   tokens/s that the library answers
    """

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
        """Names and numbers of the measurement, from its text."""
        t = self.text
        self.id, self.backend, self.engine = t["id"], t["backend"], t["engine"]
        self.model, self.device = t["model"], t["hardware"]
        self.family = FAMILY.get(self.engine, "llama_cpp")
        self.test, self.batch, self.tokens = t["test"], int(t["batch"]), int(t["tokens"])
        self.depth, self.measured = float(t["mean_depth"]), float(t["tokens_per_s"])
        self.flags = set(t["flags"].split())
        self.series = (t["source"], self.device, self.model, t["quant_as_printed"], self.backend)

    @property
    def decode(self) -> bool:
        """Whether it measures decode; else prefill."""
        return self.test == "tg"

    @property
    def named_engine(self) -> bool:
        """Whether the library has a name for its engine."""
        return self.engine not in OTHER_ENGINES


def load(tool: Path) -> list[Row]:
    """Usable rows with the features that the built sizer_speed_features prints of them."""
    output = subprocess.run([str(tool), str(MEASUREMENTS)], check=True, capture_output=True, text=True).stdout
    with MEASUREMENTS.open(newline="", encoding="utf-8") as file:
        measured = {row["id"]: row for row in csv.DictReader(file)}
    rows = []
    for line in csv.DictReader(output.splitlines()):
        text = measured[line["id"]]
        if text["usable"] != "1":
            continue
        x = {k: float(v) for k, v in line.items() if k[:2] in ("d_", "p_") and v not in ("", None)}
        rows.append(Row(
            text, x, line["device_class"], count=int(line["count"]), moe=line["moe"] == "1",
            prediction=float(line["rate"]), low=float(line["low"]), high=float(line["high"]),
            ceiling=float(line["ceiling"]), active_bytes=float(line["active_bytes"]),
            file_bytes=float(line["file_bytes"]),
        ))
    return rows


def above_ceiling(row: Row) -> bool:
    """Faster than the spec bandwidth allows: a misprint, or a batch whose sequences share experts."""
    return row.measured > row.ceiling * 1.001


# ---- regression ------------------------------------------------------------------------------------------------------

# Kinds of share: c (1 + exp(z)) and c exp(z).
EXCESS, SCALE = 0, 1


class Regression:
    """Pseudo-Huber loss on log speed, ridge on every parameter; Levenberg-Marquardt.

    The shares of a row are a list of (kind, full-speed seconds or count, indices of the parameters whose sum is z).
    """

    def __init__(self, sigma: float):
        """sigma: the error of log speed from which on the loss grows linearly."""
        self.sigma, self.names, self.width, self.centre = sigma, {}, [], []
        self.frozen = False

    def parameter(self, name, width: float, centre: float = 0.0) -> int | None:
        """Index of the parameter, a new one when the name is new; None for a new name after the fit."""
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
        """All shares below each other: row, kind, size, parameters as a matrix of counts; and the number of rows."""
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
        """Seconds of each row at the parameters x, and of each share the part that exp(z) scales."""
        row, kind, size, matrix, n = problem
        e = np.exp(np.clip(matrix @ x, -30, 30))
        return np.bincount(row, np.where(kind == EXCESS, size * (1 + e), size * e), n), size * e

    def fit(self, shares, log_amount, log_rate, weight, start: Regression | None = None) -> Regression:
        """Solves for the parameters; `start` is a fit of nearly the same rows."""
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

    def predict(self, shares, amount) -> np.ndarray:
        """Tokens/s: the amount of tokens over the time of the shares."""
        return amount / self.times(self.assemble(shares), self.solution)[0]


def series_weights(rows: list[Row]) -> np.ndarray:
    """A long sweep of one file on one device counts less per row than a lone measurement."""
    n = Counter(row.series for row in rows)
    return np.array([n[row.series] ** -0.25 for row in rows])


# Backends whose kernels are alike enough to start from each other.
KIN = {"sycl": "vulkan", "hpu": "cuda"}


def kin(backend: str) -> str:
    """The backend whose parameters a backend shares."""
    return KIN.get(backend, backend)


def levels(g: Regression, name: str, backend: str, device_class: str, centre: float, widths=(2.0, 0.5, 0.5)):
    """Parameters of a factor: of all, of the backend, of the device class."""
    out = [g.parameter(name, widths[0], centre), g.parameter((name, kin(backend)), widths[1])]
    if device_class:
        out.append(g.parameter((name, backend, device_class), widths[2]))
    return out


def backend_levels(g: Regression, name: str, backend: str, centre: float, widths: tuple[float, float]):
    """Parameters of a factor that too few devices tell apart: of all, of the backend."""
    return [g.parameter(name, widths[0], centre), g.parameter((name, kin(backend)), widths[1])]


def engine_levels(g: Regression, name: str, row: Row):
    """What an engine adds to a factor; llama.cpp's kernels are the reference."""
    out = []
    if row.family != "llama_cpp":
        out.append(g.parameter((name, "family", row.family), 0.5))
    if row.engine in OTHER_ENGINES:
        out.append(g.parameter((name, "engine", row.engine), 0.5))
    return out


def old_build_level(g: Regression, name: str, row: Row, width: float):
    """llama.cpp before autumn 2024; not part of the table, which describes current builds."""
    return [g.parameter((name, "old", kin(row.backend)), width)] if "old-build" in row.flags else []


def format_levels(g: Regression, name: str, f: str, backend: str):
    """Parameters of a weight format relative to q8_0: on all backends, on this one."""
    if f == "q8_0":
        return []
    wide = (backend == "cpu" and f.startswith("iq")) or f == "bf16_experts"
    return [g.parameter((name, f), 0.4), g.parameter((name, f, kin(backend)), 0.8 if wide else 0.4)]


def decode_shares(g: Regression, row: Row, era: float):
    """The shares of one decode step. era: width of what an old build adds."""
    b, c, x = row.backend, row.device_class, row.x
    excess = levels(g, "excess", b, c, -1.0, (2.0, 0.5, 0.4))
    excess += engine_levels(g, "excess", row) + old_build_level(g, "excess", row, era)
    kv = levels(g, "kv", b, c, -0.7, (2.0, 0.5, 0.6)) + old_build_level(g, "kv", row, era * 1.5)
    layer = levels(g, "layer", b, c, np.log(40e-6), (2.0, 0.7, 0.5))
    layer += engine_levels(g, "layer", row) + old_build_level(g, "layer", row, era)
    attention = backend_levels(g, "attention", b, 0.0, (1.0, 0.6))
    shares = []
    for f in FORMATS:
        if x[f"d_weights_{f}"] <= 0:
            continue
        shares.append((EXCESS, x[f"d_weights_{f}"], excess + format_levels(g, "excess_format", f, b)))
        if f not in ("f32", "packed"):
            arithmetic = backend_levels(g, "arithmetic", b, 0.3, (1.0, 0.5))
            arithmetic.append(g.parameter(("arithmetic_format", f), 0.4))
            shares.append((SCALE, x[f"d_arithmetic_{f}"], arithmetic))
    shares += [
        (EXCESS, x["d_state"], excess),
        (EXCESS, x["d_kv"], kv),
        (EXCESS, x["d_latent"], [*kv, g.parameter(("latent", kin(b)), 0.8)]),
        (SCALE, x["d_attention"], attention),
        (SCALE, x["d_latent_attention"], [*attention, g.parameter(("latent_attention", kin(b)), 0.8)]),
        (SCALE, x["d_layers"], layer),
        (SCALE, x["d_moe_layers"], levels(g, "moe_layer", b, c, np.log(25e-6), (1.0, 0.7, 0.5))),
        (SCALE, x["d_recurrent_layers"], backend_levels(g, "recurrent", b, np.log(20e-6), (1.0, 0.7))),
        (SCALE, x["d_batch"], levels(g, "batch", b, c, 0.7, (1.0, 0.7, 0.7))),
    ]
    return shares


def prefill_shares(g: Regression, row: Row, era: float):
    """The shares of one prefill. era: width of what an old build adds."""
    b, c, x = row.backend, row.device_class, row.x
    gemm = levels(g, "gemm", b, c, 0.7, (2.0, 0.5, 0.5))
    gemm += engine_levels(g, "gemm", row) + old_build_level(g, "gemm", row, era)
    attention = levels(g, "prefill_attention", b, c, 1.5, (2.0, 0.6, 0.6))
    attention += old_build_level(g, "prefill_attention", row, era)
    if row.text["flash_attention"] == "0":
        attention.append(g.parameter(("no flash attention", kin(b)), 0.4))
    routed = g.parameter(("routed", kin(b)), 0.4)
    shares = []
    for f in FORMATS:
        relative = format_levels(g, "gemm_format", f, b)
        if x[f"p_matrices_{f}"] > 0:
            shares.append((SCALE, x[f"p_matrices_{f}"], gemm + relative))
        if x[f"p_routed_{f}"] > 0:
            shares.append((SCALE, x[f"p_routed_{f}"], [*gemm, *relative, routed]))
    shares += [
        (SCALE, x["p_small_experts"], gemm + backend_levels(g, "small_expert", b, 0.0, (1.0, 0.6))),
        (SCALE, x["p_attention"], attention),
        (SCALE, x["p_latent_attention"], [*attention, g.parameter(("prefill_latent", kin(b)), 0.8)]),
        (EXCESS, x["p_streamed"], backend_levels(g, "stream", b, -1.0, (1.0, 0.4))),
        (SCALE, x["p_layer_passes"], backend_levels(g, "prefill_layer", b, np.log(1e-4), (1.0, 0.7))),
        (SCALE, x["p_recurrent_tokens"], backend_levels(g, "recurrent_token", b, np.log(1e-7), (1.0, 0.7))),
    ]
    return shares


# How much slower an old build may be before the fit calls it the device's fault (log units).
ERA = 0.3
# The error of log speed, of decode and of prefill, beyond which a row pulls less.
SIGMA = {"tg": 0.07, "pp": 0.1}


def shares_of(g: Regression, row: Row):
    """The shares of the row's test."""
    return decode_shares(g, row, ERA) if row.decode else prefill_shares(g, row, ERA)


def amounts(rows: list[Row]) -> np.ndarray:
    """Tokens that a row's time makes: of one step of its batch, or of its prompt."""
    return np.array([row.batch if row.decode else row.tokens for row in rows], float)


def fit(rows: list[Row], start: Regression | None = None) -> Regression:
    """The fit of rows of one test; `start` is a fit of nearly the same rows."""
    g = Regression(SIGMA[rows[0].test])
    shares = [shares_of(g, row) for row in rows]
    return g.fit(shares, np.log(amounts(rows)), np.log([row.measured for row in rows]), series_weights(rows), start)


def as_named(row: Row) -> Row:
    """The row as the library sees it, which knows neither the age of a build nor engines it has no name for."""
    seen = copy.copy(row)
    seen.flags = row.flags - {"old-build"}
    seen.text = {**row.text, "flash_attention": "1"}
    if row.engine in OTHER_ENGINES:
        seen.engine = "llama.cpp" if row.family == "llama_cpp" else "vllm"
    return seen


def predict(g: Regression, rows: list[Row]) -> np.ndarray:
    """Speeds by the fit, as the library answers."""
    return g.predict([shares_of(g, as_named(row)) for row in rows], amounts(rows))


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
