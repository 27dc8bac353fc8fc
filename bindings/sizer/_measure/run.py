"""Makes the runs of a profile, one device after the other, within the time that was promised."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import _core
from .._arguments import boolean, described, integer
from .._detect import Detection, detect
from .._errors import DeviceError, InvalidValueError, SizerError, WrongTypeError
from . import devices as backend
from . import kernels, machine, plan
from .kernels import KernelDevice, Measurement
from .plateau import Plateau, verdict
from .profile import DeviceProfile, LeftOut, Profile, checked_target

#: Called with the share that is done, 0 to 1, and what runs now.
Progress = Callable[[float, str], object]

# The processor has several thread counts to measure; a GPU is one.
_CPU_WEIGHT = 3.0
# Programs that want to run, for each logical CPU, from which on the figures suffer.
_BUSY = 0.5


@dataclass
class _Device:
    """A device while it is measured."""

    name: str
    title: str
    backend: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    largest: int | None = None
    cache: int | None = None
    opened: KernelDevice | None = None
    plan: plan.Plan = field(default_factory=lambda: plan.Plan(()))
    problem: str | None = None
    measurements: list[Measurement] = field(default_factory=list)
    left_out: dict[tuple[str, str], None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    def open(self, *, threads: int, quick: bool) -> None:
        """Opens it, and keeps what it says of itself: a lost device says nothing any more."""
        opened = kernels.opened(self.name, threads=threads if self.is_cpu else 0)
        self.title, self.backend, self.facts = opened.name, opened.backend, opened.facts
        self.largest, self.cache = opened.largest_working_set_bytes, opened.last_level_cache_bytes
        if self.is_cpu:
            count = int(self.facts.get("threads", "1"))
            self.plan = plan.cpu_plan(count, self.largest, self.cache, quick=quick)
            self.notes = _busy()
        else:
            self.plan = plan.gpu_plan(self.largest, self.cache, quick=quick)
        self.opened = opened

    def leave_out(self, what: str, reason: str) -> None:
        """Each once: kernels of several thread counts have the same reason."""
        self.left_out[(what, reason)] = None

    def profile(self) -> DeviceProfile:
        """What was measured."""
        unjudged = DeviceProfile(
            device=self.name,
            name=self.title,
            backend=self.backend or self.name.partition(":")[0],
            facts=self.facts,
            largest_working_set_bytes=self.largest,
            last_level_cache_bytes=self.cache,
            plateau=verdict([], last_level_cache_bytes=self.cache, flushed_bytes_per_s=None),
            measurements=tuple(self.measurements),
            left_out=tuple(LeftOut(kernel=what, reason=reason) for what, reason in self.left_out),
            notes=(*self.plan.notes, *self.notes),
            problem=self.problem,
        )
        return unjudged.replace(plateau=_judge(unjudged))


def _busy() -> tuple[str, ...]:
    """That others use the processor, where the system says so."""
    try:
        load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):
        return ()
    if load <= _BUSY * cpus:
        return ()
    return (f"other programs ran in the minute before: a load of {load:.1f} on {cpus} logical CPUs",)


def _judge(device: DeviceProfile) -> Plateau:
    """The verdict on the reads of all threads, of each working set the fastest sample."""
    most = max(device.thread_counts, default=0)
    reads = {one.working_set_bytes: device.fastest(one) for one in device.of("read", threads=most)}
    read, flushed = device.best("read", threads=most), device.best("read_after_flush", threads=most)
    return verdict(
        [(size, rate * 1e9) for size, rate in reads.items() if rate],
        last_level_cache_bytes=device.last_level_cache_bytes,
        flushed_bytes_per_s=device.fastest(flushed) * 1e9 if flushed else None,
        typical=(read.gb_per_s or 0.0) * 1e9 if read else None,
        typical_flushed=(flushed.gb_per_s or 0.0) * 1e9 if flushed else None,
    )


def _missing(opened: KernelDevice) -> dict[str, str]:
    """Kernels that have no variant that runs, with the reason."""
    reasons: dict[str, str] = {}
    can: set[str] = set()
    for one in opened.kernels():
        if one.reason is None:
            can.add(one.name)
        else:
            reasons.setdefault(one.name, one.reason)
    return {name: reason for name, reason in reasons.items() if name not in can}


def _open(chosen: Sequence[backend.Found], *, named: bool, threads: int, quick: bool) -> list[_Device]:
    """Opens every device. One that was not asked for by name may fail; the processor may not."""
    found = []
    for one in chosen:
        device = _Device(one.name, one.title)
        try:
            device.open(threads=threads, quick=quick)
            if not named and device.backend == "opencl" and "cpu" in device.facts.get("type", "").lower():
                continue  # it is the processor after all
        except SizerError as error:
            if named or device.is_cpu:
                raise
            device.problem = f"cannot be opened: {error}"
        found.append(device)
    return found


def _measure(device: _Device, seconds: float, report: Callable[[float, str], None]) -> None:
    """Every run of one device."""
    opened = device.opened
    assert opened is not None
    known = {one.name for one in opened.kernels()}
    missing = _missing(opened)
    schedule = plan.Schedule(device.plan.runs, seconds)
    runs = []
    for run in device.plan.runs:
        if run.kernel in missing or run.kernel not in known:
            schedule.drop(run)
            device.leave_out(run.kernel, missing.get(run.kernel, f"no kernel of the backend {opened.backend}"))
        else:
            runs.append(run)
    total = sum(run.weight for run in runs) or 1.0
    done = 0.0
    lost = False
    for run in runs:
        report(done / total, str(run))
        done += run.weight
        if lost:
            device.leave_out(run.kernel, "the device was lost before")
            continue
        given = schedule.next(run)
        if given is None:
            device.leave_out(str(run), "time")
            continue
        try:
            device.measurements.append(_one(opened, run, given))
        except DeviceError as error:
            if device.is_cpu:
                raise
            device.problem = str(error)
            lost = error.lost
            device.leave_out(str(run), str(error))
        except SizerError as error:  # wrong results, or too little memory for this kernel
            device.leave_out(str(run), str(error))
        schedule.done()
    report(1.0, "")


def _one(opened: KernelDevice, run: plan.Run, seconds: float) -> Measurement:
    shape: dict[str, Any] = dict(run.shape)
    return opened.run(
        run.kernel,
        working_set_bytes=run.working_set_bytes or None,
        threads=run.threads or None,
        seconds=seconds,
        least_samples=run.least_samples,
        **shape,
    )


def _select(names: list[str], found: backend.Backends) -> tuple[list[backend.Found], bool]:
    """The devices to measure, and whether they were named."""
    if "all" in names:
        return found.usual(), False
    titles = {one.name: one.title for one in found.all()}
    return [backend.Found(name, titles.get(name, name)) for name in names], True


def _reporter(progress: Any) -> tuple[Progress, Callable[[], None]]:
    """How progress is told, and what ends it: a line on the terminal, a function of the caller, or nothing."""
    if callable(progress):
        return progress, lambda: None
    if progress is not None and not isinstance(progress, bool):
        raise WrongTypeError("progress", described(progress), "True, False, None or a function")
    if progress is False or (progress is None and not (sys.stderr is not None and sys.stderr.isatty())):
        return (lambda _share, _what: None), lambda: None
    try:
        from tqdm import tqdm
    except ImportError:
        return (lambda _share, _what: None), lambda: None
    shape = "{percentage:3.0f}%|{bar:20}| {elapsed} {desc}"
    bar = tqdm(total=1.0, desc="", leave=False, file=sys.stderr, bar_format=shape, dynamic_ncols=True)

    def show(share: float, what: str) -> None:
        bar.n = share
        bar.set_description_str(what)

    return show, bar.close


def measure(
    *,
    quick: bool = False,
    device: str | Sequence[str] = "all",
    output: Any = None,
    progress: bool | Progress | None = None,
    threads: int | None = None,
) -> Profile:
    """Measures this machine: bandwidths, weights and KV caches in ggml's formats, matrix products, barriers, launches.

    quick     within 20 seconds instead of two minutes: fewer working sets and thread counts
    device    "cpu", "cuda:0", "opencl:0", several of them, or "all": the processor and each GPU once
    output    a file to write, which ``sizer.hardware(FILE)`` and ``--on FILE`` read (default: none)
    progress  True: a bar on stderr; None: a bar where that is a terminal; a function of (share done, what runs now)
    threads   the most that the processor is measured with (default: one a physical core)

    Nothing is written before the end, and then at once: after an error or Ctrl-C there is no half profile. A GPU that
    fails keeps what was measured before, with the ``problem``. Raises InvalidValueError for a file that cannot be
    written before anything is measured, UnknownNameError for a device that is not there, DeviceError when the processor
    fails.
    """
    quick = boolean("quick", quick)
    names = backend.checked_names(device)
    count = 0 if threads is None else integer("threads", threads)
    if threads is not None and not 1 <= count <= 4096:
        raise InvalidValueError("threads", str(count), "1 to 4096")
    target: Path | None = None if output is None else checked_target(output)
    tell, end = _reporter(progress)
    began = time.monotonic()
    try:
        found = detect()
        backends = backend.backends()
        chosen, named = _select(names, backends)
        devices = _open(chosen, named=named, threads=count, quick=quick)
        _measure_all(devices, plan.QUICK_SECONDS if quick else plan.STANDARD_SECONDS, began, tell)
    finally:
        end()
    profile = _assemble(found, devices, backends.reasons, quick=quick, seconds=time.monotonic() - began)
    if target is not None:
        profile.write(target)
    return profile


def _measure_all(devices: Sequence[_Device], seconds: float, began: float, tell: Progress) -> None:
    """Shares the time that is left among the devices that are left."""

    def part(one: _Device) -> float:
        return _CPU_WEIGHT if one.is_cpu else 1.0

    there = [one for one in devices if one.opened is not None]
    total = sum(part(one) for one in there) or 1.0
    before = 0.0
    for i, one in enumerate(there):
        left = seconds - (time.monotonic() - began)
        mine = left * part(one) / sum(part(other) for other in there[i:])

        def report(share: float, what: str, one: _Device = one, before: float = before) -> None:
            tell((before + share * part(one)) / total, f"{one.name} {what}".strip())

        _measure(one, mine, report)
        before += part(one)
        one.opened = None  # and with it its memory, which the next one may need


def _assemble(
    found: Detection, devices: Sequence[_Device], reasons: Sequence[str], *, quick: bool, seconds: float
) -> Profile:
    done = tuple(one.profile() for one in devices)
    if not any(one.measurements for one in done):
        why = "; ".join(
            one.problem or (one.left_out[0].reason if one.left_out else "no kernel runs there") for one in done
        )
        raise SizerError(f"nothing was measured: {why or 'there is no device'}")
    cpu = next((one for one in done if one.device == "cpu"), None)
    wanted = max((run.working_set_bytes for one in devices if one.is_cpu for run in one.plan.runs), default=0)
    # A read of the small working sets alone would pass for that of the memory.
    if cpu is not None and not any(one.working_set_bytes >= wanted // 2 for one in cpu.of("read")):
        why = next((one.reason for one in cpu.left_out if one.kernel.startswith("read")), "it was left out")
        raise SizerError(f"cpu: the memory was not read: {why}")
    return Profile(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        mode="quick" if quick else "standard",
        libsizer=_core.__version__,
        seconds=round(seconds, 3),
        detected=found,
        devices=done,
        reasons=tuple(reasons),
        entry=machine.build(found, done),
    )
