"""What a detected machine looks like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import formatting as f
from ._detect import DetectedGpu, Detection, Fact
from .display import Block, Heading, Items, Table, Text

_Row = tuple[str, Fact, Callable[[Any], str]]


def _number(value: float) -> str:
    return f"{value:,g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _cache(cache: dict[str, Any]) -> str:
    count = "" if cache["instances"] is None else f"{cache['instances']} x "
    kind = {"Data": "d", "Instruction": "i"}.get(cache["type"], "")
    shared = "" if cache["shared_by"] == 1 else f" for {cache['shared_by']} CPUs"
    return f"L{cache['level']}{kind} {count}{f.byte_size(cache['size_bytes'])}{shared}"


def _node(node: dict[str, Any]) -> str:
    size = "" if node["memory_bytes"] is None else f", {f.byte_size(node['memory_bytes'])}"
    return f"{node['id']}: {node['logical_cpus']} CPUs{size}"


def _dimm(dimm: dict[str, Any]) -> str:
    place = " ".join(part for part in (dimm["bank"], dimm["locator"]) if part)
    rate = dimm["configured_mts"] or dimm["rated_mts"]
    size = "" if dimm["size_bytes"] is None else f.byte_size(dimm["size_bytes"])
    speed = "" if rate is None else f"{rate} MT/s"
    return f"{place}: {' '.join(part for part in (size, dimm['type'], speed) if part)}"


def _list(one: Callable[[Any], str], between: str = "; ") -> Callable[[Any], str]:
    return lambda values: between.join(one(value) for value in values)


def _link(link: dict[str, Any]) -> str:
    return f"PCIe {link['generation']}.0 x{link['width']}"


def _table(title: str, rows: Sequence[_Row]) -> list[Block]:
    """What is known. What is not is told below all tables."""
    cells = [[label, show(fact.value), fact.source or ""] for label, fact, show in rows if fact.value is not None]
    return [Table([title, "", "from"], cells, "lll")] if cells else []


def _missing(rows: Sequence[_Row], of: str) -> list[str]:
    """Reasons, those that several fields share once. That a field belongs to another maker is no news."""
    reasons: dict[str, list[str]] = {}
    for label, fact, _ in rows:
        if fact.value is None and fact.reason and not fact.reason.startswith(("of ", "not of ")):
            reasons.setdefault(fact.reason, []).append(label)
    return [f"{of}{', '.join(labels)}: {reason}" for reason, labels in reasons.items()]


def _gpu_rows(gpu: DetectedGpu) -> list[_Row]:
    return [
        ("name", gpu.name, str),
        ("maker", gpu.vendor, str),
        ("backend", gpu.backend, str),
        ("cores", gpu.gpu_cores, _number),
        ("memory", gpu.memory_total_bytes, f.byte_size),
        ("memory in use", gpu.memory_used_bytes, f.byte_size),
        ("driver's reserve", gpu.memory_reserved_bytes, f.byte_size),
        ("host memory it may map (GTT)", gpu.gtt_total_bytes, f.byte_size),
        ("wired limit", gpu.wired_limit_bytes, f.byte_size),
        ("recommended working set", gpu.recommended_working_set_bytes, f.byte_size),
        ("memory is the machine's", gpu.unified, _yes),
        ("memory bus (bit)", gpu.memory_bus_bits, _number),
        ("memory clock (MHz)", gpu.memory_clock_mhz, _number),
        ("driver", gpu.driver_version, str),
        ("CUDA", gpu.cuda_version, str),
        ("compute capability", gpu.compute_capability, str),
        ("target", gpu.gfx_target, str),
        ("PCI address", gpu.pci_address, str),
        ("PCI id", gpu.pci_id, str),
        ("link now", gpu.pcie_current, _link),
        ("link at most", gpu.pcie_max, _link),
        ("power limit (W)", gpu.power_limit_w, _number),
        ("display attached", gpu.display_attached, _yes),
        ("MIG", gpu.mig, _yes),
        ("virtualisation", gpu.virtualization, str),
    ]


def _match(d: Detection) -> list[Block]:
    found = d.match
    blocks: list[Block] = [Heading("In the catalogue")]
    if found.id is None:
        blocks.append(Text(f"No entry: {found.reason}.", "bad"))
    else:
        what = {
            "same": "the same machine",
            "same device": "the same device",
            "similar": "no more than a similar machine",
        }.get(found.certainty, found.certainty)
        blocks.append(Text(f"{found.id}: {what}, {found.reason}.", "good"))
    if found.differences:
        blocks.append(Items(list(found.differences)))
    if found.alternatives:
        blocks.append(Text(f"As good: {', '.join(found.alternatives)}.", "faint"))
    if found.problem is None:
        blocks.append(Text("Estimates for this machine: sizer estimate MODEL --on this", "faint"))
    else:
        blocks.append(Text(f"No estimates with --on this: {found.problem.removeprefix('hardware: ')}."))
    return blocks


def detection(d: Detection) -> list[Block]:
    """Everything that was found, and why the rest was not."""
    system: list[_Row] = [
        ("computer", d.product, str),
        ("operating system", d.os.name, str),
        ("kernel", d.os.kernel, str),
        ("WSL", d.os.wsl, _yes),
        ("container", d.os.container, str),
        ("virtual machine", d.os.virtual_machine, str),
    ]
    cpu: list[_Row] = [
        ("model", d.cpu.model, str),
        ("maker", d.cpu.vendor, str),
        ("sockets", d.cpu.sockets, _number),
        ("cores", d.cpu.physical_cores, _number),
        ("logical CPUs", d.cpu.logical_cpus, _number),
        ("of which usable here", d.cpu.usable_cpus, _number),
        ("CPU time allowed (CPUs)", d.cpu.cpu_quota, _number),
        ("SIMD", d.cpu.simd, _list(str, " ")),
        ("caches", d.cpu.caches, _list(_cache)),
        ("NUMA nodes", d.cpu.numa_nodes, _list(_node)),
        ("base clock (MHz)", d.cpu.base_mhz, _number),
        ("highest clock (MHz)", d.cpu.max_mhz, _number),
    ]
    memory: list[_Row] = [
        ("size", d.memory.total_bytes, f.byte_size),
        ("available now", d.memory.available_bytes, f.byte_size),
        ("limit of the control group", d.memory.cgroup_limit_bytes, f.byte_size),
        ("huge pages", d.memory.huge_page_sizes, _list(f.byte_size, ", ")),
        ("type", d.memory.type, str),
        ("channels of 64 bit", d.memory.channels, _number),
        ("bus (bit)", d.memory.bus_width_bits, _number),
        ("data rate (MT/s)", d.memory.data_rate_mts, _number),
        ("modules", d.memory.dimms, _list(_dimm)),
    ]
    blocks: list[Block] = [Heading("This machine")]
    missing: list[str] = []
    for title, of, rows in (("system", "", system), ("processor", "processor ", cpu), ("memory", "memory ", memory)):
        blocks += _table(title, rows)
        missing += _missing(rows, of)
    for number, gpu in enumerate(d.gpus):
        rows = _gpu_rows(gpu)
        blocks += _table(f"GPU {number}", rows)
        missing += _missing(rows, f"GPU {number} ")
    missing += list(d.gpu_reasons)
    if missing:
        blocks += [Heading("Not found"), Items(missing)]
    return blocks + _match(d)
