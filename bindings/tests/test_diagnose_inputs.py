"""What the diagnosis reads: logs, servers, models of Ollama, arguments, and the command line; also hostile ones."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._diagnose import diagnose, log
from sizer._diagnose.log import read

Call = Callable[..., Any]
LOGS = Path(__file__).with_name("logs")
QWEN = "qwen3-coder-30b-a3b"
MISSION = (
    *("--model", QWEN, "--quant", "Q4_K_M", "--configured-context", "131072", "--request-tokens", "146760"),
    *("--prefill-rate", "400", "--timeout", "300", "--memory", "64"),
)


def _beside(name: str) -> ModuleType:
    """A module beside the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def excerpt(name: str) -> dict[str, Any]:
    return read((LOGS / f"{name}.txt").read_text())


# --- logs -------------------------------------------------------------------------------------------------------------


def test_a_log_of_llama_server() -> None:
    assert excerpt("llama_server") == {
        "engine": "llama.cpp",
        "trained_context": 262144,
        "n_gpu_layers": 48,
        "layers_offered": 49,
        "parallel": 4,
        "configured_context": 65536,
        "slot_context": 16384,
        "ubatch": 512,
        "flash_attention": True,
        "kv_type": "f16",
        "requested_tokens": 30000,
        "refused": True,
        "prefill_tokens_per_s": 3000.0,
        "seen_prompt_tokens": 12000,
        "decode_tokens_per_s": 150.0,
    }


def test_the_diagnosis_of_that_log() -> None:
    answer = diagnose(QWEN, hardware="rtx-3090", log=LOGS / "llama_server.txt")
    found = answer.findings[0]
    assert found.id == "slots-divide-context"
    assert found.figures["slot_context"] == 65536 / 4 and found.figures["over_tokens"] == 30000 - 16384
    assert "partial-offload" in answer
    assert all(one.origin == "log" for one in answer.understood)


def test_ollama_cuts_a_prompt_and_tells_nobody() -> None:
    answer = diagnose("llama-3.1-8b", hardware="rtx-3060-12gb", log=LOGS / "ollama.txt")
    found = answer.findings[0]
    assert (found.id, found.status, found.effect) == ("prompt-truncated", "certain", "fails")
    assert found.figures["lost_tokens"] == 8942 - 4096 == 4846
    default = answer["ollama-default-context"]
    assert default.status == "certain" and default.figures["default_context"] == 4096
    assert answer.suggested_context == 16384
    assert "num_ctx 16384" in found.fix and "OLLAMA_CONTEXT_LENGTH=16384" in found.fix
    whole = (LOGS / "ollama.txt").read_text().splitlines()
    quiet = diagnose(QWEN, log="\n".join(line for line in whole if "truncating" not in line))
    assert "prompt-truncated" not in quiet


def test_ollama_and_a_client_that_gave_up() -> None:
    found = diagnose(log=LOGS / "ollama_timeout.txt").findings[0]
    assert (found.id, found.kind) == ("client-gave-up", "client")
    assert found.figures["timeout_s"] == 5 * 60
    assert any("Node.js" in line for line in found.arithmetic)
    known = diagnose(log=LOGS / "ollama_timeout.txt", requested_tokens=146760, prefill_tokens_per_s=400)
    assert known["timeout-shorter-than-prefill"].figures["timeout_s"] == 300


def test_lm_studio_refuses_a_prompt() -> None:
    answer = diagnose(log=LOGS / "lm_studio.txt")
    assert answer.engine == "lm-studio"
    assert answer["prompt-over-cap"].figures["over_tokens"] == 111490 - 32768
    newer = read("Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)")
    assert (newer["requested_tokens"], newer["slot_context"]) == (15028, 7424)


def test_out_of_memory_where_the_model_would_fit() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "quant": "Q4_K_M", "configured_context": 32768}
    found = diagnose(QWEN, log=LOGS / "out_of_memory.txt", **facts).findings[0]
    assert found.id == "memory-held-by-others"
    assert found.figures["failed_allocation_bytes"] == 6 * 2**30
    full = diagnose(QWEN, log=LOGS / "out_of_memory.txt", **{**facts, "configured_context": 65536})
    assert "memory-held-by-others" not in full and "kv-cache-f16" in full


def test_nvidia_smi_reports_a_power_cap() -> None:
    found = diagnose("llama-3.1-8b", hardware="rtx-3090", log=LOGS / "nvidia_smi.txt")["power-cap"]
    assert found.status == "certain" and found.figures["power_limit_w"] == 200
    hot = diagnose("llama-3.1-8b", hardware="rtx-3090", log="SW Thermal Slowdown : Active\n")
    assert "thermal-slowdown" in hot
    idle = "SW Power Cap : Not Active\nHW Thermal Slowdown : Not Active\n"
    assert not diagnose("llama-3.1-8b", hardware="rtx-3090", log=idle).findings


def test_what_is_said_twice_and_differs_is_listed() -> None:
    answer = diagnose(QWEN, hardware="rtx-3090", log=LOGS / "llama_server.txt", n_gpu_layers=99)
    assert "partial-offload" not in answer, "the argument wins"
    assert any("99" in one.why and "48" in one.why for one in answer.assumptions)


