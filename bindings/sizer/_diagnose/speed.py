"""The speeds that somebody saw, against what the library expects."""

from __future__ import annotations

from collections.abc import Iterator

from .. import formatting as f
from .._catalogue import hardware_list
from .._estimate import estimate
from .._results import Estimate, Rate
from .._roofline import roofline_ceiling
from .case import Case
from .parts import uses_host
from .records import Check, Finding
from .words import found, rate


def seen(case: Case, others: list[Finding]) -> Iterator[Finding | Check]:
    """The speeds that somebody saw."""
    explained = any(one.status != "possible" for one in others)
    prompt = case.facts.seen_prompt_tokens or case.facts.requested_tokens
    expected = case.answer(prompt_tokens=prompt) if case.named else None
    if expected is None or not expected.memory.fits:
        return
    yield from _prefill(case, expected, explained)
    yield from _decoding(case, expected, explained)


def _band(band: Rate) -> str:
    return f"{rate(band.tokens_per_s)} expected (80 %: {f.significant(band.low)} to {f.significant(band.high)})"


def _processors(case: Case, expected: Estimate) -> float:
    """The fastest prefill of any desktop processor of the catalogue."""
    assert case.model is not None
    prompt = expected.prompt_tokens or 512
    speeds = (
        estimate(case.model, one, quant=expected.quant, context=max(prompt, 512), prompt_tokens=prompt, output_tokens=0)
        for one in hardware_list()
        if one.device_class == "cpu_desktop"
    )
    return max(one.prefill.high for one in speeds)


def _prefill(case: Case, expected: Estimate, explained: bool) -> Iterator[Finding | Check]:
    saw = case.facts.prefill_tokens_per_s
    if saw is None:
        return
    answer = expected if expected.prompt_tokens else case.answer(prompt_tokens=512)  # as llama-bench's pp512
    band = expected.prefill if answer is None else answer.prefill
    if saw >= band.low:
        yield Check(what="prefill", arithmetic=f"{rate(saw)} seen, {_band(band)}")
        return
    lines = [f"{rate(saw)} seen, {_band(band)}: {f.significant(band.tokens_per_s / saw)} times slower"]
    assert case.machine is not None
    processors = 0.0 if case.machine.backend == "cpu" else _processors(case, expected)
    if saw <= processors:
        lines.append(f"the fastest desktop processor of the catalogue reaches up to {rate(processors)}")
        yield found(
            "prefill-on-the-processor",
            ("configuration", "likely", "slow"),
            "The prompt is read at the speed of a processor, not of this GPU.",
            lines,
            "See that the engine was built for this GPU and finds it (llama.cpp's first lines name the devices, "
            "`ollama ps` says 100% GPU, LM Studio's runtime is not the CPU one), and that all layers are on it.",
            seen_tokens_per_s=saw,
            expected_tokens_per_s=band.tokens_per_s,
            processor_tokens_per_s=processors,
        )
    elif not explained:
        yield _slower("prefill-below-expected", "The prompt is read more slowly than expected.", lines, saw, band)


def _decoding(case: Case, expected: Estimate, explained: bool) -> Iterator[Finding | Check]:
    saw = case.facts.decode_tokens_per_s
    if saw is None:
        return
    assert case.model is not None and case.machine is not None
    band = expected.decode_behind_prompt
    roof = roofline_ceiling(
        case.model,
        case.machine,
        quant=expected.quant,
        depth=expected.prompt_tokens,
        kv_type=expected.kv_type,
        engine=case.facts.engine,
    )
    lines = [f"{rate(saw)} seen, {_band(band)}", roof.arithmetic.rstrip(".")]
    if saw < band.low:
        if not explained:
            yield _slower("decode-below-expected", "It answers more slowly than expected.", lines, saw, band)
    elif saw > roof.tokens_per_s:
        lines.append("no software reads them faster: another model or quantisation, or speculative decoding")
        yield Check(what="decode", arithmetic="; ".join(lines))
    elif explained or uses_host(case):
        yield Check(what="decode", arithmetic="; ".join(lines))
    else:
        yield found(
            "decode-at-ceiling",
            ("hardware", "certain", "slow"),
            "It answers as fast as is expected of this machine, and no setting makes it faster.",
            [*lines, f"{100 * saw / roof.tokens_per_s:.0f} % of the ceiling; a step is bound by {band.bound}"],
            "Only fewer bytes a token help (a smaller quantisation, a model with fewer active weights, speculative "
            "decoding), or a machine with more GB/s (`sizer compare`).",
            seen_tokens_per_s=saw,
            expected_tokens_per_s=band.tokens_per_s,
            low_tokens_per_s=band.low,
            ceiling_tokens_per_s=roof.tokens_per_s,
        )


def _slower(name: str, title: str, lines: list[str], saw: float, band: Rate) -> Finding:
    return found(
        name,
        ("configuration", "possible", "slow"),
        title,
        lines,
        "Nothing that was stated explains it. Give the log (--log), the layers on the GPU, the memory channels and the "
        "power limit; `sizer measure` says how fast the machine itself is.",
        seen_tokens_per_s=saw,
        expected_tokens_per_s=band.tokens_per_s,
        low_tokens_per_s=band.low,
    )
