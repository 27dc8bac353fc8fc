#!/usr/bin/env python3
"""Takes published speeds into data/measurements/speed.csv: every row, in the catalogue's names, usable or not and why.

    python3 bench/import_measurements.py measured_speed.csv [--output data/measurements/speed.csv]

No row is dropped. A row that the fit must not use keeps the reason in `reason`; `flags` holds what is only worth
knowing.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"

COLUMNS = [
    "id", "hardware", "device", "device_count", "bandwidth_spec_gbs", "backend", "engine", "engine_version", "model",
    "model_as_printed", "quant", "quant_as_printed", "file_size_gib", "test", "tokens", "depth", "mean_depth", "batch",
    "ubatch", "flash_attention", "tokens_per_s", "stddev", "usable", "reason", "flags", "source", "source_kind",
    "notes",
]

# Printed device -> catalogue id (of the single device).
HARDWARE = {
    "NVIDIA RTX 3090 24GB": "rtx-3090-24gb", "NVIDIA DGX Spark (GB10)": "dgx-spark-gb10-128gb",
    "Apple M2 Ultra (76c GPU)": "apple-m2-ultra-76c-192gb", "AMD Radeon AI PRO R9700 32GB": "radeon-ai-pro-r9700-32gb",
    "NVIDIA RTX 4090 24GB": "rtx-4090-24gb", "AMD Instinct MI300X 192GB": "instinct-mi300x-192gb",
    "NVIDIA A100 PCIe 80GB": "a100-80gb-pcie", "Apple M4 Max (40c GPU)": "apple-m4-max-40c-64gb",
    "NVIDIA RTX 6000 Ada 48GB": "rtx-6000-ada-48gb", "AMD Instinct MI250 128GB": "instinct-mi250-128gb",
    "Apple M1 Max (32c GPU)": "apple-m1-max-32c-64gb", "NVIDIA H100 PCIe 80GB": "h100-80gb-pcie",
    "Intel Gaudi 2": "gaudi2-96gb", "NVIDIA RTX 3090 Ti 24GB": "rtx-3090-ti-24gb",
    "NVIDIA RTX PRO 6000 Blackwell 96GB": "rtx-pro-6000-blackwell-96gb", "NVIDIA H100 SXM 80GB": "h100-80gb-sxm",
    "Apple M1 Ultra (64c GPU)": "apple-m1-ultra-64c-128gb", "NVIDIA Tesla P40 24GB": "p40-24gb",
    "NVIDIA A100 40GB": "a100-40gb-sxm", "Apple M3 Ultra (80c GPU)": "apple-m3-ultra-80c-512gb",
    "AMD Ryzen 9 7950X (DDR5 dual-channel, CPU)": "ryzen-9-7950x-ddr5-6000", "NVIDIA A100 SXM 80GB": "a100-80gb-sxm",
    "NVIDIA RTX 5090 32GB": "rtx-5090-32gb", "Apple M4 (10c GPU, Mac mini)": "apple-m4-10c-32gb",
    "AMD RX 7900 XTX 24GB": "rx-7900-xtx-24gb", "Intel Arc B580 12GB": "arc-b580-12gb",
    "Apple M2 Pro": "apple-m2-pro-19c-32gb", "NVIDIA RTX 3060 12GB": "rtx-3060-12gb",
    "Apple M5 Max": "apple-m5-max-40c-64gb", "AmpereOne A192-32X 8ch DDR5 (CPU)": "ampereone-a192-32x-512gb",
    "AMD RX 6800 XT 16GB": "rx-6800-xt-16gb", "NVIDIA RTX A4000 16GB": "rtx-a4000-16gb",
    "Intel Xeon 6980P single socket (CPU)": "xeon-6980p-12ch-mrdimm-8800", "Raspberry Pi 5 8GB": "raspberry-pi-5-8gb",
    "Raspberry Pi 500+ 16GB": "raspberry-pi-500-plus-16gb", "NVIDIA RTX 5060 Ti 16GB": "rtx-5060-ti-16gb",
    "Apple M2 (MacBook Air)": "apple-m2-10c-16gb",
    "AMD Ryzen AI Max+ 395 (Strix Halo, CPU)": "ryzen-ai-max-395-cpu-128gb",
    "AMD Ryzen AI Max+ 395 (Strix Halo, Radeon 8060S)": "framework-desktop-395-128gb",
    "NVIDIA RTX 4070 Ti SUPER 16GB": "rtx-4070-ti-super-16gb", "NVIDIA RTX 4060 Ti 16GB": "rtx-4060-ti-16gb",
    "NVIDIA RTX 3070 8GB": "rtx-3070-8gb", "NVIDIA RTX 3080 Ti 12GB": "rtx-3080-ti-12gb",
    "NVIDIA RTX 4070 Ti 12GB": "rtx-4070-ti-12gb", "NVIDIA RTX 5000 Ada 32GB": "rtx-5000-ada-32gb",
    "NVIDIA A40 48GB": "a40-48gb", "NVIDIA A10G 24GB": "a10g-24gb", "NVIDIA RTX 2080 8GB": "rtx-2080-8gb",
    "NVIDIA RTX 2080 Ti 11GB": "rtx-2080-ti-11gb", "NVIDIA RTX 4070 12GB": "rtx-4070-12gb",
    "NVIDIA GTX 1050 Ti 4GB": "gtx-1050-ti-4gb", "NVIDIA GTX 1060 6GB": "gtx-1060-6gb",
    "NVIDIA RTX 4070 Laptop 8GB": "rtx-4070-laptop-8gb", "NVIDIA RTX 2070 Max-Q 8GB": "rtx-2070-max-q-8gb",
    "AMD RX 6700 XT 12GB": "rx-6700-xt-12gb", "AMD RX 5700 XT 8GB": "rx-5700-xt-8gb",
    "AMD Ryzen Z1 (ROG Ally, iGPU)": "rog-ally-z1-16gb", "NVIDIA RTX A2000": "rtx-a2000-12gb",
    "Intel Data Center GPU Max 1550": "intel-max-1550-128gb", "Apple M2 Max (CPU)": "apple-m2-max-cpu-64gb",
    "AMD EPYC 9965 single socket (CPU)": "epyc-9965-12ch-ddr5-6400", "Minisforum MS-R1 (CPU)": "minisforum-ms-r1-64gb",
    "Intel N150 (CPU)": "intel-n150-16gb-ddr4-3200", "Intel N100 (CPU)": "intel-n100-16gb-ddr5-4800",
    "Radxa Orion O6 (CPU)": "radxa-orion-o6-16gb", "Raspberry Pi 400 4GB": "raspberry-pi-400-4gb",
    "AMD Ryzen 9 7950X (DDR5-3600, CPU)": "ryzen-9-7950x-ddr5-3600",
    "AMD Ryzen 9 5900X (DDR4-3600, CPU)": "ryzen-9-5900x-ddr4-3600",
    "AMD Threadripper PRO 7965WX 8ch DDR5-4800 (CPU)": "threadripper-pro-7965wx-ddr5-4800",
    "2x Intel Xeon Gold 6138 12ch DDR4-2666 (CPU)": "xeon-gold-6138-2s-ddr4-2666",
}

# Printed model -> catalogue id. Longest printed prefix wins. Llama 3 and 3.1 have one shape, and so have their
# fine-tunes.
MODELS = {
    "llama 8B": "llama-3.1-8b", "llama 70B": "llama-3.1-70b", "llama 13B": "llama-2-13b", "llama 7B": "llama-2-7b",
    "llama 7B (mistral": "mistral-7b-v0.2", "llama 1B": "llama-3.2-1b", "Meta-Llama-3-70B": "llama-3-70b",
    "Meta-Llama-3-8B": "llama-3-8b", "Meta-Llama-3.1-8B": "llama-3.1-8b", "Llama-3.1-8B": "llama-3.1-8b",
    "Llama 3.1 8B": "llama-3.1-8b", "Llama-3 8B": "llama-3-8b", "Llama-3-70B": "llama-3-70b",
    "Llama 3.1 70B": "llama-3.1-70b", "Llama 3.1 405B": "llama-3.1-405b", "Llama-3.3-70B": "llama-3.3-70b",
    "Llama 3.2 3B": "llama-3.2-3b", "Llama-3.2-3B": "llama-3.2-3b", "Llama-3.2-1B": "llama-3.2-1b",
    "llama3.2:3b": "llama-3.2-3b", "llama3.1:8b": "llama-3.1-8b", "llama-2-7b": "llama-2-7b",
    "Llama2-7B": "llama-2-7b", "Llama2 7B": "llama-2-7b", "Llama2-13B": "llama-2-13b", "Llama2-70B": "llama-2-70b",
    "Llama2 70B": "llama-2-70b", "Llama 7B": "llama-7b", "Llama 13B": "llama-13b", "Llama 33B": "llama-30b",
    "Llama-4-Scout": "llama-4-scout", "CodeLlama": "codellama-34b", "TinyLlama": "tinyllama-1.1b",
    "shisa-v2-llama3.1-8b": "llama-3.1-8b", "shisa-v2-llama3.3-70b": "llama-3.3-70b",
    "Mistral Instruct 7B": "mistral-7b-v0.2", "Mistral-7B-Instruct-v0.3": "mistral-7b-v0.3",
    "Mistral-Small-3.1-24B": "mistral-small-3.1-24b", "Mixtral": "mixtral-8x7b", "Ministral-3-14B": "ministral-3-14b",
    "Ministral-3-8B": "ministral-3-8b", "Devstral-2-123B": "devstral-2-123b",
    "Qwen3.6-27B": "qwen3.6-27b", "Qwen3.6-35B-A3B": "qwen3.6-35b-a3b", "Qwen3.5-122B": "qwen3.5-122b-a10b",
    "qwen3moe 30B.A3B": "qwen3-coder-30b-a3b", "Qwen3-Coder-30B-A3B": "qwen3-coder-30b-a3b",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b-2507", "Qwen3-30B-A3B": "qwen3-30b-a3b",
    "Qwen3-235B-A22B": "qwen3-235b-a22b", "Qwen3-Next-80B": "qwen3-next-80b-a3b", "Qwen3-32B": "qwen3-32b",
    "Qwen3-8B": "qwen3-8b", "Qwen3-4B": "qwen3-4b", "qwen3:4b": "qwen3-4b",
    "Qwen/Qwen3-4B-Instruct-2507": "qwen3-4b-instruct-2507", "qwen2 7B": "qwen2.5-coder-7b",
    "qwen2 7B (DeepSeek": "deepseek-r1-distill-qwen-7b", "Qwen2.5-7B": "qwen2.5-7b",
    "qwen2.5-coder:14b": "qwen2.5-coder-14b", "Kimi-Dev-72B": "kimi-dev-72b", "Kimi-K2": "kimi-k2",
    "gemma3 4B": "gemma-3-4b", "gemma-3-4b": "gemma-3-4b", "gemma-3-12b": "gemma-3-12b", "gemma3:12b": "gemma-3-12b",
    "gemma-3-27b": "gemma-3-27b", "gemma-4-26B": "gemma-4-26b-a4b", "gemma-4-31B": "gemma-4-31b",
    "Gemma-4-12B": "gemma-4-12b", "gpt-oss 20B": "gpt-oss-20b", "gpt-oss:20b": "gpt-oss-20b",
    "gpt-oss-20b": "gpt-oss-20b",
    "gpt-oss 120B": "gpt-oss-120b", "gpt-oss-120b": "gpt-oss-120b",
    "deepseek2 30B.A3B": "glm-4.7-flash", "GLM-4.7-Flash": "glm-4.7-flash", "GLM-4.6": "glm-4.6",
    "GLM-4.5-Air": "glm-4.5-air", "DeepSeek-V4-Flash": "deepseek-v4-flash", "deepseek2 671B": "deepseek-v3",
    "DeepSeek R1 671B": "deepseek-r1", "DeepSeek-R1 671B": "deepseek-r1",
    "DeepSeek-R1-Distill-Qwen-14B": "deepseek-r1-distill-qwen-14b", "nemotron 4B": "nemotron-3-nano-4b",
    "Nemotron-3-Nano-30B": "nemotron-3-nano-30b-a3b", "NVIDIA-Nemotron-3-Super": "nemotron-3-super-120b-a12b",
    "MiniMax-M2.7": "minimax-m2.7", "MiniMax-M2-": "minimax-m2", "dots.llm1": "dots.llm1",
}

# Printed format -> the recipe whose tensors it resembles. `~` marks formats that the recipe only approximates: their
# file size, where printed, decides the bytes (bench/speed_features scales to it).
QUANTS = {
    "F16": "F16", "BF16": "BF16", "Q8_0": "Q8_0", "Q6_K": "Q6_K", "Q5_0": "Q5_0", "Q4_0": "Q4_0", "Q4_1": "Q4_1",
    "Q4_K_M": "Q4_K_M", "Q4_K_S": "Q4_K_S", "Q3_K_S": "Q3_K_S", "Q2_K": "Q2_K", "Q2_K_S": "Q2_K_S", "IQ4_XS": "IQ4_XS",
    "IQ2_XS": "IQ2_XS", "IQ3_S": "IQ3_S", "MXFP4": "MXFP4_MOE", "mxfp4": "MXFP4_MOE",
    "MXFP4 (file tagged F16)": "MXFP4_F16", "i1-Q4_K_M": "Q4_K_M", "Q4_0 QAT": "Q4_0",
    "Ollama default": "Q4_K_M", "Ollama default (Q4_K_M)": "Q4_K_M", "Ollama default Q4_K_M": "Q4_K_M",
    "Q4_K_M (Ollama/llama.cpp)": "Q4_K_M", "gguf-q8_0": "Q8_0", "gguf-q6_k": "Q6_K", "gguf-q4_k_m": "Q4_K_M",
    "gguf-q2_k": "Q2_K", "UD-Q8_K_XL": "~Q8_0", "UD-Q6_K_XL": "~Q6_K", "UD-Q5_K_XL": "~Q5_K_M", "UD-Q4_K_XL": "~Q4_K_M",
    "UD-Q4_K_M": "~Q4_K_M", "UD-Q3_K_XL": "~Q3_K_M", "UD-Q3_K_S": "~Q3_K_S", "UD-IQ2_XXS": "~IQ2_XXS",
    "UD-IQ3_XXS": "~IQ3_XXS", "IQ2_KL": "~IQ2_S", "smol-IQ3_K": "~IQ3_S", "IQ2_XXS/Q2_K mix (ds4f-q2)": "~IQ2_XXS",
    "FP8": "FP8", "fp8-static": "FP8_TENSOR", "fp8-dynamic": "FP8_TENSOR", "awq-int4": "AWQ", "autoround-int4": "GPTQ",
    "nvfp4": "NVFP4", "NVFP4": "NVFP4", "MLX 4bit": "MLX-4BIT", "MLX q4": "MLX-4BIT", "MLX q6": "MLX-6BIT",
    "MLX q8": "MLX-8BIT", "MLX bf16": "HF_BF16",
}
# Engines whose 16-bit weights are the published ones; those of the others are GGUF files.
SIXTEEN_BITS_OF_ENGINE = {"vllm", "tensorrt-llm", "deepspeed", "sglang", "mlx"}

# Part of the printed engine -> engine. The first that is found wins.
ENGINES = {
    "ik_llama": "ik_llama.cpp", "llama.cpp": "llama.cpp", "ollama": "ollama", "vllm": "vllm", "mlx": "mlx",
    "exllamav3": "exllamav3", "exllama": "exllamav2", "tensorrt": "tensorrt-llm", "mlc": "mlc-llm", "sglang": "sglang",
    "deepspeed": "deepspeed", "ds4": "ds4",
}
WITHOUT_PARAMETERS = ("exllamav2", "exllamav3", "mlc-llm", "ds4", "sglang")

# Rows with these values are one measurement, if their notes are the same too.
IDENTITY = (
    "device", "device_count", "backend", "engine", "model", "quant", "test", "context_depth", "batch", "tokens_per_s",
)


def engine_of(printed: str) -> str:
    """The engine, or "unknown"."""
    name = printed.lower()
    return next((engine for part, engine in ENGINES.items() if part in name), "unknown")


def backend_of(row: dict[str, str]) -> str:
    """The backend, by the row's own word or by the device's vendor."""
    printed, device = row["backend"], row["device"]
    for key in ("CUDA", "ROCm", "Vulkan", "Metal", "SYCL", "HPU"):
        if printed.startswith(key):
            return key.lower()
    if printed == "CPU":
        return "cpu"
    if printed == "XPU":
        return "sycl"
    # "GPU": the usual backend of the vendor. The source of the AMD rows states Vulkan builds.
    return "cuda" if "NVIDIA" in device else "metal" if "Apple" in device else "vulkan"


def model_of(printed: str) -> str:
    """The catalogue's id, or nothing."""
    best = max((p for p in MODELS if printed.startswith(p)), key=len, default="")
    return MODELS.get(best, "")


