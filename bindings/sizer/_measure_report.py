"""What a profile looks like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Iterator

from . import formatting as f
from ._measure.kernels import Measurement
from ._measure.profile import DeviceProfile, Profile
from .display import Block, Heading, Items, Table, Text

# A spread that is no news.
_QUIET = 0.005


def _speed(m: Measurement) -> str:
    """The figure that a kernel is for."""
    each = m.seconds_per_event
    if each is not None:
        return f"{f.significant(each * 1e9)} ns" if each < 1e-6 else f.duration(each)
    if m.gb_per_s is not None:
        return f"{f.significant(m.gb_per_s)} GB/s"
    if m.gflop_per_s is not None:
        rate = m.gflop_per_s
        return f"{f.significant(rate / 1000)} TFLOP/s" if rate >= 10_000 else f"{f.significant(rate)} GFLOP/s"
    return ""


def _cell(device: DeviceProfile, m: Measurement | None) -> str:
    if m is None:
        return "-"
    # Where the samples differ, by how much; an unstable figure is marked.
    spread = "" if m.spread < _QUIET else f" +-{100 * m.spread:.0f} %"
    return f"{_speed(m)}{spread}{'' if device.is_stable(m) else ' !'}"


def _label(m: Measurement) -> str:
    group = m.shape.get("group")
    if not group or not m.kernel.startswith("attention"):
        return m.kernel
    heads = f"{m.shape['kv_heads']} x {m.shape['head_dim']}, " if "by_row" in m.kernel else ""
    return f"{m.kernel} ({heads}group {group})"


# A kernel at this share of plain reading waits for the memory.
_MEMORY_BOUND = 0.85
_ADDS_UP = 1.2


def _limit(device: DeviceProfile, m: Measurement) -> str:
    """What holds a kernel of decode back: the memory, or its own arithmetic, whose rate a cache shows."""
    if not m.kernel.startswith(("matvec_", "attention_")) or m.gb_per_s is None or "by_row" in m.kernel:
        return ""
    read = device.best("read", threads=m.threads)
    if read is not None and read.gb_per_s is not None and m.gb_per_s >= _MEMORY_BOUND * read.gb_per_s:
        return "memory"
    small = [one for one in device.of(m.kernel, threads=m.threads) if one.shape.get("group") == m.shape.get("group")]
    cached = small[-1].gb_per_s if small and small[-1].working_set_bytes < m.working_set_bytes // 8 else None
    if not cached:
        return "arithmetic"
    # Far more from a cache: the waits for memory and the arithmetic add up instead of hiding each other.
    both = cached > _ADDS_UP * m.gb_per_s
    return f"{'memory and arithmetic' if both else 'arithmetic'}: {f.significant(cached)} GB/s from a cache"


def _runs(device: DeviceProfile) -> Block:
    """A row for each kernel on its largest working set, a column for each thread count."""
    best: dict[str, dict[int, Measurement]] = {}
    largest: dict[str, int] = {}
    for one in device.measurements:
        largest[_label(one)] = max(largest.get(_label(one), 0), one.working_set_bytes)
    for one in device.measurements:
        if one.working_set_bytes < largest[_label(one)] // 8:
            continue  # the run from a cache
        fastest = device.best(one.kernel, threads=one.threads, **one.shape)
        best.setdefault(_label(one), {})[one.threads] = fastest or one
    order = list(best)
    counts = device.thread_counts
    heads = [f"{n} thread{'s' if n != 1 else ''}" if n else "speed" for n in counts]
    rows = []
    for label in order:
        runs = best[label]
        last = runs[max(runs)]
        size = f.byte_size(last.working_set_bytes) if last.working_set_bytes else ""
        cells = (_cell(device, runs.get(n)) for n in counts)
        rows.append([label, last.variant, size, *cells, _limit(device, last)])
    return Table(["kernel", "variant", "working set", *heads, "limit"], rows, "llr" + "r" * len(counts) + "l")


def _sweep(device: DeviceProfile) -> Iterator[Block]:
    """The read over working sets."""
    reads: dict[int, dict[int, Measurement]] = {}
    for one in device.of("read"):
        reads.setdefault(one.working_set_bytes, {}).setdefault(one.threads, one)
    counts = sorted({threads for runs in reads.values() for threads in runs})
    if len(reads) < 2:
        return
    heads = [f"read, {n} thread{'s' if n != 1 else ''}" if n else "read" for n in counts]
    rows = [[f.byte_size(size), *(_cell(device, reads[size].get(n)) for n in counts)] for size in sorted(reads)]
    yield Table(["working set", *heads], rows, "r" * (1 + len(counts)))


def _caveats(device: DeviceProfile) -> list[str]:
    """What to know before the figures are believed."""
    found = list(device.notes)
    build = device.facts.get("build", "")
    if "debug" in build or "sanitizer" in build:
        found.append(build)
    unstable = list(dict.fromkeys(_label(one) for one in device.measurements if not device.is_stable(one)))
    if unstable:
        found.append(
            f"unstable (marked !), in samples or rounds that differ: {', '.join(unstable)}. Other work on the machine, "
            "or on the one below it, or a changing clock; measure again when it is quiet"
        )
    wrong = [one.kernel for one in device.measurements if not one.verified]
    if wrong:
        found.append(f"results not verified: {', '.join(dict.fromkeys(wrong))}")
    remarks: dict[str, list[str]] = {}
    for one in device.measurements:
        for remark in one.remarks:
            if "refused" in remark or "not pinned" in remark:
                remarks.setdefault(remark, []).append(one.kernel)
    return found + list(remarks)


def _device(device: DeviceProfile) -> Iterator[Block]:
    yield Heading(f"{device.device}: {device.name}")
    if device.problem is not None:
        yield Text(f"The device failed: {device.problem}. What was measured before is kept.", "bad")
    if not device.measurements:
        return
    yield _runs(device)
    yield from _sweep(device)
    plateau = device.plateau
    if plateau.plateau_gb_per_s is not None:
        figure = f"Memory bandwidth: {f.significant(plateau.plateau_gb_per_s)} GB/s"
        if plateau.proved:
            yield Text(f"{figure}, proved to be the memory's: {plateau.why}.", "good")
        else:
            yield Text(f"{figure}, not proved to be the memory's: {plateau.why}.", "bad")
    caveats = _caveats(device)
    if caveats:
        yield Items(caveats)


def _left_out(p: Profile) -> list[str]:
    """Runs that were not made, by reason."""
    lines = []
    for device in p.devices:
        reasons: dict[str, list[str]] = {}
        for one in device.left_out:
            reasons.setdefault(one.reason, []).append(one.kernel)
        for reason, what in reasons.items():
            shown = ", ".join(what) if len(what) <= 6 else f"{', '.join(what[:5])} and {len(what) - 5} more"
            lines.append(f"{device.device} {shown}: {reason}")
    return lines


def profile(p: Profile) -> list[Block]:
    """Every device, what was left out, and why a backend has none."""
    blocks: list[Block] = [
        Text(f"Measured {p.created} in {f.duration(p.seconds)} ({p.mode}), sizer {p.libsizer}.", "faint")
    ]
    for device in p.devices:
        blocks += _device(device)
    left_out = _left_out(p)
    if left_out:
        blocks += [Heading("Left out"), Items(left_out)]
    if p.reasons:
        blocks += [Heading("Not measured"), Items(p.reasons)]
    return blocks
