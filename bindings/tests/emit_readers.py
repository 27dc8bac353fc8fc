"""Readers of what is emitted: of a Modelfile by Ollama's documentation, of a command by its table of options."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sizer._emit.options import Table

DOCUMENTED: dict[str, Any] = json.loads((Path(__file__).parent / "emit_documented.json").read_text(encoding="utf-8"))

_TYPES = {"int": int, "float": float, "string": str}


class ModelfileError(Exception):
    pass


@dataclass
class Modelfile:
    origin: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def modelfile(text: str) -> Modelfile:
    """Instructions in any case, one a line; comments; values bare, in quotes, or in triple quotes over lines."""
    found = Modelfile()
    rest = text
    while rest := rest.lstrip(" \t\r\n"):
        if rest[0] == "#":
            comment, _, rest = rest.partition("\n")
            found.comments.append(comment)
            continue
        match = re.match(r"([A-Za-z]+)[ \t]+", rest)
        if not match or match[1].upper() not in DOCUMENTED["ollama"]["instructions"]:
            raise ModelfileError(f"no instruction: {rest[:40]!r}")
        instruction, rest = match[1].upper(), rest[match.end() :]
        name = ""
        if instruction == "PARAMETER":
            match = re.match(r"([A-Za-z0-9_]+)[ \t]+", rest)
            if not match or match[1] not in DOCUMENTED["ollama"]["parameters"]:
                raise ModelfileError(f"no parameter: {rest[:40]!r}")
            name, rest = match[1], rest[match.end() :]
        value, rest = _value(rest)
        if instruction == "FROM":
            if found.origin:
                raise ModelfileError("a second FROM")
            found.origin = value
        elif instruction == "PARAMETER":
            if name in found.parameters:
                raise ModelfileError(f"a second {name}")
            found.parameters[name] = _TYPES[DOCUMENTED["ollama"]["parameters"][name]](value)
        else:
            found.others.append((instruction, value))
    if not found.origin:
        raise ModelfileError("no FROM")
    return found


def _value(rest: str) -> tuple[str, str]:
    for quote in ('"""', '"'):
        if rest.startswith(quote):
            match = re.compile(f"{quote}(.*?){quote}[ \\t]*(?:\\n|$)", re.DOTALL).match(rest)
            if not match:
                raise ModelfileError(f"a quote that does not end: {rest[:40]!r}")
            return match[1], rest[match.end() :]
    line, _, rest = rest.partition("\n")
    return line.strip(), rest


@dataclass
class Command:
    words: list[str]
    options: dict[str, Any]
    operands: list[str]
    comments: list[str]


def command(text: str, table: Table, words: int) -> Command:
    """A command whose first words name the program. Every option stands once, on a line of its own."""
    lines = text.splitlines()
    comments = [line for line in lines if line.startswith("#")]
    body = lines[len(comments) :]
    assert not any(line.startswith("#") for line in body)
    assert all(line.endswith(" \\") for line in body[:-1])
    split = shlex.split(text.replace(" \\\n", " "), comments=True)
    options, operands = arguments(split[words:], table)
    assert len(body) == 1 + len(options), "one option a line"
    return Command(split[:words], options, operands, comments)


def arguments(words: list[str], table: Table) -> tuple[dict[str, Any], list[str]]:
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False, exit_on_error=False)
    parser.add_argument("operands", nargs="*")
    for option in table.options:
        kind: dict[str, Any] = {"action": "append", "default": argparse.SUPPRESS, "dest": option.name}
        if option.kind == "flag":
            kind["action"] = "append_const"
            kind["const"] = True
        elif option.kind == "choice":
            kind["choices"] = option.choices
        elif option.kind == "shares":
            kind["type"] = lambda text: tuple(int(part) for part in text.split(","))
        elif option.kind in ("integer", "layers", "number"):
            number = float if option.kind == "number" else int
            kind["type"] = lambda text, number=number, choices=option.choices: text if text in choices else number(text)
        parser.add_argument(option.name, **kind)
    parsed, unknown = parser.parse_known_args(words)
    assert not unknown, unknown
    values = vars(parsed)
    operands = values.pop("operands")
    assert all(len(given) == 1 for given in values.values()), "an option stands twice"
    return {name: given[0] for name, given in values.items()}, operands


def told(comments: list[str]) -> str:
    """The comments' words, as one line."""
    return " ".join(re.sub(r"^# *", "", line) for line in comments)


def settings_lines(comments: list[str]) -> dict[str, str]:
    """What stands in comments as NAME = VALUE: the settings of LM Studio."""
    return {m[1]: m[2] for line in comments if (m := re.fullmatch(r"#   ([\w.]+) = (\S+)", line))}


def variables(comments: list[str]) -> dict[str, str]:
    """The variables that Ollama's server is to be started with."""
    (line,) = (line for line in comments if line.endswith(" ollama serve"))
    return dict(word.split("=") for word in line[1:].split()[:-2])
