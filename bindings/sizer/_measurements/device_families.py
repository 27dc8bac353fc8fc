"""The rule of a family: a device that the catalogue lacks, built from its bandwidth and its nearest relatives there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .._hardware import Hardware
from .._records import Row
from .device_entries import DeviceMatch, Entry, entries
from .device_name import DeviceName, parse
from .row import NoMatch

_GIB = 1024**3
_RATES = ("fp32", "fp16", "bf16", "fp8", "int8", "fp4")
#: Relatives whose rates are averaged.
_NEAREST = 2


@dataclass(frozen=True, kw_only=True)
class Family(Row):
    """What a name says of the kind of device: class of the speed parameters, generation, vendor, usual backend."""

    device_class: str
    generation: str
    vendor: str
    backend: str
    unified: bool = False


#: The family of a name that says nothing, by the words of its backend.
_BY_BACKEND = {
    "cuda": ("nvidia_consumer", "NVIDIA"), "metal": ("apple_pro", "Apple"), "rocm": ("amd_rdna", "AMD"),
    "vulkan": ("amd_rdna", "not stated"), "sycl": ("intel_arc", "Intel"), "hpu": ("intel_datacenter", "Intel"),
}  # fmt: skip


def _family(device_class: str, generation: str, vendor: str, backend: str, unified: bool = False) -> Family:
    return Family(device_class=device_class, generation=generation, vendor=vendor, backend=backend, unified=unified)


def _number(words: frozenset[str], pattern: str) -> re.Match[str] | None:
    return next((found for word in sorted(words) if (found := re.fullmatch(pattern, word))), None)


def _nvidia(text: str, name: DeviceName) -> Family | None:
    words = name.words

    def card(device_class: str, generation: str) -> Family:
        return _family(device_class, generation, "NVIDIA", "cuda")

    if words & {"jetson", "orin", "xavier"}:
        return _family("nvidia_jetson", "jetson", "NVIDIA", "cuda", unified=True)
    if words & {"gb10", "spark"}:
        return _family("nvidia_unified", "blackwell", "NVIDIA", "cuda", unified=True)
    if "cmp" in words:
        return card("nvidia_legacy", "volta")
    if "titan" in words:
        if "rtx" in name.series:
            return card("nvidia_workstation", "turing")
        return card("nvidia_legacy", "volta" if "v" in words else "pascal")
    if "blackwell" in words and ("pro" in words or "rtx" in name.series):
        return card("nvidia_workstation", "blackwell")
    if "ada" in words:
        return card("nvidia_workstation", "ada")
    if "rtx" in name.series and _number(words, r"a\d{3,4}"):
        return card("nvidia_workstation", "ampere")
    if "quadro" in text or _number(words, r"t\d{3,4}"):
        return card("nvidia_workstation" if "rtx" in name.series else "nvidia_legacy", "turing")
    consumer = _number(words, r"(\d{2})\d0d?")
    if "rtx" in name.series and consumer:
        if "pro" in words:
            return card("nvidia_workstation", "blackwell")
        names = {"20": "turing", "30": "ampere", "40": "ada", "50": "blackwell"}
        if consumer.group(1) in names:
            return card("nvidia_consumer", names[consumer.group(1)])
        return card("nvidia_workstation", "turing")  # RTX 4000, 5000, 6000, 8000 without a generation
    if "gtx" in name.series or (_number(words, r"(?:9|10|16)\d0") and name.maker == "nvidia"):
        return card("nvidia_legacy", "pascal")
    if name.maker in ("nvidia", None):
        chip = _number(words, r"([abhlvptkm])(\d{1,3})[a-z]?") or _number(words, r"(gb|gh|cmp)(\d{2,3})[a-z]*")
        generations = {"a": "ampere", "l": "ada", "h": "hopper", "b": "blackwell", "gb": "blackwell", "gh": "hopper",
                       "t": "turing"}  # fmt: skip
        if chip and chip.group(1) in generations:
            return card("nvidia_datacenter", generations[chip.group(1)])
        if chip and name.maker == "nvidia":
            return card("nvidia_legacy", "volta" if chip.group(1) == "v" else "pascal")
    return None


def _amd(text: str, name: DeviceName) -> Family | None:
    words = name.words
    instinct = _number(words, r"mi(\d{1,3})[a-z]*")
    if instinct:
        number = int(instinct.group(1))
        generation = "cdna3" if number >= 300 else "cdna2" if number >= 200 else "cdna1"
        device_class = "amd_cdna" if number >= 100 else "amd_gcn"
        return _family(device_class, generation if number >= 100 else "gcn", "AMD", "rocm")
    if _number(words, r"80[456]0s") or ("max" in words and "ryzen" in words):
        return _family("amd_strix_halo", "rdna3.5", "AMD", "vulkan", unified=True)
    if _number(words, r"[67889]\d0m") or (words & {"ryzen", "z1", "z2", "athlon"} and name.maker == "amd"):
        return _family("amd_apu", "apu", "AMD", "vulkan", unified=True)
    if "vega" in words and _number(words, r"[1-9]|1[01]"):  # of a processor; the cards are Vega 56 and 64
        return _family("amd_apu", "apu", "AMD", "vulkan", unified=True)
    if "vega" in words or "vii" in words or "radeonvii" in words or "fury" in words:
        return _family("amd_gcn", "gcn", "AMD", "rocm")
    old = _number(words, r"(?:r?[4579])\d{2}x?")
    if old and (name.series & {"rx"} or "radeon" in text):
        return _family("amd_gcn", "gcn", "AMD", "rocm")
    card = _number(words, r"[rwv]?([5679])\d{3}[a-z]*") or _number(words, r"(v)620")
    if card and (name.maker == "amd" or "radeon" in text):
        names = {"5": "rdna1", "6": "rdna2", "7": "rdna3", "9": "rdna4", "v": "rdna2"}
        return _family("amd_rdna", names[card.group(1)], "AMD", "rocm")
    return None


def _intel(text: str, name: DeviceName) -> Family | None:
    words = name.words
    arc = _number(words, r"([ab])\d{2,3}m?")
    if arc and (name.series & {"arc"} or name.maker == "intel"):
        return _family("intel_arc", "alchemist" if arc.group(1) == "a" else "battlemage", "Intel", "sycl")
    if "gaudi" in words:
        return _family("intel_datacenter", "gaudi", "Intel", "hpu")
    if name.maker == "intel" and words & {"max", "flex"}:
        return _family("intel_datacenter", "max", "Intel", "sycl")
    if name.maker == "intel":
        return _family("intel_igpu", "igpu", "Intel", "sycl", unified=True)
    return None


def _apple(text: str, name: DeviceName) -> Family | None:
    chip = _number(name.words, r"m(\d)")
    if chip is None or name.maker not in ("apple", None):
        return None
    size = next((word for word in ("ultra", "max", "pro") if word in name.words), "base")
    return _family(f"apple_{size}", chip.group(0), "Apple", "metal", unified=True)


def _processor(text: str, name: DeviceName) -> Family:
    words = name.words
    vendor = {"amd": "AMD", "intel": "Intel", "apple": "Apple", "nvidia": "NVIDIA"}.get(name.maker or "", "generic")
    if words & {"raspberry", "orange", "rockchip", "rk3588", "radxa", "pi", "jetson", "banana", "odroid"}:
        return _family("cpu_sbc", "sbc", vendor, "cpu", unified=True)
    server = words & {"epyc", "xeon", "threadripper", "ampereone", "altra", "graviton", "grace", "kunpeng"}
    if server or name.count > 1 or (name.channels or 0) > 2:
        generation = "avx512" if _number(words, r"9\d\d[4-9][a-z]*|[789]\d{3}w?x|8[45]\d\d[a-z]?|6\d{3}p") else "avx2"
        return _family("cpu_server", generation, vendor, "cpu")
    return _family("cpu_desktop", "desktop", vendor, "cpu")


def family_of(printed: str, *, processor: bool) -> Family | None:
    """What a name says of the kind of device; None when it says nothing."""
    name, text = parse(printed), printed.lower()
    if processor:
        return _processor(text, name)
    if "snapdragon" in text or "adreno" in text:
        return _family("qualcomm", "qualcomm", "Qualcomm", "cpu", unified=True)
    for rule in (_nvidia, _apple, _amd, _intel):
        found = rule(text, name)
        if found is not None:
            return found
    return None


def _is_of(entry: Entry, family: Family) -> bool:
    """Whether an entry's own names say that it is of the family's generation."""
    texts = (entry.hardware.name, f"{entry.hardware.vendor} {entry.hardware.device_name}")
    kinds = [family_of(text, processor=entry.on_processor) for text in texts]
    return any(kind is not None and kind.generation == family.generation for kind in kinds)


def relatives(family: Family) -> list[Entry]:
    """The catalogue's devices of the same class and generation, or else of the generation, or else of the class."""
    same = [entry for entry in entries() if entry.hardware.device_class == family.device_class]
    near = [entry for entry in same if _is_of(entry, family)]
    if not near and family.generation:
        makers = [entry for entry in entries() if entry.hardware.vendor == family.vendor and not entry.on_processor]
        near = [entry for entry in makers if _is_of(entry, family)]
    return near or same


