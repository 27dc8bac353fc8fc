"""A plan as what its engine is started with: a command, a Modelfile, settings; with comments that say why."""

from __future__ import annotations

from collections.abc import Callable

from .._errors import InvalidValueError
from .llama_server import llama_server
from .lm_studio import lm_studio
from .mlx import mlx
from .ollama import ollama
from .settings import Settings
from .vllm import vllm

__all__ = ["TARGETS", "Settings", "emit"]

_WRITERS: dict[str, tuple[str, Callable[[Settings], str]]] = {
    "llama-server": ("llama.cpp", llama_server),
    "ollama": ("ollama", ollama),
    "lmstudio": ("lm-studio", lm_studio),
    "vllm": ("vllm", vllm),
    "mlx": ("mlx", mlx),
}

#: What can be written.
TARGETS = tuple(_WRITERS)


def emit(settings: Settings, target: str) -> str:
    """What starts the target's engine as the plan decided.

    Raises InvalidValueError for a target of another engine than the plan's, and for a plan that would not fit without
    something that the target cannot express.
    """
    if target not in _WRITERS:
        raise InvalidValueError("emit", repr(target), "one of " + ", ".join(TARGETS))
    engine, write = _WRITERS[target]
    if settings.engine != engine:
        raise InvalidValueError("emit", f"{target} for a plan for {settings.engine}", f"a plan made for {engine}")
    return write(settings)
