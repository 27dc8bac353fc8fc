"""Whether the largest working sets were read from memory and not from a cache that nobody told us of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import formatting as f
from .._records import Record

#: Two working sets that both come from memory agree within this; the samples of a quiet machine agree far better.
SAME_PLATEAU = 0.05
#: A read agrees with one after a flush within this: flushed pages are cold for the translation caches too.
SAME_AS_FLUSHED = 0.10
#: Of a working set this many times the cache, at most a quarter can be left in it from the pass before.
LEAST_CACHES = 4


@dataclass(frozen=True, kw_only=True)
class Plateau(Record):
    """The verdict. ``plateau_gb_per_s`` is the figure to use as the memory's bandwidth, proved or not.

    ``proved`` is whether no cache can have served it, ``why`` says by what, or what is missing; ``at_bytes`` is the
    largest working set. The two numbers are None when nothing was read.
    """

    proved: bool
    why: str
    plateau_gb_per_s: float | None
    at_bytes: int | None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def is_cached(read: float, flushed: float) -> bool:
    """Whether a read is so much faster than one after a flush that a cache took part."""
    return read > flushed * (1 + SAME_AS_FLUSHED)


def verdict(
    sweep: Sequence[tuple[int, float]],
    *,
    last_level_cache_bytes: int | None,
    flushed_bytes_per_s: float | None,
    typical: float | None = None,
    typical_flushed: float | None = None,
) -> Plateau:
    """Judges a sweep of reads: (working set in bytes, bytes per second), in any order.

    The rates to judge are those of the fastest samples: whatever else runs on a machine slows a sample and speeds none
    up, but a cache does. ``typical`` and ``typical_flushed`` are the figures to report instead of the fastest.

    A hypervisor may report a cache of another size than the one that the machine shares with its neighbours, so the
    reported size alone proves nothing. A flushed line can only come from memory.
    """
    points = sorted(sweep)
    if not points:
        return Plateau(proved=False, why="nothing was read", plateau_gb_per_s=None, at_bytes=None)
    size, rate = points[-1]
    figure = typical or rate
    good: list[str] = []
    bad: list[str] = []
    if len(points) < 2:
        bad.append("one working set alone shows no plateau")
    else:
        before, rate_before = points[-2]
        change = abs(rate - rate_before) / max(rate, rate_before)
        what = f"{f.byte_size(before)} and {f.byte_size(size)} are read at the same speed ({_percent(change)} apart)"
        if change <= SAME_PLATEAU:
            good.append(what)
        else:
            bad.append(
                f"the bandwidth still changes by {_percent(change)} from {f.byte_size(before)} to {f.byte_size(size)}"
            )
    flushed_agrees = False
    if flushed_bytes_per_s is None:
        good.append("no instruction flushes a cache line here to compare with")
    elif is_cached(rate, flushed_bytes_per_s):
        faster = rate / flushed_bytes_per_s - 1
        bad.append(
            f"the read is {_percent(faster)} faster than with every line flushed before, so part of it comes from a "
            "cache; the lower figure is used"
        )
        figure = typical_flushed or flushed_bytes_per_s
    elif rate < flushed_bytes_per_s * (1 - SAME_AS_FLUSHED):
        slower = 1 - rate / flushed_bytes_per_s
        bad.append(f"the read is {_percent(slower)} slower than with every line flushed before: it was disturbed")
    else:
        flushed_agrees = True
        good.append("reading flushed lines, which only memory can serve, takes as long")
    cache = last_level_cache_bytes or 0
    if cache == 0:
        if not flushed_agrees:
            bad.append("the device reports no last-level cache to compare the working set with")
    elif size < LEAST_CACHES * cache:
        bad.append(
            f"the largest working set is {size / cache:.1f} times the reported last-level cache of "
            f"{f.byte_size(cache)}, expected at least {LEAST_CACHES}"
        )
    else:
        good.append(f"the last is {size / cache:.1f} times the reported last-level cache")
    why = "; ".join(bad or good)
    return Plateau(proved=not bad, why=why, plateau_gb_per_s=figure / 1e9, at_bytes=size)
