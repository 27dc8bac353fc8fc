"""The physical ceiling of decoding, by itself."""

from __future__ import annotations

from dataclasses import dataclass

from . import _arguments, _core
from . import formatting as f
from ._arguments import names_the_nearest
from ._catalogue import Name, as_hardware, as_model
from ._hardware import Hardware
from ._model import Model
from ._records import Record


@dataclass(frozen=True, kw_only=True)
class Ceiling(Record):
    """The speed that no software can exceed, and the two figures that it is made of.

    ``tokens_per_s`` is ``bandwidth_bytes_per_s`` / ``bytes_per_token``, or ``flop_per_s`` / ``flop_per_token`` where
    that is less (``bound`` says which one).
    """

    model: str  #: id
    hardware: str  #: id
    quant: str
    kv_type: str
    engine: str
    batch: int
    depth: int  #: tokens
    tokens_per_s: float  #: all sequences of the batch together
    bytes_per_token: float  #: weights and cache that a step reads, over its sequences
    bandwidth_bytes_per_s: float  #: the maker's figure; of the devices that work on a token at the same time
    flop_per_token: float
    flop_per_s: float  #: the largest known dense rate of the same devices
    bound: str  #: memory or compute
    arithmetic: str  #: the division as a sentence

    def __str__(self) -> str:
        return self.arithmetic

    def __repr__(self) -> str:
        return f"Ceiling({self.model} {self.quant} on {self.hardware}: {self.tokens_per_s:.1f} tok/s)"


def billions(parameters: int) -> str:
    """``'70.6 billion'``; small ones in millions."""
    if parameters >= 999_500_000:
        return f"{f.significant(parameters / 1e9)} billion"
    return f"{f.significant(parameters / 1e6)} million"


def gigabytes(size: float) -> str:
    """Bytes in GB (10^9), small ones in MB: ``'42.5 GB'``."""
    return f"{f.significant(size / 1e9)} GB" if abs(size) >= 0.9995e9 else f"{f.significant(size / 1e6)} MB"


def division(ceiling: Ceiling) -> str:
    """``'273 GB/s / 41.9 GB a token = 6.51 token/s at most'``."""
    together = f", {ceiling.batch} sequences together" if ceiling.batch > 1 else ""
    if ceiling.bound == "compute":
        rate = f"{f.significant(ceiling.flop_per_s / 1e12)} TFLOPS"
        work = f.significant(ceiling.flop_per_token / 1e9)
        return f"{rate} / {work} GFLOP a token = {f.significant(ceiling.tokens_per_s)} token/s at most{together}"
    bandwidth, size = f.bandwidth(ceiling.bandwidth_bytes_per_s), gigabytes(ceiling.bytes_per_token)
    return f"{bandwidth} / {size} a token = {f.significant(ceiling.tokens_per_s)} token/s at most{together}"


@names_the_nearest
def roofline_ceiling(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    quant: str | None = None,
    batch: int = 1,
    depth: int = 0,
    kv_type: str = "f16",
    engine: str | None = None,
) -> Ceiling:
    """The speed of decoding that no software can exceed: the maker's bandwidth over the bytes that a token must read,
    or the maker's arithmetic rate over its operations where that is less.

    model, hardware   a name, a path, a URL, or the object; of the hardware its own memory, none of a host's
    quant             weight format; None: Q4_K_M, or what the model's files are
    batch             sequences decoded in one step, which read the weights once
    depth             tokens that every sequence has cached
    kv_type           number format of the KV cache (llama.cpp's engines)
    engine            decides whether several devices work on a token in turn (llama.cpp and what wraps it) or together

    Whether it fits plays no part. Speculative decoding makes several tokens a step and is not in it. Raises
    InvalidValueError, WrongTypeError or UnknownNameError naming the argument.
    """
    the_model = as_model(model)
    machine = as_hardware(hardware)
    request = _arguments.request(
        quant=quant,
        context=None,
        kv_type=kv_type,
        parallel=None,
        batch=batch,
        prompt_tokens=0,
        output_tokens=0,
        depth=depth,
        engine=engine,
        ubatch=None,
        flash_attention=True,
        engine_options=None,
    )
    asked = request.resolved(the_model._entry)
    ceiling = Ceiling(
        model=the_model.id,
        hardware=machine.id,
        **{name: asked[name] for name in ("quant", "kv_type", "engine", "batch", "depth")},
        **{
            name: value
            for name, value in _core.roofline(the_model._entry, machine._entry, request).items()
            if name != "step_s"
        },
        arithmetic="",
    )
    deep = f" with {f.count(ceiling.depth)} tokens cached" if ceiling.depth else ""
    return ceiling.replace(
        arithmetic=f"{the_model.name} at {ceiling.quant}{deep} on {machine.name}: {division(ceiling)}."
    )
