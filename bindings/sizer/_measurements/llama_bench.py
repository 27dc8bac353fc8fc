"""Output of llama.cpp's llama-bench as measurements: its tables (md), csv, json, jsonl and sql.

Field names as tools/llama-bench writes them (builds of 2023 to 2026): older builds have a yes or no for each backend
instead of ``backends``, no ``n_ubatch``, ``n_depth`` and ``flash_attn``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from .._errors import DataError, InvalidValueError
from .imported import (
    MOST_TESTS,
    Imported,
    LeftOutTest,
    bounded,
    checked_overrides,
    count,
    finished,
    needed,
    number,
    words,
)
from .model_name import parse as parse_model
from .row import MeasuredRow, csv_records

_GIB = 1024**3
#: Fields that every llama-bench record has.
SIGNATURE = ("model_filename", "n_prompt", "n_gen", "avg_ts")
#: Yes-or-no fields of older builds, by the backend they name.
_OLD_BACKENDS = {
    "cuda": "CUDA", "hipblas": "ROCm", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal", "sycl": "SYCL",
    "opencl": "OpenCL", "kompute": "Vulkan", "rpc": "RPC",
}  # fmt: skip
_PROCESSORS = frozenset(["cpu", "blas", "openblas", "accelerate", "mkl", "zdnn", "amx"])
#: Options that change a speed, by the name that notes have for them; with their defaults, which are left out.
_OPTIONS = (
    ("flash_attn", "fa", ("0", "")), ("n_ubatch", "ub", ("512", "")), ("n_batch", "b", ("2048", "512", "")),
    ("n_threads", "threads", ("",)), ("type_k", "type_k", ("f16", "")), ("type_v", "type_v", ("f16", "")),
    ("n_cpu_moe", "n_cpu_moe", ("0", "")), ("no_kv_offload", "nkvo", ("0", "false", "")),
    ("split_mode", "sm", ("layer", "")), ("tensor_split", "ts", ("0.00", "0", "")),
    ("tensor_buft_overrides", "ot", ("none", "")),
    ("use_mmap", "mmap", ("1", "true", "")), ("devices", "dev", ("auto", "")),
)  # fmt: skip
_TYPE = re.compile(
    r"^(?P<name>\S.*?\s(?:\d+x)?\??\d*(?:\.\d+)?[BMT?](?:\.A[\d.]+B)?)(?:\s+(?:mostly\s+)?(?P<quant>\S.*))?$"
)
_FORMAT_OF_FILE = re.compile(r"(?i)(?<![a-z0-9])((?:ud-|i1-)?(?:iq\d_\w+|q\d_\w+|mxfp4\w*|nvfp4))(?:-\d{5}-of-\d{5})?$")

Record = Mapping[str, Any]


def _records_of_csv(text: str, file: str) -> Iterator[tuple[str, Record]]:
    records = csv_records(text, file)
    header: list[str] = []
    for line, cells in records:
        names = [cell.strip() for cell in cells]
        if "model_filename" in names and "avg_ts" in names:
            header = names
            continue
        if not header or len(cells) != len(header):
            continue  # what else the program printed
        yield f"line {line}", dict(zip(header, cells, strict=True))


def _records_of_json(text: str, file: str) -> Iterator[tuple[str, Record]]:
    start = min((text.find(mark) for mark in ("[\n", "[ ", "[{", "[") if mark in text), default=-1)
    try:
        found, _ = json.JSONDecoder().raw_decode(text[max(start, 0) :])
    except (ValueError, RecursionError) as error:
        raise DataError(file, "", f"is no JSON: {error}") from None
    if not isinstance(found, list):
        raise DataError(file, "", f"got {type(found).__name__}, expected a list of tests")
    for index, record in enumerate(found):
        if not isinstance(record, dict):
            raise DataError(file, f"/{index}", f"got {type(record).__name__}, expected an object")
        yield f"/{index}", record


def _records_of_jsonl(text: str, file: str) -> Iterator[tuple[str, Record]]:
    for index, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("{"):
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(file, f"line {index}", f"is no JSON: {error}") from None
        if isinstance(record, dict):
            yield f"line {index}", record


_INSERT = re.compile(r"INSERT\s+INTO\s+(?:llama_bench|test)\s*\(([^()]{1,20000})\)\s*VALUES\s*\(", re.IGNORECASE)
_VALUE = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^,()';]*))\s*([,)])")


def _records_of_sql(text: str, file: str) -> Iterator[tuple[str, Record]]:
    for index, found in enumerate(_INSERT.finditer(text), start=1):
        names = [name.strip() for name in found.group(1).split(",")]
        values: list[str] = []
        place = found.end()
        while True:
            value = _VALUE.match(text, place)
            if value is None or len(values) > len(names):
                raise DataError(file, f"statement {index}", "got values that do not end, expected one for each column")
            values.append(value.group(1).replace("''", "'") if value.group(1) is not None else value.group(2).strip())
            place = value.end()
            if value.group(3) == ")":
                break
        if len(values) != len(names):
            raise DataError(file, f"statement {index}", f"got {len(values)} values, expected {len(names)}")
        yield f"statement {index}", dict(zip(names, values, strict=True))


# --- md ---------------------------------------------------------------------------------------------------------------

_COLUMN_NAMES = {
    "model": "model_type", "backend": "backends", "ngl": "n_gpu_layers", "threads": "n_threads", "fa": "flash_attn",
    "n_batch": "n_batch", "n_ubatch": "n_ubatch", "type_k": "type_k", "type_v": "type_v", "mmap": "use_mmap",
    "sm": "split_mode", "ts": "tensor_split", "dev": "devices", "nkvo": "no_kv_offload", "ot": "tensor_buft_overrides",
    "n_cpu_moe": "n_cpu_moe", "ncmoe": "n_cpu_moe", "mg": "main_gpu",
}  # fmt: skip
_BUILD = re.compile(r"^build:\s*([0-9a-f]{6,40}|unknown)\s*\((\d+)\)", re.IGNORECASE)
_DEVICES = (
    re.compile(r"^\s*Device \d+: (?P<name>.+?)(?:, compute capability|, gfx|, VMM|$)"),
    re.compile(r"^ggml_vulkan: \d+ = (?P<name>.+?) (?:\(|\|)"),
    re.compile(r"GPU name:\s+(?P<name>.+?)\s*$"),
    re.compile(r"^\|\s*\d+\|\s*\[level_zero:gpu:\d+\]\|\s*(?P<name>.+?)\s*\|"),
)
_UNITS = {"kib": 1 / 1024**2, "mib": 1 / 1024, "gib": 1.0, "tib": 1024.0, "k": 1e-6, "m": 1e-3, "b": 1.0, "t": 1e3}


def _with_unit(text: str) -> float | None:
    found = re.match(r"\s*([\d.]+)\s*([KMGT]iB|[KMBT])\b", text, re.IGNORECASE)
    try:
        return float(found.group(1)) * _UNITS[found.group(2).lower()] if found else None
    except ValueError:
        return None


def _is_header(line: str) -> bool:
    """Whether a line begins a table of llama-bench."""
    return len(line) < 4096 and line.lstrip().startswith("|") and {"model", "test", "t/s"} <= set(_cells(line))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _records_of_md(text: str, file: str) -> Iterator[tuple[str, Record]]:
    """The lines of every table; a build that follows a table is that of its lines."""
    header: list[str] = []
    waiting: list[tuple[str, dict[str, Any]]] = []
    devices: list[str] = []
    for index, line in enumerate(text.splitlines(), start=1):
        build = _BUILD.match(line.strip().strip("`"))
        if build:
            for where, record in waiting:
                yield where, {**record, "build_commit": build.group(1), "build_number": build.group(2)}
            waiting, header, devices = [], [], []
            continue
        named = next((found for pattern in _DEVICES if (found := pattern.search(line[:1024]))), None)
        if named:
            devices.append(named.group("name").strip())
        if not line.lstrip().startswith("|"):
            continue
        cells = _cells(line)
        if _is_header(line):
            header = cells
        elif header and not set(line) <= set("|-: \t"):
            if len(cells) != len(header):
                raise DataError(file, f"line {index}", f"got {len(cells)} cells, expected {len(header)}")
            waiting.append(
                (f"line {index}", _record_of_line(dict(zip(header, cells, strict=True)), devices, file, index))
            )
            if len(waiting) > MOST_TESTS:
                raise DataError(file, f"line {index}", f"got more than {MOST_TESTS} tests")
    yield from waiting


def _record_of_line(cells: dict[str, str], devices: list[str], file: str, line: int) -> dict[str, Any]:
    record: dict[str, Any] = {_COLUMN_NAMES[name]: text for name, text in cells.items() if name in _COLUMN_NAMES}
    test = re.match(r"^(?:pp(\d+))?\+?(?:tg(\d+))?(?:\s*@\s*d(\d+))?$", cells["test"].replace(" ", "", 1).strip())
    if not test or not cells["test"]:
        raise DataError(
            file, f"line {line}, test", f"got '{cells['test'][:40]}', expected pp512, tg128 or tg128 @ d4096"
        )
    speed = re.match(r"^([\d.]+)\s*(?:(?:\u00b1|\+/-|\+-)\s*([\d.]+))?$", cells["t/s"])
    if not speed:
        raise DataError(file, f"line {line}, t/s", f"got '{cells['t/s'][:40]}', expected 38.12 \u00b1 0.55")
    record["n_prompt"], record["n_gen"], record["n_depth"] = (group or "0" for group in test.groups())
    record["avg_ts"], record["stddev_ts"] = speed.groups()
    size, params = _with_unit(cells.get("size", "")), _with_unit(cells.get("params", ""))
    record["model_size"] = None if size is None else size * _GIB
    record["model_n_params"] = None if params is None else params * 1e9
    record["gpu_info"] = ", ".join(devices)
    return record


_READERS = {
    "csv": _records_of_csv,
    "json": _records_of_json,
    "jsonl": _records_of_jsonl,
    "sql": _records_of_sql,
    "md": _records_of_md,
}
FORMATS = tuple(_READERS)


def detect(text: str) -> str | None:
    """Which of llama-bench's formats a text is in; None when in none of them."""
    head = text[:65536]
    if _INSERT.search(head) and "model_filename" in head:
        return "sql"
    if any(_is_header(line) for line in text[: 4 * 1024 * 1024].splitlines()):
        return "md"
    named = all(f'"{name}"' in head for name in SIGNATURE)
    if named and re.search(r"^\s*\{", head, re.MULTILINE) and not re.search(r"^\s*\[", head, re.MULTILINE):
        return "jsonl"
    if named:
        return "json"
    if re.search(r"^\"?build_commit\"?,.*avg_ts", head, re.MULTILINE):
        return "csv"
    return None


