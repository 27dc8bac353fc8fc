"""Which machine is calibrated, and which rows say something about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._accuracy.predict import predict
from .._catalogue import current
from .._errors import DataError, InvalidValueError, UnknownNameError
from .._hardware import Hardware
from .._measurements import MeasuredRow, ResolvedRow, resolve_all
from .result import LeftOutRow

#: Reasons that keep a row from the library's own fit but say nothing against it here.
_NO_REASON = (
    *("device built from its relatives", "device not in the catalogue", "model's shape made up"),
    *("weight format without a recipe", "engine not stated"),
)
#: Sheets of one device differ by no more in bandwidth.
_SAME_BANDWIDTH = 0.02
#: A speed this much above the ceiling is a misprint, another model or speculative decoding.
_ABOVE = 1.001
#: A speed below this share of the class's has another reason than the machine: memory that was swapped, another device.
_BELOW = 0.1
#: Engines by the kernels that they run, as the library has them.
_SERVERS = ("vllm", "tensorrt-llm", "deepspeed", "sglang")


@dataclass(frozen=True)
class Named:
    """A row and where it stands."""

    where: str
    row: MeasuredRow


@dataclass(frozen=True)
class Usable:
    """A row that calibrates, with the library's answer by the class alone."""

    where: str
    resolved: ResolvedRow
    answer: Mapping[str, Any]


def kernels_of(engine: str) -> str:
    """The engine whose kernels an engine runs."""
    return "vllm" if engine in _SERVERS else "mlx" if engine == "mlx" else "llama.cpp"


def by_class(hardware: Hardware) -> Hardware:
    """The machine without what an older calibration taught."""
    entry = hardware.to_dict()
    if not any("calibration" in device for device in entry["devices"]):
        return hardware
    for device in entry["devices"]:
        device.pop("calibration", None)
    return Hardware.from_dict(entry)


def _in_catalogue(hardware: Hardware) -> bool:
    try:
        found = Hardware._wrap(current().machine(hardware.id))
    except UnknownNameError:
        return False
    same = (found.device_name, found.device_class) == (hardware.device_name, hardware.device_class)
    return same and found.bandwidth_gb_per_s == hardware.bandwidth_gb_per_s


def _same_device(one: Hardware, other: Hardware) -> bool:
    """Whether two entries hold one kind of device, such as the same chip with more memory."""
    if one.id == other.id:
        return True
    apart = abs(one.bandwidth_gb_per_s / other.bandwidth_gb_per_s - 1)
    return one.device_class == other.device_class and apart <= _SAME_BANDWIDTH


def named_machine(resolved: Sequence[ResolvedRow]) -> Hardware:
    """The one machine that rows name. Raises InvalidValueError listing them when there are several or none."""
    usable = [row for row in resolved if row.hardware is not None and row.row.device_count == 1]
    kinds: list[list[ResolvedRow]] = []
    for row in usable:
        assert row.hardware is not None
        for kind in kinds:
            assert kind[0].hardware is not None
            if _same_device(kind[0].hardware, row.hardware):
                kind.append(row)
                break
        else:
            kinds.append([row])
    if not kinds:
        printed = sorted({row.row.device for row in resolved})
        shown = ", ".join(repr(name[:60]) for name in printed[:5]) or "no row"
        raise InvalidValueError("hardware", "nothing", f"a machine, because the rows name none that is known ({shown})")
    if len(kinds) > 1:
        names = ", ".join(sorted(kind[0].hardware.id for kind in kinds if kind[0].hardware is not None))
        raise InvalidValueError("hardware", "nothing", f"one of the machines that the rows name: {names}")
    found = [row.hardware for row in kinds[0] if row.hardware is not None]
    # The memory is that of the largest model that ran; the backend the one of most rows.
    ranked = Counter(one.backend for one in found)
    backend = max(ranked, key=lambda name: (ranked[name], name == found[0].backend))
    chosen = max((one for one in found if one.backend == backend), key=lambda one: one.usable_bytes)
    try:
        entry = Hardware._wrap(current().machine(chosen.id))
    except UnknownNameError:
        return chosen
    if entry.device_count != 1 or entry.usable_bytes < chosen.usable_bytes:
        return chosen
    return entry if entry.backend == backend else entry.replace(backend=backend)


def _against(row: ResolvedRow, machine: Hardware, compared: bool) -> str | None:
    """Why a row says nothing about the machine; None when it does."""
    if row.row.device_count > 1:
        return f"ran on {row.row.device_count} devices; one is calibrated"
    if compared and row.hardware is not None and not _same_device(row.hardware, machine):
        return f"ran on {row.row.device[:60]}, which is another device"
    if row.backend != machine.backend:
        return f"ran on {row.backend}; the machine is taken to run on {machine.backend}"
    missing = [name for name, found in (("model", row.model), ("weight format", row.quant)) if found is None]
    if missing or row.library_engine is None:
        return row.unmapped_reason or f"{' and '.join(missing)} not known"
    reasons = [reason for reason in row.reasons if reason not in _NO_REASON]
    return "; ".join(reasons) or None


def _answered(row: ResolvedRow) -> Mapping[str, Any] | str:
    """The library's answer, or why there is none or the row contradicts it."""
    try:
        answer = predict(row)
    except (DataError, InvalidValueError, UnknownNameError) as error:
        return str(error)
    ceiling = answer["ceiling_tokens_per_s"]
    if row.row.tokens_per_s > ceiling * _ABOVE:
        measured = f"{row.row.tokens_per_s:.4g} tokens/s"
        return f"{measured}, above the {ceiling:.4g} that the device's sheet allows: another model, or speculation"
    expected = answer["tokens_per_s"]
    if row.row.tokens_per_s < _BELOW * expected:
        return f"{row.row.tokens_per_s:.4g} tokens/s, less than a tenth of the {expected:.4g} of such devices"
    return answer


def usable_rows(rows: Sequence[Named], hardware: Hardware | None) -> tuple[Hardware, list[Usable], list[LeftOutRow]]:
    """The machine, the rows that calibrate it, and the others with reasons. Raises InvalidValueError, DataError."""
    resolved = resolve_all([one.row for one in rows])
    machine = by_class(named_machine(resolved) if hardware is None else hardware)
    if machine.device_count > 1:
        raise InvalidValueError("hardware", f"{machine.id} with {machine.device_count} devices", "a machine of one")
    compared = _in_catalogue(machine)
    left: list[LeftOutRow] = []
    found: list[Usable] = []
    for one, row in zip(rows, resolved, strict=True):
        reason = _against(row, machine, compared)
        if reason is None:
            own = row.replace(hardware=machine)
            answer = _answered(own)
            if not isinstance(answer, str):
                found.append(Usable(one.where, own, answer))
                continue
            reason = answer
        left.append(LeftOutRow(where=one.where, reason=reason))
    if found:
        ranked = Counter(kernels_of(one.resolved.engine) for one in found)
        most = max(ranked, key=lambda name: (ranked[name], name == "llama.cpp"))
        others = [one for one in found if kernels_of(one.resolved.engine) != most]
        left += [
            LeftOutRow(where=one.where, reason=f"ran with {one.resolved.engine}; most rows ran with {most}")
            for one in others
        ]
        found = [one for one in found if kernels_of(one.resolved.engine) == most]
    return machine, found, left
