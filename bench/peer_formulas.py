"""The published speed formulas of other sizing tools, restated as functions, to be measured beside the library's model.

Each function follows a description of the peer's arithmetic: its equation, its constants, its choices. Nothing is tuned
here and nothing is rounded (canirun.ai and mac-llm-calculator round what they print). FORMULAS lists them; every entry
names its repository, revision and date. A function answers tokens/s, over all sequences of a batch, and None where the
peer gives no answer: a device or a format that is not in its table, a mixture of experts it does not model, several
devices, a batch.

How it is asked: a peer gets the bandwidth of the data sheet, the size of the real file and the real parameter counts,
and the whole model in the memory of the device, so no offload rule is restated. Tables that were restated, because they
are part of the formula: llmfit's bandwidths by device name and its two tables of bytes per parameter; whichllm's shares
by format and vendor; FitLLM's and mac-llm-calculator's bits per weight; vram-calculator's devices and formats; the
devices of GenZ, LLM-Viewer and llm-analysis. Not restated: the bandwidths of whichllm (its fallback is a database of
2824 devices), canirun.ai, mac-llm-calculator, FitLLM and llamafit; they get the data sheet's. canirun.ai's share of
phones and tablets (0.40) is not restated either, only as a baseline: no device here is one.

Left out:
  ai-dynamo/aiconfigurator, microsoft/vidur   interpolate measured tables of operators; there is no formula to restate
  bentoml/llm-optimizer (llm-d-planner)       its roofline's efficiencies were not found in a public copy of its source
  ggufit, roofline-lint, nicorobinreal/llmspeed   no public copy of their source was found to read the constants from
  llama.cpp (fit), ollama, club-3090, hf-mem, kvfit, kvplan, accelerate, textgen, LM Studio   memory only, no speed
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

GB = 1e9
GIB = 2.0**30
KV_BYTES_PER_ELEMENT = 2  # f16, what each peer that counts a cache takes when nothing is said


@dataclass(frozen=True)
class Facts:
    """One measured row, as a formula may need it; None where unknown.

    bandwidth_gb_per_s           of one device, by its data sheet, GB/s
    bandwidth_measured_gb_per_s  of one device, as a benchmark reads it
    memory_gb, fp16_tflops       of one device; dense matrix throughput, 10^12 operations/s
    file_bytes, active_bytes     the whole model; what one token reads of it, the embedding table left out
    kv_bytes_at_depth            of one sequence at context_depth tokens, by the layers' own kinds
    parameters_active            of one token; of a dense model all
    n_heads and the rest         make llmfit use its better tier, and refine n_heads = d_model / head_dim
    """

    bandwidth_gb_per_s: float
    bandwidth_measured_gb_per_s: float | None
    device_name: str
    vendor: str
    backend: str
    unified: bool
    device_count: int
    memory_gb: float
    fp16_tflops: float | None
    release_year: int | None
    engine: str
    quant: str
    file_bytes: float
    active_bytes: float
    parameters_total: float
    parameters_active: float
    n_layers: int
    n_kv_heads: int
    head_dim: int
    d_model: int
    is_moe: bool
    n_experts: int | None
    n_experts_per_token: int | None
    kv_bytes_at_depth: float
    context_depth: float
    batch: int
    prompt_tokens: int
    n_heads: int | None = None
    vocab_size: int | None = None
    d_ff_expert: int | None = None
    d_ff_shared: int | None = None


Estimate = Callable[[Facts], float | None]


@dataclass(frozen=True)
class Formula:
    """A peer's formula: tokens/s of decode, and of prefill where the peer has one.

    source is the repository, the file, the revision and its date.
    """

    name: str
    source: str
    decode: Estimate
    prefill: Estimate | None


# ---- what several of them need ---------------------------------------------------------------------------------------

Table = tuple[tuple[str, tuple[float, ...]], ...]  # words of a device name, and its figures
ARM_VENDORS = frozenset("apple ampere qualcomm arm raspberry-pi radxa orange-pi minisforum".split())


def quant_name(quant: str) -> str:
    """The format's name as GGUF prints it: '~Q4_K_M', 'HF_BF16' and 'MXFP4_MOE' lose what is not part of it."""
    name = quant.upper().lstrip("~")
    name = name.removeprefix("HF_").removeprefix("UD-")
    if name.startswith("MXFP4"):
        return "MXFP4"
    if name.startswith("FP8"):
        return "FP8"
    return {"FP16": "F16", "FP32": "F32"}.get(name, name)


def quant_bits(quant: str) -> int | None:
    """The whole number of bits that a format's name states; None when it states none."""
    name = quant_name(quant)
    if name in ("AWQ", "GPTQ"):
        return 4
    found = re.match(r"(?:MLX-|I?Q|T?Q|BF|MXFP|NVFP|FP|INT|F)(\d+)", name)
    return int(found.group(1)) if found else None


def listed(table: Table, device_name: str) -> tuple[float, ...] | None:
    """The first row whose words are all words of the device's name; a word after '!' must not be one."""
    words = set(re.findall(r"[a-z0-9]+", device_name.lower()))
    for key, values in table:
        asked = key.split()
        if all((word[1:] not in words) if word[0] == "!" else (word in words) for word in asked):
            return values
    return None


def heads(f: Facts) -> float:
    """Query heads: given, or d_model / head_dim."""
    return f.n_heads or f.d_model / f.head_dim


def single_stream(f: Facts) -> bool:
    """One device and one sequence: all that most of them speak of."""
    return f.device_count == 1 and f.batch == 1


# ---- llmfit ----------------------------------------------------------------------------------------------------------

