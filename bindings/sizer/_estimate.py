"""estimate, compare and the reverse questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _arguments, _core
from ._arguments import described, names_the_nearest, text
from ._catalogue import Name, as_hardware, as_model, hardware_list, source
from ._errors import InvalidValueError, UnknownNameError, WrongTypeError
from ._hardware import Hardware
from ._model import Model
from ._results import Assumption, Candidate, Comparison, Estimate, Memory, Rate, UsedMeasurement

#: What a comparison can be sorted by, and whether more is better.
SORT_KEYS = ("request", "decode", "ttft", "price", "headroom")


def _asked(
    model: Model, request: _core.Request, context: int | None, engine_options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The request with its defaults filled in, as the results repeat it."""
    return {
        "model": model.id,
        "model_name": model.name,
        **request.resolved(model._entry),
        "context_given": context is not None,
        "context_labels": model.context_labels,
        "engine_options": dict(_arguments.option_pairs(engine_options)),
    }


def _answer(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that an estimate and a row of a comparison share."""
    return {
        "memory": Memory.build(plain["memory"]),
        "decode": Rate.build(plain["decode"]),
        "prefill": Rate.build(plain["prefill"]),
        "ttft_s": plain["ttft_s"],
        "tpot_s": plain["tpot_s"],
        "assumptions": tuple(Assumption.build(one) for one in plain["assumptions"]),
    }


@names_the_nearest
def estimate(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    quant: str | None = None,
    context: int | None = None,
    kv_type: str = "f16",
    parallel: int | None = None,
    batch: int = 1,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    depth: int = 0,
    engine: str | None = None,
    ubatch: int | None = None,
    flash_attention: bool = True,
    engine_options: Mapping[str, Any] | None = None,
) -> Estimate:
    """What a model needs on a machine, whether it fits, and how fast it decodes and prefills.

    model, hardware   a name, a path, a URL, or the object
    quant             weight format, as llama.cpp names it; ``sizer.quantizations()`` lists them. None: Q4_K_M, or what
                      the model's files are; where there are files, their own tensors count
    context           tokens the KV cache is made for; None: what the model was trained for, or its file states
    kv_type           number format of the KV cache
    parallel          slots, sequences that hold a cache; None: the batch
    batch             sequences decoded in one step
    prompt_tokens     None: 2048, or what the context leaves
    output_tokens     None: 256, or what the context leaves
    depth             tokens already cached when the prompt starts and when decode is rated
    engine            "llama.cpp", "ollama", "lm-studio", "vllm" or "mlx"; None: llama.cpp, or what the model's files
                      were made for
    ubatch            llama.cpp's physical batch (tokens); None: the engine's default (512)
    engine_options    what only that engine knows, under its own names

    "Does not fit" is an answer (``.memory.fits``), not an error; ``.largest_context`` and ``.best_quantization`` then
    say what would fit. Raises InvalidValueError, WrongTypeError or UnknownNameError naming the argument.
    """
    the_model = as_model(model)
    machine = as_hardware(hardware)
    request = _arguments.request(
        quant=quant,
        context=context,
        kv_type=kv_type,
        parallel=parallel,
        batch=batch,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        depth=depth,
        engine=engine,
        ubatch=ubatch,
        flash_attention=flash_attention,
        engine_options=engine_options,
    )
    entries = (the_model._entry, machine._entry, request)
    plain = _core.estimate(*entries)
    fits = plain["memory"]["fits"]
    return Estimate(
        **_asked(the_model, request, context, engine_options),
        hardware=machine.id,
        hardware_name=machine.name,
        **_answer(plain),
        decode_behind_prompt=Rate.build(plain["decode_behind_prompt"]),
        measurements=tuple(UsedMeasurement.build(one) for one in plain["measurements"]),
        sources=tuple(source(key) for key in plain["sources"]),
        largest_context=None if fits else _core.largest_context(*entries),
        best_quantization=None if fits else _core.best_quantization(*entries, USUAL_QUANTIZATIONS),
    )


def _sort_value(sort: str, row: Candidate) -> float:
    if sort == "decode":
        return -row.decode.tokens_per_s
    if sort == "ttft":
        return row.ttft_s
    if sort == "headroom":
        return -row.memory.headroom_bytes
    return row.request_s


def _sorted(rows: list[Candidate], sort: str) -> list[Candidate]:
    """Fitting machines first, by the key, and last those that the engine does not run on; the library's own order is by
    the time of the whole request."""
    if sort == "request":
        return sorted(rows, key=lambda row: not row.runs)
    if sort == "price":  # an unknown price is not a low one
        return sorted(rows, key=lambda row: (not row.runs, not row.fits, row.price_usd is None, row.price_usd or 0.0))
    return sorted(rows, key=lambda row: (not row.runs, not row.fits, _sort_value(sort, row) if row.fits else 0.0))


def _with_frontier(rows: Iterable[Candidate]) -> list[Candidate]:
    """Marks the rows that are quicker for the whole request than every cheaper one."""
    rows = list(rows)
    priced = [row for row in rows if row.fits and row.runs and row.price_usd is not None]
    quickest = float("inf")
    chosen: set[int] = set()
    for row in sorted(priced, key=lambda row: (row.price_usd, row.request_s)):
        if row.request_s < quickest:
            quickest = row.request_s
            chosen.add(id(row))
    return [row.replace(frontier=True) if id(row) in chosen else row for row in rows]


def _price_covers(machine: Hardware) -> str:
    """What the price of a machine buys, from its kind."""
    if machine.kind in ("gpu", "server_accelerator"):
        return "cards"
    if machine.kind == "cpu":
        return "CPU"
    if machine.kind != "multi":
        return "system"
    # Several boxes share no memory with a host beside them; a host that is stated is a part of what is sold.
    if machine.unified:
        return "systems"
    return "system" if "host_memory" in machine.to_dict() else "cards"


@names_the_nearest
def compare(
    model: Model | Name,
    *,
    machines: Iterable[Hardware | Name] | None = None,
    sort: str = "request",
    quant: str | None = None,
    context: int | None = None,
    kv_type: str = "f16",
    parallel: int | None = None,
    batch: int = 1,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    depth: int = 0,
    engine: str | None = None,
    ubatch: int | None = None,
    flash_attention: bool = True,
    engine_options: Mapping[str, Any] | None = None,
) -> Comparison:
    """One model on many machines (None: all of the catalogue): those that fit, those that do not, those that the engine
    does not run on.

    sort    "request" (time to the first token and the whole output), "decode" (speed behind the prompt), "ttft",
            "price" (machines without a known price last) or "headroom"

    Decode is rated behind the prompt, where the answer is written. The other arguments and the errors are those of
    ``estimate``.
    """
    the_model = as_model(model)
    if text("sort", sort) not in SORT_KEYS:
        raise UnknownNameError("sort", sort, SORT_KEYS)
    if isinstance(machines, (str, bytes)):
        raise WrongTypeError("machines", described(machines), "a list of machines")
    candidates = hardware_list() if machines is None else [as_hardware(one) for one in machines]
    request = _arguments.request(
        quant=quant,
        context=context,
        kv_type=kv_type,
        parallel=parallel,
        batch=batch,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        depth=depth,
        engine=engine,
        ubatch=ubatch,
        flash_attention=flash_attention,
        engine_options=engine_options,
    )
    rows = [
        _candidate(candidates[plain["index"]], plain)
        for plain in _core.compare(the_model._entry, [one._entry for one in candidates], request)
    ]
    asked = _asked(the_model, request, context, engine_options)
    return Comparison(**asked, sort=sort, machines=tuple(_with_frontier(_sorted(rows, sort))))


def _candidate(machine: Hardware, plain: Mapping[str, Any]) -> Candidate:
    answer = _answer(plain)
    return Candidate(
        id=machine.id,
        name=machine.name,
        fits=answer["memory"].fits,
        runs=plain["runs"],
        **answer,
        request_s=plain["request_s"],
        largest_context=plain["largest_context"],
        price_usd=machine.price_usd,
        price_date=machine.price_date,
        price_kind=machine.price_kind,
        price_covers=_price_covers(machine),
        frontier=False,
        sources=tuple(plain["sources"]),
    )


def _reverse(model: Any, hardware: Any, options: dict[str, Any]) -> tuple[Model, Hardware, _core.Request]:
    defaults: dict[str, Any] = {
        "quant": None,
        "context": None,
        "kv_type": "f16",
        "parallel": None,
        "batch": 1,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "depth": 0,
        "engine": None,
        "ubatch": None,
        "flash_attention": True,
        "engine_options": None,
    }
    return as_model(model), as_hardware(hardware), _arguments.request(**{**defaults, **options})


@names_the_nearest
def largest_context(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    quant: str | None = None,
    kv_type: str = "f16",
    parallel: int = 1,
    engine: str | None = None,
    ubatch: int | None = None,
    flash_attention: bool = True,
    engine_options: Mapping[str, Any] | None = None,
) -> int | None:
    """The largest context (tokens) that fits, at most what the model was trained for.

    None when not even one token fits. Arguments and errors are those of ``estimate``.
    """
    options = {
        "quant": quant,
        "kv_type": kv_type,
        "parallel": parallel,
        "engine": engine,
        "ubatch": ubatch,
        "flash_attention": flash_attention,
        "engine_options": engine_options,
    }
    the_model, machine, request = _reverse(model, hardware, options)
    return _core.largest_context(the_model._entry, machine._entry, request)


#: llama-quantize's usual choices, which `best_quantization` picks from unless told otherwise.
USUAL_QUANTIZATIONS = (
    "BF16",
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q4_K_M",
    "IQ4_XS",
    "Q3_K_M",
    "IQ3_XXS",
    "Q2_K",
    "IQ2_XXS",
    "IQ1_S",
)


@names_the_nearest
def best_quantization(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    candidates: Sequence[str] = USUAL_QUANTIZATIONS,
    context: int | None = None,
    kv_type: str = "f16",
    parallel: int = 1,
    engine: str | None = None,
    ubatch: int | None = None,
    flash_attention: bool = True,
    engine_options: Mapping[str, Any] | None = None,
) -> str | None:
    """The candidate with the most bits per weight that fits; None when none does.

    Arguments and errors are those of ``estimate``.
    """
    if isinstance(candidates, str) or not candidates:
        raise InvalidValueError("candidates", repr(candidates), "a list of quantisations")
    options = {
        "context": context,
        "kv_type": kv_type,
        "parallel": parallel,
        "engine": engine,
        "ubatch": ubatch,
        "flash_attention": flash_attention,
        "engine_options": engine_options,
    }
    the_model, machine, request = _reverse(model, hardware, options)
    names = [text("candidates", name) for name in candidates]
    return _core.best_quantization(the_model._entry, machine._entry, request, names)
