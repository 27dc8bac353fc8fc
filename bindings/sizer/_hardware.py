"""What a machine is, as one immutable object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, final

from . import _core
from ._arguments import boolean, described, entry_json, integer, real, text
from ._errors import DataError, InvalidValueError, UnknownNameError
from ._model import as_json, checked_id, id_from_name

_GIB = 1024**3
_USER = "user"
_NOTE = "stated by the caller"


def _figure(value: float, unit: str, why: str = _NOTE) -> dict[str, Any]:
    return {"value": value, "unit": unit, "kind": "assumed", "source": _USER, "why": why}


# Each simple argument: where it goes in the entry, and how it is checked and written.
_Setter = Callable[[str, Any], Any]


def _size_gib(field: str, value: Any) -> Any:
    return _figure(round(real(field, value) * _GIB), "B")


def _size_bytes(field: str, value: Any) -> Any:
    return _figure(integer(field, value), "B")


def _unit(unit: str) -> _Setter:
    return lambda field, value: _figure(real(field, value), unit)


_SIMPLE: dict[str, tuple[tuple[str | int, ...], _Setter]] = {
    "vendor": (("vendor",), text),
    "kind": (("kind",), text),
    "release_year": (("release_year",), integer),
    "notes": (("notes",), text),
    "device_name": (("devices", 0, "name"), text),
    "device_count": (("devices", 0, "count"), integer),
    "backend": (("devices", 0, "backend"), text),
    "device_class": (("devices", 0, "device_class"), text),
    "memory_type": (("devices", 0, "memory", "type"), text),
    "unified": (("devices", 0, "memory", "unified"), boolean),
    "memory_gib": (("devices", 0, "memory", "sold"), _size_gib),
    "memory_bytes": (("devices", 0, "memory", "sold"), _size_bytes),
    "usable_gib": (("devices", 0, "memory", "usable"), _size_gib),
    "usable_bytes": (("devices", 0, "memory", "usable"), _size_bytes),
    "bandwidth_gb_per_s": (("devices", 0, "memory", "bandwidth_spec"), _unit("GB/s")),
    "bandwidth_measured_gb_per_s": (("devices", 0, "memory", "bandwidth_measured"), _unit("GB/s")),
    "fp32_tflops": (("devices", 0, "compute", "fp32"), _unit("TFLOPS")),
    "fp16_tflops": (("devices", 0, "compute", "fp16"), _unit("TFLOPS")),
    "bf16_tflops": (("devices", 0, "compute", "bf16"), _unit("TFLOPS")),
    "fp8_tflops": (("devices", 0, "compute", "fp8"), _unit("TFLOPS")),
    "int8_tops": (("devices", 0, "compute", "int8"), _unit("TOPS")),
    "fp4_tflops": (("devices", 0, "compute", "fp4"), _unit("TFLOPS")),
    "tdp_w": (("devices", 0, "tdp"), _unit("W")),
    "load_power_w": (("power", "load"), _unit("W")),
    "idle_power_w": (("power", "idle"), _unit("W")),
    "host_memory_gib": (("host_memory", "sold"), _size_gib),
    "host_usable_gib": (("host_memory", "usable"), _size_gib),
    "host_bandwidth_gb_per_s": (("host_memory", "bandwidth_spec"), _unit("GB/s")),
}

_ENTRY_FIELDS = (
    *("id", "name", "aliases", "vendor", "kind", "release_year", "devices", "host_memory", "links", "power"),
    *("prices", "claims", "notes", "price_usd", "price_date"),
)


def _put(entry: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    place: Any = entry
    for key in path[:-1]:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[path[-1]] = value


def _set_simple(entry: dict[str, Any], given: Mapping[str, Any]) -> None:
    for field, value in given.items():
        path, convert = _SIMPLE[field]
        _put(entry, path, convert(field, value))


def _set_price(entry: dict[str, Any], usd: Any, date: Any) -> None:
    price = _figure(real("price_usd", usd), "USD")
    price["date"] = text("price_date", date)
    price["type"] = "street"
    entry["prices"] = [price]


def _read(entry: dict[str, Any], given: Mapping[str, Any]) -> _core.Machine:
    """Reads an entry; an error in a figure that came from an argument names the argument."""
    places: dict[str, tuple[str | int, ...]] = {
        "price_usd": ("prices", 0, "value"),
        "price_date": ("prices", 0, "date"),
    }
    try:
        return _core.Machine.from_json(entry_json("hardware", entry), "hardware")
    except DataError as error:
        for field in given:
            path = _SIMPLE[field][0] if field in _SIMPLE else places.get(field, (field,))
            pointer = "/" + "/".join(map(str, path))
            if error.where == pointer or error.where.startswith(pointer + "/"):
                got, _, expected = error.problem.removeprefix("got ").partition(", expected ")
                raise InvalidValueError(field, got, expected or "another value") from None
        raise


@final
class Hardware:
    """A machine: its devices, the memory each reads, links, power and dated prices. Immutable.

    From the catalogue or a file: ``sizer.hardware(name)``. By its figures::

        sizer.Hardware(name="My box", memory_gib=96, bandwidth_gb_per_s=600, backend="cuda", fp16_tflops=120)

    Arguments: ``name`` and ``bandwidth_gb_per_s`` (10^9 bytes per second, of one device) are required, and one of
    ``memory_gib`` (2^30 bytes) or ``memory_bytes``. ``usable_gib`` / ``usable_bytes`` is what a runtime may allocate
    (default: all of it). ``device_count`` (1) identical devices; ``backend`` ("other": cuda, rocm, vulkan, metal,
    sycl, cpu, hpu) and ``device_class`` ("other") choose the speed parameters. Dense arithmetic rates:
    ``fp32_tflops``, ``fp16_tflops``, ``bf16_tflops``, ``fp8_tflops``, ``int8_tops``, ``fp4_tflops`` (10^12 operations
    per second). ``unified``: the memory is shared with the operating system. ``bandwidth_measured_gb_per_s``,
    ``tdp_w``, ``load_power_w``, ``idle_power_w``, ``host_memory_gib`` with ``host_bandwidth_gb_per_s``, ``price_usd``
    with ``price_date`` (YYYY-MM), ``vendor``, ``kind``, ``memory_type``, ``device_name``, ``release_year``,
    ``notes``, ``id``.

    The full format of a catalogue file is read by ``Hardware.from_dict``.
    Raises InvalidValueError, WrongTypeError or UnknownNameError naming the argument.
    """

    __slots__ = ("_entry",)
    _entry: _core.Machine

    def __init__(
        self,
        *,
        name: str,
        id: str | None = None,
        price_usd: float | None = None,
        price_date: str | None = None,
        **figures: Any,
    ) -> None:
        name = text("name", name)
        given = {field: value for field, value in figures.items() if value is not None}
        for field in given:
            if field not in _SIMPLE:
                raise UnknownNameError("hardware", field, _core.nearest_names(field, list(_SIMPLE)) or list(_SIMPLE))
        for one, other in (("memory_gib", "memory_bytes"), ("usable_gib", "usable_bytes")):
            if one in given and other in given:
                raise InvalidValueError(other, described(given[other]), f"nothing, because {one} is given")
        if "memory_gib" not in given and "memory_bytes" not in given:
            raise InvalidValueError("memory_gib", "nothing", "the size of the memory in GiB")
        if "bandwidth_gb_per_s" not in given:
            raise InvalidValueError("bandwidth_gb_per_s", "nothing", "the memory bandwidth in GB/s")
        backend = given.get("backend", "other")
        unified = bool(given.get("unified", False))
        machine_id = checked_id(id) if id is not None else id_from_name(name, "custom-machine")
        entry: dict[str, Any] = {
            "schema_version": 1,
            "id": machine_id,
            "name": name,
            "vendor": _USER,
            "kind": "cpu" if backend == "cpu" else "system" if unified else "gpu",
            "devices": [
                {
                    "name": name,
                    "count": 1,
                    "backend": "other",
                    "device_class": "other",
                    "memory": {"type": "not stated", "unified": False},
                }
            ],
        }
        _set_simple(entry, given)
        memory = entry["devices"][0]["memory"]
        if "usable" not in memory:
            memory["usable"] = dict(memory["sold"], why="no usable size stated; all of the memory is taken")
        if "host_memory" in entry:
            _complete_host(entry["host_memory"])
        if price_usd is not None:
            if price_date is None:
                raise InvalidValueError("price_date", "nothing", "the month of the price, YYYY-MM")
            _set_price(entry, price_usd, price_date)
            given["price_usd"], given["price_date"] = price_usd, price_date
        elif price_date is not None:
            raise InvalidValueError("price_date", repr(price_date), "nothing without price_usd")
        object.__setattr__(self, "_entry", _read(entry, given))

    @classmethod
    def _wrap(cls, entry: _core.Machine) -> Hardware:
        self = object.__new__(cls)
        object.__setattr__(self, "_entry", entry)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Hardware is immutable; use hardware.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Hardware is immutable")

    @property
    def id(self) -> str:
        """Name in the catalogue."""
        return self._entry.id

    @property
    def name(self) -> str:
        """Name as its maker writes it."""
        return self._entry.name

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that ``sizer.hardware`` finds it by."""
        return tuple(self._entry.aliases)

    @property
    def vendor(self) -> str:
        """Who makes it."""
        return self._entry.vendor

    @property
    def kind(self) -> str:
        """``gpu``, ``server_accelerator``, ``apple_soc``, ``apu``, ``system``, ``cpu``, ``sbc`` or ``multi``."""
        return self._entry.kind

    @property
    def release_year(self) -> int | None:
        """Year it came on the market."""
        return self._entry.release_year

    @property
    def notes(self) -> str | None:
        """What else is worth knowing."""
        return self._entry.notes or None

    @property
    def backend(self) -> str:
        """Software path of the first device: cuda, rocm, vulkan, metal, sycl, cpu, hpu or other."""
        return self._entry.backend

    @property
    def device_class(self) -> str:
        """Devices of one class share speed parameters."""
        return self._entry.device_class

    @property
    def device_name(self) -> str:
        """Name of the device that a model runs on."""
        return self._entry.device_name

    @property
    def device_count(self) -> int:
        """Identical devices that a model is split over."""
        return self._entry.device_count

    @property
    def unified(self) -> bool:
        """Whether the memory is shared with the operating system."""
        return self._entry.unified

    @property
    def memory_bytes(self) -> int:
        """Memory of one device as sold."""
        return self._entry.memory_bytes

    @property
    def usable_bytes(self) -> int:
        """What a runtime may allocate on one device."""
        return self._entry.usable_bytes

    @property
    def bandwidth_gb_per_s(self) -> float:
        """Specified memory bandwidth of one device, 10^9 bytes per second."""
        return self._entry.bandwidth_bytes_per_s / 1e9

    @property
    def bandwidth_measured_gb_per_s(self) -> float | None:
        """Measured memory bandwidth of one device, 10^9 bytes per second; None when nobody measured it."""
        measured = self._entry.bandwidth_measured_bytes_per_s
        return None if measured is None else measured / 1e9

    @property
    def price_usd(self) -> float | None:
        """The newest price, street before list before launch; None when not known."""
        return None if self._entry.price is None else float(self._entry.price["usd"])

    @property
    def price_date(self) -> str | None:
        """Date of ``price_usd``, YYYY-MM or YYYY-MM-DD."""
        return None if self._entry.price is None else str(self._entry.price["date"])

    @property
    def price_kind(self) -> str | None:
        """``street``, ``list`` or ``launch``."""
        return None if self._entry.price is None else str(self._entry.price["type"])

    def to_dict(self) -> dict[str, Any]:
        """The entry in the catalogue's file format: every figure with value, unit, kind and source."""
        return dict(json.loads(self._entry.to_json()))

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Hardware:
        """Reads what ``to_dict`` gives, or a catalogue file. Raises DataError."""
        return cls._wrap(_core.Machine.from_json(entry_json("hardware", entry), "dict"))

    def replace(self, **changes: Any) -> Hardware:
        """The same machine with arguments of ``Hardware(...)`` or whole parts of ``to_dict()`` changed."""
        entry = self.to_dict()
        for field, value in changes.items():
            if field in _SIMPLE:
                _set_simple(entry, {field: value})
            elif field in ("id", "name"):
                entry[field] = text(field, value)
            elif field == "price_usd":
                date = changes.get("price_date") or self.price_date
                if date is None:
                    raise InvalidValueError("price_date", "nothing", "the month of the price, YYYY-MM")
                _set_price(entry, value, date)
            elif field in _ENTRY_FIELDS:
                if field != "price_date":
                    entry[field] = as_json(field, value) if not isinstance(value, (dict, list)) else value
                elif "price_usd" not in changes:
                    raise InvalidValueError("price_date", repr(value), "nothing without price_usd")
            else:
                known = [*_ENTRY_FIELDS, *_SIMPLE]
                raise UnknownNameError("hardware", field, _core.nearest_names(field, known))
        if any(field in _SIMPLE and _SIMPLE[field][0][0] == "host_memory" for field in changes):
            _complete_host(entry["host_memory"])
        return self._wrap(_read(entry, changes))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hardware) and self._entry == other._entry

    def __hash__(self) -> int:
        return hash(self._entry)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickle, (self._entry,))

    def __copy__(self) -> Hardware:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Hardware:
        return self

    def __repr__(self) -> str:
        count = f"{self.device_count} x " if self.device_count > 1 else ""
        memory = f"{count}{self.memory_bytes / _GIB:.0f} GiB at {self.bandwidth_gb_per_s:.0f} GB/s"
        return f"Hardware({self.id!r}: {self.name}, {memory})"

    def _repr_html_(self) -> str:
        from . import _reports, display

        return display.to_html(_reports.hardware(self))


def _complete_host(memory: dict[str, Any]) -> None:
    memory.setdefault("type", "not stated")
    memory.setdefault("unified", False)
    if "sold" not in memory:
        raise InvalidValueError("host_memory_gib", "nothing", "the size of the host memory in GiB")
    if "bandwidth_spec" not in memory:
        raise InvalidValueError("host_bandwidth_gb_per_s", "nothing", "the bandwidth of the host memory in GB/s")
    memory.setdefault("usable", dict(memory["sold"], why="no usable size stated; all of the memory is taken"))


def _unpickle(entry: _core.Machine) -> Hardware:
    return Hardware._wrap(entry)
