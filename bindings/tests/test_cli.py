"""The command line: exit codes, JSON keys, width, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sizer

MODEL, MACHINE = "qwen3-coder-30b-a3b", "dgx-spark"

Call = Callable[..., Any]


def _start(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sizer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


def test_estimate_json_is_the_python_object(run: Call) -> None:
    result = run("estimate", MODEL, "--on", MACHINE, "--context", "262144", "--json")
    assert result.code == 0
    assert result.json == sizer.estimate(model=MODEL, hardware=MACHINE, context=262144).to_dict()
    assert sizer.Estimate.from_dict(result.json).memory.kv_cache_bytes == 25_769_803_776


def test_every_option_reaches_the_estimate(run: Call) -> None:
    options = (
        "--quant Q8_0 --context 65_536 --kv-type q8_0 --parallel 4 --batch 2 --prompt-tokens 1,000 --output-tokens 100 "
        "--depth 512 --engine ollama --ubatch 256 --engine-option n-cpu-moe=3 --engine-option type_v=f16 "
        "--engine-option kv_unified=yes"
    )
    result = run("estimate", MODEL, "--on", MACHINE, *options.split(), "--json")
    expected = sizer.estimate(
        model=MODEL,
        hardware=MACHINE,
        quant="Q8_0",
        context=65536,
        kv_type="q8_0",
        parallel=4,
        batch=2,
        prompt_tokens=1000,
        output_tokens=100,
        depth=512,
        engine="ollama",
        ubatch=256,
        engine_options={"n_cpu_moe": 3, "type_v": "f16", "kv_unified": True},
    )
    assert result.json == expected.to_dict()
    slow = run("estimate", MODEL, "--on", MACHINE, "--no-flash-attention", "--json")
    assert slow.json["flash_attention"] is False


def test_compare_json(run: Call) -> None:
    result = run("compare", MODEL, "--prompt-tokens", "146760", "--json")
    assert result.code == 0
    assert result.json == sizer.compare(MODEL, prompt_tokens=146760).to_dict()
    row = result.json["machines"][0]
    assert {"id", "name", "fits", "memory", "decode", "prefill", "ttft_s", "price_usd", "price_date"} <= set(row)
    assert {"runs", "price_covers", "frontier"} <= set(row)


def test_compare_filters(run: Call) -> None:
    cheap = run("compare", MODEL, "--price-max", "3000", "--sort", "price", "--json").json["machines"]
    assert cheap
    assert all(row["price_usd"] <= 3000 for row in cheap)
    assert len(run("compare", MODEL, "--limit", "3", "--json").json["machines"]) == 3
    two = run("compare", MODEL, "--on", MACHINE, "--on", "rtx-3090-24gb", "--json")
    assert len(two.json["machines"]) == 2
    assert run("compare", "deepseek-v3", "--on", "rtx-3090-24gb").code == 1


def test_lists(run: Call) -> None:
    models = run("models", "--json").json["models"]
    assert [one["id"] for one in models] == [one.id for one in sizer.models()]
    machines = run("hardware", "--json").json["machines"]
    assert [one["id"] for one in machines] == [one.id for one in sizer.machines()]
    metal = run("hardware", "--backend", "metal", "--memory-min", "100", "--price-max", "9000", "--json").json[
        "machines"
    ]
    assert metal
    assert all(one["devices"][0]["backend"] == "metal" for one in metal)
    assert run("models", "--family", "qwen3moe").code == 0
    assert run("models", "--match", "no such text").code == 1


def test_show(run: Call) -> None:
    assert run("models", MODEL, "--json").json == sizer.model(MODEL).to_dict()
    assert run("hardware", MACHINE, "--json").json == sizer.hardware(MACHINE).to_dict()
    shown = run("hardware", MACHINE).out
    assert "273 GB/s" in shown
    assert "vendor" in shown


def test_validate(run: Call, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    entry = sizer.hardware(MACHINE).to_dict()
    good.write_text(json.dumps(entry))
    entry["devices"][0]["memory"]["bandwidth_spec"]["unit"] = "GiB/s"
    bad.write_text(json.dumps(entry))
    assert run("validate", str(good)).code == 0
    result = run("validate", str(good), str(bad), "--json")
    assert result.code == 1
    assert [one["ok"] for one in result.json["files"]] == [True, False]
    problem = result.json["files"][1]["problems"][0]
    assert "/devices/0/memory/bandwidth_spec/unit" in problem
    assert "GiB/s" in problem
    assert "GB/s" in problem
    assert run("validate", str(tmp_path / "missing.json")).code == 3
    assert run("estimate", MODEL, "--on", str(good)).code == 0
    assert run("estimate", MODEL, "--on", str(bad)).code == 3


BAD: list[tuple[str, int, str]] = [
    ("", 2, "COMMAND"),
    ("nonsense", 2, "nonsense"),
    ("estimate", 2, "MODEL"),
    (f"estimate {MODEL}", 2, "--on"),
    (f"estimate {MODEL} --on {MACHINE} --contxt 5", 2, "--contxt"),
    (f"estimate {MODEL} --on {MACHINE} --context", 2, "--context"),
    (f"estimate no-such-model --on {MACHINE}", 2, "no-such-model"),
    (f"estimate {MODEL} --on no-such-machine", 2, "no-such-machine"),
    (f"estimate {MODEL} --on {MACHINE} --context -1", 2, "context"),
    (f"estimate {MODEL} --on {MACHINE} --context 0", 2, "context"),
    (f"estimate {MODEL} --on {MACHINE} --context 300000", 2, "262144"),
    (f"estimate {MODEL} --on {MACHINE} --context 1e5", 2, "context"),
    (f"estimate {MODEL} --on {MACHINE} --context nan", 2, "context"),
    (f"estimate {MODEL} --on {MACHINE} --context 256k", 2, "262144 or 256000"),
    (f"estimate {MODEL} --on {MACHINE} --context 99999999999999999999999", 2, "context"),
    (f"estimate {MODEL} --on {MACHINE} --quant Q4_K_X", 2, "Q4_K_M"),
    (f"estimate {MODEL} --on {MACHINE} --engine-option n_cpu_moe", 2, "KEY=VALUE"),
    (f"estimate {MODEL} --on {MACHINE} --engine-option n_cpu_moe=many", 2, "n_cpu_moe"),
    (f"estimate {MODEL} --on {MACHINE} --engine-option n_cpu_mo=1", 2, "n_cpu_moe"),
    (f"estimate {MODEL} --on {MACHINE} --engine-option kv_unified=maybe", 2, "kv_unified"),
    (f"compare {MODEL} --sort speed", 2, "decode"),
    (f"compare {MODEL} --limit 0", 2, "limit: got 0, expected at least 1"),
    (f"compare {MODEL} --limit -3", 2, "limit"),
    (f"compare {MODEL} --limit some", 2, "limit"),
    ("models foo", 2, "nearest: "),
    ("hardware foo", 2, "nearest: "),
    (f"estimate {MODEL} --on zzz", 2, "nearest: "),
    (f"compare {MODEL} --price-max nan", 2, "price_max"),
    (f"compare {MODEL} --price-max -5", 2, "price_max"),
    ("hardware --memory-min much", 2, "memory_min"),
    ("estimate nowhere.json --on dgx-spark", 3, "nowhere.json"),
    ("validate nowhere.json", 3, "nowhere.json"),
    (f"estimate deepseek-v3 --on {MACHINE}", 1, ""),
    (f"estimate {MODEL} --on {MACHINE}", 0, ""),
]


@pytest.mark.parametrize(("line", "code", "told"), BAD, ids=[line or "nothing" for line, _, _ in BAD])
def test_exit_codes(run: Call, line: str, code: int, told: str) -> None:
    result = run(*line.split())
    assert result.code == code
    if code < 2:
        assert result.err == ""
        return
    assert told in result.err
    assert result.err.startswith("sizer: error: ")
    assert result.err.count("\n") == 1, "one line"
    assert result.out == ""
    if not line.endswith(("--context", "COMMAND")) and line.split()[:1] not in ([], ["nonsense"]):
        plain = run(*line.split(), "--json")
        assert plain.code == code
        assert plain.json["error"]["exit_code"] == code
        assert told.replace("_", "") in json.dumps(plain.json).replace("_", "")


def test_help_and_version(run: Call, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["--version"], *([name, "--help"] for name in "estimate compare models".split())):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 0
        assert capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        f"estimate {MODEL} --on {MACHINE}",
        f"estimate {MODEL} --on rtx-3090-24gb --batch 4 --engine-option n_gpu_layers=10 --kv-type q8_0",
        f"estimate deepseek-v3 --on {MACHINE}",
        f"compare {MODEL} --prompt-tokens 146760 --all",
        f"compare {MODEL} --sort headroom --batch 64 --context 2048 --limit 300",
        "compare deepseek-v3",
        "compare deepseek-v3 --engine mlx --all",
        "estimate llama-4-scout-17b-16e --on rtx-4090-24gb",
        "estimate deepseek-v3 --on ryzen-9800x3d-rtx-3090-96gb --batch 8 --context 2048",
        "models",
        f"models {MODEL}",
        "models deepseek-v3",
        "hardware",
        f"hardware {MACHINE}",
    ],
)
def test_tables_fit_100_columns(run: Call, line: str) -> None:
    too_long = [text for text in run(*line.split()).out.split("\n") if len(text) > 100]
    assert not too_long


def test_output_is_plain_without_a_terminal() -> None:
    result = _start("estimate", MODEL, "--on", MACHINE, env={**os.environ, "LC_ALL": "C", "COLUMNS": "40"})
    assert result.returncode == 0
    assert "\033" not in result.stdout
    assert result.stdout.isascii()
    assert max(map(len, result.stdout.split("\n"))) > 60, "the width does not depend on the environment"


@pytest.mark.parametrize(
    ("line", "code"),
    [("hardware --json", 0), ("hardware", 0), (f"estimate deepseek-v3 --on {MACHINE}", 1), ("models foo --json", 2)],
)
def test_a_closed_pipe_keeps_the_exit_code(line: str, code: int) -> None:
    command = [sys.executable, "-m", "sizer", *line.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if line.startswith("hardware"):
            process.stdout.read(10)
        process.stdout.close()
        assert process.wait(timeout=120) == code
        told = process.stderr.read()
        assert told == b"" if code < 2 else told.count(b"\n") == 1


@pytest.mark.parametrize("line", ["models foo", "hardware zzz", f"estimate {MODEL} --on 1", "compare qqqqqq"])
def test_unknown_names_get_at_least_three_near_ones(run: Call, line: str) -> None:
    error = run(*line.split(), "--json").json["error"]
    assert error["exit_code"] == 2
    assert len(error["nearest"]) >= 3
    assert all(name in error["message"] for name in error["nearest"])


def test_internal_errors_are_code_4(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("sizer.cli.models.models", broken)
    result = run("models", "--json")
    assert result.code == 4
    assert result.json["error"]["type"] == "InternalError"
    assert "a bug" in result.err
