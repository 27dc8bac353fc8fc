"""The restated formulas of other tools answer what those tools, or the survey that describes them, print."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import peer_formulas as peers  # noqa: E402
from peer_formulas import GB, GIB, Facts  # noqa: E402

BY_NAME = {formula.name: formula for formula in peers.FORMULAS}
Q8_0, MXFP4 = 34 / 32, 17 / 32  # bytes per element of ggml's blocks


def facts(**changed: object) -> Facts:
    """A dense 7B model in Q4_K_M on an RTX 4090, but for what is changed."""
    plain = Facts(
        bandwidth_gb_per_s=1008, bandwidth_measured_gb_per_s=930, device_name="NVIDIA RTX 4090 24GB", vendor="nvidia",
        backend="cuda", unified=False, device_count=1, memory_gb=24, fp16_tflops=165, release_year=2022,
        engine="llama.cpp", quant="Q4_K_M", file_bytes=4.1e9, active_bytes=4.0e9, parameters_total=6.7e9,
        parameters_active=6.7e9, n_layers=32, n_kv_heads=32, head_dim=128, d_model=4096, is_moe=False, n_experts=None,
        n_experts_per_token=None, kv_bytes_at_depth=0, context_depth=0, batch=1, prompt_tokens=512,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def decode(name: str, f: Facts) -> float:
    value = BY_NAME[name].decode(f)
    assert value is not None
    return value


def prefill(name: str, f: Facts) -> float:
    function = BY_NAME[name].prefill
    assert function is not None
    value = function(f)
    assert value is not None
    return value


# ---- five models on a DGX Spark and on an M2 Ultra: the survey's table -----------------------------------------------

GB10 = {"bandwidth_gb_per_s": 273.0, "device_name": "NVIDIA DGX Spark (GB10)", "unified": True, "memory_gb": 128.0}
M2_ULTRA = {"bandwidth_gb_per_s": 800.0, "device_name": "Apple M2 Ultra (76c GPU)", "vendor": "apple",
            "backend": "metal", "unified": True, "memory_gb": 192.0}


def moe(gib, total, layers, d_model, n_heads, n_kv, head_dim, experts, used, d_ff, vocab, active, quant) -> dict:
    """A mixture of experts; attention, router and head in Q8_0, the experts in its own format; no embedding."""
    attention = layers * d_model * head_dim * 2 * (n_heads + n_kv)
    routed = layers * used * 3 * d_model * d_ff
    router = layers * experts * d_model
    per_expert_weight = MXFP4 if quant.startswith("MXFP4") else Q8_0
    active_bytes = (attention + router + vocab * d_model) * Q8_0 + routed * per_expert_weight
    return {"quant": quant, "file_bytes": gib * GIB, "active_bytes": active_bytes, "parameters_total": total,
            "parameters_active": active, "n_layers": layers, "n_kv_heads": n_kv, "head_dim": head_dim,
            "d_model": d_model, "is_moe": True, "n_experts": experts, "n_experts_per_token": used, "n_heads": n_heads,
            "vocab_size": vocab, "d_ff_expert": d_ff}


def dense(gib, active_bytes, total, layers, d_model, n_kv, head_dim, quant) -> dict:
    return {"quant": quant, "file_bytes": gib * GIB, "active_bytes": active_bytes, "parameters_total": total,
            "parameters_active": total, "n_layers": layers, "n_kv_heads": n_kv, "head_dim": head_dim,
            "d_model": d_model}


def cached(layers: int, n_kv: int, head_dim: int, tokens: int) -> float:
    return 2 * layers * n_kv * head_dim * 2 * tokens


DEEP = 32768
MODELS = {
    "gpt-oss-20b": moe(11.27, 20.91e9, 24, 2880, 64, 8, 64, 32, 4, 2880, 201088, 3.6e9, "MXFP4_MOE"),
    "gpt-oss-120b": moe(59.02, 116.8e9, 36, 2880, 64, 8, 64, 128, 4, 2880, 201088, 5.1e9, "MXFP4_MOE"),
    "qwen3-30b-a3b": moe(30.25, 30.53e9, 48, 2048, 32, 4, 128, 128, 8, 768, 151936, 3.3e9, "Q8_0"),
    # 28 layers and the head; the embedding is a tensor of its own.
    "qwen2-7b": dense(7.54, (28 * (3584 * 128 * 64 + 3 * 3584 * 18944) + 152064 * 3584) * Q8_0, 7.62e9, 28, 3584, 4,
                      128, "Q8_0"),
    # Head and embedding are one tensor, so a token reads the whole file.
    "gemma-3-4b": dense(2.35, 2.35 * GIB, 3.88e9, 34, 2560, 4, 256, "Q4_0"),
}
CACHE_AT_DEEP = {
    "gpt-oss-20b": cached(12, 8, 64, DEEP) + cached(12, 8, 64, 128),
    "gpt-oss-120b": cached(18, 8, 64, DEEP) + cached(18, 8, 64, 128),
    "qwen3-30b-a3b": cached(48, 4, 128, DEEP),
    "qwen2-7b": cached(28, 4, 128, DEEP),
    "gemma-3-4b": cached(5, 4, 256, DEEP) + cached(29, 4, 256, 1024),
}
# measured at depth 0 and 32768, then what llmfit, whichllm, canirun.ai, mac-llm-calculator and llamafit make of it
ON_GB10 = {
    "gpt-oss-20b": (83.4, 61.7, 67, 72, 86, 74, 67),
    "gpt-oss-120b": (58.7, 42.8, 48, 44, 67, 57, 49),
    "qwen3-30b-a3b": (61.1, 30.2, 59, 35, 52, 61, 53),
    "qwen2-7b": (29.4, 22.5, 25, 15, 22, 30, 24),
    "gemma-3-4b": (81.1, 62.3, 72, 57, 62, 74, 68),
}
ON_M2_ULTRA = {  # llmfit's tier 2 and tier 1, whichllm, canirun.ai, mac-llm-calculator
    "gpt-oss-20b": (169, 112, 173, 234, 148),
    "gpt-oss-120b": (60, 90, 36, 182, 123),
    "qwen3-30b-a3b": (51, 117, 58, 142, 129),
    "qwen2-7b": (58, 58, 37, 59, 74),
    "gemma-3-4b": (227, 227, 138, 169, 149),
}
EXACT = "mac-llm-calculator, refit, exact bytes"


def nearly(whole_number: float) -> object:
    """A number printed without a fraction; which small tensors, such as the router, its bytes counted is not stated."""
    return pytest.approx(whole_number, rel=0.01, abs=0.6)


@pytest.mark.parametrize("model", ON_GB10)
def test_the_formulas_answer_for_gb10_what_the_survey_prints(model: str) -> None:
    f = facts(**GB10, **MODELS[model])
    names = ("llmfit", "whichllm", "canirun.ai", EXACT, "llamafit")
    for name, printed in zip(names, ON_GB10[model][2:], strict=True):
        assert decode(name, f) == nearly(printed), name


@pytest.mark.parametrize("model", ON_M2_ULTRA)
def test_the_formulas_answer_for_m2_ultra_what_the_survey_prints(model: str) -> None:
    f = facts(**M2_ULTRA, **MODELS[model])
    names = ("llmfit, tier 2", "llmfit", "whichllm", "canirun.ai", EXACT)
    for name, printed in zip(names, ON_M2_ULTRA[model], strict=True):
        assert decode(name, f) == nearly(printed), name


def test_three_parameters_per_device_predict_both_depths_within_six_percent() -> None:
    name = "three parameters per device"
    for model, (shallow, deep, *_) in ON_GB10.items():
        f = facts(**GB10, **MODELS[model])
        assert decode(name, f) == pytest.approx(shallow, rel=0.06), model
        f = replace(f, context_depth=DEEP, kv_bytes_at_depth=CACHE_AT_DEEP[model])
        assert decode(name, f) == pytest.approx(deep, rel=0.06), model


# ---- what the peers themselves print ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("quant", "printed"), [("Q2_K", 281), ("Q4_K_M", 257), ("Q8_0", 216)])
def test_llmfit_tier_1_answers_its_comment_on_olmoe(quant: str, printed: float) -> None:
    f = facts(device_name="AMD RX 6900 XT 16GB", vendor="amd", backend="rocm", memory_gb=16.0, quant=quant,
              parameters_total=6.92e9, parameters_active=1.28e9, n_layers=16, n_kv_heads=16, head_dim=128, d_model=2048,
              is_moe=True, n_experts=64, n_experts_per_token=8, n_heads=16, vocab_size=50304, d_ff_expert=1024)
    assert decode("llmfit", f) == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize(
    ("active", "total", "experts", "used", "quant", "printed"),
    [(2.4e9, 15.71e9, 64, 6, "Q4_K_M", 142), (3.0e9, 34.66e9, 256, 8, "Q3_K_M", 78)],
)
def test_llmfit_tier_2_answers_its_comments(active, total, experts, used, quant, printed) -> None:
    f = facts(device_name="AMD RX 6900 XT 16GB", vendor="amd", backend="rocm", memory_gb=16.0, quant=quant,
              parameters_total=total, parameters_active=active, is_moe=True, n_experts=experts,
              n_experts_per_token=used)
    assert decode("llmfit, tier 2", f) == pytest.approx(printed, rel=0.01)


def test_llmfit_penalises_a_full_memory_by_its_inactive_experts() -> None:
    f = facts(is_moe=True, n_experts=256, n_experts_per_token=8, parameters_total=16e9 * 0.83 / 0.37, memory_gb=16.0)
    assert peers.llmfit_pressure(f, 0.37) == pytest.approx(0.78, abs=0.005)
    assert peers.llmfit_pressure(replace(f, memory_gb=32.0), 0.37) == 1.0


def test_llmfit_on_a_processor_ignores_its_memory() -> None:
    f = facts(device_name="AMD Ryzen 9 7950X", vendor="amd", backend="cpu", bandwidth_gb_per_s=96.0)
    assert decode("llmfit", f) == pytest.approx(0.3 * 70 / 6.7 * 1.15 * 1.1)
    assert decode("llmfit", replace(f, bandwidth_gb_per_s=192.0)) == decode("llmfit", f)


@pytest.mark.parametrize(
    ("bandwidth", "vendor", "gib", "total", "quant", "low", "high"),
    [
        (256.0, "amd", 45.17, 79.67e9, "Q4_K_M", 40, 50),
        (256.0, "amd", 17.1, 30e9, "Q4_K_M", 50, 70),
        (1008.0, "nvidia", 20.6, 30e9, "Q5_K_M", 100, 150),
    ],
)
def test_whichllm_stays_within_its_own_tests(bandwidth, vendor, gib, total, quant, low, high) -> None:
    f = facts(bandwidth_gb_per_s=bandwidth, vendor=vendor, file_bytes=gib * GIB, quant=quant, parameters_total=total,
              parameters_active=3e9, is_moe=True, n_experts=128, n_experts_per_token=8)
    assert low <= decode("whichllm", f) <= high


def test_whichllm_counts_two_cards_as_seven_tenths_of_one() -> None:
    one = facts(file_bytes=22 * GIB)
    assert decode("whichllm", replace(one, device_count=2)) == pytest.approx(0.7 * decode("whichllm", one))


@pytest.mark.parametrize(("vendor", "bandwidth", "share"), [("amd", 960.0, 0.70), ("apple", 200.0, 0.65)])
def test_canirun_answers_its_own_tests(vendor: str, bandwidth: float, share: float) -> None:
    f = facts(vendor=vendor, bandwidth_gb_per_s=bandwidth, file_bytes=(8 - 0.5) / 1.1 * GIB)
    assert decode("canirun.ai", f) == pytest.approx(bandwidth / 8 * share)


@pytest.mark.parametrize(
    ("billions", "printed"), [(3.2, 46.4), (7.2, 22.9), (7.6, 21.8), (8.0, 20.8), (14.8, 11.7)]
)
def test_mac_llm_calculator_answers_its_table_for_the_m4(billions: float, printed: float) -> None:
    f = facts(**{**M2_ULTRA, "bandwidth_gb_per_s": 120.0}, parameters_total=billions * 1e9,
              parameters_active=billions * 1e9)
    assert decode("mac-llm-calculator", f) == pytest.approx(printed, abs=0.06)


def test_mac_llm_calculator_refit_has_the_worst_error_that_it_states() -> None:
    runs = [(3.2, 46.7, 120), (7.2, 22.8, 120), (7.6, 22.3, 120), (8.0, 21.2, 120), (8.0, 20.0, 120), (14.8, 11.7, 120),
            (8.2, 47.78, 307), (14.8, 29.42, 307)]
    errors = []
    for billions, measured, bandwidth in runs:
        f = facts(**{**M2_ULTRA, "bandwidth_gb_per_s": float(bandwidth)}, parameters_total=billions * 1e9,
                  parameters_active=billions * 1e9)
        errors.append(abs(decode("mac-llm-calculator, refit", f) / measured - 1))
    assert max(errors) == pytest.approx(0.0463, abs=0.0005)
    f = facts(**{**M2_ULTRA, "bandwidth_gb_per_s": 307.0}, parameters_total=30.5e9, parameters_active=3.3e9,
              is_moe=True, n_experts=128, n_experts_per_token=8)
    assert decode("mac-llm-calculator, refit", f) == pytest.approx(78.51, rel=0.03)


def test_llamafit_returns_the_runs_that_its_constants_come_from() -> None:
    f = facts(bandwidth_gb_per_s=272.0, fp16_tflops=60.4, active_bytes=0.47e9, parameters_total=0.6e9,
              parameters_active=0.6e9)
    assert decode("llamafit", f) == pytest.approx(279.5, rel=0.01)
    assert prefill("llamafit", f) == pytest.approx(21734, rel=0.01)
    on_ram = replace(f, backend="cpu", bandwidth_measured_gb_per_s=57.0)
    assert decode("llamafit", on_ram) == pytest.approx(78.0, rel=0.01)


@pytest.mark.parametrize(
    ("bandwidth", "tflops", "q8_0", "q4_0"),
    [(68.3, 2.6, 8.68, 14.56), (102.4, 3.6, 13.02, 21.83), (204.8, 5.2, 26.04, 43.66), (819.2, 27.2, 104.16, 174.62)],
)
def test_gguf_parser_answers_its_table_of_llama_7b(bandwidth, tflops, q8_0, q4_0) -> None:
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096
    f = facts(bandwidth_gb_per_s=bandwidth, fp16_tflops=tflops, parameters_total=weights + 32000 * 4096,
              parameters_active=weights + 32000 * 4096)
    assert decode("gguf-parser-go", replace(f, active_bytes=weights * Q8_0)) == pytest.approx(q8_0, rel=0.01)
    # The head of that file has 6.5625 bits per element.
    q4 = (weights - 32000 * 4096) * 18 / 32 + 32000 * 4096 * 210 / 256
    assert decode("gguf-parser-go", replace(f, active_bytes=q4)) == pytest.approx(q4_0, rel=0.015)


def test_gguf_parser_exceeds_the_roofline_on_three_devices() -> None:
    # 405B in Q4_0, 229 GB, on three M2 Ultra: it prints 10.71, and one reading of the weights by one of them at a time
    # gives 3.6.
    f = facts(bandwidth_gb_per_s=819.2, fp16_tflops=27.2, device_count=3, active_bytes=228e9, file_bytes=229e9,
              parameters_total=406e9, parameters_active=406e9, n_layers=126, n_kv_heads=8, d_model=16384)
    assert decode("gguf-parser-go", f) == pytest.approx(10.71, rel=0.06)
    assert decode("gguf-parser-go", f) > 2.5 * decode("1.00 x bandwidth / file size", f)


def test_vram_calculator_divides_and_nothing_else() -> None:
    f = facts()
    assert decode("vram-calculator", f) == pytest.approx(1008 / (6.7 * 0.6))
    assert prefill("vram-calculator", f) == pytest.approx(165e12 / (2 * 6.7e9))
    h100 = facts(device_name="NVIDIA H100 SXM 80GB", fp16_tflops=989.0)
    assert prefill("vram-calculator", h100) == pytest.approx(1979e12 / (2 * 6.7e9)), "its figure is the sparse one"
    unknown = facts(device_name="Some other card", bandwidth_gb_per_s=100.0, fp16_tflops=None)
    assert prefill("vram-calculator", unknown) == pytest.approx(4 * decode("vram-calculator", unknown))


def test_vram_calculator_scales_by_less_than_the_devices() -> None:
    one, four = facts(), facts(device_count=4)
    assert decode("vram-calculator", one) < decode("vram-calculator", four) < 4 * decode("vram-calculator", one)


def test_fitllm_takes_three_quarters_of_the_bandwidth() -> None:
    assert decode("FitLLM", facts()) == pytest.approx(0.75 * 1008e9 / (6.7e9 * 4.8944 / 8))


def test_genz_counts_a_gigabyte_per_second_as_two_to_the_thirty() -> None:
    f = facts(device_name="NVIDIA H100 SXM 80GB", quant="BF16", file_bytes=13.4e9, active_bytes=13.4e9)
    assert decode("GenZ", f) == pytest.approx(3400 * GIB / 13.4e9)
    assert pytest.approx(1.074, abs=0.0005) == GIB / GB, "the survey: +7.4 %"


KIPPLY_13B = {
    "device_name": "NVIDIA A100 SXM 40GB", "quant": "F16", "parameters_total": 12.8403e9,
    "parameters_active": 12.8403e9, "n_layers": 40, "n_kv_heads": 40, "head_dim": 128, "d_model": 5120,
    "vocab_size": 50272, "kv_bytes_at_depth": 427622400.0, "context_depth": 522.0,
}


@pytest.mark.parametrize(
    ("devices", "flops", "memory", "prefill_ms", "decode_ms"),
    [(1, 1.0, 1.0, 43.7, 17.07), (1, 0.7, 0.9, 62.15, 18.97), (2, 1.0, 1.0, 23.7, 9.35), (2, 0.7, 0.87, 33.01, 10.65)],
)  # of examples/fastertransformer/outputs_infer; its README prints 10.32 in place of the last
def test_llm_analysis_answers_its_published_check(devices, flops, memory, prefill_ms, decode_ms) -> None:
    f = facts(**KIPPLY_13B, device_count=devices)
    answered = peers.llm_analysis_decode(f, flops, memory)
    assert answered is not None
    assert 1000 / answered == pytest.approx(decode_ms, rel=0.005)
    answered = peers.llm_analysis_prefill(f, flops, memory)
    assert answered is not None
    # Norms are left out, some 0.6 ms of a pass; they are not divided among the devices.
    assert 1000 * 512 / answered == pytest.approx(prefill_ms, rel=0.035)


def test_llm_viewer_knows_no_mixture_of_experts_and_no_desktop_card() -> None:
    a100 = facts(device_name="NVIDIA A100 PCIe 80GB", quant="F16", file_bytes=13.4e9)
    assert decode("LLM-Viewer", a100) == pytest.approx(2039e9 / 13.4e9)
    moe_model = replace(a100, is_moe=True, n_experts=8, n_experts_per_token=2)
    for unknown in (facts(), moe_model, replace(a100, quant="Q5_K_M")):
        assert BY_NAME["LLM-Viewer"].decode(unknown) is None


def test_llama_roofline_needs_a_measurement_of_a_processor() -> None:
    f = facts(backend="cpu", bandwidth_measured_gb_per_s=54.3)
    assert decode("llama-roofline", f) == pytest.approx(54.3e9 / 4.0e9)
    for unknown in (facts(), replace(f, bandwidth_measured_gb_per_s=None), replace(f, is_moe=True)):
        assert BY_NAME["llama-roofline"].decode(unknown) is None


# ---- laws ------------------------------------------------------------------------------------------------------------


def many_facts() -> list[Facts]:
    """Devices of every kind with models of every kind, at several depths and counts."""
    devices = [
        {},
        GB10,
        M2_ULTRA,
        {"device_name": "AMD Instinct MI300X 192GB", "vendor": "amd", "backend": "rocm", "memory_gb": 192.0},
        {"device_name": "NVIDIA A100 PCIe 80GB", "memory_gb": 80.0},
        {"device_name": "NVIDIA H100 SXM 80GB", "memory_gb": 80.0, "engine": "vllm"},
        {"device_name": "Intel Arc B580 12GB", "vendor": "intel", "backend": "sycl", "fp16_tflops": None},
        {"device_name": "AMD Ryzen 9 7950X", "vendor": "amd", "backend": "cpu", "bandwidth_gb_per_s": 96.0},
        {"device_name": "Raspberry Pi 5 8GB", "vendor": "raspberry-pi", "backend": "cpu", "bandwidth_gb_per_s": 17.1,
         "bandwidth_measured_gb_per_s": None},
    ]
    models = [{}, {"quant": "HF_BF16"}, {"quant": "~IQ2_XXS"}, {"quant": "AWQ"}, {"quant": "FP8_TENSOR"},
              *MODELS.values()]
    rows = [facts(**{**device, **model}) for device in devices for model in models]
    rows += [replace(f, context_depth=8192, kv_bytes_at_depth=1e9) for f in rows]
    return rows + [replace(f, device_count=4) for f in rows] + [replace(f, batch=16) for f in rows]


@pytest.mark.parametrize("formula", peers.FORMULAS, ids=lambda formula: formula.name)
def test_every_answer_is_a_finite_positive_number(formula: peers.Formula) -> None:
    answers = 0
    for f in many_facts():
        for function in (formula.decode, formula.prefill):
            value = None if function is None else function(f)
            if value is not None:
                assert math.isfinite(value) and value > 0, f
                answers += 1
    assert answers > 0


@pytest.mark.parametrize("formula", peers.FORMULAS, ids=lambda formula: formula.name)
def test_twice_the_bandwidth_never_slows_decode(formula: peers.Formula) -> None:
    for f in many_facts():
        value = formula.decode(f)
        measured = f.bandwidth_measured_gb_per_s
        faster = formula.decode(replace(
            f, bandwidth_gb_per_s=2 * f.bandwidth_gb_per_s,
            bandwidth_measured_gb_per_s=None if measured is None else 2 * measured,
        ))
        assert (value is None) == (faster is None), f
        if value is not None and faster is not None:
            assert faster >= value * (1 - 1e-12), f


@pytest.mark.parametrize("formula", peers.FORMULAS, ids=lambda formula: formula.name)
def test_more_bytes_to_read_never_speed_decode_up(formula: peers.Formula) -> None:
    for f in many_facts():
        value = formula.decode(f)
        larger = formula.decode(replace(f, file_bytes=2 * f.file_bytes, active_bytes=2 * f.active_bytes))
        if value is not None and larger is not None:
            assert larger <= value * (1 + 1e-12), f


def test_a_full_cache_never_speeds_decode_up() -> None:
    for f in many_facts():
        for formula in peers.FORMULAS:
            value = formula.decode(replace(f, context_depth=1024, kv_bytes_at_depth=0.1e9))
            deeper = formula.decode(replace(f, context_depth=8192, kv_bytes_at_depth=0.8e9))
            if value is not None and deeper is not None:
                assert deeper <= value * (1 + 1e-12), (formula.name, f)


def test_names_are_distinct_and_every_formula_states_its_source() -> None:
    assert len(BY_NAME) == len(peers.FORMULAS)
    assert all(formula.source for formula in peers.FORMULAS)
    shares = {1.0, 0.75, 0.7, 0.6, 0.55, 0.5, 0.4}
    for share in shares:
        f = facts()
        assert decode(f"{share:.2f} x bandwidth / file size", f) == pytest.approx(share * 1008e9 / 4.1e9)
        assert decode(f"{share:.2f} x bandwidth / active bytes", f) == pytest.approx(share * 1008e9 / 4.0e9)


@pytest.mark.parametrize(
    ("printed", "name", "bits"),
    [("~Q4_K_M", "Q4_K_M", 4), ("HF_BF16", "BF16", 16), ("MXFP4_MOE", "MXFP4", 4), ("MXFP4_F16", "MXFP4", 4),
     ("FP8_TENSOR", "FP8", 8), ("AWQ", "AWQ", 4), ("MLX-6BIT", "MLX-6BIT", 6), ("~IQ2_XXS", "IQ2_XXS", 2),
     ("F16", "F16", 16), ("NVFP4", "NVFP4", 4), ("", "", None)],
)
def test_a_format_is_recognised_by_its_name(printed: str, name: str, bits: int | None) -> None:
    assert peers.quant_name(printed) == name
    assert peers.quant_bits(printed) == bits
