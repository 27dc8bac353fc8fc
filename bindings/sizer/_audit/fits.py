"""Claims that something fits: one model, several at once, on several cards, with so many layers on a card."""

from __future__ import annotations

from itertools import product

from .. import _core
from .. import formatting as f
from .._errors import SizerError
from .._estimate import USUAL_QUANTIZATIONS, best_quantization
from .._hardware import Hardware
from .._roofline import gigabytes
from .amounts import GB, both_units, factor
from .finding import Finding, sentence, unverifiable
from .names import Machines, Models, UnresolvedError, linked, machines, models, quants
from .predict import Case, ask, can_share, context_of, predicted, usable_clause, weights_clause
from .records import UNVERIFIABLE, Claim, Computed

_DEVICES = (2, 3, 4, 6, 8)


def _stated(claim: Claim) -> bool:
    """Whether the claim is that it does, or that it does not. Raises UnresolvedError."""
    factor(claim, "yes or no")
    if claim.least is None or claim.least != claim.most or claim.least not in (0.0, 1.0):
        raise UnresolvedError("the claim states neither 1 (yes) nor 0 (no)")
    return claim.least == 1.0


def _smallest(groups: tuple[Models, ...], machine: Hardware, formats: tuple[str, ...]) -> tuple[Case, ...]:
    """Of every model that the claim names, the reading that needs the least."""
    return tuple(
        min(
            (Case(model, machine, quant) for model, quant in product(group.options, formats)),
            key=lambda case: ask(case, context_of(case.model, None)).memory.weights_bytes,
        )
        for group in groups
    )


def _needed(claim: Claim, cases: tuple[Case, ...]) -> int:
    """Bytes of the device's memory that all of them need together."""
    return sum(ask(case, context_of(case.model, claim.context_tokens)).memory.pools[0].total_bytes for case in cases)


def _available(cases: tuple[Case, ...]) -> int:
    return ask(cases[0], context_of(cases[0].model, None)).memory.pools[0].available_bytes


def _cache(claim: Claim, cases: tuple[Case, ...]) -> str:
    tokens = sorted({context_of(case.model, claim.context_tokens) for case in cases})
    return " and ".join(f.count(one) for one in tokens) + " tokens"


def _remedies(claim: Claim, cases: tuple[Case, ...]) -> tuple[str, ...]:
    """What would fit, or on what it would."""
    if len(cases) > 1:
        return _together(claim, cases)
    case = cases[0]
    context = context_of(case.model, claim.context_tokens)
    found = []
    best = best_quantization(case.model, case.machine, candidates=USUAL_QUANTIZATIONS, context=context)
    if best is not None:
        size = ask(Case(case.model, case.machine, best), context).memory.weights_bytes
        found.append(f"{case.model.id} at {best} ({gigabytes(size)} of weights)")
    for count in _DEVICES:
        try:
            many = linked(case.machine, count)
        except SizerError:
            break
        if ask(Case(case.model, many, case.quant), context).memory.fits:
            found.append(f"{count} x {case.machine.name}, {both_units(many.usable_bytes * many.device_count)} usable")
            break
    if can_share(case.machine):
        one = predicted(case, claim.context_tokens, deep=False)
        if one.layers:
            top = f.significant(one.answer.decode.ceiling_tokens_per_s)
            found.append(
                f"a part lies in host memory: {one.layers} of {case.model.n_layers} layers on the card, then at most "
                f"{top} token/s"
            )
    return tuple(found)


def _together(claim: Claim, cases: tuple[Case, ...]) -> tuple[str, ...]:
    available = _available(cases)
    for quant in USUAL_QUANTIZATIONS:
        other = tuple(Case(case.model, case.machine, quant) for case in cases)
        if _needed(claim, other) <= available:
            return (f"all of them at {quant}: {gigabytes(_needed(claim, other))}",)
    return ()


def _decides(claim: Claim, groups: tuple[Models, ...], where: Machines) -> tuple[bool, tuple[Case, ...]]:
    """Whether any reading fits, and the one that needs the least of its machine's memory."""
    formats = quants(claim.quant, [model for group in groups for model in group.options])
    tried = [_smallest(groups, machine, formats) for machine in where.options]
    best = max(tried, key=lambda cases: _available(cases) - _needed(claim, cases))
    if len(best) == 1:
        return ask(best[0], context_of(best[0].model, claim.context_tokens)).memory.fits, best
    return _needed(claim, best) <= _available(best), best


