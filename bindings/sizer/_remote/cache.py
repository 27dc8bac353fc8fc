"""What was fetched from servers, kept for the next run: one file of bytes and one of JSON an address.

The bytes are only ever appended, and the JSON says of each piece where it belongs, where it lies and what it hashes to.
So processes need no lock between them: the worst that two writers, a full disk or a crash can do is a piece whose hash
does not fit, and that piece is fetched again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

#: Names the folder of the cache. A path that cannot be a folder (/dev/null) turns the cache off.
ENVIRONMENT_VARIABLE = "SIZER_CACHE"
#: Bytes that the folder may hold; beyond, what was not used for longest goes.
LARGEST_FOLDER = 512 * 1024 * 1024
_LARGEST_INDEX = 4 * 1024 * 1024
_MOST_PIECES = 20_000
_SCHEMA = 1
_ORPHAN_AGE_S = 3600.0


def folder() -> Path | None:
    """The cache's folder, which need not exist."""
    try:
        given = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
        if given:
            return Path(given).expanduser()
        if os.name == "nt":
            local = os.environ.get("LOCALAPPDATA", "")
            return Path(local) / "libsizer" / "cache" if local else None
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "libsizer"
        shared = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(shared) if shared.startswith("/") else Path.home() / ".cache") / "libsizer"
    except (RuntimeError, ValueError):  # no home folder, a null character
        return None


@dataclass(frozen=True)
class Version:
    """What a server says of a file. Two answers with the same belong to the same bytes."""

    etag: str = ""
    last_modified: str = ""
    size: int | None = None

    def difference(self, other: Version) -> str | None:
        """How another answer contradicts this one, or None."""
        if self.size is not None and other.size is not None and self.size != other.size:
            return f"got a size of {other.size:,} bytes, expected {self.size:,}"
        if self.etag and other.etag:
            return None if self.etag == other.etag else f"got ETag {other.etag[:80]!a}, expected {self.etag[:80]!a}"
        if self.last_modified and other.last_modified and self.last_modified != other.last_modified:
            return f"got Last-Modified {other.last_modified[:80]!a}, expected {self.last_modified[:80]!a}"
        return None

    def proves(self, other: Version) -> bool:
        """True when both say the same and say enough to tell one version of a file from another."""
        told = (self.etag and other.etag) or (self.last_modified and other.last_modified)
        return bool(told) and self.difference(other) is None

    def filled(self, other: Version) -> Version:
        """This one, with what it leaves open taken from another."""
        return Version(
            self.etag or other.etag,
            self.last_modified or other.last_modified,
            other.size if self.size is None else self.size,
        )


