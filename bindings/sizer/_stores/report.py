"""What the models of this machine look like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import formatting as f
from ..display import Block, Items, Table, Text
from .models import LocalModel, StoreFolder


def local_models(
    rows: Sequence[LocalModel], folders: Sequence[StoreFolder], *, match: str | None = None
) -> list[Block]:
    """The list of models; with none, where they were looked for."""
    if not rows:
        looked = [f"{one.store}: {_path(one.path)}" + (f" ({one.problem})" if one.problem else "") for one in folders]
        named = f" with '{_printable(match)}' in its name" if match is not None else ""
        return [Text(f"No model{named} was found. These folders were looked at:"), Items(looked)]
    cells = [
        [
            row.store,
            _path(row.name),
            f.byte_size(row.file_bytes),
            f"{row.format or '?'}{' + ' + str(len(row.companions)) if row.companions else ''}",
            row.quantization or "",
            "" if row.context is None else f.count(row.context) + ("*" if row.context_labels else ""),
            row.modified or "?",
        ]
        for row in rows
    ]
    blocks: list[Block] = [
        Table(["store", "name", "size", "format", "quantisation", "context", "date"], cells, "llrllrl"),
        *_remarks(rows),
        Text(f"{len(rows)} model{'' if len(rows) == 1 else 's'}.", "faint"),
    ]
    closed = [f"{_path(one.path)}: {one.problem}" for one in folders if one.problem not in (None, "not there")]
    if closed:
        blocks += [Text("Not looked into:"), Items(closed)]
    return blocks


def _remarks(rows: Sequence[LocalModel]) -> list[Block]:
    """What cannot be read, and contexts that are not those the models were trained for."""
    blocks: list[Block] = []
    labels = [f"{_path(row.name)}: {_printable(label.sentence())}" for row in rows for label in row.context_labels]
    if labels:
        blocks += [Text("* Check the context:", "bad"), Items(labels)]
    problems = [f"{_path(row.name)}: {_printable(row.problem)}" for row in rows if row.problem]
    if problems:
        blocks += [Text("Cannot be read:", "bad"), Items(problems)]
    return blocks


def _path(text: str) -> str:
    """A path with the home folder as ``~``, which sizer.model() and shells take too."""
    try:
        home = str(Path.home())
    except RuntimeError:
        home = ""
    return _printable("~" + text.removeprefix(home) if len(home) > 1 and text.startswith(home + "/") else text)


def _printable(text: str) -> str:
    """Text without what would steer a terminal: a file may have any name."""
    return "".join(c if c.isprintable() else "?" for c in text)
