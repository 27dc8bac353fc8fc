"""Claims about bytes: weights, KV cache, totals, what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from .. import _core
from .. import formatting as f
from .._hardware import Hardware
from .._results import Estimate
from .._roofline import billions, gigabytes
from .amounts import GB, binary_factor, both_units, claimed, ends, factor, rounding, size_span
from .finding import Finding, Limits, joined, judge, sentence
from .names import READINGS, Machines, Models, machines, models, quants
from .predict import Case, ask, context_of
from .records import OPTIMISTIC, PESSIMISTIC, PLAUSIBLE, Claim, Computed

#: Contexts that a claim about a running model may mean when it states none, tokens.
_CONTEXTS = (2048, 16384)

#: Types of the KV cache that another reading of a claim may mean, the largest first.
_KV_TYPES = ("q8_0", "q4_0")

#: A machine that holds everything: sizes of the weights and the cache do not depend on it.
_ANY = Hardware(name="any machine", memory_gib=1e5, bandwidth_gb_per_s=1000)


_NOWHERE = Machines((_ANY,))


def _judged(claim: Claim, known: Limits, *, more: bool = False) -> tuple[str, bool]:
    """The verdict, and whether it took reading GB as GiB."""
    tolerance = rounding(claim)
    low, high = ends(claim, factor(claim, "size"))
    verdict = judge(low, high, known, more=more, tolerance=tolerance)
    binary = binary_factor(claim)
    if verdict == PLAUSIBLE or binary is None:
        return verdict, False
    low, high = ends(claim, binary)
    other = judge(low, high, known, more=more, tolerance=tolerance)
    best = _core.more_favourable(verdict, other)
    return best, best != verdict


def _as_gib(claim: Claim) -> str:
    """That the claim is right in GiB."""
    unit = claim.unit.upper()
    binary = f"{unit[0]}iB"
    power = {"K": 10, "M": 20, "G": 30, "T": 40}[unit[0]]
    return f"Right when {unit} is read as {binary} (2^{power} bytes), as most programs print it."


def _in_binary(claim: Claim, verdict: str) -> str:
    if verdict == PLAUSIBLE:
        return _as_gib(claim)
    low, high = ends(claim, binary_factor(claim) or 1.0)
    return f"Read as GiB, the claim is {size_span(low, high)}, which is nearer."


@dataclass(frozen=True)
class _Asked:
    """A claim about a part of the memory, and what its names stand for."""

    claim: Claim
    groups: tuple[Models, ...]
    where: Machines
    part: Callable[[Estimate], int]
    contexts: tuple[int, ...]

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats of the weights that it may mean."""
        return quants(self.claim.quant, [model for group in self.groups for model in group.options])

    @property
    def names(self) -> str:
        """The models as the claim has them."""
        return " + ".join(group.name for group in self.groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the names stand for."""
        return (self.where.note, *(group.note for group in dict.fromkeys(self.groups)))

    def sizes(self, quant: str, kv_type: str = "f16") -> Limits:
        """The sizes of all models together in one format, over what each name may stand for."""
        machine = self.where.options[0]
        every = [
            [
                self.part(ask(Case(model, machine, quant), context_of(model, tokens), kv_type=kv_type))
                for model in group.options
                for tokens in self.contexts
            ]
            for group in self.groups
        ]
        return Limits(sum(min(sizes) for sizes in every), sum(max(sizes) for sizes in every))


def _least_weights(groups: tuple[Models, ...], machine: Hardware, formats: Iterable[str]) -> int:
    """The smallest weights of all models together in any of the formats."""
    return sum(
        min(
            ask(Case(model, machine, quant), context_of(model, None)).memory.weights_bytes
            for model, quant in product(group.options, formats)
        )
        for group in groups
    )


def _contexts(claim: Claim) -> tuple[int, ...]:
    return (claim.context_tokens,) if claim.context_tokens else _CONTEXTS


def _other_readings(asked: _Asked) -> tuple[str, ...]:
    """The format with the most bits at which the size is as claimed, and the same of the cache."""
    found = []
    for quant in READINGS:
        if asked.claim.quant and quant in asked.formats:
            continue
        known = asked.sizes(quant)
        if _judged(asked.claim, known)[0] == PLAUSIBLE:
            found.append(f"{asked.names} at {quant}: {size_span(known.low, known.high)}")
            break
    for kv_type in _KV_TYPES:
        quant = asked.formats[0]
        known = asked.sizes(quant, kv_type)
        if known != asked.sizes(quant) and _judged(asked.claim, known)[0] == PLAUSIBLE:
            found.append(f"the cache is kept in {kv_type}: {size_span(known.low, known.high)} at {quant}")
            break
    return tuple(found)


def _described(groups: tuple[Models, ...], quant: str) -> str:
    """Weights of the smallest and the largest that the names stand for."""
    told = []
    for group in groups:
        ends_of = group.options[:1] if len(group.options) == 1 else (group.options[0], group.options[-1])
        for model in ends_of:
            size = ask(Case(model, _ANY, quant), context_of(model, None)).memory.weights_bytes
            count = billions(model.parameters_total or model.parameters_from_shape)
            told.append(f"{count} weights of {model.id} at {quant} are {gigabytes(size)}")
    return ", ".join(dict.fromkeys(told)) + "."


def _finding(asked: _Asked, what: str) -> Finding:
    """The size of a part of the memory, over all readings of the claim."""
    claim, formats = asked.claim, asked.formats
    by_format = {quant: asked.sizes(quant) for quant in formats}
    known = joined(by_format.values(), more=False)
    # Without a format, any will do: even one bit a weight.
    least = float(_least_weights(asked.groups, asked.where.options[0], formats if claim.quant else READINGS))
    known = Limits(known.low, known.high, least)
    verdict, binary = _judged(claim, known)
    alike = [quant for quant, one in by_format.items() if _judged(claim, one)[0] == PLAUSIBLE]
    quant = "Q4_K_M" if "Q4_K_M" in alike else (alike or list(formats))[0]
    shown = by_format[quant]
    lengths = span_of_tokens(asked.contexts)
    over = ""
    if len(formats) > 1:
        over = f"Over all formats from {formats[0]} to {formats[-1]}: {size_span(known.low, known.high)}."
    text = sentence(
        *asked.notes,
        _described(asked.groups, quant),
        f"{what.format(lengths=lengths)} {size_span(shown.low, shown.high)} at {quant}; claimed: {claimed(claim)}.",
        over,
        _in_binary(claim, verdict) if binary else "",
        _too_much(asked.where, shown, what),
    )
    held = () if verdict == PLAUSIBLE else _other_readings(asked)
    if binary and verdict == PLAUSIBLE:
        held = ("GB is read as GiB",)
    computed = Computed(low=known.low / GB, high=known.high / GB, unit="GB", limit=least / GB)
    return Finding(verdict, text, computed, held)


def _too_much(where: Machines, known: Limits, what: str) -> str:
    """That what a total claims does not fit the machine that it is claimed of."""
    machine = where.options[0]
    usable = machine.usable_bytes * machine.device_count
    if machine is _ANY or "total" not in what.lower() or known.low <= usable:
        return ""
    return f"It does not fit the {both_units(usable)} that {machine.name} can use."


def span_of_tokens(contexts: tuple[int, ...]) -> str:
    """``'2,048 to 8,192 tokens'``."""
    low, high = min(contexts), max(contexts)
    return f"{f.count(low)} tokens" if low == high else f"{f.count(low)} to {f.count(high)} tokens"


def weights(claim: Claim) -> Finding:
    """Bytes of the weights."""
    factor(claim, "size")
    groups = models(claim.model, claim.context_tokens)
    return _finding(_Asked(claim, groups, _NOWHERE, lambda one: one.memory.weights_bytes, (2048,)), "All weights are")


def total(claim: Claim) -> Finding:
    """Bytes of a running model: weights, cache, buffers and overhead."""
    factor(claim, "size")
    groups = models(claim.model, claim.context_tokens)
    where = machines(claim.hardware) if claim.hardware else _NOWHERE
    asked = _Asked(claim, groups, where, lambda one: one.memory.total_bytes, _contexts(claim))
    return _finding(asked, "The total with a cache for {lengths}, buffers and overhead is")


def kv_cache(claim: Claim) -> Finding:
    """Bytes of the keys and values of all tokens of the context."""
    factor(claim, "size")
    groups = models(claim.model, claim.context_tokens)
    contexts = (claim.context_tokens,) if claim.context_tokens else ()
    if not contexts:
        contexts = tuple(group.options[0].context_length for group in groups)[:1]

    def size(kv_type: str) -> Limits:
        sizes = [
            [
                ask(Case(model, _ANY, "Q4_K_M"), context_of(model, contexts[0]), kv_type=kv_type).memory.kv_cache_bytes
                for model in group.options
            ]
            for group in groups
        ]
        return Limits(sum(min(row) for row in sizes), sum(max(row) for row in sizes))

    known = size("f16")
    known = Limits(known.low, known.high, size(_KV_TYPES[-1]).low)
    verdict, binary = _judged(claim, known)
    one = groups[0].options[0]
    each = ask(Case(one, _ANY, "Q4_K_M"), context_of(one, contexts[0]))
    exact = both_units(known.low) if known.low == known.high else size_span(known.low, known.high)
    text = sentence(
        *(group.note for group in dict.fromkeys(groups)),
        f"{f.count(each.memory.kv_cells)} tokens times {f.count(each.memory.kv_bytes_per_token)} bytes a token "
        f"({one.id}, 16 bits a number) are {exact}; claimed: {claimed(claim)}.",
        _in_binary(claim, verdict) if binary else "",
    )
    held: list[str] = ["GB is read as GiB"] if binary and verdict == PLAUSIBLE else []
    if verdict != PLAUSIBLE:
        for kv_type in _KV_TYPES:
            other = size(kv_type)
            if _judged(claim, other)[0] == PLAUSIBLE:
                held.append(f"the cache is kept in {kv_type}: {size_span(other.low, other.high)}")
    computed = Computed(low=known.low / GB, high=known.high / GB, unit="GB", limit=(known.limit or 0) / GB)
    return Finding(verdict, text, computed, tuple(held))


def _formats(formats: tuple[str, ...]) -> str:
    return f"at {formats[0]}" if len(formats) == 1 else f"from {formats[0]} to {formats[-1]}"


def headroom(claim: Claim) -> Finding:
    """Bytes that a running model leaves of what a runtime may allocate."""
    factor(claim, "size")
    groups, where = models(claim.model, claim.context_tokens), machines(claim.hardware)
    contexts = _contexts(claim)
    asked = _Asked(claim, groups, where, lambda one: one.memory.total_bytes, contexts)
    formats = asked.formats
    totals = [asked.sizes(quant) for quant in formats]
    least, most = min(one.low for one in totals), max(one.high for one in totals)
    usable = [one.usable_bytes * one.device_count for one in where.options]
    sold = max(one.memory_bytes * one.device_count for one in where.options)
    known = Limits(min(usable) - most, max(usable) - least, sold - _least_weights(groups, where.options[0], READINGS))
    verdict, binary = _judged(claim, known, more=True)
    text = sentence(
        *asked.notes,
        f"With a cache for {span_of_tokens(contexts)}, {claim.model} takes {size_span(least, most)} "
        f"{_formats(formats)}. A runtime may use {size_span(min(usable), max(usable))} of {both_units(sold)}, so "
        f"at most {gigabytes(known.high)} are left; claimed: {claimed(claim)}.",
        _in_binary(claim, verdict) if binary else "",
    )
    held: list[str] = []
    if verdict not in (PLAUSIBLE, PESSIMISTIC):
        counted = Limits(known.low, sold - least, known.limit)
        if _judged(claim, counted, more=True)[0] == PLAUSIBLE:
            held.append(
                f"all of the memory that was sold is counted, also what the system keeps: {both_units(sold)} less "
                f"{gigabytes(least)} leave {gigabytes(sold - least)}"
            )
    if verdict == OPTIMISTIC and not claim.quant:
        smaller = asked.sizes("Q2_K")
        if _judged(claim, Limits(known.low, max(usable) - smaller.low), more=True)[0] == PLAUSIBLE:
            held.append(f"at Q2_K, with a total of {gigabytes(smaller.low)}")
    computed = Computed(low=known.low / GB, high=known.high / GB, unit="GB")
    return Finding(verdict, text, computed, tuple(held))
