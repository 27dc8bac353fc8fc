"""What must hold for whatever a plan decides (Hypothesis)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._emit import TARGETS, Settings, emit, options


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


readers = _load("emit_readers")

ENGINES = dict(zip(TARGETS, ("llama.cpp", "ollama", "lm-studio", "vllm", "mlx"), strict=True))
TABLES = {
    "llama-server": (options.LLAMA_SERVER, 1),
    "lmstudio": (options.LMS_LOAD, 3),
    "vllm": (options.VLLM_SERVE, 2),
    "mlx": (options.MLX_SERVER, 1),
}
#: Attributes that each target writes when they are decided, and what it then writes.
WRITES: dict[str, dict[str, str]] = {
    "llama-server": {
        "n_cpu_moe": "--n-cpu-moe",
        "tensor_split": "--tensor-split",
        "split_mode": "--split-mode",
        "kv_type_k": "--cache-type-k",
        "kv_type_v": "--cache-type-v",
        "ubatch": "--ubatch-size",
        "n_batch": "--batch-size",
        "threads": "--threads",
        "mmproj": "--mmproj",
        "draft_tokens": "--spec-draft-n-max",
    },
    "ollama": {"threads": "num_thread"},
    "lmstudio": {
        "n_cpu_moe": "gpu.numCpuExpertLayersRatio",
        "kv_type_k": "llamaKCacheQuantizationType",
        "kv_type_v": "llamaVCacheQuantizationType",
        "flash_attention": "flashAttention",
        "ubatch": "physicalBatchSize",
        "n_batch": "evalBatchSize",
    },
    "vllm": {
        "tensor_parallel": "--tensor-parallel-size",
        "pipeline_parallel": "--pipeline-parallel-size",
        "gpu_memory_utilization": "--gpu-memory-utilization",
        "max_num_batched_tokens": "--max-num-batched-tokens",
        "draft_model": "--speculative-config",
    },
    "mlx": {"ubatch": "--prefill-step-size", "draft_model": "--draft-model"},
}

amounts = st.integers(1, 1 << 40)
small = st.integers(1, 512)
texts = st.text(max_size=60)
hostile = st.text(
    st.sampled_from("ab.-/ \"'`$()\\;&|#~!*?[]{}<>=%\n\r\t\0\x1b\u2028\u202e\u00e9\u6a21\U0001f999"), max_size=24
)
targets = st.sampled_from(TARGETS)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def plans(draw: st.DrawFn, target: str) -> Settings:
    """A plan that the target can express."""
    llama = target in ("llama-server", "ollama", "lmstudio")
    n_layers = draw(st.integers(1, 200))
    chosen: dict[str, Any] = {
        "n_gpu_layers": draw(maybe(st.integers(0, n_layers + 1))) if llama else None,
        "flash_attention": draw(maybe(st.booleans())),
        "ubatch": draw(maybe(small)),
        "n_batch": draw(maybe(small)),
        "threads": draw(maybe(small)),
        "mmproj": draw(maybe(st.just("mmproj.gguf"))),
        "draft_model": draw(maybe(st.sampled_from(["draft", "hf:org/draft", "a/draft.gguf"]))),
        "draft_tokens": draw(maybe(small)),
        "gpu_memory_utilization": draw(maybe(st.integers(1, 100))),
        "max_num_batched_tokens": draw(maybe(amounts)),
        "kv_type_k": draw(
            maybe(st.sampled_from({"mlx": ["f16"], "vllm": ["f16", "bf16"]}.get(target, ["f16", "q8_0"])))
        ),
        "devices": tuple(draw(st.lists(texts, max_size=3))),
    }
    if chosen["gpu_memory_utilization"] is not None:
        chosen["gpu_memory_utilization"] /= 100
    chosen["kv_type_v"] = chosen["kv_type_k"]
    if target == "vllm":
        chosen["tensor_parallel"], chosen["pipeline_parallel"] = draw(maybe(small)), draw(maybe(small))
    if target in ("llama-server", "lmstudio"):
        chosen["n_cpu_moe"] = draw(maybe(st.integers(0, n_layers)))
        chosen["kv_unified"] = draw(maybe(st.booleans()))
    if target == "llama-server":
        chosen["rpc_servers"] = draw(st.integers(0, 3))
    if llama:
        chosen["split_mode"] = draw(maybe(st.sampled_from(["layer", "row"])))
        on = n_layers + 1 if chosen["n_gpu_layers"] is None else chosen["n_gpu_layers"]
        if on and draw(st.booleans()):
            first = draw(st.integers(0, on))
            chosen["tensor_split"] = (first, on - first)
    names = st.sampled_from([*chosen, "context", "parallel", "quant", "model_file", "unheard_of"])
    return Settings(
        model=draw(texts),
        model_name=draw(texts),
        model_file=draw(maybe(st.sampled_from(["m.gguf", "/models/m", "hf:org/repo", "hf:org/repo:Q8_0"]))),
        quant=draw(texts),
        engine=ENGINES[target],
        context=draw(amounts),
        parallel=draw(small),
        n_layers=n_layers,
        reasons=draw(st.dictionaries(names, hostile | texts, max_size=6)),
        **chosen,
    )


any_plan = targets.flatmap(lambda target: st.tuples(st.just(target), plans(target)))


def read(target: str, text: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """What was set, under the names of the target; operands; comments."""
    if target == "ollama":
        found = readers.modelfile(text)
        assert not found.others
        return {**found.parameters, **readers.variables(found.comments)}, [found.origin], found.comments
    table, words = TABLES[target]
    command = readers.command(text, table, words)
    operands = [*command.words[2:], *command.operands]
    return {**command.options, **readers.settings_lines(command.comments)}, operands, command.comments


def code(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def words(text: str) -> list[str]:
    """The runs of letters and digits, which comments keep as they are."""
    return re.findall(r"[^\W_]+", "".join(char if char.isprintable() else " " for char in text))


@given(any_plan)
def test_what_is_written_reads_back_as_what_was_decided(case: tuple[str, Settings]) -> None:
    target, plan = case
    found, _, _ = read(target, emit(plan, target))
    all_layers = plan.n_layers + 1
    on = all_layers if plan.n_gpu_layers is None else plan.n_gpu_layers
    shared = plan.context if plan.kv_unified else plan.context * plan.parallel
    if target == "llama-server":
        assert (found["--ctx-size"], found["--parallel"]) == (shared, plan.parallel)
        assert found["--n-gpu-layers"] == ("all" if on == all_layers else on)
        assert found.get("--flash-attn") == {None: None, True: "on", False: "off"}[plan.flash_attention]
        assert len(found.get("--rpc", "").split(",")) == max(plan.rpc_servers, 1)
    elif target == "ollama":
        assert (found["num_ctx"], found["num_gpu"]) == (plan.context, on)
        assert found["OLLAMA_NUM_PARALLEL"] == str(plan.parallel)
        assert found.get("OLLAMA_KV_CACHE_TYPE") == plan.kv_type_k
        assert found.get("num_batch") == (plan.ubatch or plan.n_batch)
    elif target == "lmstudio":
        assert (found["--context-length"], found["--parallel"]) == (plan.context, plan.parallel)
        share = {"max": 1, "off": 0}.get(found["--gpu"], found["--gpu"])
        assert int(share * all_layers) == on
    elif target == "vllm":
        assert (found["--max-model-len"], found["--max-num-seqs"]) == (plan.context, plan.parallel)
        if plan.draft_model:
            draft = json.loads(found["--speculative-config"])
            assert draft.get("num_speculative_tokens") == plan.draft_tokens
    else:
        assert found["--decode-concurrency"] == plan.parallel
    for field, name in WRITES[target].items():
        value = getattr(plan, field)
        if isinstance(value, (int, float, tuple)) and not isinstance(value, bool) and "." not in name and name in found:
            assert found[name] == value or found[name] == str(value)


@given(any_plan)
def test_nothing_is_written_that_was_not_decided(case: tuple[str, Settings]) -> None:
    target, plan = case
    whole, operands, _ = read(target, emit(plan, target))
    for field, name in WRITES[target].items():
        if getattr(plan, field) is None:
            assert name not in whole
            continue
        if field == "draft_tokens" and plan.draft_model is None:
            continue
        assert name in whole
        without, same, _ = read(target, emit(plan.replace(**{field: None}), target))
        assert name not in without and operands == same
        others = {key for key in whole if key not in without} - {name}
        assert others <= ({"--num-draft-tokens"} if field == "draft_model" else set())


@given(any_plan)
def test_every_reason_stands_in_a_comment_and_only_there(case: tuple[str, Settings]) -> None:
    target, plan = case
    text = emit(plan, target)
    _, _, comments = read(target, text)
    told = " ".join(words(readers.told(comments)))
    for reason in plan.reasons.values():
        assert " ".join(words(reason.replace("$", " USD "))) in told
    assert text.isascii() or all(char.isprintable() for char in text.replace("\n", ""))
    assert code(text) == code(emit(plan.replace(reasons={}, model="", model_name="", devices=()), target))


@given(targets, hostile | texts)
def test_a_hostile_name_stays_a_name(target: str, name: str) -> None:
    fields = ("model_file",) if target == "ollama" else ("model_file", "draft_model", "mmproj")
    base = Settings(
        model="m", model_name="M", quant="Q8_0", engine=ENGINES[target], context=4096, parallel=1, n_layers=4
    )
    for field in fields:
        plain, operands, _ = read(target, emit(base.replace(**{field: "/a"}), target))
        try:
            text = emit(base.replace(**{field: name}), target)
        except sizer.InvalidValueError as error:
            assert error.field in (field, "model")
            continue
        assert name.isprintable() or field != "model_file"
        found, given_operands, comments = read(target, text)
        changed = [value for key, value in found.items() if value != plain.get(key)]
        changed += [word for word in given_operands if word not in operands]
        assert len(text.splitlines()) - len(comments) == len(code(text))
        values = [json.loads(v)["model"] if str(v).startswith('{"method"') else v for v in changed]
        if name.partition(":")[0].lower() not in ("hf", "ollama", "http", "https", "file"):
            assert all(value in (name, f"./{name}") for value in values)
            assert all(os.path.normpath(value) == os.path.normpath(name) for value in values)
        assert set(found) == set(plain) or ":" in name


@pytest.mark.parametrize("target", TARGETS)
def test_any_value_of_an_option_is_taken_or_refused_by_name(target: str) -> None:
    @given(st.sampled_from(sorted(WRITES[target])), st.none() | st.booleans() | st.integers() | st.floats() | texts)
    def check(field: str, value: Any) -> None:
        base = Settings(
            model="m", model_name="M", quant="Q8_0", engine=ENGINES[target], context=4096, parallel=1, n_layers=4
        )
        if isinstance(value, str) == (field in ("mmproj", "draft_model")) and field != "tensor_split":
            try:
                read(target, emit(base.replace(**{field: value}), target))
            except sizer.InvalidValueError as error:
                assert error.expected

    check()
