"""The audit: claims about speed, memory, fit, bandwidth and price, each with a verdict and its arithmetic."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _core
from .._errors import SizerError
from . import facts, fits, money, sizes, speeds
from .claims import read
from .finding import Finding, Rule, unverifiable
from .names import UnresolvedError
from .records import VERDICTS, Audit, AuditedClaim, Claim, Computed

__all__ = ["VERDICTS", "Audit", "AuditedClaim", "Claim", "Computed", "audit", "quantities"]

_RULES: dict[str, Rule] = {
    "decode_tokens_per_s": speeds.decode,
    "prefill_tokens_per_s": speeds.prefill,
    "time_to_first_token": speeds.first_token,
    "timeout": speeds.timeout,
    "weights": sizes.weights,
    "kv_cache": sizes.kv_cache,
    "total": sizes.total,
    "headroom": sizes.headroom,
    "fits": fits.fits,
    "co_resident": fits.fits,
    "split_vram": fits.split,
    "gpu_layers": fits.gpu_layers,
    "memory": facts.memory,
    "memory_bandwidth": facts.bandwidth,
    "kv_heads": facts.kv_heads,
    "native_context": facts.native_context,
    "configured_context": facts.asked_context,
    "requested_tokens": facts.asked_context,
    "context": facts.service_context,
    "decode_bound": facts.decode_bound,
    "batch": facts.batch,
    "threads": facts.threads,
    "heavy_share": facts.setting,
    "named": facts.named,
    "price": money.price,
}

#: Quantities whose name has a part of its own.
_PATTERNS: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"(speed|decode)_ratio_vs_[a-z0-9_.]+"), money.speed_ratio),
    (re.compile(r"bandwidth_ratio_vs_[a-z0-9_.]+"), money.bandwidth_ratio),
    (re.compile(r"bandwidth_ratio_[a-z0-9_.]+_over_it"), money.bandwidth_ratio_over_it),
    (re.compile(r"(fp4|fp8|fp16|bf16|fp32|int8)_native"), facts.native_format),
)


def quantities() -> tuple[str, ...]:
    """The quantities that a claim may be about; in capitals the part that names a machine or a format."""
    return (
        *_RULES,
        "speed_ratio_vs_MACHINE",
        "bandwidth_ratio_vs_MACHINE",
        "bandwidth_ratio_MACHINE_over_it",
        "FORMAT_native",
    )


def _rule(quantity: str) -> Rule | None:
    plain = quantity.lower()
    if plain in _RULES:
        return _RULES[plain]
    return next((rule for pattern, rule in _PATTERNS if pattern.fullmatch(plain)), None)


def _judged(claim: Claim) -> AuditedClaim:
    rule = _rule(claim.quantity)
    try:
        if rule is None:
            near = _core.nearest_names(claim.quantity, tuple(_RULES))
            hint = f"; nearest: {near[0]}" if near else ""
            found = unverifiable(claim, f"The audit has no rule for '{claim.quantity}'{hint}.")
        else:
            found = rule(claim)
    except UnresolvedError as missing:
        reason = str(missing)
        found = unverifiable(claim, f"Not computed, because {reason}.")
    except SizerError as error:
        found = unverifiable(claim, f"Not computed: {error}.")
    return _told(claim, found)


def _told(claim: Claim, found: Finding) -> AuditedClaim:
    return AuditedClaim(
        claim=claim,
        verdict=found.verdict,
        arithmetic=found.arithmetic,
        holds_if=found.holds_if,
        computed=found.computed,
        sources=found.sources,
    )


def audit(claims: str | os.PathLike[str] | Iterable[Claim | Mapping[str, Any]]) -> Audit:
    """Holds claims against what can be computed: for each a verdict, its arithmetic, and what would make it true.

    claims   a CSV file with the columns ``id, seed, subject, hardware, model, quant, context_tokens, quantity, low,
             high, unit, as_stated``, or ``sizer.Claim``s, or dicts under these names

    Verdicts: "impossible" (beyond the physical limit over the whole range), "partly impossible", "optimistic" (better
    than the 80 % band), "plausible", "pessimistic", "unverifiable" (nothing to compute it from). The middle of a range
    is held against the band; a range with all of the band in it is plausible. A size class ("7b") stands for every
    dense model of the catalogue of that size, and a missing number format for all from 4 to 16 bits a weight: such a
    claim is impossible only where it is for each of them. GB is 10^9 bytes first, and GiB where only that makes a claim
    right, which is then said.

    Names are looked up in the catalogue alone; no file or address that a claim names is opened. Raises DataError naming
    row and column of a bad file, WrongTypeError for anything that is no list of claims.
    """
    judged = tuple(_judged(claim) for claim in read(claims))
    counts = {verdict: sum(one.verdict == verdict for one in judged) for verdict in VERDICTS}
    return Audit(claims=judged, counts=counts)