LLMFIT = "AlexsJones/llmfit:llmfit-core/src/fit.rs, models.rs, hardware.rs @3f44fd3, 2026-08-22"
LLMFIT_EFFICIENCY = 0.55
LLMFIT_CPU_MODE = 0.3
LLMFIT_MANY_CORES = 1.1  # a processor of eight cores and more, which is taken to be there
LLMFIT_FIXED_BYTES = 3.2  # a parameter of attention, router, shared experts, head and embedding of a MoE model
LLMFIT_K = {"cuda": 220.0, "rocm": 180.0, "metal": 160.0, "vulkan": 150.0, "sycl": 100.0}
LLMFIT_K_MLX = 250.0
LLMFIT_K_ARM, LLMFIT_K_X86 = 90.0, 70.0
# A part of the lower-case device name and GB/s; the first that fits counts.
LLMFIT_BANDWIDTH = tuple(
    (row.rsplit(" ", 1)[0], float(row.rsplit(" ", 1)[1]))
    for row in (
        "5090 1792|5080 960|5070 ti 896|5070 672|5060 ti 448|5060 256|4090 1008|4080 super 736|4080 717|"
        "4070 ti super 672|4070 ti 504|4070 super 504|4070 504|4060 ti 288|4060 272|3090 ti 1008|3090 936|3080 ti 912|"
        "3080 760|3070 ti 608|3070 448|3060 ti 448|3060 360|2080 ti 616|2080 super 496|2080 448|2070 super 448|"
        "2070 448|2060 super 448|2060 336|1660 ti 288|1660 super 336|1660 192|1650 super 192|1650 128|h100 sxm 3350|"
        "h100 2039|h200 4800|a100 sxm 2039|a100 1555|l40s 864|l40 864|l4 300|a10g 600|a10 600|t4 320|v100 sxm 900|"
        "v100 897|a6000 768|a5000 768|a4000 448|8060s 256|8050s 256|strix halo 256|ryzen ai max 256|9070 xt 624|"
        "9070 488|7900 xtx 960|7900 xt 800|7900 gre 576|7800 xt 624|7700 xt 432|7600 288|6950 xt 576|6900 xt 512|"
        "6800 xt 512|6800 512|6700 xt 384|6600 xt 256|6600 224|mi300x 5300|mi300 5300|mi250x 3277|mi250 3277|"
        "mi210 1638|mi100 1229|m5 max 614|m5 pro 307|m5 153.6|m4 ultra 819|m4 max 546|m4 pro 273|m4 120|m3 ultra 800|"
        "m3 max 400|m3 pro 150|m3 100|m2 ultra 800|m2 max 400|m2 pro 200|m2 100|m1 ultra 800|m1 max 400|m1 pro 200|"
        "m1 68"
    ).split("|")
)
# Bytes per parameter of the file, bytes per parameter that a token reads, and the factor where the device is unknown.
LLMFIT_QUANT = {
    "F32": (4.0, 0.5, 1.0), "F16": (2.0, 2.0, 0.6), "BF16": (2.0, 2.0, 0.6), "Q8_0": (1.05, 1.0, 0.8),
    "Q6_K": (0.80, 0.75, 0.95), "Q5_K_M": (0.68, 0.625, 1.0), "Q4_K_M": (0.58, 0.5, 1.15), "Q4_0": (0.58, 0.5, 1.15),
    "Q3_K_M": (0.48, 0.375, 1.25), "Q2_K": (0.37, 0.25, 1.35), "MLX-4BIT": (0.55, 0.5, 1.15),
    "MLX-8BIT": (1.0, 1.0, 0.85), "AWQ": (0.5, 0.5, 1.2), "GPTQ": (0.5, 0.5, 1.2),
}
LLMFIT_QUANT_OTHER = (0.58, 0.5, 1.0)
LLMFIT_EXPERTS = ((8, 0.90), (16, 0.85), (32, 0.80), (64, 0.70))  # up to so many experts; 0.40 above
LLMFIT_EXPERTS_MORE, LLMFIT_EXPERTS_UNKNOWN = 0.40, 0.60


def llmfit_bandwidth(device_name: str) -> float | None:
    """GB/s of a device that llmfit knows by a part of its name."""
    lower = device_name.lower()
    return next((value for part, value in LLMFIT_BANDWIDTH if part in lower), None)


def llmfit_pressure(f: Facts, bytes_per_parameter: float) -> float:
    """The penalty of a MoE model that fills 60 to 100 % of the memory: 1 - (use - 0.6) (1 - k / experts), >= 0.3."""
    used = f.parameters_total / GB * bytes_per_parameter / f.memory_gb
    if not 0.6 <= used <= 1.0:
        return 1.0
    inactive = 1.0 - (f.n_experts_per_token or 1) / f.n_experts if f.n_experts else 0.5
    return max(0.3, 1.0 - (used - 0.6) * inactive)


def llmfit_unknown_device(f: Facts) -> float | None:
    """K / parameters x factor of the format x 1.1; on a processor K of its kind and x 0.3, whatever its memory."""
    factor = LLMFIT_QUANT.get(quant_name(f.quant), LLMFIT_QUANT_OTHER)[2]
    if f.backend == "cpu":
        k = LLMFIT_CPU_MODE * (LLMFIT_K_ARM if f.vendor in ARM_VENDORS else LLMFIT_K_X86)
    elif f.backend == "metal" and f.engine == "mlx":
        k = LLMFIT_K_MLX
    elif f.backend in LLMFIT_K:
        k = LLMFIT_K[f.backend]
    else:
        return None
    return k / max(f.parameters_active / GB, 0.1) * factor * LLMFIT_MANY_CORES


def llmfit_moe_parts(f: Facts) -> tuple[float, float] | None:
    """10^9 parameters of the experts that a token uses, and of all else with head and embedding; None if unknown."""
    if not (f.n_experts_per_token and f.d_ff_expert and f.vocab_size):
        return None
    routed = f.n_layers * f.n_experts_per_token * 3 * f.d_model * f.d_ff_expert
    attention = f.n_layers * 2 * (heads(f) + f.n_kv_heads) * f.head_dim * f.d_model
    shared = f.n_layers * 3 * f.d_model * (f.d_ff_shared or 0)
    router = f.n_layers * (f.n_experts or 8) * f.d_model
    return routed / GB, (attention + shared + router + 2 * f.vocab_size * f.d_model) / GB


