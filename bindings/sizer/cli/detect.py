"""What this machine is: processor, memory, graphics cards, and its entry in the catalogue.

examples:
  sizer detect
  sizer estimate qwen3-coder-30b-a3b --on this

What is not found is named with the reason. As root, the memory modules can be read too. SIZER_PROBE_ROOT names a
recorded machine to look at instead, SIZER_NVML_LIBRARY the place of NVIDIA's management library."""

from __future__ import annotations

import argparse

from .. import _detect_report
from .._detect import detect
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("--root", metavar="PATH", help="look at this folder or recorded machine instead")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    found = detect(root=options.root)
    output.answer(found.to_dict(), _detect_report.detection(found))
    return 0