def quant_of(printed: str, engine: str) -> str:
    """The recipe (see QUANTS), or nothing."""
    if printed.upper() in ("FP16", "BF16", "F16") and engine in SIXTEEN_BITS_OF_ENGINE:
        return "HF_BF16"
    if printed == "FP16":
        return "F16"
    if printed == "bf16":
        return "HF_BF16"
    if printed == "4-bit" and engine == "llama.cpp":
        return "~Q4_K_M"  # the comparison does not name the mix
    return QUANTS.get(printed, "")


def is_old_build(row: dict[str, str]) -> bool:
    """llama.cpp before autumn 2024: slower kernels, and flash attention off unless asked for."""
    version, notes = row["engine_version"], row["notes"]
    if "old build" in notes or re.search(r"2023|2024-0[123]", version):
        return True
    build = re.search(r"\((\d{4,5})\)?", version)
    return bool(build) and 1500 < int(build.group(1)) < 3700 and int(build.group(1)) not in range(2023, 2027)


def test_shape(row: dict[str, str]) -> tuple[int, float]:
    """Tokens of the test, and the mean number of cached tokens while it runs."""
    notes, depth = row["notes"], float(row["context_depth"])
    found = re.search(r"\b(?:tg|pp)(\d+)", notes)
    # Servers and chat programs: 256 tokens are the usual answer of these harnesses, 128 llama-bench's default.
    tokens = int(found.group(1)) if found else 256 if "256" in notes else 128
    if row["test"] == "pp":
        return tokens, depth + tokens / 2
    if "tg64@pp" in notes:
        return 64, depth + 32
    if "batched-bench" in notes:
        return 32, depth + 16
    if "ubatch=1" in notes:
        return 512, depth + 256
    if re.search(r"in128|128-token|128\*", notes):
        return 128, 128 + 64
    return tokens, depth + tokens / 2