def _rates(family: Family, near: list[Entry], bandwidth: float) -> tuple[dict[str, Any], list[str]]:
    """Dense rates in 10^12 operations per second: those of the nearest relatives, per byte of bandwidth."""
    with_rates = [entry for entry in near if entry.hardware.to_dict()["devices"][0].get("compute")]
    with_rates.sort(key=lambda entry: abs(math.log(entry.hardware.bandwidth_gb_per_s / bandwidth)))
    nearest = with_rates[:_NEAREST]
    rates: dict[str, Any] = {}
    for rate in _RATES:
        logarithms = []
        for entry in nearest:
            figure = entry.hardware.to_dict()["devices"][0]["compute"].get(rate)
            if figure is not None:
                logarithms.append(math.log(figure["value"] / entry.hardware.bandwidth_gb_per_s * bandwidth))
        if nearest and len(logarithms) == len(nearest):
            field = f"{rate}_tops" if rate == "int8" else f"{rate}_tflops"
            rates[field] = round(math.exp(sum(logarithms) / len(logarithms)), 3)
    return rates, [entry.hardware.id for entry in nearest]


def _by_backend(backend: str) -> Family:
    word = next((word for word in _BY_BACKEND if backend.lower().startswith(word)), "other")
    device_class, vendor = _BY_BACKEND.get(word, ("other", "not stated"))
    return _family(device_class, "", vendor, word)


