"""The machine that this runs on, as one record: every fact with where it was read, or why it is not known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from . import _core
from ._arguments import described
from ._catalogue import current
from ._errors import WrongTypeError
from ._records import Nested, Record, each

#: A folder or a recorded file to look at instead of this machine, as tests do.
ROOT_VARIABLE = "SIZER_PROBE_ROOT"
#: NVIDIA's management library, when it is not where the loader looks.
NVML_VARIABLE = "SIZER_NVML_LIBRARY"


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, kw_only=True)
class Fact(Record):
    """One field of a detected machine. ``value`` is None when it is not known, and ``reason`` then says why."""

    value: Any
    source: str | None
    reason: str | None

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Fact:
        """From plain values."""
        return cls(value=_frozen(fields["value"]), source=fields["source"], reason=fields["reason"])


def _facts(names: str) -> Nested:
    return dict.fromkeys(names.split(), Fact.read)


@dataclass(frozen=True, kw_only=True)
class DetectedCpu(Record):
    """The processor. Clocks in MHz; ``caches`` and ``numa_nodes`` are tuples of dicts."""

    vendor: Fact
    model: Fact
    sockets: Fact
    physical_cores: Fact
    logical_cpus: Fact
    usable_cpus: Fact
    cpu_quota: Fact
    simd: Fact
    caches: Fact
    numa_nodes: Fact
    base_mhz: Fact
    max_mhz: Fact

    _nested: ClassVar[Nested] = _facts(
        "vendor model sockets physical_cores logical_cpus usable_cpus cpu_quota simd caches numa_nodes base_mhz max_mhz"
    )


@dataclass(frozen=True, kw_only=True)
class DetectedMemory(Record):
    """The memory. ``dimms`` is a tuple of dicts; rates in million transfers per second."""

    total_bytes: Fact
    available_bytes: Fact
    cgroup_limit_bytes: Fact
    huge_page_sizes: Fact
    dimms: Fact
    type: Fact
    channels: Fact
    bus_width_bits: Fact
    data_rate_mts: Fact

    _nested: ClassVar[Nested] = _facts(
        "total_bytes available_bytes cgroup_limit_bytes huge_page_sizes dimms type channels bus_width_bits "
        "data_rate_mts"
    )


@dataclass(frozen=True, kw_only=True)
class DetectedGpu(Record):
    """A graphics card, or the graphics of a processor. Links are dicts with ``generation`` and ``width``."""

    vendor: Fact
    name: Fact
    backend: Fact
    pci_address: Fact
    pci_id: Fact
    memory_total_bytes: Fact
    memory_used_bytes: Fact
    memory_reserved_bytes: Fact
    unified: Fact
    driver_version: Fact
    cuda_version: Fact
    compute_capability: Fact
    pcie_current: Fact
    pcie_max: Fact
    power_limit_w: Fact
    display_attached: Fact
    mig: Fact
    virtualization: Fact
    memory_bus_bits: Fact
    memory_clock_mhz: Fact
    gtt_total_bytes: Fact
    gfx_target: Fact
    gpu_cores: Fact
    wired_limit_bytes: Fact
    recommended_working_set_bytes: Fact

    _nested: ClassVar[Nested] = _facts(
        "vendor name backend pci_address pci_id memory_total_bytes memory_used_bytes memory_reserved_bytes unified "
        "driver_version cuda_version compute_capability pcie_current pcie_max power_limit_w display_attached mig "
        "virtualization memory_bus_bits memory_clock_mhz gtt_total_bytes gfx_target gpu_cores wired_limit_bytes "
        "recommended_working_set_bytes"
    )


@dataclass(frozen=True, kw_only=True)
class DetectedOs(Record):
    """The operating system and what it runs in; ``container`` and ``virtual_machine`` are "none" outside of one."""

    name: Fact
    kernel: Fact
    wsl: Fact
    container: Fact
    virtual_machine: Fact

    _nested: ClassVar[Nested] = _facts("name kernel wsl container virtual_machine")


@dataclass(frozen=True, kw_only=True)
class CatalogueMatch(Record):
    """The entry of the catalogue that a machine is.

    ``certainty`` is "same" (device and memory), "same device", "similar" (another one of about its bandwidth) or
    "none"; ``reason`` says by what it was found, or why none was. ``problem`` says why ``sizer.hardware("this")``
    raises, and is None when it does not.
    """

    id: str | None
    certainty: str
    reason: str
    differences: tuple[str, ...]
    alternatives: tuple[str, ...]
    problem: str | None

    _nested: ClassVar[Nested] = {"differences": tuple, "alternatives": tuple}


@dataclass(frozen=True, kw_only=True)
class Detection(Record):
    """What ``sizer.detect()`` found. ``sizer.hardware("this")`` makes a machine of it that estimates take."""

    product: Fact
    cpu: DetectedCpu
    memory: DetectedMemory
    gpus: tuple[DetectedGpu, ...]
    gpu_reasons: tuple[str, ...]
    os: DetectedOs
    match: CatalogueMatch

    _nested: ClassVar[Nested] = {
        "product": Fact.read,
        "cpu": DetectedCpu.build,
        "memory": DetectedMemory.build,
        "gpus": each(DetectedGpu.build),
        "gpu_reasons": tuple,
        "os": DetectedOs.build,
        "match": CatalogueMatch.build,
    }

    def _repr_html_(self) -> str:
        from . import _detect_report, display

        return display.to_html(_detect_report.detection(self))

    def __str__(self) -> str:
        from . import _detect_report, display

        return display.to_text(_detect_report.detection(self))


def look(root: str | os.PathLike[str] | None, nvml_library: str | os.PathLike[str] | None) -> _core.DetectedMachine:
    """The machine itself. What is not given is taken from the environment."""
    for field, value in (("root", root), ("nvml_library", nvml_library)):
        if value is not None and not isinstance(value, (str, os.PathLike)):
            raise WrongTypeError(field, described(value), "a path")
    at = os.environ.get(ROOT_VARIABLE) if root is None else os.fspath(root)
    library = os.environ.get(NVML_VARIABLE) if nvml_library is None else os.fspath(nvml_library)
    return _core.detect_machine(root=at or "/", nvml_library=library or None)


def detect(
    *, root: str | os.PathLike[str] | None = None, nvml_library: str | os.PathLike[str] | None = None
) -> Detection:
    """Looks at the machine that this runs on: processor, memory, graphics cards, operating system.

    root          a folder or recorded file to look at instead (default: SIZER_PROBE_ROOT, or else this machine)
    nvml_library  NVIDIA's management library (default: SIZER_NVML_LIBRARY, or else the system's)

    Each field has ``value``, ``source`` and ``reason``. Nothing is changed and no special right is needed; as root, the
    memory modules can be read too. Raises DataError for a file that is no recorded machine.
    """
    here = look(root, nvml_library)
    return Detection.build({**here.describe(), "match": here.match(current())})