def _backends(record: Record) -> str:
    stated = words(record, "backends")
    if stated:
        return stated
    return ",".join(name for key, name in _OLD_BACKENDS.items() if str(record.get(key, "")).lower() in ("1", "true"))


def _device(record: Record, device: str | None) -> tuple[str, int, str]:
    """Device, how many of them, and the backend."""
    backends = _backends(record)
    only_processor = bool(backends) and all(part.strip().lower() in _PROCESSORS for part in backends.split(","))
    no_layers = str(record.get("n_gpu_layers", "")) == "0" and not words(record, "gpu_info")
    names = [name.strip() for name in words(record, "gpu_info").split(", ") if name.strip()]
    if only_processor or (no_layers and not backends) or (not backends and not names and words(record, "cpu_info")):
        parts = [part for part in words(record, "cpu_info").split(", ") if part.lower() not in _PROCESSORS]
        name = device or (sorted(parts, key=len)[-1] if parts else "")
        return (name if "cpu" in name.lower() or not name else f"{name} (CPU)"), 1, "CPU"
    chosen = words(record, "devices")
    count = len(chosen.split("/")) if chosen not in ("", "auto", "none") else max(1, len(names))
    if words(record, "split_mode") == "none":
        count = 1
    return device or (names[0] if names else ""), count, backends


