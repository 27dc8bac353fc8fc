"""Claims about prices and about one machine beside another."""

from __future__ import annotations

import re
from typing import Any

from .. import _catalogue
from .. import formatting as f
from .._hardware import Hardware
from .._roofline import roofline_ceiling
from .amounts import claimed, ends, factor, rounding, span
from .finding import Finding, Limits, judge, nothing, sentence
from .names import Machines, UnresolvedError, machines
from .predict import Case, ask
from .records import IMPOSSIBLE, OPTIMISTIC, PLAUSIBLE, UNVERIFIABLE, Claim, Computed

#: What a price may be off by: it differs between shops and weeks.
_PRICE = 0.05

#: What two machines of one kind may differ by in how much of their sheets a program reaches.
_SAME_KIND = 0.10

#: Prices that only repeat what somebody claimed say nothing about a claim.
_CLAIMS = "mission-claims"

_EXAMPLE = ("llama-3.1-8b", "Q4_K_M")
_SPEED = re.compile(r"(?:speed|decode)_ratio_vs_([a-z0-9_.]+)")
_OVER_IT = re.compile(r"bandwidth_ratio_([a-z0-9_.]+)_over_it")
_BANDWIDTH = re.compile(r"bandwidth_ratio_vs_([a-z0-9_.]+)")


def _prices(machine: Hardware) -> list[dict[str, Any]]:
    return [one for one in machine.to_dict().get("prices", []) if one["source"] != _CLAIMS]


def _dated(price: dict[str, Any], count: int = 1) -> str:
    guess = ", not confirmed by a page" if price["kind"] == "assumed" else ""
    times = f"{count} x " if count > 1 else ""
    return f"{times}{f.usd(price['value'])} ({price['type']}, {price['date']}{guess})"


def _bought(machine: Hardware) -> str:
    if machine.kind in ("gpu", "server_accelerator"):
        return " The PC around it is not in the price."
    if machine.kind == "cpu":
        return " Memory and board are not in the price."
    return ""


def _parts(machine: Hardware) -> tuple[float, list[str]]:
    """The least that the devices of a machine cost one by one; 0 where that is not known."""
    every = _catalogue.hardware_list()
    total, told = 0.0, []
    for device in machine.to_dict()["devices"]:
        alone = [
            one
            for one in every
            if one.device_name == device["name"]
            and one.device_count == 1
            and _prices(one)
            and one.backend == device["backend"]
        ]
        if not alone:
            continue
        price = min((price for one in alone for price in _prices(one)), key=lambda one: float(one["value"]))
        total += price["value"] * device["count"]
        told.append(f"{device['name']}: {_dated(price, device['count'])}")
    return total, told


def price(claim: Claim) -> Finding:
    """US dollars, against the dated prices of the catalogue."""
    low, high = ends(claim, factor(claim, "price"))
    where = machines(claim.hardware)
    near = tuple(
        f"{one.name}: {', '.join(_dated(price) for price in _prices(one))}" for one in where.options if _prices(one)
    )
    if not where.sold:
        text = sentence(where.note, "So there is no price that could be compared.", f"The nearest: {'; '.join(near)}.")
        held = tuple(
            f"{one.name} is meant"
            for one in where.options
            if _prices(one) and judge(low, high, _spread(_prices(one)), more=False, tolerance=_PRICE) == PLAUSIBLE
        )
        return Finding(IMPOSSIBLE, text, nothing("USD"), held)
    first = where.options[0]
    if not near:
        return _by_parts(claim, first, low, high)
    known = sorted((price for one in where.options for price in _prices(one)), key=lambda one: str(one["date"]))
    limits = _spread(known)
    verdict = judge(low, high, limits, more=False, tolerance=_PRICE)
    if len(near) == 1:
        text = f"{near[0]}; claimed: {claimed(claim)}.{_bought(first)}"
    else:
        prices = span(limits.low, limits.high, "USD")
        text = f"{len(near)} of these machines have a price, {prices}; claimed: {claimed(claim)}."
    last = known[-1]
    if verdict == PLAUSIBLE and len(near) == 1 and last["value"] * (1 - _PRICE) > high:
        text += f" The claim is below the latest price, {f.usd(last['value'])}."
    computed = Computed(low=limits.low, high=limits.high, unit="USD")
    sources = tuple(dict.fromkeys(str(one["source"]) for one in known))
    held = _same_device(first, low, high) if verdict == OPTIMISTIC else ()
    return Finding(verdict, sentence(where.note, text), computed, held, sources)


def _spread(prices: list[dict[str, Any]]) -> Limits:
    values = [float(one["value"]) for one in prices]
    return Limits(min(values), max(values))


def _same_device(machine: Hardware, low: float, high: float) -> tuple[str, ...]:
    """Other machines with the same device at the claimed price."""
    held = []
    for one in _catalogue.hardware_list():
        same = one.device_name == machine.device_name and one.device_count == machine.device_count
        if not same or one.id == machine.id or not _prices(one):
            continue
        if judge(low, high, _spread(_prices(one)), more=False, tolerance=_PRICE) == PLAUSIBLE:
            held.append(f"{one.name} is meant: {', '.join(_dated(price) for price in _prices(one))}")
    return tuple(held[:2])


