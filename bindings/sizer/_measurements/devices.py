"""The machine behind a printed device: from the catalogue, or built by the rule of its family."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from .. import _core
from .._catalogue import current
from .._hardware import Hardware
from .device_entries import DeviceMatch, Entry, entries, plain_name
from .device_families import build, processor_of
from .device_name import DeviceName, compatible, parse, pieces
from .row import LOOKED_AT, NoMatch

#: Sizes of memory that differ by less are one size (GB or GiB, reserved parts).
_SAME_MEMORY = 0.13
#: Bandwidths that differ by less are one bandwidth (rounding, memory of another bin).
_SAME_BANDWIDTH = 0.06
_RATES = ("fp32", "fp16", "bf16", "fp8", "int8", "fp4")


def _apart(one: float, other: float) -> float:
    return abs(math.log(one / other))


def _rank(entry: Entry, name: DeviceName, piece: str, bandwidth: float | None) -> tuple[Any, ...]:
    """What makes one of several fitting machines the nearest: smaller is nearer."""
    hardware = entry.hardware
    forms = [other.form for other in entry.names if other.form]
    form_differs = bool(name.form) and all(
        not any(a.startswith(b[:3]) for a in name.form for b in form) for form in forms
    )
    memory = _apart(entry.memory_gb, name.memory_gb) if name.memory_gb else 0.0
    cores = {other.gpu_cores for other in entry.names} - {None}
    cores_apart = (
        min((abs(math.log(core / name.gpu_cores)) for core in cores if core), default=0) if name.gpu_cores else 0
    )
    rates = {other.data_rate for other in entry.names} - {None}
    return (
        form_differs,
        round(cores_apart, 3),
        round(_apart(hardware.bandwidth_gb_per_s, bandwidth), 2) if bandwidth else 0.0,
        0.0 if memory < _SAME_MEMORY else round(memory, 3),
        bool(name.data_rate) and name.data_rate not in rates,
        plain_name(piece) not in entry.own_names,
        # Of equal ones the plain name's entry, else the one with the most memory: it runs what the others run.
        not any(
            alias.memory_gb is None and alias.data_rate in (None, name.data_rate) and compatible(name, alias)
            for alias in map(parse, hardware.aliases)
        ),
        -entry.memory_gb,
        hardware.id,
    )


def _candidates(printed: str, on_processor: bool | None) -> tuple[list[Entry], str]:
    """The machines that a name, or the first of its parts that names any, stands for; and that part."""
    for piece in pieces(printed):
        name = parse(piece)
        found = [
            entry
            for entry in entries()
            if on_processor in (None, entry.on_processor) and any(compatible(name, other) for other in entry.names)
        ]
        if found:
            # A chip's name is that of its GPU where nothing says otherwise.
            cards = [entry for entry in found if not entry.on_processor]
            return cards or found, piece
    return [], printed


def stated_bandwidth(name: DeviceName) -> float | None:
    """GB/s of the channels and the data rate that a processor's name states: 8 bytes a channel and transfer."""
    return None if name.channels is None or name.data_rate is None else name.channels * 8 * name.data_rate / 1e3


def _rates_in_proportion(hardware: Hardware, ratio: float) -> dict[str, float]:
    compute = hardware.to_dict()["devices"][0].get("compute", {})
    fields = {rate: f"{rate}_tops" if rate == "int8" else f"{rate}_tflops" for rate in _RATES if rate in compute}
    return {field: round(compute[rate]["value"] * ratio, 3) for rate, field in fields.items()}


