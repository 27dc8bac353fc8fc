"""Where answers and errors go: tables or JSON on stdout, errors as one line on stderr (with --json also as JSON)."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import display

_NARROWEST = 40
_WIDEST = 140


@dataclass(frozen=True)
class Output:
    """How this call prints."""

    json: bool = False

    def answer(self, plain: dict[str, Any], blocks: Iterable[display.Block]) -> None:
        """Prints the one or the other."""
        if self.json:
            self.print_json(plain)
        else:
            _print(_encodable(display.to_text(blocks, width=_width(), colour=_colour())))

    def configuration(self, plain: dict[str, Any], text: str) -> None:
        """Prints a text as it is, for a file or a shell, or JSON."""
        if self.json:
            self.print_json(plain)
        else:
            _print(_encodable(text.rstrip("\n")))

    def error(self, described: dict[str, Any]) -> None:
        """Prints what went wrong."""
        if self.json:
            self.print_json({"schema_version": 1, "error": described})
        message = _encodable("sizer: error: " + " ".join(described["message"].split("\n")), sys.stderr)
        _print(message, sys.stderr)

    def print_json(self, plain: dict[str, Any]) -> None:
        """Prints JSON that any reader takes: ASCII, no NaN."""
        _print(json.dumps(plain, indent=2, ensure_ascii=True, allow_nan=False))


def _print(text: str, stream: Any = None) -> None:
    """To stdout or another stream. A reader who has seen enough (`| head`) does not change the exit code."""
    to = stream or sys.stdout
    try:
        print(text, file=to, flush=True)
    except BrokenPipeError:
        abandon(to)


def abandon(stream: Any) -> None:
    """Sends what is left for a closed pipe nowhere; Python would complain once more when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _width() -> int:
    """100 columns where nobody looks at a terminal, so that output does not depend on the machine it ran on."""
    if not sys.stdout.isatty():
        return display.WIDTH
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((display.WIDTH, 24)).columns))


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _encodable(text: str, stream: Any = None) -> str:
    """The text with what the terminal cannot show replaced."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