def test_the_label_of_a_file_shows_in_the_log() -> None:
    lines = "print_info: n_ctx_train      = 131072\nllama_context: n_ctx         = 131072\n"
    found = diagnose(QWEN, log=lines, requested_tokens=146760)["context-below-native"]
    assert "the model's file" in found.arithmetic[0]


@pytest.mark.parametrize(
    "line",
    [
        "n_ctx         = " + "9" * 5000,
        "truncating input prompt" + " prompt=" * 400,
        "eval time =" + " " * 4000 + "/",
        "prompt eval time =" + "1" * 4000,
        "[GIN] | 500 |" + " " * 4000 + "5m0s |",
        "K (" + "f" * 4000,
        "offloaded 99999999/1 layers to GPU",
        "offloaded 1/0 layers to GPU",
        "K (nonsense): 1 MiB, V (nonsense): 1 MiB",
        "\x00\x1b[31m n_ctx_slot = 0",
        "Trying to keep the first " * 150,
    ],
)
def test_lines_that_lie_are_passed_over_quickly(line: str) -> None:
    start = time.perf_counter()
    for _ in range(100):
        values = read(f"{line}\n{line}")
    assert time.perf_counter() - start < 2
    assert not {"configured_context", "slot_context", "n_gpu_layers", "kv_type"} & set(values)


@given(st.text(), st.sampled_from(["n_ctx = ", "prompt=", "offloaded ", "eval time = 1 ms / 5 tokens ", "[GIN] "]))
def test_any_text_is_read(text: str, start: str) -> None:
    read(start + text)
    diagnose(requested_tokens=1, log=start + text + "\n")


def test_logs_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "binary.log"
    binary.write_bytes(b"\xff\xfe\x00")
    for bad in (binary, tmp_path / "missing", tmp_path):
        with pytest.raises(sizer.DataError):
            diagnose(log=bad)
    monkeypatch.setattr(log, "LARGEST", 10)
    long = tmp_path / "long.log"
    long.write_text("n_ctx = 4096")
    with pytest.raises(sizer.DataError, match="got more than 10 bytes"):
        diagnose(log=long)
    with pytest.raises(sizer.WrongTypeError, match="log"):
        diagnose(log=5)  # type: ignore[arg-type]


# --- servers ----------------------------------------------------------------------------------------------------------

PROPS = {"default_generation_settings": {"n_ctx": 16384}, "total_slots": 4, "model_path": "m.gguf"}


def test_slots_of_llama_server(tmp_path: Path) -> None:
    path = tmp_path / "props.json"
    path.write_text(json.dumps(PROPS))
    for given_as in (PROPS, json.dumps(PROPS), path, str(path)):
        found = diagnose(QWEN, server_props=given_as, requested_tokens=30000).findings[0]
        assert found.id == "slots-divide-context"
        assert found.figures["total_context"] == 4 * 16384
    assert "slots-divide-context" not in diagnose(QWEN, server_props=PROPS, requested_tokens=16000)


def test_ollama_ps_and_show() -> None:
    ps = {"models": [{"name": "m", "size": 20_000_000_000, "size_vram": 15_000_000_000, "context_length": 4096}]}
    answer = diagnose(QWEN, hardware="rtx-3090", quant="Q4_K_M", server_props=ps, requested_tokens=9000)
    assert answer["prompt-over-cap"].figures["over_tokens"] == 9000 - 4096
    assert "13.97 GiB" in answer["partial-offload"].arithmetic[0]
    ps["models"][0]["size_vram"] = ps["models"][0]["size"]
    assert "partial-offload" not in diagnose(QWEN, hardware="rtx-3090", server_props=ps)
    show = {"model_info": {"qwen3moe.context_length": 262144}, "parameters": 'num_ctx   8192\nstop  "<|end|>"\n'}
    assert diagnose(QWEN, server_props=show, requested_tokens=9000)["prompt-over-cap"].figures["over_tokens"] == 808


def test_a_running_server_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIZER_CACHE", str(tmp_path))
    http_server = _beside("http_server")
    body = json.dumps(PROPS).encode()
    with http_server.Server(lambda handler: handler.reply(200, body)) as server:
        answer = diagnose(QWEN, server_props=f"{server.url}/props", requested_tokens=30000)
    assert "slots-divide-context" in answer


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "{}",
        {"models": []},
        {"models": {}},
        {"models": [5]},
        {"models": [{"context_length": -1}]},
        {"models": [{"context_length": True}]},
        {"models": [{"size": 1, "size_vram": "much"}]},
        {"default_generation_settings": []},
        {"default_generation_settings": {"n_ctx": 1e300}},
        {"default_generation_settings": {"n_ctx": 2**40}},
        {"model_info": 3},
        {"model_info": {"a.context_length": "long"}},
        {"model_info": {}, "parameters": ["num_ctx"]},
        '{"models": ' + "[" * 100_000,
        '{"models": ' + "9" * 5000 + "}",
    ],
)
def test_properties_of_no_known_shape(bad: Any) -> None:
    with pytest.raises(sizer.DataError):
        diagnose(QWEN, server_props=bad)


