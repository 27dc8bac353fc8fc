"""How findings put their numbers."""

from __future__ import annotations

from .. import formatting as f
from .._results import Estimate, Pool
from .case import Case
from .records import Finding


def found(
    name: str,
    of: tuple[str, str, str],
    title: str,
    arithmetic: list[str],
    fix: str,
    source: str | None = None,
    **figures: float | None,
) -> Finding:
    """A finding; `of` is its kind, status and effect."""
    kind, status, effect = of
    return Finding(
        id=name,
        kind=kind,
        status=status,
        effect=effect,
        title=title,
        arithmetic=tuple(arithmetic),
        fix=fix,
        source=source,
        figures={key: value for key, value in figures.items() if value is not None},
    )


def size(n: float) -> str:
    """``'42.02 GiB (45.1 GB)'``."""
    return f"{f.gib(n)} GiB ({n / 1e9:,.1f} GB)"


def setting(case: Case, tokens: int) -> str:
    """How the engine's context is set."""
    if case.facts.engine == "ollama":
        return (
            f"num_ctx {tokens} (in the request's options, or PARAMETER num_ctx {tokens} in the Modelfile), or start "
            f"the server with OLLAMA_CONTEXT_LENGTH={tokens}"
        )
    if case.facts.engine == "lm-studio":
        return f"Context Length {tokens} where the model is loaded"
    if case.facts.engine == "vllm":
        return f"--max-model-len {tokens}"
    one_slot = " -np 1" if case.divides else ""
    if case.facts.engine == "llama.cpp":
        return f"-c {tokens}{one_slot}"
    return f"-c {tokens}{one_slot} (llama.cpp), num_ctx {tokens} (Ollama) or Context Length {tokens} (LM Studio)"


def kv_setting(case: Case, kv_type: str) -> str:
    """How the format of the KV cache is set."""
    if case.facts.engine == "ollama":
        return f"OLLAMA_KV_CACHE_TYPE={kv_type} with OLLAMA_FLASH_ATTENTION=1"
    if case.facts.engine == "lm-studio":
        return f"K and V Cache Quantization Type {kv_type} with Flash Attention"
    return f"-ctk {kv_type} -ctv {kv_type} -fa on"


def rate(tokens_per_s: float) -> str:
    """``'400 token/s'``."""
    return f"{f.significant(tokens_per_s)} token/s"


def tight(answer: Estimate) -> Pool:
    """The memory that decides: the one that is too small, else the device's."""
    return next((one for one in answer.memory.pools if not one.fits), answer.memory.pools[0])


def balance(answer: Estimate) -> str:
    """What a memory gives less what is needed of it."""
    pool = tight(answer)
    left = pool.headroom_bytes
    return (
        f"{size(pool.available_bytes)} usable - {size(pool.total_bytes)} = {size(abs(left))} "
        f"{'to spare' if left >= 0 else 'short'}"
    )


def decode(answer: Estimate) -> float:
    """Tokens per second behind the prompt."""
    return answer.decode_behind_prompt.tokens_per_s