def fits(claim: Claim) -> Finding:
    """Whether the models fit a machine, all of them at the same time."""
    yes = _stated(claim)
    groups, where = models(claim.model, claim.context_tokens), machines(claim.hardware)
    does, cases = _decides(claim, groups, where)
    needed, available = _needed(claim, cases), _available(cases)
    weights = [weights_clause(case, ask(case, context_of(case.model, claim.context_tokens))) for case in cases]
    machine = cases[0].machine
    left = f"{both_units(available - needed)} are left" if does else f"{both_units(needed - available)} are missing"
    whole = sum(ask(case, context_of(case.model, claim.context_tokens)).memory.weights_bytes for case in cases)
    host = " (the table of embeddings lies in the host's memory)" if needed < whole else ""
    reading = (
        "" if claim.quant and all(len(group.options) == 1 for group in groups) else "The reading that needs least:"
    )
    text = sentence(
        where.note,
        *(group.note for group in dict.fromkeys(groups)),
        f"{reading} {', '.join(weights)}; with a cache for {_cache(claim, cases)}, buffers and overhead, "
        f"{both_units(needed)} of the device's memory are needed{host}.",
        f"{usable_clause(machine)} on {machine.name}: {left}.",
        _then(claim, cases) if does and len(cases) == 1 else "",
    )
    verdict = _core.judge_fit(yes, does)
    held = () if does or not yes else _remedies(claim, cases)
    if not where.sold:
        held = tuple(_nearest(claim, groups, where))
        verdict = UNVERIFIABLE
    computed = Computed(low=needed / GB, high=needed / GB, unit="GB", limit=available / GB)
    sources = tuple(source.key for source in ask(cases[0], context_of(cases[0].model, None)).sources)
    return Finding(verdict, text, computed, held, sources)


def _nearest(claim: Claim, groups: tuple[Models, ...], where: Machines) -> list[str]:
    """The machines that were sold and that it fits."""
    held = []
    for machine in where.options:
        does, cases = _decides(claim, groups, Machines((machine,)))
        if does:
            held.append(
                f"on {machine.name}: {gigabytes(_needed(claim, cases))} of {gigabytes(_available(cases))} usable"
            )
    return held


def _then(claim: Claim, cases: tuple[Case, ...]) -> str:
    """How fast what fits can be."""
    one = predicted(cases[0], claim.context_tokens, deep=False)
    return f"It then decodes at most {f.significant(one.answer.decode.ceiling_tokens_per_s)} token/s."


def split(claim: Claim) -> Finding:
    """Whether a model has to be divided over the devices of a machine."""
    yes = _stated(claim)
    groups, where = models(claim.model, claim.context_tokens), machines(claim.hardware)
    machine = where.options[0]
    if machine.device_count < 2:
        raise UnresolvedError(f"{machine.name} has one device, over which nothing is divided")
    does, cases = _decides(claim, groups, where)
    one_device = machine.replace(device_count=1, name=f"one {machine.device_name}")
    alone, _ = _decides(claim, groups, Machines((one_device,)))
    needed, available = _needed(claim, cases), _available(cases)
    text = sentence(
        where.note,
        *(group.note for group in dict.fromkeys(groups)),
        ", ".join(weights_clause(case, ask(case, context_of(case.model, None))) for case in cases) + ".",
        f"{both_units(needed)} with a cache for {_cache(claim, cases)} {'fit' if alone else 'do not fit'} one device "
        f"of {both_units(machine.usable_bytes)}, and {'fit' if does else 'do not fit'} the {both_units(available)} of "
        f"{machine.device_count}.",
        "Dividing by layers needs next to nothing of the link between them; the devices then work in turn."
        if does
        else "",
        _then(claim, cases) if does and len(cases) == 1 else "",
    )
    verdict = _core.judge_fit(yes, does and not alone)
    computed = Computed(low=needed / GB, high=needed / GB, unit="GB", limit=available / GB)
    return Finding(verdict, text, computed, _remedies(claim, cases) if not does else ())


def gpu_layers(claim: Claim) -> Finding:
    """Layers that a card holds."""
    groups, where = models(claim.model, claim.context_tokens), machines(claim.hardware)
    if len(groups) > 1:
        raise UnresolvedError("it is one setting for several models")
    machine = where.options[0]
    formats = quants(claim.quant, groups[0].options)
    quant = "Q4_K_M" if "Q4_K_M" in formats else formats[0]
    model = groups[0].options[-1]
    one = predicted(Case(model, machine, quant), claim.context_tokens, deep=False)
    held = model.n_layers if one.layers is None else one.layers
    needed = ask(one.case, context_of(model, claim.context_tokens)).memory.total_bytes
    tokens = f.count(context_of(model, claim.context_tokens))
    text = (
        f"The largest of them, {model.id} at {quant}, has {model.n_layers} layers and takes {both_units(needed)} with "
        f"a cache for {tokens} tokens; {usable_clause(machine)} on {machine.name}: "
        f"{'all' if one.layers is None else held} of the layers fit."
    )
    text = sentence(where.note, groups[0].note, text)
    if claim.least is None:
        found = unverifiable(claim, sentence(text, "The claim states no number."))
        computed = Computed(low=float(held), high=float(held), unit="layers")
        return Finding(found.verdict, found.arithmetic, computed)
    asked = min(int(claim.least), model.n_layers)
    verdict = _core.judge_fit(True, asked <= held)
    computed = Computed(low=float(held), high=float(held), unit="layers", limit=float(model.n_layers))
    largest = best_quantization(model, machine, context=context_of(model, claim.context_tokens))
    held_if = () if asked <= held or largest is None else (f"{model.id} at {largest}",)
    if asked <= held and largest is not None:
        text += f" It fits up to {largest}."
    return Finding(verdict, text, computed, held_if)
