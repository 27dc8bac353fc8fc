"""The diagnosis, cause by cause. Figures are reckoned here, from the shapes of models and from what makers print."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._diagnose import Diagnosis, Finding, diagnose
from sizer._diagnose.records import EFFECTS, KINDS, STATUSES

GIB = 2**30
QWEN = "qwen3-coder-30b-a3b"
#: K and V of 48 layers, 4 heads of 128, 2 bytes each: what a token of context costs in f16 (config.json of the model).
QWEN_TOKEN_BYTES = 2 * 48 * 4 * 128 * 2
#: Blocks of q8_0: 32 values in 34 bytes.
Q8_0 = 34 / 64


def qwen(**facts: Any) -> Diagnosis:
    return diagnose(QWEN, quant="Q4_K_M", **facts)


def only(answer: Diagnosis, name: str, *, first: bool = True) -> Finding:
    """The finding, which is the first where that is asked for, with its arithmetic and its fix."""
    assert name in answer, answer
    assert not first or answer.findings[0].id == name, answer
    found = answer[name]
    assert found.arithmetic and found.fix
    return found


@pytest.fixture(scope="module")
def mission() -> Diagnosis:
    return qwen(
        configured_context=131072,
        requested_tokens=146760,
        prefill_tokens_per_s=400,
        timeout_s=300,
        memory_gb=64,
    )


# --- the case that the project began with -----------------------------------------------------------------------------


def test_the_mission_has_three_layers_in_their_order(mission: Diagnosis) -> None:
    names = [one.id for one in mission]
    assert names == ["prompt-over-cap", "context-below-native", "timeout-shorter-than-prefill"]
    assert {one.status for one in mission} == {"certain"}

    assert mission["prompt-over-cap"].figures["over_tokens"] == 146760 - 131072 == 15688
    assert "15,688" in mission["prompt-over-cap"].arithmetic[0]
    label = mission["context-below-native"].figures
    assert (label["label_context"], label["native_context"]) == (131072, 262144)
    assert "262144" in mission["context-below-native"].fix
    wait = mission["timeout-shorter-than-prefill"]
    assert wait.figures["prefill_s"] == pytest.approx(146760 / 400) == pytest.approx(366.9)
    assert wait.kind == "client"
    assert mission.suggested_timeout_s is not None and mission.suggested_timeout_s > 366.9
    assert mission.suggested_context == 262144


def test_the_missions_hardware_is_fine_with_a_margin(mission: Diagnosis) -> None:
    assert mission.hardware_is_fine is True
    cache = 262144 * QWEN_TOKEN_BYTES
    assert cache == 24 * GIB
    weights = 18.55e9  # the published file of this quantisation
    assert mission.memory_needed_bytes == pytest.approx(cache + weights, rel=0.03)
    assert mission.memory_available_bytes == pytest.approx(64 * GIB * 0.81, rel=1e-6)  # logged: 55,662.79 MB
    assert mission.memory_margin_bytes == mission.memory_available_bytes - mission.memory_needed_bytes
    assert 9 * GIB < mission.memory_margin_bytes < 12 * GIB
    assert "hardware is fine" in mission.verdict and "GiB" in mission.verdict and "GB" in mission.verdict
    assert any("48.00 GiB" in one.arithmetic for one in mission.checked), "also with macOS 15"
    assert any("no machine is named" in one.why for one in mission.assumptions)


# --- the context ------------------------------------------------------------------------------------------------------


def test_a_prompt_within_the_cap_is_checked_and_not_found() -> None:
    answer = qwen(configured_context=131072, requested_tokens=131072, memory_gb=64)
    assert "prompt-over-cap" not in answer and "context-below-native" not in answer
    assert any(one.what == "the prompt fits the context" for one in answer.checked)


def test_a_label_is_named_as_the_one_who_caps() -> None:
    answer = qwen(configured_context=131072, label_context=131072, requested_tokens=146760, memory_gb=64)
    assert "the model's label: 131,072" in answer["context-below-native"].arithmetic[0]


def test_a_label_that_is_the_native_context_is_none() -> None:
    answer = qwen(configured_context=262144, requested_tokens=146760, memory_gb=64)
    assert not answer.findings
    possible = qwen(label_context=131072, requested_tokens=146760, memory_gb=64)["context-below-native"]
    assert possible.status == "possible", "nobody said that the label is what is set"


def test_a_prompt_beyond_the_native_context_is_no_matter_of_settings() -> None:
    found = only(qwen(configured_context=262144, requested_tokens=300000, memory_gb=64), "prompt-beyond-native")
    assert found.figures["over_tokens"] == 300000 - 262144
    assert "prompt-beyond-native" not in qwen(configured_context=262144, requested_tokens=262144)


def test_a_context_beyond_the_native_one() -> None:
    found = only(qwen(configured_context=1048576, requested_tokens=1000, memory_gb=64), "context-beyond-native")
    assert found.effect == "suffers"
    assert "-c 262144" in found.fix
    assert "context-beyond-native" not in qwen(configured_context=262144, requested_tokens=1000, memory_gb=64)


def test_slots_divide_the_context() -> None:
    facts: dict[str, Any] = {"configured_context": 65536, "requested_tokens": 30000, "hardware": "dgx-spark"}
    found = only(qwen(parallel=4, engine="llama.cpp", **facts), "slots-divide-context")
    assert found.figures["slot_context"] == 65536 / 4
    assert found.figures["over_tokens"] == 30000 - 16384
    assert "-np 1" in found.fix
    assert "slots-divide-context" not in qwen(parallel=2, engine="llama.cpp", **facts)
    assert "slots-divide-context" not in qwen(parallel=4, engine="ollama", **facts), "there every slot has the whole"


def test_ollama_multiplies_its_cache_by_its_slots() -> None:
    facts: dict[str, Any] = {"configured_context": 32768, "hardware": "rtx-3090", "engine": "ollama"}
    found = only(qwen(parallel=4, **facts), "slots-multiply-cache")
    assert found.figures["kv_cache_bytes"] == 4 * 32768 * QWEN_TOKEN_BYTES
    assert "slots-multiply-cache" not in qwen(parallel=1, **facts)


@pytest.mark.parametrize(
    ("machine", "default"), [("rtx-3060-12gb", 4096), ("rtx-3090", 32768), ("rtx-pro-6000", 262144)]
)
def test_ollamas_default_context_goes_by_the_cards_memory(machine: str, default: int) -> None:
    answer = diagnose("llama-3.1-8b", hardware=machine, engine="ollama", requested_tokens=default + 1000)
    if default >= 131072:  # more than this model was trained for
        assert "ollama-default-context" not in answer
        return
    found = answer["ollama-default-context"]
    assert (found.status, found.figures["default_context"]) == ("likely", default)
    assert answer.findings[0].figures["over_tokens"] == 1000
    set_by_hand = diagnose(
        "llama-3.1-8b", hardware=machine, engine="ollama", requested_tokens=default + 1000, configured_context=65536
    )
    assert "ollama-default-context" not in set_by_hand


def test_no_room_for_the_answer() -> None:
    facts: dict[str, Any] = {"configured_context": 32768, "requested_tokens": 32000, "memory_gb": 64}
    found = only(qwen(output_tokens=4000, **facts), "no-room-for-the-answer")
    assert found.figures["answer_room_tokens"] == 768
    assert "no-room-for-the-answer" not in qwen(output_tokens=768, **facts)


# --- the client -------------------------------------------------------------------------------------------------------


def test_a_timeout_longer_than_the_prefill_is_no_problem() -> None:
    short = diagnose(requested_tokens=146760, prefill_tokens_per_s=400, timeout_s=366)
    assert only(short, "timeout-shorter-than-prefill").figures["prefill_s"] == pytest.approx(366.9)
    enough = diagnose(requested_tokens=146760, prefill_tokens_per_s=400, timeout_s=367)
    assert not enough.findings and any(one.what == "timeout" for one in enough.checked)
    assert enough.hardware_is_fine is None, "no model, no machine"


def test_a_timeout_that_is_too_short_for_the_whole_answer() -> None:
    facts: dict[str, Any] = {"requested_tokens": 10000, "prefill_tokens_per_s": 100, "timeout_s": 150}
    found = only(diagnose(**facts, output_tokens=1000, decode_tokens_per_s=10), "timeout-shorter-than-answer")
    assert found.figures["whole_s"] == 10000 / 100 + 1000 / 10
    assert not diagnose(**facts, output_tokens=400, decode_tokens_per_s=10).findings


def test_known_clients_are_named_where_nobody_states_a_timeout() -> None:
    found = only(diagnose(requested_tokens=146760, prefill_tokens_per_s=400), "timeout-shorter-than-prefill")
    assert found.status == "possible"
    assert any("300 s" in line for line in found.arithmetic)
    assert not any("600 s" in line for line in found.arithmetic)
    assert not diagnose(requested_tokens=1000, prefill_tokens_per_s=400).findings


# --- the memory -------------------------------------------------------------------------------------------------------


def test_a_spill_into_shared_memory_is_slow_and_does_not_fail() -> None:
    answer = qwen(hardware="rtx-3090", configured_context=65536, shared_memory_gb=3)
    found = only(answer, "spill-into-shared-memory")
    assert (found.status, found.effect) == ("certain", "slow")
    # weights 17.28 GiB less the embedding, cache 6 GiB, buffers: just above the 23.69 GiB of the card
    assert 65536 * QWEN_TOKEN_BYTES == 6 * GIB
    assert found.figures["over_bytes"] > 0
    assert answer["kv-cache-f16"].effect == "slow"
    assert "Sysmem" in found.fix
    fitting = qwen(hardware="rtx-3090", configured_context=32768, shared_memory_gb=0.2)
    assert "spill-into-shared-memory" not in fitting, "an engine's own host buffers count as shared memory"
    others = qwen(hardware="rtx-3090", configured_context=32768, shared_memory_gb=4)
    assert others["spill-into-shared-memory"].status == "likely"


def test_the_cache_in_q8_0_fits_where_f16_does_not() -> None:
    found = only(qwen(hardware="rtx-3090", configured_context=65536), "kv-cache-f16")
    assert found.figures["kv_cache_bytes"] == 65536 * QWEN_TOKEN_BYTES
    assert found.figures["kv_cache_q8_0_bytes"] == 65536 * QWEN_TOKEN_BYTES * Q8_0
    assert found.figures["margin_bytes"] > 0
    ollama = qwen(hardware="rtx-3090", configured_context=65536, engine="ollama")["kv-cache-f16"]
    assert "OLLAMA_KV_CACHE_TYPE=q8_0" in ollama.fix
    assert not qwen(hardware="rtx-3090", configured_context=65536, kv_type="q8_0").findings
    assert not qwen(hardware="rtx-3090", configured_context=32768).findings


def test_apples_wired_limit() -> None:
    facts: dict[str, Any] = {"hardware": "apple-m4-pro-20c-64gb", "configured_context": 131072, "quant": "Q8_0"}
    small = diagnose(QWEN, **facts, wired_limit_gb=40)
    found = only(small, "apple-wired-limit")
    assert found.status == "certain"
    weights = 32.48e9  # the published Q8_0 file
    need = found.figures["needed_bytes"]
    assert need == pytest.approx(weights + 131072 * QWEN_TOKEN_BYTES, rel=0.03)
    megabytes = -(-int(need) // GIB) * 1024
    assert f"iogpu.wired_limit_mb={megabytes}" in found.fix
    assert small.hardware_is_fine is True
    assert not diagnose(QWEN, **facts).findings
    assert diagnose(QWEN, **{**facts, "configured_context": 262144})["apple-wired-limit"].status == "likely"


def test_strix_halos_carve_out() -> None:
    facts: dict[str, Any] = {"hardware": "framework-desktop-395-128gb", "quant": "Q8_0", "configured_context": 32768}
    small = diagnose("llama-3.3-70b", **facts, carve_out_gb=0.5)
    found = only(small, "strix-halo-carve-out")
    assert found.figures["usable_bytes"] == (0.5 + 127.5 / 2) * GIB  # GTT is half of what is left
    assert found.figures["needed_bytes"] > 74.98e9  # the published Q8_0 file
    assert "ttm.pages_limit=32505856" in found.fix  # 124 GiB, as people set it
    assert small.hardware_is_fine is True
    assert not diagnose("llama-3.3-70b", **facts, carve_out_gb=96).findings
    assert not diagnose("llama-3.3-70b", **facts).findings


def test_flash_attention_off() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "configured_context": 32768}
    found = only(qwen(flash_attention=False, **facts), "flash-attention-off")
    # the scores of 512 tokens x 32 heads x 32,768 cells in f32
    assert found.figures["compute_buffer_bytes"] > 512 * 32 * 32768 * 4
    assert found.figures["compute_buffer_with_bytes"] < 0.5 * GIB
    assert "flash-attention-off" not in qwen(flash_attention=True, **facts)
    full = qwen(flash_attention=False, hardware="rtx-3090", configured_context=49152)
    assert (full["flash-attention-off"].status, full["flash-attention-off"].effect) == ("certain", "fails")


def test_a_quantised_cache_needs_flash_attention() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "configured_context": 32768, "kv_type": "q8_0"}
    found = only(qwen(flash_attention=False, **facts), "cache-needs-flash-attention")
    assert found.effect == "fails" and "-fa on" in found.fix
    assert not qwen(flash_attention=True, **facts).findings
    assert "cache-needs-flash-attention" not in qwen(flash_attention=False, **{**facts, "kv_type": "f16"})


def test_swap() -> None:
    others = qwen(memory_gb=64, swap_used_gb=8)
    assert only(others, "swapping").status == "likely"
    assert others.hardware_is_fine is True
    full = diagnose("llama-3.3-70b", quant="Q8_0", hardware="ryzen-9-9950x", configured_context=8192, swap_used_gb=8)
    assert full["swapping"].status == "certain"
    assert full.hardware_is_fine is False
    assert "swapping" not in qwen(memory_gb=64, swap_used_gb=0)


def test_a_context_that_is_larger_than_the_request_needs() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "kv_type": "q8_0", "requested_tokens": 30000}
    found = only(qwen(configured_context=262144, **facts), "context-larger-than-needed")
    assert 30000 < found.figures["largest_context"] < 262144
    assert "context-larger-than-needed" not in qwen(configured_context=32768, **facts)


def test_a_context_that_nobody_stated_is_no_limit_of_the_hardware() -> None:
    answer = diagnose("llama-3.1-8b", hardware="rtx-3060-12gb")
    found = only(answer, "own-context-too-large")
    assert found.status == "possible" and answer.hardware_is_fine is True
    assert found.figures["context"] == 131072 > found.figures["largest_context"] > 32768
    assert any(one.what == "context" for one in answer.assumptions)
    assert not diagnose("llama-3.1-8b", hardware="rtx-3060-12gb", configured_context=32768).findings


def test_a_model_that_is_too_large_is_the_hardware() -> None:
    answer = diagnose("llama-3.3-70b", hardware="rtx-3090", quant="F16", configured_context=8192)
    found = only(answer, "model-too-large")
    assert found.kind == "hardware" and answer.hardware_is_fine is False
    assert found.figures["needed_bytes"] > 70.55e9 * 2  # parameters x 2 bytes
    assert found.figures["short_bytes"] == found.figures["needed_bytes"] - found.figures["available_bytes"]
    assert diagnose("llama-3.1-8b", hardware="rtx-3090", configured_context=8192).hardware_is_fine is True


# --- the speed --------------------------------------------------------------------------------------------------------


def test_one_layer_on_the_processor() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "configured_context": 32768}
    found = only(qwen(n_gpu_layers=48, **facts), "partial-offload")
    assert (found.figures["layers"], found.figures["layers_on_gpu"]) == (49, 48)
    assert found.figures["decode_all_on_gpu_tokens_per_s"] > found.figures["decode_tokens_per_s"]
    for all_of_them in (49, 99):
        assert "partial-offload" not in qwen(n_gpu_layers=all_of_them, **facts)
    with_cache = qwen(n_gpu_layers=48, hardware="rtx-3090", configured_context=65536)
    assert {"kv-cache-f16", "partial-offload"} <= {one.id for one in with_cache}


def test_layers_that_do_not_fit_are_rightly_on_the_processor() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "quant": "Q4_K_M", "configured_context": 8192}
    few = diagnose("llama-3.3-70b", n_gpu_layers=10, **facts)["partial-offload"]
    most = int(few.fix.split("-ngl ")[1].rstrip("."))
    assert 10 < most < 80
    assert not diagnose("llama-3.3-70b", n_gpu_layers=most, **facts).findings


def test_a_processor_has_no_layers_on_a_gpu() -> None:
    assert not diagnose("llama-3.1-8b", hardware="core-i5-13600k", configured_context=8192, n_gpu_layers=0).findings


def test_one_memory_channel() -> None:
    facts: dict[str, Any] = {"hardware": "core-i5-13600k", "configured_context": 8192}
    found = only(diagnose("llama-3.1-8b", memory_channels=1, **facts), "too-few-memory-channels")
    assert found.figures["bandwidth_gb_per_s"] == pytest.approx(5600e6 * 8 / 1e9) == pytest.approx(44.8)
    before = found.figures["decode_tokens_per_s"]
    assert before < 44.8e9 / 4.58e9, "bandwidth over the weights that a token reads"
    assert 1 < found.figures["decode_all_channels_tokens_per_s"] / before <= 2
    assert not diagnose("llama-3.1-8b", memory_channels=2, **facts).findings


def test_a_power_cap() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "configured_context": 8192}
    found = only(diagnose("llama-3.1-8b", power_limit_w=200, **facts), "power-cap")
    assert (found.figures["power_limit_w"], found.figures["board_power_w"]) == (200, 350)
    assert "57 %" in found.arithmetic[0]
    assert not diagnose("llama-3.1-8b", power_limit_w=350, **facts).findings


def test_experts_over_four_lanes() -> None:
    facts: dict[str, Any] = {
        "hardware": "rtx-3090",
        "configured_context": 32768,
        "requested_tokens": 8192,
        "n_cpu_moe": 48,
        "pcie_generation": 4,
    }
    found = only(qwen(pcie_lanes=4, **facts), "narrow-bus")
    four = 4 * 16e9 * 128 / 130 / 8
    assert found.figures["bandwidth_gb_per_s"] == pytest.approx(four / 1e9)
    assert found.figures["passes"] == 8192 / 512
    sent = found.figures["host_weights_bytes"] * 16 / (0.65 * four)  # what llama.cpp reaches of the link, in the middle
    assert 8192 / found.figures["prefill_tokens_per_s"] == pytest.approx(sent, rel=0.25)
    assert found.figures["prefill_all_lanes_tokens_per_s"] > 3 * found.figures["prefill_tokens_per_s"]
    assert "narrow-bus" not in qwen(pcie_lanes=16, **facts)
    assert "narrow-bus" not in qwen(pcie_lanes=4, **{**facts, "n_cpu_moe": 0}), "nothing crosses the bus"


def test_decode_at_its_ceiling_promises_no_more() -> None:
    answer = diagnose("llama-3.3-70b", hardware="dgx-spark", quant="Q4_K_M", decode_tokens_per_s=4.8)
    found = only(answer, "decode-at-ceiling")
    assert found.kind == "hardware" and answer.hardware_is_fine is False
    assert found.figures["ceiling_tokens_per_s"] == pytest.approx(273e9 / 42.5e9, rel=0.03)  # bandwidth / file
    assert len(answer.findings) == 1
    slow = diagnose("llama-3.3-70b", hardware="dgx-spark", quant="Q4_K_M", decode_tokens_per_s=1.5)
    assert "decode-at-ceiling" not in slow and slow["decode-below-expected"].status == "possible"
    beyond = diagnose("llama-3.3-70b", hardware="dgx-spark", quant="Q4_K_M", decode_tokens_per_s=50)
    assert not beyond.findings and any("no software" in one.arithmetic for one in beyond.checked)


def test_a_setting_that_explains_the_speed_is_not_the_hardware() -> None:
    answer = qwen(hardware="rtx-3090", configured_context=32768, n_gpu_layers=48, decode_tokens_per_s=140)
    assert "partial-offload" in answer and "decode-at-ceiling" not in answer
    assert answer.hardware_is_fine is True


def test_a_prompt_that_a_processor_reads() -> None:
    facts: dict[str, Any] = {"hardware": "rtx-3090", "configured_context": 32768, "requested_tokens": 8192}
    found = only(qwen(prefill_tokens_per_s=25, timeout_s=3600, **facts), "prefill-on-the-processor")
    assert found.figures["expected_tokens_per_s"] > 40 * 25
    assert "prefill-on-the-processor" not in qwen(prefill_tokens_per_s=4000, timeout_s=3600, **facts)
    between = qwen(prefill_tokens_per_s=1000, timeout_s=3600, **facts)
    assert between.findings[0].id == "prefill-below-expected"


def test_speeds_of_a_log_are_those_of_their_own_prompt() -> None:
    lines = (
        "prompt eval time =    4000.00 ms / 12000 tokens (    0.33 ms per token,  3000.00 tokens per second)\n"
        "       eval time =    1000.00 ms /   110 tokens (    9.09 ms per token,   110.00 tokens per second)\n"
    )
    answer = qwen(hardware="rtx-3090", configured_context=32768, requested_tokens=32000, log=lines)
    decode = sizer.estimate(QWEN, "rtx-3090", context=32768, prompt_tokens=12000).decode_behind_prompt
    assert decode.low <= 110 <= decode.high
    assert answer["decode-at-ceiling"].figures["expected_tokens_per_s"] == pytest.approx(decode.tokens_per_s)


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama", "lm-studio", "vllm", "mlx"])
def test_every_engine_is_answered(engine: str) -> None:
    machine = "apple-m4-max-40c-128gb" if engine == "mlx" else "rtx-pro-6000"
    answer = qwen(engine=engine, hardware=machine, configured_context=32768, requested_tokens=40000)
    assert answer["prompt-over-cap"].figures["over_tokens"] == 40000 - 32768
    assert answer.suggested_context == 65536 and "65536" in answer["prompt-over-cap"].fix
    assert answer.hardware_is_fine is True


# --- laws -------------------------------------------------------------------------------------------------------------


def test_findings_are_sorted_and_well_formed(mission: Diagnosis) -> None:
    many = qwen(
        hardware="rtx-3090",
        configured_context=65536,
        requested_tokens=100000,
        shared_memory_gb=4,
        power_limit_w=150,
        timeout_s=10,
        n_gpu_layers=40,
    )
    assert len(many) >= 4
    for answer in (many, mission):
        ranks = [one.rank for one in answer]
        assert ranks == sorted(ranks)
        assert len({one.id for one in answer}) == len(answer)
        for one in answer:
            assert one.kind in KINDS and one.status in STATUSES and one.effect in EFFECTS
            assert one.title.endswith(".") and one.fix.endswith(".")


def test_a_diagnosis_survives_its_dict_and_pickle(mission: Diagnosis) -> None:
    assert Diagnosis.from_dict(mission.to_dict()) == mission
    assert pickle.loads(pickle.dumps(mission)) == mission
    assert "prompt-over-cap" in repr(mission)
    assert "<b" in mission._repr_html_() or "bold" in mission._repr_html_()
    assert "15,688" in str(mission)
    with pytest.raises(KeyError):
        mission["nothing"]


@given(
    context=st.integers(1, 2**31 - 1),
    prompt=st.integers(1, 2**31 - 1),
    rate=st.floats(1e-3, 1e6),
    timeout=st.floats(1e-3, 1e9),
    memory=st.sampled_from([8.0, 24, 64, 100, 128, 512, 1000]),
)
def test_any_case_gets_a_consistent_answer(
    context: int, prompt: int, rate: float, timeout: float, memory: float
) -> None:
    answer = qwen(
        configured_context=context,
        requested_tokens=prompt,
        prefill_tokens_per_s=rate,
        timeout_s=timeout,
        memory_gb=memory,
    )
    assert ("prompt-over-cap" in answer) == (prompt > context)
    assert ("timeout-shorter-than-prefill" in answer) == (prompt / rate > timeout)
    assert ("prompt-beyond-native" in answer) == (prompt > 262144)
    assert answer.memory_margin_bytes is not None
    assert (answer.memory_margin_bytes >= 0) == (answer.hardware_is_fine is True)
    if answer.suggested_context is not None and prompt <= 262144:
        assert prompt <= answer.suggested_context <= 262144
