"""The arguments of a diagnosis, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _arguments, _core
from .._errors import InvalidValueError, UnknownNameError
from .machine import GIB, PCIE_GENERATIONS

_Checker = Callable[[str, Any], Any]


def _at_least(least: int) -> _Checker:
    def check(field: str, value: Any) -> int:
        number = _arguments.integer(field, value)
        if not least <= number < 2**31:
            raise InvalidValueError(field, str(number), f"{least} to {2**31 - 1}")
        return number

    return check


def _generation(field: str, value: Any) -> int:
    number = _arguments.integer(field, value)
    if number not in PCIE_GENERATIONS:
        raise InvalidValueError(field, str(number), ", ".join(map(str, PCIE_GENERATIONS)))
    return number


def _lanes(field: str, value: Any) -> int:
    number = _arguments.integer(field, value)
    if number not in (1, 2, 4, 8, 16):
        raise InvalidValueError(field, str(number), "1, 2, 4, 8 or 16")
    return number


def _engine(field: str, value: Any) -> str:
    name = _arguments.text(field, value).strip().lower()
    if name not in _core.engines():
        raise UnknownNameError(field, value, _core.nearest_names(name, _core.engines()) or _core.engines())
    return name


_CHECKERS: dict[str, _Checker] = {
    "engine": _engine,
    "quant": _arguments.text,
    "kv_type": _arguments.text,
    "flash_attention": _arguments.boolean,
    "n_gpu_layers": _at_least(0),
    "n_cpu_moe": _at_least(0),
    "output_tokens": _at_least(0),
    "pcie_generation": _generation,
    "pcie_lanes": _lanes,
    **dict.fromkeys(
        ("requested_tokens", "configured_context", "label_context", "parallel", "ubatch", "memory_channels"),
        _at_least(1),
    ),
    **dict.fromkeys(("timeout_s", "prefill_tokens_per_s", "decode_tokens_per_s", "power_limit_w"), _arguments.real),
}


def gigabytes(field: str, value: Any, *, zero: bool = False) -> int:
    """GB of 2^30 bytes, as bytes."""
    number = _arguments.real(field, value, low_allowed=zero)
    if number > 2**20:
        raise InvalidValueError(field, f"{number:g}", f"at most {2**20} GB")
    return round(number * GIB)


def checked(**arguments: Any) -> dict[str, Any]:
    """The arguments under their names in ``Facts``."""
    facts: dict[str, Any] = {}
    for field, value in arguments.items():
        if value is None:
            continue
        if field.endswith("_gb"):
            facts[field.removesuffix("_gb") + "_bytes"] = gigabytes(field, value, zero=True)
        else:
            facts[field] = _CHECKERS[field](field, value)
    return facts