def reasons_against(row: dict[str, str], engine: str, model: str) -> list[str]:
    """Why the row says nothing about the device, the catalogue aside."""
    notes = row["notes"]
    reasons = []
    if "SUSPECT" in notes:
        reasons.append("its source calls it suspicious")
    if re.search(r"power limit|220W|power limited", notes):
        reasons.append("power-capped device")
    if "host-overhead bound" in notes and row["batch"] == "1":
        reasons.append("old engine bound by its host, says the note")
    if re.search(r"low precision|approximate|~4\.0", notes):
        reasons.append("rounded to one digit")
    if "hybrid" in notes and "CPU" in notes:
        reasons.append("part of the model on the CPU")
    if engine == "unknown":
        reasons.append("engine not stated")
    if model.startswith("deepseek-v4"):
        reasons.append("compressed sparse attention is not modelled")
    if engine in WITHOUT_PARAMETERS:
        reasons.append("engine without parameters")
    if row["id"] in ("ms0279", "ms0280"):
        reasons.append("prefill a tenth of the same card's other log in the same repository")
    return reasons


def flags_of(row: dict[str, str], quant: str) -> list[str]:
    """What is worth knowing of a row that may be used."""
    flags = []
    if is_old_build(row):
        flags.append("old-build")
    if re.search(r"end-to-end|incl\. prefill|includes TTFT|incl\. prompt|avgTps", row["notes"]):
        flags.append("end-to-end")
    if int(row["batch"]) > 1:
        flags.append("batch-aggregate")
    if int(row["device_count"]) > 1:
        flags.append("several-devices")
    if quant.startswith("~"):
        flags.append("recipe-approximate")
    if row["device"].startswith("AMD Instinct MI250"):
        flags.append("count-is-dies-used")
    return flags


