"""Claims about figures that a sheet states: memory, bandwidth, formats, heads, contexts, settings, existence."""

from __future__ import annotations

import re
from typing import Any

from .. import _catalogue, _core
from .. import formatting as f
from .._estimate import estimate
from .._hardware import Hardware
from .._roofline import division, roofline_ceiling
from .amounts import GB, GIB, binary_factor, both_units, claimed, ends, factor, rounding, span
from .finding import Finding, Limits, judge, sentence, unverifiable
from .names import Machines, Models, UnresolvedError, machines, models
from .records import IMPOSSIBLE, OPTIMISTIC, PESSIMISTIC, PLAUSIBLE, UNVERIFIABLE, Claim, Computed

#: What a figure of a sheet may be off by: 83 GB/s for 83.2, 800 for 819 is another figure.
_SHEET = 0.01

#: The model that a machine is described by.
_EXAMPLE = ("llama-3.1-8b", "Q4_K_M")
_EXAMPLE_ON = ("llama-3.1-8b", "rtx-3090-24gb")


def _figure(machine: Hardware, *path: str) -> dict[str, Any]:
    found: Any = machine.to_dict()["devices"][0]
    for key in path:
        found = found.get(key, {})
    return dict(found)


def _sources(*figures: dict[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one["source"] for one in figures if "source" in one))


def _unsold(where: Machines, verdict: str) -> tuple[str, tuple[str, ...]]:
    """A claim about a machine that was never sold can only be held against its neighbours."""
    if where.sold:
        return verdict, ()
    return UNVERIFIABLE, tuple(f"{one.name} is meant" for one in where.options) if verdict == PLAUSIBLE else ()


def memory(claim: Claim) -> Finding:
    """Bytes of memory of a machine, as sold."""
    scale = factor(claim, "size")
    where = machines(claim.hardware)
    first = where.options[0]
    # A name stands for one configuration; the maker sells the same processor with others.
    same = [
        one
        for one in _catalogue.hardware_list()
        if where.sold and one.device_name == first.device_name and one.device_count == first.device_count
    ]
    known = sorted({size for one in (*where.options, *same) for size in _installed(one)})
    low, high = ends(claim, scale)
    binary = max((binary_factor(claim) or scale) / scale, 1.0)
    tolerance = min(rounding(claim), _SHEET)
    sources = _sources(_figure(first, "memory", "sold"))

    def alike(size: int) -> bool:
        exactly = Limits(size, size)
        return PLAUSIBLE in (
            judge(low * unit, high * unit, exactly, more=True, tolerance=tolerance) for unit in (1.0, binary)
        )

    found = [size for size in known if alike(size)]
    if found:
        size = found[0]
        of = f"{first.name} has" if size in _installed(first) else f"{first.device_name} is sold with"
        usable = both_units(first.usable_bytes * first.device_count)
        text = f"{of} {both_units(size)}; memory chips count in GiB. Of {first.name}, {usable} are usable."
        verdict, held = _unsold(where, PLAUSIBLE)
        computed = Computed(low=size / GB, high=size / GB, unit="GB")
        return Finding(verdict, sentence(where.note, text, _assumed(first, "sold")), computed, held, sources)
    verdict = judge(low, high, Limits(known[0], known[-1], known[-1]), more=True, tolerance=tolerance)
    text = f"{first.device_name} is known with {', '.join(f'{size / GIB:,.0f} GiB' for size in known)}; claimed: "
    text += f"{claimed(claim)}."
    if first.kind == "cpu":
        text += " The memory of a processor is what is put beside it."
    if first.kind == "cpu" or low * binary <= known[-1]:
        # Less than the largest may be a configuration that nobody has entered yet.
        verdict = UNVERIFIABLE
    computed = Computed(low=known[0] / GB, high=known[-1] / GB, unit="GB", limit=known[-1] / GB)
    verdict, held = _unsold(where, verdict)
    return Finding(verdict, sentence(where.note, text), computed, held, sources)


def _installed(machine: Hardware) -> tuple[int, ...]:
    """What somebody may call its memory: that of one device, and of all together."""
    return tuple(dict.fromkeys((machine.memory_bytes, machine.memory_bytes * machine.device_count)))


def _assumed(machine: Hardware, name: str) -> str:
    figure = _figure(machine, "memory", name)
    return (
        f"The catalogue's figure is assumed: {figure['why']}."
        if figure.get("kind") == "assumed" and "why" in figure
        else ""
    )


