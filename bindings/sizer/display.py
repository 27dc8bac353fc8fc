"""Tables and sentences for a terminal, a notebook or a log, from one description. Standard library only.

A report is a list of blocks (Heading, Text, Items, Table). ``to_text`` wraps them to a width, ``to_html`` gives a
fragment with inline styles and everything escaped.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Width of reports that go to no terminal.
WIDTH = 100

_GAP = "  "
_LEAST_COLUMN = 12
_ANSI = {"strong": "\033[1m", "good": "\033[1;32m", "bad": "\033[1;31m", "faint": "\033[2m"}
_RESET = "\033[0m"
_CSS = {"strong": "font-weight:bold", "good": "font-weight:bold;color:#137333", "bad": "font-weight:bold;color:#b3261e"}
_CSS["faint"] = "opacity:0.7"


@dataclass(frozen=True)
class Heading:
    """A line that titles what follows."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph. ``tone`` is "", "strong", "good", "bad" or "faint"."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Items:
    """A list of short sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of cells. ``align`` has one letter a column: "l" wraps when the table is too wide, "r" never does.

    Rows whose number is in ``strong`` are emphasised; the row before the first of them is followed by a rule.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    strong: frozenset[int] = frozenset()


Block = Heading | Text | Items | Table


def to_text(blocks: Iterable[Block], *, width: int = WIDTH, colour: bool = False) -> str:
    """The report as lines of at most ``width`` characters, where words allow it."""
    parts: list[str] = []
    after_heading = False
    for block in blocks:
        lines = _lines(block, width, colour)
        if parts and not after_heading:
            parts.append("")
        parts.extend(lines)
        after_heading = isinstance(block, Heading)
    return "\n".join(parts)


def _paint(text: str, tone: str, colour: bool) -> str:
    return f"{_ANSI[tone]}{text}{_RESET}" if colour and tone in _ANSI and text.strip() else text


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _lines(block: Block, width: int, colour: bool) -> list[str]:
    if isinstance(block, Heading):
        return [_paint(line, "strong", colour) for line in _wrap(block.text, width)]
    if isinstance(block, Text):
        return [_paint(line, block.tone, colour) for line in _wrap(block.text, width)]
    if isinstance(block, Items):
        return [line for item in block.items for line in _wrap("- " + item, width, "  ")]
    return _table_lines(block, width, colour)


def _column_widths(table: Table, width: int) -> list[int]:
    cells = [table.headers, *table.rows]
    widths = [max(len(str(row[column])) for row in cells) for column in range(len(table.headers))]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0:
        # The widest column that may wrap gives way, one step at a time, so that two long ones share the loss.
        wrapping = [c for c, kind in enumerate(table.align) if kind == "l" and widths[c] > _LEAST_COLUMN]
        if not wrapping:
            break
        widths[max(wrapping, key=lambda c: widths[c])] -= 1
        excess -= 1
    return widths


def _table_lines(table: Table, width: int, colour: bool) -> list[str]:
    widths = _column_widths(table, width)

    def row_lines(cells: Sequence[str], tone: str) -> list[str]:
        columns = [
            textwrap.wrap(str(cell), size, break_on_hyphens=True) or [""] if kind == "l" else [str(cell)]
            for cell, size, kind in zip(cells, widths, table.align, strict=True)
        ]
        lines = []
        for i in range(max(map(len, columns))):
            padded = []
            for column, size, kind in zip(columns, widths, table.align, strict=True):
                cell = column[i] if i < len(column) else ""
                padded.append(cell.rjust(size) if kind == "r" else cell.ljust(size))
            lines.append(_paint(_GAP.join(padded).rstrip(), tone, colour))
        return lines

    rule = "-" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    lines = []
    if any(table.headers):
        lines = [*row_lines(table.headers, "strong"), rule]
    first_strong = min(table.strong, default=None)
    for number, row in enumerate(table.rows):
        if number == first_strong and number > 0:
            lines.append(rule)
        lines.extend(row_lines(row, "strong" if number in table.strong else ""))
    return lines


def to_html(blocks: Iterable[Block]) -> str:
    """The report as an HTML fragment."""
    parts = ['<div style="max-width:60em">']
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f'<p style="margin:1em 0 0.3em;font-weight:bold">{html.escape(block.text)}</p>')
        elif isinstance(block, Text):
            style = _CSS.get(block.tone, "")
            parts.append(f'<p style="margin:0.4em 0;{style}">{html.escape(block.text)}</p>')
        elif isinstance(block, Items):
            items = "".join(f"<li>{html.escape(item)}</li>" for item in block.items)
            parts.append(f'<ul style="margin:0.2em 0">{items}</ul>')
        else:
            parts.append(_html_table(block))
    parts.append("</div>")
    return "".join(parts)


def _html_table(table: Table) -> str:
    def row_html(cells: Sequence[str], tag: str, strong: bool) -> str:
        style = "padding:0.15em 0.7em;text-align:{};" + ("font-weight:bold" if strong else "")
        return "".join(
            f'<{tag} style="{style.format("right" if kind == "r" else "left")}">{html.escape(str(cell))}</{tag}>'
            for cell, kind in zip(cells, table.align, strict=True)
        )

    head = f"<thead><tr>{row_html(table.headers, 'th', True)}</tr></thead>" if any(table.headers) else ""
    body = "".join(f"<tr>{row_html(row, 'td', number in table.strong)}</tr>" for number, row in enumerate(table.rows))
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{head}<tbody>{body}</tbody></table>'
