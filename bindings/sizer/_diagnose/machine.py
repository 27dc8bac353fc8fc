"""The machine of a case: the one to take where none is named, its limits, and how it is built."""

from __future__ import annotations

from typing import Any

from .. import formatting as f
from .._catalogue import hardware_list
from .._hardware import Hardware
from .._results import Assumption
from .facts import Facts

GIB = 2**30

#: What macOS is to keep when its limit is raised (hardware-notes-2026-11-20, section 1: leave 8 to 16 GB).
_MACOS_KEEPS = 8 * GIB

#: Bytes per second of a lane: transfers per second x coding / 8 bits (PCI Express base specification).
_LANE = {
    1: 2.5e9 * 8 / 10 / 8,
    2: 5e9 * 8 / 10 / 8,
    3: 8e9 * 128 / 130 / 8,
    4: 16e9 * 128 / 130 / 8,
    5: 32e9 * 128 / 130 / 8,
}
PCIE_GENERATIONS = tuple(_LANE)


def unnamed_machine(memory_gb: float) -> tuple[Hardware, Assumption]:
    """The machine to take where only the size of a unified memory is known: of those of the catalogue with that
    memory, the one that gives a model least, or the share of the nearest size where there is none."""
    size = round(memory_gb * GIB)
    name = f"a machine with {memory_gb:g} GB of unified memory"
    unified = [
        one
        for one in hardware_list()
        if one.unified and one.device_count == 1 and one.vendor != "generic" and one.backend not in ("cpu", "sycl")
    ]
    same = [one for one in unified if one.memory_bytes == size]
    if same:
        machine = min(same, key=lambda one: (one.usable_bytes, one.id))
        least = f"{machine.name} gives a model least: {f.gib(machine.usable_bytes)} GiB"
        why = f"no machine is named; of the {len(same)} of the catalogue with that memory, {least}"
    else:
        nearest = min(unified, key=lambda one: (abs(one.memory_bytes - size), one.usable_bytes, one.id))
        share = nearest.usable_bytes / nearest.memory_bytes
        machine = nearest.replace(memory_bytes=size, usable_bytes=round(size * share))
        why = (
            f"no machine is named, and the catalogue has none with that memory; the share that {nearest.name} gives a "
            f"model is taken: {100 * share:.0f} %"
        )
    return machine.replace(id=f"unified-{memory_gb:g}gb", name=name), Assumption(what=name, why=why)


def limited(machine: Hardware | None, facts: Facts) -> tuple[Hardware | None, Hardware | None]:
    """The machine with the limits of its operating system as they are, and with these raised."""
    if machine is None:
        return None, None
    if machine.backend == "metal":
        raised = max(machine.usable_bytes, machine.memory_bytes - _MACOS_KEEPS)
        set_up = machine
        if facts.wired_limit_bytes:  # 0: macOS' own
            set_up = machine.replace(usable_bytes=min(facts.wired_limit_bytes, machine.memory_bytes))
        return set_up, machine.replace(usable_bytes=raised) if raised > set_up.usable_bytes else None
    if machine.device_class == "amd_strix_halo" and facts.carve_out_bytes is not None:
        carved = min(facts.carve_out_bytes, machine.memory_bytes)
        available = carved + (machine.memory_bytes - carved) // 2  # Linux gives GTT half of what is left
        if available < machine.usable_bytes:
            return machine.replace(usable_bytes=available), machine
    return machine, None


def host_bandwidth(machine: Hardware) -> tuple[int, float, str] | None:
    """Memory channels of the processor, the bandwidth of all of them (GB/s), and whose; None: not known."""
    entry = machine.to_dict()
    if machine.backend == "cpu":
        width = entry["devices"][0]["memory"].get("bus_width_bits")
        return None if width is None else (max(1, round(width["value"] / 64)), machine.bandwidth_gb_per_s, machine.name)
    if machine.unified:
        return None
    if "host_memory" in entry:
        return 2, entry["host_memory"]["bandwidth_spec"]["value"], "the host's two channels"
    return 2, 5600 * 8 * 2 / 1000, "two channels of DDR5-5600, as the estimate takes them"


def with_host_bandwidth(machine: Hardware, gb_per_s: float) -> Hardware:
    """The machine, or its host, with another memory bandwidth; a measured one changes alike."""
    if machine.backend == "cpu":
        changes = {"bandwidth_gb_per_s": gb_per_s}
        if machine.bandwidth_measured_gb_per_s is not None:
            share = gb_per_s / machine.bandwidth_gb_per_s
            changes["bandwidth_measured_gb_per_s"] = machine.bandwidth_measured_gb_per_s * share
        return machine.replace(**changes)
    if "host_memory" in machine.to_dict():
        return machine.replace(host_bandwidth_gb_per_s=gb_per_s)
    return machine.replace(host_memory_gib=1024, host_bandwidth_gb_per_s=gb_per_s)  # taken to suffice, as it was


def bus_of(machine: Hardware) -> dict[str, Any] | None:
    """The link between the card and its host."""
    return next((one for one in machine.to_dict().get("links", []) if one["between"] == "host"), None)


def on_bus(machine: Hardware, gb_per_s: float) -> Hardware:
    """The machine with another bus to its host."""
    links = machine.to_dict()["links"]
    for one in links:
        if one["between"] == "host":
            figure = {**one["bandwidth"], "value": gb_per_s, "kind": "assumed", "why": "lanes and generation as stated"}
            one["bandwidth"] = figure
    return machine.replace(links=links)


def lanes_bandwidth(full: float, facts: Facts) -> float:
    """GB/s of the lanes that are there; of a card with 16 where the generation is not stated."""
    assert facts.pcie_lanes is not None
    if facts.pcie_generation is None:
        return full * facts.pcie_lanes / 16
    return min(full, facts.pcie_lanes * _LANE[facts.pcie_generation] / 1e9)


def as_built(machine: Hardware | None, facts: Facts) -> Hardware | None:
    """The machine with the memory channels and lanes that somebody found in it."""
    if machine is None:
        return None
    built = machine
    if facts.memory_channels is not None:
        host = host_bandwidth(machine)
        if host is not None and facts.memory_channels < host[0]:
            built = with_host_bandwidth(built, host[1] * facts.memory_channels / host[0])
    bus = bus_of(machine)
    if facts.pcie_lanes is not None and bus is not None:
        built = on_bus(built, lanes_bandwidth(bus["bandwidth"]["value"], facts))
    return built
