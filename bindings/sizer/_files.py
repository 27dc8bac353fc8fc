"""Models from their own files: on this machine, in Ollama's store, on the Hugging Face hub, behind a URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import _core
from ._errors import DataError, InvalidValueError
from ._model import Model

#: Starts of names that stand for files and not for entries of the catalogue.
SCHEMES = ("ollama:", "hf:", "http://", "https://", "file://")

#: Opens a file by its name beside a model: an object with `name`, `size` and `read(offset, length)`, or None.
Opener = Callable[[str], Any]


def is_address(name: str) -> bool:
    """Whether a name says by its start that it is none of the catalogue."""
    return name.lower().startswith(SCHEMES)


def load(name: str | Path, known: _core.Catalogue, mmproj: str | None = None) -> Model:
    """The model in the files that a path or an address stands for. Raises DataError, InvalidValueError."""
    projectors = [] if mmproj is None else [mmproj]
    if isinstance(name, Path):
        return _from_path(name, known, projectors)
    scheme = name.split(":", 1)[0].lower()
    if scheme == "file":
        return _from_path(Path(unquote(urlsplit(name).path)), known, projectors)
    if scheme == "ollama":
        return _from_ollama(name, known, projectors)
    if scheme == "hf":
        return _from_hub(name, known, projectors)
    return _from_url(name, known, projectors)


def _from_path(path: Path, known: _core.Catalogue, projectors: Sequence[str], name: str = "") -> Model:
    return Model._wrap(_core.load_model(path=os.fspath(path), name=name, projectors=projectors, known=known))


def _gguf(files: Sequence[str], open_file: Opener | None, known: _core.Catalogue, **options: Any) -> Model:
    defaults: dict[str, Any] = {"projectors": [], "beside": [], "modelfile": None, "notes": []}
    entry = _core.load_gguf_model(files=files, open=open_file, known=known, **{**defaults, **options})
    return Model._wrap(entry)


# --- Ollama -----------------------------------------------------------------------------------------------------------


def _from_ollama(name: str, known: _core.Catalogue, projectors: Sequence[str]) -> Model:
    """A model that Ollama has on this machine, or else in its registry."""
    from ._stores.ollama import resolve_ollama

    found = resolve_ollama(name)
    if found is None:
        return _from_registry(name, known, projectors)
    return _gguf(
        found.models[-1:] if len(found.models) > 1 and not _is_split(found.models) else found.models,
        None,
        known,
        name=found.name,
        projectors=[*found.projectors, *projectors],
        beside=list(found.drafts),
        modelfile=dict(found.parameters),
        notes=[f"an adapter of {Path(path).stat().st_size:,} bytes is not counted" for path in found.adapters],
    )


def _is_split(paths: Sequence[str]) -> bool:
    """Whether several model blobs are the parts of one model; otherwise Ollama loads the last."""
    return _core.gguf_split_count(paths[0]) == len(paths)


def _from_registry(name: str, known: _core.Catalogue, projectors: Sequence[str]) -> Model:
    from ._remote import ollama_registry as registry

    parts = _core.parse_ollama_name(name[len("ollama:") :])
    manifest = f"{parts['host']}/{parts['name_space']}/{parts['model']}:{parts['tag']}"
    blobs = _core.read_ollama_manifest(registry.ollama_manifest(parts), manifest)

    def of_kind(kind: str) -> list[tuple[str, int]]:
        return [(digest, size) for media, digest, size in blobs if media.endswith(f".image.{kind}")]

    models = of_kind("model")
    if not models:
        raise DataError(manifest, "/layers", "got no GGUF file, expected a layer of application/vnd.ollama.image.model")
    parameters: dict[str, int] = {}
    for digest, size in of_kind("params"):
        parameters.update(_core.read_ollama_parameters(registry.ollama_small_blob(parts, digest, size), manifest))
    return _gguf(
        [digest for digest, _ in models[-1:]],
        lambda digest: registry.ollama_blob(parts, digest),
        known,
        name=f"ollama:{parts['model']}:{parts['tag']}",
        projectors=[*(digest for digest, _ in of_kind("projector")), *projectors],
        modelfile=parameters,
        notes=["read from Ollama's registry; it is not on this machine"],
    )


# --- Hugging Face -----------------------------------------------------------------------------------------------------


def _from_hub(text: str, known: _core.Catalogue, projectors: Sequence[str]) -> Model:
    """A repository of the hub: from its cache on this machine where that has what is wanted, or else the network."""
    from ._remote import hub

    name = hub.parse(text)
    snapshot = hub.cached_snapshot(name)
    if snapshot is not None:
        local = _from_snapshot(snapshot, name, known, projectors)
        if local is not None:
            return local
    files = hub.list_files(name)
    paths = {file.path for file in files}

    def open_file(path: str) -> Any:
        return hub.open_file(name, path) if path in paths else None

    if _wants_gguf(paths, name.wanted):
        choice = hub.choose_gguf(files, name.wanted)
        return _gguf(
            [choice.path],
            open_file,
            known,
            name=str(name),
            projectors=projectors,
            beside=_one_projector(choice.companions, projectors),
            notes=[choice.note] if choice.note else [],
        )
    if "config.json" not in paths:
        raise DataError(str(name), "", "got a repository without GGUF files and config.json, expected one of them")
    return Model._wrap(_core.load_checkpoint(open=open_file, name=name.repo, known=known))


def _wants_gguf(paths: set[str], wanted: str) -> bool:
    """Whether a repository is one of GGUF files; a file or quantisation that is named can only be one of them."""
    return bool(wanted) or any(path.lower().endswith(".gguf") for path in paths)


def _one_projector(companions: Sequence[str], counted: Sequence[str]) -> list[str]:
    """Of the projectors of a repository, which differ in number format only, the F16 one or the first."""
    if counted:
        return []
    projectors = [path for path in companions if "mmproj" in path.lower()]
    return sorted(projectors, key=lambda path: "f16" not in path.lower() or "bf16" in path.lower())[:1]


def _from_snapshot(snapshot: Path, name: Any, known: _core.Catalogue, projectors: Sequence[str]) -> Model | None:
    """What the hub's cache has of a repository, or None when what is wanted is not (all) there."""
    from ._errors import UnknownNameError
    from ._remote import hub

    files = hub.snapshot_files(snapshot)
    paths = {file.path for file in files}
    try:
        if _wants_gguf(paths, name.wanted):
            choice = hub.choose_gguf(files, name.wanted)
            # Nobody named one: the cache has what was downloaded, which is then what is meant.
            return _from_path(snapshot / choice.path, known, projectors, str(name))
        if "config.json" in paths and any(path.endswith(".safetensors") for path in paths):
            return _from_path(snapshot, known, projectors, name.repo)
    except (DataError, UnknownNameError):
        return None
    return None


# --- URLs -------------------------------------------------------------------------------------------------------------


def _from_url(url: str, known: _core.Catalogue, projectors: Sequence[str]) -> Model:
    from ._remote.files import MissingFileError, open_url, sibling

    path = unquote(urlsplit(url).path)
    base = path.rpartition("/")[2]

    def open_file(name: str) -> Any:
        try:
            file = open_url(url) if name == base else open_url(name) if is_address(name) else sibling(url, name)
            _ = file.size  # asks the server
        except MissingFileError:
            if name == base:
                raise
            return None
        return file

    kind = base.lower().rpartition(".")[2]
    if kind == "gguf":
        return _gguf([base], open_file, known, name=url, projectors=projectors)
    if kind in ("json", "safetensors"):
        return Model._wrap(_core.load_checkpoint(open=open_file, name=url, known=known))
    from ._remote.address import display_name

    raise InvalidValueError(
        "model", f"'{display_name(url)}'", "the address of a .gguf file, of a config.json or of a .safetensors file"
    )
