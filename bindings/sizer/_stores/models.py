"""Models on this machine: what lies in the folders of Ollama, LM Studio, llama.cpp and the Hugging Face hub.

Nothing is written, downloaded or hashed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from os import scandir
from pathlib import Path
from typing import ClassVar

from .. import _core, _files
from .._errors import DataError, InvalidValueError, SizerError
from .._model_file import ContextLabel
from .._records import Nested, Record, each
from .files import (
    File,
    Found,
    entries,
    gguf_models,
    gguf_problem,
    is_folder,
    safetensors_models,
    shown,
    status,
    walk,
)
from .folders import (
    decoded,
    hugging_face_folders,
    llama_cpp_folders,
    lm_studio_folders,
    ollama_folders,
    read_bytes,
)
from .ollama import (
    OLLAMA_PREFIX,
    OllamaFiles,
    files_of,
    layers_of,
    manifests,
    of_kind,
    resolve_ollama,
    short_name,
)

__all__ = [
    "HUB_PREFIX",
    "OLLAMA_PREFIX",
    "LocalModel",
    "OllamaFiles",
    "StoreFolder",
    "find_local_models",
    "hugging_face_folders",
    "llama_cpp_folders",
    "lm_studio_folders",
    "ollama_folders",
    "resolve_ollama",
    "store_folders",
    "with_header",
]

#: What stands before a repository of the hub.
HUB_PREFIX = "hf:"

_LARGEST_REFERENCE = 4096


@dataclass(frozen=True, kw_only=True)
class LocalModel(Record):
    """A model in a store of this machine."""

    store: str  #: ollama, lm-studio, llama.cpp or hugging-face
    name: str  #: what sizer.model() takes: "ollama:qwen3-coder:30b", "hf:org/repo:file.gguf", or the path
    path: str  #: the file, the first file, or the folder of a safetensors model
    file_bytes: int  #: all files of the model, without companions
    format: str | None  #: gguf or safetensors; None when it cannot be told
    companions: tuple[str, ...]  #: files that are loaded beside it: projectors
    modified: str | None  #: ISO date, UTC
    problem: str | None  #: why it cannot be read
    family: str | None = None  #: GGUF architecture; this and what follows is in the header
    quantization: str | None = None  #: what the file calls itself
    context: int | None = None  #: tokens that the file states
    context_labels: tuple[ContextLabel, ...] = ()  #: where it states another context than it was trained for
    _nested: ClassVar[Nested] = {"companions": tuple, "context_labels": each(ContextLabel.build)}


@dataclass(frozen=True, kw_only=True)
class StoreFolder(Record):
    """A folder that was looked at."""

    store: str
    path: str
    problem: str | None  #: why nothing can be read there; None: it can


def store_folders() -> list[StoreFolder]:
    """Every folder that find_local_models() looks at, and whether it can."""
    return [
        StoreFolder(store=store, path=shown(folder), problem=_folder_problem(folder))
        for store, folders in _FOLDERS.items()
        for folder in folders()
    ]


def find_local_models() -> list[LocalModel]:
    """Every model in the folders of Ollama, LM Studio, llama.cpp and the Hugging Face hub, by store and name.

    What cannot be read is listed with its ``problem``, or left out when it is no model at all; it raises nothing.
    """
    found: dict[str, LocalModel] = {}
    for store, read in _READERS.items():
        for folder in _FOLDERS[store]():
            for model in read(folder):
                # Of two folders with one name, sizer.model() opens the first.
                found.setdefault(model.name if store == "ollama" else model.path, model)
    order = list(_FOLDERS)
    return sorted(found.values(), key=lambda model: (order.index(model.store), model.name.lower(), model.name))


def with_header(row: LocalModel, known: _core.Catalogue) -> LocalModel:
    """The model with what its files' headers say, or with the problem that keeps them from being read."""
    if row.problem is not None:
        return row
    try:
        # Hub names could lead to the network; the path has what is here.
        model = _files.load(row.name if row.store == "ollama" else Path(row.path), known)
    except SizerError as error:
        return row.replace(problem=str(error))
    file = model.file
    return row.replace(
        family=model.family,
        quantization=None if file is None else file.quantization,
        context=model.context_length if file is None else file.modelfile.get("num_ctx", file.stated_context),
        context_labels=model.context_labels,
    )


def _folder_problem(folder: Path) -> str | None:
    try:
        with scandir(folder):
            return None
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return error.strerror or str(error)


