"""The profile of a machine: what was measured, how, and the machine that estimates are made for. Read and written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from .. import _core
from .._arguments import described
from .._catalogue import PROFILE_FORMAT, is_profile, read_text
from .._detect import Detection
from .._errors import DataError, WrongTypeError
from .._hardware import Hardware
from .._local_file import checked_output, replace
from .._records import SCHEMA_VERSION, Nested, Record, each
from .kernels import Measurement
from .plateau import Plateau


@dataclass(frozen=True, kw_only=True)
class LeftOut(Record):
    """A run that was not made, and why."""

    kernel: str
    reason: str


#: Rounds of a run that differ by more were disturbed.
SAME_ROUNDS = 0.10


def _time_of(one: Measurement) -> float:
    """The time of one unit of what a run does, so that rounds with other numbers of passes compare."""
    return one.median_s / (one.moved_bytes or one.operations or one.events or 1)


@dataclass(frozen=True, kw_only=True)
class DeviceProfile(Record):
    """One device: what it is, every run, and whether the bandwidth is the memory's.

    ``facts`` are its driver, clocks, compiler and flags; ``notes`` what limits the figures; ``problem`` says how the
    device failed, and is None when it did not.
    """

    device: str
    name: str
    backend: str
    facts: Mapping[str, str]
    largest_working_set_bytes: int | None
    last_level_cache_bytes: int | None
    plateau: Plateau
    measurements: tuple[Measurement, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    problem: str | None

    _nested: ClassVar[Nested] = {
        "facts": dict,
        "plateau": Plateau.build,
        "measurements": each(Measurement.build),
        "left_out": each(LeftOut.build),
        "notes": tuple,
    }

    def of(self, kernel: str, *, threads: int | None = None, **shape: int) -> tuple[Measurement, ...]:
        """The runs of a kernel, the largest working set first, and of each the fastest round first."""
        found = [
            one
            for one in self.measurements
            if one.kernel == kernel
            and threads in (None, one.threads)
            and all(one.shape.get(name) == value for name, value in shape.items())
        ]
        return tuple(sorted(found, key=lambda one: (-one.working_set_bytes, -one.threads, _time_of(one))))

    def best(self, kernel: str, *, threads: int | None = None, **shape: int) -> Measurement | None:
        """The run on the largest working set, of it the fastest round: others on the machine only slow it."""
        return next(iter(self.of(kernel, threads=threads, **shape)), None)

    def rounds(self, one: Measurement) -> list[Measurement]:
        """A run and its repetitions, the fastest first."""
        return [
            other
            for other in self.of(one.kernel, threads=one.threads, **one.shape)
            if other.working_set_bytes == one.working_set_bytes and other.variant == one.variant
        ]

    def fastest(self, one: Measurement) -> float:
        """The fastest sample of all rounds in 10^9 bytes per second; 0 for a kernel that counts none."""
        return max((other.fastest_gb_per_s or 0.0 for other in self.rounds(one)), default=0.0)

    def apart(self, one: Measurement) -> float:
        """By how much the slowest round of a run took longer than the fastest; 0 when there was one round."""
        times = [_time_of(other) for other in self.rounds(one)]
        return max(times) / min(times) - 1 if min(times, default=0) > 0 else 0.0

    def is_stable(self, one: Measurement) -> bool:
        """Whether the samples agree with each other, and the rounds of the run too."""
        return one.stable and self.apart(one) <= SAME_ROUNDS

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """The thread counts that were measured, in order; (0,) on a device without threads to count."""
        return tuple(sorted({one.threads for one in self.measurements}))


@dataclass(frozen=True, kw_only=True)
class Profile(Record):
    """What ``sizer.measure()`` found. ``machine`` is what estimates take; ``sizer.hardware(FILE)`` reads the same.

    ``mode`` is "quick" or "standard", ``created`` the time in UTC, ``libsizer`` the version that measured, ``reasons``
    say why a backend has no device, ``seconds`` how long it all took.
    """

    created: str
    mode: str
    libsizer: str
    seconds: float
    detected: Detection
    devices: tuple[DeviceProfile, ...]
    reasons: tuple[str, ...]
    entry: Mapping[str, Any]

    _nested: ClassVar[Nested] = {
        "detected": Detection.from_dict,
        "devices": each(DeviceProfile.build),
        "reasons": tuple,
        "entry": dict,
    }

    @property
    def machine(self) -> Hardware:
        """The machine that estimates are made for, with the measured figures."""
        return Hardware.from_dict(self.entry)

    def device(self, name: str) -> DeviceProfile:
        """One device by its name. Raises KeyError."""
        for one in self.devices:
            if one.device == name:
                return one
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """The content of a profile file: data/schema/profile.schema.json."""
        values = super().to_dict()
        version, entry = values.pop("schema_version"), values.pop("entry")
        values["detected"] = self.detected.to_dict()
        return {"schema_version": version, "format": PROFILE_FORMAT, **values, "machine": entry}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Profile:
        """Reads what ``to_dict`` gives. Raises DataError."""
        return _read("dict", values)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Profile:
        """Reads a profile file. Raises DataError naming the place."""
        if not isinstance(path, (str, os.PathLike)):
            raise WrongTypeError("path", described(path), "a path")
        file = Path(path).expanduser()
        try:
            values = json.loads(read_text(file))
        except (ValueError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(str(file), "", f"got text that is no JSON ({error}), expected a profile") from None
        return _read(str(file), values)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file at once: after a failure there is the old one or none, never half of one.

        Replaces nothing but a profile. Raises InvalidValueError.
        """
        target = checked_target(path)
        content = json.dumps(self.to_dict(), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
        replace(target, content.encode("ascii"))
        return target

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draws bandwidth against working set, and by kernel and threads, into a PNG or SVG file. Needs matplotlib."""
        from .plot import draw

        return draw(self, path)

    def _repr_html_(self) -> str:
        from .. import _measure_report, display

        return display.to_html(_measure_report.profile(self))

    def __str__(self) -> str:
        from .. import _measure_report, display

        return display.to_text(_measure_report.profile(self))


# --- reading ----------------------------------------------------------------------------------------------------------

_NUMBER: Any = (int, float)
_TEXTS = "texts"
#: Types of the plain fields by the names that records share; others are checked where they are built.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("created", "mode", "libsizer", "kernel", "variant", "reason", "device", "name", "backend"), str),
    **dict.fromkeys(("threads", "working_set_bytes", "moved_bytes", "events", "discarded"), int),
    **dict.fromkeys(("largest_working_set_bytes", "last_level_cache_bytes", "at_bytes"), (int, type(None))),
    **dict.fromkeys(("operations", "largest_error", "median_s", "spread", "seconds"), _NUMBER),
    **dict.fromkeys(("verified", "stable", "proved"), bool),
    **dict.fromkeys(("shape", "facts", "detected", "machine", "plateau"), dict),
    **dict.fromkeys(("samples_s", "remarks", "notes", "reasons", "left_out", "measurements", "devices"), list),
    "why": str,
    "plateau_gb_per_s": (*_NUMBER, type(None)),
    "problem": (str, type(None)),
}
_ELEMENTS: dict[str, Any] = {
    **dict.fromkeys(("remarks", "notes", "reasons", "facts"), str),
    **dict.fromkeys(("left_out", "measurements", "devices"), dict),
    "samples_s": _NUMBER,
    "shape": int,
}
_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a whole number"}


def _is(value: Any, types: Any) -> bool:
    if isinstance(value, bool):
        return types is bool
    return isinstance(value, types)


def _check(file: str, where: str, values: Mapping[str, Any]) -> None:
    """Types of an object and of everything in it."""
    for name, value in values.items():
        types = _TYPES.get(name)
        if types is None:
            continue
        at = f"{where}/{name}"
        if not _is(value, types):
            raise DataError(file, at, f"got {described(value)}, expected {_NAMES.get(types, 'a number or null')}")
        if name in _ELEMENTS:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, element in pairs:
                if not _is(element, _ELEMENTS[name]):
                    expected = _NAMES.get(_ELEMENTS[name], "a number")
                    raise DataError(file, f"{at}/{key}", f"got {described(element)}, expected {expected}")
                if isinstance(element, dict):
                    _check(file, f"{at}/{key}", element)
        elif name == "plateau":
            _check(file, at, value)


def _read(file: str, values: Any) -> Profile:
    if not isinstance(values, Mapping) or values.get("format") != PROFILE_FORMAT:
        got = values.get("format") if isinstance(values, Mapping) else values
        raise DataError(
            file, "/format", f"got {described(got)}, expected {PROFILE_FORMAT!r}, as `sizer measure` writes"
        )
    if values.get("schema_version") != SCHEMA_VERSION:
        raise DataError(file, "/schema_version", f"got {values.get('schema_version')!r}, expected {SCHEMA_VERSION}")
    _check(file, "", values)
    plain = {name: value for name, value in values.items() if name not in ("schema_version", "format", "machine")}
    plain["entry"] = values.get("machine")
    wanted = {field.name for field in fields(Profile)}
    for name in sorted(wanted ^ {name for name, value in plain.items() if name != "entry" or value is not None}):
        shown = "machine" if name == "entry" else name
        raise DataError(file, f"/{shown}", "got nothing, expected it" if name in wanted else "got an unknown field")
    try:
        profile = Profile.build(plain)
    except DataError as error:
        raise DataError(file, "/detected" + error.where, error.problem) from None
    except (TypeError, KeyError, AttributeError) as error:  # a key is missing, unknown, or of another kind
        raise DataError(file, "", f"{error}; expected what `sizer measure` writes") from None
    try:
        _core.Machine.from_json(json.dumps(profile.entry), file)
    except DataError as error:
        raise DataError(file, "/machine" + error.where, error.problem) from None
    return profile


# --- writing ----------------------------------------------------------------------------------------------------------


def checked_target(path: str | os.PathLike[str]) -> Path:
    """The file that a profile may be written to. Raises InvalidValueError before anything is measured for nothing."""
    return checked_output(path, is_profile, "a profile")
