"""One measured speed as its source printed it, and tables of them as CSV."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from .._errors import DataError
from .._local_file import read_text, replace
from .._records import Row

#: Largest file of measurements that is read, in bytes.
LARGEST_FILE = 64 * 1024 * 1024
#: Longest text of a cell, in characters.
LONGEST_TEXT = 16_384
#: What of a name and of notes is looked at: longer ones are no names, and hostile ones take no time.
LOOKED_AT, NOTES_LOOKED_AT = 300, 2_000
#: Largest count (devices, sequences, tokens) that a row may state.
LARGEST_COUNT = 1_000_000_000

#: What a test measures: "tg" decodes, "pp" prefills.
TESTS = ("tg", "pp")


@dataclass(frozen=True, kw_only=True)
class NoMatch(Row):
    """A printed name that stands for nothing, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class MeasuredRow(Row):
    """One measurement, every name as printed.

    device_count               devices that share the model
    memory_bandwidth_spec_gbs  specified bandwidth of one device, 10^9 bytes per second
    arch_hint                  what the source says of the architecture ("dense", "moe (1T, 32B active)")
    file_size_gib              the weights in 2^30 bytes, as printed
    params_b                   parameters in 10^9
    test                       "tg" (decode) or "pp" (prefill)
    context_depth              tokens in the cache before the test
    batch                      sequences at once; tokens_per_s is their sum
    notes                      everything else that was printed: length of the test, options, doubts
    """

    id: str
    device: str
    model: str
    test: str
    tokens_per_s: float
    device_count: int = 1
    memory_bandwidth_spec_gbs: float | None = None
    backend: str = ""
    engine: str = ""
    engine_version: str = ""
    arch_hint: str = ""
    quant: str = ""
    file_size_gib: float | None = None
    params_b: float | None = None
    context_depth: int = 0
    batch: int = 1
    stddev: float | None = None
    source: str = ""
    source_kind: str = ""
    notes: str = ""


#: The columns of a file, in the order that they are written in.
COLUMNS = (
    *("id", "device", "device_count", "memory_bandwidth_spec_gbs", "backend", "engine", "engine_version", "model"),
    *("arch_hint", "quant", "file_size_gib", "params_b", "test", "context_depth", "batch", "tokens_per_s", "stddev"),
    *("source", "source_kind", "notes"),
)
#: Columns that a file must have.
REQUIRED = ("device", "model", "test", "tokens_per_s")

#: How tables write that there is nothing.
_NOTHING = ("nan", "na", "n/a", "none", "null", "-")
_COUNTS = {"device_count": 1, "context_depth": 0, "batch": 1}
_POSITIVE = ("memory_bandwidth_spec_gbs", "file_size_gib", "params_b", "tokens_per_s")


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")


def _number(value: str, *, at_least_zero: bool) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0 or (number == 0 and not at_least_zero):
        raise ValueError(value)
    return number


def checked_row(values: Mapping[str, str], file: str, where: str, id: str) -> MeasuredRow:
    """A row of the text of its columns. Raises DataError naming file, place and column.

    values  text by column; what is missing or blank takes the default
    where   the place in the file, "row 3"
    id      the id of a row that states none
    """

    def wrong(column: str, got: str, expected: str) -> DataError:
        return DataError(file, f"{where}, column {column}", f"got {got}, expected {expected}")

    given: dict[str, object] = {"id": id}
    length = ""
    for column in COLUMNS:
        text = (values.get(column) or "").strip()
        if "\0" in text:
            raise wrong(column, "a null character", "text")
        if len(text) > LONGEST_TEXT:
            raise wrong(column, f"{len(text)} characters", f"at most {LONGEST_TEXT}")
        if not text or (column not in REQUIRED and text.lower() in _NOTHING):
            if column in REQUIRED:
                raise wrong(column, "nothing", "a value")
            continue
        if column in _COUNTS:
            try:
                count = int(text.removesuffix(".0"))  # tables that pass through pandas have 4096.0
            except ValueError:
                count = -1
            if not _COUNTS[column] <= count <= LARGEST_COUNT:
                raise wrong(column, _shown(text), f"an integer of {_COUNTS[column]} to {LARGEST_COUNT}")
            given[column] = count
        elif column in _POSITIVE or column == "stddev":
            try:
                given[column] = _number(text, at_least_zero=column == "stddev")
            except ValueError:
                least = "of at least 0" if column == "stddev" else "above 0"
                raise wrong(column, _shown(text), f"a finite number {least}") from None
        elif column == "test":
            test = text.lower()
            if test.rstrip("0123456789") not in TESTS:
                raise wrong(column, _shown(text), " or ".join(f"'{name}'" for name in TESTS))
            given[column] = test[:2]
            length = test if len(test) > 2 else ""  # llama-bench's "tg128"
        else:
            given[column] = text
    if length:
        given["notes"] = f"{length}; {given.get('notes', '')}".removesuffix("; ")
    return MeasuredRow.build(given)


def read_bounded(path: str | os.PathLike[str]) -> str:
    """The text of a file of measurements. Raises DataError for one that is too large or not UTF-8."""
    return read_text(Path(path), LARGEST_FILE, "a table of measurements")


def csv_records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV text with the line each begins in. Raises DataError."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise DataError(file, f"line {reader.line_num}", f"is no CSV: {error}") from None
        if record is None:
            return
        if any(cell.strip() for cell in record):
            yield line, record
        line = reader.line_num + 1


def rows_of_text(text: str, file: str) -> list[MeasuredRow]:
    """The rows of a CSV text whose first line names the columns. Raises DataError."""
    records = csv_records(text, file)
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise DataError(file, "line 1", f"got no column {', '.join(missing)}, expected {', '.join(REQUIRED)} at least")
    repeated = next((name for name in COLUMNS if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(file, "line 1", f"got column {repeated} {names.count(repeated)} times, expected it once")
    rows = []
    for number, (_, record) in enumerate(records, start=1):
        if len(record) > len(names):
            raise DataError(file, f"row {number}", f"got {len(record)} cells, expected {len(names)}")
        rows.append(checked_row(dict(zip(names, record, strict=False)), file, f"row {number}", str(number)))
    return rows


def read_rows(path: str | os.PathLike[str]) -> list[MeasuredRow]:
    """The measurements of a CSV file.

    The first line names the columns (``COLUMNS``, in any order): device, model, test and tokens_per_s are required,
    other columns are passed over. The id of a row that has none is its number.

    Raises DataError naming row and column.
    """
    return rows_of_text(read_bounded(path), str(path))


def _written(value: object) -> str:
    if value is None:
        return ""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def write_rows(rows: Iterable[MeasuredRow], path: str | os.PathLike[str]) -> None:
    """Writes a CSV file that ``read_rows`` gives back; in one step, so that no half of it is ever there.

    Raises InvalidValueError for a file that cannot be written.
    """
    names = {field.name for field in fields(MeasuredRow)}
    assert names == set(COLUMNS)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_written(row[name]) for name in COLUMNS] for row in rows)
    replace(Path(path), text.getvalue().encode())
