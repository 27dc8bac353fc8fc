"""The picture of an accuracy report: predicted against measured, and the error against depth and by device class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._errors import SizerError
from .._plotting import checked_plot, figure_class, save
from .report import Accuracy, AccuracyRow, quantile

_NAMES = {"tg": "decode", "pp": "prefill"}
#: Colour (of Okabe and Ito) and marker of a backend, the same in every picture; others are grey crosses.
_STYLES = {
    "cuda": ("#009E73", "s"),
    "rocm": ("#D55E00", "v"),
    "vulkan": ("#CC79A7", "^"),
    "metal": ("#0072B2", "o"),
    "cpu": ("#000000", "D"),
    "sycl": ("#56B4E9", "P"),
    "hpu": ("#E69F00", "X"),
}
_OTHER = ("0.5", "x")
#: Errors beyond are drawn at the edge.
_FURTHEST = 6.0
#: Errors within are shaded: 20 % off.
_NEAR = (0.8, 1.25)
#: Tests without a cache have a mean depth of a few tokens at least.
_LEAST_DEPTH = 32.0
_X, _BAR = 0.025, 5

_Value = Callable[[AccuracyRow], float]


def draw(accuracy: Accuracy, path: str | os.PathLike[str]) -> Path:
    """Draws a row of three panels for decode and for prefill, of the rows that are not suspect."""
    target = checked_plot(path)
    counted = [row for row in accuracy.rows if not row.suspect]
    tests = [test for test in _NAMES if any(row.test == test for row in counted)]
    if not tests:
        raise SizerError("plot: the report has no row to draw")
    figure = figure_class()(figsize=(16, 5 * len(tests) + 0.4), layout="constrained")
    panels = figure.subplots(len(tests), 3, squeeze=False)
    for (left, middle, right), test in zip(panels, tests, strict=True):
        rows = [row for row in counted if row.test == test]
        _against_measured(left, test, rows)
        _against_depth(middle, test, rows)
        _by_class(right, test, rows)
    figure.suptitle(f"{len(counted)} measured speeds and what is predicted for them ({accuracy.how})", fontsize=12)
    return save(figure, target)


def _ratio(row: AccuracyRow) -> float:
    """Predicted / measured, held at the edges of the picture."""
    return min(max(1 + row.error, 1 / _FURTHEST), _FURTHEST)


def _scatter(axes: Any, rows: Sequence[AccuracyRow], x: _Value, y: _Value, *, apart: float = 0.0) -> None:
    """Points by backend. ``apart`` moves backends of one x beside each other, by that share of a decade."""
    backends = sorted({row.backend for row in rows}, key=lambda name: (name not in _STYLES, name))
    for number, backend in enumerate(backends):
        part = [row for row in rows if row.backend == backend]
        colour, marker = _STYLES.get(backend, _OTHER)
        aside = 10 ** (apart * (number - (len(backends) - 1) / 2))
        axes.scatter(
            [aside * x(row) for row in part],
            [y(row) for row in part],
            s=15,
            alpha=0.55,
            linewidths=0 if marker != "x" else 1,
            color=colour,
            marker=marker,
            label=f"{backend} ({len(part)})",
            zorder=3,
        )


def _against_measured(axes: Any, test: str, rows: Sequence[AccuracyRow]) -> None:
    _scatter(axes, rows, lambda r: r.measured_tokens_per_s, lambda r: r.predicted_tokens_per_s)
    speeds = [value for row in rows for value in (row.measured_tokens_per_s, row.predicted_tokens_per_s)]
    ends = [min(speeds) / 1.3, max(speeds) * 1.3]
    axes.plot(ends, ends, color="0.3", linewidth=1)
    for factor in _NEAR:
        axes.plot(ends, [factor * end for end in ends], color="0.5", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_xlabel(f"measured {_NAMES[test]}, tokens/s")
    axes.set_ylabel("predicted, tokens/s (dashed: 20 % off)")
    axes.grid(color="0.9", zorder=0)
    axes.legend(fontsize=8, loc="upper left")


def _tokens(value: float) -> str:
    return f"{value / 1024:.0f}K" if value >= 1024 else f"{value:.0f}"


def _against_depth(axes: Any, test: str, rows: Sequence[AccuracyRow]) -> None:
    _scatter(axes, rows, lambda r: max(r.mean_depth, _LEAST_DEPTH), _ratio, apart=_X)
    axes.axhline(1, color="0.3", linewidth=1)
    axes.axhspan(*_NEAR, color="0.93", zorder=0)
    axes.set(xscale="log", yscale="log", ylim=(0.92 / _FURTHEST, 1.08 * _FURTHEST))
    deepest = max(row.mean_depth for row in rows)
    ticks = [tick for tick in (32, 128, 512, 2048, 8192, 32768, 131072, 524288) if tick < 3 * deepest]
    axes.set_xticks(ticks, [_tokens(tick) for tick in ticks])
    axes.set_yticks([0.25, 0.5, 0.8, 1, 1.25, 2, 4], ["0.25", "0.5", "0.8", "1", "1.25", "2", "4"])
    axes.minorticks_off()
    axes.set_xlabel("tokens cached while it ran (backends side by side)")
    axes.set_ylabel(f"predicted / measured {_NAMES[test]} (grey: 20 % off)")
    axes.grid(color="0.9", zorder=0)


def _by_class(axes: Any, test: str, rows: Sequence[AccuracyRow]) -> None:
    """Median, 80 % and extremes of predicted / measured, by device class."""
    names = sorted({row.device_class for row in rows})
    for place, name in enumerate(names):
        ratios = [_ratio(row) for row in rows if row.device_class == name]
        at = [place, place]
        axes.plot([min(ratios), max(ratios)], at, color="0.6", linewidth=1, zorder=2)
        colour = _STYLES["metal"][0]
        axes.plot([quantile(ratios, 0.1), quantile(ratios, 0.9)], at, color=colour, linewidth=_BAR, zorder=3)
        axes.plot([quantile(ratios, 0.5)], [place], marker="|", markersize=12, color="black", zorder=4)
    axes.axvline(1, color="0.3", linewidth=1)
    axes.axvspan(*_NEAR, color="0.93", zorder=0)
    axes.set(xscale="log", xlim=(0.92 / _FURTHEST, 1.08 * _FURTHEST))
    axes.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    counts = {name: sum(row.device_class == name for row in rows) for name in names}
    axes.set_yticks(range(len(names)), [f"{name.replace('_', ' ')} ({counts[name]})" for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("predicted / measured: median, 80 %, all rows")
    axes.grid(axis="x", color="0.9", zorder=0)