def _by_parts(claim: Claim, machine: Hardware, low: float, high: float) -> Finding:
    """A machine without a price of its own: what its parts cost at least."""
    least, told = _parts(machine)
    if not told:
        raise UnresolvedError(f"the catalogue has no price of {machine.name}")
    beyond = judge(low, high, Limits(least, float("inf")), more=False, tolerance=_PRICE) == OPTIMISTIC
    text = (
        f"{machine.name} has no price of its own but what was claimed. Its parts: {'; '.join(told)}; together "
        f"{f.usd(least)}, to which the rest of the machine comes; claimed: {claimed(claim)}."
    )
    computed = Computed(low=least, high=None, unit="USD")
    return Finding(OPTIMISTIC if beyond else UNVERIFIABLE, text, computed)


def _pair(claim: Claim, pattern: re.Pattern[str]) -> tuple[Machines, Machines]:
    match = pattern.fullmatch(claim.quantity.lower())
    if match is None:
        raise UnresolvedError(f"'{claim.quantity}' names no machine to compare with")
    return machines(claim.hardware), machines(match[1].replace("_", "-"))


def _ratio_finding(claim: Claim, one: Hardware, other: Hardware, notes: tuple[str, ...]) -> Finding:
    """The bandwidth of one over that of the other."""
    low, high = ends(claim, factor(claim, "ratio"))
    a, b = (machine.bandwidth_gb_per_s * machine.device_count for machine in (one, other))
    ratio = a / b
    tolerance = max(rounding(claim), _SAME_KIND / 2)
    verdict = judge(low, high, Limits(ratio, ratio, ratio), more=True, tolerance=tolerance)
    text = (
        f"{one.name} {f.significant(a)} GB/s / {other.name} {f.significant(b)} GB/s = {f.significant(ratio)}; claimed: "
        f"{claimed(claim)}."
    )
    computed = Computed(low=ratio, high=ratio, unit="ratio", limit=ratio)
    return Finding(verdict, sentence(*notes, text), computed)


def bandwidth_ratio(claim: Claim) -> Finding:
    """How many times the bandwidth of another machine this one has."""
    it, other = _pair(claim, _BANDWIDTH)
    return _ratio_finding(claim, it.options[0], other.options[0], (it.note, other.note))


def bandwidth_ratio_over_it(claim: Claim) -> Finding:
    """How many times this machine's bandwidth another one has."""
    it, other = _pair(claim, _OVER_IT)
    return _ratio_finding(claim, other.options[0], it.options[0], (it.note, other.note))


def _peak_ratios(one: Hardware, other: Hardware) -> list[float]:
    rates = [machine.to_dict()["devices"][0].get("compute", {}) for machine in (one, other)]
    return [
        rates[0][key]["value"] * one.device_count / (rates[1][key]["value"] * other.device_count)
        for key in sorted(set(rates[0]) & set(rates[1]))
    ]


def speed_ratio(claim: Claim) -> Finding:
    """How many times as fast as another machine this one is."""
    low, high = ends(claim, factor(claim, "ratio"))
    it, others = _pair(claim, _SPEED)
    a, b = it.options[0], others.options[0]
    bandwidth = a.bandwidth_gb_per_s / b.bandwidth_gb_per_s
    peaks = _peak_ratios(a, b)
    model = _catalogue.model(_EXAMPLE[0])
    first, second = (ask(Case(model, machine, _EXAMPLE[1]), 4096).decode for machine in (a, b))
    expected = first.tokens_per_s / second.tokens_per_s
    sheets = [bandwidth, *peaks]
    arithmetic = f", arithmetic {span(min(peaks), max(peaks), 'times')}" if peaks else ""
    text = (
        f"{a.name} has {f.significant(a.bandwidth_gb_per_s)} GB/s, {b.name} "
        f"{f.significant(b.bandwidth_gb_per_s)} GB/s: {bandwidth:.2f} times the "
        f"bandwidth{arithmetic}. {_EXAMPLE[0]} at {_EXAMPLE[1]} is expected to decode "
        f"{expected:.2f} times as fast; claimed: {claimed(claim)} times."
    )
    if (a.backend, a.device_class) == (b.backend, b.device_class):
        # The same software runs on both, so what it wastes cancels and the sheets bound the ratio.
        known = Limits(min(*sheets, expected), max(*sheets, expected), max(*sheets, expected))
        verdict = judge(low, high, known, more=True, tolerance=_SAME_KIND)
        if verdict == IMPOSSIBLE:
            text += f" {claimed(claim)} times is neither in the bandwidth nor in the arithmetic."
    else:
        roof = roofline_ceiling(model, a, quant=_EXAMPLE[1])
        known = Limits(first.low / second.high, first.high / second.low, roof.tokens_per_s / second.low)
        verdict = judge(low, high, known, more=True, tolerance=rounding(claim))
    computed = Computed(low=known.low, high=known.high, unit="ratio", limit=known.limit)
    held = () if verdict == PLAUSIBLE else _compared_with(a, b, low, high)
    if not (it.sold and others.sold):
        verdict = UNVERIFIABLE
    return Finding(verdict, sentence(it.note, others.note, text), computed, held)


def _compared_with(a: Hardware, b: Hardware, low: float, high: float) -> tuple[str, ...]:
    """Another machine of the same maker and kind that this one is as much faster than."""
    near = []
    for one in _catalogue.hardware_list():
        if one.vendor != b.vendor or one.device_class != b.device_class or one.backend != b.backend:
            continue
        ratio = a.bandwidth_gb_per_s / one.bandwidth_gb_per_s
        if judge(low, high, Limits(ratio, ratio), more=True, tolerance=0.05) == PLAUSIBLE:
            near.append((abs(ratio - (low + high) / 2), f"compared with {one.name}: {ratio:.2f} times the bandwidth"))
    return tuple(text for _, text in sorted(near)[:1])
