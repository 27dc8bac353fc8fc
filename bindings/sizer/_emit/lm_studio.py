"""LM Studio, as a command of its ``lms`` and the settings of the app that the command uses."""

from __future__ import annotations

import math
from typing import Any

from .document import Document, comment, refused
from .names import named, stand_in
from .options import LM_STUDIO_SETTINGS, LMS_LOAD
from .settings import Settings


def lm_studio(settings: Settings) -> str:
    """``lms load``; what it has no option for stands in comments as a setting of the model."""
    document = Document(settings, LMS_LOAD)
    if settings.rpc_servers:
        raise refused(settings, "rpc_servers", "0, because LM Studio runs on one box")
    named("model_file", settings.model_file)  # refuses what cannot be shown; only the app knows the key
    key = stand_in(document, "MODEL_KEY", "the name of the model in the list that lms ls prints")
    document.put("--context-length", settings.context, "context")
    document.put("--gpu", _ratio(settings), "n_gpu_layers", note=_layers(settings))
    document.put("--parallel", settings.parallel, "parallel")
    if settings.tensor_split is not None or settings.split_mode is not None:
        document.remark("LM Studio divides the layers among the devices itself.", "tensor_split", "split_mode")
    return document.command(["lms", "load", key], before=_settings(document))


def _settings(document: Document) -> list[str]:
    s = document.settings
    # Shared is LM Studio's default; a sequence has its whole context only without.
    shared = False if s.kv_unified is None and s.parallel > 1 else s.kv_unified
    experts = None if s.n_cpu_moe is None else _share(min(s.n_cpu_moe, s.n_layers), s.n_layers)
    wanted: list[tuple[str, Any, str]] = [
        ("useUnifiedKvCache", shared, "kv_unified"),
        ("flashAttention", s.flash_attention, "flash_attention"),
        ("evalBatchSize", s.n_batch, "n_batch"),
        ("physicalBatchSize", s.ubatch, "ubatch"),
        ("llamaKCacheQuantizationType", s.kv_type_k, "kv_type_k"),
        ("llamaVCacheQuantizationType", s.kv_type_v, "kv_type_v"),
        ("gpu.numCpuExpertLayersRatio", experts, "n_cpu_moe"),
    ]
    table = LM_STUDIO_SETTINGS
    entries = [document.put(name, value, field, table=table) for name, value, field in wanted if value is not None]
    if not entries:
        return []
    if shared is False:
        document.remark("Without useUnifiedKvCache each of the predictions has the whole context.")
    title = "First set these for the model in the app (My Models, the gear), where lms load takes them from."
    return [
        *comment(f"{title} The names are those of the SDK:"),
        *(f"#   {entry.name} = {entry.value}" for entry in entries),
    ]


def _ratio(s: Settings) -> str | float:
    on = s.layers_on_devices
    if on in (0, s.all_layers):
        return "max" if on else "off"
    return _share(on, s.all_layers)


def _layers(s: Settings) -> str:
    on = s.layers_on_devices
    return "" if on in (0, s.all_layers) else f"{on} of {s.all_layers} layers, the output layer being one."


def _share(count: int, of: int) -> float:
    """With four decimals, and of no fewer layers than are meant, also where the product is rounded down."""
    steps = math.ceil(count / of * 10_000 - 1e-6)
    return (steps if int(steps / 10_000 * of) >= count else steps + 1) / 10_000
