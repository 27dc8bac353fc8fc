"""What lies in a folder of models: files, the parts of a split model, projectors beside it, checkpoints.

A model file is never read beyond its first bytes, and no folder can hold the walk up: links are followed once, depth
and number of folders are bounded, what cannot be read counts as empty.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import scandir, stat_result
from pathlib import Path

from .folders import decoded, read_bytes

_DEEPEST = 6  # folders below the top one; LM Studio's layout needs 2
_MOST_FOLDERS = 20_000  # of one walk: a home folder named by mistake must not take minutes
_LARGEST_INDEX = 16 * 1024 * 1024

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.IGNORECASE)
_PROJECTOR = re.compile(r"(?P<before>.*?)(?:^|[-_. ])mmproj(?:[-_. ]|$)", re.IGNORECASE)
_CALIBRATION = re.compile(r"(?:^|[-_. ])imatrix(?:[-_. ]|$)", re.IGNORECASE)
_INDEX, _WHOLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True)
class File:
    """A file of a folder. ``size`` is None for a link to nothing."""

    path: Path
    size: int | None
    modified: float


@dataclass(frozen=True)
class Found:
    """A model of one or more files, before a store gives it a name."""

    path: Path
    files: Sequence[File]
    format: str
    companions: Sequence[File]
    problem: str | None


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing when it cannot be read."""
    try:
        with scandir(folder) as found:
            return sorted(Path(entry.path) for entry in found)
    except OSError:
        return []


def status(path: Path) -> stat_result | None:
    """The file that a path leads to; None when it leads nowhere."""
    try:
        return path.stat()
    except OSError:
        return None


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def shown(path: Path | str) -> str:
    """A path as text that any function takes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def walk(top: Path, *, deepest: int = _DEEPEST) -> Iterator[tuple[Path, dict[str, File]]]:
    """Every folder below (and with) the top one once, with its files by name. Hidden folders are left out."""
    seen: set[tuple[int, int]] = set()
    waiting = [(top, 0)]
    while waiting and len(seen) < _MOST_FOLDERS:
        folder, depth = waiting.pop()
        here = status(folder)
        if here is None or (here.st_dev, here.st_ino) in seen:
            continue
        seen.add((here.st_dev, here.st_ino))
        files: dict[str, File] = {}
        below: list[Path] = []
        for path in entries(folder):
            there = status(path)
            if there is None:
                files[path.name] = File(path, None, 0.0)
            elif stat.S_ISREG(there.st_mode):
                files[path.name] = File(path, there.st_size, there.st_mtime)
            elif stat.S_ISDIR(there.st_mode) and depth < deepest and not path.name.startswith("."):
                below.append(path)
        yield folder, files
        waiting.extend((path, depth + 1) for path in reversed(below))


def gguf_problem(file: File) -> str | None:
    """Why a file cannot be a GGUF file, by its first bytes."""
    name = shown(file.path.name)
    if file.size is None:
        return f"{name} leads to no file"
    try:
        with file.path.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        return f"{name} cannot be read: {error.strerror or error}"
    return None if magic == b"GGUF" else f"{name} begins with {magic!r}, expected b'GGUF'"


def gguf_models(files: Mapping[str, File], *, alone: bool = True) -> list[Found]:
    """The GGUF models of a folder, the parts of a split one together.

    With ``alone``, a projector whose name begins like no model's belongs to all of them, as in a folder of one model.
    """
    projectors: list[File] = []
    groups: dict[tuple[str, int], dict[int, File]] = {}
    for name, file in files.items():
        if not name.lower().endswith(".gguf") or _CALIBRATION.search(name):
            continue
        if _PROJECTOR.match(name):
            projectors.append(file)
        elif split := _SPLIT.fullmatch(name):
            groups.setdefault((split["stem"], int(split["count"])), {})[int(split["number"])] = file
        else:
            groups[name, 0] = {1: file}
    owners = _owners(projectors, {stem for stem, _ in groups}, alone=alone)
    found = []
    for (stem, count), parts in sorted(groups.items()):
        ordered = [parts[number] for number in sorted(parts)]
        companions = [file for file in projectors if stem in owners[file.path.name] and file.size is not None]
        problem = _parts_problem(parts, count) or next(filter(None, map(gguf_problem, ordered)), None)
        found.append(Found(ordered[0].path, ordered, "gguf", companions, problem))
    return found


def _owners(projectors: Iterable[File], stems: set[str], *, alone: bool) -> dict[str, set[str]]:
    """The models that each projector belongs to: those whose names begin with what stands before "mmproj"."""
    owners = {}
    for file in projectors:
        match = _PROJECTOR.match(file.path.name)
        before = match["before"].lower().rstrip("-_. ") if match else ""
        mine = {stem for stem in stems if before and stem.lower().startswith(before)}
        owners[file.path.name] = mine or (stems if alone else set())
    return owners


def _parts_problem(parts: Mapping[int, File], count: int) -> str | None:
    """What is wrong with the numbers of a split model's parts; a count of 0 is a model that is not split."""
    if not count:
        return None
    strange = [number for number in parts if not 1 <= number <= count]
    if strange:
        return f"a part is numbered {strange[0]} of {count}"
    missing = count - len(parts)
    if not missing:
        return None
    first = next(number for number in range(1, count + 1) if number not in parts)
    return f"part {first} of {count} is missing" + (f", and {missing - 1} more" if missing > 1 else "")


def safetensors_models(folder: Path, files: Mapping[str, File]) -> list[Found]:
    """The safetensors model of a folder, if it has one. The files of an adapter are none."""
    weights = [name for name in files if name.lower().endswith(".safetensors")]
    if _INDEX not in files and all(name.lower().startswith("adapter") for name in weights):
        return []
    names, problem = _checkpoint(files, weights)
    lacking = [name for name in names if name not in files or files[name].size is None]
    if lacking:
        more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        problem = f"{shown(lacking[0])} is missing{more}"
    if problem is None and "config.json" not in files:
        problem = "no config.json beside the weights"
    return [Found(folder, [files[name] for name in names if name in files], "safetensors", [], problem)]


def _checkpoint(files: Mapping[str, File], weights: Sequence[str]) -> tuple[list[str], str | None]:
    """The files that a model's weights are in, and why they cannot be told."""
    if _INDEX in files:
        try:
            return _indexed(files[_INDEX].path), None
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return [], f"{_INDEX} cannot be read"
    if _WHOLE in files:
        return [_WHOLE], None
    return sorted(weights), f"neither {_WHOLE} nor {_INDEX} beside the files"


def _indexed(index: Path) -> list[str]:
    """The files that an index names. Raises one of many errors when it is none."""
    names = {str(name) for name in json.loads(decoded(read_bytes(index, _LARGEST_INDEX)))["weight_map"].values()}
    if not names or any("/" in name or "\\" in name for name in names):
        raise ValueError
    return sorted(names)
