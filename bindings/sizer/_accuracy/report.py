"""Predicted against measured speeds: the rows, what could not be mapped, and the errors of slices of them."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .. import display
from .._records import Nested, Record, Row, each

#: Slices with fewer rows are not listed.
LEAST_ROWS = 5
#: Formulas that need nothing but the sheet and the file: bandwidth / file size x this.
CONSTANT_FACTORS = (1.0, 0.75, 0.55, 0.4)


@dataclass(frozen=True, kw_only=True)
class AccuracyRow(Row):
    """One measured speed beside what the library answers for it. Speeds are tokens per second of the whole batch."""

    id: str
    test: str  #: "tg" decode or "pp" prefill
    device: str  #: as printed
    hardware: str  #: id of the machine that stands for it
    backend: str
    device_class: str
    engine: str
    model: str  #: as printed
    model_id: str  #: id of the model that stands for it
    moe: bool
    quant: str  #: as printed
    recipe: str  #: the quantisation that stands for it
    device_count: int
    batch: int
    context_depth: int  #: tokens cached before the test
    mean_depth: float  #: tokens cached on average while it ran
    measured_tokens_per_s: float
    predicted_tokens_per_s: float
    low: float  #: ends of the 80 % interval
    high: float
    ceiling_tokens_per_s: float
    error: float  #: predicted / measured - 1
    by_bandwidth_tokens_per_s: float | None  #: bandwidth of the sheet / size of the weights; None for prefill
    suspect: tuple[str, ...]  #: why the row says little about its device; empty: it counts in the summary
    mapped: tuple[str, ...]  #: what stands for a name that the catalogue does not have

    _nested: ClassVar[Nested] = {"suspect": tuple, "mapped": tuple}

    @property
    def inside(self) -> bool:
        """Whether the measured speed lies in the interval."""
        return self.low <= self.measured_tokens_per_s <= self.high


@dataclass(frozen=True, kw_only=True)
class Unmapped(Row):
    """A row for which nothing can be predicted."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Slice(Row):
    """Errors of some rows. Shares, not per cent: 0.08 is 8 %."""

    by: str  #: what its rows have in common: "backend", "device", "depth" ...; "all" for a whole group
    value: str  #: "cuda", "moe", "8192-" ...
    rows: int
    median_error: float  #: of |predicted / measured - 1|
    p90_error: float  #: nine of ten rows err by less
    mean_error: float
    bias: float  #: median of predicted / measured - 1: above 0 the library promises too much
    coverage: float  #: share of the rows inside the 80 % interval

    @property
    def name(self) -> str:
        """As tables print it: "backend cuda"."""
        return _SLICE_NAMES.get((self.by, self.value)) or f"{_BY.get(self.by, self.by)} {self.value}"


@dataclass(frozen=True, kw_only=True)
class Baseline(Row):
    """Errors of bandwidth / file size x a constant on the same rows."""

    factor: float
    rows: int
    median_error: float
    p90_error: float


@dataclass(frozen=True, kw_only=True)
class Group(Row):
    """Rows of one kind: decode of one device and one sequence, batched, several devices, prefill."""

    id: str  #: "decode-single", "decode-batched", "decode-devices", "prefill-single" or "prefill-devices"
    slices: tuple[Slice, ...]
    baselines: tuple[Baseline, ...]

    _nested: ClassVar[Nested] = {"slices": each(Slice.build), "baselines": each(Baseline.build)}

    @property
    def name(self) -> str:
        """As tables print it."""
        return _GROUP_NAMES.get(self.id, self.id)

    def slice(self, by: str, value: str = "") -> Slice | None:
        """The slice of that name, or None where too few rows are in it."""
        return next((one for one in self.slices if (one.by, one.value) == (by, value)), None)


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """Counts, and the errors by group and slice."""

    rows: int
    unmapped: int
    suspect: int
    above_ceiling: int  #: measured above the ceiling: a misprint, another model, or speculative decoding
    predicted_above_ceiling: int  #: must be 0
    groups: tuple[Group, ...]

    _nested: ClassVar[Nested] = {"groups": each(Group.build)}


