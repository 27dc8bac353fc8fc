"""Why it fails or is slow: a setting, the program that asks, or the hardware, each with its arithmetic and its fix.

examples:
  sizer diagnose --model qwen3-coder-30b-a3b --quant Q4_K_M --configured-context 131072 \\
      --request-tokens 146760 --prefill-rate 400 --timeout 300 --memory 64
  sizer diagnose --model qwen3-coder-30b-a3b --on rtx-3090 --log server.log
  journalctl -u ollama -n 500 | sizer diagnose --log -
  sizer diagnose --model llama-3.3-70b --on strix-halo --server http://localhost:8080/props

Give what you know; a rule speaks where it has what it needs. GB of memory are 2^30 bytes, as operating systems and
shops count them. Exit code 1 when the hardware itself is the limit."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .. import _core
from .options import integer, number
from .output import Output

#: Option, argument of sizer.diagnose(), what it counts, help.
_INTEGERS = (
    ("request-tokens", "requested_tokens", "TOKENS", "length of the prompt"),
    ("output-tokens", "output_tokens", "TOKENS", "length of the answer"),
    ("configured-context", "configured_context", "TOKENS", "-c of llama.cpp, num_ctx of Ollama"),
    ("label-context", "label_context", "TOKENS", "what the model's name or description says"),
    ("parallel", "parallel", "SLOTS", "slots of the server"),
    ("ubatch", "ubatch", "TOKENS", "llama.cpp's physical batch"),
    ("gpu-layers", "n_gpu_layers", "LAYERS", "-ngl, num_gpu"),
    ("cpu-moe", "n_cpu_moe", "LAYERS", "--n-cpu-moe: layers whose experts are in host memory"),
    ("memory-channels", "memory_channels", "CHANNELS", "channels of the host's memory with a module in them"),
    ("pcie-lanes", "pcie_lanes", "LANES", "lanes of the card's slot"),
    ("pcie-generation", "pcie_generation", "NUMBER", "1 to 5"),
)
_NUMBERS = (
    ("prefill-rate", "prefill_tokens_per_s", "TOKENS/S", "speed of the prompt that you see"),
    ("decode-rate", "decode_tokens_per_s", "TOKENS/S", "speed of the answer that you see"),
    ("timeout", "timeout_s", "SECONDS", "how long the client waits"),
    ("memory", "memory_gb", "GB", "memory of a unified machine, where --on names none"),
    ("power-limit", "power_limit_w", "W", "power limit of the card (nvidia-smi -q -d POWER)"),
    ("swap-used", "swap_used_gb", "GB", "swap in use"),
    ("shared-memory", "shared_memory_gb", "GB", "shared GPU memory in use (Windows' Task Manager)"),
    ("wired-limit", "wired_limit_gb", "GB", "iogpu.wired_limit_mb / 1024 of a Mac"),
    ("carve-out", "carve_out_gb", "GB", "the BIOS' part for the GPU (Strix Halo)"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("--model", metavar="MODEL", help="a model, a file, ollama:NAME, hf:ORG/REPO[:FILE] or a URL")
    parser.add_argument("--on", dest="hardware", metavar="HARDWARE", help="a machine, a JSON file, or this")
    parser.add_argument("--quant", metavar="NAME", help="weight format (default: what the files are, or else Q4_K_M)")
    parser.add_argument("--engine", metavar="NAME", help=f"runtime: {', '.join(_core.engines())}")
    parser.add_argument("--kv-type", metavar="TYPE", help="number format of the KV cache (default f16)")
    parser.add_argument("--no-flash-attention", action="store_true", help="flash attention is off")
    for option, argument, unit, text in (*_INTEGERS, *_NUMBERS):
        parser.add_argument(f"--{option}", dest=argument, metavar=unit, help=text)
    parser.add_argument(
        "--log", metavar="FILE", help="log of llama.cpp, Ollama or LM Studio, or nvidia-smi -q; - for the input"
    )
    parser.add_argument(
        "--server",
        dest="server_props",
        metavar="FILE|URL",
        help="JSON of llama-server's /props, or of Ollama's /api/show or /api/ps",
    )


def _piped() -> str:
    """The standard input, as text of several lines even where it has one."""
    from .._diagnose.log import LARGEST

    return sys.stdin.buffer.read(LARGEST).decode("utf-8", errors="replace") + "\n"


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments of sizer.diagnose()."""
    arguments: dict[str, Any] = {
        name: getattr(options, name) for name in ("model", "hardware", "quant", "engine", "kv_type", "server_props")
    }
    for table, read in ((_INTEGERS, integer), (_NUMBERS, number)):
        for option, argument, _, _ in table:
            text = getattr(options, argument)
            arguments[argument] = None if text is None else read(option.replace("-", "_"), text)
    arguments["flash_attention"] = False if options.no_flash_attention else None
    arguments["log"] = _piped() if options.log == "-" else options.log
    return arguments


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    from .._diagnose import diagnose, report

    answer = diagnose(**_arguments(options))
    output.answer(answer.to_dict(), report.diagnosis(answer))
    return 1 if answer.hardware_is_fine is False else 0
