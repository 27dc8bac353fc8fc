"""The machines of the catalogue that a printed device can stand for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from .. import _core
from .._catalogue import current
from .._hardware import Hardware
from .._records import Row
from .device_name import DeviceName, parse

_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class DeviceMatch(Row):
    """A printed device as one machine with one device.

    how    how it was found, or what it was built from
    exact  whether the catalogue has this very device
    """

    hardware: Hardware
    how: str
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Entry(Row):
    """A machine of the catalogue that can stand for a printed device."""

    hardware: Hardware
    names: tuple[DeviceName, ...]
    own_names: frozenset[str]
    on_processor: bool
    memory_gb: float


def plain_name(text: str) -> str:
    """Letters and digits alone, as the catalogue compares names."""
    return "".join(character for character in text.lower() if character.isalnum())


@lru_cache(maxsize=4)
def _entries(catalogue: _core.Catalogue) -> tuple[Entry, ...]:
    found = []
    for name in catalogue.machine_ids():
        hardware = Hardware._wrap(catalogue.machine(name))
        if hardware.kind == "multi" or hardware.vendor == "generic" or len(hardware.to_dict()["devices"]) > 1:
            continue
        texts = [hardware.id, hardware.name, hardware.device_name, *hardware.aliases]
        names = tuple(name for name in {parse(text) for text in texts} if name.words)
        memory = hardware.memory_bytes * hardware.device_count / _GIB
        found.append(
            Entry(
                hardware=hardware,
                names=names,
                own_names=frozenset(map(plain_name, texts)),
                on_processor=hardware.backend == "cpu",
                memory_gb=memory,
            )
        )
    return tuple(found)


def entries() -> tuple[Entry, ...]:
    """The machines of one device that the catalogue has now."""
    return _entries(current())
