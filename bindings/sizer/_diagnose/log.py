"""What the logs of llama.cpp, Ollama and LM Studio, and the report of nvidia-smi, say.

Each pattern names the line that it reads. All of them are literal words around bounded numbers, so that no text makes
them slow. Formats: github.com/ollama/ollama issues 9181, 9362, 10368; github.com/ggml-org/llama.cpp issues 19774,
20431 and pull requests 13194, 15780; github.com/lmstudio-ai/lmstudio-bug-tracker issue 546;
github.com/anomalyco/opencode issue 11141; github.com/vercel/ai issue 4224.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .. import _core

#: Bytes of a log that are read at most.
LARGEST = 16 * 1024 * 1024
_LONGEST_LINE = 4096

_N = r"\s{0,20}=\s{0,20}(\d{1,9})\b"  # "   = 8192"

Values = dict[str, Any]


def _largest(name: str) -> Callable[[Values, re.Match[str]], None]:
    def keep(values: Values, match: re.Match[str]) -> None:
        number = int(match[1])
        if number > 0:
            values[name] = max(number, values.get(name, 0))

    return keep


def _last(name: str) -> Callable[[Values, re.Match[str]], None]:
    def keep(values: Values, match: re.Match[str]) -> None:
        if int(match[1]) > 0:
            values[name] = int(match[1])

    return keep


def _is(name: str) -> Callable[[Values, re.Match[str]], None]:
    return lambda values, _: values.__setitem__(name, True)


def _flash_attention(values: Values, match: re.Match[str]) -> None:
    values["flash_attention"] = match[1].lower() in ("1", "enabled", "true", "on")


def _layers(values: Values, match: re.Match[str]) -> None:
    if int(match[2]) > 0:
        values["n_gpu_layers"], values["layers_offered"] = int(match[1]), int(match[2])


def _kv_types(values: Values, match: re.Match[str]) -> None:
    known = {name.lower(): name for name in _core.kv_types()}
    if match[1].lower() in known and match[1] == match[2]:  # two types that differ are no one `kv_type`
        values["kv_type"] = known[match[1].lower()].lower()


def _prompt_eval(values: Values, match: re.Match[str]) -> None:
    """The rate of the longest prompt; behind a cached one only a few tokens are read."""
    if int(match[1]) > values.get("seen_prompt_tokens", 0):
        values["seen_prompt_tokens"] = int(match[1])
        values["prefill_tokens_per_s"] = float(match[2])


def _eval(values: Values, match: re.Match[str]) -> None:
    if int(match[1]) > values.get("_eval", 0):
        values["_eval"] = int(match[1])
        values["decode_tokens_per_s"] = float(match[2])


def _too_long(values: Values, match: re.Match[str]) -> None:
    values["refused"] = True
    values["requested_tokens"] = max(int(match[1]), values.get("requested_tokens", 0))
    values["slot_context"] = int(match[2])


def _truncated(values: Values, match: re.Match[str]) -> None:
    """Of an Ollama since 2026, `limit` may be half of the context (github.com/ollama/ollama/issues/17427)."""
    prompt, left = int(match[1]), int(match[2])
    if prompt > values.get("requested_tokens", 0):
        values["requested_tokens"], values["truncated_to"] = prompt, left


def _failed_allocation(values: Values, match: re.Match[str]) -> None:
    values["out_of_memory"] = True
    values["failed_allocation_bytes"] = max(int(match[1]), values.get("failed_allocation_bytes", 0))


def _answered(values: Values, match: re.Match[str]) -> None:
    """Ollama's access log: how long the request took that failed."""
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    values["disconnected_after_s"] = hours * 3600 + minutes * 60 + seconds


def _positive(name: str) -> Callable[[Values, re.Match[str]], None]:
    def keep(values: Values, match: re.Match[str]) -> None:
        if float(match[1]) > 0:
            values[name] = float(match[1])

    return keep


_RATE = r"\s{0,20}=[^/]{1,40}/\s{0,20}(\d{1,9}) (?:tokens|runs)[^,]{1,40},\s{0,20}(\d{1,9}\.\d{1,4}) tokens per second"

