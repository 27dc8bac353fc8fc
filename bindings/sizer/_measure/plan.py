"""Which runs a profile makes, on what working sets, and how long each may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .. import formatting as f

MIB = 1024**2
GIB = 1024**3

#: Seconds for everything. Below the promised 20 and 120, because what runs last may take longer than it is given.
QUICK_SECONDS = 14.0
STANDARD_SECONDS = 90.0

_LEAST_SECONDS, _MOST_SECONDS = 0.05, 1.0
_FIRST_SIZE = 32 * 1024
_PAGE = 4096  # the least that a thread takes of a working set
_LINK_SIZE = 256 * MIB
_SMALL = 64 * MIB  # working sets below are filled in no time

STREAMS = ("read", "copy", "write", "triad")
WEIGHTS = ("matvec_f16", "matvec_q8_0", "matvec_q4_0", "matvec_q4_k")
KV_CACHES = ("attention_f16", "attention_q8_0")
#: One query head and cached token after the other. Engines without tiles for a single token do so, and what the strides
#: cost them depends on the shape: length of a head, key and value heads, query heads for each of those.
ROW_SHAPES = ((128, 8, 4), (64, 8, 4), (128, 8, 1), (64, 8, 1), (128, 2, 4), (64, 2, 4), (128, 2, 1), (64, 2, 1))
CPU_PRODUCTS = ("gemm_f32", "gemm_bf16", "gemm_int8")
GPU_PRODUCTS = ("gemm_f32", "gemm_f16", "gemm_bf16", "gemm_fp8", "gemm_int8")
GPU_EVENTS = ("launch", "graph_launch")
GPU_LINKS = ("host_to_device", "device_to_host", "peer")

Shape = tuple[tuple[str, int], ...]
_COLUMNS: Shape = (("columns", 4096),)
_CACHE: Shape = (("depth", 4096), ("head_dim", 128), ("kv_heads", 8))


@dataclass(frozen=True)
class Run:
    """One run. ``weight`` is its part of the time; a run that is not required gives way when time is short.

    ``again``: the second time. A neighbour on a shared machine slows it for seconds, longer than a run takes, and only
    another run later tells.
    """

    kernel: str
    threads: int
    working_set_bytes: int
    shape: Shape = ()
    weight: float = 1.0
    required: bool = True
    least_samples: int = 5
    again: bool = False

    def __str__(self) -> str:
        what = [f"group {self.shape[-1][1]}"] if self.shape and self.shape[-1][0] == "group" else []
        if self.threads:
            what.append(f"{self.threads} thread{'s' if self.threads > 1 else ''}")
        if self.working_set_bytes:
            what.append(f.byte_size(self.working_set_bytes))
        what += ["again"] if self.again else []
        return f"{self.kernel} ({', '.join(what)})" if what else self.kernel


@dataclass(frozen=True)
class Plan:
    """The runs in order, and what was given up before the first of them."""

    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()


def thread_counts(most: int, *, quick: bool) -> list[int]:
    """1 and all; between them the powers of two, unless it must be quick."""
    powers = [] if quick else [2**i for i in range(1, most.bit_length()) if 2**i < most]
    return sorted({1, *powers, most})


def memory_size(largest: int, last_level_cache: int | None, *, quick: bool) -> tuple[int, tuple[str, ...]]:
    """A working set beyond every cache, and what to say when the machine has no room for it."""
    wanted = max(512 * MIB if quick else GIB, 4 * (last_level_cache or 0))
    wanted = (wanted + MIB - 1) // MIB * MIB
    if wanted <= largest:
        return wanted, ()
    size = max(largest // MIB * MIB, min(largest, MIB))
    note = f"working sets are limited to {f.byte_size(size)} where {f.byte_size(wanted)} would be better: "
    return size, (note + f"this process may use {f.byte_size(largest)}",)


def sweep_sizes(largest: int, *, threads: int, step: int, first: int = _FIRST_SIZE) -> list[int]:
    """Powers of ``step`` from ``first`` up to half of the largest; then that half and the largest itself."""
    half = largest // 2 // _PAGE * _PAGE
    least = max(first, _PAGE * max(threads, 1))
    sizes = []
    size = first
    while size < half / 1.4:
        if size >= least:
            sizes.append(size)
        size *= step
    return [*sizes, *(one for one in (half, largest) if one >= least)]


def _attention(threads: int, size: int, *, quick: bool, required: bool) -> Iterator[Run]:
    for group in (4,) if quick else (4, 1):
        for kernel in KV_CACHES:
            shape = (*_CACHE, ("group", group))
            yield Run(kernel, threads, size, shape, 1.2 if threads == 1 else 1.0, required and group == 4)


def _rows(threads: int, size: int, *, quick: bool, required: bool) -> Iterator[Run]:
    """The caches of a quarter of the usual working set: more than a token's pass can leave in a cache of the processor,
    and the loop is slow."""
    part = max(size // 4 // MIB * MIB, min(size, 32 * MIB))
    for head_dim, kv_heads, group in ROW_SHAPES[: 2 if quick else None]:
        shape = (("depth", 4096), ("head_dim", head_dim), ("kv_heads", kv_heads), ("group", group))
        yield Run("attention_by_row_f16", threads, part, shape, 0.8, required and group == 4 and kv_heads == 8, 3)
    if not quick:
        shape = (("depth", 4096), ("head_dim", 128), ("kv_heads", 8), ("group", 4))
        yield Run("attention_by_row_q8_0", threads, part, shape, 0.8, False, 3)


def _cached(threads: int) -> Iterator[Run]:
    """The same kernels on what every core's own cache holds: how fast their arithmetic is without the memory."""
    size = MIB * max(threads, 1)
    yield from (Run(kernel, threads, size, _COLUMNS, 0.1, False, 3) for kernel in WEIGHTS)
    shape = (("depth", 128), ("head_dim", 128), ("kv_heads", 8), ("group", 4))
    yield from (Run(kernel, threads, size, shape, 0.1, False, 3) for kernel in KV_CACHES)