def llmfit_moe_overhead(n_experts: int | None) -> float:
    """Tier 2's factor by the number of experts."""
    if n_experts is None:
        return LLMFIT_EXPERTS_UNKNOWN
    return next((factor for most, factor in LLMFIT_EXPERTS if n_experts <= most), LLMFIT_EXPERTS_MORE)


def llmfit_tier_2(f: Facts) -> float | None:
    """llmfit (Rust, MIT), decode, where its catalogue lacks the shape of a MoE model.

    Dense: bandwidth / (parameters x bytes) x 0.55. MoE: the same of active parameters and the other table of bytes,
    x 0.90 to 0.40 by the number of experts x pressure. Device unknown, or a processor: K / parameters. No depth, no
    latency term, no prefill; several cards count as one.
    """
    if f.batch != 1:
        return None
    bandwidth = llmfit_bandwidth(f.device_name)
    if f.backend == "cpu" or bandwidth is None:
        return llmfit_unknown_device(f)
    file_bpp, read_bpp, _ = LLMFIT_QUANT.get(quant_name(f.quant), LLMFIT_QUANT_OTHER)
    billions = max(f.parameters_active / GB, 0.1)
    if not f.is_moe:
        return bandwidth / (billions * read_bpp) * LLMFIT_EFFICIENCY
    factor = LLMFIT_EFFICIENCY * llmfit_moe_overhead(f.n_experts) * llmfit_pressure(f, file_bpp)
    return bandwidth / (billions * file_bpp) * factor


def llmfit(f: Facts) -> float | None:
    """llmfit (Rust, MIT), decode, as it answers: tier 1 where the shape of a MoE model is known, otherwise tier 2.

    Tier 1: bandwidth / (10^9 routed parameters x bytes + 10^9 other parameters x 3.2) x pressure.
    """
    bandwidth, parts = llmfit_bandwidth(f.device_name), llmfit_moe_parts(f)
    if f.batch != 1 or not f.is_moe or f.backend == "cpu" or bandwidth is None or parts is None:
        return llmfit_tier_2(f)
    bpp = LLMFIT_QUANT.get(quant_name(f.quant), LLMFIT_QUANT_OTHER)[0]
    return bandwidth / (parts[0] * bpp + parts[1] * LLMFIT_FIXED_BYTES) * llmfit_pressure(f, bpp)


# ---- whichllm --------------------------------------------------------------------------------------------------------

WHICHLLM = "Andyyyy64/whichllm:src/whichllm/engine/performance.py, ranker.py @a897551, 2026-06-29"
WHICHLLM_QUANT = {
    "F32": 0.30, "F16": 0.40, "BF16": 0.40, "Q8_0": 0.45, "Q6_K": 0.50, "Q5_K_M": 0.52, "Q5_K_S": 0.52, "Q5_0": 0.50,
    "Q4_K_M": 0.55, "Q4_K_S": 0.55, "Q4_0": 0.53, "NVFP4": 0.56, "MXFP4": 0.55, "Q3_K_M": 0.50, "Q3_K_S": 0.48,
    "Q3_K_L": 0.50, "Q2_K": 0.45, "IQ4_XS": 0.52, "IQ4_NL": 0.50, "IQ3_S": 0.45, "IQ3_M": 0.45, "IQ3_XS": 0.45,
    "IQ3_XXS": 0.42, "IQ2_S": 0.40, "IQ2_M": 0.40, "IQ2_XXS": 0.38, "IQ1_M": 0.35, "IQ1_S": 0.35, "TQ2_0": 0.35,
    "TQ1_0": 0.32,
}
WHICHLLM_QUANT_OTHER = 0.45
WHICHLLM_VENDOR = {"nvidia": 1.0, "apple": 0.82, "amd": 0.78, "intel": 0.65}
WHICHLLM_VENDOR_OTHER = 0.7
WHICHLLM_SEVERAL = 0.70
WHICHLLM_CPU = 18.0


def whichllm(f: Facts) -> float | None:
    """whichllm (Python, MIT), decode: bandwidth / (file x read share) x share of the format x share of the vendor.

    Read share of a MoE model: active / total parameters, at least 5 % at 256 GB/s, rising with the bandwidth to 25 %.
    Processor: 18 / 10^9 parameters (at least 0.5) x share of the format / 0.45, at least 0.3. Several cards: one card's
    x 0.70; unified ones it does not pool. No depth, no latency term, no prefill, no batch.
    """
    if f.batch != 1:
        return None
    share = WHICHLLM_QUANT.get(quant_name(f.quant), WHICHLLM_QUANT_OTHER)
    if f.backend == "cpu":
        return max(0.3, WHICHLLM_CPU / max(f.parameters_active / GB, 0.5) * share / WHICHLLM_QUANT_OTHER)
    if f.device_count > 1 and f.unified:
        return None
    read = 1.0
    if f.is_moe:
        floor = min(0.25, 0.05 * max(1.0, f.bandwidth_gb_per_s / 256.0))
        read = min(1.0, max(f.parameters_active / f.parameters_total, floor))
    speed = f.bandwidth_gb_per_s * GB / (f.file_bytes * read) * share
    speed *= WHICHLLM_VENDOR.get(f.vendor, WHICHLLM_VENDOR_OTHER)
    return speed * WHICHLLM_SEVERAL if f.device_count > 1 else speed


# ---- canirun.ai ------------------------------------------------------------------------------------------------------

CANIRUN = "midudev/canirun.ai:packages/compatibility/src/index.ts, packages/models/src/index.ts @6c44096, 2026-08-20"
CANIRUN_SHARE, CANIRUN_SHARE_APPLE = 0.70, 0.65


