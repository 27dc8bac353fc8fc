"""How the user named a model, and what each engine can do with such a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .._errors import InvalidValueError
from .._remote import hub
from .document import Document, printable

_OLLAMA = re.compile(r"[a-z0-9_][a-z0-9_.:/-]*", re.ASCII | re.IGNORECASE)

_TAG = re.compile(r"[A-Z0-9_]+", re.ASCII)

Kind = Literal["none", "file", "hub", "ollama", "address"]


@dataclass(frozen=True)
class Named:
    """A name taken apart."""

    kind: Kind
    text: str = ""  #: the path, repository, name or address
    part: str = ""  #: of a repository: the file or quantisation asked for


def named(field: str, given: str | None) -> Named:
    """Takes the name of a model apart. Raises InvalidValueError."""
    if given is None:
        return Named("none")
    printable(field, given)
    scheme = given.partition(":")[0].lower()
    if scheme == "hf":
        name = hub.parse(given)
        # No engine's option takes a revision together with the rest.
        return Named("hub", name.repo, name.wanted) if name.revision == "main" else Named("address", given)
    if scheme == "ollama":
        name_there = given.partition(":")[2]
        if not _OLLAMA.fullmatch(name_there):
            raise InvalidValueError(field, repr(given), "ollama:NAME[:TAG]")
        return Named("ollama", name_there)
    if scheme in ("http", "https", "file"):
        return Named("address", given)
    return Named("file", path(given))


def tagged(name: Named, quant: str) -> str:
    """A repository of the hub with the quantisation that is meant, in the form that llama.cpp and Ollama share."""
    tag = name.part or (quant if _TAG.fullmatch(quant) else "")
    return f"{name.text}:{tag}" if tag else name.text


def path(given: str) -> str:
    """A path that no program takes for an option, a home directory, a quote or the name of something else."""
    bare = "/" not in given and "\\" not in given
    return f"./{given}" if bare or given[0] in "-~\"'" else given


def stand_in(document: Document, placeholder: str, what: str) -> str:
    """A word that the user replaces, and a comment that says with what."""
    given = document.settings.model_file
    planned = f" The plan is for {given}." if given else ""
    document.remark(f"Fill in: {placeholder} stands for {what}.{planned}", "model_file")
    return placeholder
