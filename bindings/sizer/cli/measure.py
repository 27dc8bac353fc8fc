"""Measures this machine and writes a profile: bandwidths, quantised weights, KV caches, matrix products.

examples:
  sizer measure --quick
  sizer measure -o here.json --plot here.png
  sizer estimate qwen3-coder-30b-a3b --on here.json

Takes less than two minutes, with --quick less than 20 seconds; the machine should do nothing else meanwhile. No special
right is needed. Every result is compared with a plain reference, every sample is in the file, and figures that may come
from a cache, or that are not stable, are said to be. A GPU that is not there is no error: the reason is named.
SIZER_OPENCL_LIBRARY names another OpenCL loader."""

from __future__ import annotations

import argparse
import sys

from .. import _measure_report
from .._measure import measure
from .._plotting import checked_plot
from ..display import Text
from .options import integer
from .output import Output

DEFAULT_FILE = "sizer-profile.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("--quick", action="store_true", help="less than 20 seconds: fewer sizes and thread counts")
    parser.add_argument(
        "--device",
        action="append",
        metavar="NAME",
        help="cpu, cuda:0, opencl:0 or all (the default: the processor and each GPU once); may be repeated",
    )
    parser.add_argument("--threads", metavar="N", help="the most threads of the processor (default: one a core)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default=DEFAULT_FILE,
        help=f"the profile to write (default: {DEFAULT_FILE}); nothing but an older profile is replaced",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the bandwidths into this .png or .svg file")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    threads = None if options.threads is None else integer("threads", options.threads)
    if options.plot is not None:
        checked_plot(options.plot)
    try:
        found = measure(
            quick=options.quick,
            device=options.device or "all",
            output=options.output,
            progress=False if output.json else None,
            threads=threads,
        )
    except KeyboardInterrupt:
        print("sizer: interrupted, no profile written", file=sys.stderr)
        return 130
    for device in found.devices:
        if device.problem is not None:
            print(f"sizer: warning: {device.device}: {device.problem}", file=sys.stderr)
    blocks = _measure_report.profile(found)
    blocks.append(Text(f"Profile: {options.output}. Estimates: sizer estimate MODEL --on {options.output}"))
    if options.plot is not None:
        found.plot(options.plot)
        blocks.append(Text(f"Picture: {options.plot}"))
    output.answer(found.to_dict(), blocks)
    return 0