def canirun(f: Facts) -> float | None:
    """canirun.ai (TypeScript, MIT), decode: bandwidth / working set x 0.70, Apple's x 0.65.

    Working set: 1.1 x the file in GiB + 0.5, x active / total parameters (at least 0.5) for MoE, taken as GB. Its own
    catalogue takes whole bits per parameter in place of the file. No depth, no latency term, no prefill, one device, no
    processors.
    """
    if not single_stream(f) or f.backend == "cpu":
        return None
    working_set = 1.1 * f.file_bytes / GIB + 0.5
    if f.parameters_active < f.parameters_total and f.is_moe:
        working_set = max(0.5, working_set * f.parameters_active / f.parameters_total)
    share = CANIRUN_SHARE_APPLE if f.vendor == "apple" else CANIRUN_SHARE
    return f.bandwidth_gb_per_s / working_set * share


# ---- mac-llm-calculator ----------------------------------------------------------------------------------------------

MACCALC = "bagdaer1/mac-llm-calculator:maccalc/model.py, maccalc/data/models.json @26bfd45, summer or autumn 2026"
MACCALC_REFIT = "bagdaer1/mac-llm-calculator:maccalc/data/benchmarks.json ('fit') @fc2d7f0, after 2026-09-20"
MACCALC_BITS = {"Q4_K_M": 4.85, "Q5_K_M": 5.8, "Q8_0": 8.5, "F16": 16.0, "BF16": 16.0}
MACCALC_FIT = (0.915, 0.003885)  # share of the bandwidth, seconds per token
MACCALC_SECOND_FIT = (0.9075, 0.00325)
MACCALC_MOE = 1.3  # of the active weights are read, by the second fit


def maccalc(f: Facts, read_bytes: float, fit: tuple[float, float]) -> float | None:
    """1 / (bytes / (bandwidth x share) + seconds per token), one device and one sequence; it lists no processors."""
    if not single_stream(f) or f.backend == "cpu":
        return None
    return 1.0 / (read_bytes / GB / (f.bandwidth_gb_per_s * fit[0]) + fit[1])


def maccalc_nominal_bytes(f: Facts) -> float:
    """Active parameters x bits per weight / 8; of a format it does not list, the bits that the file has."""
    bits = MACCALC_BITS.get(quant_name(f.quant), f.file_bytes * 8 / f.parameters_total)
    return f.parameters_active * bits / 8


def maccalc_first(f: Facts) -> float | None:
    """mac-llm-calculator (Python, MIT), decode: bytes / (bandwidth x 0.915) + 3.885 ms, fitted to six runs on one M4.

    Meant for Apple's chips, and applied by its authors to NVIDIA's and AMD's. No depth, no prefill.
    """
    return maccalc(f, maccalc_nominal_bytes(f), MACCALC_FIT)


def maccalc_refit(f: Facts) -> float | None:
    """mac-llm-calculator, second fit (M4 and M5 Pro): 0.9075, 3.25 ms, and 1.3 x the active weights of a MoE model."""
    return maccalc(f, maccalc_nominal_bytes(f) * (MACCALC_MOE if f.is_moe else 1.0), MACCALC_SECOND_FIT)


def maccalc_refit_exact(f: Facts) -> float | None:
    """mac-llm-calculator's second fit on the exact bytes that a token reads, which flatters it."""
    return maccalc(f, f.active_bytes, MACCALC_SECOND_FIT)


# ---- llamafit --------------------------------------------------------------------------------------------------------

LLAMAFIT = (
    "pvaz/llamafit:src/llamafit/constants/speed.py @411d536, src/llamafit/speed/estimate.py @29d5e71, "
    "src/llamafit/speed/traffic.py @72d97e3, summer or autumn 2026"
)
LLAMAFIT_DEVICE, LLAMAFIT_RAM, LLAMAFIT_RAM_EXPERTS = 0.67, 0.70, 0.57
LLAMAFIT_SECONDS = 0.001
LLAMAFIT_PREFILL = 0.43


def llamafit_decode(f: Facts) -> float | None:
    """llamafit (Python), decode: bytes / (bandwidth x 0.67) + 1 ms; from system memory 0.70, routed experts 0.57.

    Bytes: the tensors a token reads without the embedding, and the cache at the asked depth (its overview asks at
    8192). Its cache is linear in the depth for sliding layers too; here it gets the true one. System memory counts as
    measured where a measurement is there. Constants of one RTX 4060 and DDR5 machine. One device, no batch.
    """
    if not single_stream(f):
        return None
    if f.backend != "cpu":
        seconds = (f.active_bytes + f.kv_bytes_at_depth) / (f.bandwidth_gb_per_s * GB * LLAMAFIT_DEVICE)
        return 1.0 / (seconds + LLAMAFIT_SECONDS)
    bandwidth = (f.bandwidth_measured_gb_per_s or f.bandwidth_gb_per_s) * GB
    routed = f.active_bytes * llamafit_routed_share(f)
    streamed = f.active_bytes - routed + f.kv_bytes_at_depth
    seconds = routed / (bandwidth * LLAMAFIT_RAM_EXPERTS) + streamed / (bandwidth * LLAMAFIT_RAM)
    return 1.0 / (seconds + LLAMAFIT_SECONDS)


def llamafit_routed_share(f: Facts) -> float:
    """The share of a token's weights that are routed experts, from (total - active) = (n - k) parameters per expert."""
    if not (f.is_moe and f.n_experts and f.n_experts_per_token) or f.n_experts <= f.n_experts_per_token:
        return 0.0
    expert = (f.parameters_total - f.parameters_active) / (f.n_experts - f.n_experts_per_token)
    return min(1.0, f.n_experts_per_token * expert / f.parameters_active)


def llamafit_prefill(f: Facts) -> float | None:
    """llamafit, prefill with all layers on a card: 0.43 x fp16 throughput / (2 x active parameters); no attention term.

    On a processor it asks for the number of performance cores (0.44 x 10^12 operations/s each): not known here.
    """
    if not single_stream(f) or f.backend == "cpu" or f.fp16_tflops is None:
        return None
    return f.fp16_tflops * 1e12 * LLAMAFIT_PREFILL / (2 * f.parameters_active)


