"""What is written: options that a table has, and comments that say why. Nothing here can end a comment or a quote."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import InvalidValueError
from .options import Table
from .settings import Settings

_WIDTH = 100

#: zsh, the shell of macOS, by default knows no comments at its prompt. What is pasted there must neither run nor open a
#: quote that the command's own quotes would then close.
_INERT = str.maketrans(
    {
        "'": "\u2019",
        '"': "\u201d",
        "`": "\u2018",
        "<": "\u2039",
        ">": "\u203a",
        "$": " USD ",
        ";": ",",
        "&": "+",
        "|": "/",
        "\\": "/",
        "!": ".",
    }
)

#: How the makers spell their engines.
_ENGINES = {"ollama": "Ollama", "lm-studio": "LM Studio", "vllm": "vLLM", "mlx": "MLX"}


@dataclass(frozen=True)
class Entry:
    """An option with its value, and the comment on it ("" for none)."""

    name: str
    value: str
    comment: str


def one_line(text: str) -> str:
    """Text as it may stand in a comment or a message: printable, on one line, and inert."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).translate(_INERT).split())


def printable(field: str, text: str) -> str:
    """A name or path that can be quoted everywhere. Raises InvalidValueError."""
    if not text or not text.isprintable():
        raise InvalidValueError(field, repr(text), "a name of printable characters")
    return text


def comment(text: str) -> list[str]:
    """The lines of a comment, for a shell and for a Modelfile."""
    return textwrap.wrap(
        one_line(text),
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def refused(settings: Settings, field: str, expected: str) -> InvalidValueError:
    """The error about a decision without which the plan would not fit, and which the target cannot express."""
    got = one_line(str(getattr(settings, field)))
    return InvalidValueError(field, got, f"{expected}: plan again with that, or for another engine")


class Document:
    """Collects what a program is told, each option checked against its table, each with the plan's reasons."""

    def __init__(self, settings: Settings, table: Table) -> None:
        self.settings = settings
        self.table = table
        self.entries: list[Entry] = []
        self._remarks: list[str] = []
        self._told: set[str] = set()

    def put(self, name: str, value: Any, *fields: str, note: str = "", table: Table | None = None) -> Entry:
        """Writes an option that these attributes of the plan decided, and says why."""
        text = (table or self.table)[name].text(value)
        why = self._why(note, fields)
        entry = Entry(name, text, f"{name}{' ' + text if text else ''}: {why}" if why else "")
        if table is None:
            self.entries.append(entry)
        elif why:
            self._remarks.append(entry.comment)
        return entry

    def remark(self, text: str, *fields: str) -> None:
        """Says something that no option can, and why the plan has it."""
        self._remarks.append(self._why(text, fields))

    def head(self) -> list[str]:
        """The comments at the top: what this is for, and what has no option."""
        s = self.settings
        devices = f", on {', '.join(s.devices)}" if s.devices else ""
        lines = comment(f"{s.model_name}, {s.quant}, with {_ENGINES.get(s.engine, s.engine)}{devices}")
        for name in s.decided():
            if name not in self._told:
                value = getattr(s, name)
                self.remark(f"Not written for {self.table.program}: {name} = {value}.", name)
        for name in s.reasons:
            if name not in self._told:
                self.remark(f"{name}:", name)
        self.remark(f"Options as in {self.table.source}.")
        return [*lines, *(line for remark in self._remarks for line in comment(remark))]

    def command(self, program: Sequence[str], before: Sequence[str] = ()) -> str:
        """As a command of a shell, one option a line; the comments stand above, since none may follow a backslash.

        ``before`` are comments on what has to be done first.
        """
        above = [line for entry in self.entries for line in (comment(entry.comment) if entry.comment else [])]
        words = [shlex.join(program)]
        words += [f"{e.name} {shlex.quote(e.value)}" if e.value else e.name for e in self.entries]
        return "\n".join([*self.head(), *above, *before, " \\\n  ".join(words)]) + "\n"

    def _why(self, note: str, fields: Sequence[str]) -> str:
        self._told.update(fields)
        reasons = (self.settings.reasons.get(field, "") for field in fields)
        sentences = filter(None, (one_line(text) for text in (note, *reasons)))
        return " ".join(text if text[-1] in ".:" else f"{text}." for text in sentences)
