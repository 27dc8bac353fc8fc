"""Claims files: CSV with a header, UTF-8. Anybody may have written them, so everything is bounded and checked."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from .. import _core
from .._arguments import described
from .._errors import DataError, WrongTypeError
from .._local_file import read_text
from .records import Claim

COLUMNS = (
    *("id", "seed", "subject", "hardware", "model", "quant", "context_tokens", "quantity", "low", "high", "unit"),
    "as_stated",
)

#: Columns that a file must have; what another one says nothing about is unknown.
REQUIRED = ("id", "quantity")

_LARGEST_FILE = 4 * 1024 * 1024
_MOST_CLAIMS = 10_000
_LONGEST_CELL = 1000
_LARGEST_NUMBER = 1e15
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


def read(source: Any) -> list[Claim]:
    """Claims from a path, or from an iterable of claims and dicts. Raises DataError naming row and column."""
    if isinstance(source, (str, os.PathLike)):
        return read_csv(Path(source))
    if isinstance(source, (bytes, Mapping)) or not isinstance(source, Iterable):
        raise WrongTypeError("claims", described(source), "a path, or a list of claims or dicts")
    claims: list[Claim] = []
    for number, given in enumerate(source, 1):
        if number > _MOST_CLAIMS:
            raise DataError("claims", f"row {number}", f"got more than {_MOST_CLAIMS} claims, expected at most that")
        one = {column: getattr(given, column) for column in COLUMNS} if isinstance(given, Claim) else given
        if not isinstance(one, Mapping):
            raise WrongTypeError("claims", described(one), "a claim or a dict")
        for key in one:
            if key not in COLUMNS:
                near = _core.nearest_names(str(key)[:_LONGEST_CELL], COLUMNS)
                hint = f"; nearest: {near[0]}" if near else ""
                raise DataError("claims", f"row {number}", f"got the column {described(key)}, which no claim has{hint}")
        cells = {column: _cell("claims", number, column, one.get(column)) for column in COLUMNS}
        claims.append(_claim("claims", number, cells))
    return _unique("claims", claims)


def read_csv(path: Path) -> list[Claim]:
    """The claims of a file. Rows count from 1, which is the header."""
    name = str(path)
    content = read_text(path, _LARGEST_FILE, "a claims file")
    if "\0" in content:
        raise DataError(name, f"byte {content.index(chr(0))}", "got a null character, expected text")
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    claims: list[Claim] = []
    header: list[str] | None = None
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            if header is None:
                header = _header(name, row)
                continue
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(name, f"row {number}", f"got {len(row)} cells, expected {len(header)} as in the header")
            if len(claims) == _MOST_CLAIMS:
                raise DataError(name, f"row {number}", f"got more than {_MOST_CLAIMS} claims, expected at most that")
            cells = dict(zip(header, row, strict=True))
            claims.append(_claim(name, number, {c: _cell(name, number, c, cells.get(c)) for c in COLUMNS}))
    except csv.Error as error:
        raise DataError(name, f"row {number + 1}", f"got what is no CSV ({error}), expected quoted cells") from None
    if header is None:
        raise DataError(name, "row 1", "got an empty file, expected a header")
    return _unique(name, claims)


def _header(name: str, row: list[str]) -> list[str]:
    header = [cell.strip() for cell in row]
    for column in COLUMNS:
        if header.count(column) > 1:
            raise DataError(name, "row 1", f"got more than one column '{column}', expected " + ", ".join(COLUMNS))
        if column in REQUIRED and column not in header:
            raise DataError(name, "row 1", f"got no column '{column}', expected " + ", ".join(COLUMNS))
    return header


def _fail(name: str, row: int, column: str, got: str, expected: str) -> NoReturn:
    raise DataError(name, f"row {row}, column {column}", f"got {got}, expected {expected}")


def _cell(name: str, row: int, column: str, value: Any) -> str:
    """A cell as text."""
    if value is None:
        return ""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        value = int(value)
    if isinstance(value, (int, float)) or hasattr(value, "__float__"):
        if column not in ("low", "high", "context_tokens", "seed", "id"):
            _fail(name, row, column, described(value), "text")
        try:
            value = repr(float(value)) if column in ("low", "high") else str(value)
        except (OverflowError, ValueError, TypeError):
            _fail(name, row, column, described(value), "a number")
    if not isinstance(value, str):
        _fail(name, row, column, described(value), "text")
    if len(value) > _LONGEST_CELL:
        _fail(name, row, column, f"{len(value)} characters", f"at most {_LONGEST_CELL}")
    cell = value.strip()
    if not cell.isprintable():
        _fail(name, row, column, ascii(cell[:40]), "text that can be printed")
    return cell


def _number(name: str, row: int, column: str, cell: str) -> float | None:
    if not cell:
        return None
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    if not (0 <= value <= _LARGEST_NUMBER):
        _fail(name, row, column, repr(cell[:40]), f"a number from 0 to {_LARGEST_NUMBER:g}, or nothing")
    return value


def _claim(name: str, row: int, cells: Mapping[str, str]) -> Claim:
    for column in ("id", "quantity"):
        if not cells[column]:
            _fail(name, row, column, "nothing", "a name")
    low, high = (_number(name, row, column, cells[column]) for column in ("low", "high"))
    if low is not None and high is not None and low > high:
        _fail(name, row, "high", cells["high"], f"at least low ({cells['low']})")
    tokens = cells["context_tokens"]
    if tokens and (not re.fullmatch(r"\d{1,12}", tokens) or int(tokens) == 0):
        _fail(name, row, "context_tokens", repr(tokens[:40]), "a number of tokens from 1, or nothing")
    texts = {column: cells[column] for column in COLUMNS if column not in ("low", "high", "context_tokens")}
    return Claim(**texts, low=low, high=high, context_tokens=int(tokens) if tokens else None)


def _unique(name: str, claims: list[Claim]) -> list[Claim]:
    seen: set[str] = set()
    for one in claims:
        if one.id in seen:
            raise DataError(name, "column id", f"got {one.id!r} twice, expected each id once")
        seen.add(one.id)
    return claims
