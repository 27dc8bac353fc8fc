"""What a plan hands to the emitters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

from .._errors import InvalidValueError
from .._records import Nested, Record

#: What a plan always has; everything else can be left undecided.
_GIVEN = (
    "model",
    "model_name",
    "model_file",
    "quant",
    "engine",
    "context",
    "parallel",
    "n_layers",
    "devices",
    "reasons",
)

#: The numbers that are reckoned with here, and the least each can be; those from 0 on can be undecided.
_LEAST = {"context": 1, "parallel": 1, "n_layers": 1, "n_gpu_layers": 0, "n_cpu_moe": 0, "rpc_servers": 0}


@dataclass(frozen=True, kw_only=True)
class Settings(Record):
    """What a plan decided. None is "not decided", and is not written."""

    _nested: ClassVar[Nested] = {
        "devices": tuple,
        "tensor_split": lambda value: None if value is None else tuple(value),
    }

    model: str  #: catalogue id, or the name that the user gave
    model_name: str  #: for comments
    #: A path, ``hf:ORG/REPO[:FILE]``, ``ollama:NAME`` or a URL; None: the user fills it in.
    model_file: str | None = None
    quant: str
    engine: str  #: as in ``sizer.engines()``
    context: int  #: tokens of one sequence; with ``kv_unified``, of all that are in the cache together
    parallel: int  #: sequences at a time (slots)
    n_layers: int  #: blocks of the model
    #: Layers on devices, the output layer being one (so ``n_layers + 1`` are all). None: all of them.
    n_gpu_layers: int | None = None
    n_cpu_moe: int | None = None  #: first layers whose experts stay on the host
    devices: tuple[str, ...] = ()  #: names, for comments; in the order of ``tensor_split``
    #: Layers of each device, in the engine's order of devices: llama.cpp's begins with the boxes behind RPC. Their sum
    #: is the number of layers on devices, the output layer being one.
    tensor_split: tuple[int, ...] | None = None
    split_mode: str | None = None  #: "layer", "row" or "none"
    kv_type_k: str | None = None
    kv_type_v: str | None = None
    kv_unified: bool | None = None  #: one cache shared by the slots
    flash_attention: bool | None = None
    ubatch: int | None = None  #: tokens of one pass of the prefill
    n_batch: int | None = None
    threads: int | None = None
    mmproj: str | None = None  #: projector file
    draft_model: str | None = None  #: named as ``model_file`` is
    draft_tokens: int | None = None
    rpc_servers: int = 0  #: other boxes; where they are, the user fills in
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    gpu_memory_utilization: float | None = None
    max_num_batched_tokens: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)  #: name of an attribute -> why, in a sentence

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if (type(value) is not int or value < least) and not (least == 0 and value is None):
                raise InvalidValueError(name, repr(value), f"a whole number, {least} or more")

    def decided(self) -> tuple[str, ...]:
        """Names of the attributes that the plan decided, of those that it could have left open."""
        rest = (item.name for item in fields(self) if item.name not in _GIVEN)
        return tuple(
            name for name in rest if getattr(self, name) is not None and (name != "rpc_servers" or self.rpc_servers)
        )

    @property
    def all_layers(self) -> int:
        """The layers there are, counted as ``n_gpu_layers`` counts."""
        return self.n_layers + 1

    @property
    def layers_on_devices(self) -> int:
        """``n_gpu_layers`` as a number."""
        return self.all_layers if self.n_gpu_layers is None else min(self.n_gpu_layers, self.all_layers)
