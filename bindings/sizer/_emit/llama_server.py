"""llama.cpp's server, as a command."""

from __future__ import annotations

import shlex

from .._errors import InvalidValueError
from .document import Document, comment
from .names import named, stand_in, tagged
from .options import LLAMA_SERVER, RPC_SERVER
from .settings import Settings

_RPC_PORT = 50052


def llama_server(settings: Settings) -> str:
    """``llama-server`` with the plan's options."""
    document = Document(settings, LLAMA_SERVER)
    _model(document)
    _context(document)
    _placement(document)
    for name, field in (
        ("--cache-type-k", "kv_type_k"),
        ("--cache-type-v", "kv_type_v"),
        ("--ubatch-size", "ubatch"),
        ("--batch-size", "n_batch"),
        ("--threads", "threads"),
    ):
        if getattr(settings, field) is not None:
            document.put(name, getattr(settings, field), field)
    if settings.flash_attention is not None:
        document.put("--flash-attn", "on" if settings.flash_attention else "off", "flash_attention")
    _draft(document)
    return document.command(["llama-server"], before=_servers(settings))


def _model(document: Document) -> None:
    s = document.settings
    name = named("model_file", s.model_file)
    if name.kind == "hub":
        is_file = name.part.lower().endswith(".gguf")
        document.put("--hf-repo", name.text if is_file else tagged(name, s.quant), "model_file")
        if is_file:
            document.put("--hf-file", name.part)
    elif name.kind == "address" and name.text.lower().startswith("http"):
        document.put("--model-url", name.text, "model_file")
    elif name.kind == "file":
        document.put("--model", name.text, "model_file")
    else:
        document.put("--model", stand_in(document, "MODEL.gguf", f"the file of {s.model_name} in {s.quant}"))
    projector = named("mmproj", s.mmproj)
    if projector.kind == "file":
        document.put("--mmproj", projector.text, "mmproj")
    elif s.mmproj is None and name.kind == "hub":
        note = "a projector in the repository would be loaded too, and the plan counts none."
        document.put("--no-mmproj", True, note=note)


def _context(document: Document) -> None:
    s = document.settings
    cells = s.context if s.kv_unified else s.context * s.parallel
    note = ""
    if s.kv_unified:
        note = f"{s.parallel} slots share {s.context:,} tokens." if s.parallel > 1 else ""
    elif s.parallel > 1:
        note = f"{s.context:,} tokens for each of {s.parallel} slots, because llama-server divides what it is given."
    document.put("--ctx-size", cells, "context", note=note)
    document.put("--parallel", s.parallel, "parallel")
    if s.kv_unified is not None:
        document.put("--kv-unified" if s.kv_unified else "--no-kv-unified", True, "kv_unified")


def _placement(document: Document) -> None:
    s = document.settings
    # "all" is what the plan means by None; left out, llama-server would choose by the memory it finds free.
    layers = "all" if s.layers_on_devices == s.all_layers else s.layers_on_devices
    document.put("--n-gpu-layers", layers, "n_gpu_layers")
    if s.n_cpu_moe is not None:
        document.put("--n-cpu-moe", s.n_cpu_moe, "n_cpu_moe")
    if s.split_mode is not None:
        document.put("--split-mode", s.split_mode, "split_mode")
    if s.tensor_split is not None:
        if s.split_mode in (None, "layer") and sum(s.tensor_split) != s.layers_on_devices:
            raise InvalidValueError("tensor_split", str(s.tensor_split), f"a sum of {s.layers_on_devices} layers")
        document.put("--tensor-split", s.tensor_split, "tensor_split", note=_shares(s))
    if s.rpc_servers:
        note = "llama.cpp places the first layers on these boxes."
        document.put("--rpc", ",".join(f"{box}:{_RPC_PORT}" for box in _boxes(s)), "rpc_servers", note=note)


def _shares(s: Settings) -> str:
    if s.tensor_split is None or len(s.tensor_split) != len(s.devices):
        return ""
    shares = ", ".join(f"{share} to {name}" for share, name in zip(s.tensor_split, s.devices, strict=True))
    return f"layers, in the order of the devices in llama.cpp: {shares}."


def _boxes(s: Settings) -> list[str]:
    return [f"BOX{i + 1}" for i in range(s.rpc_servers)]


def _servers(s: Settings) -> list[str]:
    """Comments on what the other boxes run."""
    if not s.rpc_servers:
        return []
    start = ["rpc-server", "-H", RPC_SERVER["-H"].text("0.0.0.0"), "-p", RPC_SERVER["-p"].text(_RPC_PORT)]
    one = s.rpc_servers == 1
    where = "the other box, and put its address" if one else "each of the other boxes, and put their addresses"
    stand = f"{', '.join(_boxes(s))} {'stands' if one else 'stand'}"
    return [
        *comment(f"First start this on {where} where {stand}. It lets everybody in, so the network has to be trusted."),
        f"#   {shlex.join(start)}",
    ]


def _draft(document: Document) -> None:
    s = document.settings
    name = named("draft_model", s.draft_model)
    if name.kind in ("none", "ollama", "address"):  # what has no option is told as such
        return
    document.put("--spec-type", "draft-simple")
    if name.kind == "hub":
        document.put("--hf-repo-draft", tagged(name, ""), "draft_model")
    else:
        document.put("--model-draft", name.text, "draft_model")
    if s.draft_tokens is not None:
        document.put("--spec-draft-n-max", s.draft_tokens, "draft_tokens")