def _model(record: Record) -> tuple[str, str]:
    """Model and weight format: llama-bench's type, with what the file's name adds in a parenthesis."""
    stem = PurePath(words(record, "model_filename").replace("\\", "/")).name
    stem = re.sub(r"\.gguf$", "", stem, flags=re.IGNORECASE)
    printed = _TYPE.match(words(record, "model_type"))
    name = printed.group("name") if printed else words(record, "model_type")
    quant = (printed.group("quant") or "") if printed else ""
    of_file = _FORMAT_OF_FILE.search(stem)
    if of_file and (not quant or re.match(r"(?i)ud-|.*_(?:xl|l)$", of_file.group(1))):
        quant = of_file.group(1)
    speaking = parse_model(stem)
    if stem and speaking.words and not re.fullmatch(r"(?i)(?:ggml-)?model.*", stem):
        name = f"{name} ({stem})" if name else stem
    return name, quant


def _notes(record: Record, test: str) -> str:
    parts = [test]
    for key, label, defaults in _OPTIONS:
        value = words(record, key)
        if key == "flash_attn":
            value = {"true": "1", "false": "0", "-1": "auto"}.get(value.lower(), value)
        if value.lower() not in defaults:
            parts.append(f"{label}={value}")
    return "; ".join(parts)


def _row(
    record: Record, device: str | None, given: Mapping[str, Any], file: str, where: str, id: str
) -> MeasuredRow | LeftOutTest:
    prompt = count(record, "n_prompt", file, where)
    generated = count(record, "n_gen", file, where)
    if prompt and generated:
        return LeftOutTest(where=where, reason=f"pp{prompt}+tg{generated}: prefill and decode in one figure")
    if not prompt and not generated:
        return LeftOutTest(where=where, reason="neither a prompt nor an answer")
    name, devices, backend = _device(record, device)
    if not name and "device" not in given:
        raise InvalidValueError("device", "nothing", f"the device that ran it: {file} does not name it at {where}")
    model, quant = _model(record)
    size, params = number(record, "model_size", file, where), number(record, "model_n_params", file, where)
    commit, build = words(record, "build_commit"), words(record, "build_number")
    layers = words(record, "n_gpu_layers")
    notes = _notes(record, f"pp{prompt}" if prompt else f"tg{generated}")
    if layers == "0" and backend != "CPU":
        notes += "; ngl=0"
    values = {
        "device": name,
        "device_count": devices,
        "backend": backend,
        "engine": "llama.cpp",
        "engine_version": f"{commit} ({build})" if build and build != "0" else commit,
        "model": model,
        "quant": quant,
        "file_size_gib": size / _GIB if size else None,
        "params_b": params / 1e9 if params else None,
        "test": "pp" if prompt else "tg",
        "context_depth": count(record, "n_depth", file, where),
        "tokens_per_s": needed(record, "avg_ts", file, where),
        "stddev": number(record, "stddev_ts", file, where),
        "source": file,
        "source_kind": "llama-bench",
        "notes": notes,
    }
    return finished(values, given, file, where, id)


