"""Models of the Hugging Face hub by name: `hf:org/repo[@revision][:file-or-quantisation]`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from .._errors import DataError, InvalidValueError, UnknownNameError
from .address import display_name, hub_endpoint, hub_home, requests_module, shown
from .files import RemoteFile, fetch_document, open_url

PREFIX = "hf:"
_FORM = "hf:ORG/REPOSITORY[@REVISION][:FILE or quantisation]"
_LARGEST_LISTING = 16 * 1024 * 1024
_MOST_PAGES = 200
_MOST_FILES = 100_000
_MOST_CHOICES = 40
#: What llama.cpp takes when nobody says which (common/download.cpp).
_PREFERRED = ("Q4_K_M", "Q8_0")
#: In the name of a GGUF file that is loaded beside a model, or drafts for one.
_COMPANION = re.compile(r"mmproj|mtp-|eagle3-|dflash-|dspark-", re.IGNORECASE)
_SPLIT = re.compile(r"(.+)-(\d{5})-of-(\d{5})", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, a revision of it, and what is wanted of it."""

    repo: str  #: "org/repository"
    revision: str = "main"  #: branch, tag or commit
    wanted: str = ""  #: path of a file, or a quantisation; "" leaves the choice

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{PREFIX}{self.repo}{revision}{':' + self.wanted if self.wanted else ''}"


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int  #: bytes


@dataclass(frozen=True)
class GgufChoice:
    """Which file of a repository is meant."""

    path: str  #: of the file, or of the first part
    parts: tuple[str, ...]  #: all parts in order, the first included
    companions: tuple[str, ...]  #: projectors and drafts that belong to it (mmproj-*, mtp-*)
    note: str  #: what was chosen where nobody said which; "" otherwise


# --- names ------------------------------------------------------------------------------------------------------------


def parse(text: str) -> HubName:
    """Takes a name apart. Raises InvalidValueError."""
    if not text.lower().startswith(PREFIX):
        raise _bad_name(text, _FORM)
    head, _, wanted = text[len(PREFIX) :].partition(":")
    repo, at, revision = head.partition("@")
    parts = repo.split("/")
    if len(parts) != 2 or not all(_is_part(part) for part in parts):
        raise _bad_name(text, _FORM)
    if at and not (re.fullmatch(r"[\w./+-]{1,200}", revision, re.ASCII) and _is_path(revision)):
        raise _bad_name(text, f"{_FORM}, with the name of a branch, a tag or a commit")
    if wanted and not _is_path(wanted):
        raise _bad_name(text, f"{_FORM}, with the path of a file inside the repository")
    return HubName(repo, revision or "main", wanted)


def _bad_name(text: str, expected: str) -> InvalidValueError:
    return InvalidValueError("model", f"'{shown(text)}'", expected)


def _is_part(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}", name)) and "--" not in name and ".." not in name


def _is_path(path: str) -> bool:
    """True for a relative path that stays where it begins."""
    plain = 0 < len(path) <= 1024 and path.isprintable() and not re.search(r"[\\:]", path)
    return plain and not {"", ".", ".."} & set(path.split("/"))


# --- the hub ----------------------------------------------------------------------------------------------------------


def list_files(name: HubName) -> list[HubFile]:
    """The files of a repository, as the hub lists them. Raises DataError, MissingFileError."""
    start = f"{hub_endpoint()}/api/models/{name.repo}/tree/{quote(name.revision, safe='')}"
    address = f"{start}?recursive=true"
    files: list[HubFile] = []
    left = _LARGEST_LISTING
    for _ in range(_MOST_PAGES):
        page = fetch_document(address, limit=left, accept="application/json")
        left -= len(page.content)
        files += _listed(page.content, display_name(start))
        if len(files) > _MOST_FILES:
            raise DataError(display_name(start), "", f"got more than {_MOST_FILES:,} files, expected a model")
        query = _next_query(page.headers.get("Link", ""))
        if query is None:
            return files
        # Only the query is theirs: a mirror may link to the hub itself, and a token must not go along.
        address = f"{start}?{query}"
    raise DataError(display_name(start), "", f"got more than {_MOST_PAGES} pages of files, expected a model")


