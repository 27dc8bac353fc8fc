"""One model on every machine of the catalogue, best first.

example:
  sizer compare qwen3-coder-30b-a3b --prompt-tokens 146760 --price-max 5000

Exit code 1 when it fits none."""

from __future__ import annotations

import argparse

from .. import _comparison_report
from .._arguments import real
from .._errors import InvalidValueError, UnknownNameError
from .._estimate import SORT_KEYS, compare
from .options import add_model, add_request, chosen_model, integer, number, request
from .output import Output

_SHOWN, _SHOWN_LACKING = 10, 5
_HOW = "--limit N shows more and --all each of them, --sort price the cheapest, --price-max USD those within a budget"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    add_model(parser)
    parser.add_argument(
        "--on",
        action="append",
        dest="machines",
        metavar="HARDWARE",
        help="only this machine or JSON file; may be repeated",
    )
    parser.add_argument("--price-max", metavar="USD", help="only machines with a known price up to this")
    parser.add_argument("--sort", default="request", metavar="KEY", help=f"{', '.join(SORT_KEYS)} (default request)")
    parser.add_argument(
        "--all", action="store_true", help="show every machine in a row of its own, also those that it does not fit"
    )
    parser.add_argument("--limit", metavar="N", help=f"machines shown at most (default {_SHOWN})")
    add_request(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    if options.sort not in SORT_KEYS:
        raise UnknownNameError("sort", options.sort, SORT_KEYS)
    limit = None if options.limit is None else integer("limit", options.limit)
    if limit is not None and limit < 1:
        raise InvalidValueError("limit", str(limit), "at least 1")
    answer = compare(chosen_model(options), machines=options.machines, sort=options.sort, **request(options))
    if options.price_max is not None:
        most = real("price_max", number("price_max", options.price_max))
        kept = tuple(row for row in answer.machines if row.price_usd is not None and row.price_usd <= most)
        answer = answer.replace(machines=kept)
    shown = answer
    if output.json and limit is not None:
        shown = answer.replace(machines=answer.machines[:limit])
    if options.all:
        blocks = _comparison_report.comparison(answer, limit=limit, lacking=None, everything=True, how=_HOW)
    else:
        most_rows = _SHOWN if limit is None else limit
        blocks = _comparison_report.comparison(answer, limit=most_rows, lacking=_SHOWN_LACKING, how=_HOW)
    output.answer(shown.to_dict(), blocks)
    return 0 if answer.fitting else 1
