"""Models of an Ollama registry, by the parts of their names.

The parts are those that ``_core`` takes a name apart into: scheme, host, name_space, model, tag.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import quote

from .._errors import DataError, InvalidValueError
from .address import display_name, shown
from .files import RemoteFile, fetch_document

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
#: Bytes of a manifest or of a blob that is read whole.
_LARGEST_DOCUMENT = 1024 * 1024


def _repository(parts: Mapping[str, str]) -> str:
    """The address of a model. Raises InvalidValueError for a part that would lead elsewhere."""
    for name in ("scheme", "host", "name_space", "model", "tag"):
        value = parts[name]
        plain = r"https?" if name == "scheme" else r"[\w.:\[\]-]{1,350}"
        if not re.fullmatch(plain, value, re.ASCII) or value.strip(".") == "":
            raise InvalidValueError("model", f"'{shown(value)}' as the {name} of an Ollama model", "a plain word")
    return f"{parts['scheme']}://{parts['host']}/v2/{quote(parts['name_space'])}/{quote(parts['model'])}"


def _blob_url(parts: Mapping[str, str], digest: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise InvalidValueError("digest", f"'{shown(digest)}'", "sha256: and 64 hexadecimal digits")
    return f"{_repository(parts)}/blobs/{digest}"


def ollama_manifest(parts: Mapping[str, str]) -> str:
    """The text of a model's manifest. Raises DataError, MissingFileError."""
    url = f"{_repository(parts)}/manifests/{quote(parts['tag'])}"
    return _text(fetch_document(url, limit=_LARGEST_DOCUMENT, accept=_MANIFEST).content, url)


def ollama_blob(parts: Mapping[str, str], digest: str, *, progress: bool = True) -> RemoteFile:
    """A blob of a model, by its digest in the manifest."""
    return RemoteFile(_blob_url(parts, digest), progress=progress, immutable=True)


def ollama_small_blob(parts: Mapping[str, str], digest: str, size: int) -> str:
    """The text of a blob that is read whole, its size and digest checked. Raises DataError."""
    url = _blob_url(parts, digest)
    if not 0 <= size <= _LARGEST_DOCUMENT:
        raise DataError(display_name(url), "", f"got {size:,} bytes, expected at most {_LARGEST_DOCUMENT:,}")
    content = fetch_document(url, limit=_LARGEST_DOCUMENT).content
    if len(content) != size:
        raise DataError(display_name(url), "", f"got {len(content):,} bytes, expected {size:,} as in the manifest")
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    if found != digest:
        raise DataError(display_name(url), "", f"got bytes of {found}, expected those of the digest asked for")
    return _text(content, url)


def _text(content: bytes, url: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.start}"
        raise DataError(display_name(url), where, "got bytes that are not UTF-8, expected text") from None
