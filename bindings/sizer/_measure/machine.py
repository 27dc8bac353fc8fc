"""The machine that estimates take, from what was detected and what was measured: an entry in the catalogue's format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import formatting as f
from .._catalogue import hardware
from .._detect import DetectedGpu, Detection
from .._errors import SizerError
from .._model import id_from_name
from .kernels import Measurement
from .plan import STREAMS
from .plateau import is_cached
from .profile import SAME_ROUNDS, DeviceProfile

SOURCE = "profile"

#: Query heads that share a key and value head in the attention that becomes a figure.
QUERY_GROUP = 4

_GIB = 1024**3
_SERVER = re.compile(r"xeon|epyc|threadripper|neoverse|ampere|altra|graviton", re.IGNORECASE)
_TYPES = ("f16", "q8_0", "q4_0", "q4_k")
_RATES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "fp8": "fp8", "int8": "int8"}

Entry = dict[str, Any]


def _rounded(value: float) -> float:
    """Six digits: more than any measurement has."""
    return float(f"{value:.6g}")


def method(device: DeviceProfile, m: Measurement) -> str:
    """How a figure was measured, in a line."""
    parts = [f"{m.kernel} {m.variant}".strip()]
    if m.threads:
        parts.append(f"{m.threads} thread{'s' if m.threads > 1 else ''}")
    if m.working_set_bytes:
        parts.append(f.byte_size(m.working_set_bytes))
    parts += [f"median of {len(m.samples_s)}", f"spread {100 * m.spread:.1f} %"]
    apart = device.apart(m)
    if apart > SAME_ROUNDS:
        parts.append(f"the other round took {100 * apart:.0f} % longer")
    return ", ".join(parts) + ("" if device.is_stable(m) else "; unstable")


def _figure(value: float, unit: str, how: str, *, source: str = SOURCE) -> Entry:
    return {"value": value, "unit": unit, "kind": "measured", "source": source, "method": how}


def _bandwidth(device: DeviceProfile, m: Measurement | None) -> Entry | None:
    if m is None or m.gb_per_s is None:
        return None
    return _figure(_rounded(m.gb_per_s), "GB/s", method(device, m))


def _matrix(device: DeviceProfile, m: Measurement | None, rate: str) -> Entry | None:
    if m is None or m.gflop_per_s is None or m.gflop_per_s < 1:
        return None
    return _figure(_rounded(m.gflop_per_s / 1000), "TOPS" if rate == "int8" else "TFLOPS", method(device, m))


def _time(device: DeviceProfile, m: Measurement | None) -> Entry | None:
    # What takes less than the least that a machine file may state costs nothing.
    if m is None or m.seconds_per_event is None or m.seconds_per_event < 1e-10:
        return None
    return _figure(_rounded(m.seconds_per_event * 1e6), "us", method(device, m))


def memory_read(device: DeviceProfile, threads: int) -> Entry | None:
    """The read from memory. Where it is faster than after a flush, caches took part, and the flushed one counts."""
    run, flushed = device.best("read", threads=threads), device.best("read_after_flush", threads=threads)
    if run is None or run.gb_per_s is None:
        return None
    if flushed is None or flushed.gb_per_s is None or not is_cached(device.fastest(run), device.fastest(flushed)):
        return _bandwidth(device, run)
    why = f"without the flush {f.significant(run.gb_per_s)} GB/s, in part from a cache"
    return _figure(_rounded(flushed.gb_per_s), "GB/s", f"{method(device, flushed)}; {why}")


def _rows(device: DeviceProfile, threads: int) -> list[Entry]:
    """The loop without tiles, in each shape."""
    rows: list[Entry] = []
    for m in device.measurements:
        kernel, _, kind = m.kernel.partition("_by_row_")
        if kernel != "attention" or m.threads != threads:
            continue
        shape = {name: m.shape[name] for name in ("head_dim", "kv_heads", "group")}
        time = _time(device, device.best(m.kernel, threads=threads, **shape))
        row: Entry = {"type": kind, **shape, "time": time}
        if time is not None and row not in rows:
            rows.append(row)
    return rows


#: Numbers of 16 bits in a register of the arithmetic that engines use for halves, by instruction set, the widest first.
_HALVES = (("avx512_fp16", 32), ("avx512f", 16), ("avx2", 8), ("fp16", 8), ("neon", 4))


def vector_halves(found: Detection) -> int | None:
    """Of this processor; None when its instruction sets are not known."""
    sets = found.cpu.simd.value or ()
    return next((halves for name, halves in _HALVES if name in sets), None)


def _known_of(figures: Mapping[str, Entry | None]) -> Entry:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _entries(device: DeviceProfile, found: Detection) -> Iterator[Entry]:
    """One object for each number of threads."""
    halves = vector_halves(found) if _is_cpu(device) else None
    for threads in device.thread_counts:

        def run(kernel: str, threads: int = threads, **shape: int) -> Measurement | None:
            return device.best(kernel, threads=threads, **shape)

        entry: Entry = {"threads": threads}
        entry |= _known_of({"read": memory_read(device, threads), "copy": _bandwidth(device, run("copy"))})
        weights = {name: _bandwidth(device, run(f"matvec_{name}")) for name in _TYPES}
        caches = {name: _bandwidth(device, run(f"attention_{name}", group=QUERY_GROUP)) for name in _TYPES}
        rates = {rate: _matrix(device, run(f"gemm_{name}"), rate) for name, rate in _RATES.items()}
        groups = {"weights": weights, "kv_cache": caches, "matrix": rates}
        for name, figures in groups.items():
            known = _known_of(figures)
            if known:
                entry[name] = known
        if "kv_cache" in entry:
            entry["query_group"] = QUERY_GROUP
        rows = _rows(device, threads)
        if rows:
            entry["attention_rows"] = rows
            if halves is not None:
                entry["vector_halves"] = halves
        events = ("barrier", "launch", "graph_launch")
        entry |= _known_of({name: _time(device, run(name)) for name in events})
        if len(entry) > 1:
            yield entry


def _value(figure: Entry) -> float:
    return float(figure["value"])


def _best_stream(device: DeviceProfile) -> Entry | None:
    """The most that any kernel drew from memory: where nobody states a specification, it is at least that."""
    found = [memory_read(device, threads) for threads in device.thread_counts]
    if device.plateau.proved:  # else caches that serve the reads may serve the rest too
        largest = max(m.working_set_bytes for m in device.measurements if m.kernel in STREAMS)
        for one in device.measurements:
            if one.kernel in STREAMS[1:] and one.working_set_bytes > 0.9 * largest:
                found.append(_bandwidth(device, one))
    figures = list(filter(None, found))
    return max(figures, key=_value) if figures else None


def _set_bandwidth(memory: Entry, device: DeviceProfile, notes: list[str]) -> None:
    """The measured bandwidth of a memory whose specification may be known."""
    read = memory_read(device, max(device.thread_counts, default=0))
    best = _best_stream(device)
    spec = memory.get("bandwidth_spec")
    if spec is None:
        if best is None:
            raise SizerError(f"{device.device}: nothing was measured that tells the bandwidth of its memory")
        memory["bandwidth_spec"] = dict(best, note="the specification is not known; the most that any kernel drew")
    elif spec["kind"] == "assumed" and read is not None and read["value"] > spec["value"]:
        memory["bandwidth_spec"] = dict(read, note="in place of a lower one that was assumed")
    memory.pop("bandwidth_measured", None)
    if read is None:
        return
    if read["value"] <= memory["bandwidth_spec"]["value"]:
        memory["bandwidth_measured"] = read
    else:
        notes.append(
            f"the read of {read['value']:g} GB/s is above the specified {memory['bandwidth_spec']['value']:g} GB/s and "
            "is not used as bandwidth"
        )


def _size(value: int, how: str) -> Entry:
    # A division by a power of two is exact.
    return _figure(value / _GIB, "GiB", how, source="detected")


def _host_memory(found: Detection, cpu: DeviceProfile) -> Entry:
    """The memory beside the processor, without its bandwidth."""
    total, limit = found.memory.total_bytes.value, found.memory.cgroup_limit_bytes.value
    sold = _size(total, "total that the operating system manages") if total else _largest_run(cpu)
    usable = sold
    if total and limit is not None and limit < total:
        usable = _size(limit, "limit of the control group of this process")
    kind = found.memory.type.value or "not stated"
    rate = found.memory.data_rate_mts.value
    kind = f"{kind}-{rate:.0f}" if rate and found.memory.type.value else kind
    return {"type": kind, "unified": False, "sold": sold, "usable": usable}


def _largest_run(device: DeviceProfile) -> Entry:
    """A lower bound of a memory whose size nobody states."""
    if not device.largest_working_set_bytes:
        raise SizerError(f"{device.device}: the size of its memory is not known")
    return _size(device.largest_working_set_bytes, "the most that a run of the microbenchmark may touch")


def _cpu_device(found: Detection, device: DeviceProfile, memory: Entry) -> Entry:
    name = found.cpu.model.value or device.name
    server = _SERVER.search(name) or (found.cpu.sockets.value or 1) > 1
    return {
        "name": name,
        "count": 1,
        "backend": "cpu",
        "device_class": "cpu_server" if server else "cpu_desktop",
        "memory": memory,
    }


def _gpu_backend(name: str, device: DeviceProfile) -> tuple[str, str]:
    """Backend and class of a card that the catalogue does not have."""
    if device.backend == "cuda" or re.search("nvidia", name, re.IGNORECASE):
        if re.search("geforce", name, re.IGNORECASE):
            return "cuda", "nvidia_consumer"
        return "cuda", "nvidia_workstation" if re.search("rtx|quadro", name, re.IGNORECASE) else "nvidia_datacenter"
    return "vulkan", "other"


def _card(device: DeviceProfile, gpu: DetectedGpu | None, count: int) -> Entry:
    """A card that the catalogue does not have, by what its drivers say."""
    total = (gpu.memory_total_bytes.value if gpu else None) or int(device.facts.get("memory_bytes", "0"))
    reserve = (gpu.memory_reserved_bytes.value if gpu else None) or 0
    sold = _size(total, "total that the driver reports") if total else _largest_run(device)
    usable = _size(total - reserve, "total without the driver's reserve") if total > reserve > 0 else sold
    unified = bool(gpu.unified.value) if gpu else device.facts.get("shares_host_memory") == "yes"
    memory = {"type": "not stated", "unified": unified, "sold": sold, "usable": usable}
    rate = float(device.facts.get("memory_bandwidth_theoretical_bytes_per_s", "0"))
    if rate > 0:
        formula = "2 x memory clock x bus width / 8, as the driver states them"
        spec = {"value": rate / 1e9, "unit": "GB/s", "kind": "derived", "source": "detected", "formula": formula}
        memory["bandwidth_spec"] = spec
    name = (gpu.name.value if gpu else None) or device.name
    backend, kind = _gpu_backend(name, device)
    return {"name": name, "count": count, "backend": backend, "device_class": kind, "memory": memory}


def _same_name(one: str, other: str) -> bool:
    makers = {"nvidia", "amd", "intel", "geforce"}
    a, b = (set(re.findall(r"[a-z0-9]+", text.lower())) - makers for text in (one, other))
    return bool(a & b) and (a <= b or b <= a)


def _known(found: Detection) -> Entry | None:
    """The machine as the catalogue and the detection know it."""
    if found.match.problem is not None:
        return None
    try:
        return hardware("this").to_dict()
    except SizerError:
        return None


def _from_detection(found: Detection, cpu: DeviceProfile | None, gpus: Sequence[DeviceProfile]) -> Entry:
    """A machine of which the catalogue knows nothing."""
    if not gpus:
        assert cpu is not None  # something was measured
        part = _cpu_device(found, cpu, _host_memory(found, cpu))
        return {"vendor": found.cpu.vendor.value or "unknown", "kind": "cpu", "devices": [part]}
    first = gpus[0]
    gpu = next((one for one in found.gpus if _same_name(one.name.value or "", first.name)), None)
    if gpu is None and len(found.gpus) == 1:
        gpu = found.gpus[0]  # OpenCL has other names for cards
    count = sum(1 for one in gpus if one.name == first.name and one.backend == first.backend)
    vendor = (gpu.vendor.value if gpu else None) or first.facts.get("vendor")
    vendor = vendor or ("NVIDIA" if first.backend == "cuda" else "unknown")
    return {"vendor": vendor, "kind": "multi" if count > 1 else "gpu", "devices": [_card(first, gpu, count)]}


def _is_cpu(device: DeviceProfile) -> bool:
    return device.backend == "cpu" or device.facts.get("type") == "cpu"


def build(found: Detection, devices: Sequence[DeviceProfile]) -> Entry:
    """The entry, with the measured figures in it. Raises SizerError when nothing measured tells the bandwidth."""
    usable = [one for one in devices if one.measurements]
    cpu = next((one for one in sorted(usable, key=lambda one: one.backend != "cpu") if _is_cpu(one)), None)
    gpus = sorted((one for one in usable if not _is_cpu(one)), key=lambda one: one.backend != "cuda")
    known = _known(found)
    base = known or _from_detection(found, cpu, gpus)
    notes: list[str] = [base["notes"]] if base.get("notes") else []
    first = base["devices"][0]
    if first["backend"] == "cpu":
        if cpu is not None:
            _set_bandwidth(first["memory"], cpu, notes)
            first["measured"] = list(_entries(cpu, found))
    else:
        card = next((one for one in gpus if _same_name(one.name, first["name"])), None) or (gpus[0] if gpus else None)
        if card is not None:
            _set_bandwidth(first["memory"], card, notes)
            first["measured"] = list(_entries(card, found))
        if cpu is not None:
            _add_processor(base, found, cpu, notes)
    name = first["name"]
    entry: Entry = {
        "schema_version": 1,
        "id": id_from_name(f"measured-{name}", "measured-machine"),
        "name": base.get("name", f"this machine ({name})") + ", measured",
        "aliases": [],
        "vendor": base["vendor"],
        "kind": base["kind"],
    }
    entry |= {key: base[key] for key in ("release_year", "devices", "host_memory", "links", "power") if key in base}
    if notes:
        entry["notes"] = "; ".join(notes)
    return entry


def _add_processor(base: Entry, found: Detection, cpu: DeviceProfile, notes: list[str]) -> None:
    """The processor beside a card, with the host's memory."""
    if base["devices"][0]["memory"]["unified"] or any(one["backend"] == "cpu" for one in base["devices"]):
        notes.append("the processor shares the memory; what it measured is in the profile")
        return
    host = base.get("host_memory") or _host_memory(found, cpu)
    _set_bandwidth(host, cpu, notes)
    base["host_memory"] = host
    base["devices"].append({**_cpu_device(found, cpu, host), "measured": list(_entries(cpu, found))})