@dataclass(frozen=True, kw_only=True)
class Accuracy(Record):
    """How well the library's speeds meet measured ones."""

    how: str  #: "library", or what the predictions were made without
    rows: tuple[AccuracyRow, ...]
    unmapped: tuple[Unmapped, ...]
    summary: Summary

    _nested: ClassVar[Nested] = {
        "rows": each(AccuracyRow.build),
        "unmapped": each(Unmapped.build),
        "summary": Summary.build,
    }

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draws predicted against measured into a .png or .svg file. Needs matplotlib."""
        from .plot import draw

        return draw(self, path)

    def __str__(self) -> str:
        return display.to_text(blocks(self))

    def __repr__(self) -> str:
        return f"<Accuracy: {self.summary.rows} rows, {self.summary.unmapped} without a prediction>"

    def _repr_html_(self) -> str:
        return display.to_html(blocks(self))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies, interpolated between neighbours."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def errors_of(by: str, value: str, rows: Sequence[AccuracyRow]) -> Slice:
    """The errors of at least one row."""
    errors = [abs(row.error) for row in rows]
    return Slice(
        by=by,
        value=value,
        rows=len(rows),
        median_error=statistics.median(errors),
        p90_error=quantile(errors, 0.9),
        mean_error=statistics.fmean(errors),
        bias=statistics.median(row.error for row in rows),
        coverage=statistics.fmean(row.inside for row in rows),
    )


def _baselines(rows: Sequence[AccuracyRow]) -> tuple[Baseline, ...]:
    known = [row for row in rows if row.by_bandwidth_tokens_per_s]
    if len(known) < LEAST_ROWS:
        return ()
    answers = []
    for factor in CONSTANT_FACTORS:
        errors = [abs(factor * (row.by_bandwidth_tokens_per_s or 0.0) / row.measured_tokens_per_s - 1) for row in known]
        answers.append(
            Baseline(
                factor=factor,
                rows=len(known),
                median_error=statistics.median(errors),
                p90_error=quantile(errors, 0.9),
            )
        )
    return tuple(answers)


_Chosen = Callable[[AccuracyRow], bool]
#: The kinds of rows that are judged apart.
GROUPS: tuple[tuple[str, str, _Chosen], ...] = (
    (
        "decode-single",
        "decode, one device, batch 1",
        lambda r: r.test == "tg" and r.device_count == 1 and r.batch == 1,
    ),
    ("decode-batched", "decode, one device, batched", lambda r: r.test == "tg" and r.device_count == 1 and r.batch > 1),
    ("decode-devices", "decode, several devices", lambda r: r.test == "tg" and r.device_count > 1),
    ("prefill-single", "prefill, one device", lambda r: r.test == "pp" and r.device_count == 1),
    ("prefill-devices", "prefill, several devices", lambda r: r.test == "pp" and r.device_count > 1),
)
_GROUP_NAMES = {key: name for key, name, _ in GROUPS}
#: Kinds of models and depths; a depth's value is "from-to" in cached tokens.
_SLICES: tuple[tuple[str, str, str, _Chosen], ...] = (
    ("kind", "dense", "dense", lambda r: not r.moe),
    ("kind", "moe", "mixture of experts", lambda r: r.moe),
    ("depth", "0-1023", "depth below 1K", lambda r: r.context_depth < 1024),
    ("depth", "1024-8191", "depth 1K to 8K", lambda r: 1024 <= r.context_depth < 8192),
    ("depth", "8192-", "depth 8K and more", lambda r: r.context_depth >= 8192),
    ("depth", "16384-", "depth 16K and more", lambda r: r.context_depth >= 16384),
)
_SLICE_NAMES = {("all", ""): "all"} | {(by, value): name for by, value, name, _ in _SLICES}
#: Columns with a slice for each of their values, and the word before it in tables.
_COLUMNS: tuple[tuple[str, str, Callable[[AccuracyRow], str]], ...] = (
    ("backend", "backend", lambda r: r.backend),
    ("engine", "engine", lambda r: r.engine),
    ("format", "format", lambda r: r.recipe),
    ("batch", "batch", lambda r: str(r.batch) if r.batch > 1 else ""),
    ("device_count", "devices:", lambda r: str(r.device_count) if r.device_count > 1 else ""),
    ("device_class", "class", lambda r: r.device_class),
    ("device", "device", lambda r: r.device),
)
_BY = {by: word for by, word, _ in _COLUMNS}


def _slices(rows: Sequence[AccuracyRow]) -> tuple[Slice, ...]:
    parts = [(by, value, [row for row in rows if chosen(row)]) for by, value, _, chosen in _SLICES]
    for by, _, value_of in _COLUMNS:
        of_value: dict[str, list[AccuracyRow]] = {}
        for row in rows:
            of_value.setdefault(value_of(row), []).append(row)
        of_value.pop("", None)
        # "16" comes before "128".
        ordered = sorted(of_value, key=lambda value: (len(value) if value.isdigit() else 0, value))
        parts += [(by, value, of_value[value]) for value in ordered]
    return (
        errors_of("all", "", rows),
        *(errors_of(by, value, part) for by, value, part in parts if LEAST_ROWS <= len(part) < len(rows)),
    )


def summarise(rows: Sequence[AccuracyRow], unmapped: Sequence[Unmapped]) -> Summary:
    """The errors of the rows that are not suspect, by group and slice."""
    counted = [row for row in rows if not row.suspect]
    groups = []
    for key, _, chosen in GROUPS:
        part = [row for row in counted if chosen(row)]
        if part:
            groups.append(Group(id=key, slices=_slices(part), baselines=_baselines(part)))
    return Summary(
        rows=len(rows),
        unmapped=len(unmapped),
        suspect=len(rows) - len(counted),
        above_ceiling=sum(row.measured_tokens_per_s > row.ceiling_tokens_per_s for row in rows),
        predicted_above_ceiling=sum(row.predicted_tokens_per_s > row.ceiling_tokens_per_s * (1 + 1e-9) for row in rows),
        groups=tuple(groups),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def group_tables(group: Group) -> list[display.Block]:
    """The slices of a group, and its baselines below."""
    cells = [
        (
            one.name,
            str(one.rows),
            _percent(one.median_error),
            _percent(one.p90_error),
            f"{100 * one.bias:+.1f}",
            f"{100 * one.coverage:.0f}",
        )
        for one in group.slices
    ]
    cells += [
        (
            "bandwidth / file size" + ("" if one.factor == 1 else f" x {one.factor:g}"),
            str(one.rows),
            _percent(one.median_error),
            _percent(one.p90_error),
            "",
            "",
        )
        for one in group.baselines
    ]
    headers = ("rows", "n", "median error %", "90th percentile %", "bias %", "in 80 % interval %")
    return [display.Heading(group.name), display.Table(headers, cells, "lrrrrr")]


def blocks(accuracy: Accuracy, *, worst: int = 0) -> list[display.Block]:
    """The report: counts, a table for each group, what was left out, and the rows that are furthest off."""
    s = accuracy.summary
    counts = f"{s.rows} rows predicted ({accuracy.how}); {s.suspect} of them suspect and not in the tables"
    counts += f"; {s.unmapped} rows without a prediction; {s.above_ceiling} measured above their ceiling."
    shown: list[display.Block] = [display.Heading("Predicted against measured speed"), display.Text(counts)]
    for group in s.groups:
        shown += group_tables(group)
    if accuracy.unmapped:
        reasons: dict[str, int] = {}
        for one in accuracy.unmapped:
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
        ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        shown += [
            display.Heading("Rows without a prediction"),
            display.Table(("rows", "reason"), [(str(n), reason) for reason, n in ranked], "rl"),
        ]
    if worst > 0:
        shown += _worst(accuracy.rows, worst)
    return shown


def _worst(rows: Iterable[AccuracyRow], count: int) -> list[display.Block]:
    def distance(row: AccuracyRow) -> float:
        return abs(math.log(row.predicted_tokens_per_s / row.measured_tokens_per_s))

    furthest = sorted((row for row in rows if not row.suspect), key=distance, reverse=True)[:count]
    cells = [
        (
            row.id,
            row.test,
            row.device,
            row.model,
            row.quant,
            str(row.context_depth),
            f"{row.measured_tokens_per_s:.4g}",
            f"{row.predicted_tokens_per_s:.4g}",
            f"{100 * row.error:+.0f}",
        )
        for row in furthest
    ]
    headers = ("id", "test", "device", "model", "quant", "depth", "measured", "predicted", "error %")
    return [display.Heading("Furthest off"), display.Table(headers, cells, "lllllrrrr")]
