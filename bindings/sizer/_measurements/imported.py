"""What the readers of benchmark output share: their result, the fields a caller may set, and checked numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import _core
from .._errors import DataError, UnknownNameError
from .._records import Row
from .row import COLUMNS, LARGEST_COUNT, LARGEST_FILE, MeasuredRow, checked_row

#: Largest number of tests that one output may have.
MOST_TESTS = 100_000


@dataclass(frozen=True, kw_only=True)
class LeftOutTest(Row):
    """A test of an output that gives no row: where it stands there, and why."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Imported(Row):
    """What an output of a benchmark gives.

    format    the name of its format
    rows      one measurement a test
    left_out  tests that are none, such as prefill and decode in one figure
    """

    format: str
    rows: tuple[MeasuredRow, ...]
    left_out: tuple[LeftOutTest, ...]


def checked_overrides(overrides: Mapping[str, Any] | None, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """Fields of MeasuredRow, and those named beside them, that the caller states. Raises UnknownNameError."""
    known = [*(field.name for field in fields(MeasuredRow)), *extra]
    given = dict(overrides or {})
    for name in given:
        if name not in known:
            raise UnknownNameError("overrides", str(name), _core.nearest_names(str(name), known) or known)
    return {name: value for name, value in given.items() if value is not None}


def finished(values: Mapping[str, Any], overrides: Mapping[str, Any], file: str, where: str, id: str) -> MeasuredRow:
    """A row of what an output says and the caller overrides, checked like a line of a CSV. Raises DataError."""
    merged = {**values, **{name: value for name, value in overrides.items() if name in COLUMNS}}
    texts = {name: "" if value is None else _text(value) for name, value in merged.items()}
    return checked_row(texts, file, where, id)


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def bounded(text: str, file: str) -> str:
    """The text, unless it is larger than any output. Raises DataError."""
    if len(text) > LARGEST_FILE:
        raise DataError(file, "", f"got {len(text)} characters, expected at most {LARGEST_FILE}")
    return text


def number(record: Mapping[str, Any], key: str, file: str, where: str) -> float | None:
    """A finite number of at least 0 under a key, None when it is missing. Raises DataError."""
    value = record.get(key)
    if value is None or value == "":
        return None
    try:
        result = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result) or result < 0:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        raise DataError(file, f"{where}, {key}", f"got {shown}, expected a number of at least 0")
    return result


def count(record: Mapping[str, Any], key: str, file: str, where: str) -> int:
    """A whole number under a key, 0 when it is missing. Raises DataError."""
    value = number(record, key, file, where) or 0.0
    if value > LARGEST_COUNT or value != int(value):
        raise DataError(file, f"{where}, {key}", f"got {value:g}, expected an integer of 0 to {LARGEST_COUNT}")
    return int(value)


def needed(record: Mapping[str, Any], key: str, file: str, where: str) -> float:
    """A finite number above 0 under a key. Raises DataError."""
    value = number(record, key, file, where)
    if value is None or value == 0:
        raise DataError(
            file, f"{where}, {key}", f"got {'nothing' if value is None else '0'}, expected a number above 0"
        )
    return value


def words(record: Mapping[str, Any], key: str) -> str:
    """The text under a key, empty when it is missing."""
    value = record.get(key)
    return "" if value is None else " ".join(str(value).split())[:4096]
