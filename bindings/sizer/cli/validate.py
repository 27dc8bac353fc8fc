"""Checks catalogue files: models, machines, sources.

Exit code 0 when all are good, 1 when one has a problem, 3 when one cannot be read."""

from __future__ import annotations

import argparse

from .. import _reports
from .._catalogue import validate
from .._records import plain
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a JSON file")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    results = [validate(file) for file in options.files]
    output.answer({"schema_version": 1, "files": plain(results)}, _reports.validations(results))
    return 0 if all(results) else 1
