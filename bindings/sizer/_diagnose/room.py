"""Whether it fits the memory, and if not, which setting makes it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import formatting as f
from .._estimate import USUAL_QUANTIZATIONS, best_quantization
from .._results import Estimate
from .case import Case
from .machine import GIB
from .pressure import pressure
from .records import Check, Finding
from .words import balance, decode, found, kv_setting, rate, setting, size, tight


@dataclass(frozen=True)
class Room:
    """What the memory comes to: the findings, and the answer for the configuration that they lead to."""

    found: tuple[Finding | Check, ...]
    answer: Estimate | None


def room(case: Case) -> Room:
    """Looks at the memory as it is set up, then for the first change that makes it fit."""
    refused = tuple(_refused(case))
    answer = case.answer()
    if answer is None:
        return Room(refused, None)
    noted = (*refused, *pressure(case, answer))
    if answer.memory.fits:
        return Room((*noted, _enough(case, answer)), answer)
    for remedy in _REMEDIES:
        one = remedy(case, answer)
        if one is not None:
            finding, after = one
            return Room((*noted, finding), after)
    return Room((*noted, _too_large(case, answer)), answer)


def _refused(case: Case) -> Iterator[Finding]:
    if case.cache_needs_flash_attention:
        yield found(
            "cache-needs-flash-attention",
            ("configuration", "certain", "fails"),
            "A quantised KV cache needs flash attention, which is off.",
            [f"KV cache in {case.facts.kv_type}; without flash attention only f16, bf16 or f32"],
            f"Set {kv_setting(case, str(case.facts.kv_type))}.",
        )


def _sum(answer: Estimate) -> str:
    """The parts of what is needed."""
    pool = tight(answer)
    parts = (
        ("weights", pool.weights_bytes),
        ("KV cache", pool.kv_cache_bytes),
        ("state", pool.recurrent_state_bytes),
        ("compute buffer", pool.compute_buffer_bytes),
        ("overhead", pool.overhead_bytes),
    )
    terms = " + ".join(f"{name} {f.gib(part)}" for name, part in parts if part)
    return f"{terms} = {f.gib(pool.total_bytes)} GiB at a context of {f.count(answer.context)} in {answer.kv_type}"


def _enough(case: Case, answer: Estimate) -> Check:
    arithmetic = [_sum(answer), balance(answer)]
    older = _before_macos_26(case)
    if older is not None:
        left = older - answer.memory.pools[0].total_bytes
        word = "to spare" if left >= 0 else "short"
        arithmetic.append(f"with macOS 15 and older, which gives {f.gib(older)} GiB: {size(abs(left))} {word}")
    return Check(what="memory", arithmetic="; ".join(arithmetic))


def _before_macos_26(case: Case) -> int | None:
    if case.machine is None or case.machine.backend != "metal" or case.facts.wired_limit_bytes is not None:
        return None
    figure = case.machine.to_dict()["devices"][0]["memory"].get("usable_before_macos_26")
    return None if figure is None else round(figure["value"] * GIB)


# --- changes that make it fit, the cheapest first ---------------------------------------------------------------------

_Remedy = Callable[[Case, Estimate], "tuple[Finding, Estimate] | None"]


def _harm(case: Case) -> str:
    """A driver that falls back to the host's memory, or swap, makes slow what would fail."""
    return "slow" if case.facts.shared_memory_bytes or case.facts.swap_used_bytes else "fails"


def _after(case: Case, **changes: Any) -> Estimate | None:
    answer = case.answer(**changes)
    return answer if answer is not None and answer.memory.fits else None


