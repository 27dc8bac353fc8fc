"""From the arguments of plan() and its relatives to what the extension takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import _arguments, _core
from .._arguments import boolean, described, integer, optional_integer, real, text
from .._errors import InvalidValueError, UnknownNameError, WrongTypeError
from .._hardware import Hardware
from .._model import Model
from .records import Goals

#: Weight formats to choose from, best first. llama.cpp's are llama-quantize's usual choices; vLLM and MLX have those
#: that published checkpoints come in.
_GGUF = ("BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS", "IQ1_S")
_CHOICES = {
    "vllm": ("HF_BF16", "FP8", "AWQ"),
    "mlx": ("HF_BF16", "MLX-8BIT", "MLX-6BIT", "MLX-4BIT"),
}
#: The least that a plan chooses unless it is told: the format in which Ollama's library publishes its models.
_FLOORS = {"vllm": "AWQ", "mlx": "MLX-4BIT"}
_GGUF_FLOOR = "Q4_K_M"
#: Types of llama.cpp's cache that a plan chooses from, best first.
_KV_TYPES = ("f16", "q8_0")
#: llama.cpp's default, and larger ones that a long prompt is quicker with.
_UBATCHES = (512, 1024, 2048, 4096, 8192)
#: Options that a plan decides; a caller cannot.
_DECIDED = ("n_gpu_layers", "n_cpu_moe", "type_k", "type_v", "split_mode", "n_outputs_max")
_MIB = 1024**2
_MOST_MIB = 2**40

PREFERENCES = ("quality", "speed")


@dataclass(frozen=True)
class Wish:
    """What a plan is asked for, checked."""

    core: _core.PlanWish
    goals: Goals
    engine: str
    quants: tuple[str, ...]  #: to choose from; empty: what the model's files are
    kv_types: tuple[str, ...]
    request: Mapping[str, Any]  #: the rest, as arguments of a request

    def least_memory(self, model: Model, machine: Hardware) -> tuple[int, int]:
        """Bytes of the smallest format and cache, everything on the first device, and the context of that."""
        quant = self.quants[-1] if self.quants else None
        request = _arguments.request(**{**self.request, "quant": quant, "kv_type": self.kv_types[-1]})
        memory = _core.estimate(model._entry, machine._entry, request)["memory"]
        return int(memory["total_bytes"]), int(request.resolved(model._entry)["context"])


def quantizations_of(model: Model, engine: str) -> tuple[str, ...]:
    """Weight formats that a plan may choose from, best first. A model that was released in MXFP4 has none better."""
    if engine in _CHOICES:
        return _CHOICES[engine]
    return ("MXFP4_MOE",) if model._entry.native_quantization.upper().startswith("MXFP4") else _GGUF


def _names(field: str, value: Any) -> list[Any]:
    """One name, or a list of them."""
    if isinstance(value, (str, bytes)):
        return [value]
    if not isinstance(value, Sequence):
        raise WrongTypeError(field, described(value), "a name, or a list of them, best first")
    return list(value)


def _quants(model: Model, engine: str, quant: Any, floor: str | None) -> tuple[str, ...]:
    if quant is not None:
        given = _names("quant", quant)
        if not given:
            raise InvalidValueError("quant", "an empty list", "a quantisation, or a list, best first")
        return tuple(text("quant", one) for one in given)
    if model.file is not None and floor is None:
        return ()
    choices = quantizations_of(model, engine)
    least: str = _FLOORS.get(engine, _GGUF_FLOOR) if floor is None else text("min_quant", floor)
    if least.upper() not in choices:
        if floor is None or (engine not in _CHOICES and least.upper() in _GGUF):
            return choices
        raise UnknownNameError("min_quant", least, choices)
    return choices[: choices.index(least.upper()) + 1]


def _kv_types(engine: str, kv_type: str | Sequence[str] | None) -> tuple[str, ...]:
    if kv_type is None:
        return ("f16",) if engine in _CHOICES else _KV_TYPES
    types = _names("kv_type", kv_type)
    if not types:
        raise InvalidValueError("kv_type", "an empty list", "a type, or a list, best first")
    return tuple(text("kv_type", one) for one in types)


def wish_of(
    model: Model,
    *,
    quant: str | Sequence[str] | None = None,
    min_quant: str | None = None,
    context: int | None = None,
    kv_type: str | Sequence[str] | None = None,
    parallel: int | None = None,
    batch: int = 1,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    depth: int = 0,
    engine: str | None = None,
    ubatch: int | None = None,
    min_decode: float | None = None,
    max_ttft_s: float | None = None,
    reserve_mib: int = 0,
    use_host: bool = True,
    prefer: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    only_stated_memory: bool = False,
) -> Wish:
    """Checks the arguments of ``sizer.plan``; with only_stated_memory, RAM of unknown size holds nothing."""
    for name in dict(_arguments.option_pairs(engine_options)):
        if name in _DECIDED:
            raise InvalidValueError("engine_options", repr(name), "an option that the plan does not decide")
    chosen = prefer if prefer is not None else "quality" if min_decode or max_ttft_s else "speed"
    if text("prefer", chosen) not in PREFERENCES:
        raise UnknownNameError("prefer", chosen, PREFERENCES)
    rest: dict[str, Any] = {
        "quant": None,
        "context": context,
        "kv_type": "f16",
        "parallel": parallel,
        "batch": batch,
        "prompt_tokens": prompt_tokens,
        "output_tokens": output_tokens,
        "depth": depth,
        "engine": engine,
        "ubatch": ubatch,
        "flash_attention": True,
        "engine_options": engine_options,
    }
    request = _arguments.request(**rest)
    runtime = str(request.resolved(model._entry)["engine"])
    quants = _quants(model, runtime, quant, min_quant)
    kv_types = _kv_types(runtime, kv_type)
    goals = Goals(
        min_decode=None if min_decode is None else real("min_decode", min_decode),
        max_ttft_s=None if max_ttft_s is None else real("max_ttft_s", max_ttft_s),
        min_quant=quants[-1] if quant is None and quants else None,
        reserve_bytes=integer("reserve_mib", reserve_mib) * _MIB,
        prefer=chosen,
    )
    given = optional_integer("ubatch", ubatch)
    if not 0 <= reserve_mib <= _MOST_MIB:
        raise InvalidValueError("reserve_mib", str(reserve_mib), f"0 to {_MOST_MIB}")
    core = _core.PlanWish(
        request=request,
        quants=list(quants),
        kv_types=list(kv_types),
        ubatches=list(_UBATCHES) if given is None else [given],
        may_use_host=boolean("use_host", use_host),
        only_stated_memory=only_stated_memory,
        min_decode=goals.min_decode or 0.0,
        max_ttft=goals.max_ttft_s or 0.0,
        reserve=goals.reserve_bytes,
        prefer_quality=chosen == "quality",
    )
    return Wish(core=core, goals=goals, engine=runtime, quants=quants, kv_types=kv_types, request=rest)


#: What a caller of ``sizer.plan`` and its relatives may ask for.
ARGUMENTS = tuple(name for name in inspect.signature(wish_of).parameters if name not in ("model", "only_stated_memory"))


def wish_from(model: Model, arguments: Mapping[str, Any], *, only_stated_memory: bool = False) -> Wish:
    """The same from arguments that were passed on. Raises UnknownNameError for one that does not exist."""
    for name in arguments:
        if name not in ARGUMENTS:
            raise UnknownNameError("argument", name, _core.nearest_names(name, list(ARGUMENTS)) or list(ARGUMENTS))
    return wish_of(model, **arguments, only_stated_memory=only_stated_memory)