def test_properties_of_a_wrong_type() -> None:
    with pytest.raises(sizer.WrongTypeError, match="server_props"):
        diagnose(QWEN, server_props=5)  # type: ignore[arg-type]


# --- models of Ollama -------------------------------------------------------------------------------------------------


def test_the_modelfile_of_an_installed_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _beside("model_files")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    tiny = tmp_path / "tiny.gguf"
    files.gguf.write_gguf(tiny, files.gguf.llama_keys(), files.gguf.LLAMA_TENSORS)
    blobs = {"model": tiny.read_bytes(), "params": json.dumps({"num_ctx": 1024, "num_gpu": 1}).encode()}
    files.write_ollama(tmp_path / "models", "tiny/1b", blobs)

    answer = diagnose("ollama:tiny:1b", hardware="rtx-3090", requested_tokens=2000)
    assert answer.engine == "ollama"
    assert answer["prompt-over-cap"].figures["over_tokens"] == 2000 - 1024
    assert "num_ctx of the Modelfile" in answer["context-below-native"].arithmetic[0]
    assert answer["partial-offload"].figures["layers_on_gpu"] == 1
    assert {one.origin for one in answer.understood} == {"argument", "Modelfile"}
    enough = diagnose("ollama:tiny:1b", hardware="rtx-3090", requested_tokens=1000, n_gpu_layers=2)
    assert not enough.findings


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "field"),
    [
        ({}, sizer.InvalidValueError, "model"),
        ({"requested_tokens": 0}, sizer.InvalidValueError, "requested_tokens"),
        ({"requested_tokens": 2**31}, sizer.InvalidValueError, "requested_tokens"),
        ({"requested_tokens": 1.5}, sizer.WrongTypeError, "requested_tokens"),
        ({"timeout_s": float("nan")}, sizer.InvalidValueError, "timeout_s"),
        ({"prefill_tokens_per_s": 0}, sizer.InvalidValueError, "prefill_tokens_per_s"),
        ({"memory_gb": 0}, sizer.InvalidValueError, "memory_gb"),
        ({"memory_gb": 1e12}, sizer.InvalidValueError, "memory_gb"),
        ({"memory_gb": 64, "hardware": "rtx-3090"}, sizer.InvalidValueError, "memory_gb"),
        ({"swap_used_gb": -1}, sizer.InvalidValueError, "swap_used_gb"),
        ({"pcie_generation": 9}, sizer.InvalidValueError, "pcie_generation"),
        ({"pcie_lanes": 3}, sizer.InvalidValueError, "pcie_lanes"),
        ({"flash_attention": 1}, sizer.WrongTypeError, "flash_attention"),
        ({"engine": "olama"}, sizer.UnknownNameError, "engine"),
        ({"model": "nonsense"}, sizer.UnknownNameError, "model"),
        ({"model": QWEN, "hardware": "nonsense"}, sizer.UnknownNameError, "hardware"),
        ({"model": QWEN, "memory_gb": 64, "kv_type": "q9"}, sizer.SizerError, "kv_type"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], field: str) -> None:
    with pytest.raises(error, match=field):
        diagnose(**arguments)


def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="timeout_s"):
        diagnose(timeout=300)  # type: ignore[call-arg]


def test_a_size_of_memory_that_nobody_sells() -> None:
    answer = diagnose("llama-3.1-8b", memory_gb=40, configured_context=8192)
    assert answer.memory_available_bytes is not None
    assert 0.5 * 40 * 2**30 <= answer.memory_available_bytes < 40 * 2**30
    assert any("has none with that memory" in one.why for one in answer.assumptions)


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_of_the_mission(run: Call) -> None:
    shown = run("diagnose", *MISSION)
    assert shown.code == 0 and not shown.err
    for text in ("hardware is fine", "15,688", "262144", "367 s > 300 s", "GiB"):
        assert text in shown.out
    assert all(len(line) <= 100 for line in shown.out.splitlines())
    plain = run("diagnose", *MISSION, "--json").json
    assert [one["id"] for one in plain["findings"]][:2] == ["prompt-over-cap", "context-below-native"]
    assert plain["hardware_is_fine"] is True and plain["suggested_timeout_s"] == 600


def test_exit_codes(run: Call, tmp_path: Path) -> None:
    assert run("diagnose", "--model", "llama-3.3-70b", "--quant", "F16", "--on", "rtx-3090").code == 1
    assert run("diagnose").code == 2
    assert run("diagnose", "--request-tokens", "128k").code == 2
    assert run("diagnose", "--log", str(tmp_path / "missing")).code == 3
    assert run("diagnose", "--server", "{}").code == 3


def test_a_log_from_a_pipe(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        buffer = (LOGS / "lm_studio.txt").open("rb")

    monkeypatch.setattr("sys.stdin", Pipe)
    shown = run("diagnose", "--log", "-", "--json")
    Pipe.buffer.close()
    assert shown.json["findings"][0]["id"] == "prompt-over-cap"