_LINES: tuple[tuple[str, re.Pattern[str], Callable[[Values, re.Match[str]], None]], ...] = tuple(
    (word, re.compile(pattern), keep)
    for word, pattern, keep in (
        # llama.cpp, alone and inside the others
        ("n_ctx", r"\bn_ctx" + _N, _last("configured_context")),
        ("n_ctx_train", r"\bn_ctx_train" + _N, _last("trained_context")),
        ("n_ctx_train", r"\bn_ctx_train \((\d{1,9})\)", _last("trained_context")),
        ("n_ctx_seq", r"\bn_ctx_seq" + _N, _last("slot_context")),
        ("n_ctx_per_seq", r"\bn_ctx_per_seq" + _N, _last("slot_context")),
        ("n_ctx_seq", r"\bn_ctx_seq \((\d{1,9})\)", _last("slot_context")),
        ("n_ctx_per_seq", r"\bn_ctx_per_seq \((\d{1,9})\)", _last("slot_context")),
        ("n_ctx_slot", r"\bn_ctx_slot" + _N, _last("slot_context")),
        ("n_seq_max", r"\bn_seq_max" + _N, _last("parallel")),
        ("n_slots", r"\bn_slots" + _N, _last("parallel")),
        ("n_ubatch", r"\bn_ubatch" + _N, _last("ubatch")),
        ("flash_attn", r"\bflash_attn\s{0,20}=\s{0,4}(0|1|enabled|disabled)\b", _flash_attention),
        ("Flash Attention", r"Flash Attention was auto, set to (enabled|disabled)", _flash_attention),
        ("offloaded", r"\boffloaded (\d{1,4})/(\d{1,4}) layers to GPU", _layers),
        ("K (", r"\bK \((\w{1,8})\):[^,]{1,40}, V \((\w{1,8})\):", _kv_types),
        ("prompt eval", r"prompt eval time" + _RATE, _prompt_eval),
        ("eval time", r"(?<!prompt )\beval time" + _RATE, _eval),
        ("task.n_tokens", r"\btask\.n_tokens" + _N, _largest("requested_tokens")),
        ("exceeds", r"request \((\d{1,9}) tokens\) exceeds the available context size \((\d{1,9}) tokens\)", _too_long),
        ("n_prompt_tokens", r'"n_prompt_tokens":\s?(\d{1,9}),\s?"n_ctx":\s?(\d{1,9})', _too_long),
        ("exceeds the available", r"request exceeds the available context size", _is("refused")),
        ("failed to allocate", r"failed to allocate \w{1,20} buffer of size (\d{1,15})", _failed_allocation),
        ("out of memory", r"out of memory", _is("out_of_memory")),
        ("OutOfMemory", r"kIOGPUCommandBufferCallbackErrorOutOfMemory", _is("out_of_memory")),
        ("cancel task", r"cancel task, id_task", _is("disconnected")),
        # Ollama
        ("truncating input", r"truncating input prompt.{0,80}\bprompt=(\d{1,9}).{0,40}\bnew=(\d{1,9})", _truncated),
        ("default_num_ctx", r"default_num_ctx=(\d{1,9})", _last("default_context")),
        ("closing the connection", r"due to client closing the connection", _is("disconnected")),
        ("[GIN]", r"\| (?:499|500) \|\s{1,20}(?:(\d{1,3})h)?(?:(\d{1,4})m)?(\d{1,4}(?:\.\d{1,12})?)s \|", _answered),
        # LM Studio
        ("Cannot truncate", r"Cannot truncate prompt with n_keep \((\d{1,9})\) >= n_ctx \((\d{1,9})\)", _too_long),
        (
            "Trying to keep",
            r"Trying to keep the first (\d{1,9}) tokens.{0,80}context length of only (\d{1,9}) tokens",
            _too_long,
        ),
        # nvidia-smi -q
        ("SW Power Cap", r"SW Power Cap\s{0,40}: Active", _is("power_capped")),
        ("Thermal Slowdown", r"[SH]W Thermal Slowdown\s{0,40}: Active", _is("thermally_slowed")),
        ("Power Limit", r"Current Power Limit\s{0,40}: (\d{1,5}\.\d{1,2}) W", _positive("power_limit_w")),
    )
)

#: Words that only one program writes.
_PROGRAMS = (
    ("[GIN] ", "ollama"),
    ("OLLAMA_", "ollama"),
    ("source=runner.go", "ollama"),
    ("truncating input prompt", "ollama"),
    ("Cannot truncate prompt with n_keep", "lm-studio"),
    ("Trying to keep the first", "lm-studio"),
    ("LM Studio", "lm-studio"),
)


def read(text: str) -> Values:
    """The facts of an excerpt under their names in ``Facts``; lines that say nothing known are passed over."""
    values: Values = {}
    engine: str | None = None
    for whole in text.splitlines():
        line = whole[:_LONGEST_LINE]
        engine = engine or next((name for word, name in _PROGRAMS if word in line), None)
        for word, pattern, keep in _LINES:
            if word in line:
                match = pattern.search(line)
                if match is not None:
                    keep(values, match)
    if any(name in values for name in ("configured_context", "slot_context", "n_gpu_layers", "prefill_tokens_per_s")):
        engine = engine or "llama.cpp"
    if engine is not None:
        values["engine"] = engine
    if not values.get("disconnected"):  # a failed request is no sign of a client that gave up
        values.pop("disconnected_after_s", None)
    return {name: value for name, value in values.items() if not name.startswith("_")}