def _adapted(entry: Entry, name: DeviceName, bandwidth: float | None) -> tuple[Hardware, list[str]]:
    """The entry with the memory, the bandwidth and the cores that the name states, and what was changed."""
    hardware, changes, said = entry.hardware, dict[str, Any](), list[str]()
    count = hardware.device_count
    if bandwidth and count > 1:  # a card of several dies: what is printed is mostly the card's
        bandwidth = min(bandwidth, bandwidth / count, key=lambda one: _apart(hardware.bandwidth_gb_per_s, one))
    if name.memory_gb and _apart(entry.memory_gb, name.memory_gb) > _SAME_MEMORY and hardware.unified is False:
        usable = hardware.usable_bytes / hardware.memory_bytes
        changes["memory_gib"] = name.memory_gb / count
        changes["usable_gib"] = name.memory_gb / count * usable
        said.append(f"{name.memory_gb:g} GB of memory")
    if bandwidth and _apart(hardware.bandwidth_gb_per_s, bandwidth) > _SAME_BANDWIDTH:
        changes["bandwidth_gb_per_s"] = bandwidth
        said.append(f"{bandwidth:g} GB/s")
    cores = {other.gpu_cores for other in entry.names} - {None}
    if name.gpu_cores and cores and name.gpu_cores not in cores:
        changes |= _rates_in_proportion(hardware, name.gpu_cores / next(iter(cores)))  # type: ignore[operator]
        said.append(f"{name.gpu_cores} GPU cores, rates in proportion")
    sockets = max(other.count for other in entry.names)
    if entry.on_processor and name.count > sockets:
        changes |= _rates_in_proportion(hardware, name.count / sockets)
        if bandwidth is None:
            changes["bandwidth_gb_per_s"] = hardware.bandwidth_gb_per_s * name.count / sockets
        said.append(f"{name.count} sockets, rates in proportion")
    if "bandwidth_gb_per_s" in changes:
        # What was measured, and what the bandwidth is computed from, is the other device's.
        plain = hardware.to_dict()
        for figure in ("bandwidth_measured", "bus_width_bits", "data_rate_mts"):
            plain["devices"][0]["memory"].pop(figure, None)
        hardware = Hardware.from_dict(plain)
    return (hardware.replace(**changes) if changes else hardware), said


def wants_processor(printed: str, backend: str) -> bool | None:
    """Whether a row ran on a processor; None when neither name nor backend says."""
    word = backend.strip().lower()
    if word.startswith("cpu") and "gpu" not in word:
        return True
    if parse(printed).cpu:
        return True
    return None if word in ("", "unknown", "other") else False


def find_device(printed: str, bandwidth_gbs: float | None = None, backend: str = "") -> DeviceMatch | NoMatch:
    """The machine with one device that a printed name stands for.

    printed        the name as a source prints it: "NVIDIA RTX 3060 12GB", "Apple M2 Ultra (76c GPU)"
    bandwidth_gbs  specified memory bandwidth that the source states, 10^9 bytes per second
    backend        the software as printed; "CPU" asks for the processor of a chip

    A model number never stands for another one. A device that the catalogue lacks is built from its bandwidth by the
    rule of its family; without a bandwidth the answer is a reason.
    """
    if not printed.strip():
        return NoMatch(reason="no device stated")
    return _find(printed[:LOOKED_AT], bandwidth_gbs, backend[:LOOKED_AT], current())


@lru_cache(maxsize=4096)
def _find(printed: str, bandwidth_gbs: float | None, backend: str, catalogue: _core.Catalogue) -> DeviceMatch | NoMatch:
    name = parse(printed)
    processor = wants_processor(printed, backend)
    bandwidth = bandwidth_gbs or (stated_bandwidth(name) if processor else None)
    found, piece = _candidates(printed, processor)
    if not found and processor is False:
        # The name of a processor alone: a card that the catalogue lacks, or its integrated graphics.
        chips = [entry for entry in _candidates(printed, True)[0] if entry.hardware.unified]
        if chips:
            return build(printed, bandwidth or chips[0].hardware.bandwidth_gb_per_s, processor=False, backend=backend)
    if not found and processor:
        chips = [entry for entry in _candidates(printed, False)[0] if entry.hardware.unified]
        if chips:
            chip = min(chips, key=lambda entry: _rank(entry, name, piece, bandwidth)).hardware
            return DeviceMatch(hardware=processor_of(chip), how=f"the processor of {chip.id}", exact=False)
    if not found:
        return build(printed, bandwidth, processor=bool(processor), backend=backend)
    part = parse(piece).replace(memory_gb=name.memory_gb, gpu_cores=name.gpu_cores, data_rate=name.data_rate)
    part = part.replace(form=name.form)
    best = min(found, key=lambda entry: _rank(entry, part, piece, bandwidth))
    hardware, said = _adapted(best, part, bandwidth)
    how = f"the catalogue's {best.hardware.id}" + (f" with {', '.join(said)}" if said else "")
    return DeviceMatch(hardware=hardware, how=how, exact=not said)
