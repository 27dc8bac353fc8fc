"""Whether the program that asks waits long enough."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .. import formatting as f
from .._results import Assumption
from .case import Case
from .records import Check, Finding
from .words import found, rate

#: Timeouts that people met in programs without having set one: seconds, whose, where it is reported.
CLIENT_TIMEOUTS = (
    (30.0, "Cline CLI 3.0.61", "https://github.com/cline/cline/issues/13843"),
    (300.0, "Node.js fetch (headers) under the Vercel AI SDK", "https://github.com/vercel/ai/issues/4224"),
    (300.0, "Kilo Code 4.70", "https://github.com/Kilo-Org/kilocode/issues/1681"),
    (600.0, "the OpenAI SDK, and Roo Code 3.16 with it", "https://github.com/RooCodeInc/Roo-Code/issues/3621"),
)

#: What a timeout should be in times of the expected wait, then rounded up to a minute.
_MARGIN = 1.5


def prefill_s(case: Case) -> float | None:
    """Seconds until the whole prompt is read."""
    known, asked = case.prefill_rate, case.facts.requested_tokens
    return None if known is None or not asked else asked / known[0]


def suggested_timeout_s(case: Case) -> float | None:
    """A timeout with a margin, in whole minutes."""
    seconds = prefill_s(case)
    return None if seconds is None else 60.0 * math.ceil(_MARGIN * seconds / 60)


def margin() -> Assumption:
    """Why the suggestion is longer than the wait."""
    why = f"{_MARGIN:g} times the time of the prefill, in whole minutes: a prompt is read more slowly the longer it is"
    return Assumption(what="suggested timeout", why=why)


def timeout(case: Case) -> Iterator[Finding | Check]:
    """The wait for the first token, and for the whole answer, against the timeout."""
    facts, seconds, suggested = case.facts, prefill_s(case), suggested_timeout_s(case)
    limit = facts.timeout_s if facts.timeout_s is not None else facts.disconnected_after_s
    if seconds is None or suggested is None:
        if facts.disconnected:
            yield _gave_up(case, limit)
        return
    assert case.prefill_rate is not None and facts.requested_tokens is not None
    speed, saw = case.prefill_rate
    how = "seen" if saw else "expected"
    first = f"{f.count(facts.requested_tokens)} tokens / {rate(speed)} ({how}) = {f.significant(seconds)} s"
    fix = f"Set the client's timeout to {suggested:.0f} s ({f.duration(suggested)}) or more, and let it stream."
    if limit is None:
        yield from _usual_timeouts(first, seconds, fix, facts.disconnected is True)
    elif seconds > limit:
        yield found(
            "timeout-shorter-than-prefill",
            ("client", "certain" if saw else "likely", "fails"),
            "The client gives up before the prompt is read.",
            [f"{first} > {f.significant(limit)} s, by {f.significant(seconds - limit)} s"],
            fix,
            prefill_s=seconds,
            timeout_s=limit,
            suggested_timeout_s=suggested,
        )
    elif facts.output_tokens and facts.decode_tokens_per_s:
        whole = seconds + facts.output_tokens / facts.decode_tokens_per_s
        sums = (
            f"{first}, + {f.count(facts.output_tokens)} / {rate(facts.decode_tokens_per_s)} = {f.significant(whole)} s"
        )
        if whole <= limit:
            yield Check(what="timeout", arithmetic=f"{sums} <= {f.significant(limit)} s")
        else:
            yield found(
                "timeout-shorter-than-answer",
                ("client", "possible", "fails"),
                "The prompt is read in time; the whole answer is not, if the client waits for all of it.",
                [f"{sums} > {f.significant(limit)} s"],
                f"Let the client stream, or set its timeout to {60 * math.ceil(_MARGIN * whole / 60)} s.",
                prefill_s=seconds,
                timeout_s=limit,
                whole_s=whole,
            )
    else:
        yield Check(what="timeout", arithmetic=f"{first} <= {f.significant(limit)} s")


def _usual_timeouts(first: str, seconds: float, fix: str, disconnected: bool) -> Iterator[Finding]:
    """Nobody stated a timeout: which programs are known to give up earlier."""
    shorter = [one for one in CLIENT_TIMEOUTS if one[0] < seconds]
    if not shorter:
        return
    yield found(
        "timeout-shorter-than-prefill",
        ("client", "likely" if disconnected else "possible", "fails"),
        "Some clients give up before the prompt is read; the timeout of this one is not known.",
        [first, *(f"{f.significant(limit)} s: {name}" for limit, name, _ in shorter)],
        fix,
        shorter[-1][2],
        prefill_s=seconds,
    )


def _gave_up(case: Case, limit: float | None) -> Finding:
    lines = ["the log says that the client closed the connection"]
    if limit is not None:
        lines.append(f"the request that failed took {f.duration(limit)}")
    usual = [name for seconds, name, _ in CLIENT_TIMEOUTS if limit is not None and abs(seconds - limit) <= 2]
    if usual:
        lines.append(f"that is the timeout of {', '.join(usual)}")
    return found(
        "client-gave-up",
        ("client", "likely", "fails"),
        "The client closed the connection before the answer was done.",
        lines,
        "Raise the client's timeout; with --request-tokens and --prefill-rate this says to how much.",
        timeout_s=limit,
    )
