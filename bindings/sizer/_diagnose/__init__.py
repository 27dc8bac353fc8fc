"""The diagnosis: what somebody sees, taken apart into settings that are wrong and limits of the hardware."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import formatting as f
from .._arguments import described, names_the_nearest
from .._catalogue import Name, as_hardware, as_model
from .._errors import InvalidValueError, WrongTypeError
from .._hardware import Hardware
from .._local_file import read_text
from .._model import Model
from .._results import Assumption
from . import client, context, log, parts, room, server, speed
from .case import Case
from .facts import Stated, merged
from .given import checked, gigabytes
from .machine import GIB, as_built, limited, unnamed_machine
from .records import Check, Diagnosis, Finding, Understood
from .words import size, tight

__all__ = ["Check", "Diagnosis", "Finding", "Understood", "diagnose"]


@names_the_nearest
def diagnose(
    model: Model | Name | None = None,
    *,
    hardware: Hardware | Name | None = None,
    quant: str | None = None,
    engine: str | None = None,
    requested_tokens: int | None = None,
    output_tokens: int | None = None,
    configured_context: int | None = None,
    label_context: int | None = None,
    parallel: int | None = None,
    kv_type: str | None = None,
    flash_attention: bool | None = None,
    ubatch: int | None = None,
    n_gpu_layers: int | None = None,
    n_cpu_moe: int | None = None,
    timeout_s: float | None = None,
    prefill_tokens_per_s: float | None = None,
    decode_tokens_per_s: float | None = None,
    memory_gb: float | None = None,
    memory_channels: int | None = None,
    power_limit_w: float | None = None,
    swap_used_gb: float | None = None,
    shared_memory_gb: float | None = None,
    wired_limit_gb: float | None = None,
    carve_out_gb: float | None = None,
    pcie_lanes: int | None = None,
    pcie_generation: int | None = None,
    log: str | os.PathLike[str] | None = None,
    server_props: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Diagnosis:
    """What is wrong: a setting, the program that asks, or the hardware; each cause with its arithmetic and its fix.

    Everything is optional; a rule speaks where it has what it needs.

    model, hardware       as in ``estimate``
    requested_tokens      the prompt; ``output_tokens`` the answer
    configured_context    -c of llama.cpp (all slots together), num_ctx of Ollama, Context Length of LM Studio
    label_context         what a name or a description of the model says
    parallel              slots
    prefill_tokens_per_s, decode_tokens_per_s   the speeds that were seen; ``timeout_s`` that of the client
    memory_gb             of a unified machine, where no ``hardware`` is named
    memory_channels, power_limit_w, pcie_lanes, pcie_generation   how the machine is set up
    swap_used_gb, shared_memory_gb   swap, and "Shared GPU memory" of Windows' Task Manager, in use
    wired_limit_gb        iogpu.wired_limit_mb / 1024, on a Mac
    carve_out_gb          what the BIOS sets aside for the GPU (Strix Halo)
    log                   a path, or text of several lines: of llama.cpp, Ollama, LM Studio, or of nvidia-smi -q
    server_props          /props of llama-server, /api/show or /api/ps of Ollama: a path, an address, JSON or a dict

    GB of memory are those of operating systems and shops: 2^30 bytes. What an argument says wins over the server, that
    over the log, and that over the Modelfile; disagreements are listed. The order of the findings: certain, likely,
    possible; in each what makes the request fail, then what harms the answer, then what makes it slow.

    ``hardware_is_fine`` is True where everything fits with the settings that are suggested, False where no setting
    helps. Raises InvalidValueError, WrongTypeError or UnknownNameError naming the argument, DataError for a log or
    properties that cannot be read.
    """
    given = checked(
        engine=engine,
        quant=quant,
        requested_tokens=requested_tokens,
        output_tokens=output_tokens,
        configured_context=configured_context,
        label_context=label_context,
        parallel=parallel,
        kv_type=kv_type,
        flash_attention=flash_attention,
        ubatch=ubatch,
        n_gpu_layers=n_gpu_layers,
        n_cpu_moe=n_cpu_moe,
        timeout_s=timeout_s,
        prefill_tokens_per_s=prefill_tokens_per_s,
        decode_tokens_per_s=decode_tokens_per_s,
        memory_channels=memory_channels,
        power_limit_w=power_limit_w,
        swap_used_gb=swap_used_gb,
        shared_memory_gb=shared_memory_gb,
        wired_limit_gb=wired_limit_gb,
        carve_out_gb=carve_out_gb,
        pcie_lanes=pcie_lanes,
        pcie_generation=pcie_generation,
    )
    the_model = None if model is None else as_model(model)
    sources: list[tuple[str, Stated]] = [("argument", given)]
    if server_props is not None:
        sources.append(("server", server.facts_of(server_props)))
    if log is not None:
        sources.append(("log", _log_facts(log)))
    if the_model is not None and the_model.file is not None and the_model.file.modelfile:
        sources.append(("Modelfile", _modelfile_facts(the_model.file.modelfile)))
    facts, understood, disagreed = merged(sources)
    machine, assumptions = _machine(hardware, memory_gb)
    if the_model is None and machine is None and not understood:
        raise InvalidValueError("model", "nothing", "something to look at: a model, a log, or a request's tokens")
    sound, roomier = limited(machine, facts)
    case = Case(facts, the_model, as_built(sound, facts), sound, roomier, hardware is not None)
    return _diagnosis(case, understood, [*assumptions, *disagreed])


# --- what was given ---------------------------------------------------------------------------------------------------


def _log_facts(given: str | os.PathLike[str]) -> Stated:
    if not isinstance(given, (str, os.PathLike)):
        raise WrongTypeError("log", described(given), "a path, or the lines of a log")
    if isinstance(given, str) and "\n" in given:
        return log.read(given[: log.LARGEST])
    return log.read(read_text(Path(given), log.LARGEST, "an excerpt of a log of at most 16 MiB"))


def _modelfile_facts(parameters: Mapping[str, int]) -> Stated:
    """Ollama's names; -1 and 0 leave the choice to it."""
    names = {"num_ctx": "configured_context", "num_gpu": "n_gpu_layers"}
    facts: dict[str, Any] = {"engine": "ollama"}
    facts.update({names[key]: value for key, value in parameters.items() if key in names and value > 0})
    return facts


