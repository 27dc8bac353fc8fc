"""Published and own speed measurements: rows, what their names stand for, and readers of benchmark output."""

from __future__ import annotations

from .device_entries import DeviceMatch
from .devices import find_device
from .engines import Software, find_software
from .formats import FormatMatch, find_format
from .imported import Imported, LeftOutTest
from .importers import FORMATS, detect_format, import_file, import_measurements
from .llama_bench import read_llama_bench
from .models import ModelMatch, find_model
from .resolve import ResolvedRow, Step, resolve, resolve_all, step_of
from .row import MeasuredRow, NoMatch, read_rows, write_rows
from .suspects import mark_contradictions, mark_duplicates
from .vllm_bench import read_vllm_bench

__all__ = [
    "FORMATS",
    "DeviceMatch",
    "FormatMatch",
    "Imported",
    "LeftOutTest",
    "MeasuredRow",
    "ModelMatch",
    "NoMatch",
    "ResolvedRow",
    "Software",
    "Step",
    "detect_format",
    "find_device",
    "find_format",
    "find_model",
    "find_software",
    "import_file",
    "import_measurements",
    "mark_contradictions",
    "mark_duplicates",
    "read_llama_bench",
    "read_rows",
    "read_vllm_bench",
    "resolve",
    "resolve_all",
    "step_of",
    "write_rows",
]
