"""Names of what can be measured: "cpu", "cuda:0", "opencl:0"; and the reasons why a backend has no device."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import _core
from .._arguments import described, text
from .._errors import InvalidValueError, UnknownNameError, WrongTypeError

#: The OpenCL loader, when it is not where the system looks.
OPENCL_VARIABLE = "SIZER_OPENCL_LIBRARY"

_NVIDIA = re.compile(r"nvidia|geforce|quadro|tesla", re.IGNORECASE)
# Platforms and devices that run OpenCL on the processor: PoCL, and Intel's runtime (that of its GPUs adds Graphics).
_CPU_PLATFORM = re.compile(r"portable computing language|pocl|intel\(r\) opencl$|intel.*cpu runtime", re.IGNORECASE)
_CPU_DEVICE = re.compile(r"^(cpu|pthread|basic)\b|\b(xeon|epyc|ryzen|core\(tm\)|threadripper)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A device that can be opened: its name here, and its name as the driver writes it."""

    name: str
    title: str


@dataclass(frozen=True)
class Backends:
    """The devices of each backend, and why there are none."""

    cuda: tuple[str, ...]
    opencl: tuple[str, ...]
    reasons: tuple[str, ...]

    def all(self) -> list[Found]:
        """Every device, the processor first."""
        found = [Found("cpu", "the processor")]
        found += [Found(f"cuda:{i}", title) for i, title in enumerate(self.cuda)]
        return found + [Found(f"opencl:{i}", title) for i, title in enumerate(self.opencl)]

    def usual(self) -> list[Found]:
        """What a profile measures unasked: each piece of silicon once, by its fastest backend."""
        nvidia_is_done = bool(self.cuda)
        return [
            one
            for one in self.all()
            if not one.name.startswith("opencl:")
            or not (is_processor(one.title) or (nvidia_is_done and is_nvidia(one.title, self.cuda)))
        ]


def is_nvidia(title: str, cuda: Sequence[str] = ()) -> bool:
    """Whether an OpenCL device ("platform: device") is a card that CUDA measures too."""
    return bool(_NVIDIA.search(title)) or any(name in title for name in cuda)


def is_processor(title: str) -> bool:
    """Whether an OpenCL device ("platform: device") is the processor itself."""
    platform, _, device = title.rpartition(": ")
    # PoCL drives NVIDIA's cards too.
    return bool((_CPU_PLATFORM.search(platform) and not _NVIDIA.search(device)) or _CPU_DEVICE.search(device))


def _cuda_module() -> tuple[Any, str]:
    """The extension that has the CUDA kernels, or None and the reason."""
    try:
        return importlib.import_module("sizer._cuda"), ""
    except ModuleNotFoundError as error:
        if error.name != "sizer._cuda":
            return None, str(error)
        return None, _core.cuda_reason or "this build has no CUDA kernels"
    except ImportError as error:
        return None, str(error)


def _opencl_library() -> str:
    return os.environ.get(OPENCL_VARIABLE, "")


def backends() -> Backends:
    """Looks for devices. Nothing is opened."""
    reasons = []
    module, reason = _cuda_module()
    cuda: list[str] = []
    if module is not None:
        cuda, reason = module.devices()
    if not cuda:
        reasons.append(reason if reason.startswith("CUDA") else f"CUDA: {reason or 'no device'}")
    opencl, reason = _core.list_opencl(_opencl_library())
    if not opencl:
        reasons.append(reason if reason.startswith("OpenCL") else f"OpenCL: {reason or 'no device'}")
    return Backends(tuple(cuda), tuple(opencl), tuple(reasons))


def open_core(name: str, *, threads: int, huge_pages: bool, pin: bool) -> _core.KernelDevice:
    """Opens a device by its name. Raises UnknownNameError with the reason, DeviceError."""
    if name == "cpu":
        return _core.open_cpu(threads=threads, huge_pages=huge_pages, pin=pin)
    backend, _, number = name.partition(":")
    index = int(number)
    found = backends()
    known = found.cuda if backend == "cuda" else found.opencl
    if index >= len(known):
        reason = next((text for text in found.reasons if text.lower().startswith(backend + ":")), None)
        reason = reason or f"there are {len(known)} devices of this kind, numbered from 0"
        raise UnknownNameError("device", name, [one.name for one in found.all()], reason)
    if backend == "cuda":
        opened: _core.KernelDevice = _cuda_module()[0].open(index)
        return opened
    return _core.open_opencl(index, _opencl_library())


def checked_name(value: Any) -> str:
    """A name as `cpu`, `cuda:N`, `opencl:N` or `all`; without a number it is the first device."""
    name = text("device", value).strip().lower()
    if name in ("cuda", "opencl"):
        name += ":0"
    if name not in ("cpu", "all") and not re.fullmatch(r"(cuda|opencl):\d{1,3}", name):
        raise InvalidValueError("device", repr(value), "cpu, cuda:NUMBER, opencl:NUMBER or all")
    return name


def checked_names(value: Any) -> list[str]:
    """One name or several, each once, in the order given."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or not value:
        raise WrongTypeError("device", described(value), "a name or a list of names")
    return list(dict.fromkeys(checked_name(one) for one in value))
