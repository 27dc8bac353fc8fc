"""mlx-lm, as a command: its server, or its generator where only that has the plan's options."""

from __future__ import annotations

from .document import Document, refused
from .names import named, stand_in
from .options import MLX_GENERATE, MLX_SERVER
from .settings import Settings

_KV_BITS = {"q8_0": 8, "q4_0": 4}


def mlx(settings: Settings) -> str:
    """``mlx_lm.server``; ``mlx_lm.generate`` for a quantised cache, which the server does not have."""
    bits = _kv_bits(settings)
    document = Document(settings, MLX_SERVER if bits is None else MLX_GENERATE)
    _check(document)
    document.put("--model", _model(document))
    if bits is None:
        document.put("--decode-concurrency", settings.parallel, "parallel")
        document.put("--prompt-concurrency", settings.parallel)
        if settings.ubatch is not None:
            document.put("--prefill-step-size", settings.ubatch, "ubatch")
        if settings.kv_type_k is not None or settings.kv_type_v is not None:
            document.remark("The cache has the type of the model itself, of 16 bits.", "kv_type_k", "kv_type_v")
    else:
        document.put("--prompt", "-", "parallel", note="read from the standard input.")
        note = "mlx_lm.server has no option for a quantised cache."
        document.put("--kv-bits", bits, "kv_type_k", "kv_type_v", note=note)
        document.put("--quantized-kv-start", 0, note="by default the first 5,000 tokens are not quantised.")
    _draft(document)
    document.remark(
        f"{settings.context:,} tokens of context: {document.table.program} has no option that holds a conversation to "
        "them, so keep prompt and answer together below.",
        "context",
    )
    if bits is None:
        document.remark(
            "mlx_lm.server also keeps caches of earlier prompts (--prompt-cache-size), which the plan does not."
        )
    return document.command([document.table.program])


def _kv_bits(s: Settings) -> int | None:
    kinds = {kind for kind in (s.kv_type_k, s.kv_type_v) if kind is not None} - {"f16", "bf16"}
    if not kinds:
        return None
    if s.kv_type_k != s.kv_type_v or kinds - set(_KV_BITS):
        raise refused(s, "kv_type_k", "f16, bf16, or q8_0 or q4_0 for keys and values")
    if s.parallel > 1:
        raise refused(s, "parallel", "1, because only mlx_lm.generate has a quantised cache")
    return _KV_BITS[kinds.pop()]


def _check(document: Document) -> None:
    s = document.settings
    if s.layers_on_devices != s.all_layers:
        raise refused(s, "n_gpu_layers", f"{s.all_layers}, because MLX places all layers on the device")
    if s.n_gpu_layers is not None:
        document.remark("MLX places all layers on the device.", "n_gpu_layers")
    for field in ("n_cpu_moe", "rpc_servers"):
        if getattr(s, field):
            raise refused(s, field, "0, because mlx-lm has no option for it")
    for field in ("tensor_parallel", "pipeline_parallel"):
        if (getattr(s, field) or 1) > 1:
            raise refused(s, field, "1, because the command runs on one device")


def _model(document: Document) -> str:
    s = document.settings
    name = named("model_file", s.model_file)
    if name.kind == "file" or (name.kind == "hub" and not name.part):
        return name.text
    return stand_in(document, "ORG/REPO", f"the repository or folder of {s.model_name} in {s.quant}, converted for MLX")


def _draft(document: Document) -> None:
    s = document.settings
    name = named("draft_model", s.draft_model)
    if name.kind not in ("file", "hub") or name.part:
        return
    document.put("--draft-model", name.text, "draft_model")
    if s.draft_tokens is not None:
        document.put("--num-draft-tokens", s.draft_tokens, "draft_tokens")
