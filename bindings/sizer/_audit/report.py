"""What an audit looks like."""

from __future__ import annotations

from ..display import Block, Heading, Items, Table, Text
from .amounts import claimed
from .records import IMPOSSIBLE, PARTLY, PLAUSIBLE, VERDICTS, Audit, AuditedClaim

#: What a verdict means, as a heading's second line.
MEANING = {
    "impossible": "beyond the physical limit in every reading, more than the memory holds, or of nothing that exists",
    "partly impossible": "a part of the claimed range is beyond the physical limit",
    "optimistic": "not against physics, but better than what is expected",
    "plausible": "as expected",
    "pessimistic": "worse than what is expected",
    "unverifiable": "nothing to compute it from",
}


def subject(one: AuditedClaim) -> str:
    """``'llama-70b FP4, 4,096 tokens, on dgx-spark'``."""
    claim = one.claim
    parts = [f"{claim.model} {claim.quant}".strip()]
    if claim.context_tokens:
        parts.append(f"{claim.context_tokens:,} tokens")
    if claim.hardware:
        parts.append(f"on {claim.hardware}" if parts[0] else claim.hardware)
    return ", ".join(part for part in parts if part)


def said(one: AuditedClaim) -> str:
    """``'decode_tokens_per_s 25 to 50 token/s'`` in plain words."""
    claim = one.claim
    name = claim.quantity.replace("_", " ")
    if claim.least is None:
        return name
    if claim.unit.lower() in ("bool", "boolean") and claim.least in (0.0, 1.0):
        return f"{name}: {'yes' if claim.least else 'no'}"
    return f"{name.replace(' tokens per s', '')}: {claimed(claim)}"


def headline(one: AuditedClaim) -> str:
    """The claim in a line."""
    about = subject(one)
    return f"{one.id}: {about + '; ' if about else ''}{said(one)}"


def counts(audit: Audit) -> Table:
    """Claims by verdict."""
    rows = [[verdict, str(audit.counts.get(verdict, 0)), MEANING[verdict]] for verdict in VERDICTS]
    return Table(["verdict", "claims", "meaning"], rows, "lrl")


def audit(result: Audit) -> list[Block]:
    """The whole answer, by verdict."""
    blocks: list[Block] = [Heading("Audit"), counts(result)]
    for verdict in VERDICTS:
        group = [one for one in result if one.verdict == verdict]
        if not group:
            continue
        tone = "bad" if verdict in (IMPOSSIBLE, PARTLY) else "good" if verdict == PLAUSIBLE else "strong"
        blocks.append(Text(f"{verdict[0].upper()}{verdict[1:]}: {MEANING[verdict]}.", tone))
        for one in group:
            blocks += [Heading(headline(one)), Text(one.arithmetic)]
            if one.holds_if:
                blocks.append(Items([f"holds if: {reading}" for reading in one.holds_if]))
    return blocks
