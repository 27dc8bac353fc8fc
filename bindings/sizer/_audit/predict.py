"""What the library expects of one model on one machine, as the audit asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .. import formatting as f
from .._estimate import estimate
from .._hardware import Hardware
from .._model import Model
from .._results import Estimate
from .._roofline import Ceiling, billions, division, gigabytes, roofline_ceiling
from .amounts import both_units
from .finding import Limits

#: Context of a claim that states none, tokens.
USUAL_CONTEXT = 4096

_MOST = 600


@dataclass(frozen=True)
class Case:
    """One model in one format on one machine."""

    model: Model
    machine: Hardware
    quant: str

    def __str__(self) -> str:
        return f"{self.model.id} at {self.quant} on {self.machine.name}"


@dataclass(frozen=True)
class Prediction:
    """A case with its estimate. ``layers`` is what the device's memory holds where it does not hold all."""

    case: Case
    answer: Estimate
    roof: Ceiling
    layers: int | None

    @property
    def runs(self) -> bool:
        """Whether it runs at all, with a part in host memory or not."""
        return self.answer.memory.fits

    @property
    def limits(self) -> Limits:
        """The speed of decoding."""
        rate = self.answer.decode
        return Limits(rate.low, rate.high, rate.ceiling_tokens_per_s)


def cases(models: Iterable[Model], machines: Iterable[Hardware], quants: Iterable[str]) -> list[Case]:
    """Every combination; of too many, every n-th and the last."""
    every = [Case(model, machine, quant) for machine in machines for model in models for quant in quants]
    if len(every) <= _MOST:
        return every
    step = (len(every) - 1) / (_MOST - 1)
    return [every[round(i * step)] for i in range(_MOST)]


def context_of(model: Model, tokens: int | None, usual: int = USUAL_CONTEXT) -> int:
    """The context that a claim means, at most what the model was trained for."""
    return min(model.context_length, tokens or usual)


@lru_cache(maxsize=4096)
def ask(
    case: Case, context: int, depth: int = 0, batch: int = 1, layers: int | None = None, kv_type: str = "f16"
) -> Estimate:
    """The estimate of a case."""
    return estimate(
        case.model,
        case.machine,
        quant=case.quant,
        context=context,
        prompt_tokens=0,
        output_tokens=0,
        depth=depth,
        batch=batch,
        kv_type=kv_type,
        engine_options=None if layers is None else {"n_gpu_layers": layers},
    )


def can_share(machine: Hardware) -> bool:
    """Whether the machine has a memory beside its device's, in which llama.cpp can keep a part."""
    return machine.backend != "cpu" and not machine.unified


def predicted(case: Case, tokens: int | None = None, *, deep: bool = True, batch: int = 1) -> Prediction:
    """The prediction: at a context that the claim states, decoding behind all of it, else from an empty cache."""
    context = context_of(case.model, tokens)
    depth = context if tokens and deep else 0
    whole = ask(case, context, depth, batch)
    roof = roofline_ceiling(case.model, case.machine, quant=case.quant, batch=batch, depth=depth)
    if whole.memory.fits or not can_share(case.machine):
        return Prediction(case, whole, roof, None)
    low, high = 0, case.model.n_layers + 1
    while high - low > 1:
        middle = (low + high) // 2
        if ask(case, context, depth, batch, middle).memory.fits:
            low = middle
        else:
            high = middle
    return Prediction(case, ask(case, context, depth, batch, low), roof, low)


def weights_clause(case: Case, answer: Estimate) -> str:
    """``'70.6 billion weights of llama-3.1-70b at Q4_K_M are 42.5 GB'``."""
    count = billions(case.model.parameters_total or case.model.parameters_from_shape)
    return f"{count} weights of {case.model.id} at {case.quant} are {gigabytes(answer.memory.weights_bytes)}"


def usable_clause(machine: Hardware) -> str:
    """``'24 GiB of memory give 25.4 GB (23.7 GiB) usable'``."""
    count = f"{machine.device_count} x " if machine.device_count > 1 else ""
    usable = machine.usable_bytes * machine.device_count
    return f"{count}{machine.memory_bytes / f.GIB:,.0f} GiB of memory give {both_units(usable)} usable"


def arithmetic_of(one: Prediction) -> str:
    """How the ceiling of a prediction comes about."""
    case, rate = one.case, one.answer.decode
    weights = weights_clause(case, one.answer)
    if not one.runs:
        return (
            f"{weights}; {usable_clause(case.machine)} on {case.machine.name}: it does not fit. With more memory, "
            f"{division(one.roof)} would be the ceiling"
        )
    deep = f" with {f.count(one.roof.depth)} tokens cached" if one.roof.depth else ""
    if one.layers is None:
        return f"{weights}; on {case.machine.name}{deep}, {division(one.roof)}"
    host = "the host's memory"
    if "host_memory" not in case.machine.to_dict():
        host = "the memory of a PC with two channels of DDR5-5600 (the machine states none)"
    held = f"{one.layers} of {case.model.n_layers} layers" if one.layers else "none of the layers"
    return (
        f"{weights}; {usable_clause(case.machine)} on {case.machine.name}, which holds {held}. With the rest in "
        f"{host}, {f.significant(rate.ceiling_tokens_per_s)} token/s at most{deep}; with all of it on the card, it "
        f"would be {division(one.roof)}"
    )