def _again(runs: Iterable[Run]) -> Iterator[Run]:
    """The second round."""
    return (replace(run, required=False, again=True) for run in runs)


def cpu_plan(threads: int, largest: int, last_level_cache: int | None, *, quick: bool) -> Plan:
    """The processor: every kernel that a decode step consists of, with one thread, with all, and between."""
    size, notes = memory_size(largest, last_level_cache, quick=quick)
    runs: list[Run] = []
    counts = thread_counts(threads, quick=quick)
    for count in counts:
        ends = count in (1, threads)
        everything = count == threads
        long = 1.4 if count == 1 else 1.0
        needed = ("read", "copy") if everything else ("read",)
        runs += [Run(k, count, size, (), long, ends and (k in needed or not quick)) for k in STREAMS]
        if everything or not quick:
            runs.append(Run("read_after_flush", count, size, (), 1.5 * long, everything, 3))
        if everything or not quick:
            sizes = sweep_sizes(size, threads=count, step=4 if quick else 2)[:-1]  # the last is the read above
            runs += [
                Run("read", count, one, (), 0.15, everything)
                if one < _SMALL
                else Run("read", count, one, (), 0.6, everything and one == sizes[-1])
                for one in reversed(sizes)
            ]
        runs += [Run(k, count, size, _COLUMNS, long, ends) for k in WEIGHTS]
        runs += _attention(count, size, quick=quick, required=ends)
        runs += _cached(count) if ends else ()
        runs += _rows(count, size, quick=quick, required=ends)
        runs += [Run(k, count, 0, (), 0.7, ends) for k in CPU_PRODUCTS]
        runs.append(Run("barrier", count, 0, (), 0.2, ends))
        if count == 1:
            runs.append(Run("latency", 1, size, (), 1.0))
    if quick:
        runs = [replace(run, least_samples=3) for run in runs]
    # All threads first, whose memory is in place and whose figures matter most.
    second = [run for count in reversed(counts) for run in runs if run.threads == count]
    return Plan((*runs, *_again(run for run in second if not quick or run.threads == threads)), notes)


def gpu_plan(largest: int, last_level_cache: int | None, *, quick: bool) -> Plan:
    """A GPU: the same kernels, the cost of a launch, and its links."""
    size, notes = memory_size(largest, last_level_cache, quick=quick)
    sizes = sweep_sizes(size, threads=0, step=4, first=MIB)[:-1]
    runs = [Run(k, 0, size) for k in STREAMS]
    runs += [Run("read", 0, one, (), 0.4, one == sizes[-1]) for one in reversed(sizes)]
    runs += [Run(k, 0, size, _COLUMNS) for k in WEIGHTS]
    runs += _attention(0, size, quick=quick, required=True)
    runs += [Run(k, 0, 0) for k in (*GPU_PRODUCTS, *GPU_EVENTS)]
    runs.append(Run("latency", 0, size, (), 1.0, False))
    runs += [Run(k, 0, min(size, _LINK_SIZE)) for k in GPU_LINKS]
    if quick:
        runs = [replace(run, least_samples=3) for run in runs]
    return Plan((*runs, *_again(runs)), notes)


class Schedule:
    """Gives each run its time, so that all end before the deadline and only optional ones are left out."""

    def __init__(self, runs: Sequence[Run], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = list(runs)
        self._clock = clock
        self._started = clock()
        self._seconds = seconds
        # What runs took beyond the time of their samples, and the weight of those runs. The first guess is that of a
        # GiB at 10 GB/s, and fades.
        self._beyond, self._weight = 0.5, 1.0
        self._now: tuple[Run, float, float] | None = None

    def drop(self, run: Run) -> None:
        """A run that is not made, for whatever reason."""
        self._left.remove(run)

    def done(self) -> None:
        """The run that had begun has ended."""
        if self._now is not None:
            run, began, given = self._now
            self._beyond += max(self._clock() - began - given, 0.0)
            self._weight += run.weight
            self._now = None

    def next(self, run: Run) -> float | None:
        """Seconds of samples for the run that begins now; None when it is left out for want of time."""
        self._left.remove(run)
        now = self._clock()
        left = self._seconds - (now - self._started)
        least = self._beyond / self._weight + _LEAST_SECONDS
        needed = sum(one.weight for one in self._left if one.required)
        if not run.required and left < (needed + run.weight) * least:
            return None
        everything = run.weight + sum(one.weight for one in self._left)
        mine = max(left, 0.0) * run.weight / everything
        given = min(max(mine - run.weight * (least - _LEAST_SECONDS), _LEAST_SECONDS), _MOST_SECONDS)
        self._now = (run, now, given)
        return given
