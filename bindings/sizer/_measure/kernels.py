"""The kernels one by one: an opened device, and what a run of one kernel measured."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from .. import _core
from .._arguments import boolean, described, integer, real, text
from .._errors import InvalidValueError, WrongTypeError
from .._records import Nested, Record
from . import devices

#: Sizes that a run takes by name.
SHAPE_FIELDS = ("columns", "depth", "head_dim", "kv_heads", "group", "gemm_m", "gemm_n", "gemm_k")

# Two runs at once would take each other's bandwidth, also on two devices.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class KernelInfo(Record):
    """A kernel of a device in one variant. ``reason`` says why it cannot run, and is None when it can."""

    name: str
    variant: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """One run of one kernel: every sample after the warm-up, and what they come to.

    ``moved_bytes``, ``operations`` and ``events`` (barriers, launches, accesses) are those of one sample, 0 where the
    kernel counts none. ``median_s`` is the median of ``samples_s``, ``spread`` their median absolute deviation over it,
    ``stable`` whether that is at most 5 %. ``verified``: the results were compared with a plain reference, and
    ``largest_error`` is relative to the largest possible result. ``threads`` is 0 on a device without threads to count.
    """

    kernel: str
    variant: str
    threads: int
    working_set_bytes: int
    shape: Mapping[str, int]
    moved_bytes: int
    operations: float
    events: int
    samples_s: tuple[float, ...]
    discarded: int
    verified: bool
    largest_error: float
    median_s: float
    spread: float
    stable: bool
    remarks: tuple[str, ...]

    _nested: ClassVar[Nested] = {"shape": dict, "samples_s": tuple, "remarks": tuple}

    @property
    def gb_per_s(self) -> float | None:
        """Bandwidth in 10^9 bytes per second; None for a kernel that counts no bytes."""
        return self.moved_bytes / self.median_s / 1e9 if self.moved_bytes and self.median_s else None

    @property
    def fastest_gb_per_s(self) -> float | None:
        """Bandwidth of the fastest sample, which nothing else on the machine disturbed."""
        fastest = min(self.samples_s, default=0.0)
        return self.moved_bytes / fastest / 1e9 if self.moved_bytes and fastest else None

    @property
    def gflop_per_s(self) -> float | None:
        """Arithmetic in 10^9 operations per second; None for a kernel that counts none."""
        return self.operations / self.median_s / 1e9 if self.operations and self.median_s else None

    @property
    def seconds_per_event(self) -> float | None:
        """Time of one barrier, launch or access; None for a kernel that counts none."""
        return self.median_s / self.events if self.events and self.median_s else None


@final
class KernelDevice:
    """A device with its kernels, opened by ``sizer.kernel_device``. One run at a time; other threads wait."""

    __slots__ = ("_device", "_id")

    def __init__(self, device: _core.KernelDevice, id: str) -> None:
        self._device = device
        self._id = id

    @property
    def id(self) -> str:
        """The name that it was opened by: "cpu", "cuda:0", "opencl:0"."""
        return self._id

    @property
    def name(self) -> str:
        """Name as its driver writes it."""
        return self._device.name

    @property
    def backend(self) -> str:
        """``cpu``, ``cuda`` or ``opencl``."""
        return self._device.backend

    @property
    def facts(self) -> dict[str, str]:
        """Driver, clocks, instruction sets, compiler and flags of the kernels: what a profile keeps of it."""
        return dict(self._device.facts())

    @property
    def largest_working_set_bytes(self) -> int:
        """The most that a run may touch."""
        return self._device.largest_working_set_bytes

    @property
    def last_level_cache_bytes(self) -> int | None:
        """Size of the last cache before the memory, as the device reports it; None when it does not."""
        return self._device.last_level_cache_bytes or None

    def kernels(self) -> list[KernelInfo]:
        """Every kernel in every variant, the fastest variant of each first."""
        return [KernelInfo.build(one) for one in self._device.kernels()]

    def run(
        self,
        kernel: str,
        *,
        working_set_bytes: int | None = None,
        threads: int | None = None,
        seconds: float = 0.5,
        least_samples: int = 5,
        most_samples: int = 200,
        wanted_spread: float = 0.01,
        variant: str | None = None,
        **shape: int,
    ) -> Measurement:
        """Runs one kernel: warms up, takes samples, and compares the results with a plain reference.

        working_set_bytes  data that one pass touches (default: the device's choice, beyond its caches)
        threads            of the processor (default: all that it was opened with)
        seconds            stop after this, if least_samples are there
        wanted_spread      stop before that, when the samples' median absolute deviation is below this share of the
                           median
        variant            one of those that kernels() lists (default: the fastest)
        shape              columns (matvec); depth, head_dim, kv_heads, group (attention); gemm_m, gemm_n, gemm_k

        Raises UnknownNameError or InvalidValueError for what the device does not have or cannot run, DeviceError when
        it fails, SizerError when its results are wrong.
        """
        sizes = [(name, integer(name, value)) for name, value in shape.items()]
        for name, size in sizes:
            if name not in SHAPE_FIELDS:
                nearest = ", ".join(_core.nearest_names(name, SHAPE_FIELDS)[:3] or SHAPE_FIELDS)
                raise TypeError(f"run() got an unexpected keyword argument '{name}'; nearest: {nearest}")
            if size < 1:
                raise InvalidValueError(name, str(size), "at least 1")
        if variant is not None:
            variant = text("variant", variant)
        small: dict[str, int] = {}
        for field, value in (("threads", threads), ("least_samples", least_samples), ("most_samples", most_samples)):
            small[field] = 0 if value is None else integer(field, value)
            if not 0 <= small[field] < 2**31 or (value is not None and small[field] == 0):
                raise InvalidValueError(field, str(value), "1 to 2147483647")
        arguments: dict[str, Any] = {
            "kernel": text("kernel", kernel),
            "working_set_bytes": 0 if working_set_bytes is None else integer("working_set_bytes", working_set_bytes),
            "shape": sizes,
            "budget_s": real("seconds", seconds, low_allowed=True),
            "wanted_spread": real("wanted_spread", wanted_spread, low_allowed=True),
            "variant": variant or "",
            **small,
        }
        with _one_at_a_time:
            plain = self._device.run(**arguments)
        return Measurement.build({**plain, "stable": plain["spread"] <= _core.unstable_spread})

    def __repr__(self) -> str:
        return f"KernelDevice({self._id!r}: {self.name})"


def opened(name: str, *, threads: int = 0, huge_pages: bool = True, pin: bool = True) -> KernelDevice:
    """A device by a name that is checked already."""
    return KernelDevice(devices.open_core(name, threads=threads, huge_pages=huge_pages, pin=pin), name)


def kernel_device(
    name: str = "cpu", *, threads: int | None = None, huge_pages: bool = True, pin: bool = True
) -> KernelDevice:
    """Opens a device, to run its kernels one by one.

    name        "cpu", "cuda:0", "opencl:0"
    threads     of the processor (default: one a physical core that this process may run on)
    huge_pages  ask the kernel for them, processor only
    pin         each thread on its own core, processor only

    What is refused (pinning, huge pages) becomes a remark of the measurements. Raises UnknownNameError with the reason
    when there is no such device.
    """
    checked = devices.checked_name(name)
    if checked == "all":
        raise InvalidValueError("device", "'all'", "one device")
    if threads is not None and checked != "cpu":
        raise InvalidValueError("threads", described(threads), f"nothing: {checked} has no threads to count")
    count = 0 if threads is None else integer("threads", threads)
    if threads is not None and not 1 <= count <= 4096:
        raise InvalidValueError("threads", str(count), "1 to 4096")
    if not isinstance(name, str):
        raise WrongTypeError("device", described(name), "a string")
    return opened(checked, threads=count, huge_pages=boolean("huge_pages", huge_pages), pin=boolean("pin", pin))
