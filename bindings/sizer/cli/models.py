"""The models of the catalogue, or one of them.

examples:
  sizer models --family qwen3moe
  sizer models qwen3-coder-30b-a3b"""

from __future__ import annotations

import argparse

from .. import _reports
from .._catalogue import model, models
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this model or JSON file")
    parser.add_argument("--family", metavar="FAMILY", help="only models of this GGUF architecture")
    parser.add_argument("--match", metavar="TEXT", help="only models with this text in id or name")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    if options.name is not None:
        one = model(options.name)
        output.answer(one.to_dict(), _reports.model(one))
        return 0
    rows = models()
    if options.family is not None:
        rows = [row for row in rows if row.family == options.family.lower()]
    if options.match is not None:
        wanted = options.match.lower()
        rows = [row for row in rows if wanted in row.id or wanted in row.name.lower()]
    output.answer({"schema_version": 1, "models": [row.to_dict() for row in rows]}, _reports.models(rows))
    return 0 if rows else 1