# ---- FitLLM ----------------------------------------------------------------------------------------------------------

FITLLM = "click6067-ship-it/fitllm-engine:engine.js @0062036, summer or autumn 2026"
FITLLM_BITS = {"Q4_K_M": 4.8944, "Q5_K_M": 5.7036, "Q6_K": 6.5633, "Q8_0": 8.5008, "F16": 16.0005, "BF16": 16.0005,
               "MLX-4BIT": 4.0, "MLX-8BIT": 8.0}
FITLLM_SHARE = 0.75


def fitllm(f: Facts) -> float | None:
    """FitLLM (JavaScript, MIT), decode: bandwidth / (active parameters x bits / 8) x 0.75; it does not show it yet.

    Several cards: the bandwidth of the slowest one. Formats it lists only. No depth, no latency term, no prefill.
    """
    bits = FITLLM_BITS.get(quant_name(f.quant))
    if bits is None or f.batch != 1 or f.backend == "cpu":
        return None
    return f.bandwidth_gb_per_s * GB / (f.parameters_active * bits / 8) * FITLLM_SHARE


# ---- gguf-parser-go --------------------------------------------------------------------------------------------------

GGUF_PARSER = "gpustack/gguf-parser-go:file_estimate__llamacpp.go @8dc7a62 (v0.25.0), 2026-07-13"
GGUF_PARSER_BATCH = 2048  # llama.cpp's logical batch
GGUF_PARSER_CONTEXT = 512  # what its worked examples ask for, and the least taken here


def gguf_parser(f: Facts) -> float | None:
    """gguf-parser-go (Go, MIT), 'maximum tokens per second' with the throughput and bandwidth that a user states.

    A device takes (max(operations / throughput, weights / bandwidth) + cache x s / bandwidth + activations / bandwidth)
    x its layers / (all layers + 2), where s = 2048 / min(context, 2048), and all experts of a MoE model are read. The
    times of several devices add up, each already of its share of the weights and of the layers: a discount taken twice,
    so N equal cards are N times as fast. The cache is that of the whole context, at least of 512 tokens.
    """
    if f.batch != 1:
        return None
    context = max(f.context_depth, GGUF_PARSER_CONTEXT)
    n_batch = min(context, GGUF_PARSER_BATCH)
    scale = GGUF_PARSER_BATCH / n_batch
    weights = f.file_bytes if f.is_moe else f.active_bytes  # the embedding stays with the processor
    per_token = 2 * f.n_layers * f.n_kv_heads * f.head_dim * KV_BYTES_PER_ELEMENT
    cache = f.kv_bytes_at_depth / f.context_depth * context if f.context_depth > 0 else per_token * context
    bandwidth, n = f.bandwidth_gb_per_s * GB, f.device_count
    read = weights / n / bandwidth
    if f.fp16_tflops is not None:
        read = max(read, 2 * f.parameters_total / n * scale / (f.fp16_tflops * 1e12))
    seconds = read + cache / n * scale / bandwidth + 4 * f.d_model * n_batch / bandwidth
    layers = [f.n_layers / n] * (n - 1) + [f.n_layers / n + 1]  # the last one has the output layer too
    times = [seconds * count / (f.n_layers + 2) for count in layers]
    return 1.0 / sum(t * t / max(times) for t in times)


# ---- vram-calculator -------------------------------------------------------------------------------------------------

VRAM_CALCULATOR = "KarimELMERNISSI/vram-calculator:assets/js/calculator.js, data/gpus.json @608eb4e, 2026-05-30"
# GB/s, 10^12 operations/s (of the H200, H100 SXM and L40S the sparse ones, as printed there), GB/s of NVLink or its
# like, NVSwitch, generation of PCIe.
VRAM_CALCULATOR_DEVICES: Table = (
    ("h200", (4800.0, 1979.0, 900.0, 1.0, 5.0)),
    ("h100 pcie", (2000.0, 756.0, 0.0, 0.0, 5.0)),
    ("h100 !nvl", (3350.0, 1979.0, 900.0, 1.0, 5.0)),
    ("a100 80gb", (2000.0, 312.0, 600.0, 1.0, 4.0)),
    ("a100 40gb", (1555.0, 312.0, 600.0, 1.0, 4.0)),
    ("6000 ada", (960.0, 182.0, 0.0, 0.0, 4.0)),
    ("4090 !laptop", (1008.0, 165.0, 0.0, 0.0, 4.0)),
    ("3090 !ti", (936.0, 71.0, 0.0, 0.0, 4.0)),
    ("l40s", (864.0, 366.0, 0.0, 0.0, 4.0)),
    ("mi300x", (5300.0, 1307.0, 400.0, 0.0, 5.0)),
    ("mi250x", (3276.0, 383.0, 400.0, 0.0, 4.0)),
)
VRAM_CALCULATOR_QUANT = {
    "Q2_K": 0.32, "Q3_K_S": 0.34, "Q3_K_M": 0.43, "Q3_K_L": 0.45, "Q4_0": 0.56, "Q4_K_S": 0.575, "Q4_K_M": 0.6,
    "Q5_0": 0.675, "Q5_K_S": 0.69, "Q5_K_M": 0.71, "Q6_K": 0.825, "Q8_0": 1.06, "FP8": 1.06, "INT8": 1.0, "F16": 2.0,
    "BF16": 2.0, "F32": 4.0, "AWQ": 0.5, "GPTQ": 0.5,
}
VRAM_CALCULATOR_LATENCY = {"nvswitch": 5e-6, "nvlink": 10e-6, "pcie": 40e-6}
VRAM_CALCULATOR_PCIE_LANE = {4.0: 1.969, 5.0: 3.939}  # GB/s; of 16 lanes 0.9 is reached
VRAM_CALCULATOR_PREFILL_UNKNOWN = 4.0  # x decode, where no throughput is known


