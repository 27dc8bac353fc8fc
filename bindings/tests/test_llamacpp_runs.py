"""Python's numbers against contexts that llama.cpp itself reserved: the same rows that hold the C++ core."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import sizer

DATA = Path(__file__).resolve().parents[2] / "tests" / "golden" / "data"
SHAPES = json.loads((DATA / "llamacpp_shapes.json").read_text(encoding="utf-8"))


def rows() -> list[dict[str, str]]:
    with (DATA / "llamacpp_memory.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["status"] == "ok"]


def model_of(name: str) -> sizer.Model:
    shape = SHAPES[name]["shape"]
    return sizer.Model.from_gguf_metadata(
        {"general.architecture": SHAPES[name]["gguf_architecture"], **SHAPES[name]["gguf_hparams"]},
        name=name,
        tied_embeddings=shape["tied_embeddings"],
        qkv_bias=shape.get("qkv_bias"),
        qk_norm=shape.get("qk_norm"),
    )


def estimate_of(row: dict[str, str], model: sizer.Model) -> Any:
    on_host = row["layout"] == "cpu"
    options: dict[str, Any] = {
        "type_k": row["type_k"],
        "type_v": row["type_v"],
        "kv_unified": row["kv_unified"] == "1",
        "swa_full": row["swa_full"] == "1",
        "n_batch": int(row["n_batch"]),
        "n_outputs_max": int(row["n_outputs_max"]),
        "n_rs_seq": int(row["n_rs_seq"]),
        "n_gpu_layers": int(row["ngl"]),
        "offload_kqv": row["offload_kqv"] == "1",
    }
    return sizer.estimate(
        model=model,
        hardware="ryzen-9800x3d" if on_host else "rtx-3090",
        quant="Q8_0" if row["weight_type"] == "Q8_0" else "MXFP4_MOE",
        context=int(row["n_ctx"]),
        parallel=int(row["n_seq"]),
        ubatch=int(row["n_ubatch"]),
        flash_attention=row["flash_attn"] == "on",
        engine_options=options,
    )


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_context_of_a_model_is_llama_cpps_to_the_byte(name: str) -> None:
    # An estimate refuses a context above the trained one; llama.cpp only warns, and some rows go there.
    model = model_of(name).replace(context_length=1 << 20)
    compared = 0
    for row in rows():
        if row["model"] != name:
            continue
        memory = estimate_of(row, model).memory
        cache = int(row["cache_bytes_device"]) + int(row["cache_bytes_host"])
        assert memory.weights_bytes == int(row["weights_bytes_total"]), row
        assert memory.kv_cache_bytes + memory.recurrent_state_bytes == cache, row
        assert memory.compute_buffer_bytes == int(row["compute_bytes_device"]) + int(row["compute_bytes_host"]), row
        compared += 1
    assert compared >= 28
