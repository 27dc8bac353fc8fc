"""The picture of a profile: bandwidth against working set, and by kernel and threads. matplotlib is loaded for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import formatting as f
from .._errors import SizerError
from .._plotting import COLOURS, checked_plot, figure_class, save
from .machine import QUERY_GROUP
from .plan import KV_CACHES, STREAMS, WEIGHTS
from .profile import DeviceProfile, Profile

_KERNELS = (*STREAMS, *WEIGHTS, *KV_CACHES)
# Rates that differ by more are drawn on a logarithmic scale.
_WIDE = 6
_TICKS = 9


def draw(profile: Profile, path: str | os.PathLike[str]) -> Path:
    """Draws a row of two panels for each device that was measured."""
    target = checked_plot(path)
    measured = [one for one in profile.devices if any(m.gb_per_s for m in one.measurements)]
    if not measured:
        raise SizerError("plot: the profile has no bandwidth to draw")
    figure = figure_class()(figsize=(13, 5.6 * len(measured)), layout="constrained")
    panels = figure.subplots(len(measured), 2, squeeze=False, width_ratios=(1.25, 1))
    for (left, right), device in zip(panels, measured, strict=True):
        _against_working_set(left, device, _caches(profile, device))
        _by_kernel(right, device)
    figure.suptitle(f"Measured {profile.created[:10]} by sizer {profile.libsizer} ({profile.mode})", fontsize=10)
    return save(figure, target)


def _caches(profile: Profile, device: DeviceProfile) -> list[tuple[str, int]]:
    """Names and sizes of the caches to mark."""
    if device.backend == "cpu" and profile.detected.cpu.caches.value:
        marks = {}
        for cache in profile.detected.cpu.caches.value:
            if cache["type"] != "Instruction":
                marks[f"L{cache['level']}"] = int(cache["size_bytes"])
        return sorted(marks.items(), key=lambda item: item[1])
    if device.last_level_cache_bytes:
        return [("last-level cache", device.last_level_cache_bytes)]
    return []


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}" if count else "read"


def _size(value: float, _position: object = None) -> str:
    return f.byte_size(value).replace(".0 ", " ")


def _against_working_set(axes: Any, device: DeviceProfile, caches: Sequence[tuple[str, int]]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    reads = device.of("read")
    sizes = [one.working_set_bytes for one in reads]
    low, high = min(sizes, default=1), max(sizes, default=1)
    for number, count in enumerate(device.thread_counts):
        colour = COLOURS[number % len(COLOURS)]
        rates: dict[int, float] = {}
        for one in device.of("read", threads=count):  # of each working set the fastest round first
            rates.setdefault(one.working_set_bytes, one.gb_per_s or 0.0)
        if rates:
            axes.plot(
                *zip(*sorted(rates.items()), strict=True),
                marker="o",
                markersize=4,
                color=colour,
                label=_threads(count),
                zorder=3,
            )
        for one in device.of("read_after_flush", threads=count)[:1]:
            label = f"{_threads(count)}, every line flushed before" if count else "every line flushed before"
            style = {"marker": "*", "markersize": 14, "markeredgecolor": "white", "linestyle": "none"}
            axes.plot([one.working_set_bytes], [one.gb_per_s], color=colour, label=label, zorder=4, **style)
    plateau = device.plateau
    if plateau.plateau_gb_per_s is not None:
        kind = "proved" if plateau.proved else "not proved"
        label = f"memory: {f.significant(plateau.plateau_gb_per_s)} GB/s ({kind})"
        axes.axhline(plateau.plateau_gb_per_s, color="0.35", linestyle="--", linewidth=1, label=label)
    axes.set_xscale("log", base=2)
    if low < high:
        axes.set_xlim(low / 1.5, high * 1.5)
    ticks = sorted(set(sizes), reverse=True)
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // _TICKS)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_size))
    axes.tick_params(axis="x", labelrotation=35)
    for name, size in caches:
        if low / 1.5 <= size <= high * 1.5:
            axes.axvline(size, color="0.6", linestyle=":", linewidth=1.2)
            place = axes.get_xaxis_transform()
            axes.text(size, 1.01, f"{name}\n{_size(size)}", transform=place, ha="center", va="bottom", fontsize=8)
    all_rates = [one.gb_per_s for one in reads if one.gb_per_s]
    if all_rates and max(all_rates) > _WIDE * min(
        all_rates
    ):  # a cache far above the memory would press it to the floor
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("working set of all threads together")
    axes.set_ylabel("read bandwidth, GB/s")
    axes.set_title(f"{device.device}: {device.name}\nReading the same data over and over", fontsize=11, pad=28)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="best", framealpha=0.9)


def _by_kernel(axes: Any, device: DeviceProfile) -> None:
    largest = max((m.working_set_bytes for m in device.of("read")), default=0)
    counts = [n for n in device.thread_counts if any(m.gb_per_s for m in device.of("read", threads=n))]
    counts = counts or list(device.thread_counts)
    names = [name for name in _KERNELS if device.of(name)]
    height = 0.8 / max(len(counts), 1)
    most = 0.0
    for number, count in enumerate(counts):
        places, values = [], []
        for row, name in enumerate(names):
            shape = {"group": QUERY_GROUP} if name in KV_CACHES else {}
            found = device.of(name, threads=count, **shape)
            if found and found[0].gb_per_s:
                places.append(row + (number - (len(counts) - 1) / 2) * height)
                values.append(found[0].gb_per_s)
        colour = COLOURS[number % len(COLOURS)]
        bars = axes.barh(places, values, height=height * 0.92, color=colour, label=_threads(count))
        if len(counts) <= 4:
            axes.bar_label(bars, labels=[f.significant(value) for value in values], padding=3, fontsize=8)
        most = max([most, *values])
    if device.plateau.plateau_gb_per_s is not None:
        axes.axvline(device.plateau.plateau_gb_per_s, color="0.35", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), [_kernel(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.15 or 1)
    axes.set_xlabel("bandwidth, GB/s; copy and triad count what is read and written")
    axes.set_title(f"Kernels on {_size(largest)}" if largest else "Kernels", fontsize=11, pad=28)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    if counts != [0]:
        axes.legend(fontsize=8, loc="lower right", framealpha=0.9)


def _kernel(name: str) -> str:
    """`weights Q4_K` for `matvec_q4_k`."""
    kind, _, form = name.partition("_")
    words = {"matvec": "weights", "attention": "KV cache"}
    return f"{words[kind]} {form.upper()}" if kind in words else name