def vram_calculator_device(f: Facts) -> tuple[float, ...]:
    """The device of its list, or the custom one that a user fills in: PCIe 4.0 x16, no other link."""
    custom = (f.bandwidth_gb_per_s, f.fp16_tflops or 0.0, 0.0, 0.0, 4.0)
    return listed(VRAM_CALCULATOR_DEVICES, f.device_name) or custom


def vram_calculator_efficiency(f: Facts, gigabytes: float) -> float:
    """Of tensor parallelism: time of reading the weights / (the same + one all-reduce per layer)."""
    if f.device_count == 1:
        return 1.0
    bandwidth, _, link, switched, generation = vram_calculator_device(f)
    kind = "nvswitch" if switched else "nvlink" if link else "pcie"
    link = link or VRAM_CALCULATOR_PCIE_LANE[generation] * 16 * 0.9
    ring = 1.0 if kind == "nvswitch" else (f.device_count - 1) / f.device_count
    all_reduce = 2 * ring * 2 * f.d_model / (link * GB) + VRAM_CALCULATOR_LATENCY[kind]
    reading = gigabytes / (f.device_count * bandwidth)
    return reading / (reading + f.n_layers * all_reduce)


def vram_calculator_decode(f: Facts) -> float | None:
    """vram-calculator (JavaScript), decode: bandwidth / (active parameters x bytes), no share, no cache.

    Several devices: tensor parallel, with an all-reduce of 2 d_model bytes and 5 to 40 us per layer. No batch.
    """
    per_parameter = VRAM_CALCULATOR_QUANT.get(quant_name(f.quant))
    if per_parameter is None or f.batch != 1 or f.backend == "cpu":
        return None
    gigabytes = f.parameters_active / GB * per_parameter
    speed = vram_calculator_device(f)[0] * f.device_count / gigabytes
    return speed * vram_calculator_efficiency(f, gigabytes)


def vram_calculator_prefill(f: Facts) -> float | None:
    """vram-calculator, prefill: throughput / (2 x active parameters), no share; 4 x decode without a throughput."""
    decode = vram_calculator_decode(f)
    if decode is None:
        return None
    tflops = vram_calculator_device(f)[1]
    if tflops <= 0:
        return decode * VRAM_CALCULATOR_PREFILL_UNKNOWN
    gigabytes = f.parameters_active / GB * VRAM_CALCULATOR_QUANT[quant_name(f.quant)]
    speed = tflops * 1e12 / (2 * f.parameters_active)
    return speed * f.device_count * vram_calculator_efficiency(f, gigabytes)


# ---- GenZ ------------------------------------------------------------------------------------------------------------

GENZ = (
    "abhibambhaniya/GenZ-LLM-Analyzer:GenZ/{system,operator_base,unit}.py, Systems/system_configs.py "
    "@091bdd0, 2026-07-29"
)
GENZ_DEVICES: Table = (  # 2^30 bytes/s, 10^12 operations/s at 16 bits
    ("a100 40gb", (1600.0, 312.0)),
    ("a100 80gb", (2039.0, 312.0)),
    ("gh200", (4900.0, 1979.0)),
    ("h100 !nvl !pcie", (3400.0, 989.0)),
    ("b100", (8000.0, 3500.0)),
    ("gb200", (8000.0, 4500.0)),
    ("mi300x", (5300.0, 1307.0)),
    ("mi325x", (6000.0, 1307.0)),
    ("gaudi3", (3675.0, 1835.0)),
    ("gaudi 3", (3675.0, 1835.0)),
)
GENZ_TYPES = {32: (4.0, 2.0), 16: (2.0, 1.0), 8: (1.0, 0.5), 6: (0.75, 0.5), 4: (0.5, 0.25), 2: (0.25, 0.125)}


def genz_system(f: Facts) -> tuple[float, float, float] | None:
    """Bytes/s, operations/s at the model's type, and bytes per element of weights and cache alike."""
    bits = quant_bits(f.quant)
    system = listed(GENZ_DEVICES, f.device_name)
    if system is None and f.fp16_tflops is not None and f.backend != "cpu":
        system = (f.bandwidth_gb_per_s, f.fp16_tflops)  # a system that a user describes
    if system is None or bits is None or bits not in GENZ_TYPES or f.device_count > 1:
        return None
    size, work = GENZ_TYPES[bits]
    return system[0] * GIB, system[1] * 1e12 / work, size


def genz_decode(f: Facts) -> float | None:
    """GenZ (Python), decode: sum over operators of max(operations / throughput, bytes / bandwidth), efficiency 1.

    Restated with all linear operators as one and attention as one. One type for weights, cache and activations, which
    stay on the chip; a bandwidth of '1 GB/s' is 2^30. No latency of a device. Five and three bits are no types of its.
    """
    system = genz_system(f)
    if system is None or (f.is_moe and f.batch > 1):
        return None
    bandwidth, throughput, size = system
    cache = f.kv_bytes_at_depth / KV_BYTES_PER_ELEMENT * size * f.batch
    linear = max(2 * f.parameters_active * f.batch / throughput, f.parameters_active * size / bandwidth)
    scores = 4 * f.n_layers * heads(f) * f.head_dim * f.context_depth * f.batch / throughput
    return f.batch / (linear + max(scores, cache / bandwidth))


def genz_prefill(f: Facts) -> float | None:
    """GenZ, prefill: the same sums over the prompt; attention over all pairs of tokens, no causal half."""
    system = genz_system(f)
    if system is None:
        return None
    bandwidth, throughput, size = system
    n = f.prompt_tokens
    linear = max(2 * f.parameters_active * n * f.batch / throughput, f.parameters_total * size / bandwidth)
    scores = 4 * f.n_layers * heads(f) * f.head_dim * n * n * f.batch / throughput
    return n * f.batch / (linear + scores)


# ---- LLM-Viewer ------------------------------------------------------------------------------------------------------