def _next_query(link: str) -> str | None:
    """The query of the next page, from a Link header."""
    if not link:
        return None
    for entry in requests_module().utils.parse_header_links(link[:8192]):
        if entry.get("rel") == "next":
            return urlsplit(str(entry.get("url", ""))).query or None
    return None


def _listed(content: bytes, where: str) -> list[HubFile]:
    try:
        entries: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(where, "", f"got '{shown(content[:40].decode('latin-1'))}', expected JSON") from None
    if not isinstance(entries, list):
        raise DataError(where, "/", f"got a JSON {type(entries).__name__}, expected a list of files")
    files = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DataError(where, f"/{index}", f"got '{shown(entry)}', expected an object")
        if entry.get("type") != "file":
            continue
        path, size = entry.get("path"), entry.get("size")
        if not isinstance(path, str) or not _is_path(path.replace(":", "_")):
            raise DataError(where, f"/{index}/path", f"got '{shown(path)}', expected a path inside the repository")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**62:
            raise DataError(where, f"/{index}/size", f"got '{shown(size)}', expected a number of bytes")
        files.append(HubFile(path, size))
    return files


def file_url(name: HubName, path: str) -> str:
    """The address of a file of a repository."""
    return f"{hub_endpoint()}/{name.repo}/resolve/{quote(name.revision, safe='')}/{quote(path)}"


def open_file(name: HubName, path: str, *, progress: bool = True) -> RemoteFile:
    """A file of a repository."""
    return open_url(file_url(name, path), progress=progress)


# --- what is on this machine already ----------------------------------------------------------------------------------


def cached_snapshot(name: HubName) -> Path | None:
    """The folder into which the hub's own tools downloaded this revision (perhaps not all of its files), or None."""
    stated = os.environ.get("HF_HUB_CACHE", "").strip() or os.environ.get("HUGGINGFACE_HUB_CACHE", "").strip()
    home = hub_home()
    try:
        cache = Path(stated).expanduser() if stated else home / "hub" if home else None
        if cache is None:
            return None
        folder = cache / f"models--{name.repo.replace('/', '--')}"
        commit = name.revision
        if not _COMMIT.fullmatch(commit):
            with (folder / "refs" / name.revision).open("rb") as file:
                commit = file.read(64).decode("ascii").strip()
        if not _COMMIT.fullmatch(commit):
            return None
        snapshot = folder / "snapshots" / commit
        return snapshot if snapshot.is_dir() and any(snapshot.iterdir()) else None
    except (OSError, RuntimeError, ValueError):
        return None


def snapshot_files(snapshot: Path) -> list[HubFile]:
    """The files of a downloaded revision, by path. Links to blobs that are gone are left out."""
    files = []
    for path in sorted(snapshot.rglob("*"))[:_MOST_FILES]:
        try:
            if path.is_file():
                files.append(HubFile(path.relative_to(snapshot).as_posix(), path.stat().st_size))
        except OSError:
            continue
    return files


# --- the choice -------------------------------------------------------------------------------------------------------


