"""Output of benchmark programs as measurements: what each format gives, and what broken files answer."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._measurements import (
    FORMATS,
    Imported,
    detect_format,
    import_file,
    import_measurements,
    read_llama_bench,
    read_vllm_bench,
    resolve,
    write_rows,
)

# Two tests as llama-bench of 2025 writes them; the names of all fields are the program's.
PREFILL: dict[str, Any] = {
    "build_commit": "a1b2c3d4",
    "build_number": 6123,
    "cpu_info": "AMD Ryzen 9 7950X 16-Core Processor",
    "gpu_info": "NVIDIA GeForce RTX 4090",
    "backends": "CUDA",
    "model_filename": "models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
    "model_type": "llama 8B Q4_K - Medium",
    "model_size": 4912898304,
    "model_n_params": 8030261312,
    "n_batch": 2048,
    "n_ubatch": 1024,
    "n_threads": 16,
    "cpu_mask": "0x0",
    "cpu_strict": False,
    "poll": 50,
    "type_k": "q8_0",
    "type_v": "f16",
    "n_gpu_layers": 99,
    "n_cpu_moe": 0,
    "split_mode": "layer",
    "main_gpu": 0,
    "no_kv_offload": False,
    "flash_attn": True,
    "devices": "auto",
    "tensor_split": "0.00",
    "tensor_buft_overrides": "none",
    "use_mmap": True,
    "embeddings": False,
    "no_op_offload": 0,
    "n_prompt": 512,
    "n_gen": 0,
    "n_depth": 0,
    "test_time": "2025-08-10T10:00:00Z",
    "avg_ns": 45000000,
    "stddev_ns": 500000,
    "avg_ts": 11377.8,
    "stddev_ts": 126.4,
    "samples_ns": [45000000],
    "samples_ts": [11377.8],
}
DECODE = {**PREFILL, "n_prompt": 0, "n_gen": 128, "n_depth": 4096, "avg_ts": 140.25, "stddev_ts": 0.75}
COMBINED = {**PREFILL, "n_prompt": 512, "n_gen": 128, "avg_ts": 800.0}
TESTS = [PREFILL, DECODE, COMBINED]


def as_json(tests: list[dict[str, Any]] = TESTS) -> str:
    return json.dumps(tests, indent=2)


def as_jsonl(tests: list[dict[str, Any]] = TESTS) -> str:
    return "".join(json.dumps(test) + "\n" for test in tests)


def as_csv(tests: list[dict[str, Any]] = TESTS) -> str:
    names = [name for name in PREFILL if not name.startswith("samples")]
    file = io.StringIO()
    file.write(",".join(names) + "\n")
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [test[name] for name in names] for test in tests
    )
    return file.getvalue()


def as_sql(tests: list[dict[str, Any]] = TESTS) -> str:
    names = [name for name in PREFILL if not name.startswith("samples")]
    create = (
        "CREATE TABLE IF NOT EXISTS llama_bench (\n  " + ",\n  ".join(f"{name} TEXT" for name in names) + "\n);\n\n"
    )
    quoted = [", ".join("'" + str(test[name]).replace("'", "''") + "'" for name in names) for test in tests]
    return create + "".join(f"INSERT INTO llama_bench ({', '.join(names)}) VALUES ({values});\n" for values in quoted)


TABLE = """ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
| model                          |       size |     params | backend    | ngl | n_ubatch | type_k | fa |                test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | -------: | -----: | -: | ------------------: | -------------------: |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | CUDA       |  99 |     1024 |   q8_0 |  1 |               pp512 |   11377.80 \u00b1 126.40 |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | CUDA       |  99 |     1024 |   q8_0 |  1 |     tg128 @ d4096 |      140.25 \u00b1 0.75 |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | CUDA       |  99 |     1024 |   q8_0 |  1 |         pp512+tg128 |      800.00 \u00b1 1.00 |

