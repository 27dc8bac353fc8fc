"""What must hold for every model, machine and request (Hypothesis)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import sizer

models = st.sampled_from(sizer.models())
machines = st.sampled_from(sizer.machines())
quants = st.sampled_from(["Q4_K_M", "Q8_0", "IQ4_XS", "BF16", "Q2_K"])
kv_types = st.sampled_from(["f16", "q8_0"])
shares = st.floats(min_value=0.001, max_value=1.0)


def tokens(model: sizer.Model, share: float) -> int:
    return max(1, int(model.context_length * share))


def parts(memory: sizer.Memory | sizer.Pool) -> int:
    return (
        memory.weights_bytes
        + memory.kv_cache_bytes
        + memory.recurrent_state_bytes
        + memory.compute_buffer_bytes
        + memory.overhead_bytes
    )


@given(models, machines, quants, shares, st.sampled_from(sizer.engines()), st.integers(1, 8))
def test_parts_sum_and_speeds_are_ordered(
    model: sizer.Model, machine: sizer.Hardware, quant: str, share: float, engine: str, batch: int
) -> None:
    e = sizer.estimate(
        model=model, hardware=machine, quant=quant, context=tokens(model, share), engine=engine, batch=batch
    )
    memory = e.memory
    assert parts(memory) == memory.total_bytes
    assert memory.headroom_bytes == memory.available_bytes - memory.total_bytes
    assert sum(pool.total_bytes for pool in memory.pools) == memory.total_bytes
    assert sum(line.amount_bytes for line in memory.overhead_lines) == memory.overhead_bytes
    assert memory.fits == all(pool.fits for pool in memory.pools)
    for pool in memory.pools:
        assert parts(pool) == pool.total_bytes
        assert pool.fits == (pool.headroom_bytes >= 0)
    for rate in (e.decode, e.prefill) if e.prompt_tokens else (e.decode,):
        assert 0 < rate.low <= rate.tokens_per_s <= rate.high <= rate.ceiling_tokens_per_s * (1 + 1e-12)
        assert math.isclose(sum(term.seconds for term in rate.terms), rate.time_s, rel_tol=1e-9)
        assert all(term.seconds >= 0 for term in rate.terms)
    assert e.ttft_s >= e.prefill.time_s
    assert math.isclose(e.tpot_s, e.decode.time_s)


@given(models, machines, kv_types, shares, shares)
def test_more_context_never_needs_less_memory(
    model: sizer.Model, machine: sizer.Hardware, kv_type: str, one: float, other: float
) -> None:
    try:
        small, large = (
            sizer.estimate(model=model, hardware=machine, kv_type=kv_type, context=tokens(model, share)).memory
            for share in sorted((one, other))
        )
    except sizer.InvalidValueError as error:  # a head that no q8_0 block divides
        assert error.field in ("type_k", "type_v", "elements")
        return
    assert large.kv_cache_bytes >= small.kv_cache_bytes
    assert large.total_bytes >= small.total_bytes


@given(models, machines, st.integers(1, 32), st.integers(1, 32))
def test_a_larger_batch_never_gives_less_in_all(
    model: sizer.Model, machine: sizer.Hardware, one: int, other: int
) -> None:
    # llama.cpp changes kernels between 1 and 2, 8 and 9, and on Metal between 5 and 6 and at 32 sequences; a change may
    # cost more than the further sequence brings.
    assume(any(one in path and other in path for path in (range(2, 6), range(6, 9), range(9, 32))))

    def decode(batch: int) -> float:
        return sizer.estimate(
            model=model, hardware=machine, context=min(4096, model.context_length), parallel=32, batch=batch
        ).decode.tokens_per_s

    small, large = sorted((one, other))
    assert decode(large) >= decode(small) * (1 - 1e-9)


@given(models, machines, shares, shares)
def test_decode_is_never_faster_at_depth(model: sizer.Model, machine: sizer.Hardware, one: float, other: float) -> None:
    shallow, deep = (
        sizer.estimate(model=model, hardware=machine, depth=tokens(model, share), prompt_tokens=0).decode
        for share in sorted((one, other))
    )
    assert deep.tokens_per_s <= shallow.tokens_per_s * (1 + 1e-9)


@given(models, machines, quants)
def test_the_largest_context_is_the_largest(model: sizer.Model, machine: sizer.Hardware, quant: str) -> None:
    largest = sizer.largest_context(model=model, hardware=machine, quant=quant)

    def fits(context: int) -> bool:
        return sizer.estimate(model=model, hardware=machine, quant=quant, context=context).memory.fits

    if largest is None:
        assert not fits(1)
        return
    assert fits(largest)
    assert largest == model.context_length or not fits(min(largest + 256, model.context_length))


@given(models)
def test_more_bits_are_never_smaller(model: sizer.Model) -> None:
    sizes = [
        sizer.estimate(model=model, hardware="dgx-spark", quant=quant, context=1).memory.weights_bytes
        for quant in ("Q2_K", "Q4_K_M", "Q8_0", "BF16", "F32")
    ]
    assert sizes == sorted(sizes)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=3)
)
FIELDS = "quant context kv_type parallel batch prompt_tokens output_tokens depth engine ubatch flash_attention".split()


@given(st.dictionaries(st.sampled_from([*FIELDS, "engine_options", "model", "hardware"]), anything, max_size=3))
def test_nonsense_gives_an_answer_or_a_clear_error(changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"model": "llama-3.1-8b", "hardware": "dgx-spark", **changes}
    try:
        e = sizer.estimate(**arguments)
    except sizer.SizerError as error:
        assert 0 < len(str(error)) < 600
        return
    assert e.memory.total_bytes > 0
    assert math.isfinite(e.decode.tokens_per_s)


@given(st.dictionaries(st.sampled_from(list(sizer.model("llama-3.1-8b").shape)), anything, max_size=3))
def test_nonsense_shapes_give_a_model_or_a_clear_error(changes: dict[str, Any]) -> None:
    try:
        model = sizer.Model(**{**sizer.model("llama-3.1-8b").shape, **changes})
        sizer.estimate(model=model, hardware="dgx-spark", context=1)
    except sizer.SizerError as error:
        assert 0 < len(str(error)) < 600


@pytest.mark.parametrize("name", [one.id for one in sizer.machines()])
def test_no_machine_beats_its_ceiling(name: str) -> None:
    for model in ("qwen3-coder-30b-a3b", "llama-3.1-8b", "glm-4.7-flash", "qwen3.6-27b"):
        for depth in (0, 8192):
            e = sizer.estimate(model=model, hardware=name, depth=depth, batch=1 + depth // 1024)
            assert e.decode.high <= e.decode.ceiling_tokens_per_s * (1 + 1e-12)
            assert e.prefill.high <= e.prefill.ceiling_tokens_per_s * (1 + 1e-12)
