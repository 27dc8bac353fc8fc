"""Plans: against an exhaustive search, against physics, and as a user meets them."""

from __future__ import annotations

import json
import math
import pickle
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sizer

DESKTOP = "ryzen-9800x3d-rtx-3090-96gb"
SMALL_CARD = "rtx-3060-12gb + ryzen-7-9800x3d-ddr5-5200"
FEW = settings(max_examples=12)

Run = Callable[..., Any]


def request_s(e: sizer.Estimate) -> float:
    return e.ttft_s + e.output_tokens * e.decode_behind_prompt.time_s


def placed(model: str, machine: str, quant: str, context: int, **where: int) -> sizer.Estimate:
    return sizer.estimate(model, machine, quant=quant, context=context, ubatch=512, engine_options=where)


def fixed_plan(model: str, machine: str, quant: str, context: int) -> sizer.Setup:
    """With everything decided but the placement."""
    best = sizer.plan(model, machine, quant=quant, context=context, kv_type="f16", ubatch=512).best
    assert best is not None
    return best


def best_of(*args: Any, **options: Any) -> sizer.Setup:
    best = sizer.plan(*args, changes=False, **options).best
    assert best is not None
    return best


ANSWERS = [
    sizer.plan("gpt-oss-120b", DESKTOP, context=8192),
    sizer.plan("llama-3.1-8b", "dgx-spark", context=8192, min_decode=20),
    sizer.plan("llama-3.1-405b", DESKTOP, context=8192),
]


# --- against a search of every placement that llama.cpp can be told --------------------------------------------------


@pytest.mark.parametrize(
    ("model", "machine", "quant", "context"),
    [
        ("llama-3.3-70b", DESKTOP, "Q4_K_M", 8192),
        ("yi-34b", DESKTOP, "Q6_K", 4096),
        ("llama-3.1-8b", DESKTOP, "Q8_0", 8192),
        ("gpt-oss-20b", SMALL_CARD, "MXFP4_MOE", 8192),
        ("qwen3-coder-30b-a3b", DESKTOP, "Q8_0", 32768),
        ("glm-4.5-air", DESKTOP, "Q4_K_M", 8192),
    ],
)
def test_no_placement_that_fits_is_quicker(model: str, machine: str, quant: str, context: int) -> None:
    best = fixed_plan(model, machine, quant, context)
    layers = sizer.model(model).n_layers
    experts = range(layers + 1) if sizer.model(model).is_moe else range(1)
    grid = [(gpu, moe) for gpu in range(layers + 2) for moe in experts if moe == 0 or moe > layers + 1 - gpu]
    fitting = [
        request_s(e)
        for gpu, moe in grid
        if (e := placed(model, machine, quant, context, n_gpu_layers=gpu, n_cpu_moe=moe)).memory.fits
    ]
    assert len(grid) >= layers + 2
    assert best.request_s == pytest.approx(min(fitting), rel=1e-9)


@pytest.mark.parametrize("model", ["llama-3.3-70b", "gpt-oss-120b", "llama-3.2-3b", "qwen3-coder-30b-a3b"])
def test_a_plan_takes_what_estimate_says_of_the_same_options(model: str) -> None:
    quant = "MXFP4_MOE" if model.startswith("gpt") else "Q6_K"
    best = fixed_plan(model, DESKTOP, quant, 8192)
    assert best.n_gpu_layers is not None
    e = placed(model, DESKTOP, quant, 8192, n_gpu_layers=best.n_gpu_layers, n_cpu_moe=best.n_cpu_moe)
    assert [pool.total_bytes for pool in best.pools] == [pool.total_bytes for pool in e.memory.pools]
    for mine, theirs in ((best.decode_behind_prompt, e.decode_behind_prompt), (best.prefill, e.prefill)):
        assert mine.terms == theirs.terms
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high))
    assert best.ttft_s == pytest.approx(e.ttft_s)


# --- sums and bounds -------------------------------------------------------------------------------------------------