def read_llama_bench(
    text: str,
    *,
    format: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    file: str = "llama-bench",
) -> Imported:
    """The tests of an output of llama-bench.

    format     md, csv, json, jsonl or sql; None: by its content
    device     the device that ran it; None: as the output names it
    overrides  fields of MeasuredRow that the caller knows better (memory_bandwidth_spec_gbs, source, ...)
    file       its name, for messages and the rows' source

    A test of prefill and decode in one figure is left out, with the reason. Raises DataError for a text that breaks the
    format, InvalidValueError when nothing names the device.
    """
    given = checked_overrides(overrides)
    chosen = format or detect(bounded(text, file))
    if chosen not in _READERS:
        known = ", ".join(FORMATS)
        raise DataError(file, "", f"got no output of llama-bench, expected one of its formats: {known}")
    rows: list[MeasuredRow] = []
    left_out: list[LeftOutTest] = []
    for index, (where, record) in enumerate(_READERS[chosen](bounded(text, file), file), start=1):
        if index > MOST_TESTS:
            raise DataError(file, where, f"got more than {MOST_TESTS} tests")
        row = _row(record, device, given, file, where, str(index))
        if isinstance(row, MeasuredRow):
            rows.append(row)
        else:
            left_out.append(row)
    if not rows and not left_out:
        raise DataError(file, "", f"got no test, expected llama-bench's {chosen} output")
    return Imported(format=f"llama-bench-{chosen}", rows=tuple(rows), left_out=tuple(left_out))
