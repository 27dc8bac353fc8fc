"""Whether the prompt goes into the context, and who set it."""

from __future__ import annotations

from collections.abc import Iterator

from .. import formatting as f
from .case import OLLAMA_DEFAULTS, Case
from .records import Check, Finding
from .words import found, setting

_FAILS = ("configuration", "certain", "fails")

_ON_OVERFLOW = {
    "ollama": "Ollama cuts the beginning of such a prompt without an error to the caller.",
    "llama.cpp": "llama-server refuses such a request (exceed_context_size_error).",
    "lm-studio": "LM Studio refuses such a request.",
}


def context(case: Case) -> Iterator[Finding | Check]:
    """Everything about the context, the nearest cause first."""
    yield from _beyond_native(case)
    yield from _over_the_cap(case)
    yield from _slots(case)
    yield from _answer(case)
    yield from _label(case)
    yield from _stretched(case)


def _beyond_native(case: Case) -> Iterator[Finding]:
    need, native = case.facts.need, case.native
    if need is None or native is None or need <= native or case.model is None:
        return
    yield found(
        "prompt-beyond-native",
        _FAILS,
        f"The request is longer than anything that {case.model.name} was trained for.",
        [f"{f.count(need)} tokens asked for > {f.count(native)} trained for, by {f.count(need - native)}"],
        f"Shorten the prompt to {f.count(native)} tokens with its answer, or take a model with a longer context; no "
        "setting and no machine changes this.",
        need_tokens=need,
        native_tokens=native,
        over_tokens=need - native,
    )


def _fix(case: Case) -> str:
    suggested = case.suggested
    if suggested is None:
        return "Shorten the prompt to what the context holds."
    return f"Set {setting(case, suggested)}."


def _over_the_cap(case: Case) -> Iterator[Finding | Check]:
    asked, total = case.facts.requested_tokens, case.total
    if asked is None or total is None:
        return
    left = case.facts.truncated_to
    if left is not None:
        yield found(
            "prompt-truncated",
            _FAILS,
            "The prompt was cut without an error to the caller.",
            [
                f"{f.count(asked)} tokens sent - {f.count(left)} kept = {f.count(asked - left)} lost "
                f"({100 * (asked - left) / asked:.0f} % of the prompt), as the log says",
                f"the context of a request is {f.count(case.cap or total)} tokens",
            ],
            _fix(case),
            "https://github.com/ollama/ollama/issues/10368",
            requested_tokens=asked,
            kept_tokens=left,
            lost_tokens=asked - left,
        )
    elif asked > total:
        status = "likely" if case.ollama_default is not None and case.facts.default_context is None else "certain"
        arithmetic = [f"{f.count(asked)} tokens of prompt > {f.count(total)} of context, by {f.count(asked - total)}"]
        if case.facts.engine in _ON_OVERFLOW:
            arithmetic.append(_ON_OVERFLOW[case.facts.engine])
        yield found(
            "prompt-over-cap",
            ("configuration", status, "fails"),
            "The prompt is longer than the context that is set.",
            arithmetic,
            _fix(case),
            requested_tokens=asked,
            configured_context=total,
            over_tokens=asked - total,
        )
    elif case.cap is not None and asked <= case.cap:
        yield Check(
            what="the prompt fits the context",
            arithmetic=f"{f.count(asked)} tokens <= {f.count(case.cap)}, {f.count(case.cap - asked)} to spare",
        )


def _slots(case: Case) -> Iterator[Finding]:
    """llama-server gives each of its slots a part of the context."""
    asked, total, cap, slots = case.facts.requested_tokens, case.total, case.cap, case.facts.parallel or 1
    if asked is None or total is None or cap is None or not cap < asked <= total:
        return
    if slots > 1 and cap == total // slots:
        arithmetic = f"{f.count(total)} tokens / {slots} slots = {f.count(cap)} for a request"
    else:
        arithmetic = f"{f.count(total)} tokens are set, and the engine gives a request {f.count(cap)}"
    yield found(
        "slots-divide-context",
        _FAILS,
        "The context is divided among slots, and a request gets one of them.",
        [arithmetic, f"{f.count(asked)} tokens of prompt > {f.count(cap)}, by {f.count(asked - cap)}"],
        f"Set {setting(case, total)} (one slot), or keep the slots and let them share it with --kv-unified.",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        total_context=total,
        slots=slots,
        slot_context=cap,
        over_tokens=asked - cap,
    )


