#!/usr/bin/env python3
"""Holds published speeds of models that lie partly in RAM against the predictions: tests/golden/data/offload_speed.csv.

python3 bench/offload_speed.py    prints every row, and the errors in all

Needs the built Python package on PYTHONPATH. The rows were written down from their sources. One number was taken
from them: the share of the bus that a prefill with weights in RAM reaches (placement/site.hpp). What a layer costs
when its experts are on the host was chosen among three ways with these rows in sight, none with a free number. A
processor that the catalogue lacks is represented by the nearest one, with the row's own memory bandwidth; PCIe 4.0 x16
stands in where the source states no lanes, and DDR5-6000 where it states no memory.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sizer
from sizer import formatting as f

ROWS = Path(__file__).resolve().parents[1] / "tests" / "golden" / "data" / "offload_speed.csv"

#: Words of a row's hardware, and the processor of the catalogue that is nearest.
_PROCESSORS = (
    ("14th generation", "core-i9-14900k-ddr5-6000"),
    ("i9-14900K", "core-i9-14900k-ddr5-6000"),
    ("Ryzen 9 7900", "ryzen-9-7900x-ddr5-6000"),
    ("Ryzen 9 7950X", "ryzen-9-7950x-ddr5-6000"),
    ("7965WX", "threadripper-pro-7965wx-ddr5-4800"),
    ("EPYC 9355", "epyc-9354-12ch-ddr5-4800"),
    ("EPYC 7343", "epyc-7443-8ch-ddr4-3200"),
    ("i5-12600K", "core-i5-13600k-ddr5-5600"),
    ("i9-10900X", "ddr4-3200-dual-channel"),
    ("host not stated", "ryzen-9-7900x-ddr5-6000"),
)

#: Weight formats as a file calls itself, and what the library calls the nearest. gpt-oss in "F16" keeps MXFP4 experts.
_FORMATS = {("gpt-oss-120b", "F16"): "MXFP4_MOE", ("qwen3-235b-a22b", "GPTQ-Int4"): "AWQ"}


@dataclass(frozen=True)
class Held:
    """A published run beside its prediction; a speed that was not printed is None."""

    row: dict[str, str]
    decode: sizer.Rate
    decode_seen: float
    prefill: sizer.Rate
    prefill_seen: float | None

    @property
    def partly_in_ram(self) -> bool:
        """Whether a part lies in RAM whose bandwidth the source states."""
        return bool(self.row["host_bandwidth_gbs"]) and " + " in self.row["hardware"]


def _machine(row: dict[str, str], share: float = 1.0) -> sizer.Hardware:
    card, _, count = row["cards"].partition(" x")
    cards = f"{count}x {card}" if count != "1" else card
    processor = next((name for words, name in _PROCESSORS if words in row["hardware"]), None)
    if processor is None:
        return sizer.combine(cards)
    lanes = "pcie-" + row["pcie"].replace(" ", "-") if row["pcie"] else "pcie-4.0-x16"
    entry = sizer.combine(f"{cards} + {processor}", [lanes]).to_dict()
    for link in entry["links"]:
        if link["between"] == "host":
            link["bandwidth"]["value"] *= share
    taken = {"kind": "assumed", "source": "general-knowledge", "why": "as the row states it"}
    room: dict[str, Any] = {**taken, "value": 768, "unit": "GiB", "why": "it ran"}
    beside = [device["memory"] for device in entry["devices"] if device["backend"] == "cpu"]
    for memory in [entry["host_memory"], *beside]:
        memory.update(sold=room, usable={**room, "value": 760})
        if row["host_bandwidth_gbs"]:
            memory["bandwidth_spec"] = {**taken, "value": float(row["host_bandwidth_gbs"]), "unit": "GB/s"}
        for measured in ("bandwidth_measured", "bus_width_bits", "data_rate_mts"):
            memory.pop(measured, None)
    return sizer.Hardware.from_dict(entry)


def held(row: dict[str, str], share: float = 1.0) -> Held:
    """The prediction for a row, with the bus at a share of what the library takes it to reach."""
    model = sizer.model(row["model_id"])
    depth, prompt = int(row["context_depth"]), int(row["prompt_tokens"] or 512)
    behind = depth == prompt and depth > 0  # the answer was written behind the prompt that was timed
    request: dict[str, Any] = {
        "quant": _FORMATS.get((row["model_id"], row["quant"]), row["quant"]),
        "context": depth + prompt + 512,
        "depth": 0 if behind else depth,
        "prompt_tokens": prompt,
        "output_tokens": 128,
        "kv_type": "q8_0" if "K and V q8_0" in row["notes"] or row["notes"].startswith("as 3090") else "f16",
    }
    if row["engine"].startswith("vLLM"):
        request.update(engine="vllm", kv_type="f16")
    else:
        options = {"n_cpu_moe": min(int(row["n_cpu_moe"]), model.n_layers)} if row["n_cpu_moe"] != "0" else {}
        if int(row["n_gpu_layers"]) <= model.n_layers:
            options["n_gpu_layers"] = int(row["n_gpu_layers"])
        request.update(ubatch=int(row["ubatch"] or 512), engine_options=options)
    one = sizer.estimate(model, _machine(row, share), **request)
    decode = one.decode_behind_prompt if behind else one.decode
    prefill = float(row["prefill_tokens_per_s"]) if row["prefill_tokens_per_s"] else None
    return Held(row, decode, float(row["decode_tokens_per_s"]), one.prefill, prefill)


def rows() -> Iterator[Held]:
    """Every row with a card that is known."""
    with ROWS.open(encoding="utf-8", newline="") as file:
        yield from (held(row) for row in csv.DictReader(file) if row["cards"])


def errors(pairs: list[tuple[sizer.Rate, float]]) -> tuple[float, int]:
    """The median of how far predictions are off, and how many measurements lie in their intervals."""
    off = statistics.median(abs(rate.tokens_per_s / seen - 1) for rate, seen in pairs)
    return off, sum(rate.low <= seen <= rate.high for rate, seen in pairs)


def prefill_without_machine() -> float:
    """The median error of prefill with the bus's share chosen on the rows of the other machines. The library's own was
    read off all of them."""
    shares = [reached / 0.65 for reached in (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)]
    with ROWS.open(encoding="utf-8", newline="") as file:
        all_rows = [row for row in csv.DictReader(file) if row["cards"] and row["prefill_tokens_per_s"]]
    off: dict[float, list[tuple[str, float]]] = {share: [] for share in shares}
    for row in all_rows:
        for share in shares:
            one = held(row, share)
            if one.partly_in_ram and one.prefill_seen is not None:
                error = abs(one.prefill.tokens_per_s / one.prefill_seen - 1)
                off[share].append((row["id"].partition("-")[0], error))
    machines = {machine for machine, _ in off[shares[0]]}
    left_out = []
    for machine in machines:
        chosen = min(
            shares, key=lambda share, own=machine: statistics.median(e for name, e in off[share] if name != own)
        )
        left_out += [error for name, error in off[chosen] if name == machine]
    return statistics.median(left_out)


def _cell(rate: sizer.Rate, seen: float | None) -> str:
    if seen is None:
        return f"{f.significant(rate.tokens_per_s):>7}"
    inside = "" if rate.low <= seen <= rate.high else " out"
    off = f"{rate.tokens_per_s / seen - 1:+.0%}"
    return f"{f.significant(rate.tokens_per_s):>7} / {f.significant(seen):<7}{off:>7}{inside:4}"


def main() -> None:
    """Prints the rows."""
    found = list(rows())
    print(f"{'row':40}{'decode, predicted / published':34}prefill")
    for one in found:
        print(f"{one.row['id']:40}{_cell(one.decode, one.decode_seen):34}{_cell(one.prefill, one.prefill_seen)}")
    part = [one for one in found if one.partly_in_ram]
    for name, pairs in (
        ("decode", [(one.decode, one.decode_seen) for one in part]),
        ("prefill", [(one.prefill, one.prefill_seen) for one in part if one.prefill_seen is not None]),
    ):
        off, inside = errors(pairs)
        print(
            f"{name}, partly in RAM of known bandwidth: {len(pairs)} rows, {off:.0%} off in the median, {inside} inside"
        )
    print(f"prefill, the share of the bus chosen without the row's machine: {prefill_without_machine():.0%} off")


if __name__ == "__main__":
    main()
