"""What a rule hands back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .. import _core
from .records import UNVERIFIABLE, Claim, Computed


@dataclass(frozen=True)
class Finding:
    """A verdict and what stands behind it."""

    verdict: str
    arithmetic: str
    computed: Computed
    holds_if: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


#: A rule of the audit: from a claim to a finding.
Rule = Callable[[Claim], Finding]


@dataclass(frozen=True)
class Limits:
    """What is known of an amount, in its base unit."""

    low: float
    high: float
    limit: float | None = None  #: the best that physics or the maker allows


def joined(parts: Iterable[Limits], *, more: bool) -> Limits:
    """What is known of one that may be any of these."""
    all_of = list(parts)
    bounds = [one.limit for one in all_of]
    known = [bound for bound in bounds if bound is not None]
    limit = (max(known) if more else min(known)) if known and len(known) == len(bounds) else None
    return Limits(min(one.low for one in all_of), max(one.high for one in all_of), limit)


def judge(low: float, high: float, known: Limits, *, more: bool, tolerance: float = 0.0) -> str:
    """The verdict of a claimed range."""
    return _core.judge_amount(low, high, known.low, known.high, known.limit, more, tolerance)


def opened(claim: Claim, low: float, high: float, known: Limits) -> tuple[float, float]:
    """The ends of a claimed speed; "at least" and "at most" are true of all that is expected on their side."""
    if claim.low is None:
        return min(low, known.low), min(high, known.high)
    return low, max(high, known.high) if claim.high is None else high


def nothing(unit: str) -> Computed:
    """Nothing could be computed."""
    return Computed(low=None, high=None, unit=unit)


def unverifiable(claim: Claim, arithmetic: str, holds_if: tuple[str, ...] = ()) -> Finding:
    """Nothing to compute it from."""
    return Finding(UNVERIFIABLE, arithmetic, nothing(claim.unit), holds_if)


def sentence(*parts: str) -> str:
    """Sentences in a row, each with its full stop and none of them empty."""
    told = [part.strip() for part in parts if part.strip()]
    return " ".join(part[0].upper() + part[1:] if number else part for number, part in enumerate(told))