class Converter:
    """Published rows to the catalogue's names; remembers them, to find duplicates."""

    def __init__(self, models: set[str], hardware: set[str]):
        """The ids that the catalogue has."""
        self.models, self.hardware = models, hardware
        self.seen: dict[tuple[str, ...], tuple[str, str]] = {}

    def convert(self, row: dict[str, str]) -> dict[str, str]:
        """The row in the columns of speed.csv."""
        notes = row["notes"]
        engine, model = engine_of(row["engine"]), model_of(row["model"])
        quant = quant_of(row["quant"], engine)
        hardware = HARDWARE.get(row["device"], "")
        tokens, mean_depth = test_shape(row)
        ubatch = re.search(r"\bub[ =](\d+)", notes + " " + row["backend"])
        flash_attention = re.search(r"fa=1|-fa 1", notes)
        reasons = []
        if hardware not in self.hardware:
            reasons.append("device not in the catalogue")
        if model not in self.models:
            reasons.append("model not in the catalogue")
        if not quant:
            reasons.append("weight format without a recipe")
        reasons += reasons_against(row, engine, model)
        key = tuple(row[column] for column in IDENTITY)
        if key in self.seen and notes == self.seen[key][1]:
            reasons.append(f"duplicate of {self.seen[key][0]}")
        self.seen.setdefault(key, (row["id"], notes))
        return {
            "id": row["id"], "hardware": hardware, "device": row["device"], "device_count": row["device_count"],
            "bandwidth_spec_gbs": row["memory_bandwidth_spec_gbs"], "backend": backend_of(row), "engine": engine,
            "engine_version": row["engine_version"], "model": model, "model_as_printed": row["model"], "quant": quant,
            "quant_as_printed": row["quant"], "file_size_gib": row["file_size_gib"], "test": row["test"],
            "tokens": str(tokens), "depth": row["context_depth"], "mean_depth": f"{mean_depth:g}",
            "batch": row["batch"], "ubatch": ubatch.group(1) if ubatch else "512",
            "flash_attention": "1" if flash_attention else "0", "tokens_per_s": row["tokens_per_s"],
            "stddev": row["stddev"], "usable": str(int(not reasons)), "reason": "; ".join(reasons),
            "flags": " ".join(flags_of(row, quant)), "source": row["source"], "source_kind": row["source_kind"],
            "notes": notes,
        }


def main() -> int:
    """Converts the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="the CSV of published rows")
    parser.add_argument("--output", type=Path, default=DATA / "measurements" / "speed.csv")
    args = parser.parse_args()
    models = {path.stem for path in (DATA / "models").glob("*/*.json")}
    hardware = {path.stem for path in (DATA / "hardware").glob("*/*.json")}
    converter = Converter(models, hardware)
    with args.published.open(newline="", encoding="utf-8") as file:
        rows = [converter.convert(row) for row in csv.DictReader(file)]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    usable = sum(row["usable"] == "1" for row in rows)
    print(f"{len(rows)} rows, {usable} usable", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
