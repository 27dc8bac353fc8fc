"""Where Ollama, LM Studio, llama.cpp and the Hugging Face hub keep models. The environment is read at every call."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

#: Where Ollama's service keeps models on Linux: its own installer, then the packages of Arch, NixOS and Gentoo.
OLLAMA_SERVICE_FOLDERS = (
    "/usr/share/ollama/.ollama/models",
    "/var/lib/ollama",
    "/var/lib/ollama/models",
    "/var/lib/ollama/.ollama/models",
)
_LARGEST_SETTINGS = 64 * 1024


def ollama_folders() -> list[Path]:
    """Folders with Ollama's ``manifests`` and ``blobs``: OLLAMA_MODELS, or the user's and those of the service."""
    named = _variable("OLLAMA_MODELS")
    if named is not None:
        return [_expanded(named)]
    service = [Path(folder) for folder in OLLAMA_SERVICE_FOLDERS] if _system() == "linux" else []
    return _unique([*_in_home(".ollama", "models"), *service])


def lm_studio_folders() -> list[Path]:
    """LM Studio's folders of models: those of its settings, and the defaults of its releases."""
    homes = [*_pointed_home(), *_in_home(".lmstudio"), *_in_home(".cache", "lm-studio")]
    return _unique([folder for home in homes for folder in (*_downloads_folder(home), home / "models")])


def llama_cpp_folders() -> list[Path]:
    """llama.cpp's own cache: LLAMA_CACHE, or a folder in the user's cache. Newer releases use the hub's cache."""
    named = _variable("LLAMA_CACHE")
    if named is not None:
        return [_expanded(named)]
    if _system() == "win32":
        local = _variable("LOCALAPPDATA")
        return [] if local is None else [_expanded(local) / "llama.cpp"]
    if _system() == "darwin":
        return _in_home("Library", "Caches", "llama.cpp")
    return [folder / "llama.cpp" for folder in _caches()]


def hugging_face_folders() -> list[Path]:
    """The hub's cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, or a folder in the user's cache."""
    for name, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        named = _variable(name)
        if named is not None:
            return [_expanded(os.path.expandvars(named)) / below]
    return [folder / "huggingface" / "hub" for folder in _caches()]


def read_bytes(path: Path, most: int) -> bytes | None:
    """What a regular file holds; None when it is none, cannot be read or is larger."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for somebody to write
            return None
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError:
        return None
    return data if len(data) <= most else None


def decoded(data: bytes | None) -> str:
    """Bytes as text, whatever they are."""
    return (data or b"").decode("utf-8", "replace").removeprefix("\ufeff")


def _system() -> str:
    return sys.platform


def _variable(name: str) -> str | None:
    """The value of an environment variable; None when it is unset or empty."""
    return os.environ.get(name) or None


def _expanded(path: str) -> Path:
    """The path with ``~`` replaced, absolute."""
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, OSError):  # a user whom nobody knows, a working directory that is gone
        return Path(path)


def _in_home(*below: str) -> list[Path]:
    """A path in the home folder; nothing for a user who has none."""
    try:
        return [Path.home().joinpath(*below)]
    except RuntimeError:
        return []


def _caches() -> list[Path]:
    """The user's cache folder (XDG base directories)."""
    named = _variable("XDG_CACHE_HOME")
    return _in_home(".cache") if named is None else [_expanded(named)]


def _pointed_home() -> list[Path]:
    """LM Studio's own folder, which a file in the home folder names."""
    pointers = [read_bytes(pointer, _LARGEST_SETTINGS) for pointer in _in_home(".lmstudio-home-pointer")]
    return [folder for pointer in pointers for folder in _stated_folder(decoded(pointer))]


def _downloads_folder(home: Path) -> list[Path]:
    """Where LM Studio's settings say that models go."""
    try:
        settings = json.loads(decoded(read_bytes(home / "settings.json", _LARGEST_SETTINGS)))
    except (ValueError, RecursionError):
        return []
    folder = settings.get("downloadsFolder") if isinstance(settings, dict) else None
    return _stated_folder(folder) if isinstance(folder, str) else []


def _stated_folder(path: str) -> list[Path]:
    """The folder that a settings file names; nothing unless the path is absolute."""
    path = path.strip()
    if "\0" in path or not (path.startswith("~") or Path(path).is_absolute()):
        return []
    return [_expanded(path)]


def _unique(folders: Iterable[Path]) -> list[Path]:
    """Each folder once, links followed."""
    found: dict[str, Path] = {}
    for folder in folders:
        found.setdefault(os.path.realpath(folder), folder)
    return list(found.values())