LLM_VIEWER = "hahnyuan/LLM-Viewer:model_analyzer.py, hardwares/hardware_params.py @472f71f, 2024-07-30"
LLM_VIEWER_DEVICES: Table = (  # bytes/s, operations/s at 16 bits
    ("v100", (900e9, 112e12)),
    ("a6000", (768e9, 154.8385e12)),
    ("a100 80gb", (2039e9, 312e12)),
    ("a100", (1555e9, 312e12)),
    ("a800", (2039e9, 312e12)),
    ("a40", (696e9, 149.7e12)),
    ("h100 pcie", (2048e9, 756.5e12)),
    ("h100 !nvl", (3072e9, 989.5e12)),
    ("l40", (864e9, 181e12)),
    ("13900k", (89.6e9, 1.3824e12)),
)
LLM_VIEWER_BITS = (16, 8, 4)


def llm_viewer_device(f: Facts) -> tuple[float, float, float] | None:
    """Bytes/s, operations/s and bytes per weight; None for what it does not list, MoE models and several devices."""
    device, bits = listed(LLM_VIEWER_DEVICES, f.device_name), quant_bits(f.quant)
    if device is None or bits is None or bits not in LLM_VIEWER_BITS or f.is_moe or f.device_count > 1:
        return None
    return device[0], device[1], bits / 8


def llm_viewer_decode(f: Facts) -> float | None:
    """LLM-Viewer (Python, MIT), decode: every operator at its roofline, dense models, 16-bit activations and cache.

    Restated with all linear operators as one; without flash attention, its default, the scores of every head are
    written and read twice. Activations of linear operators and norms are left out.
    """
    device = llm_viewer_device(f)
    if device is None:
        return None
    bandwidth, throughput, per_weight = device
    linear = max(2 * f.parameters_active * f.batch / throughput, f.parameters_active * per_weight / bandwidth)
    scores = 4 * f.n_layers * heads(f) * f.context_depth * 2 * f.batch
    return f.batch / (linear + (f.kv_bytes_at_depth * f.batch + scores) / bandwidth)


def llm_viewer_prefill(f: Facts) -> float | None:
    """LLM-Viewer, prefill: linear operators, scores and weighted sums over all pairs of tokens, softmax in memory."""
    device = llm_viewer_device(f)
    if device is None:
        return None
    bandwidth, throughput, per_weight = device
    n, pairs = f.prompt_tokens, f.n_layers * heads(f) * f.prompt_tokens**2 * f.batch
    linear = max(2 * f.parameters_active * n * f.batch / throughput, f.parameters_active * per_weight / bandwidth)
    products = 2 * max(2 * f.head_dim * pairs / throughput, 2 * pairs / bandwidth)
    softmax = 2 * 2 * pairs / bandwidth
    return n * f.batch / (linear + products + softmax)


# ---- llm-analysis ----------------------------------------------------------------------------------------------------

LLM_ANALYSIS = "cli99/llm-analysis:llm_analysis/analysis.py, llm_analysis/gpu_configs/*.json @d841e40, 2024-11-13"
LLM_ANALYSIS_DEVICES: Table = (  # GB/s, 10^12 operations/s at 16 bits, GB/s between the devices of a node
    ("a10g", (600.0, 70.0, 32.0)),
    ("a10", (600.0, 125.0, 32.0)),
    ("a100 80gb pcie", (1935.0, 312.0, 300.0)),
    ("a100 80gb", (2039.0, 312.0, 300.0)),
    ("a100 40gb", (1555.0, 312.0, 300.0)),
    ("a6000", (768.0, 154.8, 56.25)),
    ("h100 pcie", (2000.0, 756.0, 300.0)),
    ("h100 !nvl", (3350.0, 989.0, 450.0)),
    ("mi100", (1228.8, 184.6, 138.0)),
    ("mi210", (1638.0, 181.0, 150.0)),
    ("mi250", (3200.0, 362.1, 400.0)),
    ("mi250x", (3200.0, 383.0, 400.0)),
    ("v100 pcie", (900.0, 112.0, 16.0)),
    ("v100", (900.0, 125.0, 150.0)),
)
LLM_ANALYSIS_BITS = (16, 8, 4)
LLM_ANALYSIS_MESSAGE = 8e-6  # seconds, the least of an all-reduce


def llm_analysis_device(f: Facts) -> tuple[float, float, float, float] | None:
    """Bytes/s, operations/s, bytes/s between devices, bytes per weight; None for what it does not list."""
    device, bits = listed(LLM_ANALYSIS_DEVICES, f.device_name), quant_bits(f.quant)
    if device is None or bits is None or bits not in LLM_ANALYSIS_BITS:
        return None
    return device[0] * GB, device[1] * 1e12, device[2] * GB, bits / 8


def llm_analysis_seconds(f: Facts, device: tuple[float, float, float, float], tokens: int) -> float:
    """Seconds of one pass of `tokens` tokens of each sequence through the model, without the cache.

    Layers: max(operations / throughput, weights / bandwidth), each divided by the devices; the embedding is read whole
    on each device, the head is operations alone; two all-reduces per layer of at least 8 us. 16-bit throughput, since
    the activations have 16 bits; every expert of a MoE model is read. Norms and activations are left out, and so is the
    exchange among experts.
    """
    bandwidth, throughput, link, per_weight = device
    n, rows = f.device_count, tokens * f.batch
    embedding = (f.vocab_size or 0) * f.d_model
    read = f.parameters_total if f.is_moe else f.parameters_active
    work = 2 * (f.parameters_active - embedding) * rows + 4 * f.n_layers * f.d_model * tokens * rows
    layers = max(work / n / throughput, (read - embedding) * per_weight / n / bandwidth)
    ends = 2 * embedding / bandwidth + 2 * embedding * rows / n / throughput
    if n == 1:
        return layers + ends
    reduce = max(2 * 2 * rows * f.d_model * (n - 1) / n / link, LLM_ANALYSIS_MESSAGE)
    return layers + ends + (2 * f.n_layers + 1) * reduce


