"""A machine calibrated by its own runs: what the fit says, what it leaves out, what it writes, and what it refuses."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import pickle
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._accuracy.predict import predict
from sizer._measurements import MeasuredRow, read_rows, resolve, write_rows
from sizer._measurements.row import COLUMNS

Call = Callable[..., Any]
SCHEMAS = Path(__file__).resolve().parents[2] / "data" / "schema"
CARD = "NVIDIA GeForce RTX 4090"
MODELS = ("llama-3.1-8b", "qwen3-8b", "qwen3-14b", "gpt-oss-20b", "qwen3-30b-a3b", "mistral-7b-v0.3")
QUANT = {"gpt-oss-20b": "MXFP4"}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


use = _load("fake_machine").use


def row(model: str, quant: str, test: str = "tg", **more: Any) -> MeasuredRow:
    """A run whose speed is still to be filled in."""
    length = "tg128" if test == "tg" else "pp512"
    values = {
        "id": f"{model} {quant} {test} {more.get('context_depth', 0)}",
        "device": CARD,
        "backend": "CUDA",
        "engine": "llama.cpp",
        "engine_version": "a1b2c3d4 (9500)",
        "model": model,
        "quant": quant,
        "test": test,
        "tokens_per_s": 1.0,
        "source": "mine",
        "notes": f"{length}; fa=1",
    }
    return MeasuredRow.build({**values, **more})


def measured(rows: Sequence[MeasuredRow], times: float = 1.0) -> list[MeasuredRow]:
    """The runs of a machine that takes so many times as long as its class."""
    return [one.replace(tokens_per_s=predict(resolve(one))["tokens_per_s"] / times) for one in rows]


def runs(tests: Sequence[str] = ("tg",), models: Sequence[str] = MODELS, **more: Any) -> list[MeasuredRow]:
    return [
        row(model, QUANT.get(model, quant), test, context_depth=depth, **more)
        for model in models
        for quant, depth in (("Q4_K_M", 0), ("Q8_0", 8192))
        for test in tests
        if quant == "Q4_K_M" or model not in QUANT
    ]


def calibration_of(hardware: sizer.Hardware) -> dict[str, Any]:
    return dict(hardware.to_dict()["devices"][0]["calibration"])


# --- what the fit says ------------------------------------------------------------------------------------------------


def test_a_machine_a_fifth_slower_predicts_its_other_runs_to_a_twentieth() -> None:
    found = sizer.calibrate(measured(runs(models=MODELS[:4]), 1.2))
    for other in measured(runs(models=MODELS[4:]), 1.2):
        answer = sizer.estimate(
            other.model,
            found.hardware,
            quant=other.quant,
            depth=other.context_depth + 64,
            engine_options={"build": 9500},
        )
        assert answer.decode.tokens_per_s == pytest.approx(other.tokens_per_s, rel=0.05)
        before = sizer.estimate(
            other.model, "rtx-4090-24gb", quant=other.quant, depth=other.context_depth + 64,
            engine_options={"build": 9500},
        )  # fmt: skip
        assert before.decode.tokens_per_s > 1.15 * other.tokens_per_s
        assert answer.decode.tokens_per_s <= answer.decode.ceiling_tokens_per_s


@pytest.mark.parametrize("device", ["rtx-3090-24gb", "dgx-spark", "framework-desktop-395-128gb"])
def test_it_does_so_on_machines_of_other_kinds(device: str) -> None:
    machine = sizer.hardware(device)
    more = {"device": machine.device_name, "backend": machine.backend}
    known, others = runs(models=MODELS[:4], **more), runs(models=MODELS[4:], **more)
    slow = [
        one.replace(tokens_per_s=predict(resolve(one).replace(hardware=machine))["tokens_per_s"] / 1.2)
        for one in (*known, *others)
    ]
    found = sizer.calibrate(slow[: len(known)], machine)
    for other in slow[len(known) :]:
        answer = predict(resolve(other).replace(hardware=found.hardware))
        assert answer["tokens_per_s"] == pytest.approx(other.tokens_per_s, rel=0.05)


def test_prefill_moves_apart_from_decode() -> None:
    decode = measured(runs(("tg",)), 1.0)
    prefill = measured(runs(("pp",)), 1.3)
    found = sizer.calibrate([*decode, *prefill])
    by_test = {one.test: one for one in found.errors}
    assert by_test["tg"].before < 0.001 and by_test["tg"].after < 0.001
    assert by_test["pp"].before > 0.2 and by_test["pp"].after < 0.05
    assert all(one.part in ("matrices", "prefill_attention", "prefill_traffic") for one in found.offsets)


def test_errors_are_stated_before_after_and_for_rows_that_the_fit_did_not_see() -> None:
    found = sizer.calibrate(measured(runs(), 1.25))
    (errors,) = found.errors
    assert errors.rows == len(found.rows) == 11
    assert errors.before == pytest.approx(0.25, abs=0.01)
    assert errors.after < errors.held_out < 0.06
    recomputed = statistics.median(abs(one.after_tokens_per_s / one.measured_tokens_per_s - 1) for one in found.rows)
    assert errors.after == pytest.approx(recomputed)


def test_runs_that_meet_the_class_change_nothing_but_the_interval() -> None:
    found = sizer.calibrate(measured(runs()))
    assert found.offsets == ()
    (interval,) = found.intervals
    before = sizer.estimate("qwen3-8b", "rtx-4090-24gb").decode
    after = sizer.estimate("qwen3-8b", found.hardware).decode
    assert after.tokens_per_s == pytest.approx(before.tokens_per_s)
    assert after.low == pytest.approx(interval.low * after.tokens_per_s, rel=1e-3)
    assert after.high / after.low < before.high / before.low


def test_one_row_moves_little_and_more_rows_move_more() -> None:
    def left(rows: Sequence[MeasuredRow]) -> float:
        found = sizer.calibrate(rows)
        other = measured([row("qwen3-14b", "Q4_K_M")], 1.2)[0]
        predicted = float(predict(resolve(other).replace(hardware=found.hardware))["tokens_per_s"])
        return abs(predicted / other.tokens_per_s - 1)

    others = measured([one for one in runs() if one.model != "qwen3-14b"], 1.2)
    assert 0.09 < left(others[:1]) < 0.2
    assert left(others) < 0.05


def test_the_order_of_rows_does_not_matter() -> None:
    rows = measured(runs(("tg", "pp")), 1.1)
    one, other = sizer.calibrate(rows), sizer.calibrate(rows[::-1])
    for mine, theirs in zip(sorted(one.offsets, key=str), sorted(other.offsets, key=str), strict=True):
        assert mine.part == theirs.part and mine.offset == pytest.approx(theirs.offset, abs=2e-3)


@given(st.lists(st.floats(0.4, 9.0), min_size=1, max_size=8))
def test_whatever_was_measured_no_estimate_stands_above_its_ceiling(times: list[float]) -> None:
    rows = [one.replace(tokens_per_s=one.tokens_per_s / t) for one, t in zip(_EXACT, times, strict=False)]
    try:
        found = sizer.calibrate(rows)
    except sizer.DataError:  # all of them above the ceiling
        return
    for model in ("llama-3.1-8b", "qwen3-30b-a3b"):
        answer = sizer.estimate(model, found.hardware, context=8192)
        for rate in (answer.decode, answer.prefill):
            assert 0 < rate.low <= rate.tokens_per_s <= rate.high <= rate.ceiling_tokens_per_s


_EXACT = measured(runs(("tg", "pp"), MODELS[:3]))


# --- the estimate says what it used -----------------------------------------------------------------------------------


def test_an_estimate_says_by_what_it_is_calibrated() -> None:
    found = sizer.calibrate(measured(runs(("tg", "pp")), 1.1))
    answer = sizer.estimate("qwen3-8b", found.hardware)
    (line,) = [one for one in answer.measurements if one.what == "speed"]
    assert line.measured.startswith("calibrated by 11 decode and 11 prefill runs of llama.cpp on this machine (20")
    assert "qwen3-8b" in line.measured
    assert "calibrated by 11 decode" in str(answer).replace("\n  ", " ")
    ollama = sizer.estimate("qwen3-8b", found.hardware, engine="ollama")
    assert [one.what for one in ollama.measurements] == ["speed"]


def test_another_engine_does_not_take_the_calibration_and_says_so() -> None:
    found = sizer.calibrate(measured(runs(), 1.4))
    answer = sizer.estimate("qwen3-8b", found.hardware, quant="FP8", engine="vllm")
    plain = sizer.estimate("qwen3-8b", "rtx-4090-24gb", quant="FP8", engine="vllm")
    assert answer.decode == plain.decode and answer.prefill == plain.prefill
    assert answer.measurements == ()
    (line,) = [one for one in answer.assumptions if one.what == "calibration"]
    assert line.why == "the machine is calibrated by runs of llama.cpp; not used for vllm"


# --- machines ---------------------------------------------------------------------------------------------------------


def test_without_hardware_the_rows_name_it_and_two_devices_are_an_error_naming_both() -> None:
    assert sizer.calibrate(measured(runs())).hardware.id == "rtx-4090-24gb"
    other = measured(runs(models=MODELS[:1], device="NVIDIA GeForce RTX 3090"))
    with pytest.raises(sizer.InvalidValueError, match="rtx-3090-24gb, rtx-4090-24gb") as error:
        sizer.calibrate([*measured(runs()), *other])
    assert error.value.field == "hardware"
    with pytest.raises(sizer.InvalidValueError, match="Frobnicator"):
        sizer.calibrate([row("qwen3-8b", "Q8_0", device="Frobnicator 9", backend="")])


def test_rows_of_an_unknown_device_calibrate_the_machine_that_is_named() -> None:
    box = sizer.Hardware(
        name="Box", memory_gib=48, bandwidth_gb_per_s=800, backend="cuda", device_class="nvidia_workstation",
        fp16_tflops=150, fp32_tflops=40, int8_tops=300,
    )  # fmt: skip
    rows = [
        one.replace(tokens_per_s=predict(resolve(one).replace(hardware=box))["tokens_per_s"] / 1.15)
        for one in runs(device="my own box")
    ]
    found = sizer.calibrate(rows, box)
    assert found.hardware.id == box.id and len(found.rows) == 11
    assert found.errors[0].after < 0.05


def test_the_backend_of_most_rows_is_taken_and_others_are_left_out_with_the_reason() -> None:
    rows = [*measured(runs()), *measured(runs(models=MODELS[:1], backend="Vulkan"))]
    found = sizer.calibrate(rows)
    assert found.hardware.backend == "cuda"
    assert {one.reason for one in found.left_out} == {"ran on vulkan; the machine is taken to run on cuda"}
    assert sizer.calibrate(measured(runs(backend="Vulkan"))).hardware.backend == "vulkan"


def test_a_profile_keeps_its_measured_rates(tmp_path: Path, use: Call) -> None:
    use()
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    rows = [
        one.replace(tokens_per_s=predict(resolve(one).replace(hardware=profile.machine))["tokens_per_s"] / 1.2)
        for one in runs(device="Intel(R) Xeon(R) Processor (CPU)", backend="CPU")
    ]
    found = sizer.calibrate(rows, file, output=tmp_path / "mine.json")
    device = found.hardware.to_dict()["devices"][0]
    assert device["measured"] == profile.machine.to_dict()["devices"][0]["measured"]
    assert found.errors[0].before == pytest.approx(0.2, abs=0.01) and found.errors[0].after < 0.05
    answer = sizer.estimate("qwen3-8b", tmp_path / "mine.json")
    assert "memory bandwidth" in [one.what for one in answer.measurements]
    assert answer.measurements[-1].measured.startswith("calibrated by 11 decode")
    assert sizer.Profile.read(file) == profile


def test_an_older_calibration_is_replaced() -> None:
    first = sizer.calibrate(measured(runs(), 1.5))
    again = sizer.calibrate(measured(runs(), 1.1), first.hardware)
    assert again.errors == sizer.calibrate(measured(runs(), 1.1)).errors
    assert calibration_of(again.hardware)["n_decode_rows"] == 11


def test_several_devices_are_not_calibrated_as_one() -> None:
    with pytest.raises(sizer.InvalidValueError, match="2 devices, expected a machine of one"):
        sizer.calibrate(measured(runs()), sizer.hardware("rtx-4090-24gb").replace(device_count=2))


# --- what is left out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device_count": 2}, "ran on 2 devices"),
        ({"device": "NVIDIA GeForce RTX 3090"}, "another device"),
        ({"backend": "Vulkan"}, "ran on vulkan"),
        ({"engine": "exllamav2"}, "engine without parameters"),
        ({"model": "frobnicator 12 of nobody", "params_b": None}, "frobnicator"),
        ({"quant": "Q99_X"}, "Q99_X"),
        ({"notes": "tg128; speculative decoding with a draft model"}, "speculative"),
        ({"notes": "tg128; n_cpu_moe=12"}, "part of the model on the CPU"),
        ({"notes": "tg128; suspicious"}, "suspicious"),
        ({"tokens_per_s": 9000.0}, "above the"),
        ({"tokens_per_s": 1e-300}, "less than a tenth"),
        ({"engine": "vLLM", "quant": "FP8"}, "ran with vllm; most rows ran with llama.cpp"),
    ],
)
def test_a_row_that_says_nothing_of_the_machine_is_left_out_with_the_reason(
    change: dict[str, Any], reason: str
) -> None:
    good = measured(runs())
    bad = good[0].replace(**{"tokens_per_s": 40.0, "id": "bad", **change})
    found = sizer.calibrate([*good, bad], "rtx-4090-24gb")
    assert len(found.rows) == len(good)
    (left,) = found.left_out
    assert left.where == "row bad" and reason in left.reason
    assert reason.split(";")[0] in str(found).replace("\n  ", " ")
    assert found.offsets == sizer.calibrate(good, "rtx-4090-24gb").offsets


def test_a_repeated_row_counts_once() -> None:
    rows = measured(runs(), 1.2)
    found = sizer.calibrate([*rows, rows[0].replace(id="again")])
    assert [one.reason for one in found.left_out] == [f"duplicate of {rows[0].id}"]


def test_without_a_usable_row_the_reasons_are_the_error() -> None:
    with pytest.raises(sizer.DataError, match=r"no row to calibrate by: ran on 2 devices.*\(11\)"):
        sizer.calibrate(runs(device_count=2), "rtx-4090-24gb")
    with pytest.raises(sizer.DataError, match="there are none"):
        sizer.calibrate([])


@pytest.mark.parametrize("rows", [3, None, [3], [None], {"a": 1}.values(), [b"x"]])
def test_what_is_no_row_is_refused(rows: Any) -> None:
    with pytest.raises(sizer.WrongTypeError) as error:
        sizer.calibrate(rows)
    assert error.value.field == "rows"


def test_a_keyword_that_is_none_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="nearest: hardware"):
        sizer.calibrate([], hardwear="x")  # type: ignore[call-arg]


# --- files ------------------------------------------------------------------------------------------------------------


def record(one: MeasuredRow) -> dict[str, Any]:
    """A run as llama-bench writes it."""
    return {
        "build_commit": "a1b2c3d4",
        "build_number": 9500,
        "cpu_info": "AMD Ryzen 9 7950X 16-Core Processor",
        "gpu_info": one.device,
        "backends": one.backend,
        "model_filename": f"{one.model}-{one.quant}.gguf",
        "model_type": "",
        "model_size": 0,
        "model_n_params": 0,
        "n_batch": 2048,
        "n_ubatch": 512,
        "type_k": "f16",
        "type_v": "f16",
        "n_gpu_layers": 99,
        "flash_attn": 1,
        "n_prompt": 0 if one.test == "tg" else 512,
        "n_gen": 128 if one.test == "tg" else 0,
        "n_depth": one.context_depth,
        "avg_ts": one.tokens_per_s,
        "stddev_ts": 0.1,
    }


def as_format(rows: Sequence[MeasuredRow], format: str, folder: Path) -> Path:
    """The runs in a file of that format."""
    file = folder / f"runs.{format.rpartition('-')[2]}"
    records = [record(one) for one in rows]
    names = list(records[0])
    if format == "llama-bench-json":
        file.write_text(json.dumps(records, indent=1))
    elif format == "llama-bench-jsonl":
        file.write_text("".join(json.dumps(one) + "\n" for one in records))
    elif format == "llama-bench-csv":
        text = io.StringIO()
        text.write(",".join(names) + "\n")
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(list(one.values()) for one in records)
        file.write_text(text.getvalue())
    elif format == "llama-bench-sql":
        file.write_text(
            "".join(
                f"INSERT INTO llama_bench ({', '.join(names)}) VALUES ("
                + ", ".join(f"'{value}'" for value in one.values())
                + ");\n"
                for one in records
            )
        )
    elif format == "llama-bench-md":
        lines = [f"  Device 0: {CARD}, compute capability 8.9, VMM: yes", "| model | backend | fa | test | t/s |"]
        lines.append("| --- | --- | --- | --- | --- |")
        for one in rows:
            test = ("tg128" if one.test == "tg" else "pp512") + (
                f" @ d{one.context_depth}" if one.context_depth else ""
            )
            lines.append(f"| {one.model} {one.quant} | CUDA | 1 | {test} | {one.tokens_per_s} +/- 0.1 |")
        file.write_text("\n".join([*lines, "", "build: a1b2c3d4 (9500)", ""]))
    elif format == "own-csv":
        write_rows(rows, file)
    else:
        file.write_text("".join(json.dumps({name: one[name] for name in COLUMNS}) + "\n" for one in rows))
    return file


FORMATS = ("json", "jsonl", "csv", "sql", "md")


@pytest.mark.parametrize("format", [*(f"llama-bench-{name}" for name in FORMATS), "own-csv", "own-jsonl"])
def test_every_format_gives_the_same_machine(format: str, tmp_path: Path) -> None:
    rows = measured([one for one in runs(("tg", "pp")) if one.model in ("llama-3.1-8b", "qwen3-8b", "qwen3-14b")], 1.15)
    expected = sizer.calibrate(rows)
    found = sizer.calibrate(as_format(rows, format, tmp_path))
    assert [one.model_id for one in found.rows] == [one.model_id for one in expected.rows]
    assert found.left_out == ()
    mine, theirs = calibration_of(found.hardware), calibration_of(expected.hardware)
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        assert mine[name] == (pytest.approx(value, abs=0.02) if isinstance(value, float) else value)


def test_several_files_and_rows_go_together(tmp_path: Path) -> None:
    rows = measured(runs(), 1.15)
    (tmp_path / "a").mkdir()
    one, other = as_format(rows[:4], "own-csv", tmp_path), as_format(rows[4:8], "own-jsonl", tmp_path / "a")
    found = sizer.calibrate([one, str(other), *rows[8:]])
    assert len(found.rows) == len(rows)
    assert {item.where.split(" row ")[0] for item in found.rows} >= {"runs.csv", "runs.jsonl"}


def test_the_json_of_vllm_calibrates_for_vllm(tmp_path: Path) -> None:
    file = tmp_path / "serve.json"
    serve = {
        "backend": "vllm", "model_id": "Qwen/Qwen3-8B", "num_prompts": 64, "max_concurrency": 8, "completed": 64,
        "total_input_tokens": 65536, "total_output_tokens": 8192, "request_throughput": 2.1, "mean_ttft_ms": 250.0,
        "output_throughput": 273.0, "mean_tpot_ms": 25.0, "duration": 30.0, "date": "20260810-100000",
        "endpoint_type": "vllm", "tokenizer_id": "Qwen/Qwen3-8B", "total_token_throughput": 2457.0,
    }  # fmt: skip
    file.write_text(json.dumps(serve))
    with pytest.raises(sizer.InvalidValueError) as error:
        sizer.calibrate(file)
    assert error.value.field == "device"
    found = sizer.calibrate(file, "h100-80gb-sxm")
    assert found.engine == "vllm" and found.rows[0].batch == 8
    assert sizer.estimate("qwen3-8b", found.hardware, quant="BF16", engine="vllm").measurements
    assert not sizer.estimate("qwen3-8b", found.hardware).measurements


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"hello", "no known format"),
        (b"{}", "no known format"),
        (b'{"device": 1, "model": 2, "test": "tg", "tokens_per_s": "fast"}\n', "tokens_per_s"),
        (b'{"device": "a", "model": "b", "test": "xx", "tokens_per_s": 1}\n', "test"),
        (b'{"device": "a", "model": "b", "test": "tg", "tokens_per_s": 1e999}\n', "tokens_per_s"),
        (b'{"device": "a", "model": {"x": 1}, "test": "tg", "tokens_per_s": 1}\n', "model"),
        (b'{"device": "a", "model": "b", "test": "tg", "tokens_per_s": 1}\n[1]\n', "line 2"),
        (b'{"device": "a", "model": "b", "test": "tg", "tokens_per_s": 1}\n{"de\n', "line 2"),
        (b'{"device": "a", "model": "b", "test": "tg", "tokens_per_s": 1}\n' + b"[" * 100_000 + b"\n", "line 2"),
        (b"device,model,test,tokens_per_s\na,b,tg,-1\n", "tokens_per_s"),
        (b"device,model,test,tokens_per_s\na,b,tg\x00,1\n", "null|CSV|test"),
    ],
)
def test_a_hostile_file_is_a_data_error_naming_it(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(content)
    with pytest.raises(sizer.DataError, match=words) as error:
        sizer.calibrate(file, "rtx-4090-24gb")
    assert "bad.jsonl" in error.value.file


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(sizer.DataError, match=r"nowhere\.csv"):
        sizer.calibrate(tmp_path / "nowhere.csv")
    with pytest.raises(sizer.DataError):
        sizer.calibrate(tmp_path)
    for name in ("", "a\0b"):
        with pytest.raises(sizer.InvalidValueError, match="rows"):
            sizer.calibrate(name)


# --- the machine's file -----------------------------------------------------------------------------------------------


def test_the_written_machine_is_the_one_that_was_found(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    found = sizer.calibrate(measured(runs(("tg", "pp")), 1.2), output=file)
    assert sizer.hardware(file) == found.hardware
    assert found.output == str(file.resolve())
    assert bool(sizer.validate(file))
    assert list(tmp_path.iterdir()) == [file]
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMAS.is_dir():
        pytest.skip("no data/schema beside the sources")
    schema = json.loads((SCHEMAS / "hardware.schema.json").read_text(encoding="ascii"))
    jsonschema.validate(json.loads(file.read_text()), schema, cls=jsonschema.Draft7Validator)


def test_a_machine_is_replaced_and_nothing_else_is(tmp_path: Path, use: Call) -> None:
    rows = measured(runs(), 1.2)
    file = tmp_path / "mine.json"
    sizer.calibrate(rows, output=file)
    sizer.calibrate(rows, file, output=file)  # its own file
    use()
    profile = tmp_path / "profile.json"
    sizer.measure(quick=True, output=profile)
    model = tmp_path / "model.json"
    model.write_text(json.dumps(sizer.model("qwen3-8b").to_dict()))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name in ("profile.json", "model.json", "notes.txt", "empty.json", "deep.json"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(sizer.InvalidValueError, match="left alone") as error:
            sizer.calibrate(rows, "rtx-4090-24gb", output=tmp_path / name)
        assert error.value.field == "output"
        assert (tmp_path / name).read_bytes() == before
    refused: tuple[str | Path, ...] = (tmp_path, tmp_path / "no" / "folder.json", "", "a\0b", os.devnull)
    for bad in refused:
        with pytest.raises(sizer.InvalidValueError):
            sizer.calibrate(rows, output=bad)
    with pytest.raises(sizer.WrongTypeError):
        sizer.calibrate(rows, output=3)  # type: ignore[arg-type]


def test_a_file_that_may_not_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    target = tmp_path / "notes.json"
    target.write_text("mine")
    with pytest.raises(sizer.InvalidValueError):
        sizer.calibrate(tmp_path / "nowhere.csv", output=target)


def test_a_calibrated_machine_keeps_its_figures_and_comes_back() -> None:
    found = sizer.calibrate(measured(runs(), 1.2))
    entry = found.hardware.to_dict()
    own = entry["devices"][0].pop("calibration")
    assert entry == sizer.hardware("rtx-4090-24gb").to_dict()
    assert own["engine"] == "llama.cpp" and "qwen3-14b" in own["note"]
    assert sizer.Calibrated.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert str(found).isascii() and "<table" in found._repr_html_()
    assert "11 rows" in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [("latency", 9.0), ("decode_low", 0.0), ("n_decode_rows", -1), ("speed", 1.0), ("engine", "")],
)
def test_a_bad_calibration_in_a_file_is_a_data_error_naming_it(name: str, value: Any) -> None:
    entry = sizer.calibrate(measured(runs(), 1.2)).hardware.to_dict()
    entry["devices"][0]["calibration"][name] = value
    with pytest.raises(sizer.DataError, match=f"calibration.*{name}"):
        sizer.Hardware.from_dict(entry)


# --- the command line -------------------------------------------------------------------------------------------------


def test_fit_prints_what_moved_and_writes_the_machine(tmp_path: Path, run: Call) -> None:
    rows = measured(runs(), 1.2)
    bad = rows[0].replace(id="two", device_count=2)
    file = as_format([*rows, bad], "own-jsonl", tmp_path)
    done = run("calibrate", "fit", str(file), "-o", str(tmp_path / "mine.json"))
    assert done.code == 0 and done.err == ""
    for words in ("calibrated by 11 rows of llama.cpp", "held out", "What moved", "times as long as the class says",
                  "Left out", "ran on 2 devices", "sizer estimate MODEL --on"):  # fmt: skip
        assert words in " ".join(done.out.split())
    estimate = run("estimate", "qwen3-8b", "--on", str(tmp_path / "mine.json"), "--json").json
    assert any("calibrated by 11 decode" in one["measured"] for one in estimate["measurements"])
    found = run("calibrate", "fit", str(file), "--on", "rtx-4090-24gb", "-o", str(tmp_path / "mine.json"), "--json")
    assert found.code == 0
    assert sizer.Calibrated.from_dict(found.json).hardware == sizer.hardware(tmp_path / "mine.json")
    assert run("calibrate", "--json", "fit", str(file), "-o", str(tmp_path / "mine.json")).json == found.json


def test_import_prints_rows_that_fit_takes(tmp_path: Path, run: Call) -> None:
    rows = measured(runs(("tg", "pp")), 1.1)
    file = as_format(rows, "llama-bench-jsonl", tmp_path)
    printed = run("calibrate", "import", str(file))
    assert printed.code == 0 and printed.err == ""
    table = tmp_path / "printed.csv"
    table.write_text(printed.out)
    assert [one.tokens_per_s for one in read_rows(table)] == [one.tokens_per_s for one in rows]
    as_json = run("calibrate", "import", str(file), "--json").json
    assert len(as_json["rows"]) == len(rows) and as_json["left_out"] == []
    assert as_json["rows"][0]["device"] == CARD
    for name in ("rows.csv", "rows.jsonl"):
        done = run("calibrate", "import", str(file), "-o", str(tmp_path / name))
        assert done.code == 0 and f"{len(rows)} rows" in done.out
        assert run("calibrate", "import", str(file), "-o", str(tmp_path / name)).code == 0  # again
        assert run("calibrate", "fit", str(tmp_path / name), "-o", str(tmp_path / "mine.json")).code == 0


def test_import_names_what_it_leaves_out_and_takes_a_device(tmp_path: Path, run: Call) -> None:
    both = {**record(row("qwen3-8b", "Q8_0")), "n_prompt": 512}
    nameless = {**record(row("qwen3-8b", "Q8_0")), "gpu_info": ""}
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps(nameless) + "\n" + json.dumps(both) + "\n")
    refused = run("calibrate", "import", str(file))
    assert refused.code == 2 and "device" in refused.err
    done = run("calibrate", "import", str(file), "--device", CARD)
    assert done.code == 0 and CARD in done.out
    assert "pp512+tg128: prefill and decode in one figure" in done.err
    as_json = run("calibrate", "import", str(file), "--device", CARD, "--json").json
    assert as_json["left_out"][0]["where"] == "line 2"


def test_the_command_line_refuses_what_it_must(tmp_path: Path, run: Call) -> None:
    rows = as_format(measured(runs()), "own-csv", tmp_path)
    notes = tmp_path / "notes.json"
    notes.write_text("mine")
    for arguments, code in (
        (("calibrate",), 2),
        (("calibrate", "fit", str(rows)), 2),
        (("calibrate", "fit", "-o", "x.json"), 2),
        (("calibrate", "fit", str(rows), "--on", "no-such-machine", "-o", str(tmp_path / "m.json")), 2),
        (("calibrate", "fit", str(rows), "-o", str(notes)), 2),
        (("calibrate", "fit", str(notes), "-o", str(tmp_path / "m.json")), 3),
        (("calibrate", "fit", str(tmp_path / "nowhere"), "-o", str(tmp_path / "m.json")), 3),
        (("calibrate", "import", str(notes)), 3),
        (("calibrate", "import", str(rows), "-o", str(notes)), 2),
        (("calibrate", "import", str(rows), "-o", str(tmp_path / "rows.txt")), 2),
    ):
        done = run(*arguments)
        assert done.code == code, (arguments, done)
        assert done.err.startswith("sizer: error: ")
    assert notes.read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["notes.json", "runs.csv"]