def _parts_of(path: str) -> tuple[str, int, int]:
    """A path without .gguf and the number of its part, that number, and how many parts there are."""
    stem = path[: -len(".gguf")]
    match = _SPLIT.fullmatch(stem)
    return (match[1], int(match[2]), int(match[3])) if match else (stem, 1, 1)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def choose_gguf(files: Sequence[HubFile], wanted: str = "") -> GgufChoice:
    """The model file that ``wanted`` names: a path, a file's name or a quantisation; "" leaves the choice.

    The choice among several is that of llama.cpp's `-hf`: Q4_K_M, else Q8_0, else the first. Raises UnknownNameError
    with the names there are.
    """
    paths = [file.path for file in files if file.path.lower().endswith(".gguf")]
    kept = [path for path in paths if "imatrix" not in _base(path).lower()]
    models = [path for path in kept if not _COMPANION.search(_base(path)) and _parts_of(path)[1] == 1]
    if wanted:
        found = _named(paths, wanted) or _tagged(models, wanted)
        if found is None:
            raise _not_there(paths, models, wanted)
        return _choice(kept, found, "")
    if not models:
        raise _not_there(paths, models, "")
    if len(models) == 1:
        return _choice(kept, models[0], "")
    for tag in _PREFERRED:
        found = _tagged(models, tag)
        if found is not None:
            why = f"no quantisation was named, and {tag} is what llama.cpp takes then"
            return _choice(kept, found, _note(found, len(models), why))
    why = f"no quantisation was named, and neither {_PREFERRED[0]} nor {_PREFERRED[1]} is there"
    return _choice(kept, models[0], _note(models[0], len(models), why))


def _note(path: str, among: int, why: str) -> str:
    return f"{shown(path, 200)} of {among} model files: {why}"


def _named(paths: Sequence[str], wanted: str) -> str | None:
    """The file of that path, or the only one of that name."""
    if wanted in paths:
        return wanted
    same = [path for path in paths if _base(path).lower() == wanted.lower()]
    return same[0] if len(same) == 1 else None


def _tagged(models: Sequence[str], tag: str) -> str | None:
    """The first file of that quantisation, those first whose name says it most plainly."""
    word = re.escape(tag[: -len(".gguf")] if tag.lower().endswith(".gguf") else tag)
    ends = re.compile(rf"(?:^|[-._]){word}$", re.IGNORECASE)
    # "UD-Q4_K_M" is another recipe than "Q4_K_M" and stands back for it.
    dynamic = re.compile(rf"(?:^|[-._])UD-{word}$", re.IGNORECASE)
    inside = re.compile(rf"[-._]{word}[-.]", re.IGNORECASE)

    def plainly(path: str) -> int | None:
        folder, _, base = _parts_of(path)[0].rpartition("/")
        if ends.search(base):
            return 1 if dynamic.search(base) else 0
        if any(ends.search(step) for step in folder.split("/")):
            return 2
        return 3 if inside.search(base) else None

    found = [(rank, path) for path in models if (rank := plainly(path)) is not None]
    return min(found, key=lambda one: one[0])[1] if found else None


def _choice(kept: Sequence[str], path: str, note: str) -> GgufChoice:
    prefix, _, count = _parts_of(path)
    numbered = sorted((_parts_of(other)[1], other) for other in kept if _parts_of(other)[::2] == (prefix, count))
    parts = tuple(other for _, other in numbered) or (path,)
    folder = path.rpartition("/")[0]
    beside = tuple(
        other
        for other in kept
        if _COMPANION.search(_base(other)) and other not in parts and _holds(other.rpartition("/")[0], folder)
    )
    return GgufChoice(parts[0], parts, beside, note)


def _holds(folder: str, inner: str) -> bool:
    """True when a folder is the other one, or lies above it."""
    return folder in ("", inner) or inner.startswith(folder + "/")


def _not_there(paths: Sequence[str], models: Sequence[str], wanted: str) -> UnknownNameError:
    if not models:
        reason = "the repository has no GGUF file of a model" if not wanted or not paths else "names no file there"
        return UnknownNameError(
            "file", shown(wanted or "*.gguf"), [shown(path) for path in paths[:_MOST_CHOICES]], reason
        )
    choices = [shown(path) for path in models[:_MOST_CHOICES]]
    if len(models) > _MOST_CHOICES:
        choices.append(f"and {len(models) - _MOST_CHOICES} more")
    reason = "no GGUF file of the repository has this name or quantisation"
    return UnknownNameError("file", shown(wanted), choices, reason)
