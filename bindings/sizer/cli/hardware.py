"""The machines of the catalogue, or one of them with every figure and its source.

examples:
  sizer hardware --backend metal --memory-min 64
  sizer hardware dgx-spark"""

from __future__ import annotations

import argparse

from .. import _reports
from .._arguments import real
from .._catalogue import hardware, hardware_list
from .options import number
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this machine or JSON file")
    parser.add_argument("--match", metavar="TEXT", help="only machines with this text in id, name or vendor")
    parser.add_argument("--backend", metavar="NAME", help="only machines with this backend, such as cuda or metal")
    parser.add_argument("--kind", metavar="KIND", help="only machines of this kind, such as gpu, system or multi")
    parser.add_argument(
        "--memory-min", metavar="GIB", help="only machines with this much usable memory, devices together"
    )
    parser.add_argument("--price-max", metavar="USD", help="only machines with a known price up to this")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    if options.name is not None:
        one = hardware(options.name)
        output.answer(one.to_dict(), _reports.hardware(one))
        return 0
    rows = hardware_list()
    if options.match is not None:
        wanted = options.match.lower()
        rows = [row for row in rows if wanted in f"{row.id} {row.name} {row.vendor}".lower()]
    if options.backend is not None:
        rows = [row for row in rows if row.backend == options.backend.lower()]
    if options.kind is not None:
        rows = [row for row in rows if row.kind == options.kind.lower()]
    if options.memory_min is not None:
        least = real("memory_min", number("memory_min", options.memory_min), low_allowed=True) * 1024**3
        rows = [row for row in rows if row.usable_bytes * row.device_count >= least]
    if options.price_max is not None:
        most = real("price_max", number("price_max", options.price_max))
        rows = [row for row in rows if row.price_usd is not None and row.price_usd <= most]
    output.answer({"schema_version": 1, "machines": [row.to_dict() for row in rows]}, _reports.hardware_list(rows))
    return 0 if rows else 1
