"""Claims about speed: decoding, prefill, the time to the first token."""

from __future__ import annotations

from .. import formatting as f
from .._estimate import compare, estimate
from .._results import Candidate, Estimate
from .amounts import claimed, ends, factor, span, times
from .finding import Finding, Limits, joined, judge, nothing, opened, sentence, unverifiable
from .names import Machines, Models, UnresolvedError, machines, models, quants
from .predict import Case, Prediction, arithmetic_of, cases, context_of, predicted
from .readings import of_speed
from .records import IMPOSSIBLE, PESSIMISTIC, PLAUSIBLE, UNVERIFIABLE, Claim, Computed

_PROMPT = 2048
_SHOWN = 3


def _one_group(claim: Claim) -> Models:
    groups = models(claim.model, claim.context_tokens)
    if len(groups) > 1:
        raise UnresolvedError(
            "it is a speed of several models at once, which share the machine in a way that is not said"
        )
    return groups[0]


def _chosen(found: list[Prediction], low: float, high: float) -> Prediction:
    """What the arithmetic shows: where one of several readings is as claimed that one, else the most favourable."""
    alike = [one for one in found if judge(low, high, one.limits, more=True) == PLAUSIBLE]
    usual = [one for one in alike if one.case.quant == "Q4_K_M"]
    return max(usual or alike or found, key=lambda one: one.limits.limit or 0.0)


def _notes(where: Machines, group: Models) -> tuple[str, str]:
    return where.note, group.note


def _compared(claim: Claim, low: float, high: float, known: Limits, several: bool) -> str:
    ceiling = known.limit or 0.0
    expected = f"Expected: {span(known.low, known.high, 'token/s')}"
    if several:
        expected += " over all of these readings"
    if low > ceiling:
        share = times(low, high, ceiling)
        return f"{expected}; {claimed(claim)} would be {share} the ceiling."
    if high > ceiling:
        return f"{expected}; of {claimed(claim)}, what is above {f.significant(ceiling)} is beyond the ceiling."
    return f"{expected}; claimed: {claimed(claim)}."


def decode(claim: Claim) -> Finding:
    """Tokens per second of one sequence."""
    scale = factor(claim, "speed")
    low, high = ends(claim, scale)
    group = _one_group(claim)
    formats = quants(claim.quant, group.options)
    if not claim.hardware:
        return _nowhere(claim, group, low, high, "decode")
    where = machines(claim.hardware)
    everything = [predicted(case, claim.context_tokens) for case in cases(group.options, where.options, formats)]
    found = [one for one in everything if one.runs]
    if not found:
        best = max(everything, key=lambda one: one.roof.tokens_per_s)
        limit = Computed(low=0.0, high=0.0, unit="token/s", limit=0.0)
        text = sentence(where.note, group.note, arithmetic_of(best) + ".", "Nothing runs where it does not fit.")
        held = of_speed(claim, best, low, high, IMPOSSIBLE)
        return Finding(IMPOSSIBLE, text, limit, held, _sources(best))
    known = joined((one.limits for one in found), more=True)
    low, high = opened(claim, low, high, known)
    verdict = judge(low, high, known, more=True)
    several = len(found) > 1
    shown = _chosen(found, low, high) if several else found[0]
    lead = ""
    if several:
        alike = judge(low, high, shown.limits, more=True) == PLAUSIBLE
        lead = "A reading that is as claimed:" if alike else "The most favourable reading:"
    held = of_speed(claim, shown, low, high, verdict)
    if not where.sold:
        on = f"on {shown.case.machine.name}"
        held = (on,) if verdict == PLAUSIBLE else tuple(f"{on}: {one}" for one in held)
        verdict = UNVERIFIABLE
    made = f"{lead} {arithmetic_of(shown)}."
    text = sentence(*_notes(where, group), made, _compared(claim, low, high, known, several))
    computed = Computed(low=known.low, high=known.high, unit="token/s", limit=known.limit)
    return Finding(verdict, text, computed, held, _sources(shown))


def _sources(one: Prediction) -> tuple[str, ...]:
    return tuple(source.key for source in one.answer.sources)


def _nowhere(claim: Claim, group: Models, low: float, high: float, what: str) -> Finding:
    """A speed of a model that names no machine: on which machines it would be as claimed."""
    model = group.options[-1]
    context = context_of(model, claim.context_tokens)
    prompt = context if what == "prefill" else 0
    ranked = compare(
        model,
        quant=claim.quant if claim.quant and len(quants(claim.quant, ())) == 1 else None,
        context=context,
        prompt_tokens=prompt,
        output_tokens=0,
        depth=context if what == "decode" and claim.context_tokens else 0,
        sort="price",
    )

    def rate(row: Candidate) -> Limits:
        of = row.prefill if what == "prefill" else row.decode
        return Limits(of.low, of.high, of.ceiling_tokens_per_s)

    alike = [row for row in ranked.fitting if judge(low, high, rate(row), more=True) == PLAUSIBLE]
    fitting = ranked.fitting
    shown = tuple(
        f"on {row.name}: {span(rate(row).low, rate(row).high, 'token/s')} at {ranked.quant}" for row in alike[:_SHOWN]
    )
    text = (
        f"The claim names no machine. {model.id} at {ranked.quant} with a context of {f.count(context)} fits "
        f"{len(fitting)} machines of the catalogue; {span(low, high, 'token/s')} is within the 80 % band of "
        f"{len(alike)} of them."
    )
    return unverifiable(claim, sentence(group.note, text), shown)


