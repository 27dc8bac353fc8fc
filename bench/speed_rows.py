"""The measured rows that the speed model is fitted to, with what physics says of each.

Shared by bench/fit_speed.py and the accuracy page. Needs the built package on PYTHONPATH (build/release/python).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sizer._accuracy.predict import predict
from sizer._measurements import ResolvedRow, read_rows, resolve_all

ROOT = Path(__file__).resolve().parents[1]
MEASUREMENTS = ROOT / "data" / "measurements" / "speed.csv"

#: Weight of a row of several cards whose ubatches follow each other: it says little about the kernels.
PIPELINE_WEIGHT = 0.3
#: Cards that are fuller than this spill into host memory under Vulkan.
VULKAN_FULL = 0.95


@dataclass(frozen=True)
class FitRow:
    """A usable row: what was measured, and the shares of its time (see _core.timed_row)."""

    resolved: ResolvedRow
    answer: Mapping[str, Any]

    @property
    def decode(self) -> bool:
        """Whether it measures decode; else prefill."""
        return self.resolved.row.test == "tg"

    @property
    def device(self) -> str:
        """Name of the device, the same for any number of them."""
        return self.resolved.row.device

    @property
    def model(self) -> str:
        """Id of the model."""
        assert self.resolved.model is not None
        return self.resolved.model.id

    @property
    def measured(self) -> float:
        """Tokens/s."""
        return self.resolved.row.tokens_per_s

    @property
    def seconds(self) -> float:
        """Measured time of one step, or of the prefill."""
        return float(self.answer["produced"]) / self.measured

    @property
    def device_class(self) -> tuple[int, int]:
        """Backend and class, as the library counts them."""
        return int(self.answer["backend"]), int(self.answer["device_class"])

    @property
    def series(self) -> tuple[str, ...]:
        """Rows of one source, device, model and file: they err together."""
        row = self.resolved.row
        return row.source, row.device, row.model, row.quant, self.resolved.backend


def _host_bound(rows: Sequence[ResolvedRow]) -> set[tuple[str, str, str]]:
    """Runs whose single sequences an old engine's host bound; so it did their batches."""
    return {
        (one.row.source, one.row.device, one.engine)
        for one in rows
        if any("bound by its host" in reason for reason in one.reasons)
    }


def _spills(row: ResolvedRow) -> bool:
    size = row.row.file_size_gib
    if row.backend != "vulkan" or row.hardware is None or row.row.device_count == 1 or size is None:
        return False
    return size * 1024**3 > VULKAN_FULL * row.hardware.usable_bytes * row.row.device_count


def load() -> tuple[list[FitRow], list[tuple[str, str]]]:
    """Usable rows with their shares, and the id and reason of each row that is left out."""
    resolved = resolve_all(read_rows(MEASUREMENTS))
    host_bound = _host_bound(resolved)
    rows, left_out = [], []
    for one in resolved:
        row = one.row
        reasons = list(one.reasons)
        if one.unmapped_reason is not None:
            reasons.append(one.unmapped_reason)
        if (row.source, row.device, one.engine) in host_bound and row.test == "tg" and not reasons:
            reasons.append("another row of the run is bound by its host")
        if _spills(one):
            reasons.append("Vulkan spills into host memory")
        if reasons:
            left_out.append((row.id, "; ".join(reasons)))
            continue
        answer = predict(one)
        # A batch may exceed the ceiling when its sequences share experts; a misprint does so with one sequence.
        if row.batch == 1 and row.tokens_per_s > answer["ceiling_tokens_per_s"] * 1.001:
            left_out.append((row.id, "faster than its ceiling"))
            continue
        rows.append(FitRow(one, answer))
    return rows, left_out


def weights_of(rows: Sequence[FitRow]) -> list[float]:
    """A long sweep of one file counts less per row, and so do the many rows of one device."""
    series = Counter(row.series for row in rows)
    devices = Counter((row.device, row.resolved.backend) for row in rows)
    weights = []
    for row in rows:
        weight = series[row.series] ** -0.25
        if row.decode:
            weight *= devices[row.device, row.resolved.backend] ** -0.125
        elif row.resolved.row.device_count > 1 and row.resolved.backend in ("cuda", "rocm"):
            weight *= PIPELINE_WEIGHT
        weights.append(weight)
    return weights


def group_of(row: FitRow) -> int:
    """One of ten groups; rows of one device and model are together."""
    text = f"{row.device}|{row.model}"
    value = 0
    for letter in text:  # hash() differs between runs
        value = (value * 131 + ord(letter)) % 1_000_003
    return value % 10


def is_named(row: FitRow) -> bool:
    """Whether the library has a name for its engine, so that its errors are the library's."""
    return row.resolved.engine in ("llama.cpp", "ollama", "lm-studio", "vllm", "mlx")


def is_single(row: FitRow) -> bool:
    """One device, one sequence, and an engine that the library names."""
    printed = row.resolved.row
    return printed.device_count == 1 and printed.batch == 1 and is_named(row)


def origin(row: FitRow) -> str:
    """The repository or page that a row comes from."""
    return re.split(r"[:@#]", row.resolved.row.source)[0]
