"""Everything that is known of a case, whoever said it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import formatting as f
from .._results import Assumption
from .records import Understood

#: Facts by their name in ``Facts``, as an argument, a log or a server states them.
Stated = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What somebody sees; None: nobody said. Sizes in bytes."""

    engine: str | None = None
    quant: str | None = None
    # the request
    requested_tokens: int | None = None
    output_tokens: int | None = None
    timeout_s: float | None = None
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    seen_prompt_tokens: int | None = None  #: of the request whose speeds a log has
    # the context
    configured_context: int | None = None  #: as it is set; of all slots where the engine divides it
    slot_context: int | None = None  #: what one request gets
    parallel: int | None = None
    label_context: int | None = None
    trained_context: int | None = None  #: as the file says to the engine
    default_context: int | None = None  #: of Ollama, as its log says
    truncated_to: int | None = None  #: tokens that were left of a prompt
    refused: bool | None = None  #: an engine said that the prompt is too long
    # the memory
    kv_type: str | None = None
    flash_attention: bool | None = None
    ubatch: int | None = None
    n_gpu_layers: int | None = None
    layers_offered: int | None = None  #: that an engine counts, with the output layer
    n_cpu_moe: int | None = None
    loaded_bytes: int | None = None
    loaded_gpu_bytes: int | None = None
    failed_allocation_bytes: int | None = None
    out_of_memory: bool | None = None
    swap_used_bytes: int | None = None
    shared_memory_bytes: int | None = None
    wired_limit_bytes: int | None = None
    carve_out_bytes: int | None = None
    # the machine
    memory_channels: int | None = None
    power_limit_w: float | None = None
    power_capped: bool | None = None  #: nvidia-smi reports it
    thermally_slowed: bool | None = None  #: likewise
    pcie_lanes: int | None = None
    pcie_generation: int | None = None
    # the client
    disconnected: bool | None = None
    disconnected_after_s: float | None = None

    @property
    def need(self) -> int | None:
        """Tokens that the request fills: the prompt and the answer."""
        return None if self.requested_tokens is None else self.requested_tokens + (self.output_tokens or 0)


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f.byte_size(value) if name.endswith("_bytes") else f.count(value)
    return f.significant(value) if isinstance(value, float) else str(value)


def merged(sources: Iterable[tuple[str, Stated]]) -> tuple[Facts, tuple[Understood, ...], tuple[Assumption, ...]]:
    """The facts, who stated each, and where two disagreed. What comes first wins."""
    values: dict[str, Any] = {}
    understood: list[Understood] = []
    disagreed: list[Assumption] = []
    order = [one.name for one in fields(Facts)]
    for origin, stated in sources:
        for name in order:
            value = stated.get(name)
            if value is None:
                continue
            shown = _shown(name, value)
            if name not in values:
                values[name] = value
                understood.append(Understood(name=name, value=shown, origin=origin))
            elif values[name] != value:
                first = next(one for one in understood if one.name == name)
                what = name.replace("_", " ")
                why = f"the {first.origin} says {first.value}, which is taken; the {origin} says {shown}"
                disagreed.append(Assumption(what=what, why=why))
    return Facts(**values), tuple(understood), tuple(disagreed)
