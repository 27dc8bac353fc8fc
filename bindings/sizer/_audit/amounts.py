"""Units of claims, how finely they are stated, and amounts as people read them."""

from __future__ import annotations

import math

from .. import formatting as f
from .._roofline import gigabytes
from .names import UnresolvedError
from .records import Claim

GB, GIB = 10**9, 2**30

#: Factors to the base unit by what is measured: bytes, bytes per second, tokens per second, seconds, dollars, numbers.
_UNITS: dict[str, dict[str, float]] = {
    "size": {
        "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
    },
    "bandwidth": {
        **dict.fromkeys(("MB/S", "MBPS"), 1e6), **dict.fromkeys(("GB/S", "GBPS"), 1e9),
        **dict.fromkeys(("TB/S", "TBPS"), 1e12), "GIB/S": 2**30, "TIB/S": 2**40,
    },
    "speed": dict.fromkeys(("TOKEN/S", "TOKENS/S", "TOK/S", "T/S", "TPS", "TOKENS PER SECOND"), 1.0),
    "time": {
        "MS": 1e-3, "S": 1, "SEC": 1, "SECONDS": 1, "MIN": 60, "MINUTES": 60, "H": 3600, "HOURS": 3600,
    },
    "price": {"USD": 1, "$": 1, "US$": 1, "KUSD": 1000},
    "tokens": {"TOKENS": 1, "TOKEN": 1, "": 1},
    "ratio": {"RATIO": 1, "X": 1, "": 1, "TIMES": 1, "%": 0.01},
    "yes or no": {"BOOL": 1, "": 1, "BOOLEAN": 1},
}  # fmt: skip

_BINARY = {"KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


def factor(claim: Claim, what: str) -> float:
    """The factor to the base unit. Raises UnresolvedError for a unit that measures something else."""
    unit = claim.unit.upper()
    if unit not in _UNITS[what]:
        known = ", ".join(name for name in _UNITS[what] if name)
        raise UnresolvedError(
            f"the unit '{claim.unit}' is not one of {what} ({known.lower() if what == 'time' else known})"
        )
    return _UNITS[what][unit]


def binary_factor(claim: Claim) -> float | None:
    """The factor when GB is read as GiB; None where the unit leaves no doubt."""
    return _BINARY.get(claim.unit.upper())


def _step(value: float) -> float:
    """One unit of the last digit that is written: 0.1 of 2.1, 1 of 83, 100 of 5300."""
    if value == 0:
        return 0.0
    text = f"{value:.6g}"
    mantissa, _, exponent = text.partition("e")
    scale = 10.0 ** int(exponent or 0)
    if "." in mantissa:
        return float(10.0 ** -len(mantissa.partition(".")[2]) * scale)
    zeros = len(mantissa) - len(mantissa.rstrip("0"))
    # Of 4000 or 300 it cannot be told which zeros are meant; two digits are taken to be.
    meant = max(len(mantissa) - 2, 0)
    return float(10.0 ** min(zeros, meant) * scale)


def rounding(claim: Claim) -> float:
    """Half a unit of the last digit stated, as a share of the claim: 24 means 23.5 to 24.5."""
    ends = [end for end in (claim.least, claim.most) if end]
    return min(0.2, max((_step(end) / 2 / end for end in ends), default=0.0))


def ends(claim: Claim, scale: float) -> tuple[float, float]:
    """Both ends in the base unit. Raises UnresolvedError for a claim without a number."""
    if claim.least is None or claim.most is None:
        raise UnresolvedError("the claim states no number")
    return claim.least * scale, claim.most * scale


def span(low: float, high: float, unit: str) -> str:
    """``'25 to 50 token/s'``, one number where both read the same."""
    a, b = f.significant(low), f.significant(high)
    return f"{a} {unit}".strip() if a == b else f"{a} to {b} {unit}".strip()


def size_span(low: float, high: float) -> str:
    """``'42.5 to 43.1 GB'``."""
    return span(low / GB, high / GB, "GB") if max(low, high) >= 0.9995 * GB else span(low / 1e6, high / 1e6, "MB")


def both_units(size: float) -> str:
    """``'25.77 GB (24.00 GiB)'``: where the two must be told apart."""
    if abs(size) < 0.0995 * GB:
        return gigabytes(size)
    return f"{size / GB:.2f} GB ({size / GIB:.2f} GiB)"


def claimed(claim: Claim) -> str:
    """What the claim says, in its own unit: ``'25 to 50 token/s'``, ``'at least 360 s'``."""
    if claim.least is None or claim.most is None:
        return "no number"
    unit = "" if claim.unit.lower() in ("bool", "boolean", "ratio", "fraction", "x", "times") else claim.unit

    def number(value: float) -> str:
        return f"{value:,.10g}"

    if claim.low is None:
        return f"at most {number(claim.most)} {unit}".strip()
    if claim.high is None:
        return f"at least {number(claim.least)} {unit}".strip()
    if claim.low == claim.high:
        return f"{number(claim.low)} {unit}".strip()
    return f"{number(claim.low)} to {number(claim.high)} {unit}".strip()


def times(low: float, high: float, base: float) -> str:
    """``'3.6 to 7.2 times'``."""
    if base <= 0 or not math.isfinite(base):
        return ""
    return span(low / base, high / base, "times")