build: a1b2c3d4 (6123)
"""  # noqa: E501

WRITTEN = {"json": as_json(), "jsonl": as_jsonl(), "csv": as_csv(), "sql": as_sql(), "md": TABLE}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_five_formats_of_llama_bench_say_the_same(name: str) -> None:
    text = WRITTEN[name]
    assert detect_format(text) == f"llama-bench-{name}"
    found = import_measurements(text, file="bench.txt")
    assert found.format == f"llama-bench-{name}"
    prefill, decode = found.rows
    assert (prefill.test, decode.test) == ("pp", "tg")
    assert (prefill.tokens_per_s, prefill.stddev) == (11377.8, 126.4)
    assert (decode.tokens_per_s, decode.stddev, decode.context_depth) == (140.25, 0.75, 4096)
    for row in found.rows:
        assert row.device == "NVIDIA GeForce RTX 4090" and row.device_count == 1
        assert row.engine_version == "a1b2c3d4 (6123)" and row.backend == "CUDA"
        assert row.params_b == pytest.approx(8.03, abs=0.005)
        assert row.file_size_gib == pytest.approx(4.58, abs=0.01)
        assert row.quant == "Q4_K - Medium" and row.source == "bench.txt"
        assert "ub=1024" in row.notes and "type_k=q8_0" in row.notes and "fa=1" in row.notes


@pytest.mark.parametrize("name", WRITTEN)
def test_prefill_and_decode_in_one_figure_is_left_out_with_the_reason(name: str) -> None:
    (left,) = import_measurements(WRITTEN[name]).left_out
    assert "pp512+tg128" in left.reason


@pytest.mark.parametrize("name", WRITTEN)
def test_an_imported_row_is_ready_to_be_estimated(name: str) -> None:
    prefill, decode = (resolve(row) for row in import_measurements(WRITTEN[name]).rows)
    assert prefill.hardware is not None and prefill.hardware.id == "rtx-4090-24gb"
    assert prefill.model is not None and prefill.model.id == "llama-3.1-8b"
    assert (prefill.quant, prefill.approximate, prefill.build_number) == ("Q4_K_M", False, 6123)
    assert (prefill.tokens, prefill.ubatch, prefill.flash_attention) == (512, 1024, True)
    assert (decode.tokens, decode.depth, decode.mean_depth) == (128, 4096, 4160)
    assert prefill.reasons == decode.reasons == ()


def test_the_callers_device_and_fields_come_first() -> None:
    found = import_measurements(
        as_json(), device="Tesla P40", overrides={"memory_bandwidth_spec_gbs": 347, "source": "my shelf"}
    )
    for row in found.rows:
        assert (row.device, row.memory_bandwidth_spec_gbs, row.source) == ("Tesla P40", 347.0, "my shelf")
    with pytest.raises(sizer.UnknownNameError, match="bandwith"):
        import_measurements(as_json(), overrides={"bandwith": 3})


def test_a_device_that_nothing_names_is_asked_for() -> None:
    bare = TABLE[TABLE.index("| model") :]
    with pytest.raises(sizer.InvalidValueError, match="device"):
        import_measurements(bare)
    assert import_measurements(bare, device="NVIDIA RTX 4090").rows[0].device == "NVIDIA RTX 4090"


def test_a_run_on_the_processor_is_one() -> None:
    test = {**DECODE, "backends": "CPU", "gpu_info": "", "n_gpu_layers": 0}
    (row,) = read_llama_bench(as_json([test])).rows
    assert row.device == "AMD Ryzen 9 7950X 16-Core Processor (CPU)" and row.backend == "CPU"
    resolved = resolve(row)
    assert resolved.backend == "cpu" and resolved.hardware is not None
    assert resolved.hardware.id.startswith("ryzen-9-7950x")


def test_several_cards_are_counted() -> None:
    test = {**DECODE, "gpu_info": "NVIDIA GeForce RTX 3090, NVIDIA GeForce RTX 3090"}
    (row,) = read_llama_bench(as_json([test])).rows
    assert (row.device, row.device_count) == ("NVIDIA GeForce RTX 3090", 2)
    (one,) = read_llama_bench(as_json([{**test, "split_mode": "none"}])).rows
    assert one.device_count == 1


def test_experts_on_the_processor_are_no_row_for_a_fit() -> None:
    (row,) = read_llama_bench(as_json([{**DECODE, "n_cpu_moe": 20}])).rows
    assert any("CPU" in reason for reason in resolve(row).reasons)
    (half,) = read_llama_bench(as_json([{**DECODE, "n_gpu_layers": 0}])).rows
    assert any("CPU" in reason for reason in resolve(half).reasons)


def test_fields_of_older_builds_are_read() -> None:
    old = {
        "build_commit": "deadbeef",
        "build_number": 1500,
        "cuda": "1",
        "metal": "0",
        "gpu_blas": "1",
        "cpu_info": "",
        "gpu_info": "Tesla V100-PCIE-16GB",
        "model_filename": "ggml-model-q4_0.gguf",
        "model_type": "llama 7B mostly Q4_0",
        "model_size": 3825065984,
        "model_n_params": 6738415616,
        "n_batch": 512,
        "f16_kv": "1",
        "n_gpu_layers": 99,
        "n_prompt": 0,
        "n_gen": 128,
        "avg_ts": 90.5,
        "stddev_ts": 0.2,
    }
    (row,) = read_llama_bench(json.dumps([old])).rows
    assert (row.backend, row.model, row.quant) == ("CUDA", "llama 7B", "Q4_0")
    resolved = resolve(row)
    assert resolved.old_build and resolved.hardware is not None and resolved.hardware.id == "v100-16gb-pcie"


def test_a_packagers_mix_is_told_by_the_name_of_the_file() -> None:
    test = {**DECODE, "model_filename": "Qwen3-8B-UD-Q4_K_XL.gguf", "model_type": "qwen3 8B Q4_K - Medium"}
    (row,) = read_llama_bench(as_json([{**test, "model_n_params": 8190735360}])).rows
    assert row.quant == "UD-Q4_K_XL"
    resolved = resolve(row)
    assert resolved.approximate and resolved.model is not None and resolved.model.id == "qwen3-8b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"model_filename": "m", "n_prompt": 1, "n_gen": 0, "avg_ts": ', "JSON"),
        (json.dumps([{**PREFILL, "avg_ts": "fast"}]), "avg_ts"),
        (json.dumps([{**PREFILL, "avg_ts": -1}]), "avg_ts"),
        (as_json([{**PREFILL, "avg_ts": 0}]), "avg_ts"),
        (as_json([PREFILL]).replace("11377.8", "NaN"), "avg_ts"),
        (as_json([{**PREFILL, "n_prompt": -5}]), "n_prompt"),
        (as_json([{**PREFILL, "n_prompt": 10**30}]), "n_prompt"),
        (as_json([{**PREFILL, "n_depth": 0.5}]), "n_depth"),
        (as_sql([PREFILL]).rstrip(")\n;"), "statement 1"),
        (as_sql([PREFILL]).replace("'512', ", "", 1), "statement 1"),
        (TABLE.replace("11377.80 \u00b1 126.40", "fast"), "t/s"),
        (TABLE.replace("pp512 ", "sleep ", 1), "test"),
        (TABLE.replace("|  99 |     1024 |", "|  99 |", 1), "cells"),
    ],
)
def test_a_broken_output_of_llama_bench_is_a_data_error(text: str, words: str) -> None:
    with pytest.raises(sizer.DataError, match=words):
        import_measurements(text)


def test_depth_of_nesting_does_not_matter() -> None:
    with pytest.raises(sizer.DataError):
        read_llama_bench("[" * 100_000, format="json")
    with pytest.raises(sizer.DataError):
        read_vllm_bench("[" * 100_000, format="serve", device="d")


# --- vLLM -------------------------------------------------------------------------------------------------------------

SERVE = {
    "date": "20250810-100000",
    "endpoint_type": "vllm",
    "backend": "vllm",
    "label": None,
    "model_id": "Qwen/Qwen3-8B",
    "tokenizer_id": "Qwen/Qwen3-8B",
    "num_prompts": 64,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 8,
    "duration": 30.0,
    "completed": 64,
    "total_input_tokens": 65536,
    "total_output_tokens": 8192,
    "request_throughput": 2.1,
    "output_throughput": 273.0,
    "total_token_throughput": 2457.0,
    "mean_ttft_ms": 250.0,
    "mean_tpot_ms": 25.0,
    "std_tpot_ms": 1.0,
}


def test_serve_gives_the_rate_after_the_first_token() -> None:
    found = import_measurements(json.dumps(SERVE), device="NVIDIA H100 SXM 80GB")
    assert found.format == "vllm-serve"
    (row,) = found.rows
    assert row.tokens_per_s == pytest.approx(8 / 0.025)
    assert (row.batch, row.context_depth, row.model, row.quant) == (8, 1024, "Qwen/Qwen3-8B", "BF16")
    resolved = resolve(row)
    assert (resolved.engine, resolved.quant, resolved.tokens) == ("vllm", "HF_BF16", 128)
    assert resolved.model is not None and resolved.model.id == "qwen3-8b"
    assert "end-to-end" not in resolved.flags


def test_serve_without_the_time_per_token_is_end_to_end() -> None:
    older = {key: value for key, value in SERVE.items() if "tpot" not in key}
    (row,) = import_measurements(json.dumps(older), device="NVIDIA H100 SXM 80GB").rows
    assert row.tokens_per_s == 273.0
    assert "end-to-end" in resolve(row).flags


def test_one_request_at_a_time_gives_a_prefill_too() -> None:
    alone = {**SERVE, "max_concurrency": 1, "mean_tpot_ms": 5.0}
    decode, prefill = import_measurements(json.dumps(alone), device="NVIDIA H100 SXM 80GB").rows
    assert decode.tokens_per_s == pytest.approx(200) and decode.batch == 1
    assert (prefill.test, prefill.batch) == ("pp", 1)
    assert prefill.tokens_per_s == pytest.approx(1024 / 0.25)
    assert resolve(prefill).tokens == 1024


def test_a_rate_of_arrivals_says_nothing_of_the_machine() -> None:
    slow = {**SERVE, "request_rate": 0.5, "max_concurrency": None}
    found = import_measurements(json.dumps(slow), device="NVIDIA H100 SXM 80GB")
    assert found.rows == () and "0.5 a second" in found.left_out[0].reason


def test_throughput_and_latency_need_what_they_do_not_state() -> None:
    throughput = {
        "elapsed_time": 10.0,
        "num_requests": 100,
        "total_num_tokens": 64000,
        "requests_per_second": 10.0,
        "tokens_per_second": 6400.0,
    }
    latency = {"avg_latency": 2.0, "std_latency": 0.1, "latencies": [2.0, 2.0], "percentiles": {"50": 2.0}}
    known = {"model": "Qwen/Qwen3-8B-FP8"}
    for document, kind in ((throughput, "vllm-throughput"), (latency, "vllm-latency")):
        text = json.dumps(document)
        assert detect_format(text) == kind
        bare = import_measurements(text, device="NVIDIA L4", overrides=known)
        assert bare.rows == () and "output_tokens" in bare.left_out[0].reason
        with pytest.raises(sizer.InvalidValueError, match="model"):
            import_measurements(text, device="NVIDIA L4")
    stated = {**known, "output_tokens": 128, "prompt_tokens": 512, "batch": 8}
    (row,) = import_measurements(json.dumps(latency), device="NVIDIA L4", overrides=stated).rows
    assert row.tokens_per_s == pytest.approx(128 * 8 / 2.0) and row.stddev == pytest.approx(25.6)
    assert (row.quant, row.batch, row.context_depth) == ("FP8", 8, 512)
    (other,) = import_measurements(json.dumps(throughput), device="NVIDIA L4", overrides=stated).rows
    assert other.tokens_per_s == pytest.approx(10 * 128)


@pytest.mark.parametrize("field", ["completed", "total_input_tokens", "total_output_tokens"])
@pytest.mark.parametrize("value", [0, -1, "many", None, [1]])
def test_a_broken_output_of_vllm_is_a_data_error(field: str, value: Any) -> None:
    with pytest.raises(sizer.DataError, match=field):
        import_measurements(json.dumps({**SERVE, field: value}), device="NVIDIA L4")


# --- any file ---------------------------------------------------------------------------------------------------------


def test_the_librarys_own_table_is_a_format(tmp_path: Path) -> None:
    rows = import_measurements(as_json()).rows
    write_rows(rows, tmp_path / "mine.csv")
    found = import_file(tmp_path / "mine.csv")
    assert found.format == "measurements-csv" and found.rows == rows
    assert import_file(tmp_path / "mine.csv", device="Tesla P40").rows[0].device == "Tesla P40"


@pytest.mark.parametrize("text", ["", "hello", "{}", "[]", "a,b\n1,2\n", "| a | b |\n", '{"model": "m"}'])
def test_an_unknown_format_lists_the_known_ones(text: str) -> None:
    with pytest.raises(sizer.DataError) as caught:
        import_measurements(text, device="d")
    assert all(name in str(caught.value) for name in FORMATS)


def test_an_unknown_name_of_a_format_has_a_nearest() -> None:
    with pytest.raises(sizer.UnknownNameError) as caught:
        import_measurements(as_json(), format="llama-bench-jsn")
    assert "llama-bench-json" in caught.value.nearest


def test_a_named_format_that_the_text_is_not_is_a_data_error() -> None:
    for name in FORMATS:
        with pytest.raises((sizer.DataError, sizer.InvalidValueError)):
            import_measurements("nothing of the kind", format=name, device="d")


@given(st.text(max_size=200))
def test_any_text_is_measurements_or_an_error_of_the_library(text: str) -> None:
    for name in (None, *FORMATS):
        with contextlib.suppress(sizer.SizerError):
            assert isinstance(import_measurements(text, format=name, device="d", overrides={"model": "m"}), Imported)


@given(st.sampled_from(sorted(WRITTEN)), st.integers(0, 6000), st.integers(1, 400))
def test_a_damaged_output_is_measurements_or_an_error_of_the_library(name: str, start: int, length: int) -> None:
    text = WRITTEN[name]
    damaged = text[: start % len(text)] + text[start % len(text) + length :]
    try:
        found = import_measurements(damaged, format=f"llama-bench-{name}", device="NVIDIA RTX 4090")
    except sizer.SizerError:
        return
    for row in found.rows:
        resolve(row)