def parts(pool: sizer.Site) -> int:
    caches = pool.kv_cache_bytes + pool.recurrent_state_bytes
    return pool.weights_bytes + caches + pool.compute_buffer_bytes + pool.overhead_bytes


MODELS = ["llama-3.1-8b", "yi-34b", "gpt-oss-120b", "qwen3-coder-30b-a3b", "nemotron-h-8b", "deepseek-v2-lite"]
MACHINES = [DESKTOP, SMALL_CARD, "2x-rtx-3090", "dgx-spark", "2x-dgx-spark", "ryzen-7-9800x3d-ddr5-5200"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("machine", MACHINES)
def test_parts_add_up_and_speeds_are_below_their_ceilings(model: str, machine: str) -> None:
    best = best_of(model, machine, context=4096)
    for pool in best.pools:
        assert parts(pool) == pool.total_bytes
        assert pool.headroom_bytes == pool.available_bytes - pool.total_bytes or not pool.available_known
        assert pool.fits
    assert sum(pool.weights_bytes for pool in best.pools) == best.weights_bytes
    for rate in (best.decode, best.decode_behind_prompt, best.prefill):
        assert 0 < rate.low <= rate.tokens_per_s <= rate.high <= rate.ceiling_tokens_per_s * (1 + 1e-12)
        assert math.isclose(sum(term.seconds for term in rate.terms), rate.time_s, rel_tol=1e-9)
    assert sum(best.device_blocks) + best.host_blocks in (0, sizer.model(model).n_layers)
    assert math.isclose(best.request_s, best.ttft_s + best.output_tokens * best.decode_behind_prompt.time_s)


def test_a_tied_embedding_lies_on_the_host_and_as_output_head_on_the_device() -> None:
    best = best_of("llama-3.2-3b", "rtx-3090", quant="Q8_0", context=4096)
    table = 128256 * 3072 * 34 // 32  # Q8_0: 32 weights in 34 bytes
    assert sum(pool.weights_bytes for pool in best.pools) == best.weights_bytes + table
    assert {pool.name: pool.weights_bytes for pool in best.pools}["host"] == table


def test_layers_in_the_ram_are_read_no_faster_than_its_bandwidth() -> None:
    best = best_of("llama-3.3-70b", DESKTOP, quant="Q4_K_M", context=4096)
    on_card = next(pool for pool in best.pools if pool.name == "device").weights_bytes
    assert best.uses_host and best.host_bytes > 10e9
    assert best.decode.time_s > best.host_bytes / 83.2e9 + on_card / 936e9


def test_experts_go_to_the_ram_before_whole_layers() -> None:
    # A token reads 4 of gpt-oss-120b's 128 experts and all of its attention.
    best = best_of("gpt-oss-120b", DESKTOP, context=8192)
    assert best.n_cpu_moe > 0 and best.host_blocks == 0
    whole_layers = best_of("gpt-oss-120b", DESKTOP, context=8192, engine="ollama")
    assert best.decode_of_one > 1.2 * whole_layers.decode_of_one


# --- what must never get worse ----------------------------------------------------------------------------------------

some_models = st.sampled_from(["llama-3.1-8b", "yi-34b", "gpt-oss-20b", "qwen3-coder-30b-a3b", "llama-3.3-70b"])


@FEW
@given(some_models, st.integers(6, 48), st.integers(6, 48))
def test_more_memory_on_the_card_is_never_slower(model: str, one: int, other: int) -> None:
    desktop = sizer.hardware(DESKTOP)
    less, more = (
        best_of(model, desktop.replace(memory_gib=gib, usable_gib=gib), context=4096, quant="Q4_K_M", kv_type="f16")
        for gib in sorted((one, other))
    )
    assert more.request_s <= less.request_s * (1 + 1e-9)


@FEW
@given(some_models, st.integers(0, 20), st.integers(0, 20))
def test_a_smaller_reserve_is_never_worse_and_each_is_kept(model: str, one: int, other: int) -> None:
    less, more = (
        best_of(model, DESKTOP, context=4096, quant="Q4_K_M", reserve_mib=gib * 1024) for gib in sorted((one, other))
    )
    assert less.request_s <= more.request_s * (1 + 1e-9)
    for best, gib in zip((less, more), sorted((one, other)), strict=True):
        device = next(pool for pool in best.pools if pool.name == "device")
        assert device.headroom_bytes >= gib * 2**30 or device.total_bytes == 0


@FEW
@given(some_models, st.integers(1, 32), st.integers(1, 32))
def test_a_longer_context_never_takes_less_memory(model: str, one: int, other: int) -> None:
    caches = [
        sum(pool.kv_cache_bytes for pool in best_of(model, DESKTOP, context=k * 128, kv_type="f16").pools)
        for k in sorted((one, other))
    ]
    assert caches == sorted(caches)


ORDER = ["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16"]


@FEW
@given(st.floats(1, 60), st.floats(1, 60))
def test_asking_for_more_speed_never_gives_more_quality(one: float, other: float) -> None:
    slow, quick = (
        sizer.plan("qwen3-32b", DESKTOP, context=4096, min_decode=speed, changes=False)
        for speed in sorted((one, other))
    )
    assert slow.best is not None and quick.best is not None
    if quick.meets_goals:
        assert slow.meets_goals
        assert ORDER.index(quick.best.quant) <= ORDER.index(slow.best.quant)


@pytest.mark.parametrize("speed", [3.0, 10.0, 30.0])
def test_the_quality_is_the_best_that_reaches_the_goal(speed: float) -> None:
    chosen = sizer.plan("qwen3-32b", DESKTOP, context=4096, min_decode=speed, changes=False)
    assert chosen.best is not None and chosen.meets_goals and chosen.best.decode_of_one >= speed
    for better in ORDER[ORDER.index(chosen.best.quant) + 1 :]:
        assert not sizer.plan("qwen3-32b", DESKTOP, quant=better, context=4096, min_decode=speed).meets_goals


# --- goals ------------------------------------------------------------------------------------------------------------


def test_a_goal_out_of_reach_gives_the_best_plan_and_names_the_goal() -> None:
    slow = sizer.plan("llama-3.1-8b", "rtx-3090", context=8192, min_decode=500)  # 936 GB/s over 4.6 GB: at most 204
    assert slow.best is not None and slow.best.fits
    assert not slow.meets_goals and not slow.best.meets_decode and slow.best.meets_ttft
    assert "decode" in slow.binds and "500" in slow.binds
    late = sizer.plan("llama-3.1-8b", "rtx-3090", context=8192, max_ttft_s=0.01)
    assert late.best is not None and not late.meets_goals and not late.best.meets_ttft
    assert "first token" in late.binds and "10.0 ms" in late.binds


def test_what_does_not_fit_has_no_plan() -> None:
    answer = sizer.plan("llama-3.1-405b", DESKTOP, context=8192)  # 245 GB in Q4_K_M, 120 GiB of memory
    assert answer.best is None and not answer.meets_goals
    assert "memory" in answer.binds and "Q4_K_M" in answer.binds
    with pytest.raises(sizer.InvalidValueError, match="fits"):
        answer.emit("llama-server")


def test_quality_and_speed_choose_differently() -> None:
    quality = best_of("llama-3.1-8b", "rtx-3090", context=8192, prefer="quality")
    speed = best_of("llama-3.1-8b", "rtx-3090", context=8192, prefer="speed")
    assert quality.quant == "BF16" and speed.quant == "Q4_K_M"  # 16 GB fit on 24 GiB
    assert speed.request_s < quality.request_s


def test_the_cache_stays_in_f16_where_it_costs_nothing() -> None:
    assert best_of("llama-3.1-8b", "rtx-3090", context=8192).kv_type == "f16"
    # 32 layers x 8 heads x 128 x 2 x 2 bytes x 131,072 = 16 GiB for each of two sequences: 32 GiB on a card of 24 GiB.
    assert best_of("llama-3.1-8b", "rtx-3090", context=131072, batch=2).kv_type == "q8_0"
    assert best_of("llama-3.1-8b", "rtx-3090", context=131072, batch=2, kv_type="f16").kv_type == "f16"


@pytest.mark.parametrize("machine", ["rtx-3090", DESKTOP])
def test_a_change_that_is_told_brings_what_it_says(machine: str) -> None:
    answer = sizer.plan("llama-3.3-70b", machine, context=8192, quant="Q4_K_M")
    assert answer.best is not None and answer.best.uses_host  # 42.5 GB
    told = [one for one in answer.changes if one.what == "one more RTX 3090"]
    two = best_of("llama-3.3-70b", "2x-rtx-3090", context=8192, quant="Q4_K_M")
    assert len(told) == 1 and not told[0].uses_host
    assert told[0].decode_of_one == pytest.approx(two.decode_of_one, rel=0.05)
    assert told[0].decode_of_one > 2 * answer.best.decode_of_one


def test_a_change_that_brings_nothing_is_not_told() -> None:
    now = ANSWERS[1].best
    assert now is not None and ANSWERS[1].changes
    assert all(one.decode_of_one > now.decode_of_one for one in ANSWERS[1].changes)


# --- engines ----------------------------------------------------------------------------------------------------------


def test_engines_choose_from_their_own_formats() -> None:
    assert best_of("llama-3.1-8b", "rtx-3090", context=8192, engine="vllm").quant in ("HF_BF16", "FP8", "AWQ")
    assert best_of("llama-3.1-8b", "apple-m3-ultra-80c-256gb", context=8192, engine="mlx").quant.startswith(
        ("MLX-", "HF_BF16")
    )
    for engine in ("ollama", "lm-studio"):
        assert best_of("llama-3.1-8b", "rtx-3090", context=8192, engine=engine).quant in ORDER


def test_ollama_has_no_option_for_experts() -> None:
    best = best_of("gpt-oss-120b", DESKTOP, context=8192, engine="ollama")
    assert best.n_cpu_moe == 0 and best.host_blocks > 0


def test_vllm_and_mlx_never_use_the_ram_beside_a_card() -> None:
    assert sizer.plan("llama-3.3-70b", DESKTOP, context=8192, engine="vllm").best is None
    assert sizer.plan("llama-3.3-70b", DESKTOP, context=8192, use_host=False).best is None


# --- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer.model}-{answer.hardware}")
def test_a_plan_survives_json_and_pickle_and_shows_itself(answer: sizer.Plan, run: Run) -> None:
    plain = answer.to_dict()
    assert sizer.Plan.from_dict(json.loads(json.dumps(plain, allow_nan=False))) == answer
    assert pickle.loads(pickle.dumps(answer)) == answer
    shown = run("plan", answer.model, "--on", answer.hardware, "--context", "8192", "--json").json
    assert set(shown) == set(plain)
    assert set(plain) - {"schema_version"} == {field.name for field in fields(answer)}
    if answer.best is not None:
        assert set(plain["best"]) == {field.name for field in fields(answer.best)}
    html = answer._repr_html_()
    assert answer.model_name in html
    assert "<table" in html or answer.best is None
    assert answer.hardware_name in " ".join(str(answer).split())


def server_line(answer: sizer.Plan) -> dict[str, str]:
    """Options and values of the command, without its comments."""
    text = answer.emit("llama-server").replace("\\\n", " ")
    command = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    words = shlex.split(" ".join(command))
    assert words[0] == "llama-server"
    return dict(zip(words[1::2], words[2::2], strict=True))


def test_the_server_is_told_the_plans_numbers() -> None:
    best = ANSWERS[0].best
    assert best is not None
    line = server_line(ANSWERS[0])
    assert int(line["--ctx-size"]) == best.context * best.parallel
    assert int(line["--parallel"]) == best.parallel
    assert line["--n-gpu-layers"] == "all" and best.n_gpu_layers == 36 + 1
    assert int(line["--n-cpu-moe"]) == best.n_cpu_moe > 0
    assert line["--cache-type-k"] == line["--cache-type-v"] == best.kv_type
    assert (int(line["--ubatch-size"]), int(line["--batch-size"])) == (best.ubatch, best.n_batch)


def test_cards_that_divide_the_layers_are_told_their_shares() -> None:
    answer = sizer.plan("llama-3.3-70b", "2x-rtx-3090", context=4096, quant="Q4_K_M")
    assert answer.best is not None
    line = server_line(answer)
    if answer.best.placed:
        assert sum(answer.best.tensor_split) == 80 + 1
        assert tuple(map(int, line["--tensor-split"].split(","))) == answer.best.tensor_split
    else:
        assert line["--split-mode"] == "row"


@pytest.mark.parametrize(
    ("target", "engine", "machine"),
    [
        ("llama-server", "llama.cpp", DESKTOP),
        ("ollama", "ollama", DESKTOP),
        ("lmstudio", "lm-studio", DESKTOP),
        ("vllm", "vllm", "2x-rtx-3090"),
        ("mlx", "mlx", "apple-m3-ultra-80c-256gb"),
    ],
)
def test_every_target_is_written_for_its_engine_only(target: str, engine: str, machine: str) -> None:
    answer = sizer.plan("qwen3-32b", machine, context=4096, engine=engine)
    assert answer.best is not None
    text = answer.emit(target)
    assert "4096" in text or "4,096" in text
    for other in {"llama-server", "ollama", "lmstudio", "vllm", "mlx"} - {target}:
        with pytest.raises(sizer.InvalidValueError, match="emit"):
            answer.emit(other)


# --- bad arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("quant", bad) for bad in (5, [], ["Q4_K_M", None], "FOO", "")],
        *[("min_quant", bad) for bad in (5, True, "FOO", "")],
        *[("kv_type", bad) for bad in (5, [], ["f16", 3], "foo")],
        *[("min_decode", bad) for bad in (-1, math.nan, math.inf, True, "5")],
        *[("max_ttft_s", bad) for bad in (0, math.nan, [1])],
        *[("reserve_mib", bad) for bad in (-1, True, 1.5, 2**62, 10**40)],
        *[("use_host", bad) for bad in (1, "no", None)],
        *[("prefer", bad) for bad in ("best", 5, "")],
        *[("engine_options", bad) for bad in (5, {"n_gpu_layers": 3}, {"bogus": 1})],
        *[("context", bad) for bad in (0, -1, 10**9, True, 4096.5)],
        *[("batch", bad) for bad in (0, 257, 10**30)],
    ],
)
def test_bad_arguments_are_named(field: str, value: Any) -> None:
    with pytest.raises(sizer.SizerError) as caught:
        sizer.plan("llama-3.1-8b", "rtx-3090", **{field: value})
    known = {"batch": ("batch", "parallel"), "reserve_mib": ("reserve_mib",)}.get(field, (field,))
    assert str(caught.value).startswith(known)
    assert "got" in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("ask", [sizer.planned_context, sizer.most_users])
def test_a_misspelt_argument_is_named(ask: Callable[..., Any]) -> None:
    with pytest.raises(sizer.UnknownNameError, match=r"min_decod.*min_decode"):
        ask("llama-3.1-8b", "rtx-3090", min_decod=5)


def test_a_file_is_planned_with_its_own_weights() -> None:
    file = Path(__file__).resolve().parents[2] / "tests/golden/data/gguf/llama-big-endian.gguf"
    answer = sizer.plan(file, "rtx-3090", context=256, prompt_tokens=64, output_tokens=16)
    stated = sizer.model(file).file
    assert answer.best is not None and stated is not None
    assert answer.best.weights_bytes == stated.tensor_bytes
    assert answer.model_file == str(file) and str(file) in answer.emit("llama-server")
