"""Memory that is full: what spilled, what was swapped out, what failed."""

from __future__ import annotations

from collections.abc import Iterator

from .. import formatting as f
from .._results import Estimate
from .case import Case
from .machine import bus_of
from .records import Check, Finding
from .words import balance, found, size


def pressure(case: Case, answer: Estimate) -> Iterator[Finding | Check]:
    """Where the memory is full, and what should not be in it."""
    yield from _shared_memory(case, answer)
    yield from _swap(case, answer)
    yield from _out_of_memory(case, answer)


def _shared_memory(case: Case, answer: Estimate) -> Iterator[Finding | Check]:
    """Windows drivers hand out host memory where the card's is full: slow, and no error."""
    shared = case.facts.shared_memory_bytes
    if not shared or not case.has_host:
        return
    pool = answer.memory.pools[0]
    usual = sum(one.total_bytes for one in answer.memory.pools[1:])
    if pool.headroom_bytes >= 0 and shared <= usual:
        sums = f"{size(shared)} in use; the engine's own host buffers are {size(usual)}"
        yield Check(what="shared GPU memory", arithmetic=sums)
        return
    over = max(0, -pool.headroom_bytes)
    arithmetic = [balance(answer), f"shared GPU memory in use: {size(shared)}"]
    spilled = max(over, shared - usual)
    link = None if case.machine is None else bus_of(case.machine)
    if link is not None and case.machine is not None:
        bus, memory = link["bandwidth"]["value"], case.machine.bandwidth_gb_per_s
        slow, fast = (f.duration(spilled / (gb_per_s * 1e9)) for gb_per_s in (bus, memory))
        arithmetic.append(
            f"{spilled / 1e9:.2f} GB over a bus of {bus:.3g} GB/s = {slow} each time all of it is read; from the "
            f"card's memory it would be {fast}"
        )
    yield found(
        "spill-into-shared-memory",
        ("configuration", "certain" if over else "likely", "slow"),
        "The card's memory is full, and the driver uses the host's instead: slow, without an error.",
        arithmetic,
        "NVIDIA Control Panel, Manage 3D settings, CUDA - Sysmem Fallback Policy: Prefer No Sysmem Fallback; it then "
        "fails where it does not fit, and the setting that makes it fit is the cure"
        + ("." if over else ": close what else uses the card."),
        "https://nvidia.custhelp.com/app/answers/detail/a_id/5490",
        shared_bytes=shared,
        over_bytes=over,
        spilled_bytes=spilled,
    )


def _swap(case: Case, answer: Estimate) -> Iterator[Finding]:
    swap = case.facts.swap_used_bytes
    if not swap or case.machine is None:
        return
    if case.has_host:
        held = sum(one.total_bytes for one in answer.memory.pools[1:])
        yield found(
            "swapping",
            ("configuration", "possible", "slow"),
            "The host swaps; what the model keeps in its memory may be read from the disk.",
            [f"the model keeps {size(held)} in host memory", f"swap in use: {size(swap)}"],
            "Close other programs, then load the model again.",
            swap_used_bytes=swap,
            host_bytes=held,
        )
        return
    pool = answer.memory.pools[0]
    full = pool.headroom_bytes < 0
    fix = "Make it fit: see the other findings." if full else "Close other programs, then load the model again."
    yield found(
        "swapping",
        ("configuration", "certain" if full else "likely", "slow"),
        "The machine swaps: weights are read from the disk at every token."
        if full
        else "The machine swaps although the model fits: other programs have the memory.",
        [balance(answer), f"swap in use: {size(swap)}"],
        fix,
        swap_used_bytes=swap,
        margin_bytes=pool.headroom_bytes,
    )


def _out_of_memory(case: Case, answer: Estimate) -> Iterator[Finding]:
    """The log reports what should not be."""
    if not case.facts.out_of_memory or answer.memory.pools[0].headroom_bytes < 0:
        return
    wanted = case.facts.failed_allocation_bytes
    lines = [balance(answer)]
    if wanted is not None:
        lines.append(f"the allocation that failed: {size(wanted)}")
    yield found(
        "memory-held-by-others",
        ("configuration", "likely", "fails"),
        "The log says out of memory, and the model alone would fit: something else has the memory.",
        lines,
        "Look who does (nvidia-smi, Task Manager, Activity Monitor, `ollama ps`), end it, and load the model again.",
        margin_bytes=answer.memory.pools[0].headroom_bytes,
        failed_allocation_bytes=wanted,
    )