def llm_analysis_decode(f: Facts, flops_share: float = 1.0, memory_share: float = 1.0) -> float | None:
    """llm-analysis (Python, Apache-2.0), decode: a pass of one token, and the cache read and written whole; shares 1.

    parameters_active counts the embedding once there, as in a model that shares it with the head.
    """
    device = llm_analysis_device(f)
    if device is None:
        return None
    device = (device[0] * memory_share, device[1] * flops_share, *device[2:])
    seconds = llm_analysis_seconds(f, device, 1)
    return f.batch / (seconds + 2 * f.kv_bytes_at_depth * f.batch / f.device_count / device[0])


def llm_analysis_prefill(f: Facts, flops_share: float = 1.0, memory_share: float = 1.0) -> float | None:
    """llm-analysis, prefill: a pass of the prompt, attention over all pairs of tokens; shares 1."""
    device = llm_analysis_device(f)
    if device is None:
        return None
    device = (device[0] * memory_share, device[1] * flops_share, *device[2:])
    return f.prompt_tokens * f.batch / llm_analysis_seconds(f, device, f.prompt_tokens)


# ---- llama-roofline --------------------------------------------------------------------------------------------------

LLAMA_ROOFLINE = (
    "manunicholasjacob/llama-roofline:src/llama_roofline/{roofline,membw}.py @2be7791, summer or autumn 2026"
)


def llama_roofline(f: Facts) -> float | None:
    """llama-roofline (Python, MIT), decode on a processor: its measured read bandwidth / bytes that a token reads.

    It is the ceiling it draws; what it calls the effective bandwidth it fits to the runs themselves. Dense models only.
    """
    if f.backend != "cpu" or f.is_moe or not single_stream(f) or f.bandwidth_measured_gb_per_s is None:
        return None
    return f.bandwidth_measured_gb_per_s * GB / f.active_bytes


# ---- no peer's: what a fit per device reaches ------------------------------------------------------------------------

THREE_PARAMETERS = (
    "no peer: fitted in November 2026 to ggml-org/llama.cpp:benches/dgx-spark/dgx-spark.md and "
    "benches/mac-m2-ultra/mac-m2-ultra.md, five models at five depths each"
)
# GB/s of weights, GB/s of the cache, seconds per layer of a dense and of a MoE model.
THREE_PARAMETERS_DEVICES: Table = (
    ("gb10", (228.0, 191.0, 37e-6, 37e-6)),
    ("m2 ultra", (787.5, 377.5, 0.11e-3, 0.195e-3)),
)


def three_parameters(f: Facts) -> float | None:
    """Weights / B_w + cache / B_kv + c x layers, with constants of the device itself: GB10 and M2 Ultra, llama.cpp."""
    device = listed(THREE_PARAMETERS_DEVICES, f.device_name)
    if device is None or not single_stream(f) or f.engine != "llama.cpp" or f.backend not in ("cuda", "metal"):
        return None
    weights, cache, dense, moe = device
    seconds = f.active_bytes / GB / weights + f.kv_bytes_at_depth / GB / cache
    return 1.0 / (seconds + f.n_layers * (moe if f.is_moe else dense))


# ---- baselines -------------------------------------------------------------------------------------------------------

BASELINE_SHARES = {
    1.00: "the roofline; llama-roofline's ceiling, GenZ's and vram-calculator's efficiency",
    0.75: "FitLLM",
    0.70: "canirun.ai; llamafit in system memory, contiguous",
    0.60: "llm-analysis: 'closer to 0.6-0.7' in inference",
    0.55: "llmfit; whichllm for Q4_K_M and MXFP4",
    0.50: "whichllm for Q6_K, and for everything before it told formats apart",
    0.40: "canirun.ai on phones; whichllm for F16",
}


def by_file(share: float) -> Estimate:
    """Share x bandwidth of one device / size of the file, one sequence."""
    return lambda f: share * f.bandwidth_gb_per_s * GB / f.file_bytes if f.batch == 1 else None


def by_active(share: float) -> Estimate:
    """Share x bandwidth of one device / bytes that a token reads, one sequence."""
    return lambda f: share * f.bandwidth_gb_per_s * GB / f.active_bytes if f.batch == 1 else None


FORMULAS: tuple[Formula, ...] = (
    Formula("llmfit", LLMFIT, llmfit, None),
    Formula("llmfit, tier 2", LLMFIT, llmfit_tier_2, None),
    Formula("whichllm", WHICHLLM, whichllm, None),
    Formula("canirun.ai", CANIRUN, canirun, None),
    Formula("mac-llm-calculator", MACCALC, maccalc_first, None),
    Formula("mac-llm-calculator, refit", MACCALC_REFIT, maccalc_refit, None),
    Formula("mac-llm-calculator, refit, exact bytes", MACCALC_REFIT, maccalc_refit_exact, None),
    Formula("llamafit", LLAMAFIT, llamafit_decode, llamafit_prefill),
    Formula("FitLLM", FITLLM, fitllm, None),
    Formula("gguf-parser-go", GGUF_PARSER, gguf_parser, None),
    Formula("vram-calculator", VRAM_CALCULATOR, vram_calculator_decode, vram_calculator_prefill),
    Formula("GenZ", GENZ, genz_decode, genz_prefill),
    Formula("LLM-Viewer", LLM_VIEWER, llm_viewer_decode, llm_viewer_prefill),
    Formula("llm-analysis", LLM_ANALYSIS, llm_analysis_decode, llm_analysis_prefill),
    Formula("llama-roofline", LLAMA_ROOFLINE, llama_roofline, None),
    Formula("three parameters per device", THREE_PARAMETERS, three_parameters, None),
    *(
        Formula(f"{share:.2f} x bandwidth / file size", f"as in {who}", by_file(share), None)
        for share, who in BASELINE_SHARES.items()
    ),
    *(
        Formula(f"{share:.2f} x bandwidth / active bytes", f"as in {who}", by_active(share), None)
        for share, who in BASELINE_SHARES.items()
    ),
)
