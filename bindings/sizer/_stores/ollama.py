"""Ollama's store: manifests by name, blobs by hash."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .. import _core
from .._arguments import text as checked_text
from .._errors import DataError
from .._records import Nested, Record
from .files import entries, shown, status
from .folders import ollama_folders, read_bytes

#: What stands before a name of Ollama's store, where others could stand too.
OLLAMA_PREFIX = "ollama:"

_DEFAULT_HOST, _DEFAULT_NAMESPACE = "registry.ollama.ai", "library"
_KINDS = "application/vnd.ollama.image."
_LARGEST_TEXT = 16 * 1024 * 1024  # as the library's JSON reader

#: Media type, digest and size of a blob.
Layer = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class OllamaFiles(Record):
    """The files of a model in Ollama's store, which names them by their hash."""

    name: str  #: "ollama:qwen3-coder:30b"
    manifest: str
    models: tuple[str, ...]  #: GGUF files; more than one of a split model
    projectors: tuple[str, ...]
    adapters: tuple[str, ...]
    drafts: tuple[str, ...]  #: models that draft for speculative decoding
    parameters: dict[str, int]  #: num_ctx, num_gpu, num_batch of the Modelfile, as far as stated
    _nested: ClassVar[Nested] = {"models": tuple, "projectors": tuple, "adapters": tuple, "drafts": tuple}


def resolve_ollama(text: str) -> OllamaFiles | None:
    """The files of a model that Ollama has on this machine, by its name with or without ``ollama:``.

    None when no folder that can be read has it. Existence and size of each file are checked against the manifest;
    their hashes are not.

    Raises InvalidValueError for what cannot be a name, DataError for a manifest that cannot be read or does not fit
    the files, and for a model that has no GGUF file.
    """
    name = _core.parse_ollama_name(checked_text("model", text).removeprefix(OLLAMA_PREFIX))
    parts = [name[part] for part in ("host", "name_space", "model", "tag")]
    for folder in ollama_folders():
        manifest = _manifest(folder, parts)
        if manifest is not None:
            return files_of(folder, manifest, layers_of(manifest), short_name(parts))
    return None


def manifests(folder: Path) -> Iterator[Path]:
    """Every manifest of a store: four levels below, for host, namespace, model and tag."""
    level = [folder / "manifests"]
    for _ in range(4):
        level = [path for above in level for path in entries(above) if not path.name.startswith(".")]
    for path in level:
        found = status(path)
        if found is None or stat.S_ISREG(found.st_mode):
            yield path


def _manifest(folder: Path, parts: Sequence[str]) -> Path | None:
    """The manifest of a name, whose case does not matter to Ollama."""
    path = folder / "manifests"
    for part in parts:
        exact = path / part
        if status(exact) is None:
            alike = [entry for entry in entries(path) if entry.name.lower() == part.lower()]
            if not alike:
                return None
            exact = alike[0]
        path = exact
    return path


def short_name(parts: Sequence[str]) -> str:
    """A name without the default host and namespace, as Ollama lists it, behind ``ollama:``."""
    host, name_space, model, tag = parts
    if host.lower() != _DEFAULT_HOST:
        return f"{OLLAMA_PREFIX}{host}/{name_space}/{model}:{tag}"
    if name_space.lower() != _DEFAULT_NAMESPACE:
        return f"{OLLAMA_PREFIX}{name_space}/{model}:{tag}"
    return f"{OLLAMA_PREFIX}{model}:{tag}"


def layers_of(manifest: Path) -> list[Layer]:
    """What a manifest lists. Raises DataError."""
    return _core.read_ollama_manifest(_read_text(manifest), shown(manifest))


def of_kind(layers: Sequence[Layer], kind: str) -> list[int]:
    """The numbers of the layers of a kind: model, projector, adapter, draft, params, tensor."""
    return [number for number, layer in enumerate(layers) if layer[0] == _KINDS + kind]


def files_of(folder: Path, manifest: Path, layers: Sequence[Layer], name: str) -> OllamaFiles:
    """The files of a manifest's layers. Raises DataError when one is missing or of another size."""
    if not of_kind(layers, "model"):
        tensors = len(of_kind(layers, "tensor"))
        got = f"a safetensors model of {tensors} tensors" if tensors else "no weights (does the model run elsewhere?)"
        raise DataError(shown(manifest), "/layers", f"got {got}, expected a GGUF file ({_KINDS}model)")
    blobs = {
        kind: [_blob(folder, manifest, number, layers[number]) for number in of_kind(layers, kind)]
        for kind in ("model", "projector", "adapter", "draft", "params")
    }
    parameters: dict[str, int] = {}
    for path in blobs["params"]:
        parameters.update(_core.read_ollama_parameters(_read_text(path), shown(path)))
    return OllamaFiles(
        name=name,
        manifest=shown(manifest),
        models=tuple(map(str, blobs["model"])),
        projectors=tuple(map(str, blobs["projector"])),
        adapters=tuple(map(str, blobs["adapter"])),
        drafts=tuple(map(str, blobs["draft"])),
        parameters=parameters,
    )


def _read_text(path: Path) -> str:
    """A JSON file of the store. Raises DataError."""
    data = read_bytes(path, _LARGEST_TEXT)
    if data is None:
        raise DataError(shown(path), "", f"cannot be read, expected a file of at most {_LARGEST_TEXT:,} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(shown(path), f"byte {error.start}", "got bytes that are not UTF-8, expected JSON") from None


def _blob(folder: Path, manifest: Path, number: int, layer: Layer) -> Path:
    """The file of a layer. Raises DataError when it is missing or of another size."""
    _, digest, size = layer
    # Older releases wrote the digest as it stands, with its colon.
    paths = [folder / "blobs" / name for name in (digest.replace(":", "-"), digest)]
    path = next((path for path in paths if status(path) is not None), paths[0])
    problem = f"expected {size:,} bytes in the blob {shown(path)}"
    try:
        found = path.stat()
    except OSError as error:
        problem += f", which cannot be read: {error.strerror or error}"
        raise DataError(shown(manifest), f"/layers/{number}", problem) from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(shown(manifest), f"/layers/{number}", f"{problem}, which is no file")
    if found.st_size != size:
        raise DataError(shown(manifest), f"/layers/{number}", f"{problem}, which has {found.st_size:,}")
    return path
