"""A printed measurement in the library's terms: machine, model, weight format, engine, and the step that was timed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._hardware import Hardware
from .._model import Model
from .._records import Row
from .device_entries import DeviceMatch
from .device_name import parse
from .devices import find_device
from .engines import Software, build_at, find_software
from .formats import FormatMatch, find_format
from .models import ModelMatch, find_model
from .row import LOOKED_AT, NOTES_LOOKED_AT, MeasuredRow, NoMatch
from .suspects import END_TO_END, mark_contradictions, mark_duplicates, said_against

_GIB = 1024**3
#: llama-bench's defaults.
_UBATCH = 512
#: What stands for a build that is only said to be old: May 2024.
_OLD_BUILD = 2830
#: Longest test that is believed, in tokens.
_LONGEST = 10_000_000
_TOKENS = 128
#: What chat programs and servers answer with in most published tests.
_SERVER_TOKENS = 256
#: How notes state the lengths of an answer and of a prompt.
_GENERATED = (
    r"\bout(\d+)\b", r"\bgen(?:erated)? (\d+)\b", r"\bTG=(\d+)", r"\b(\d+) out tokens", r"\bISL/OSL \d+/(\d+)",
    r"out_tokens\*batch/latency = (\d+)\*", r"\b(?:output|osl)[ =]+(\d+)\b",
)  # fmt: skip
_PROMPT = (
    r"\bin(\d+)/out", r"\bprompt (\d+)\b", r"\b(\d+)-token (?:prompt|prefill)", r"\bPP=(\d+)", r"\bISL/OSL (\d+)/",
    r"\b(?:input|isl)[ =]+(\d+)\b",
)  # fmt: skip
_SAYS_256 = re.compile(r"(?<![\d.])256(?!\d|\s?G)")
_FLASH = re.compile(
    r"\b(?:fa|flash[_ ]attn) ?= ?(?:1|on|true|auto)\b|(?<!\w)-fa (?:1|on|auto)\b|(?<!\w)-fa *(?=['\";,]|$)"
)
#: Engines whose speed the library has no parameters for.
WITHOUT_PARAMETERS = frozenset(["exllamav2", "exllamav3", "mlc-llm", "ds4", "sglang"])
#: Architectures with parts that the speed of the library leaves out.
_NOT_MODELLED = {"deepseek4": "compressed sparse attention is not modelled"}
#: Room beside the weights that a model needs to run at all.
_ROOM = 1.1


@dataclass(frozen=True, kw_only=True)
class Step(Row):
    """What a row timed.

    tokens           tokens of the test
    depth            tokens in the cache before it
    mean_depth       tokens in the cache on average while it runs
    prompt           tokens of the prompt whose prefill an end-to-end rate has in it; else 0
    ubatch           tokens of one pass of a prefill
    flash_attention  whether it was asked for
    """

    tokens: int
    depth: int
    mean_depth: float
    prompt: int
    ubatch: int
    flash_attention: bool


@dataclass(frozen=True, kw_only=True)
class ResolvedRow(Row):
    """A measurement in the library's terms.

    hardware         with the row's backend and device count; None when the device is not known
    model, quant     None when not known
    approximate      whether the weight format only resembles ``quant``
    flags            what is worth knowing: old-build, end-to-end, batch-aggregate, several-devices,
                     recipe-approximate, count-is-dies-used, device-built, model-shaped
    reasons          why a fit must not use it
    unmapped_reason  why nothing can be predicted for it; None when something can
    how              how device, model and format were found
    """

    row: MeasuredRow
    hardware: Hardware | None
    model: Model | None
    quant: str | None
    approximate: bool
    engine: str
    library_engine: str | None
    backend: str
    variants: tuple[str, ...]
    build_number: int | None
    old_build: bool
    release_year: int | None
    flash_attention: bool
    ubatch: int
    tokens: int
    depth: int
    mean_depth: float
    prompt: int
    batch: int
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    unmapped_reason: str | None
    how: tuple[str, ...]


def _first(patterns: Sequence[str], text: str) -> int | None:
    found = next((match for pattern in patterns if (match := re.search(pattern, text))), None)
    return None if found is None else max(1, min(int(found.group(1)), _LONGEST))


def step_of(row: MeasuredRow) -> Step:
    """Length, depth and options of the test, as the notes state them."""
    notes = row.notes[:NOTES_LOOKED_AT]
    lower = f"{notes} ; {row.backend[:LOOKED_AT]}".lower()
    ubatch = re.search(r"\b(?:n_)?ub(?:atch)?[ =]+(\d+)", lower)
    flash = _FLASH.search(lower)
    printed = re.search(r"\b(?:tg|pp)(\d+)", notes)
    # Servers and chat programs answer with 256 tokens where nothing is said; llama-bench makes 128.
    tokens = int(printed.group(1)) if printed else _SERVER_TOKENS if _SAYS_256.search(notes) else _TOKENS
    tokens = max(1, min(tokens, _LONGEST))
    mean = row.context_depth + tokens / 2
    prefilled_too = 0
    if row.test == "tg":
        generated, prompt = _first(_GENERATED, notes), _first(_PROMPT, notes)
        if re.search(r"\bub(?:atch)?=1\b", notes):  # one token a pass: a prefill that decodes
            prefilled = re.search(r"\bpp(\d+)", notes)
            tokens, prompt = (int(prefilled.group(1)) if prefilled else 512), None
        elif re.search(r"\btg\d+@pp", notes):  # the depth of such a row already lies in its middle
            prompt = None
        elif generated is not None and not re.search(r"\btg\d", notes):
            tokens = generated
        mean = (row.context_depth or prompt or 0) + tokens / 2
        if END_TO_END.search(notes):
            prefilled_too = prompt or row.context_depth
    return Step(
        tokens=tokens,
        depth=row.context_depth,
        mean_depth=mean,
        prompt=prefilled_too,
        ubatch=int(ubatch.group(1)) if ubatch and int(ubatch.group(1)) > 1 else _UBATCH,
        flash_attention=flash is not None,
    )


def _roomy(hardware: Hardware, row: MeasuredRow) -> Hardware:
    """The machine with the memory that it must have had: the row ran."""
    if row.file_size_gib is None:
        return hardware
    needed = row.file_size_gib * _ROOM / hardware.device_count
    if hardware.usable_bytes / _GIB >= needed:
        return hardware
    size = 8.0
    while size < needed * 1.34:
        size *= 2
    if not hardware.unified and hardware.backend != "cpu":
        return hardware  # a card's memory is what it is: part of the model lay elsewhere
    return hardware.replace(memory_gib=size, usable_gib=size * 0.9)


def _machine(match: DeviceMatch, row: MeasuredRow, software: Software) -> Hardware:
    hardware = match.hardware
    if hardware.backend != software.backend:
        hardware = hardware.replace(backend=software.backend)
    count = _devices(match.hardware, row)
    if count != hardware.device_count:
        hardware = hardware.replace(device_count=count)
    return _roomy(hardware, row)


def _devices(hardware: Hardware, row: MeasuredRow) -> int:
    """The devices that a count means: of cards with several dies the dies, unless the weights need the cards."""
    named = parse(row.device)
    if row.device_count == 1 and named.count > 1 and not named.cpu and hardware.device_count == 1:
        return named.count  # "2x RTX 3090"
    dies = hardware.device_count
    held = hardware.usable_bytes / _GIB * row.device_count
    return row.device_count * dies if dies > 1 and (row.file_size_gib or 0.0) > held else row.device_count


def _build(software: Software, version: str) -> int | None:
    """The build of llama.cpp: printed, else by its date. Forks count their own."""
    if software.engine == "ik_llama.cpp":
        return build_at(version)
    if software.build_number is not None:
        return software.build_number
    if software.engine in ("llama.cpp", "ollama", "lm-studio", "unknown"):
        return build_at(version) or (_OLD_BUILD if software.old_build else None)
    return None


def _format(row: MeasuredRow, software: Software, model: Model | None) -> FormatMatch | NoMatch:
    """The printed format, else the one that the model's own name ends in."""
    params = row.params_b
    if params is None and model is not None:
        params = model.parameters_from_shape / 1e9
    found = find_format(row.quant, software.engine, row.file_size_gib, params)
    if isinstance(found, NoMatch) and not row.quant.strip():
        ending = re.search(
            r"(?i)(?:ud-|i1-)?(?:iq\d_\w+|q\d_\w+|mxfp4\w*|nvfp4|bf16|f16|fp8|awq|gptq|\dbit)", row.model
        )
        if ending:
            return find_format(ending.group(0), software.engine, row.file_size_gib, params)
    return found


