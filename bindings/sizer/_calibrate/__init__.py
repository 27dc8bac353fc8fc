"""A machine calibrated by its own runs."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .. import _core
from .._arguments import described, names_the_nearest
from .._catalogue import as_hardware
from .._errors import DataError, WrongTypeError
from .._hardware import Hardware
from .._measurements import MeasuredRow
from .choose import Named, Usable, usable_rows
from .files import checked_machine_output, read_measurements, write_machine
from .result import Calibrated, CalibratedInterval, CalibratedRow, CalibrationErrors, LeftOutRow, Offset

__all__ = ["Calibrated", "calibrate"]

#: A row, a file of rows, or several of both.
Rows = str | os.PathLike[str] | MeasuredRow | Sequence["str | os.PathLike[str] | MeasuredRow"]

#: The parts of a step in words, in the order of a report.
_PARTS = {
    "weights": "decode, reading weights",
    "arithmetic": "decode, unpacking weights",
    "cache": "decode, reading the KV cache",
    "attention": "decode, attention",
    "latency": "decode, what each layer costs",
    "batch": "decode, further sequences of a batch",
    "matrices": "prefill, matrix products",
    "prefill_attention": "prefill, attention",
    "prefill_traffic": "prefill, reading and writing memory",
}
#: Digits of a logarithm that are kept; more than rows can tell.
_DIGITS = 4
_LONGEST_NOTE = 300


def _given(rows: Any, fallback: str | None) -> tuple[list[Named], list[LeftOutRow]]:
    """The rows of everything that was given, and the tests of files that are none."""
    items = [rows] if isinstance(rows, (str, os.PathLike, MeasuredRow)) else rows
    if not isinstance(items, Iterable):
        raise WrongTypeError("rows", described(rows), "paths of files, or measured rows")
    named: list[Named] = []
    left: list[LeftOutRow] = []
    for item in items:
        if isinstance(item, MeasuredRow):
            named.append(Named(f"row {item.id}", item))
            continue
        found = read_measurements(item, fallback=fallback)
        name = Path(item).name
        named += [Named(f"{name} row {row.id}", row) for row in found.rows]
        left += [LeftOutRow(where=f"{name} {one.where}", reason=one.reason) for one in found.left_out]
    return named, left


def _solve(rows: Sequence[Usable]) -> dict[str, Any]:
    numbers: dict[tuple[str, str], int] = {}
    series = []
    for one in rows:
        assert one.resolved.model is not None and one.resolved.quant is not None
        series.append(numbers.setdefault((one.resolved.model.id, one.resolved.quant), len(numbers)))
    seconds = [one.answer["produced"] / one.resolved.row.tokens_per_s for one in rows]
    return _core.calibrate_machine([one.answer["machine_row"] for one in rows], seconds=seconds, series=series)


def _row(one: Usable, before: float, after: float, held_out: float) -> CalibratedRow:
    row, produced = one.resolved.row, one.answer["produced"]
    assert one.resolved.model is not None and one.resolved.quant is not None
    return CalibratedRow(
        where=one.where,
        test=row.test,
        model=row.model,
        model_id=one.resolved.model.id,
        quant=one.resolved.quant,
        context_depth=row.context_depth,
        batch=one.resolved.batch,
        measured_tokens_per_s=row.tokens_per_s,
        before_tokens_per_s=produced / before,
        after_tokens_per_s=produced / after,
        held_out_tokens_per_s=produced / held_out,
    )


def _errors(rows: Sequence[CalibratedRow]) -> tuple[CalibrationErrors, ...]:
    found = []
    for test in ("tg", "pp"):
        part = [row for row in rows if row.test == test]
        if not part:
            continue

        def median(name: str, part: Sequence[CalibratedRow] = part) -> float:
            return float(statistics.median(abs(row[name] / row.measured_tokens_per_s - 1) for row in part))

        found.append(
            CalibrationErrors(
                test=test,
                rows=len(part),
                before=median("before_tokens_per_s"),
                after=median("after_tokens_per_s"),
                held_out=median("held_out_tokens_per_s"),
            )
        )
    return tuple(found)


def _offsets(solved: dict[str, Any]) -> tuple[Offset, ...]:
    found = []
    for part, name in _PARTS.items():
        offset = round(solved["calibration"][part], _DIGITS)
        before, after = solved["parts"][part]
        if offset and before > 0:
            found.append(Offset(part=part, name=name, share=before, times=after / before, offset=offset))
    return tuple(sorted(found, key=lambda one: -abs(math.log(one.times)) * one.share))


def _note(rows: Sequence[Usable]) -> str:
    """What was measured, when: a line that estimates repeat."""
    models = sorted({one.resolved.model.id for one in rows if one.resolved.model is not None})
    named = ", ".join(models[:6]) + (f" and {len(models) - 6} more" if len(models) > 6 else "")
    return f"{time.strftime('%Y-%m-%d')}: {named}"[:_LONGEST_NOTE]


def _calibration(solved: dict[str, Any], engine: str, note: str) -> dict[str, Any]:
    """The object of the machine's file."""
    own = solved["calibration"]
    numbers = {name: round(own[name], _DIGITS) for name in own if not name.startswith("n_")}
    kept = {name: value for name, value in numbers.items() if value}
    return {**kept, **{name: own[name] for name in own if name.startswith("n_")}, "engine": engine, "note": note}


