"""Readings of a claimed speed under which it could hold, each of them computed."""

from __future__ import annotations

from .. import _catalogue
from .. import formatting as f
from .._errors import SizerError
from .._model import Model
from .._roofline import gigabytes, roofline_ceiling
from .amounts import span
from .finding import Limits, judge
from .names import READINGS, linked
from .predict import Case, Prediction, context_of, predicted
from .records import IMPOSSIBLE, PARTLY, PESSIMISTIC, PLAUSIBLE, Claim

_BATCHES = (2, 4, 8, 16, 32, 64)
_MACHINES = (2, 4, 8)
#: Two channels of DDR5-5600, which the library takes where a card states no host (speed/offload.hpp); bytes per second.
_ASSUMED_HOST = 89.6e9
#: A model counts as one of the same size up to this ratio of their weights.
_SAME_SIZE = 1.35


def _expected(limits: Limits) -> str:
    return f"{span(limits.low, limits.high, 'token/s')} expected, {f.significant(limits.limit or 0)} at most"


def _fitting(low: float, high: float, one: Prediction, wanted: tuple[str, ...] = (PLAUSIBLE,)) -> bool:
    return one.runs and judge(low, high, one.limits, more=True) in wanted


def _reached(low: float, high: float, one: Prediction) -> bool:
    """As claimed, or quicker still."""
    return _fitting(low, high, one, (PLAUSIBLE, PESSIMISTIC))


def other_quantisation(claim: Claim, best: Case, low: float, high: float, verdict: str) -> list[str]:
    """The format with the most bits at which the same machine does what is claimed."""
    size = predicted(best, claim.context_tokens).answer.memory.weights_bytes
    for quant in READINGS:
        if quant == best.quant:
            continue
        one = predicted(Case(best.model, best.machine, quant), claim.context_tokens)
        smaller = one.answer.memory.weights_bytes < size
        holds = _fitting(low, high, one) if verdict == PESSIMISTIC else _reached(low, high, one)
        if smaller == (verdict == PESSIMISTIC) or not holds:
            continue
        weights = gigabytes(one.answer.memory.weights_bytes)
        return [f"{best.model.id} at {quant} ({weights}): {_expected(one.limits)}"]
    return []


def several_sequences(claim: Claim, best: Case, low: float, high: float) -> list[str]:
    """The smallest batch whose sequences together are as quick as claimed."""
    for batch in _BATCHES:
        one = predicted(best, claim.context_tokens, batch=batch)
        if one.layers is None and _reached(low, high, one):
            each = one.answer.decode.tokens_per_s / batch
            return [
                f"the sum of {batch} sequences decoded together at {best.quant} ({_expected(one.limits)}, about "
                f"{f.significant(each)} for each of them)"
            ]
    return []


def mixture_of_experts(claim: Claim, best: Case, low: float, high: float) -> list[str]:
    """A mixture of experts of about the same number of weights, of which a token reads a part."""
    if best.model.is_moe:
        return []
    size = best.model.parameters_from_shape
    near: list[tuple[float, Model]] = []
    for model in _catalogue.models():
        if not model.is_moe or model.sizing_status != "complete":
            continue
        ratio = max(model.parameters_from_shape / size, size / model.parameters_from_shape)
        if ratio <= _SAME_SIZE:
            near.append((ratio, model))
    for _, model in sorted(near, key=lambda pair: (pair[0], pair[1].id)):
        one = predicted(Case(model, best.machine, best.quant), claim.context_tokens)
        if one.layers is None and _reached(low, high, one):
            active = f.significant((model.parameters_active or model.active_parameters_from_shape) / 1e9)
            total = f.significant((model.parameters_total or model.parameters_from_shape) / 1e9)
            return [
                f"a mixture of experts: {model.id}, {total} billion weights of which a token uses {active} billion, at "
                f"{best.quant} ({_expected(one.limits)})"
            ]
    return []


def more_machines(one: Prediction, high: float) -> list[str]:
    """Several of the machine that divide every layer among them, which llama.cpp does not do."""
    best = one.case
    if best.machine.backend == "cpu":
        return []
    for count in _MACHINES:
        try:
            many = linked(best.machine, count)
            roof = roofline_ceiling(best.model, many, quant=best.quant, depth=one.roof.depth, engine="vllm")
        except SizerError:
            return []
        if high <= roof.tokens_per_s:
            return [
                f"{count} such machines that divide every layer among them (tensor parallel): "
                f"{f.significant(roof.tokens_per_s)} token/s at most, before what their link costs"
            ]
    return []


def one_card_more(claim: Claim, one: Prediction, low: float, high: float) -> list[str]:
    """More cards of the same kind, where one does not hold the model."""
    if one.runs and one.layers is None:
        return []
    for count in _MACHINES:
        try:
            many = Case(one.case.model, linked(one.case.machine, count), one.case.quant)
        except SizerError:
            return []
        then = predicted(many, claim.context_tokens)
        if then.layers is None and _reached(low, high, then):
            return [f"{count} x {one.case.machine.name}, which hold all of it ({_expected(then.limits)})"]
    return []


def quicker_host(one: Prediction, low: float) -> list[str]:
    """The bandwidth of the host's memory that a model divided between card and host needs."""
    machine = one.case.machine
    if not one.layers or "host_memory" in machine.to_dict():
        return []
    size, card = one.roof.bytes_per_token, one.roof.tokens_per_s
    host, both = _ASSUMED_HOST / size, one.answer.decode.ceiling_tokens_per_s
    share = (1 / both - 1 / card) / (1 / host - 1 / card)
    left = 1 / low - (1 - share) / card
    if left <= 0 or share <= 0:
        return []
    return [
        f"the card is in a host whose memory gives more than {f.bandwidth(share * size / left)}, for the "
        f"{gigabytes(share * size)} of every token that lie there"
    ]


def shallow_cache(claim: Claim, best: Case, low: float, high: float) -> list[str]:
    """An empty cache, or attention that reads only a part of a full one."""
    if not claim.context_tokens:
        return []
    one = predicted(best, claim.context_tokens, deep=False)
    if not _reached(low, high, one):
        return []
    tokens = f.count(context_of(best.model, claim.context_tokens))
    return [
        f"little of the {tokens} tokens is cached, or the attention is sparse and reads a small part of them "
        f"({_expected(one.limits)})"
    ]


def wider_memory(best: Prediction, low: float) -> list[str]:
    """The bandwidth that the claim needs."""
    if best.roof.bound != "memory":
        return []
    needed = low * best.roof.bytes_per_token
    if needed <= best.roof.bandwidth_bytes_per_s:
        return []
    return [
        f"a memory of more than {f.bandwidth(needed)}: {f.significant(low)} token/s times "
        f"{gigabytes(best.roof.bytes_per_token)}"
    ]


def of_speed(claim: Claim, best: Prediction, low: float, high: float, verdict: str) -> tuple[str, ...]:
    """All readings of a claimed decoding speed that hold."""
    if verdict == PLAUSIBLE:
        return ()
    case = best.case
    found = other_quantisation(claim, case, low, high, verdict)
    if verdict == PESSIMISTIC:
        return tuple(found)
    found += one_card_more(claim, best, low, high)
    found += quicker_host(best, low) if verdict in (IMPOSSIBLE, PARTLY) else []
    found += several_sequences(claim, case, low, high)
    found += mixture_of_experts(claim, case, low, high)
    found += shallow_cache(claim, case, low, high)
    if verdict in (IMPOSSIBLE, PARTLY):
        found += more_machines(best, high) if best.layers is None else []
        found += wider_memory(best, low) if best.layers is None else []
    return tuple(found)
