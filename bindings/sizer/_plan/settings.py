"""From a plan to the settings that an engine is started with, each with its reason."""

from __future__ import annotations

from typing import Any

from .. import formatting as f
from .._emit import emit
from .._emit.settings import Settings
from .._errors import InvalidValueError
from .records import Plan, Setup

_LLAMA_CPP = ("llama.cpp", "ollama", "lm-studio")


def _boxes(best: Setup, plan: Plan) -> bool:
    """Whether the devices are boxes of their own, which llama.cpp reaches over RPC."""
    return len(best.device_blocks) > 1 and plan.unified


def _placement(best: Setup, remote: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Where the layers lie, for engines that place them."""
    sites = [pool for pool in best.pools if pool.name != "host"]
    values: dict[str, Any] = {"devices": tuple(pool.site for pool in sites), "n_gpu_layers": best.n_gpu_layers}
    reasons: dict[str, str] = {}
    if best.host_blocks:
        reasons["n_gpu_layers"] = (
            f"{best.host_blocks} layers do not fit on the devices and stay in the RAM ({f.byte_size(best.host_bytes)})"
        )
    elif best.n_gpu_layers is not None:
        reasons["n_gpu_layers"] = "every layer and the output head lie on a device"
    if best.n_cpu_moe:
        values["n_cpu_moe"] = best.n_cpu_moe
        reasons["n_cpu_moe"] = (
            f"the experts of {best.n_cpu_moe} layers stay in the RAM ({f.byte_size(best.host_bytes)}), because a token "
            "reads only some of them"
        )
    used = [at for at, layers in enumerate(best.tensor_split) if layers] if remote else list(range(len(sites)))
    if len(used) > 1:
        if remote:  # only the boxes that hold something; llama.cpp counts those behind RPC first
            used = [*used[1:], used[0]]
            values["rpc_servers"] = len(used) - 1
        values["tensor_split"] = tuple(best.tensor_split[at] for at in used)
        values["split_mode"] = best.split_mode
        reasons["tensor_split"] = "Layers of each device that fit and take the least time together."
        reasons["split_mode"] = "The devices take turns, layer by layer."
    values["devices"] = tuple(sites[at].site for at in used)
    return values, reasons


def settings_of(plan: Plan) -> Settings:
    """What a plan decided. Raises InvalidValueError when nothing fits."""
    best = plan.best
    if best is None:
        raise InvalidValueError("plan", "nothing that fits", "a plan that fits; its .binds says what is missing")
    values: dict[str, Any] = {}
    reasons = {
        "context": f"{f.count(best.context)} tokens of each sequence, as asked for",
        "parallel": "one sequence at a time" if best.parallel == 1 else f"{best.parallel} sequences at a time",
    }
    if best.engine in _LLAMA_CPP:
        values.update(kv_type_k=best.kv_type, kv_type_v=best.kv_type, flash_attention=best.flash_attention)
        values.update(ubatch=best.ubatch, n_batch=best.n_batch)
        reasons["kv_type_k"] = (
            "the cache fits without loss" if best.kv_type == "f16" else "with f16 the plan would be slower or not fit"
        )
        reasons["flash_attention"] = "the scores of attention are not kept in memory; a quantised V cache needs it"
        reasons["ubatch"] = f"prefill of {f.count(best.prompt_tokens)} tokens at {f.rate(best.prefill.tokens_per_s)}"
        if best.placed:
            placed, why = _placement(best, _boxes(best, plan))
            values.update(placed)
            reasons.update(why)
        elif best.split_mode == "row":
            values["split_mode"] = "row"
            reasons["split_mode"] = (
                "The devices work on every matrix together. llama.cpp calls the mode superseded by tensor, of which no "
                "measurement was found."
            )
    elif best.engine == "vllm" and plan.n_devices > 1:
        values["tensor_parallel"] = plan.n_devices
        reasons["tensor_parallel"] = "the devices work on every layer together"
    return Settings(
        model=plan.model,
        model_name=plan.model_name,
        model_file=plan.model_file,
        quant=best.quant,
        engine=best.engine,
        context=best.context,
        parallel=best.parallel,
        n_layers=plan.n_layers,
        reasons=reasons,
        **values,
    )


def emit_plan(plan: Plan, target: str) -> str:
    """The configuration of a plan for one target."""
    return emit(settings_of(plan), target)
