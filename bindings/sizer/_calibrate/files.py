"""Files of rows and of machines: read, checked, written in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import _core
from .._arguments import described
from .._catalogue import PROFILE_FORMAT, read_text
from .._errors import DataError, InvalidValueError, SizerError, WrongTypeError
from .._local_file import checked_output, replace
from .._measurements import Imported, MeasuredRow, import_measurements, write_rows
from .._measurements.imported import MOST_TESTS
from .._measurements.importers import detect_format
from .._measurements.row import COLUMNS, REQUIRED, checked_row, read_bounded

#: The format of rows that ``sizer calibrate import -o rows.jsonl`` writes: an object of MeasuredRow's fields a line.
ROWS_JSONL = "measurements-jsonl"

PathLike = str | os.PathLike[str]


# --- rows -------------------------------------------------------------------------------------------------------------


def _is_rows_jsonl(text: str) -> bool:
    first = next((line for line in text[:65536].splitlines() if line.strip()), "")
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and set(REQUIRED) <= set(record)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _read_rows_jsonl(text: str, file: str, device: str | None) -> Imported:
    rows: list[MeasuredRow] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if len(rows) >= MOST_TESTS:
            raise DataError(file, f"line {number}", f"got more than {MOST_TESTS} rows")
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(file, f"line {number}", f"is no JSON: {error}") from None
        if not isinstance(record, dict):
            raise DataError(file, f"line {number}", f"got {type(record).__name__}, expected an object")
        nested = next((name for name in COLUMNS if isinstance(record.get(name), (dict, list, bool))), None)
        if nested is not None:
            raise DataError(file, f"line {number}", f"got {described(record[nested])} for {nested}, expected a value")
        values = {name: _cell(record.get(name)) for name in COLUMNS}
        if device is not None:
            values["device"] = device
        rows.append(checked_row(values, file, f"line {number}", str(number)))
    return Imported(format=ROWS_JSONL, rows=tuple(rows), left_out=())


def _read(text: str, file: str, device: str | None) -> Imported:
    if detect_format(text, file) is None and _is_rows_jsonl(text):
        return _read_rows_jsonl(text, file, device)
    return import_measurements(text, device=device, file=file)


def read_measurements(path: PathLike, *, device: str | None = None, fallback: str | None = None) -> Imported:
    """The rows of a file of any format that can be read.

    device    the device that ran it, whatever the file says
    fallback  the device that ran it, where the file does not say

    Raises DataError, and InvalidValueError when nothing names the device or the model.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongTypeError("rows", described(path), "a path or a measured row")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise InvalidValueError("rows", repr(path), "the name of a file")
    where = Path(path).expanduser()
    text = read_bounded(where)
    if not text.strip():
        raise DataError(str(where), "", "got nothing, expected measurements")
    try:
        return _read(text, where.name, device)
    except InvalidValueError as error:
        if error.field != "device" or device is not None or fallback is None:
            raise
    return _read(text, where.name, fallback)


def _is_rows_file(path: Path) -> bool:
    try:
        text = read_bounded(path)
    except DataError:
        return False
    return detect_format(text, path.name) == "measurements-csv" or _is_rows_jsonl(text)


def write_measurements(rows: Iterable[MeasuredRow], path: PathLike) -> Path:
    """Writes rows as .csv or .jsonl, as the name ends. Replaces nothing but such a file. Raises InvalidValueError."""
    target = checked_output(path, _is_rows_file, "one with rows of measurements")
    if target.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidValueError("output", repr(str(path)), "a name that ends in .csv or .jsonl")
    if target.suffix.lower() == ".csv":
        write_rows(rows, target)
        return target
    lines = "".join(json.dumps({name: row[name] for name in COLUMNS}, allow_nan=False) + "\n" for row in rows)
    replace(target, lines.encode("ascii"))
    return target


# --- machines ---------------------------------------------------------------------------------------------------------


def _is_machine_file(path: Path) -> bool:
    """Whether a file is an entry of a machine and nothing more; a profile holds runs that would be lost."""
    try:
        text = read_text(path)
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") == PROFILE_FORMAT:
            return False
        _core.Machine.from_json(text, path.name)
    except (ValueError, RecursionError, SizerError):
        return False
    return True


def checked_machine_output(path: PathLike) -> Path:
    """The file that a machine may be written to."""
    return checked_output(path, _is_machine_file, "one with a machine")


def write_machine(entry: Mapping[str, Any], target: Path) -> None:
    """Writes the entry in one step. Raises InvalidValueError."""
    content = json.dumps(entry, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    replace(target, content.encode("ascii"))
