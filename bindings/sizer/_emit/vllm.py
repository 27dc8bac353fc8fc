"""vLLM, as a command."""

from __future__ import annotations

import json

from .document import Document, refused
from .names import named, stand_in
from .options import VLLM_SERVE, Option
from .settings import Settings

_DRAFT_TOKENS = Option("num_speculative_tokens", "integer")

#: A cache of 16 bits has the model's own type, which is what "auto" stands for.
_CACHE_TYPES = {"f16": "auto", "bf16": "bfloat16"}


def vllm(settings: Settings) -> str:
    """``vllm serve`` with the plan's options."""
    document = Document(settings, VLLM_SERVE)
    if settings.layers_on_devices != settings.all_layers:
        raise refused(settings, "n_gpu_layers", f"{settings.all_layers}, because vLLM places all layers on devices")
    if settings.n_cpu_moe:
        raise refused(settings, "n_cpu_moe", "0, because vLLM keeps all experts on devices")
    if settings.rpc_servers:
        raise refused(settings, "rpc_servers", "0, because vLLM has no RPC of llama.cpp's kind")
    model = _model(document)
    document.put("--max-model-len", settings.context, "context")
    document.put("--max-num-seqs", settings.parallel, "parallel")
    for name, field in (
        ("--tensor-parallel-size", "tensor_parallel"),
        ("--pipeline-parallel-size", "pipeline_parallel"),
        ("--gpu-memory-utilization", "gpu_memory_utilization"),
        ("--max-num-batched-tokens", "max_num_batched_tokens"),
    ):
        if getattr(settings, field) is not None:
            document.put(name, getattr(settings, field), field)
    _cache(document)
    _draft(document)
    if settings.n_gpu_layers is not None:
        document.remark("vLLM places all layers on the devices.", "n_gpu_layers")
    return document.command(["vllm", "serve", model])


def _model(document: Document) -> str:
    s = document.settings
    name = named("model_file", s.model_file)
    if name.kind == "file" or (name.kind == "hub" and not name.part):
        return name.text
    return stand_in(document, "ORG/REPO", f"the repository or folder of {s.model_name} in {s.quant}")


def _cache(document: Document) -> None:
    s = document.settings
    kinds = {kind for kind in (s.kv_type_k, s.kv_type_v) if kind is not None}
    if len(kinds) > 1:
        raise refused(s, "kv_type_v", f"{s.kv_type_k}, because vLLM has one type for keys and values")
    for kind in kinds:
        note = "the type of the model itself, of 16 bits." if kind == "f16" else ""
        document.put("--kv-cache-dtype", _CACHE_TYPES.get(kind, kind), "kv_type_k", "kv_type_v", note=note)


def _draft(document: Document) -> None:
    s = document.settings
    name = named("draft_model", s.draft_model)
    if name.kind not in ("file", "hub") or name.part:
        return
    draft: dict[str, str | int] = {"method": "draft_model", "model": name.text}
    if s.draft_tokens is not None:
        draft["num_speculative_tokens"] = int(_DRAFT_TOKENS.text(s.draft_tokens))
    document.put("--speculative-config", json.dumps(draft), "draft_model", "draft_tokens")