def _flags(row: MeasuredRow, software: Software, device: object, model: object, approximate: bool) -> tuple[str, ...]:
    dies = False
    if isinstance(device, DeviceMatch) and device.hardware.device_count > 1:
        dies = _devices(device.hardware, row) == row.device_count
    built = isinstance(device, DeviceMatch) and not device.exact
    shaped = isinstance(model, ModelMatch) and not model.exact
    told = (
        (software.old_build, "old-build"),
        (END_TO_END.search(row.notes) is not None, "end-to-end"),
        (row.batch > 1, "batch-aggregate"),
        (row.device_count > 1, "several-devices"),
        (approximate, "recipe-approximate"),
        (dies, "count-is-dies-used"),
        (built, "device-built"),
        (shaped, "model-shaped"),
    )
    return tuple(word for true, word in told if true)


def _reasons(
    row: MeasuredRow, software: Software, device: object, model: object, quant: FormatMatch | NoMatch
) -> list[str]:
    reasons = []
    if not isinstance(device, DeviceMatch):
        reasons.append("device not in the catalogue")
    elif not device.exact:
        reasons.append("device built from its relatives")
    if not isinstance(model, ModelMatch):
        reasons.append("model not in the catalogue")
    elif not model.exact:
        reasons.append("model's shape made up")
    own = not isinstance(quant, NoMatch) and _is_gguf(row.quant) and software.library_engine != "vllm"
    if isinstance(quant, NoMatch) or (quant.approximate and not own):
        reasons.append("weight format without a recipe")
    reasons += said_against(row)
    if row.test == "pp" and re.search(r"pre-?production", row.notes, re.IGNORECASE):
        reasons.append("pre-production hardware")
    if software.engine == "unknown":
        reasons.append("engine not stated")
    if isinstance(model, ModelMatch) and model.model.family in _NOT_MODELLED:
        reasons.append(_NOT_MODELLED[model.model.family])
    if software.engine in WITHOUT_PARAMETERS:
        reasons.append("engine without parameters")
    return reasons