def _prefill_limits(claim: Claim, group: Models, where: Machines) -> tuple[Limits, str]:
    """The speed of the prefill over all readings, and how the most favourable one comes about."""
    best: tuple[Case, Estimate] | None = None
    parts = []
    for case in cases(group.options, where.options, quants(claim.quant, group.options)):
        context = context_of(case.model, claim.context_tokens)
        prompt = context if claim.context_tokens else min(context, _PROMPT)
        one = estimate(
            case.model, case.machine, quant=case.quant, context=context, prompt_tokens=prompt, output_tokens=0
        )
        if not one.memory.fits:
            continue
        rate = one.prefill
        parts.append(Limits(rate.low, rate.high, rate.ceiling_tokens_per_s))
        if best is None or rate.ceiling_tokens_per_s > best[1].prefill.ceiling_tokens_per_s:
            best = case, one
    if best is None:
        return Limits(0.0, 0.0, 0.0), f"{group.name} does not fit {claim.hardware}: nothing runs there."
    case, answer = best
    text = (
        f"{case}: {f.count(answer.prompt_tokens)} tokens of prompt take "
        f"{f.significant(answer.prefill.ceiling_tokens_per_s)} token/s at most by the maker's arithmetic rate, and "
        f"{span(answer.prefill.low, answer.prefill.high, 'token/s')} are expected."
    )
    return joined(parts, more=True), text


def prefill(claim: Claim) -> Finding:
    """Prompt tokens per second."""
    low, high = ends(claim, factor(claim, "speed"))
    group = _one_group(claim)
    if not claim.hardware:
        return _nowhere(claim, group, low, high, "prefill")
    where = machines(claim.hardware)
    known, text = _prefill_limits(claim, group, where)
    low, high = opened(claim, low, high, known)
    verdict = judge(low, high, known, more=True)
    computed = Computed(low=known.low, high=known.high, unit="token/s", limit=known.limit)
    text = sentence(*_notes(where, group), text, f"Claimed: {claimed(claim)}.")
    return Finding(verdict if where.sold else UNVERIFIABLE, text, computed)


def _seconds(tokens: int, known: Limits) -> Computed:
    """A prompt's time, from its speed; empty where nothing runs."""
    if known.low <= 0:
        return nothing("s")
    least = tokens / known.limit if known.limit else None
    return Computed(low=tokens / known.high, high=tokens / known.low, unit="s", limit=least)


def first_token(claim: Claim) -> Finding:
    """Seconds until the first token of an answer: judged as the speed that the prompt is read at."""
    least, most = ends(claim, factor(claim, "time"))
    if not claim.context_tokens or not claim.model or least <= 0:
        raise UnresolvedError("without a model and the length of the prompt, a time is no speed")
    group = _one_group(claim)
    tokens = context_of(group.options[-1], claim.context_tokens)
    low, high = tokens / most, tokens / least
    bound = "at most " if claim.high is None else "at least " if claim.low is None else ""
    as_speed = f"{f.count(tokens)} tokens in {claimed(claim)} are {bound}{span(low, high, 'token/s')}."
    if not claim.hardware:
        found = _nowhere(claim, group, low, high, "prefill")
        return Finding(found.verdict, sentence(as_speed, found.arithmetic), found.computed, found.holds_if)
    where = machines(claim.hardware)
    known, text = _prefill_limits(claim, group, where)
    verdict = judge(low, high, known, more=True)
    computed = _seconds(tokens, known)
    return Finding(verdict if where.sold else UNVERIFIABLE, sentence(as_speed, *_notes(where, group), text), computed)


def timeout(claim: Claim) -> Finding:
    """A limit that a program sets. Where model, machine and prompt are named, whether the prompt is read in time."""
    seconds, _ = ends(claim, factor(claim, "time"))
    if not (claim.model and claim.hardware and claim.context_tokens):
        return unverifiable(
            claim,
            f"{claimed(claim)} is a setting of a program. Whether it is too short follows from a prompt, a model and a "
            "machine, which the claim does not name.",
        )
    group, where = _one_group(claim), machines(claim.hardware)
    known, text = _prefill_limits(claim, group, where)
    tokens = context_of(group.options[-1], claim.context_tokens)
    computed = _seconds(tokens, known)
    verdict = PLAUSIBLE if computed.low is None or computed.low > seconds else PESSIMISTIC
    return Finding(verdict, sentence(group.note, where.note, text), computed)
