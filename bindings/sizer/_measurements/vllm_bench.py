"""Output of vLLM's benchmarks as measurements: the JSON of ``vllm bench serve``, ``throughput`` and ``latency``.

Keys as vllm/benchmarks/{serve,throughput,latency}.py write them, and benchmark_serving.py and its siblings before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .._errors import DataError, InvalidValueError
from .imported import Imported, LeftOutTest, bounded, checked_overrides, finished, needed, number, words
from .row import MeasuredRow

#: Keys that tell the three benchmarks apart.
_SIGNATURES = {
    "serve": ("output_throughput", "total_input_tokens", "total_output_tokens"),
    "throughput": ("elapsed_time", "num_requests", "tokens_per_second"),
    "latency": ("avg_latency", "latencies"),
}
FORMATS = tuple(_SIGNATURES)
#: What a caller may state beside the fields of a row, because these outputs do not.
EXTRA = ("prompt_tokens", "output_tokens")


def detect(text: str) -> str | None:
    """Which of vLLM's benchmarks wrote a text; None when none of them."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    for name, keys in _SIGNATURES.items():
        if all(re.search(rf'"{key}"\s*:', text) for key in keys):
            return name
    return None


def _documents(text: str, file: str) -> list[dict[str, Any]]:
    """One object, a list of them, or one a line (``--append-result``)."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise DataError(file, "", "is no JSON of a benchmark: it is nested too deeply") from None
    except ValueError as error:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise DataError(file, "", f"is no JSON: {error}") from None
    documents = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in documents):
        raise DataError(file, "", "got a list of other things, expected objects")
    return documents


def _common(
    record: Mapping[str, Any], device: str | None, given: Mapping[str, Any], file: str, kind: str
) -> dict[str, Any]:
    model = words(record, "model_id") or words(record, "model")
    if not model and "model" not in given:
        raise InvalidValueError("overrides", "no model", f"the model: {file} does not name it")
    if not device and "device" not in given:
        raise InvalidValueError("device", "nothing", f"the device that ran it: {file} does not name it")
    count = words(record, "tensor_parallel_size") or words(record, "tp")
    return {
        "device": device,
        "device_count": count if re.fullmatch(r"\d{1,4}", count) and count != "0" else 1,
        "engine": "vLLM",
        "engine_version": words(record, "vllm_version") or words(record, "version"),
        "model": model,
        "quant": words(record, "quantization")
        or words(record, "dtype")
        or _format_of(model or str(given.get("model", ""))),
        "source": file,
        "source_kind": f"vllm bench {kind}",
    }


def _format_of(model: str) -> str:
    """The weight format that a repository's name ends in; a checkpoint that says nothing is of 16 bits."""
    found = re.search(
        r"(?i)(?<![a-z0-9])(fp8(?:-dynamic|-static)?|awq|gptq(?:-int[48])?|nvfp4|mxfp4|int4|int8|w\d+a\d+)(?![a-z0-9])",
        model,
    )
    if found:
        return found.group(1)
    return "MXFP4" if "gpt-oss" in model.lower() else "BF16"


def _serve(record: Mapping[str, Any], base: dict[str, Any], file: str, where: str) -> list[dict[str, Any]] | str:
    completed = needed(record, "completed", file, where)
    prompt = round(needed(record, "total_input_tokens", file, where) / completed)
    answer = max(1, round(needed(record, "total_output_tokens", file, where) / completed))
    stated = number(record, "max_concurrency", file, where)
    rate = words(record, "request_rate").lower()
    if not stated and rate not in ("", "inf", "infinity"):
        return f"requests came at {rate} a second and no concurrency is stated: the rate is theirs, not the machine's"
    concurrency = max(1, round(min(stated or completed, completed)))
    lengths = f"in{prompt}/out{answer}; request_rate={rate or 'inf'}"
    per_token = number(record, "mean_tpot_ms", file, where) or number(record, "median_tpot_ms", file, where)
    decode: dict[str, Any] = {**base, "test": "tg", "batch": concurrency, "context_depth": prompt}
    if stated and per_token and rate in ("", "inf", "infinity"):
        decode["tokens_per_s"] = concurrency * 1e3 / per_token
        deviation = number(record, "std_tpot_ms", file, where)
        decode["stddev"] = None if deviation is None else decode["tokens_per_s"] * deviation / per_token
        decode["notes"] = f"decode rate (TTFT removed); {lengths}"
    else:
        decode["tokens_per_s"] = needed(record, "output_throughput", file, where)
        decode["notes"] = f"aggregate output tok/s at concurrency {concurrency}, incl. prefill; {lengths}"
    rows = [decode]
    first = number(record, "mean_ttft_ms", file, where) or number(record, "median_ttft_ms", file, where)
    if first and concurrency == 1:
        speed = prompt * 1e3 / first
        rows.append(
            {**base, "test": "pp", "tokens_per_s": speed, "notes": f"pp{prompt}; prompt over mean TTFT; {lengths}"}
        )
    return rows