def bandwidth(claim: Claim) -> Finding:
    """Memory bandwidth, as the maker states it."""
    low, high = ends(claim, factor(claim, "bandwidth"))
    where = machines(claim.hardware)
    values = [one.bandwidth_gb_per_s * 1e9 for one in where.options]
    first = where.options[0]
    known = Limits(min(values), max(values), max(values))
    tolerance = max(_SHEET, min(rounding(claim), 0.05))
    verdict = judge(low, high, known, more=True, tolerance=tolerance)
    held: list[str] = []
    if verdict in (IMPOSSIBLE, OPTIMISTIC) and first.device_count > 1:
        together = Limits(known.low, known.high * first.device_count, known.high * first.device_count)
        if judge(low, high, together, more=True, tolerance=tolerance) == PLAUSIBLE:
            held.append(f"all {first.device_count} devices are counted together, which llama.cpp does not use at once")
    figure = _figure(first, "memory", "bandwidth_spec")
    how = f" ({figure['formula']})" if "formula" in figure else ""
    measured = _figure(first, "memory", "bandwidth_measured")
    reached = f" Read tests reach {f.significant(measured['value'])} {measured['unit']}." if measured else ""
    if len(where.options) > 1:
        how = reached = ""
    name = " and ".join(one.name for one in where.options) if len(where.options) < 4 else f"{len(values)} machines"
    text = f"{name}: {span(known.low / 1e9, known.high / 1e9, 'GB/s')}{how}; claimed: {claimed(claim)}.{reached}"
    verdict, nearest = _unsold(where, verdict)
    computed = Computed(low=known.low / 1e9, high=known.high / 1e9, unit="GB/s", limit=known.high / 1e9)
    return Finding(verdict, sentence(where.note, text), computed, (*held, *nearest), _sources(figure, measured))


def native_format(claim: Claim) -> Finding:
    """Whether a device computes in a number format."""
    factor(claim, "yes or no")
    name = claim.quantity.partition("_native")[0]
    if claim.least is None or claim.least != claim.most or claim.least not in (0.0, 1.0):
        raise UnresolvedError("the claim states neither 1 (yes) nor 0 (no)")
    where = machines(claim.hardware)
    first = where.options[0]
    rates = _figure(first, "compute")
    has = name in rates
    listed = ", ".join(f"{key.upper()} {f.significant(rate['value'])} {rate['unit']}" for key, rate in rates.items())
    text = sentence(
        where.note,
        f"The sheet of {first.name} states {listed or 'no arithmetic rate'}.",
        f"{'So it has' if has else 'It states no rate for'} {name.upper()}.",
    )
    computed = Computed(low=float(has), high=float(has), unit="bool")
    sources = _sources(*rates.values())
    if not rates or (claim.least == 1.0 and not has):
        # A rate that a sheet leaves out is not known to be missing in the device.
        return Finding(UNVERIFIABLE, text, computed, (), sources)
    return Finding(_core.judge_fit(claim.least == 1.0, has), text, computed, (), sources)


def _exact(claim: Claim, name: str, values: list[int], unit: str, note: str, *, more: bool) -> Finding:
    low, high = ends(claim, 1.0)
    known = Limits(min(values), max(values), max(values) if more else min(values))
    verdict = judge(low, high, known, more=more)
    text = f"{name}: {span_of(values)} {unit}; claimed: {claimed(claim)}."
    computed = Computed(low=float(min(values)), high=float(max(values)), unit=unit)
    return Finding(verdict, sentence(note, text), computed)


def span_of(values: list[int]) -> str:
    """``'131,072 to 262,144'``."""
    low, high = f.count(min(values)), f.count(max(values))
    return low if low == high else f"{low} to {high}"


def _one(claim: Claim) -> Models:
    groups = models(claim.model)
    if len(groups) > 1:
        raise UnresolvedError("it is one figure for several models")
    return groups[0]


def kv_heads(claim: Claim) -> Finding:
    """Key and value heads of a layer. Fewer make a smaller cache."""
    group = _one(claim)
    heads = [int(row["n_kv_heads"]) for model in group.options for row in model.layers if row["n_kv_heads"]]
    if not heads:
        raise UnresolvedError(f"{group.name} has no attention")
    return _exact(
        claim, f"{group.options[0].name}, heads of keys and values in a layer", heads, "heads", group.note, more=False
    )


def native_context(claim: Claim) -> Finding:
    """Tokens that a model was trained for."""
    factor(claim, "tokens")
    group = _one(claim)
    values = [model.context_length for model in group.options]
    return _exact(claim, f"{group.options[0].name}, trained for a context of", values, "tokens", group.note, more=True)


def asked_context(claim: Claim) -> Finding:
    """Tokens that somebody configured or asked for, against what the model was trained for."""
    factor(claim, "tokens")
    group = _one(claim)
    low, high = ends(claim, 1.0)
    native = max(model.context_length for model in group.options)
    share = f.share(high, native)
    text = f"{group.options[0].name} was trained for {f.count(native)} tokens; {claimed(claim)} are {share} of them."
    if high > native:
        text += " An engine may be told to use more, but the model never saw such positions."
    computed = Computed(low=1.0, high=float(native), unit="tokens")
    verdict = PLAUSIBLE if high <= native else PESSIMISTIC if low < 1 else OPTIMISTIC
    return Finding(verdict, sentence(group.note, text), computed)