def _machine(hardware: Any, memory_gb: Any) -> tuple[Hardware | None, list[Assumption]]:
    if hardware is not None and memory_gb is not None:
        raise InvalidValueError("memory_gb", f"{memory_gb}", "nothing, because hardware is given")
    if hardware is not None:
        return as_hardware(hardware), []
    if memory_gb is None:
        return None, []
    machine, assumption = unnamed_machine(gigabytes("memory_gb", memory_gb) / GIB)
    return machine, [assumption]


# --- the answer -------------------------------------------------------------------------------------------------------


def _diagnosis(case: Case, understood: tuple[Understood, ...], assumptions: list[Assumption]) -> Diagnosis:
    memory = room.room(case)
    noted: list[Finding | Check] = [*context.context(case), *memory.found, *parts.parts(case)]
    noted += client.timeout(case)
    noted += speed.seen(case, [one for one in noted if isinstance(one, Finding)])
    findings = _ranked([one for one in noted if isinstance(one, Finding)])
    seconds, answer = client.prefill_s(case), memory.answer
    if seconds is not None:
        assumptions.append(client.margin())
    if case.model is not None and case.facts.engine is None:
        assumptions.append(Assumption(what="engine", why="none is named; llama.cpp is taken"))
    if answer is not None:
        if case.context is None:
            assumptions.append(Assumption(what="context", why="none is stated; the model's own is looked at"))
        assumptions += answer.assumptions
    pool = None if answer is None else tight(answer)
    fine = _hardware_is_fine(findings, None if answer is None else answer.memory.fits)
    return Diagnosis(
        model=case.model.id if case.model else None,
        model_name=case.model.name if case.model else None,
        quant=answer.quant if answer else case.facts.quant,
        hardware=case.machine.id if case.machine else None,
        hardware_name=case.machine.name if case.machine else None,
        engine=case.facts.engine,
        verdict=_verdict(findings, fine, answer),
        hardware_is_fine=fine,
        findings=tuple(findings),
        checked=tuple(one for one in noted if isinstance(one, Check)),
        suggested_context=case.suggested if case.facts.need is not None else None,
        memory_needed_bytes=pool.total_bytes if pool else None,
        memory_available_bytes=pool.available_bytes if pool else None,
        memory_margin_bytes=pool.headroom_bytes if pool else None,
        prefill_s=seconds,
        suggested_timeout_s=client.suggested_timeout_s(case),
        assumptions=tuple(assumptions),
        understood=understood,
    )


def _ranked(findings: list[Finding]) -> list[Finding]:
    """By rank; a cause that two rules found counts once, where it is surest."""
    ordered = sorted(findings, key=lambda one: one.rank)
    first = {one.id: one for one in reversed(ordered)}
    return [one for one in ordered if first[one.id] is one]


def _hardware_is_fine(findings: list[Finding], fits: bool | None) -> bool | None:
    if any(one.kind == "hardware" for one in findings):
        return False
    return fits


def _verdict(findings: list[Finding], fine: bool | None, answer: Any) -> str:
    """The answer in a few sentences."""
    if fine is None:
        said = "Whether the hardware is fine cannot be said without a model and a machine."
    elif not fine:
        limit = next(one for one in findings if one.kind == "hardware")
        said = f"The hardware is the limit. {limit.title}"
    else:
        pool = tight(answer)
        said = (
            f"The hardware is fine: {size(pool.total_bytes)} of {size(pool.available_bytes)} usable at a context of "
            f"{f.count(answer.context)}, {size(pool.headroom_bytes)} to spare."
        )
    others = [one for one in findings if one.kind != "hardware"]
    if not others:
        return said if not fine else f"{said} Nothing in what was given is wrong."
    count = "One thing" if len(others) == 1 else f"{len(others)} things"
    where = " and ".join(
        word
        for kind, word in (("configuration", "the configuration"), ("client", "the client"))
        if any(one.kind == kind for one in others)
    )
    return f"{said} {count} to set right in {where}."
