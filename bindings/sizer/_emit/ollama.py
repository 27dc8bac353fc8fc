"""Ollama, as a Modelfile with the variables of its server in comments."""

from __future__ import annotations

from typing import Any

from .document import Document, comment, refused
from .names import named, stand_in, tagged
from .options import MODELFILE, OLLAMA_SERVE
from .settings import Settings


def ollama(settings: Settings) -> str:
    """A Modelfile; what Ollama takes for the whole server only stands in its comments."""
    document = Document(settings, MODELFILE)
    if settings.n_cpu_moe:
        raise refused(settings, "n_cpu_moe", "0, because Ollama cannot keep experts on the host")
    if settings.rpc_servers:
        raise refused(settings, "rpc_servers", "0, because Ollama runs on one box")
    if settings.kv_unified and settings.parallel > 1:
        raise refused(settings, "kv_unified", "false, because each slot of Ollama has a cache of its own")
    origin = _origin(document)
    document.put("num_ctx", settings.context, "context")
    document.put("num_gpu", settings.layers_on_devices, "n_gpu_layers")
    batch = settings.n_batch if settings.ubatch is None else settings.ubatch
    if batch is not None:
        note = "" if None in (settings.ubatch, settings.n_batch) else "Ollama has one number for both batches."
        document.put("num_batch", batch, "ubatch", "n_batch", note=note)
    if settings.threads is not None:
        document.put("num_thread", settings.threads, "threads")
    if settings.tensor_split is not None or settings.split_mode is not None:
        document.remark("Ollama divides the layers among the devices itself.", "tensor_split", "split_mode")
    server = _server(document)
    lines = [
        *document.head(),
        *comment("Create it with: ollama create my-model -f Modelfile"),
        *comment("The server has to run with these variables, which hold for all its models:"),
        f"#   {server} ollama serve",
        f"FROM {origin}",
    ]
    for entry in document.entries:
        lines += comment(entry.comment) if entry.comment else []
        lines.append(f"PARAMETER {entry.name} {entry.value}")
    return "\n".join(lines) + "\n"


def _origin(document: Document) -> str:
    s = document.settings
    name = named("model_file", s.model_file)
    if name.kind == "ollama":
        return name.text
    if name.kind == "hub" and "/" not in name.part:
        return f"hf.co/{tagged(name, s.quant)}"
    if name.kind == "file":
        if name.text[0] not in "/\\" and name.text[1:2] != ":":
            document.remark("The path after FROM is relative to the Modelfile.")
        return _quoted(name.text)
    return stand_in(document, "./MODEL.gguf", f"the file of {s.model_name} in {s.quant}, or a model of Ollama")


def _quoted(text: str) -> str:
    """A path as an argument. It is printable, so on one line, and begins with no quote; spaces at its ends would go."""
    return text if text == text.strip(" ") else f'"{text}"'


def _server(document: Document) -> str:
    s = document.settings
    variables: list[tuple[str, Any, tuple[str, ...]]] = [("OLLAMA_NUM_PARALLEL", s.parallel, ("parallel",))]
    if s.flash_attention is not None:
        variables.append(("OLLAMA_FLASH_ATTENTION", "1" if s.flash_attention else "0", ("flash_attention",)))
    kinds = {kind for kind in (s.kv_type_k, s.kv_type_v) if kind is not None}
    if len(kinds) > 1:
        raise refused(s, "kv_type_v", f"{s.kv_type_k}, because Ollama has one type for keys and values")
    if kinds:
        variables.append(("OLLAMA_KV_CACHE_TYPE", kinds.pop(), ("kv_type_k", "kv_type_v")))
    entries = [document.put(name, value, *fields, table=OLLAMA_SERVE) for name, value, fields in variables]
    return " ".join(f"{entry.name}={entry.value}" for entry in entries)
