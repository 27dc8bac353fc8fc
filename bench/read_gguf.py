#!/usr/bin/env python3
"""How long reading the header of a GGUF file takes: libsizer, the package `gguf` and llama.cpp, in one run.

    pip install gguf llama-cpp-python
    python3 bench/read_gguf.py                    a file with 1,200 tensors and a vocabulary of 151,936 tokens
    python3 bench/read_gguf.py --file MODEL.gguf  another one
    python3 bench/read_gguf.py --rounds 21

The file's tensor data are a hole, so it takes some 7 MB of disk. All readers find it in the page cache. Every round
runs each of them in turn; the table has the least, the median and the quartiles over rounds, and the ratio of medians.

libsizer            read_gguf() of C++, from opening the file on: sizer_read_gguf, timed inside that process
sizer.model()       the Python module, where it can be imported: the same, the model's shape and the sums of its weights
gguf.GGUFReader     the package's reader
gguf_init_from_file llama.cpp's own reader of the header, with no_alloc; called through ctypes
vocab_only          llama_model_load_from_file, which goes on to build the tokenizer
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "build" / "release" / "bench" / "read_gguf" / "sizer_read_gguf"
TOKENS, MERGES = 151_936, 151_387  # of Qwen3's tokenizer
BLOCKS, EXPERTS = 100, 128  # 12 tensors a block


def make_file(path: Path) -> None:
    """Writes a model like Qwen3's with experts: real keys, tokens and merges of usual lengths, no tensor data."""
    import gguf
    from gguf.constants import GGML_QUANT_SIZES
    from gguf.constants import GGMLQuantizationType as Format

    random = np.random.default_rng(1)
    letters = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256))]  # GPT-2's alphabet, most of it
    tokens = [*letters, "\u010a", "\u0120"]
    seen = set(tokens)
    merges: list[str] = []
    while len(tokens) < TOKENS:
        left, right = tokens[random.integers(min(len(tokens), 20_000))], tokens[random.integers(len(letters))]
        if left + right not in seen:
            seen.add(left + right)
            tokens.append(left + right)
            if len(merges) < MERGES:
                merges.append(f"{left} {right}")

    writer = gguf.GGUFWriter(path, "qwen3moe")
    writer.add_type("model")
    writer.add_name("Reading bench")
    writer.add_block_count(BLOCKS)
    writer.add_context_length(262_144)
    writer.add_embedding_length(2048)
    writer.add_feed_forward_length(6144)
    writer.add_head_count(32)
    writer.add_head_count_kv(4)
    writer.add_key_length(128)
    writer.add_value_length(128)
    writer.add_rope_freq_base(1e7)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(8)
    writer.add_expert_feed_forward_length(768)
    writer.add_file_type(15)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(merges)
    writer.add_eos_token_id(TOKENS - 1)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}" * 60)

    total = 0

    def add(name: str, one: Format, *ne: int) -> None:
        nonlocal total
        block, size = GGML_QUANT_SIZES[one]
        n_bytes = int(np.prod(ne, dtype=np.int64)) // block * size
        writer.add_tensor_info(name, tuple(reversed(ne)), np.dtype(np.float32), n_bytes, raw_dtype=one)
        total += -(-n_bytes // 32) * 32

    f32, q4, q6 = Format.F32, Format.Q4_K, Format.Q6_K
    for i in range(BLOCKS):
        for name, one, ne in (
            ("attn_norm", f32, (2048,)),
            ("attn_q", q4, (2048, 4096)),
            ("attn_k", q4, (2048, 512)),
            ("attn_v", q6, (2048, 512)),
            ("attn_q_norm", f32, (128,)),
            ("attn_k_norm", f32, (128,)),
            ("attn_output", q4, (4096, 2048)),
            ("ffn_norm", f32, (2048,)),
            ("ffn_gate_inp", f32, (2048, EXPERTS)),
            ("ffn_gate_exps", q4, (2048, 768, EXPERTS)),
            ("ffn_up_exps", q4, (2048, 768, EXPERTS)),
            ("ffn_down_exps", q6, (768, 2048, EXPERTS)),
        ):
            add(f"blk.{i}.{name}.weight", one, *ne)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header = path.stat().st_size
    os.truncate(path, -(-header // 32) * 32 + total)
    print(f"{len(tokens):,} tokens, {len(merges):,} merges, {12 * BLOCKS:,} tensors, header {header:,} bytes")


# ---------------------------------------------------------------------------------------------------------- the readers


class Tool:
    """The C++ program; its own clock."""

    def __init__(self, program: Path, path: Path, reads: int) -> None:
        """What to run on what."""
        self._command = [str(program), str(path), str(reads)]
        self.figures: dict[str, int] = {}

    def __call__(self) -> list[float]:
        """Seconds of each read of one run."""
        output = subprocess.run(self._command, check=True, capture_output=True, text=True).stdout
        lines = [line.split() for line in output.splitlines()]
        self.figures = {name: int(value) for name, value in lines if name != "read_ns"}
        return [int(value) * 1e-9 for name, value in lines if name == "read_ns"]


def timed(function: Callable[[], Any], free: Callable[[Any], None] = lambda result: None, times: int = 1) -> Any:
    """A function that calls and frees, and answers the seconds of the calls."""

    def run() -> list[float]:
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            result = function()
            seconds.append(time.perf_counter() - start)
            free(result)
        return seconds

    return run


class InitParams(ctypes.Structure):
    """struct gguf_init_params of gguf.h."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p)))


class LlamaCpp:
    """llama.cpp in the libraries of llama-cpp-python."""

    def __init__(self, path: Path) -> None:
        """Loads them and silences the log."""
        import llama_cpp

        self._path = os.fsencode(path)
        self._llama = llama_cpp
        folder = Path(llama_cpp.__file__).parent / "lib"
        self._ggml = ctypes.CDLL(str(next(folder.glob("libggml-base.so*"))))
        self._ggml.gguf_init_from_file.argtypes = (ctypes.c_char_p, InitParams)
        self._ggml.gguf_init_from_file.restype = ctypes.c_void_p
        self._ggml.gguf_free.argtypes = (ctypes.c_void_p,)
        self._ggml.ggml_free.argtypes = (ctypes.c_void_p,)

        @llama_cpp.llama_log_callback
        def quiet(*_: Any) -> None:
            """Says nothing."""

        self._quiet = quiet  # ctypes does not hold it
        llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

    def init(self) -> tuple[int, ctypes.c_void_p]:
        """The header, with the context of tensors that llama.cpp's loader asks for too."""
        tensors = ctypes.c_void_p()
        header = self._ggml.gguf_init_from_file(self._path, InitParams(True, ctypes.pointer(tensors)))
        if not header:
            sys.exit("gguf_init_from_file refuses the file")
        return header, tensors

    def free(self, result: tuple[int, ctypes.c_void_p]) -> None:
        """Frees both."""
        self._ggml.gguf_free(result[0])
        self._ggml.ggml_free(result[1])

    def vocab_only(self) -> Any:
        """A model without weights."""
        options = self._llama.llama_model_default_params()
        options.vocab_only = True
        options.n_gpu_layers = 0
        model = self._llama.llama_model_load_from_file(self._path, options)
        if not model:
            sys.exit("llama_model_load_from_file refuses the file")
        return model

    def free_model(self, model: Any) -> None:
        """Frees it."""
        self._llama.llama_model_free(model)


def readers(program: Path, path: Path, reads: int) -> dict[str, Callable[[], list[float]]]:
    """Those that are there, by name."""
    found: dict[str, Callable[[], list[float]]] = {"libsizer": Tool(program, path, reads)}
    with contextlib.suppress(ImportError):
        import sizer

        found["sizer.model()"] = timed(lambda: sizer.model(str(path)), times=reads)
    with contextlib.suppress(ImportError):
        import gguf

        found["gguf.GGUFReader"] = timed(lambda: gguf.GGUFReader(path))
    with contextlib.suppress(ImportError):
        llama = LlamaCpp(path)
        found["gguf_init_from_file"] = timed(llama.init, llama.free, reads)
        found["vocab_only"] = timed(llama.vocab_only, llama.free_model)
    return found


def peak_of_package(path: Path) -> int:
    """Most bytes that the package's reader holds at once in Python's heap."""
    import gguf

    tracemalloc.start()
    gguf.GGUFReader(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def run(program: Path, path: Path, rounds: int, reads: int) -> None:
    """Measures and prints."""
    with path.open("rb") as file:
        file.read(64 << 20)  # into the page cache
    found = readers(program, path, reads)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, read in found.items():
            seconds[name].append(statistics.median(read()))
    base = statistics.median(seconds["libsizer"])
    print(f"\n{rounds} rounds\n\n| reader | least ms | median ms | quartiles ms | ratio |\n|---|---|---|---|---|")
    for name, values in seconds.items():
        low, _, high = statistics.quantiles(values, n=4) if rounds > 1 else (values[0],) * 3
        middle = statistics.median(values)
        quartiles = f"{1e3 * low:.3f} to {1e3 * high:.3f}"
        print(f"| {name} | {1e3 * min(values):.3f} | {1e3 * middle:.3f} | {quartiles} | {middle / base:.1f} |")
    tool = found["libsizer"]
    assert isinstance(tool, Tool)
    print("\nlibsizer: " + ", ".join(f"{name} {value:,}" for name, value in tool.figures.items()))
    if "gguf.GGUFReader" in found:
        print(f"gguf.GGUFReader: peak {peak_of_package(path):,} bytes of Python's heap")


def main() -> int:
    """Makes the file if none is given, and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a GGUF file (default: makes one)")
    parser.add_argument("--tool", type=Path, default=TOOL, help="the built sizer_read_gguf (default: build/release's)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--reads", type=int, default=20, help="reads a round of the readers that take milliseconds")
    options = parser.parse_args()
    if options.file is not None:
        run(options.tool, options.file, options.rounds, options.reads)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.gguf"
        make_file(path)
        run(options.tool, path, options.rounds, options.reads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
