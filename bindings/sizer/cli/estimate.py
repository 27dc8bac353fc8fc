"""What a model needs on one machine, whether it fits, and how fast it is.

example:
  sizer estimate qwen3-coder-30b-a3b --on dgx-spark --prompt-tokens 146760

MODEL is a name of the catalogue, a GGUF file, a folder with config.json and safetensors files, ollama:NAME,
hf:ORG/REPO[:FILE] or a URL; HARDWARE is a name of the catalogue, a JSON file, or "this". Exit code 1 when it does not
fit."""

from __future__ import annotations

import argparse

from .. import _reports
from .._estimate import estimate
from .options import add_model, add_request, chosen_model, request
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    add_model(parser)
    parser.add_argument(
        "--on", required=True, dest="hardware", metavar="HARDWARE", help="a machine: `sizer hardware` lists them"
    )
    add_request(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    answer = estimate(model=chosen_model(options), hardware=options.hardware, **request(options))
    output.answer(answer.to_dict(), _reports.estimate(answer))
    return 0 if answer.memory.fits else 1
