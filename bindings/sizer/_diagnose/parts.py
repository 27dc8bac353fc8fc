"""Settings and parts of the machine that cost speed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import formatting as f
from .._results import Estimate
from .case import Case
from .machine import bus_of, host_bandwidth, lanes_bandwidth, on_bus, with_host_bandwidth
from .records import Check, Finding
from .room import cache_format
from .words import decode, found, rate, size

_SLOW = ("configuration", "certain", "slow")


def parts(case: Case) -> Iterator[Finding | Check]:
    """Settings and parts that cost speed, each by itself."""
    yield from _offload(case)
    yield from _flash_attention(case)
    yield from _channels(case)
    yield from _bus(case)
    yield from _power(case)


def _gain(before: Estimate, after: Estimate, what: str, instead: str) -> str:
    """What a change does to the speed of the answer."""
    slow, fast = decode(before), decode(after)
    return f"decode {rate(slow)} {what}, {rate(fast)} {instead}: {f.significant(fast / slow)} times as fast"


# --- layers on the processor ------------------------------------------------------------------------------------------


def _offload(case: Case) -> Iterator[Finding | Check]:
    facts = case.facts
    # engines count the output layer
    every = facts.layers_offered if case.model is None else case.model.n_layers + 1
    on_gpu = facts.n_gpu_layers
    part = facts.loaded_gpu_bytes is not None and facts.loaded_bytes and facts.loaded_gpu_bytes < facts.loaded_bytes
    if (on_gpu is None and not part) or (case.machine is not None and case.machine.backend == "cpu"):
        return
    if on_gpu is not None and every is not None and on_gpu >= every:
        yield Check(what="all layers are on the GPU", arithmetic=f"{min(on_gpu, every)} of {every} layers")
        return
    if part:
        lines = [f"{size(facts.loaded_gpu_bytes or 0)} of {size(facts.loaded_bytes or 0)} are on the GPU"]
    elif every is not None:
        lines = [f"{on_gpu} of {every} layers are on the GPU, {every - (on_gpu or 0)} on the processor"]
    else:
        return
    now = case.answer() if on_gpu is not None else None
    whole = case.answer(layers=None)
    if whole is None:
        yield _partial(case, "possible", lines, "all", every, on_gpu)
    elif whole.memory.fits:
        pool = whole.memory.pools[0]
        lines.append(f"all of them need {size(pool.total_bytes)}, {size(pool.available_bytes)} are usable")
        if now is not None and case.named:
            lines.append(_gain(now, whole, "so", "with all layers on the GPU"))
        yield _partial(case, "certain", lines, "all", every, on_gpu, now, whole)
    else:
        narrow = case.answer(layers=None, kv_type="q8_0", flash_attention=True)
        if (facts.kv_type or "f16") == "f16" and narrow is not None and narrow.memory.fits:
            yield cache_format(case, whole, narrow, "slow")
            yield _partial(case, "certain", [*lines, "with the KV cache in q8_0 all of them fit"], "all", every, on_gpu)
            return
        most = case.most_layers()
        if most is not None and on_gpu is not None and most > on_gpu:
            lines.append(f"{most} of {every} layers fit")
            yield _partial(case, "certain", lines, str(most), every, on_gpu)
        elif on_gpu is not None:
            yield Check(what="layers on the GPU", arithmetic=f"{on_gpu} of {every}, and no more fit")


def _partial(
    case: Case,
    status: str,
    lines: list[str],
    wanted: str,
    every: int | None,
    on_gpu: int | None,
    now: Estimate | None = None,
    whole: Estimate | None = None,
) -> Finding:
    count = "99" if wanted == "all" else wanted
    option = f"num_gpu {count}" if case.facts.engine == "ollama" else f"-ngl {count}"
    return found(
        "partial-offload",
        ("configuration", status, "slow"),
        "A part of the model runs on the processor.",
        lines,
        f"Put {wanted} layers on the GPU: {option}.",
        layers=every,
        layers_on_gpu=on_gpu,
        decode_tokens_per_s=None if now is None else decode(now),
        decode_all_on_gpu_tokens_per_s=None if whole is None or now is None else decode(whole),
    )


# --- flash attention, memory channels, the bus, power -----------------------------------------------------------------


def _flash_attention(case: Case) -> Iterator[Finding]:
    """Off although it fits; where it does not fit without, the memory's rule says so."""
    if case.facts.flash_attention is not False or case.cache_needs_flash_attention:
        return
    off, on = case.answer(), case.answer(flash_attention=True)
    if off is None or on is None or not off.memory.fits:
        return
    wasted = off.memory.compute_buffer_bytes - on.memory.compute_buffer_bytes
    lines = [
        f"compute buffer {f.gib(off.memory.compute_buffer_bytes)} GiB without, "
        f"{f.gib(on.memory.compute_buffer_bytes)} GiB with: {size(wasted)} less",
    ]
    if case.named and off.prompt_tokens:
        lines.append(f"prefill {rate(off.prefill.tokens_per_s)} without, {rate(on.prefill.tokens_per_s)} with")
    yield found(
        "flash-attention-off",
        ("configuration", "likely", "slow"),
        "Flash attention is off.",
        lines,
        "Set OLLAMA_FLASH_ATTENTION=1." if case.facts.engine == "ollama" else "Set -fa on.",
        compute_buffer_bytes=off.memory.compute_buffer_bytes,
        compute_buffer_with_bytes=on.memory.compute_buffer_bytes,
    )


def uses_host(case: Case) -> bool:
    """Whether a part of the model is set to lie in host memory."""
    facts = case.facts
    layers = facts.n_gpu_layers is not None and case.model is not None and facts.n_gpu_layers <= case.model.n_layers
    return case.has_host and (bool(facts.n_cpu_moe) or layers)


