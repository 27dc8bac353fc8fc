#!/usr/bin/env python3
"""Decode speeds of llama.cpp on this machine's processor, for synthetic models of known shapes, as CSV.

    pip install gguf llama-cpp-python numpy
    python3 bench/llama_cpp_decode.py models FOLDER                    every shape in F16, Q8_0, Q4_0 and Q4_K_M
    python3 bench/llama_cpp_decode.py run FOLDER -o measured.csv       1 and 2 threads, at depths 0 and 4,096
    python3 bench/llama_cpp_decode.py run FOLDER --shapes test-1b --types Q8_0 --threads 1 --depths 0 --rounds 1

models writes FOLDER/<shape>-<type>.gguf: F16 by the package `gguf`, the others from it by llama.cpp's own recipes. A
file that is there stays. The weights are one random block over and over; no tokenizer. All of them take some 20 GB.

run takes all files in turn, and that once a round, so that a slow phase of a shared machine hits all of them. A file is
loaded as llama.cpp does it by default (mapped, weights repacked), with flash attention. The cache is filled to the
deepest depth and cut back to each depth in turn. There every number of threads decodes one token at a time, each timed
with the read of its logits. The cache's content does not change the time, so it is computed once a shape and type of
cache, from weights that are not repacked, and copied in. At last come 512 tokens at once at depth 0: the rows of kind
`prefill`.

A llama.cpp built by GCC 12 crashes on processors with AMX when it takes several tokens at once: the compiler drops what
_tile_loadconfig reads (https://github.com/ggml-org/llama.cpp/pull/26954). One token at a time works. run tries each
type in another process and leaves out the prefill rows of those that crash. To have them, build without the error:

    CXXFLAGS="-fno-tree-dse -fno-dse" pip install --no-binary llama-cpp-python --no-cache-dir llama-cpp-python

Columns of the CSV file:

file_tensor_bytes  the sum over the file's tensors
tokens_per_s       of the median of the timed tokens of all rounds; low and high: the 10th and 90th percentile
n                  tokens that were timed; those of a prefill row 512 at once, each at their mean
system_info        what llama.cpp's build uses of the processor
buffers            where llama.cpp put the weights, in MiB; CPU_Mapped counts pages of the file, some repacked
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from llama_cpp_models import CONTEXT, MEASURED, SHAPES, TYPES, make_models
from llama_cpp_runs import DROPPED, KV_TYPES, LEAST_TOKENS, measure


def names_of(known: dict[str, Any]) -> Any:
    """A reader of lists of these names."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return read


def numbers_from(least: int) -> Any:
    """A reader of lists of such numbers."""

    def read(text: str) -> list[int]:
        numbers = [int(one) for one in text.split(",")]
        if min(numbers) < least:
            raise argparse.ArgumentTypeError(f"{min(numbers)} is less than {least}")
        return numbers

    read.__name__ = "list of numbers"  # argparse names it so
    return read


def main() -> int:
    """Makes the models, or measures them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (("models", "write the files that are missing"), ("run", "measure the files")):
        one = commands.add_parser(command, help=text)
        one.add_argument("folder", type=Path, help="where the models are")
        one.add_argument("--shapes", type=names_of(SHAPES), default=MEASURED, help=f"of {', '.join(SHAPES)}")
        one.add_argument("--types", type=names_of(TYPES), default=list(TYPES), help=f"of {', '.join(TYPES)}")
    one.add_argument("--threads", type=numbers_from(1), default=[1, 2], help="default: 1,2")
    one.add_argument("--depths", type=numbers_from(0), default=[0, 4096], help="default: 0,4096")
    one.add_argument("--rounds", type=int, default=3, help="default: 3")
    one.add_argument("--kv-type", type=names_of(KV_TYPES), default=["f16"], help="of f16, q8_0; default: f16")
    one.add_argument("--tokens", type=int, default=32, help="timed a round and row, at most; default: 32")
    one.add_argument("--seconds", type=float, default=3, help=f"enough after {LEAST_TOKENS} tokens; default: 3")
    one.add_argument("--no-prefill", action="store_true", help="leave out the rows of kind prefill")
    one.add_argument("--no-repack", action="store_true", help="weights as they are in the file, as --no-repack there")
    one.add_argument("-o", "--output", type=Path, help="the CSV file")
    options = parser.parse_args()
    if options.command == "models":
        make_models(options.folder, options.shapes, options.types)
    else:
        if max(options.depths) + DROPPED + options.tokens > CONTEXT:
            parser.error(f"a depth over {CONTEXT - DROPPED - options.tokens}: the models are made for {CONTEXT} tokens")
        measure(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