def _nothing_left(named: Sequence[Named], left: Sequence[LeftOutRow]) -> DataError:
    reasons = Counter(one.reason for one in left)
    why = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) or "there are none"
    return DataError(named[0].row.source or "rows" if named else "rows", "", f"no row to calibrate by: {why}")


@names_the_nearest
def calibrate(
    rows: Rows,
    hardware: Hardware | str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
) -> Calibrated:
    """Calibrates a machine by its own runs, so that its estimates meet what it was seen to do.

    rows      a file or several (llama-bench's md, csv, json, jsonl or sql, the JSON of ``vllm bench``, or the library's
              own table as csv or jsonl), MeasuredRow objects, or both
    hardware  the machine that ran them: a Hardware, a name, a machine's file or a profile of ``sizer measure``, whose
              measured rates stay; None: the device that the rows name. An older calibration of it is replaced
    output    the machine's file to write, which estimates take as hardware; nothing but a machine's file is replaced

    One offset is found for each part of a step that the rows can tell: one row moves the machine little, rows of many
    models move it to where they agree. Rows of several devices, of another backend or device, and suspect ones are left
    out with the reason. Raises DataError, InvalidValueError, UnknownNameError, WrongTypeError.
    """
    target = None if output is None else checked_machine_output(output)
    chosen = None if hardware is None else as_hardware(hardware)
    named, left = _given(rows, None if chosen is None else chosen.device_name)
    if not named:
        raise _nothing_left(named, left)
    machine, usable, contradicting = usable_rows(named, chosen)
    left += contradicting
    if not usable:
        raise _nothing_left(named, left)
    solved = _solve(usable)
    found = tuple(
        _row(one, *times)
        for one, *times in zip(usable, solved["before_s"], solved["after_s"], solved["held_out_s"], strict=True)
    )
    engines = Counter(one.resolved.engine for one in usable)
    engine = engines.most_common(1)[0][0]
    engine = "llama.cpp" if engine == "unknown" else engine
    entry = machine.to_dict()
    entry["devices"][0]["calibration"] = _calibration(solved, engine, _note(usable))
    entry = Hardware.from_dict(entry).to_dict()  # as the reader takes it
    if target is not None:
        write_machine(entry, target)
    own = solved["calibration"]
    return Calibrated(
        entry=entry,
        engine=engine,
        rows=found,
        left_out=tuple(left),
        offsets=_offsets(solved),
        errors=_errors(found),
        intervals=tuple(
            CalibratedInterval(test=test, low=own[f"{name}_low"], high=own[f"{name}_high"])
            for test, name in (("tg", "decode"), ("pp", "prefill"))
            if own[f"{name}_low"] > 0
        ),
        output=None if target is None else str(target),
    )
