"""Why a plan is as it is: what binds, what would change it, what it takes for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import _core
from .. import formatting as f
from .._errors import InvalidValueError
from .._hardware import Hardware
from .._model import Model
from .records import Change, Setup, plain_setup
from .wish import Wish, quantizations_of, wish_of

#: Less than this is not called a change: twice the floor of two runs of one question (3.8 %, docs/speed-accuracy.md).
_WORTH_TELLING = 1.08


def devices_of(machine: Hardware) -> int:
    """Cards or boxes of a machine; cores beside cards are its host."""
    devices = machine.to_dict()["devices"]
    cards = [one for one in devices if one["backend"] != "cpu"]
    return sum(one["count"] for one in cards or devices)


def _missing(model: Model, machine: Hardware, wish: Wish) -> str:
    """How far the smallest of what was allowed is from fitting."""
    needed, context = wish.least_memory(model, machine)
    entry = machine.to_dict()
    cards = devices_of(machine) * machine.usable_bytes
    beside = entry.get("host_memory", {}).get("usable")
    host = 0 if beside is None else round(beside["value"] * {"GiB": f.GIB, "GB": 1e9, "MiB": f.MIB}[beside["unit"]])
    where = "on the devices" if not host else "on the devices and in the RAM beside them"
    smallest = (wish.quants[-1] if wish.quants else "the file") + " with a cache in"
    return (
        f"memory: {smallest} {wish.kv_types[-1]}, the least that was allowed, needs {f.byte_size(needed)} at a context "
        f"of {f.count(context)}; {f.byte_size(cards + host)} are usable {where}"
    )


def binding(model: Model, machine: Hardware, wish: Wish, best: Setup | None) -> str:
    """What keeps the plan from being quicker, or from fitting."""
    if best is None:
        return _missing(model, machine, wish)
    parts = []
    if not best.meets_decode:
        parts.append(
            f"decode: {f.rate(best.decode_of_one)} of each sequence, {f.rate(wish.goals.min_decode or 0.0)} wanted"
        )
    if not best.meets_ttft:
        wanted = f.duration(wish.goals.max_ttft_s or 0.0)
        parts.append(f"first token: after {f.duration(best.ttft_s)}, {wanted} wanted")
    if best.uses_host:
        what = "experts" if best.host_blocks == 0 and best.n_cpu_moe else "layers"
        parts.append(
            f"device memory: {f.byte_size(best.host_bytes)} of {what} lie in the RAM, and are read at its bandwidth"
        )
    elif not parts or best.meets_goals:
        bound = best.decode_behind_prompt.bound
        names = {
            "memory": "memory bandwidth of the devices",
            "compute": "arithmetic of the devices",
            "latency": "time per layer, not bytes",
            "link": "link between the devices",
        }
        parts.append(names[bound])
    return "; ".join(parts)


def _variations(
    model: Model, machine: Hardware, arguments: Mapping[str, Any], wish: Wish, best: Setup | None, context: int
) -> Iterator[tuple[str, dict[str, Any], Hardware]]:
    """What could be different: in words, as arguments, and the machine."""
    given = dict(arguments)
    if best is not None:
        if wish.quants:  # otherwise the model's file has one
            given.update(quant=best.quant, min_quant=None)
        given["kv_type"] = best.kv_type
    if "q8_0" in _core.kv_types() and best is not None and best.kv_type == "f16" and wish.engine not in ("vllm", "mlx"):
        yield "KV cache in q8_0", {**given, "kv_type": "q8_0"}, machine
    choices = quantizations_of(model, wish.engine)
    last = best.quant if best is not None else wish.quants[-1] if wish.quants else ""
    if last in choices and choices.index(last) + 1 < len(choices) and model.file is None:
        smaller = choices[choices.index(last) + 1]
        yield f"weights in {smaller}", {**given, "quant": smaller, "min_quant": None}, machine
    half = context // 2
    asked = (best.prompt_tokens + best.output_tokens + best.depth) if best is not None else 0
    if half >= max(asked, 256):
        yield f"a context of {f.count(half)}", {**given, "context": half}, machine
    entry = machine.to_dict()
    cards = [one for one in entry["devices"] if one["backend"] != "cpu"]
    if len(cards) == 1 and not machine.unified:
        devices = [{**one, "count": one["count"] + (one is cards[0])} for one in entry["devices"]]
        more = machine.replace(devices=devices)
        yield f"one more {machine.device_name}", given, more


def changes_of(
    model: Model, machine: Hardware, arguments: Mapping[str, Any], wish: Wish, best: Setup | None, context: int
) -> tuple[Change, ...]:
    """What would make the request at least 8 % quicker, or reach the goals, or fit."""
    found = []
    for what, changed, on in _variations(model, machine, arguments, wish, best, context):
        try:
            plain = _core.plan(model._entry, on._entry, wish_of(model, **changed).core)["plan"]
        except InvalidValueError:  # a cache that the model's rows cannot be kept in
            continue
        if plain is None:
            continue
        other = plain_setup(plain)
        reached = other.meets_goals and not (best is not None and best.meets_goals)
        if not reached and best is not None and best.request_s < other.request_s * _WORTH_TELLING:
            continue
        found.append(
            Change(
                what=what,
                meets_goals=other.meets_goals,
                decode_of_one=other.decode_of_one,
                ttft_s=other.ttft_s,
                uses_host=other.uses_host,
            )
        )
    return tuple(found)


def assumptions_of(machine: Hardware, best: Setup | None) -> Iterator[tuple[str, str]]:
    """What a plan takes for granted."""
    if best is None:
        return
    if not _core.runs_on(best.engine, machine._entry):
        yield "engine", f"{best.engine} does not run on this device; the figures are what its rules would give"
    if any(not pool.available_known for pool in best.pools):
        yield "host memory", "the machine states none; its size is taken to suffice, and two channels of DDR5-5600"
    if best.placed and len(best.device_blocks) > 1 and "links" not in machine.to_dict():
        yield "link", "none is stated between the devices; copies through the host over PCIe 4.0 are taken"
    if best.decode.parameters_assumed:
        yield "speed", "no measurement of this device class and backend; parameters of its relatives"
    tight = [pool for pool in best.pools if pool.available_known and 0 <= pool.headroom_bytes < 1024 * f.MIB]
    for pool in tight:
        yield (
            "room",
            f"{pool.site}: {f.byte_size(pool.headroom_bytes)} are left, less than the 1 GiB that llama.cpp's own "
            "fitting keeps free (--fit-target); a display or another program may take them. reserve_mib keeps more",
        )
