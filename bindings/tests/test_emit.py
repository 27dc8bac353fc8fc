"""What starts an engine as a plan decided: commands, a Modelfile, settings."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer
from sizer import _emit
from sizer._emit import TARGETS, Settings, emit, options


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


readers = _load("emit_readers")

ENGINES = dict(zip(TARGETS, ("llama.cpp", "ollama", "lm-studio", "vllm", "mlx"), strict=True))


def plan(target: str = "llama-server", **more: Any) -> Settings:
    given: dict[str, Any] = {
        "model": "qwen3-coder-30b-a3b",
        "model_name": "Qwen3-Coder 30B-A3B Instruct",
        "quant": "Q4_K_M",
        "engine": ENGINES[target],
        "context": 32768,
        "parallel": 1,
        "n_layers": 48,
    }
    return Settings(**{**given, **more})


def llama_server(**more: Any) -> Any:
    return readers.command(emit(plan(**more), "llama-server"), options.LLAMA_SERVER, 1).options


def modelfile(**more: Any) -> Any:
    return readers.modelfile(emit(plan("ollama", **more), "ollama"))


def lms(**more: Any) -> Any:
    return readers.command(emit(plan("lmstudio", **more), "lmstudio"), options.LMS_LOAD, 3)


def vllm(**more: Any) -> Any:
    return readers.command(emit(plan("vllm", **more), "vllm"), options.VLLM_SERVE, 2)


# --- llama-server -----------------------------------------------------------------------------------------------------


def test_llama_server_is_told_everything_that_was_decided() -> None:
    assert llama_server(
        model_file="models/coder.gguf",
        parallel=2,
        n_gpu_layers=40,
        n_cpu_moe=12,
        tensor_split=(25, 15),
        split_mode="layer",
        kv_type_k="q8_0",
        kv_type_v="f16",
        kv_unified=False,
        flash_attention=True,
        ubatch=1024,
        n_batch=2048,
        threads=8,
        mmproj="mmproj.gguf",
        draft_model="draft.gguf",
        draft_tokens=5,
        rpc_servers=2,
    ) == {
        "--model": "models/coder.gguf",
        "--mmproj": "./mmproj.gguf",
        "--ctx-size": 65536,
        "--parallel": 2,
        "--no-kv-unified": True,
        "--n-gpu-layers": 40,
        "--n-cpu-moe": 12,
        "--split-mode": "layer",
        "--tensor-split": (25, 15),
        "--rpc": "BOX1:50052,BOX2:50052",
        "--cache-type-k": "q8_0",
        "--cache-type-v": "f16",
        "--ubatch-size": 1024,
        "--batch-size": 2048,
        "--threads": 8,
        "--flash-attn": "on",
        "--spec-type": "draft-simple",
        "--model-draft": "./draft.gguf",
        "--spec-draft-n-max": 5,
    }


def test_llama_server_without_decisions_gets_context_slots_and_layers() -> None:
    text = emit(plan(), "llama-server")
    found = readers.command(text, options.LLAMA_SERVER, 1)
    assert found.options == {
        "--model": "MODEL.gguf",
        "--ctx-size": 32768,
        "--parallel": 1,
        "--n-gpu-layers": "all",
    }
    assert "Fill in: MODEL.gguf stands for" in readers.told(found.comments)


@pytest.mark.parametrize(
    ("parallel", "unified", "cells"), [(1, None, 32768), (4, None, 131072), (4, False, 131072), (4, True, 32768)]
)
def test_llama_server_divides_the_context_unless_the_cache_is_shared(
    parallel: int, unified: bool | None, cells: int
) -> None:
    found = llama_server(parallel=parallel, kv_unified=unified)
    assert (found["--ctx-size"], found["--parallel"]) == (cells, parallel)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf:org/repo", {"--hf-repo": "org/repo:Q4_K_M", "--no-mmproj": True}),
        ("hf:org/repo:Q8_0", {"--hf-repo": "org/repo:Q8_0", "--no-mmproj": True}),
        ("hf:org/repo:a/b.gguf", {"--hf-repo": "org/repo", "--hf-file": "a/b.gguf", "--no-mmproj": True}),
        ("https://host/m.gguf", {"--model-url": "https://host/m.gguf"}),
        ("ollama:qwen3", {"--model": "MODEL.gguf"}),
        ("hf:org/repo@0123abc:Q4_K_M", {"--model": "MODEL.gguf"}),
    ],
)
def test_llama_server_takes_the_model_from_where_it_is(name: str, expected: dict[str, Any]) -> None:
    found = llama_server(model_file=name)
    assert {key: found[key] for key in found if key not in ("--ctx-size", "--parallel", "--n-gpu-layers")} == expected


def test_a_projector_is_not_turned_off() -> None:
    assert "--no-mmproj" not in llama_server(model_file="hf:org/repo", mmproj="m.gguf")


def test_layers_of_devices_have_to_be_all_of_them() -> None:
    with pytest.raises(sizer.InvalidValueError, match="tensor_split"):
        emit(plan(tensor_split=(24, 24)), "llama-server")
    assert llama_server(tensor_split=(25, 24))["--tensor-split"] == (25, 24)
    assert llama_server(tensor_split=(3, 1), split_mode="row")["--tensor-split"] == (3, 1)


def test_the_other_boxes_are_told_what_to_run() -> None:
    text = emit(plan(rpc_servers=1, tensor_split=(20, 29), devices=("far card", "near card")), "llama-server")
    comments = readers.told(text.splitlines())
    assert "20 to far card, 29 to near card" in comments
    (line,) = (line for line in text.splitlines() if line.startswith("#   rpc-server"))
    found, _ = readers.arguments(line.split()[2:], options.RPC_SERVER)
    assert found == {"-H": "0.0.0.0", "-p": 50052}


# --- Ollama -----------------------------------------------------------------------------------------------------------


def test_a_modelfile_gives_the_decided_values_back() -> None:
    found = modelfile(
        model_file="ollama:qwen3-coder:30b",
        parallel=2,
        n_gpu_layers=40,
        kv_type_k="q8_0",
        kv_type_v="q8_0",
        flash_attention=True,
        ubatch=256,
        threads=8,
    )
    assert found.origin == "qwen3-coder:30b"
    assert found.parameters == {"num_ctx": 32768, "num_gpu": 40, "num_batch": 256, "num_thread": 8}
    assert readers.variables(found.comments) == {
        "OLLAMA_NUM_PARALLEL": "2",
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
    }
    assert not found.others


def test_all_layers_are_a_number_for_ollama() -> None:
    assert modelfile().parameters == {"num_ctx": 32768, "num_gpu": 49}


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        (None, "./MODEL.gguf"),
        ("a.gguf", "./a.gguf"),
        ("/m/a b.gguf", "/m/a b.gguf"),
        ("/m/a ", "/m/a "),
        ('"a', './"a'),
        ("~x/a.gguf", "./~x/a.gguf"),
        ("hf:org/repo", "hf.co/org/repo:Q4_K_M"),
        ("hf:org/repo:Q8_0", "hf.co/org/repo:Q8_0"),
        ("hf:org/repo:a/b.gguf", "./MODEL.gguf"),
        ("https://host/a.gguf", "./MODEL.gguf"),
    ],
)
def test_from_names_a_file_or_a_model(name: str | None, origin: str) -> None:
    assert modelfile(model_file=name).origin == origin


def test_what_ollama_cannot_do_is_told_or_refused() -> None:
    told = readers.told(modelfile(tensor_split=(25, 24), mmproj="m.gguf", reasons={"mmproj": "It sees."}).comments)
    assert "Ollama divides the layers among the devices itself." in told
    assert "Not written for Ollama: mmproj = m.gguf. It sees." in told
    for field, value in (
        ("n_cpu_moe", 3),
        ("rpc_servers", 1),
        ("kv_type_k", "bf16"),
        ("kv_type_k", "q5_1"),
    ):
        with pytest.raises(sizer.InvalidValueError):
            emit(plan("ollama", **{field: value}), "ollama")
    with pytest.raises(sizer.InvalidValueError, match="kv_type_v"):
        emit(plan("ollama", kv_type_k="q8_0", kv_type_v="f16"), "ollama")
    with pytest.raises(sizer.InvalidValueError, match="kv_unified"):
        emit(plan("ollama", kv_unified=True, parallel=2), "ollama")


def test_the_reader_of_modelfiles_reads_the_documented_syntax() -> None:
    found = readers.modelfile(
        '# a comment\nfrom llama3.2\nPARAMETER temperature 1\nparameter stop "AI assistant:"\n'
        'SYSTEM """one\ntwo "three"\n"""\nMESSAGE user Is it?\n'
    )
    assert (found.origin, found.parameters) == ("llama3.2", {"temperature": 1.0, "stop": "AI assistant:"})
    assert found.others == [("SYSTEM", 'one\ntwo "three"\n'), ("MESSAGE", "user Is it?")]
    for wrong in ("PARAMETER num_ctx 1\n", "FROM a\nPARAMETER no_such 1\n", "FROM a\nwrong b\n", 'FROM a\nSYSTEM "x\n'):
        with pytest.raises(readers.ModelfileError):
            readers.modelfile(wrong)
    with pytest.raises(ValueError, match="invalid literal"):
        readers.modelfile("FROM a\nPARAMETER num_ctx many\n")


# --- LM Studio, vLLM, MLX ---------------------------------------------------------------------------------------------


def test_lm_studio_gets_a_command_and_settings() -> None:
    found = lms(
        parallel=2, n_gpu_layers=40, n_cpu_moe=12, n_batch=512, ubatch=256, kv_type_k="q8_0", flash_attention=False
    )
    assert found.words == ["lms", "load", "MODEL_KEY"]
    assert found.options == {"--context-length": 32768, "--gpu": 0.8164, "--parallel": 2}
    assert readers.settings_lines(found.comments) == {
        "useUnifiedKvCache": "false",
        "flashAttention": "false",
        "evalBatchSize": "512",
        "physicalBatchSize": "256",
        "llamaKCacheQuantizationType": "q8_0",
        "gpu.numCpuExpertLayersRatio": "0.25",
    }
    assert readers.settings_lines(lms().comments) == {}
    assert [lms(n_gpu_layers=n).options["--gpu"] for n in (None, 49, 0)] == ["max", "max", "off"]


@pytest.mark.parametrize("layers", [1, 7, 48, 80, 126, 199])
def test_the_share_of_layers_stands_for_their_number(layers: int) -> None:
    for n in range(1, layers + 1):
        share = lms(n_layers=layers, n_gpu_layers=n).options["--gpu"]
        assert int(share * (layers + 1)) == n


def test_vllm_is_told_what_was_decided() -> None:
    found = vllm(
        model_file="hf:Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8",
        parallel=16,
        tensor_parallel=2,
        pipeline_parallel=1,
        gpu_memory_utilization=0.92,
        max_num_batched_tokens=8192,
        kv_type_k="f16",
        kv_type_v="f16",
        draft_model="hf:Qwen/Qwen3-0.6B",
        draft_tokens=5,
    )
    assert found.operands == ["Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"]
    draft = json.loads(found.options.pop("--speculative-config"))
    assert draft == {"method": "draft_model", "model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 5}
    assert found.options == {
        "--max-model-len": 32768,
        "--max-num-seqs": 16,
        "--tensor-parallel-size": 2,
        "--pipeline-parallel-size": 1,
        "--gpu-memory-utilization": 0.92,
        "--max-num-batched-tokens": 8192,
        "--kv-cache-dtype": "auto",
    }
    assert vllm().options == {"--max-model-len": 32768, "--max-num-seqs": 1}
    assert vllm(kv_type_k="bf16").options["--kv-cache-dtype"] == "bfloat16"


def test_mlx_has_a_server_and_for_a_quantised_cache_a_generator() -> None:
    text = emit(plan("mlx", model_file="hf:mlx-community/q", parallel=2, ubatch=2048, kv_type_k="f16"), "mlx")
    found = readers.command(text, options.MLX_SERVER, 1)
    assert found.words == ["mlx_lm.server"]
    assert found.options == {
        "--model": "mlx-community/q",
        "--decode-concurrency": 2,
        "--prompt-concurrency": 2,
        "--prefill-step-size": 2048,
    }
    assert "32,768 tokens" in readers.told(found.comments)
    text = emit(plan("mlx", kv_type_k="q8_0", kv_type_v="q8_0"), "mlx")
    found = readers.command(text, options.MLX_GENERATE, 1)
    assert found.words == ["mlx_lm.generate"]
    assert found.options == {"--model": "ORG/REPO", "--prompt": "-", "--kv-bits": 8, "--quantized-kv-start": 0}


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("lmstudio", {"rpc_servers": 1}),
        ("lmstudio", {"kv_type_k": "bf16"}),
        ("vllm", {"n_gpu_layers": 20}),
        ("vllm", {"n_cpu_moe": 1}),
        ("vllm", {"rpc_servers": 1}),
        ("vllm", {"kv_type_k": "q8_0"}),
        ("vllm", {"kv_type_k": "f16", "kv_type_v": "bf16"}),
        ("vllm", {"gpu_memory_utilization": 1.5}),
        ("vllm", {"gpu_memory_utilization": float("nan")}),
        ("mlx", {"n_gpu_layers": 0}),
        ("mlx", {"n_cpu_moe": 1}),
        ("mlx", {"tensor_parallel": 2}),
        ("mlx", {"kv_type_k": "q8_0", "kv_type_v": "f16"}),
        ("mlx", {"kv_type_k": "q5_0", "kv_type_v": "q5_0"}),
        ("mlx", {"kv_type_k": "q8_0", "kv_type_v": "q8_0", "parallel": 2}),
        ("llama-server", {"kv_type_k": "fp8"}),
        ("llama-server", {"split_mode": "sideways"}),
        ("llama-server", {"context": 0}),
        ("llama-server", {"parallel": True}),
        ("llama-server", {"threads": 2.5}),
        ("llama-server", {"tensor_split": ()}),
        ("llama-server", {"n_layers": 0}),
        ("llama-server", {"rpc_servers": -1}),
    ],
)
def test_what_a_target_cannot_do_is_refused(target: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(sizer.InvalidValueError):
        emit(plan(target, **wrong), target)


def test_a_plan_is_written_for_its_own_engine_only() -> None:
    for target in TARGETS:
        for planned in TARGETS:
            if planned != target:
                with pytest.raises(sizer.InvalidValueError, match=f"a plan made for {ENGINES[target]}"):
                    emit(plan(planned), target)
    with pytest.raises(sizer.InvalidValueError, match="llama-server, ollama, lmstudio, vllm, mlx"):
        emit(plan(), "tgi")
    assert set(ENGINES.values()) == set(sizer.engines())


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_table_names_its_source_and_every_option_once() -> None:
    for table in options.TABLES:
        assert "2026" in table.source
        names = [option.name for option in table.options]
        assert len(names) == len(set(names))
        assert all(option.choices for option in table.options if option.kind == "choice")


# llama-server's options in the words of another front end of the same library.
_LLAMA_CPP_PYTHON = {
    "--model": "model",
    "--hf-repo": "hf_model_repo_id",
    "--mmproj": "clip_model_path",
    "--ctx-size": "n_ctx",
    "--n-gpu-layers": "n_gpu_layers",
    "--split-mode": "split_mode",
    "--tensor-split": "tensor_split",
    "--cache-type-k": "type_k",
    "--cache-type-v": "type_v",
    "--flash-attn": "flash_attn",
    "--ubatch-size": "n_ubatch",
    "--batch-size": "n_batch",
    "--threads": "n_threads",
    "--model-draft": "draft_model",
    "--spec-draft-n-max": "draft_model_num_pred_tokens",
    "--rpc": "rpc_servers",
}
# It has one slot, no experts on the host of its own accord, and other ways to fetch.
_LLAMA_SERVER_ALONE = {
    "--model-url",
    "--hf-file",
    "--no-mmproj",
    "--parallel",
    "--kv-unified",
    "--no-kv-unified",
    "--n-cpu-moe",
    "--spec-type",
    "--hf-repo-draft",
}


def test_options_of_llama_server_exist_in_llama_cpp_python() -> None:
    documented = readers.DOCUMENTED["llama-cpp-python"]
    names = {option.name for option in options.LLAMA_SERVER.options}
    assert names == set(_LLAMA_CPP_PYTHON) | _LLAMA_SERVER_ALONE
    assert set(_LLAMA_CPP_PYTHON.values()) <= set(documented["names"])
    assert set(documented["split_modes"]) <= set(options.LLAMA_SERVER["--split-mode"].choices)


def test_options_of_vllm_and_parameters_of_ollama_are_documented() -> None:
    assert {option.name for option in options.VLLM_SERVE.options} <= set(readers.DOCUMENTED["vllm"]["names"])
    parameters = readers.DOCUMENTED["ollama"]["parameters"]
    assert all(parameters[option.name] == "int" for option in options.MODELFILE.options)


# --- shells -----------------------------------------------------------------------------------------------------------

HOSTILE = (
    "a b.gguf",
    "it's.gguf",
    '"quoted".gguf',
    "$(touch owned).gguf",
    "`touch owned`.gguf",
    "a;touch owned.gguf",
    "a&&touch owned",
    "-rf",
    "--help",
    "~root",
    "#hash",
    "back\\slash",
    "end\\",
    "Gr\u00f6\u00dfe \u6a21\u578b \U0001f999.gguf",
    "*?[x]",
    "!history",
    "%PATH%",
)


@pytest.mark.skipif(os.name != "posix" or shutil.which("sh") is None, reason="needs a POSIX shell")
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("target", ["llama-server", "vllm", "mlx"])
def test_a_shell_passes_on_what_was_meant(target: str, name: str, tmp_path: Path) -> None:
    text = emit(plan(target, model_file=name, reasons={"context": f"{name}\n{name}\rtouch owned"}), target)
    program = {"llama-server": "llama-server", "vllm": "vllm", "mlx": "mlx_lm.server"}[target]
    fake = tmp_path / program
    fake.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    got = subprocess.run(
        ["sh", "-eu"], input=text.encode(), capture_output=True, env=environment, cwd=tmp_path, check=True
    )
    assert not got.stderr
    words = got.stdout.decode().split("\0")[:-1]
    assert any(os.path.normpath(word) == os.path.normpath(name) for word in words)
    assert not any(word.startswith("-") and "=" not in word and word.lstrip("-") == name.lstrip("-") for word in words)
    assert sorted(path.name for path in tmp_path.iterdir()) == [program]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a\nb.gguf", "a\0b", "a\rb", "a\u2028b", "\x1b[31m", "", "a\u202eb", "\udcff"])
def test_a_name_that_cannot_be_shown_is_refused(target: str, name: str) -> None:
    with pytest.raises(sizer.InvalidValueError, match="printable"):
        emit(plan(target, model_file=name), target)


@pytest.mark.parametrize("target", TARGETS)
def test_comments_are_inert_where_a_shell_knows_none(target: str) -> None:
    bad = "it's $(touch a) `b` \"c; d & e | f > g < h \\ !!"
    reasons = dict.fromkeys(("context", "quant"), bad)
    text = emit(plan(target, model_name=bad, model_file="x;y", quant=bad, devices=(bad,), reasons=reasons), target)
    comments = "".join(line for line in text.splitlines() if line.startswith("#"))
    assert not set("'\"`$;&|<>\\!") & set(comments)


def test_public_names() -> None:
    assert set(_emit.__all__) == {"TARGETS", "Settings", "emit"}
    assert Settings.from_dict(plan(reasons={"context": "why"}).to_dict()) == plan(reasons={"context": "why"})