def _label(case: Case) -> Iterator[Finding | Check]:
    """A number that somebody wrote below what the model does."""
    facts, native, need = case.facts, case.native, case.facts.need
    labels = [
        (who, tokens)
        for who, tokens in (
            *((one.where, one.tokens) for one in (case.model.context_labels if case.model else ())),
            ("the model's label", facts.label_context),
            ("the model's file", facts.trained_context),
            ("the context that is set", None if case.ollama_default is not None else case.total),
        )
        if tokens is not None and native is not None and tokens < native
    ]
    if native is not None and case.model and not labels and case.total is not None and case.ollama_default is None:
        sums = f"{f.count(case.total)} set, {f.count(native)} trained for"
        yield Check(what="no label caps the context", arithmetic=sums)
    over = need is not None and native is not None and need <= native
    if case.ollama_default is not None and over and need is not None and need > case.ollama_default:
        yield _ollama_default(case, case.ollama_default)
    if native is None or not labels or not over or need is None or need <= min(tokens for _, tokens in labels):
        return
    who, tokens = min(labels, key=lambda one: one[1])
    effective = case.total is not None and case.total < need
    yield found(
        "context-below-native",
        ("configuration", "certain" if effective else "possible", "fails"),
        "The cap is a label's or a setting's, not the model's.",
        [
            f"{who}: {f.count(tokens)} tokens",
            f"trained for: {f.count(native)} tokens ({f.significant(native / tokens)} times as many), and "
            f"{f.count(need)} are needed",
        ],
        _fix(case),
        label_context=tokens,
        native_context=native,
        needed_tokens=need,
        suggested_context=case.suggested,
    )


def _ollama_default(case: Case, default: int) -> Finding:
    said = case.facts.default_context is not None
    machine = "" if case.machine is None else f" with {f.gib(case.machine.usable_bytes)} GiB"
    why = "as its log says" if said else f"which is its default{machine}, because nobody set one"
    return found(
        "ollama-default-context",
        ("configuration", "certain" if said else "likely", "fails"),
        "The cap is Ollama's default, not the model's.",
        [
            f"Ollama's context: {f.count(default)} tokens, {why}",
            "the default is 4,096 below 24 GiB of GPU memory, 32,768 below 48 GiB, 262,144 from there",
            f"the model was trained for {f.count(case.native or 0)}",
        ],
        _fix(case),
        OLLAMA_DEFAULTS,
        default_context=default,
        native_context=case.native,
    )


def _answer(case: Case) -> Iterator[Finding]:
    asked, need, cap = case.facts.requested_tokens, case.facts.need, case.cap
    if asked is None or need is None or cap is None or not asked <= cap < need:
        return
    yield found(
        "no-room-for-the-answer",
        ("configuration", "certain", "fails"),
        "The prompt fits the context, and its answer does not.",
        [
            f"{f.count(asked)} + {f.count(need - asked)} tokens = {f.count(need)} > {f.count(cap)}",
            f"the answer is cut after {f.count(cap - asked)} tokens",
        ],
        _fix(case),
        need_tokens=need,
        answer_room_tokens=cap - asked,
    )


def _stretched(case: Case) -> Iterator[Finding]:
    native, cap = case.native, case.cap
    if native is None or cap is None or cap <= native or case.model is None:
        return
    yield found(
        "context-beyond-native",
        ("configuration", "likely", "suffers"),
        "The context that is set is longer than the model was trained for.",
        [f"{f.count(cap)} tokens set > {f.count(native)} trained for, by {f.count(cap - native)}"],
        f"Set {setting(case, native)}; more costs memory, and beyond its training a model answers badly.",
        configured_context=cap,
        native_context=native,
    )
