"""The physical ceiling of decoding: bandwidth over the bytes that a token must read.

example:
  sizer ceiling llama-3.3-70b --on dgx-spark --quant NVFP4

No software decodes faster on that memory, but for speculative decoding. Whether the model fits plays no part."""

from __future__ import annotations

import argparse

from .. import _core
from .. import formatting as f
from .._roofline import gigabytes, roofline_ceiling
from ..display import Block, Heading, Table, Text
from .options import add_model, chosen_model, integer
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    add_model(parser)
    parser.add_argument("--on", required=True, dest="hardware", metavar="HARDWARE", help="a machine or a JSON file")
    parser.add_argument("--quant", metavar="NAME", help="weight format (default: what the files are, or else Q4_K_M)")
    parser.add_argument("--batch", default="1", metavar="SEQUENCES", help="sequences decoded in one step (default 1)")
    parser.add_argument("--depth", default="0", metavar="TOKENS", help="tokens already cached (default 0)")
    parser.add_argument("--kv-type", default="f16", metavar="TYPE", help="number format of the KV cache (default f16)")
    parser.add_argument("--engine", metavar="NAME", help=f"runtime: {', '.join(_core.engines())}")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    answer = roofline_ceiling(
        chosen_model(options),
        options.hardware,
        quant=options.quant,
        batch=integer("batch", options.batch),
        depth=integer("depth", options.depth),
        kv_type=options.kv_type,
        engine=options.engine,
    )
    rows = [
        ["read a token", gigabytes(answer.bytes_per_token)],
        ["bandwidth", f.bandwidth(answer.bandwidth_bytes_per_s)],
        ["operations a token", f"{f.significant(answer.flop_per_token / 1e9)} GFLOP"],
        ["arithmetic rate", f"{f.significant(answer.flop_per_s / 1e12)} TFLOPS"],
        ["ceiling", f"{f.significant(answer.tokens_per_s)} token/s, bound by {answer.bound}"],
    ]
    blocks: list[Block] = [
        Heading(f"{answer.model}, {answer.quant}, on {answer.hardware}"),
        Table(["", ""], rows, "lr"),
        Text(answer.arithmetic),
    ]
    output.answer(answer.to_dict(), blocks)
    return 0
