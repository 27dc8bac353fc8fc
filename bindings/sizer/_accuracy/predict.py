"""What the library answers for a measured row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import _arguments, _core
from .._hardware import Hardware
from .._measurements import ResolvedRow

#: llama.cpp turned flash attention on by itself from this build on (August 2025), where a backend has it.
FLASH_BY_DEFAULT = 6325
#: Backends whose flash attention works for every model; on others benchmarks leave it off unless asked.
_ALWAYS_FLASH = ("cuda", "cpu")
#: Taken where a row does not say which build it ran: early 2026, when most published rows were measured.
UNSTATED_BUILD = 8500
#: UD files keep what is no expert in Q8_0 since then (their tensor lists); files of mid 2025 do not.
_UD_OTHERS_IN_Q8_0 = 7000
_FORKS = {"ik_llama.cpp": "ik_llama.cpp"}
_SERVERS = ("tensorrt-llm", "deepspeed", "sglang")
_LLAMA_CPP = ("llama.cpp", "ollama", "lm-studio")


def _link(between: str, name: str, gb_per_s: float) -> dict[str, Any]:
    figure = {"value": gb_per_s, "unit": "GB/s", "per_direction": True, "kind": "assumed"}
    figure |= {"source": "user", "why": "the row names the link"}
    return {"between": between, "name": name, "bandwidth": figure}


def _linked(hardware: Hardware, row: ResolvedRow) -> Hardware:
    """The machine with the link that the row names, where it has several devices."""
    if hardware.device_count == 1:
        return hardware
    notes = f"{row.row.notes} ; {row.row.backend} ; {row.row.engine}"
    if re.search(r"\bRPC\b", notes, re.IGNORECASE):
        own = _link("machines", "network (RPC)", 5.0)
    elif re.search(r"PCIe, no NVLink|patched P2P", notes):
        own = _link("devices", "PCIe peer-to-peer", 15.75 if "PCIe3" in notes else 31.5)
    else:
        return hardware
    entry = hardware.to_dict()
    others = [one for one in entry.get("links", ()) if one["between"] == "host"]
    return Hardware.from_dict({**entry, "links": [own, *others]})


def engine_options(row: ResolvedRow) -> dict[str, Any]:
    """What the row says of its engine, as options of the library's."""
    notes = row.row.notes
    if row.library_engine in _LLAMA_CPP:
        options: dict[str, Any] = {"build": row.build_number or UNSTATED_BUILD}
        if row.engine in _FORKS:
            options["fork"] = _FORKS[row.engine]
        # Before 2024 llama.cpp could split over devices by rows only.
        old_split = row.release_year is not None and row.release_year < 2024
        if row.row.device_count > 1 and (old_split or re.search(r"-sm row|split-mode row|row split", notes)):
            options["split_mode"] = "row"
        return options
    if row.library_engine == "vllm":
        options = {"program": row.engine} if row.engine in _SERVERS else {}
        if row.release_year is not None:
            options["release_year"] = row.release_year
        return options
    return {}


def has_flash_attention(row: ResolvedRow) -> bool:
    """Whether flash attention was on: asked for, or the default of the build."""
    if row.flash_attention or row.library_engine not in _LLAMA_CPP:
        return True
    return row.backend in _ALWAYS_FLASH and (row.build_number or UNSTATED_BUILD) >= FLASH_BY_DEFAULT


def file_bytes(row: ResolvedRow) -> int:
    """Bytes of a file whose mix only resembles its recipe; 0 where the recipe says it."""
    size = row.row.file_size_gib
    return round(size * 1024**3) if row.approximate and size is not None else 0


def others_in_q8_0(row: ResolvedRow) -> bool:
    """Whether a mixture's other matrices are in Q8_0, as in unsloth's dynamic files."""
    dynamic = row.row.quant.upper().startswith("UD-") or "UD-" in row.row.model.upper()
    return dynamic and (row.build_number or UNSTATED_BUILD) >= _UD_OTHERS_IN_Q8_0


def predict(row: ResolvedRow) -> Mapping[str, Any]:
    """The speed with interval and ceiling, and the shares of its time. The row must be mapped."""
    assert row.hardware is not None and row.model is not None
    request = _arguments.request(
        quant=row.quant,
        context=None,
        kv_type="f16",
        parallel=None,
        batch=row.batch,
        prompt_tokens=0,
        output_tokens=0,
        depth=0,
        engine=row.library_engine,
        ubatch=row.ubatch if row.library_engine in _LLAMA_CPP else None,
        flash_attention=has_flash_attention(row),
        engine_options=engine_options(row),
    )
    decode = row.row.test == "tg"
    return _core.timed_row(
        row.model._entry,
        _linked(row.hardware, row)._entry,
        request,
        test=row.row.test,
        tokens=float(row.tokens),
        depth=float(row.mean_depth if decode else row.depth),
        prompt=float(row.prompt),
        made=float(row.tokens if row.prompt else 0),
        file_bytes=file_bytes(row),
        others_in_q8_0=others_in_q8_0(row),
    )
