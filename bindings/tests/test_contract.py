"""The names of the contract (design, section 3): scripts, notebooks and other programs rely on them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import sizer

MEMORY = (
    "weights_bytes kv_cache_bytes recurrent_state_bytes compute_buffer_bytes overhead_bytes total_bytes "
    "available_bytes headroom_bytes fits pools overhead_lines compute_moment"
).split()
DECODE = "tokens_per_s low high ceiling_tokens_per_s bound terms".split()
PREFILL = "tokens_per_s low high".split()
TOP = (
    "memory decode decode_behind_prompt prefill ttft_s tpot_s assumptions sources model hardware quant context "
    "kv_type parallel batch prompt_tokens output_tokens depth engine ubatch flash_attention engine_options"
).split()


@pytest.fixture(scope="module")
def estimate() -> sizer.Estimate:
    """The call of the contract, word for word."""
    m = sizer.model("qwen3-coder-30b-a3b")
    hw = sizer.hardware("dgx-spark")
    return sizer.estimate(
        model=m,
        hardware=hw,
        quant="Q4_K_M",
        context=262144,
        kv_type="f16",
        parallel=1,
        batch=1,
        prompt_tokens=2048,
        output_tokens=256,
        depth=0,
        engine="llama.cpp",
        ubatch=512,
        flash_attention=True,
    )


@pytest.mark.parametrize("name", TOP)
def test_estimate_has(estimate: sizer.Estimate, name: str) -> None:
    assert hasattr(estimate, name)
    assert name in estimate.to_dict()


@pytest.mark.parametrize("name", MEMORY)
def test_memory_has(estimate: sizer.Estimate, name: str) -> None:
    assert hasattr(estimate.memory, name)
    assert name in estimate.to_dict()["memory"]


@pytest.mark.parametrize("name", DECODE)
def test_decode_has(estimate: sizer.Estimate, name: str) -> None:
    assert hasattr(estimate.decode, name)
    assert name in estimate.to_dict()["decode"]


@pytest.mark.parametrize("name", PREFILL)
def test_prefill_has(estimate: sizer.Estimate, name: str) -> None:
    assert hasattr(estimate.prefill, name)
    assert name in estimate.to_dict()["prefill"]


def test_numbers_are_plain(estimate: sizer.Estimate) -> None:
    assert type(estimate.memory.weights_bytes) is int
    assert type(estimate.memory.fits) is bool
    assert type(estimate.decode.tokens_per_s) is float
    assert type(estimate.ttft_s) is float
    assert estimate.decode.bound in ("memory", "compute", "latency", "link")
    assert set(estimate.to_dict()["decode"]["terms"][0]) == {"name", "seconds", "bound"}


def test_the_request_is_repeated(estimate: sizer.Estimate) -> None:
    assert (estimate.quant, estimate.context, estimate.kv_type) == ("Q4_K_M", 262144, "f16")
    assert (estimate.parallel, estimate.batch, estimate.depth) == (1, 1, 0)
    assert (estimate.prompt_tokens, estimate.output_tokens, estimate.ubatch) == (2048, 256, 512)
    assert (estimate.engine, estimate.flash_attention) == ("llama.cpp", True)


def test_arguments_have_the_names_and_defaults_of_the_contract() -> None:
    parameters = inspect.signature(sizer.estimate).parameters
    kinds = [one.kind for one in parameters.values()]
    assert list(parameters)[:2] == ["model", "hardware"]
    assert set(kinds[:2]) == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert set(kinds[2:]) == {inspect.Parameter.KEYWORD_ONLY}
    e = sizer.estimate("llama-3.1-8b", "dgx-spark")
    assert (e.quant, e.kv_type, e.engine, e.flash_attention) == ("Q4_K_M", "f16", "llama.cpp", True)
    assert (e.batch, e.parallel, e.depth, e.ubatch) == (1, 1, 0, 512)


def test_names_may_stand_for_model_and_hardware(estimate: sizer.Estimate) -> None:
    assert sizer.estimate(model="qwen3-coder-30b-a3b", hardware="dgx-spark", context=262144) == estimate
    assert sizer.estimate("qwen3-coder-30b-a3b", "dgx-spark", context=262144) == estimate


def test_model_and_hardware_may_be_positional(small_machine: sizer.Hardware) -> None:
    both: dict[str, Any] = {"model": "qwen3-coder-30b-a3b", "hardware": small_machine}
    assert sizer.largest_context(*both.values()) == sizer.largest_context(**both)
    assert sizer.best_quantization(*both.values(), context=4096) == sizer.best_quantization(**both, context=4096)


def test_decode_behind_the_prompt(small_machine: sizer.Hardware) -> None:
    e = sizer.estimate("llama-3.1-8b", small_machine, context=8192, prompt_tokens=4000, depth=1000)
    deeper = sizer.estimate("llama-3.1-8b", small_machine, context=8192, prompt_tokens=0, depth=5000)
    assert e.decode_behind_prompt == deeper.decode == deeper.decode_behind_prompt
    assert e.decode_behind_prompt.tokens_per_s < e.decode.tokens_per_s
    assert e.to_dict()["decode_behind_prompt"]["tokens_per_s"] == deeper.decode.tokens_per_s


def test_a_context_that_nobody_stated_is_told_apart(small_machine: sizer.Hardware) -> None:
    own, stated = (sizer.estimate("llama-3.1-8b", small_machine, context=n) for n in (None, 131072))
    assert own == stated
    assert (own.context_given, stated.context_given) == (False, True)


def test_what_would_fit(small_machine: sizer.Hardware) -> None:
    e = sizer.estimate("qwen3-coder-30b-a3b", small_machine, context=131072, kv_type="q8_0")
    assert not e.fits
    assert e.largest_context == sizer.largest_context("qwen3-coder-30b-a3b", small_machine, kv_type="q8_0")
    assert e.best_quantization == sizer.best_quantization(
        "qwen3-coder-30b-a3b", small_machine, context=131072, kv_type="q8_0"
    )
    assert e.best_quantization is not None
    small = sizer.estimate("qwen3-coder-30b-a3b", small_machine, context=4096)
    assert small.fits
    assert (small.largest_context, small.best_quantization) == (None, None)


def test_what_is_not_said_is_clamped_to_the_context(small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    e = sizer.estimate(model=small_model, hardware=small_machine)
    assert (e.context, e.prompt_tokens, e.output_tokens, e.parallel) == (8192, 2048, 256, 1)
    e = sizer.estimate(model=small_model, hardware=small_machine, context=1000, depth=900, batch=2)
    assert (e.prompt_tokens, e.output_tokens, e.parallel) == (100, 100, 2)
    e = sizer.estimate(model=small_model, hardware=small_machine, context=1000, depth=1000)
    assert (e.prompt_tokens, e.output_tokens) == (0, 0)


LLAMA_CPP_OPTIONS = {
    "type_k": "q8_0",
    "type_v": "f16",
    "kv_unified": True,
    "swa_full": False,
    "n_batch": 2048,
    "n_outputs_max": 1,
    "n_rs_seq": 0,
    "n_gpu_layers": 24,
    "n_cpu_moe": 12,
}
VLLM_OPTIONS = {"block_size": 16, "gpu_memory_utilization": 0.9, "max_num_batched_tokens": 8192}


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("llama.cpp", LLAMA_CPP_OPTIONS),
        ("ollama", {"n_batch": 256}),
        ("lm-studio", {"swa_full": False}),
        ("vllm", VLLM_OPTIONS),
        ("mlx", {"prefill_step_size": 512}),
    ],
)
def test_engine_options(engine: str, options: dict[str, Any]) -> None:
    e = sizer.estimate(
        model="qwen3-coder-30b-a3b", hardware="rtx-3090-24gb", context=8192, engine=engine, engine_options=options
    )
    assert e.engine == engine
    assert e.engine_options == options


def test_engine_options_reach_the_engine(small_machine: sizer.Hardware) -> None:
    def memory(**options: Any) -> sizer.Memory:
        return sizer.estimate(
            model="qwen3-coder-30b-a3b", hardware=small_machine, context=8192, engine_options=options
        ).memory

    plain = memory()
    assert memory(type_k="q8_0", type_v="q8_0").kv_cache_bytes * 2 * 16 == plain.kv_cache_bytes * 17
    assert memory(n_cpu_moe=12).pools[0].weights_bytes < plain.pools[0].weights_bytes
    # llama.cpp takes 0 for the whole batch; without the option, llama-server's slots.
    assert memory(n_outputs_max=0).total_bytes > memory(n_outputs_max=1).total_bytes
    assert memory(n_outputs_max=1) == plain


def test_kv_type_means_both_halves_of_the_cache(small_machine: sizer.Hardware) -> None:
    halves = {"type_k": "q8_0", "type_v": "q8_0"}
    one = sizer.estimate(model="llama-3.1-8b", hardware=small_machine, context=8192, kv_type="q8_0")
    other = sizer.estimate(model="llama-3.1-8b", hardware=small_machine, context=8192, engine_options=halves)
    assert one.memory == other.memory


def test_compare() -> None:
    c = sizer.compare("qwen3-coder-30b-a3b", prompt_tokens=146760)
    assert len(c) == len(sizer.machines())
    order = [(row.runs, row.runs and row.fits) for row in c]
    assert order == sorted(order, reverse=True), "those that fit come first, those that the engine cannot use last"
    times = [row.request_s for row in c.fitting]
    assert times == sorted(times)
    for row in c.fitting:
        assert row.request_s == pytest.approx(row.ttft_s + 256 * row.tpot_s)
        assert row.largest_context is None


def test_compare_agrees_with_estimate() -> None:
    request: dict[str, Any] = {"context": 32768, "prompt_tokens": 4096, "kv_type": "q8_0"}
    machines = ["dgx-spark", "rtx-3090-24gb"]
    for row in sizer.compare("qwen3-coder-30b-a3b", machines=machines, **request):
        e = sizer.estimate(model="qwen3-coder-30b-a3b", hardware=row.id, **request)
        assert (row.memory, row.prefill, row.ttft_s) == (e.memory, e.prefill, e.ttft_s)
        deeper: dict[str, Any] = {**request, "depth": 4096}
        behind = sizer.estimate(model="qwen3-coder-30b-a3b", hardware=row.id, **deeper)
        assert row.decode.tokens_per_s == pytest.approx(behind.decode.tokens_per_s)


@pytest.mark.parametrize("sort", ["request", "decode", "ttft", "price", "headroom"])
def test_compare_sorts(sort: str) -> None:
    rows = sizer.compare("llama-3.1-8b", context=8192, sort=sort).fitting
    values: dict[str, list[float]] = {
        "request": [row.request_s for row in rows],
        "decode": [-row.decode.tokens_per_s for row in rows],
        "ttft": [row.ttft_s for row in rows],
        "price": [float("inf") if row.price_usd is None else row.price_usd for row in rows],
        "headroom": [-row.memory.headroom_bytes for row in rows],
    }
    assert values[sort] == sorted(values[sort])


def test_reverse_questions(small_machine: sizer.Hardware) -> None:
    largest = sizer.largest_context(model="qwen3-coder-30b-a3b", hardware=small_machine)
    assert largest is not None
    assert sizer.estimate(model="qwen3-coder-30b-a3b", hardware=small_machine, context=largest).memory.fits
    assert not sizer.estimate(model="qwen3-coder-30b-a3b", hardware=small_machine, context=largest + 256).memory.fits
    best = sizer.best_quantization(model="qwen3-coder-30b-a3b", hardware=small_machine, context=32768)
    assert best is not None
    assert sizer.estimate(model="qwen3-coder-30b-a3b", hardware=small_machine, quant=best, context=32768).memory.fits
    assert sizer.best_quantization(model="deepseek-v3", hardware=small_machine, context=4096) is None
    assert sizer.largest_context(model="deepseek-v3", hardware=small_machine) is None


def test_work_is_what_the_weights_say(small_model: sizer.Model) -> None:
    work = sizer.decode_work(model=small_model, quant="F16", depth=1000)
    assert work["kv_cache_bytes"] == 4 * 1000 * 2 * 2 * 64 * 2
    assert sum(work["weights_bytes"].values()) <= work["least_bytes"]
    prefill = sizer.prefill_work(model=small_model, quant="F16", prompt_tokens=1024, ubatch=512)
    assert prefill["ubatches"] == 2