def build(printed: str, bandwidth: float | None, *, processor: bool, backend: str = "") -> DeviceMatch | NoMatch:
    """A machine for a name that the catalogue lacks.

    bandwidth  10^9 bytes per second of one device; without one there is nothing to build from
    processor  whether the processor ran the model
    backend    as printed; it tells the family of a name that does not
    """
    name = parse(printed)
    if bandwidth is None:
        return NoMatch(reason=f"device '{printed}' is not in the catalogue and no bandwidth is stated")
    family = family_of(printed, processor=processor)
    if family is None:
        family = _by_backend(backend)
    near = relatives(family) if family.device_class != "other" else []
    rates, sources = _rates(family, near, bandwidth)
    memory = name.memory_gb
    if memory is None:
        sizes = sorted(entry.memory_gb for entry in near)
        memory = sizes[len(sizes) // 2] if sizes else 64.0
    fraction = 0.9 if family.unified or family.backend == "cpu" else 0.98
    figures: dict[str, Any] = {"release_year": None, **rates}
    hardware = Hardware(
        name=printed.strip()[:200].encode("utf-8", "replace").decode("utf-8"),
        vendor=family.vendor,
        memory_gib=memory,
        usable_gib=memory * fraction,
        bandwidth_gb_per_s=bandwidth,
        backend=family.backend,
        device_class=family.device_class,
        unified=family.unified,
        **figures,
    )
    told = [f"built from {bandwidth:g} GB/s as {family.device_class}"]
    if sources:
        told.append(f"rates per byte of bandwidth as {' and '.join(sources)}")
    if name.memory_gb is None:
        told.append(f"{memory:g} GiB of memory assumed")
    return DeviceMatch(hardware=hardware, how="; ".join(told), exact=False)


def processor_of(chip: Hardware) -> Hardware:
    """The processor of a chip whose GPU the catalogue knows: its memory and bandwidth, rates as similar processors."""
    family = _family("cpu_sbc" if chip.kind == "sbc" else "cpu_desktop", "desktop", chip.vendor, "cpu", unified=True)
    rates: dict[str, Any]
    rates, _ = _rates(family, [entry for entry in relatives(family) if entry.hardware.unified], chip.bandwidth_gb_per_s)
    return Hardware(
        name=f"{chip.name} (CPU)",
        vendor=chip.vendor,
        memory_gib=chip.memory_bytes / _GIB,
        usable_gib=chip.memory_bytes / _GIB * 0.9,
        bandwidth_gb_per_s=chip.bandwidth_gb_per_s,
        backend="cpu",
        device_class=family.device_class,
        unified=True,
        **rates,
    )