def service_context(claim: Claim) -> Finding:
    """The context of a service or of a model."""
    if claim.model:
        return asked_context(claim)
    return unverifiable(
        claim,
        f"{claim.hardware or 'It'} is a service, or something else that the catalogue has no machine for; what it "
        f"grants ({claimed(claim)}) follows from no figure of a machine.",
    )


def setting(claim: Claim) -> Finding:
    """A share or number that describes somebody's work."""
    return unverifiable(claim, f"{claimed(claim)} describes how somebody works; nothing here computes it.")


def batch(claim: Claim) -> Finding:
    """Tokens of one pass of the prefill, against the engine's own setting."""
    factor(claim, "tokens")
    low, high = ends(claim, 1.0)
    own = estimate(*_EXAMPLE_ON, engine="lm-studio").ubatch
    computed = Computed(low=float(own), high=float(own), unit="tokens")
    text = (
        f"llama.cpp, which LM Studio and Ollama run, takes {f.count(own)} prompt tokens in one pass unless told "
        f"otherwise; claimed: {claimed(claim)}."
    )
    return Finding(PLAUSIBLE if low <= own <= high else UNVERIFIABLE, text, computed)


def _cores(rates: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """Cores of a processor, where the derivation of its arithmetic rate counts them."""
    for rate in rates.values():
        told = " ".join(str(rate.get(key, "")) for key in ("why", "formula", "note"))
        match = re.search(r"\b(\d{1,4}) cores\b", told)
        if match is not None:
            return int(match[1]), rate
    return None


def threads(claim: Claim) -> Finding:
    """Threads of a processor, against its cores."""
    low, high = ends(claim, 1.0)
    machine = machines(claim.hardware).options[0]
    found = _cores(_figure(machine, "compute"))
    if machine.backend != "cpu" or found is None:
        raise UnresolvedError(f"the catalogue does not state how many cores {machine.name} has")
    cores, rate = found
    verdict = judge(low, high, Limits(cores, cores), more=True)
    computed = Computed(low=float(cores), high=float(cores), unit="threads")
    text = (
        f"{machine.name} has {cores} cores, and one thread a core reads all that its memory gives; claimed: "
        f"{claimed(claim)}."
    )
    return Finding(verdict, text, computed, (), _sources(rate))


def named(claim: Claim) -> Finding:
    """Whether there is such a machine, and what it can do."""
    where = machines(claim.hardware)
    if not where.sold:
        near = tuple(f"{one.name} is meant" for one in where.options)
        return Finding(IMPOSSIBLE, where.note, Computed(low=None, high=None, unit=""), near)
    first = where.options[0]
    roof = roofline_ceiling(_EXAMPLE[0], first, quant=_EXAMPLE[1])
    text = (
        f"{first.name} has {first.memory_bytes / GIB:,.0f} GiB at {f.bandwidth(first.bandwidth_gb_per_s * 1e9)}. "
        f"{_EXAMPLE[0]} at {_EXAMPLE[1]} decodes there with {division(roof)}."
    )
    computed = Computed(low=None, high=None, unit="")
    return Finding(
        PLAUSIBLE, sentence(where.note, text), computed, (), _sources(_figure(first, "memory", "bandwidth_spec"))
    )


def decode_bound(claim: Claim) -> Finding:
    """What limits decoding: operations a byte of a model, against those of the machines."""
    said = (claim.unit or claim.as_stated).strip().lower()
    if said not in ("memory", "compute"):
        raise UnresolvedError("the claim names neither memory nor compute")
    where = machines(claim.hardware).options if claim.hardware else tuple(_catalogue.hardware_list())
    group = models(claim.model)[0].options if claim.model else (_catalogue.model(_EXAMPLE[0]),)
    formats = ("Q4_K_M", "F16")
    roofs = [roofline_ceiling(model, one, quant=quant) for one in where for model in group for quant in formats]
    bound = [roof.bound for roof in roofs]
    share = bound.count(said) / len(bound)
    work = [roof.flop_per_token / roof.bytes_per_token for roof in roofs]
    can = [roof.flop_per_s / roof.bandwidth_bytes_per_s for roof in roofs]
    text = (
        f"Of one sequence, {group[0].id} from {formats[0]} to {formats[1]} makes "
        f"{span(min(work), max(work), 'operations')} with every byte that it reads; {len(where)} machines can make "
        f"{span(min(can), max(can), 'operations')} in the time of "
        f"reading one. By the sheets, decoding is bound by {said} on {f.significant(100 * share)} % of them."
    )
    computed = Computed(low=share, high=share, unit="fraction")
    held = (
        () if said == "compute" else ("many sequences are decoded together: each weight is read once for all of them",)
    )
    verdict = PLAUSIBLE if share >= 0.9 else OPTIMISTIC if share >= 0.1 else IMPOSSIBLE
    return Finding(verdict, text, computed, held if verdict != PLAUSIBLE else ())