def _date(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat() if seconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False
    return True


def _named(found: Found, store: str, name: str) -> LocalModel:
    return LocalModel(
        store=store,
        name=shown(name),
        path=shown(found.path),
        file_bytes=sum(file.size or 0 for file in found.files),
        format=found.format,
        companions=tuple(shown(file.path) for file in found.companions),
        modified=_date(max((file.modified for file in found.files), default=0.0)),
        problem=found.problem if _writable(name) else "its name is not UTF-8",
    )


def _in_lm_studio(top: Path) -> Iterator[LocalModel]:
    for folder, files in walk(top):
        for found in (*gguf_models(files), *safetensors_models(folder, files)):
            yield _named(found, "lm-studio", str(found.path))


def _in_llama_cpp(top: Path) -> Iterator[LocalModel]:
    for _, files in walk(top, deepest=0):
        for found in gguf_models(files, alone=False):  # the files of all repositories lie in one folder
            yield _named(found, "llama.cpp", str(found.path))
    for _, found, _ in _repositories(top):  # what newer releases put into the folder of LLAMA_CACHE
        yield _named(found, "llama.cpp", str(found.path))


def _in_hub(top: Path) -> Iterator[LocalModel]:
    for repository, found, file in _repositories(top):
        name = f"{HUB_PREFIX}{repository}{':' + file if file else ''}" if repository else str(found.path)
        yield _named(found, "hugging-face", name)


def _repositories(top: Path) -> Iterator[tuple[str, Found, str]]:
    """The models of a hub cache, each with its repository ("": it has no such name) and its GGUF file there."""
    prefix = "models--"
    for folder in entries(top):
        snapshot = _snapshot(folder) if folder.name.startswith(prefix) else None
        if snapshot is None:
            continue
        repository = folder.name.removeprefix(prefix).replace("--", "/")
        if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)?", repository, re.ASCII):
            repository = ""
        for below, files in walk(snapshot):
            for found in gguf_models(files):
                yield repository, found, found.path.relative_to(snapshot).as_posix()
            if below == snapshot:  # deeper ones are parts of a pipeline
                for found in safetensors_models(below, files):
                    yield repository, found, ""


def _snapshot(repository: Path) -> Path | None:
    """The revision of a cached repository that its references name, "main" first; else the newest."""
    snapshots = {path.name: path for path in entries(repository / "snapshots") if is_folder(path)}
    references = repository / "refs"
    for reference in (references / "main", *entries(references)):
        commit = decoded(read_bytes(reference, _LARGEST_REFERENCE)).strip()
        if commit in snapshots:
            return snapshots[commit]
    newest = sorted(snapshots.values(), key=_modified)
    return newest[-1] if newest else None


def _modified(path: Path) -> float:
    found = status(path)
    return 0.0 if found is None else found.st_mtime


def _in_ollama(folder: Path) -> Iterator[LocalModel]:
    for manifest in manifests(folder):
        yield _ollama_model(folder, manifest)


def _ollama_model(folder: Path, manifest: Path) -> LocalModel:
    """What a manifest stands for, whatever state it is in."""
    parts = manifest.parts[-4:]
    name, path, size = shown(manifest), shown(manifest), 0
    kind: str | None = None
    companions: tuple[str, ...] = ()
    try:
        if not _writable(str(manifest)):
            raise DataError(path, "", "its name is not UTF-8")
        _core.parse_ollama_name("{}/{}/{}:{}".format(*parts))
        name = short_name(parts)
        layers = layers_of(manifest)
        weights = of_kind(layers, "model")
        tensors = of_kind(layers, "tensor")
        kind = "gguf" if weights else "safetensors" if tensors else None
        size = sum(layers[number][2] for number in weights or tensors)
        files = files_of(folder, manifest, layers, name)
        path, companions = files.models[0], files.projectors + files.adapters + files.drafts
        problem = next(filter(None, (gguf_problem(File(Path(file), 0, 0.0)) for file in files.models)), None)
    except InvalidValueError as error:
        problem = f"Ollama takes no such name: got {error.got}, expected {error.expected}"
    except DataError as error:
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
    return LocalModel(
        store="ollama",
        name=name,
        path=path,
        file_bytes=size,
        format=kind,
        companions=companions,
        modified=_date(_modified(manifest)),
        problem=problem,
    )


#: The stores, in the order of a list.
_FOLDERS: dict[str, Callable[[], list[Path]]] = {
    "ollama": ollama_folders,
    "lm-studio": lm_studio_folders,
    "llama.cpp": llama_cpp_folders,
    "hugging-face": hugging_face_folders,
}
#: The hub's cache before llama.cpp's, which may be the same folder: a repository's name says more than a path.
_READERS: dict[str, Callable[[Path], Iterable[LocalModel]]] = {
    "ollama": _in_ollama,
    "lm-studio": _in_lm_studio,
    "hugging-face": _in_hub,
    "llama.cpp": _in_llama_cpp,
}