@dataclass(frozen=True)
class _Piece:
    """Bytes of the cached file, in the file of bytes."""

    offset: int
    length: int
    position: int
    digest: str


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Entry:
    """The cache of one address. No method raises for a folder that cannot be used; it then keeps nothing."""

    def __init__(self, url: str, *, immutable: bool) -> None:
        self._key = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        self._immutable = immutable
        self._folder = folder()
        self._pieces: list[_Piece] = []
        self._broken: set[_Piece] = set()
        self._file: io.FileIO | None = None
        self._on = self._folder is not None
        self.version: Version | None = None  #: of the bytes kept; None: nothing is

    @property
    def _bytes_path(self) -> Path:
        return Path(self._folder or "", self._key[:32] + ".bytes")

    @property
    def _index_path(self) -> Path:
        return Path(self._folder or "", self._key[:32] + ".json")

    def load(self, most: int) -> Iterator[tuple[int, bytes]]:
        """What earlier runs kept, offset and bytes, up to so many bytes. Sets ``version``."""
        found = self._read_index() if self._on else None
        if found is None:
            return
        self.version, pieces = found
        try:
            with self._bytes_path.open("rb") as file:
                for piece in pieces:
                    if piece.length > most:
                        continue
                    file.seek(piece.position)
                    data = file.read(piece.length)
                    if len(data) == piece.length and _digest(data) == piece.digest:
                        most -= piece.length
                        self._pieces.append(piece)
                        yield piece.offset, data
                    else:
                        self._broken.add(piece)
            os.utime(self._index_path)  # in use: the last to go
        except OSError:
            self._broken.update(set(pieces) - set(self._pieces))

    def start(self, version: Version) -> None:
        """Forgets what is kept; from now on it is this version that is kept."""
        self.close()
        self._pieces = []
        self.version = version
        # What nobody could check in the next run is not worth keeping.
        self._on = self._folder is not None and (self._immutable or bool(version.etag or version.last_modified))
        for path in (self._index_path, self._bytes_path):
            if self._folder is not None:
                with suppress(OSError):
                    path.unlink()

    def add(self, offset: int, data: bytes) -> None:
        """Keeps bytes of the file."""
        if not self._on or self.version is None or self._folder is None or len(self._pieces) >= _MOST_PIECES:
            return
        try:
            if self._file is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = open(  # noqa: SIM115 - stays open; Path.open has no opener
                    self._bytes_path, "ab", buffering=0, opener=lambda path, flags: os.open(path, flags, 0o600)
                )
                _trim(self._folder, self._key[:32])
            written = self._file.write(data)
            piece = _Piece(offset, len(data), self._file.tell() - written, _digest(data))
            if written != len(data) or piece.position + written > LARGEST_FOLDER:
                raise OSError("no room")
            self._pieces.append(piece)
            self._write_index()
        except (OSError, ValueError):
            self.close()
            self._on = False

    def close(self) -> None:
        """Closes the file of bytes."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
            if self._folder is not None:
                _trim(self._folder, self._key[:32])

    def _read_index(self) -> tuple[Version, list[_Piece]] | None:
        try:
            with self._index_path.open("rb") as file:
                text = file.read(_LARGEST_INDEX + 1)
            if len(text) > _LARGEST_INDEX:
                return None
            return _parsed(json.loads(text), self._key)
        except (OSError, ValueError, RecursionError):
            return None

    def _write_index(self) -> None:
        """Writes the list of pieces in one step, together with what another process has added meanwhile."""
        assert self.version is not None and self._folder is not None
        pieces = dict.fromkeys(self._pieces)
        found = self._read_index()
        if found is not None and found[0].difference(self.version) is None:
            pieces.update(dict.fromkeys(piece for piece in found[1] if piece not in self._broken))
        index = {
            "schema_version": _SCHEMA,
            "url_sha256": self._key,
            "etag": self.version.etag,
            "last_modified": self.version.last_modified,
            "size": self.version.size,
            "pieces": [[piece.offset, piece.length, piece.position, piece.digest] for piece in pieces],
        }
        handle, name = tempfile.mkstemp(prefix=self._key[:32] + ".", suffix=".tmp", dir=self._folder)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(index, file)
            Path(name).replace(self._index_path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _parsed(index: Any, key: str) -> tuple[Version, list[_Piece]] | None:
    """An index that may have been written by anything. Raises ValueError."""
    if not isinstance(index, dict) or index.get("schema_version") != _SCHEMA or index.get("url_sha256") != key:
        return None
    etag, modified, size, rows = (index.get(name) for name in ("etag", "last_modified", "size", "pieces"))
    if not isinstance(etag, str) or not isinstance(modified, str) or not isinstance(rows, list):
        return None
    if size is not None and not _is_count(size):
        return None
    pieces = []
    for row in rows[:_MOST_PIECES]:
        if not isinstance(row, list) or len(row) != 4 or not all(_is_count(number) for number in row[:3]):
            return None
        offset, length, position, digest = row
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{32}", digest) or length > LARGEST_FOLDER:
            return None
        if size is None or offset + length <= size:
            pieces.append(_Piece(offset, length, position, digest))
    return Version(etag, modified, size), pieces


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


@dataclass(frozen=True)
class _Kept:
    used: float
    size: int
    paths: tuple[Path, ...]


def _trim(where: Path, in_use: str) -> None:
    """Removes what was not used for longest until the folder holds what it may, and what crashes left behind."""
    entries: dict[str, _Kept] = {}
    now = time.time()
    with suppress(OSError):
        for path in where.iterdir():
            name = path.name.partition(".")[0]
            # Only files of this cache: SIZER_CACHE may name a folder that holds others.
            if not re.fullmatch(r"[0-9a-f]{32}\.(bytes|json|[^.]+\.tmp)", path.name):
                continue
            with suppress(OSError):
                status = path.stat()
                if path.suffix == ".tmp":
                    if now - status.st_mtime > _ORPHAN_AGE_S:
                        path.unlink()
                    continue
                kept = entries.get(name, _Kept(0.0, 0, ()))
                entries[name] = replace(
                    kept,
                    used=max(kept.used, status.st_mtime),
                    size=kept.size + status.st_size,
                    paths=(*kept.paths, path),
                )
    total = sum(kept.size for kept in entries.values())
    for name, kept in sorted(entries.items(), key=lambda item: item[1].used):
        orphan = len(kept.paths) == 1 and now - kept.used > _ORPHAN_AGE_S
        if name != in_use and (total > LARGEST_FOLDER or orphan):
            total -= kept.size
            for path in sorted(kept.paths, reverse=True):  # .json before .bytes
                with suppress(OSError):
                    path.unlink()
