"""What a running server says of itself: GET /props of llama-server, /api/show and /api/ps of Ollama."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._arguments import described
from .._errors import DataError, WrongTypeError
from .._local_file import read_text
from .facts import Stated

#: Bytes of an answer that are read at most; the chat template is in it.
LARGEST = 4 * 1024 * 1024

_MOST_TOKENS = 2**31
_EXPECTED = "the JSON of llama-server's /props, or of Ollama's /api/show or /api/ps"


def facts_of(properties: Any) -> Stated:
    """The facts in a path, an address, the text of JSON, or a dict. Raises DataError, WrongTypeError."""
    name, document = _document(properties)
    if not isinstance(document, Mapping):
        raise DataError(name, "", f"got {type(document).__name__}, expected {_EXPECTED}")
    if "default_generation_settings" in document:
        return _of_llama_server(name, document)
    if "models" in document:
        return _of_ollama_ps(name, document)
    if "model_info" in document:
        return _of_ollama_show(name, document)
    raise DataError(name, "", f"got neither default_generation_settings, model_info nor models, expected {_EXPECTED}")


def _document(properties: Any) -> tuple[str, Any]:
    if isinstance(properties, Mapping):
        return "server_props", properties
    if not isinstance(properties, (str, Path)):
        raise WrongTypeError("server_props", described(properties), "a path, an address, or the text of JSON")
    text = str(properties)
    name = text
    if text.lower().startswith(("http://", "https://")):
        from .._remote.files import fetch_document

        fetched = fetch_document(text, limit=LARGEST)
        name, text = fetched.name, fetched.content.decode("utf-8", errors="replace")
    elif text.lstrip().startswith("{"):
        name = "server_props"
    else:
        text = read_text(Path(text), LARGEST, _EXPECTED)
    try:
        return name, json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(name, "", f"got what is no JSON ({error}), expected {_EXPECTED}") from None


def _mapping(name: str, where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(name, where, f"got {described(value)}, expected an object")
    return value


def _number(name: str, where: str, value: Any, most: int = _MOST_TOKENS) -> int | None:
    """A count; None where there is none, or where 0 means that the model's own is taken."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise DataError(name, where, f"got {described(value)}, expected an integer from 0 to {most}")
    return value or None


def _of_llama_server(name: str, document: Mapping[str, Any]) -> Stated:
    """`n_ctx` is that of a slot."""
    where = "/default_generation_settings"
    settings = _mapping(name, where, document["default_generation_settings"])
    return {
        "engine": "llama.cpp",
        "slot_context": _number(name, where + "/n_ctx", settings.get("n_ctx")),
        "parallel": _number(name, "/total_slots", document.get("total_slots")),
    }


def _of_ollama_ps(name: str, document: Mapping[str, Any]) -> Stated:
    models = document["models"]
    if not isinstance(models, list) or not models:
        raise DataError(name, "/models", f"got {described(models)}, expected a model that is loaded")
    model = _mapping(name, "/models/0", models[0])
    size = _number(name, "/models/0/size", model.get("size"), 2**60)
    in_gpu = model.get("size_vram")
    return {
        "engine": "ollama",
        "configured_context": _number(name, "/models/0/context_length", model.get("context_length")),
        "loaded_bytes": size,
        # 0 is a size here: nothing lies on the device
        "loaded_gpu_bytes": None if in_gpu is None else _number(name, "/models/0/size_vram", in_gpu, 2**60) or 0,
    }


def _of_ollama_show(name: str, document: Mapping[str, Any]) -> Stated:
    info = _mapping(name, "/model_info", document["model_info"])
    trained = next((key for key in info if isinstance(key, str) and key.endswith(".context_length")), None)
    facts: dict[str, Any] = {"engine": "ollama"}
    if trained is not None:
        facts["trained_context"] = _number(name, "/model_info/*.context_length", info[trained])
    parameters = document.get("parameters") or ""
    if not isinstance(parameters, str):
        raise DataError(name, "/parameters", f"got {described(parameters)}, expected lines of a name and a value")
    names = {"num_ctx": "configured_context", "num_gpu": "n_gpu_layers"}
    for line in parameters.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in names and words[1].isascii() and words[1].isdigit():
            facts[names[words[0]]] = _number(name, "/parameters", int(words[1][:12]))
    return facts