def _throughput(
    record: Mapping[str, Any], base: dict[str, Any], given: Mapping[str, Any], file: str, where: str
) -> list[dict[str, Any]] | str:
    prompt, answer, batch = given.get("prompt_tokens"), given.get("output_tokens"), given.get("batch")
    if answer is None or batch is None:
        return "it states prompt and answer in one figure: output_tokens and batch (sequences at once) are needed"
    requests = needed(record, "num_requests", file, where) / needed(record, "elapsed_time", file, where)
    note = f"aggregate output tok/s, incl. prefill; in{int(prompt or 0)}/out{int(answer)}"
    return [
        {
            **base,
            "test": "tg",
            "tokens_per_s": requests * float(answer),
            "context_depth": int(prompt or 0),
            "notes": note,
        }
    ]


def _latency(
    record: Mapping[str, Any], base: dict[str, Any], given: Mapping[str, Any], file: str, where: str
) -> list[dict[str, Any]] | str:
    prompt, answer, batch = given.get("prompt_tokens"), given.get("output_tokens"), given.get("batch")
    if answer is None or batch is None:
        return "it states no lengths: output_tokens and batch are needed (the benchmark's defaults are 128 and 8)"
    seconds = needed(record, "avg_latency", file, where)
    speed = float(answer) * float(batch) / seconds
    deviation = number(record, "std_latency", file, where)
    return [
        {
            **base,
            "test": "tg",
            "tokens_per_s": speed,
            "stddev": None if deviation is None else speed * deviation / seconds,
            "context_depth": int(prompt or 0),
            "notes": f"latency of one batch, end-to-end incl. prefill; in{int(prompt or 0)}/out{int(answer)}",
        }
    ]


def read_vllm_bench(
    text: str,
    *,
    format: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    file: str = "vllm bench",
) -> Imported:
    """The measurements of an output of ``vllm bench``.

    format     serve, throughput or latency; None: by its content
    device     the device that ran it, which no output names
    overrides  fields of MeasuredRow, and ``prompt_tokens`` and ``output_tokens`` of a request; ``throughput`` and
               ``latency`` need model, output_tokens and batch, which their outputs leave out
    file       its name, for messages and the rows' source

    From ``serve`` the decode rate is that of the time per token after the first; where it is not stated, of the whole
    request. With one request at a time the prompt over the time to the first token is a prefill.

    Raises DataError for a text that breaks the format, InvalidValueError when device or model is not known.
    """
    given = checked_overrides(overrides, EXTRA)
    for name in (*EXTRA, "batch"):
        if name in given and (isinstance(given[name], bool) or not isinstance(given[name], int) or given[name] < 0):
            raise InvalidValueError(f"overrides.{name}", repr(given[name])[:40], "an integer of at least 0")
    chosen = format or detect(bounded(text, file))
    if chosen not in _SIGNATURES:
        raise DataError(file, "", f"got no output of vllm bench, expected one of {', '.join(FORMATS)}")
    rows: list[MeasuredRow] = []
    left_out: list[LeftOutTest] = []
    for index, record in enumerate(_documents(bounded(text, file), file), start=1):
        where = f"result {index}"
        base = _common(record, device, given, file, chosen)
        if chosen == "serve":
            found = _serve(record, base, file, where)
        else:
            found = (_throughput if chosen == "throughput" else _latency)(record, base, given, file, where)
        if isinstance(found, str):
            left_out.append(LeftOutTest(where=where, reason=found))
            continue
        for values in found:
            own = {key: value for key, value in given.items() if not (key == "batch" and values["test"] == "pp")}
            rows.append(finished(values, own, file, where, str(len(rows) + 1)))
    return Imported(format=f"vllm-{chosen}", rows=tuple(rows), left_out=tuple(left_out))
