"""How well the predicted speeds meet measured ones.

examples:
  sizer accuracy
  sizer accuracy --held-out device
  sizer accuracy --rows my_rows.csv --worst 20
  sizer accuracy --plot accuracy.png

Without --rows: the measurements that the library's parameters were fitted to; --held-out shows what the same model says
of each row when it was fitted without the row's device, model or group. With --rows: any CSV with the columns device,
model, test (tg or pp) and tokens_per_s, and best also quant, memory_bandwidth_spec_gbs, backend, engine,
engine_version, context_depth, batch, device_count, arch_hint, params_b, file_size_gib and notes (other columns are
passed over). A row whose device or model has no name in the catalogue is predicted from what it says itself; rows where
that is not enough are listed with the reason."""

from __future__ import annotations

import argparse

from .._accuracy import HELD_OUT, accuracy
from .._accuracy.report import blocks
from .._errors import InvalidValueError, UnknownNameError
from .._plotting import checked_plot
from ..display import Text
from .options import integer
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("--rows", metavar="FILE", help="measured speeds to predict (CSV)")
    parser.add_argument(
        "--held-out",
        metavar="WHAT",
        help=f"predict the fitted rows by fits that never saw the row's {', '.join(HELD_OUT)}",
    )
    parser.add_argument("--worst", default="0", metavar="N", help="also list the N rows that are furthest off")
    parser.add_argument("--plot", metavar="FILE", help="draw predicted against measured into this .png or .svg file")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    worst = integer("worst", options.worst)
    if worst < 0:
        raise InvalidValueError("worst", str(worst), "at least 0")
    if options.held_out is not None and options.held_out not in HELD_OUT:
        raise UnknownNameError("held_out", options.held_out, HELD_OUT)
    if options.held_out is not None and options.rows is not None:
        raise InvalidValueError("held_out", options.held_out, "no --rows: only the fitted rows can be held out")
    if options.plot is not None:
        checked_plot(options.plot)
    found = accuracy(options.rows, held_out=options.held_out)
    shown = blocks(found, worst=worst)
    if options.plot is not None:
        found.plot(options.plot)
        shown.append(Text(f"Picture: {options.plot}"))
    output.answer(found.to_dict(), shown)
    return 0
