"""Holds the claims of a file against what can be computed.

CLAIMS is CSV with the columns id, seed, subject, hardware, model, quant, context_tokens, quantity, low, high, unit and
as_stated. Every claim gets a verdict, the arithmetic behind it, and the readings under which it would hold.

examples:
  sizer audit claims.csv
  sizer audit claims.csv --verdict impossible --verdict "partly impossible"

Exit code 1 when a claim is impossible."""

from __future__ import annotations

import argparse

from .. import _core
from .._errors import UnknownNameError
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("claims", metavar="CLAIMS", help="a CSV file of claims")
    parser.add_argument(
        "--verdict",
        action="append",
        metavar="NAME",
        help=f"only claims of this verdict ({', '.join(_core.verdicts())}); may be repeated",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    from .._audit import VERDICTS, audit, report

    wanted = [name.strip().lower().replace("-", " ").replace("_", " ") for name in options.verdict or VERDICTS]
    for name in wanted:
        if name not in VERDICTS:
            raise UnknownNameError("verdict", name, VERDICTS)
    answer = audit(options.claims)
    shown = answer.only(*wanted)
    output.answer(shown.to_dict(), report.audit(shown))
    return 1 if answer.counts["impossible"] else 0