def _is_gguf(printed: str) -> bool:
    """Whether the format is one of GGUF files, whose recipe an approximation still resembles tensor by tensor."""
    return re.search(r"(?i)\b(?:ud-|smol-|i1-)?i?q\d_|^\d-?bit$", printed.strip()) is not None


def resolve(row: MeasuredRow) -> ResolvedRow:
    """What a measurement means to the library. Nothing is raised: what is not known is None, with the reason."""
    stated, row = (
        row,
        row.replace(model=row.model[:LOOKED_AT], quant=row.quant[:LOOKED_AT], notes=row.notes[:NOTES_LOOKED_AT]),
    )
    software = find_software(row.engine, row.engine_version, row.backend, row.device, row.notes)
    device = find_device(row.device, row.memory_bandwidth_spec_gbs, row.backend or software.backend)
    quant_first = find_format(row.quant, software.engine, row.file_size_gib, row.params_b)
    model = find_model(row)
    found_model = model.model if isinstance(model, ModelMatch) else None
    quant = _format(row, software, found_model) if isinstance(quant_first, NoMatch) else quant_first
    step = step_of(row)
    approximate = isinstance(quant, FormatMatch) and quant.approximate
    unknown = [found.reason for found in (device, model, quant) if isinstance(found, NoMatch)]
    if software.library_engine is None:
        unknown.append(f"engine '{row.engine}' is none of the library's")
    return ResolvedRow(
        row=stated,
        hardware=_machine(device, row, software) if isinstance(device, DeviceMatch) else None,
        model=found_model,
        quant=quant.quant if isinstance(quant, FormatMatch) else None,
        approximate=approximate,
        engine=software.engine,
        library_engine=software.library_engine,
        backend=software.backend,
        variants=software.variants,
        build_number=_build(software, row.engine_version),
        old_build=software.old_build,
        release_year=software.release_year,
        flash_attention=step.flash_attention,
        ubatch=step.ubatch,
        tokens=step.tokens,
        depth=step.depth,
        mean_depth=step.mean_depth,
        prompt=step.prompt,
        batch=row.batch,
        flags=_flags(row, software, device, model, approximate),
        reasons=tuple(_reasons(row, software, device, model, quant)),
        unmapped_reason="; ".join(unknown) or None,
        how=tuple(found.reason if isinstance(found, NoMatch) else found.how for found in (device, model, quant)),
    )


def resolve_all(rows: Sequence[MeasuredRow]) -> list[ResolvedRow]:
    """All rows, with the reasons that only several of them together give: repetitions and contradictions."""
    resolved = []
    for row, duplicate, contradicted in zip(rows, mark_duplicates(rows), mark_contradictions(rows), strict=True):
        one = resolve(row)
        more = [f"duplicate of {duplicate}"] if duplicate is not None else []
        if contradicted is not None and "part of the model on the CPU" not in one.reasons:
            more.append(f"prefill less than a quarter of the same session's {contradicted}")
        resolved.append(one.replace(reasons=(*one.reasons, *more)) if more else one)
    return resolved