def _channels(case: Case) -> Iterator[Finding | Check]:
    """Fewer memory channels than the processor has: bandwidth goes with their number."""
    used = case.facts.memory_channels
    if used is None or case.machine is None or case.sound is None or not case.named:
        return
    host = host_bandwidth(case.sound)
    if host is None or not (case.machine.backend == "cpu" or uses_host(case)):
        return
    every, bandwidth, whose = host
    if used >= every:
        yield Check(what="memory channels", arithmetic=f"{used} of {every}")
        return
    before, after = case.answer(), case.answer(machine=with_host_bandwidth(case.machine, bandwidth))
    if before is None or after is None:
        return
    yield found(
        "too-few-memory-channels",
        _SLOW,
        f"The memory runs with {used} of {every} channels.",
        [
            f"{bandwidth:g} GB/s ({whose}) x {used} / {every} = {bandwidth * used / every:g} GB/s",
            _gain(before, after, "so", f"with {every} channels"),
        ],
        "Put equal modules into the slots of every channel (the board's manual says which).",
        "hardware-notes-2026-11-20",
        channels=used,
        channels_of_machine=every,
        bandwidth_gb_per_s=bandwidth * used / every,
        bandwidth_of_machine_gb_per_s=bandwidth,
        decode_tokens_per_s=decode(before),
        decode_all_channels_tokens_per_s=decode(after),
    )


def _bus(case: Case) -> Iterator[Finding | Check]:
    """Host weights are sent over the bus at every pass of a prefill."""
    facts = case.facts
    if facts.pcie_lanes is None or case.machine is None or case.sound is None or not case.named:
        return
    link = bus_of(case.sound)
    if link is None:
        return
    full = float(link["bandwidth"]["value"])
    bandwidth = lanes_bandwidth(full, facts)
    sums = f"{bandwidth:.3g} GB/s of {full:.3g} GB/s"
    before, after = case.answer(), case.answer(machine=on_bus(case.machine, full))
    if bandwidth > 0.95 * full:  # the printed figures are rounded
        yield Check(what="the bus to the host", arithmetic=sums)
    elif not uses_host(case) or before is None or after is None or not before.prompt_tokens:
        yield Check(what="the bus to the host", arithmetic=f"{sums}; it counts where weights in host memory are sent")
    else:
        held = sum(one.weights_bytes for one in before.memory.pools[1:])
        passes = -(-before.prompt_tokens // before.ubatch)
        yield found(
            "narrow-bus",
            _SLOW,
            f"The card has {facts.pcie_lanes} lanes, and weights in host memory go over them at every pass.",
            [
                f"{facts.pcie_lanes} lanes: {bandwidth:.3g} GB/s; the card can {full:.3g} GB/s ({link['name']})",
                f"{f.count(passes)} passes of {before.ubatch} tokens over {size(held)} of weights in host memory",
                f"prefill {rate(before.prefill.tokens_per_s)} so, {rate(after.prefill.tokens_per_s)} with all lanes: "
                f"{f.duration(before.prefill.time_s)} and {f.duration(after.prefill.time_s)}",
            ],
            "Put the card into the slot with all lanes, or read more tokens a pass (-ub 2048), or keep more experts on "
            "the card (a smaller --n-cpu-moe). Decode does not suffer.",
            "pcie-base-spec",
            lanes=facts.pcie_lanes,
            bandwidth_gb_per_s=bandwidth,
            bandwidth_of_card_gb_per_s=full,
            host_weights_bytes=held,
            passes=passes,
            prefill_tokens_per_s=before.prefill.tokens_per_s,
            prefill_all_lanes_tokens_per_s=after.prefill.tokens_per_s,
        )


def _power(case: Case) -> Iterator[Finding | Check]:
    facts = case.facts
    if facts.thermally_slowed:
        yield found(
            "thermal-slowdown",
            _SLOW,
            "The card lowers its clock because it is hot.",
            ["nvidia-smi reports a thermal slowdown as active"],
            "Clean the card, give it air, raise its fans' speed, or lower its power limit on purpose.",
            "https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html",
        )
    limit = facts.power_limit_w
    entry: dict[str, Any] = {} if case.machine is None else case.machine.to_dict()
    figures = entry.get("devices", [{}])[0].get("tdp"), entry.get("power", {}).get("load")
    board, load = (None if one is None else float(one["value"]) for one in figures)
    if limit is None and not facts.power_capped:
        return
    lines = []
    if limit is not None and board is not None:
        lines.append(f"limit {limit:g} W; the card is made for {board:g} W ({100 * limit / board:.0f} %)")
    if load is not None:
        lines.append(f"it draws {load:g} W under load")
    if facts.power_capped:
        lines.append("nvidia-smi reports SW Power Cap as active")
    below = limit is not None and board is not None and limit < board
    if not below and not facts.power_capped:
        yield Check(what="power limit", arithmetic="; ".join(lines) or f"{limit:g} W")
        return
    reached = facts.power_capped or (load is not None and limit is not None and limit < load)
    yield found(
        "power-cap",
        ("configuration", "certain" if facts.power_capped and below else "likely" if reached else "possible", "slow"),
        "The card's power is limited below what it is made for.",
        lines,
        f"sudo nvidia-smi -pl {board:g}, where cooling and power supply allow it; prefill gains most."
        if board is not None
        else "Raise the limit with nvidia-smi -pl, where cooling and power supply allow it.",
        "https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html",
        power_limit_w=limit,
        board_power_w=board,
        load_power_w=load,
    )
