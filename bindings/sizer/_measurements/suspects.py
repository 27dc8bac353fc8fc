"""What a row says against itself, and rows that contradict or repeat each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .row import LOOKED_AT, NOTES_LOOKED_AT, MeasuredRow

#: Rows with these values are one measurement, if their notes are the same too.
IDENTITY = (
    *("device", "device_count", "backend", "engine", "model", "quant", "test", "context_depth", "batch"),
    *("tokens_per_s", "notes"),
)
#: Rows that differ in the weight format alone are one session; prefill hardly depends on the format.
_SESSION = (
    *("source", "device", "device_count", "backend", "engine", "engine_version", "model", "context_depth", "batch"),
    "notes",
)
#: How many times slower than its session's fastest a prefill may be before something was wrong with it.
_SLOWER = 4.0

_SUSPICIOUS = re.compile(
    r"suspect|suspicious|implausibl|swapping|throttl|misconfigur|do not trust|unreliable", re.IGNORECASE
)
#: Remarks about another row that was left out are not about this one.
_ABOUT_OTHERS = re.compile(r"[^;]*\bomitted\b[^;]*", re.IGNORECASE)
_CAPPED = re.compile(
    r"power[- ]?(?:limit|cap)|undervolt|(?:limited|capped) (?:to|at) \d+ ?w\b|(?:^|;)\s*\d{2,4} ?w\s*(?:;|$)"
    r"|\bpl=?\d{2,4}w",
    re.IGNORECASE,
)
_ROUGH = re.compile(
    r"low precision|\bapproximate(?:ly)?\b|\"~|reported as \"?~|\babout \d+ tokens|eyeballed", re.IGNORECASE
)
_HOST_BOUND = re.compile(r"host[- ]overhead bound", re.IGNORECASE)
_SPLIT = re.compile(
    r"\bhybrid\b|partial(?:ly)? offload|layers? (?:offloaded|on the cpu|in ram)|\bn[_-]?cpu[_-]?moe\b|\bngl ?=? ?0\b"
    r"|gpu\s?/\s?cpu|cpu\s?/\s?gpu|\bcpu offload|offload(?:ed)? to (?:cpu|ram)|-ot exps",
    re.IGNORECASE,
)
_SPECULATIVE = re.compile(
    r"\bspeculative (?:decoding|draft)|\bdraft model\b|\bmtp (?:enabled|on|draft)|\beagle-?[23]?\b|\bn-?gram spec",
    re.IGNORECASE,
)
_NO_SPECULATION = re.compile(r"\b(?:no|without|not) (?:speculative|draft|mtp)", re.IGNORECASE)

#: Remarks that say the time has a prompt in it.
END_TO_END = re.compile(
    r"end-to-end|incl(?:\.|uding|udes)? (?:of )?(?:the )?(?:short-)?(?:prefill|prompt)|includes (?:ttft|short-prompt)"
    r"|avg ?tps|wall[- ]clock",
    re.IGNORECASE,
)


def said_against(row: MeasuredRow) -> list[str]:
    """Why a row says little about its device, in the words of its source."""
    notes = _ABOUT_OTHERS.sub(" ", row.notes[:NOTES_LOOKED_AT])
    reasons = []
    if _SUSPICIOUS.search(notes):
        reasons.append("its source calls it suspicious")
    if _CAPPED.search(notes):
        reasons.append("power-capped device")
    if _HOST_BOUND.search(notes) and row.batch == 1:
        reasons.append("old engine bound by its host, says the note")
    if _ROUGH.search(notes):
        reasons.append("rounded to one digit")
    if _SPLIT.search(f"{notes} ; {row.backend[:LOOKED_AT]}"):
        reasons.append("part of the model on the CPU")
    if _SPECULATIVE.search(notes) and not _NO_SPECULATION.search(notes):
        reasons.append("speculative decoding")
    return reasons


def _session(row: MeasuredRow) -> tuple[object, ...]:
    return tuple(row[name] for name in _SESSION)


def mark_duplicates(rows: Iterable[MeasuredRow]) -> list[str | None]:
    """For each row the id of the first one that is the same measurement, or None."""
    first: dict[tuple[object, ...], str] = {}
    marks: list[str | None] = []
    for row in rows:
        key = tuple(row[name] for name in IDENTITY)
        marks.append(first.get(key))
        first.setdefault(key, row.id)
    return marks


def mark_contradictions(rows: Sequence[MeasuredRow]) -> list[str | None]:
    """For each row the id of one that contradicts it, or None.

    A card's prefill is limited by arithmetic and hardly by the weight format: one that is four times slower than the
    same prefill of the same session with weights of another format was disturbed. On processors formats differ so much.
    """
    fastest: dict[tuple[object, ...], MeasuredRow] = {}
    prefills = [row for row in rows if row.test == "pp" and not row.backend.lower().startswith("cpu")]
    for row in prefills:
        key = _session(row)
        if key not in fastest or row.tokens_per_s > fastest[key].tokens_per_s:
            fastest[key] = row
    slow = {
        id(row): fastest[_session(row)].id
        for row in prefills
        if fastest[_session(row)].tokens_per_s > _SLOWER * row.tokens_per_s
    }
    return [slow.get(id(row)) for row in rows]