def _flash_attention(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    if case.facts.flash_attention is not False:
        return None
    after = _after(case, flash_attention=True)
    if after is None:
        return None
    off, on = (one.memory.pools[0].compute_buffer_bytes for one in (before, after))
    fix = "OLLAMA_FLASH_ATTENTION=1" if case.facts.engine == "ollama" else "-fa on"
    finding = found(
        "flash-attention-off",
        ("configuration", "certain", _harm(case)),
        "Without flash attention the scores of the whole context are kept, and it does not fit.",
        [
            f"compute buffer {f.gib(off)} GiB without, {f.gib(on)} GiB with: {size(off - on)} less",
            f"without: {balance(before)}",
            f"with: {balance(after)}",
        ],
        f"Set {fix}.",
        compute_buffer_bytes=off,
        compute_buffer_with_bytes=on,
    )
    return finding, after


def _slots(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    """Ollama gives every slot the whole context."""
    slots = case.slots
    after = None if case.engine != "ollama" or slots == 1 else _after(case, parallel=1)
    if after is None:
        return None
    finding = found(
        "slots-multiply-cache",
        ("configuration", "certain", _harm(case)),
        "Every slot of Ollama has a cache of its own, and together they do not fit.",
        [
            f"KV cache {f.gib(after.memory.kv_cache_bytes)} GiB x {slots} = {f.gib(before.memory.kv_cache_bytes)} GiB",
            f"one slot: {balance(after)}",
        ],
        "Set OLLAMA_NUM_PARALLEL=1.",
        "https://github.com/ollama/ollama/blob/main/docs/faq.mdx",
        slots=slots,
        kv_cache_bytes=before.memory.kv_cache_bytes,
    )
    return finding, after


def _system_limit(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    """The memory is there, and the operating system does not give it to the GPU."""
    if case.roomier is None or case.machine is None:
        return None
    after = _after(case, machine=case.roomier)
    if after is None:
        return None
    need = before.memory.pools[0].total_bytes
    arithmetic = [f"needed {size(need)} > {size(case.machine.usable_bytes)} that the GPU may take"]
    if case.machine.backend == "metal":
        mib = -(-need // GIB) * 1024
        left = case.machine.memory_bytes - mib * 2**20
        arithmetic.append(f"{f.gib(case.machine.memory_bytes)} GiB - {mib // 1024} GiB = {f.gib(left)} GiB for macOS")
        name, fix = (
            "apple-wired-limit",
            f"sudo sysctl iogpu.wired_limit_mb={mib} (until the next start of the machine).",
        )
        title = "macOS keeps the GPU from memory that the machine has."
        status = "certain" if case.facts.wired_limit_bytes is not None else "likely"
    else:
        pages = case.roomier.usable_bytes // 4096
        arithmetic.append(
            f"with the limit raised: {size(case.roomier.usable_bytes)}; / 4,096 bytes a page = {f.count(pages)} pages"
        )
        name, status = "strix-halo-carve-out", "certain"
        title = "Carve-out and GTT keep the GPU from memory that the machine has."
        fix = (
            f"Linux: the smallest carve-out in the BIOS and the kernel parameter ttm.pages_limit={pages}. Windows: "
            "more Variable Graphics Memory."
        )
    finding = found(
        name,
        ("configuration", status, _harm(case)),
        title,
        arithmetic,
        fix,
        "hardware-notes-2026-11-20",
        needed_bytes=need,
        usable_bytes=case.machine.usable_bytes,
        raised_bytes=case.roomier.usable_bytes,
    )
    return finding, after


def _cache_format(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    if (case.facts.kv_type or "f16").lower() not in ("f16", "bf16", "f32") or not case.is_ggml:
        return None
    after = _after(case, kv_type="q8_0", flash_attention=True)
    return None if after is None else (cache_format(case, before, after, _harm(case)), after)


def cache_format(case: Case, before: Estimate, after: Estimate, effect: str) -> Finding:
    """The cache in f16 does not fit where one in q8_0 does."""
    wide, narrow = (one.memory.pools[0].kv_cache_bytes for one in (before, after))
    return found(
        "kv-cache-f16",
        ("configuration", "certain", effect),
        f"The KV cache in {before.kv_type} does not fit; in q8_0 it does.",
        [
            f"KV cache {f.gib(wide)} GiB in {before.kv_type}, {f.gib(narrow)} GiB in q8_0: {size(wide - narrow)} less",
            f"{before.kv_type}: {balance(before)}",
            f"q8_0: {balance(after)}",
        ],
        f"Set {kv_setting(case, 'q8_0')}.",
        kv_cache_bytes=wide,
        kv_cache_q8_0_bytes=narrow,
        short_bytes=-before.memory.pools[0].headroom_bytes,
        margin_bytes=after.memory.pools[0].headroom_bytes,
    )


def _context(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    """A context that was made larger than the request needs."""
    need, largest = case.facts.need, case.largest()
    if largest is None or need is None or largest < need or largest >= before.context:
        return None
    context = max(need, largest // 1024 * 1024)
    after = _after(case, context=context, parallel=1)
    if after is None:
        return None
    finding = found(
        "context-larger-than-needed",
        ("configuration", "certain", _harm(case)),
        "The context that is set does not fit, and the request needs less.",
        [
            balance(before),
            f"{f.count(before.context)} tokens set, {f.count(need)} needed, {f.count(largest)} fit",
            f"at {f.count(context)}: {balance(after)}",
        ],
        f"Set {setting(case, context)}.",
        context=before.context,
        needed_tokens=need,
        largest_context=largest,
    )
    return finding, after


def _own_context(case: Case, before: Estimate) -> tuple[Finding, Estimate] | None:
    """Nobody stated a context, and the model's own does not fit."""
    largest = case.largest() if case.context is None else None
    after = None if largest is None else _after(case, context=largest, parallel=1)
    if largest is None or after is None:
        return None
    finding = found(
        "own-context-too-large",
        ("configuration", "possible", "fails"),
        "The model's own context does not fit, which some engines take where none is set; a smaller one does.",
        [balance(before), f"{f.count(before.context)} tokens trained for, {f.count(largest)} fit"],
        f"Set {setting(case, largest)} or less; with --configured-context or --request-tokens this says more.",
        context=before.context,
        largest_context=largest,
    )
    return finding, after


_REMEDIES: tuple[_Remedy, ...] = (_own_context, _flash_attention, _slots, _system_limit, _cache_format, _context)


def _too_large(case: Case, answer: Estimate) -> Finding:
    """Nothing that can be set makes it fit: the hardware is the limit."""
    assert case.machine is not None and case.model is not None
    smaller = best_quantization(
        case.model,
        case.machine,
        candidates=USUAL_QUANTIZATIONS,
        context=answer.context,
        kv_type=answer.kv_type,
        engine=case.facts.engine,
    )
    pool = tight(answer)
    most = case.most_layers() if case.has_host and case.is_ggml else None
    lines, effect = [_sum(answer), balance(answer)], _harm(case)
    part = None if most is None else case.answer(layers=most)
    if part is not None:
        lines.append(f"{most} of {case.model.n_layers + 1} layers fit the card; the others run on the processor")
        if case.named:
            lines.append(f"decode is then expected at {rate(decode(part))}")
        effect = "slow"
    ways = [f"at least {size(pool.total_bytes)} of usable memory (`sizer compare {case.model.id}` lists machines)"]
    if smaller is not None:
        ways.append(f"{smaller} instead of {answer.quant}")
    if answer.largest_context is not None:
        ways.append(f"a context of at most {f.count(answer.largest_context)} tokens")
    return found(
        "model-too-large",
        ("hardware", "certain", effect),
        f"{case.model.name} in {answer.quant} does not fit {case.machine.name}.",
        lines,
        "It takes " + ", or ".join(ways) + ".",
        needed_bytes=pool.total_bytes,
        available_bytes=pool.available_bytes,
        short_bytes=-pool.headroom_bytes,
        largest_context=answer.largest_context,
        layers_that_fit=most,
    )
