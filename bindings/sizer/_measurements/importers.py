"""Measurements out of whatever wrote them: the format is found by content, or named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import _core
from .._errors import DataError, UnknownNameError
from . import llama_bench, vllm_bench
from .imported import Imported, checked_overrides
from .row import COLUMNS, REQUIRED, csv_records, read_bounded, rows_of_text

#: The library's own table (see ``row``).
TABLE = "measurements-csv"
#: The formats that are read.
FORMATS = (
    *(f"llama-bench-{name}" for name in llama_bench.FORMATS),
    *(f"vllm-{name}" for name in vllm_bench.FORMATS),
    TABLE,
)


def detect_format(text: str, name: str = "") -> str | None:
    """The format of a text, by its content; None when it is none of ``FORMATS``. ``name`` is its file's."""
    found = llama_bench.detect(text)
    if found is not None:
        return f"llama-bench-{found}"
    found = vllm_bench.detect(text)
    if found is not None:
        return f"vllm-{found}"
    try:
        _, header = next(csv_records(text[:65536].split("\n", 1)[0], name or "text"), (1, []))
    except DataError:
        return None
    return TABLE if set(REQUIRED) <= {cell.strip() for cell in header} else None


def import_measurements(
    text: str,
    *,
    format: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    file: str = "text",
) -> Imported:
    """The measurements of a benchmark's output.

    format     one of ``FORMATS``; None: by its content
    device     the device that ran it, where the output does not name it or names it badly
    overrides  fields of MeasuredRow that the caller knows better
    file       its name, for messages and the rows' source

    Raises DataError for a text of no known format or one that breaks its format, UnknownNameError for an unknown
    ``format`` or override, InvalidValueError when device or model is not known.
    """
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", str(format), _core.nearest_names(str(format), FORMATS) or FORMATS)
    chosen = format or detect_format(text, file)
    if chosen is None:
        raise DataError(file, "", f"got a text of no known format, expected one of {', '.join(FORMATS)}")
    kind, _, own = chosen.partition("-")
    if chosen == TABLE:
        given = {name: value for name, value in checked_overrides(overrides).items() if name in COLUMNS}
        if device is not None:
            given["device"] = device
        rows = tuple(row.replace(**given) if given else row for row in rows_of_text(text, file))
        return Imported(format=TABLE, rows=rows, left_out=())
    if kind == "vllm":
        return vllm_bench.read_vllm_bench(text, format=own, device=device, overrides=overrides, file=file)
    own = chosen.rpartition("-")[2]
    return llama_bench.read_llama_bench(text, format=own, device=device, overrides=overrides, file=file)


def import_file(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Imported:
    """The measurements of a file (see ``import_measurements``). Raises DataError when it cannot be read."""
    return import_measurements(
        read_bounded(path), format=format, device=device, overrides=overrides, file=Path(path).name
    )
