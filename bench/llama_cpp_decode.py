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
import csv
import ctypes
import datetime
import math
import multiprocessing
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = 32_000
CONTEXT = 8192
UBATCH = 512  # llama.cpp's default, and what a prefill row times
DROPPED = 2  # tokens before the timed ones
LEAST_TOKENS = 16  # that are timed, however slow
TYPES = {"F16": 1, "Q8_0": 7, "Q4_0": 2, "Q4_K_M": 15}  # enum llama_ftype
KV_TYPES = {"f16": 1, "q8_0": 8}  # enum ggml_type
COLUMNS = (
    "shape quantisation file_tensor_bytes threads depth kv_type kind tokens_per_s low high n "
    "llama_cpp_python system_info cpu date buffers"
).split()


# ----------------------------------------------------------------------------------------------------------- the models


@dataclass(frozen=True)
class Shape:
    """A dense model of the family of Llama or Qwen3; every row is a multiple of 256 weights, as K-quants need."""

    family: str
    layers: int
    d_model: int
    d_ff: int
    heads: int
    kv_heads: int
    head_dim: int

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and ne[] of all tensors; the output head is not tied."""
        d, q, kv = self.d_model, self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield "token_embd", (d, VOCABULARY)
        for i in range(self.layers):
            layer = [("attn_norm", (d,)), ("attn_q", (d, q)), ("attn_k", (d, kv)), ("attn_v", (d, kv))]
            if self.family == "qwen3":
                layer += [("attn_q_norm", (self.head_dim,)), ("attn_k_norm", (self.head_dim,))]
            layer += [("attn_output", (q, d)), ("ffn_norm", (d,)), ("ffn_gate", (d, self.d_ff))]
            layer += [("ffn_up", (d, self.d_ff)), ("ffn_down", (self.d_ff, d))]
            yield from ((f"blk.{i}.{name}", ne) for name, ne in layer)
        yield "output_norm", (d,)
        yield "output", (d, VOCABULARY)


SHAPES = {
    # to fit a profile by; in Q4_0 still four times a last-level cache of 105 MiB, which would keep part of smaller ones
    "tall": Shape("llama", 40, 1536, 4096, 24, 8, 64),
    "broad": Shape("qwen3", 10, 2560, 9728, 32, 8, 128),
    "grouped": Shape("llama", 20, 2048, 7168, 16, 2, 128),
    "many-heads": Shape("llama", 24, 1792, 4864, 28, 28, 64),
    # to test a prediction: about 1 GB in Q8_0, about 1 GB in Q4_K_M
    "test-1b": Shape("llama", 16, 2048, 8192, 32, 8, 64),
    "test-2b": Shape("llama", 24, 2560, 6912, 20, 5, 128),
    # to try this file
    "tiny": Shape("llama", 2, 256, 768, 4, 2, 64),
}
MEASURED = [name for name in SHAPES if name != "tiny"]


def write_f16(path: Path, name: str, shape: Shape) -> None:
    """The model with matrices in F16 and norms in F32."""
    import gguf
    from gguf.constants import GGMLQuantizationType as Format

    writer = gguf.GGUFWriter(path, shape.family)
    writer.add_type("model")
    writer.add_name(f"Synthetic {name}")
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(CONTEXT)
    writer.add_block_count(shape.layers)
    writer.add_embedding_length(shape.d_model)
    writer.add_feed_forward_length(shape.d_ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(1e4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(TYPES["F16"])
    writer.add_tokenizer_model("no_vocab")
    tensors = list(shape.tensors())
    for tensor, ne in tensors:
        one, dtype = (Format.F32, np.dtype(np.float32)) if len(ne) == 1 else (Format.F16, np.dtype(np.float16))
        n_bytes = math.prod(ne) * dtype.itemsize
        writer.add_tensor_info(f"{tensor}.weight", tuple(reversed(ne)), dtype, n_bytes, raw_dtype=one)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    alignment = writer.data_alignment
    writer.close()

    random = np.random.default_rng(1)
    block = (0.02 * random.standard_normal(2 << 20, dtype=np.float32)).astype(np.float16).tobytes()
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        for _, ne in tensors:
            file.write(bytes(-file.tell() % alignment))
            if len(ne) == 1:
                file.write(np.ones(ne, np.float32).tobytes())
                continue
            left = 2 * math.prod(ne)
            while left > 0:
                left -= file.write(block[: min(left, len(block))])
        file.write(bytes(-file.tell() % alignment))


def quantise(llama: Llama, source: Path, path: Path, name: str) -> None:
    """The file in another type, each tensor's by llama.cpp's recipe."""
    options = llama.api.llama_model_quantize_default_params()
    options.ftype = TYPES[name]
    options.nthread = os.cpu_count() or 1
    options.pure = False
    if llama.api.llama_model_quantize(os.fsencode(source), os.fsencode(path), ctypes.byref(options)) != 0:
        sys.exit(f"llama_model_quantize: {path.name}: {llama.last_error()}")


def make_models(folder: Path, shapes: list[str], types: list[str]) -> None:
    """Writes what is missing, and prints sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    llama = Llama()
    print("| file | tensors | bytes |\n|---|---|---|")
    for shape in shapes:
        f16 = folder / f"{shape}-F16.gguf"
        for name in sorted(types, key=lambda name: name != "F16"):
            path = folder / f"{shape}-{name}.gguf"
            if not path.exists():
                unfinished = path.with_suffix(".part")
                if not f16.exists():
                    write_f16(f16.with_suffix(".part"), shape, SHAPES[shape])
                    f16.with_suffix(".part").rename(f16)
                if name != "F16":
                    quantise(llama, f16, unfinished, name)
                    unfinished.rename(path)
            print(f"| {path.name} | {sum(1 for _ in SHAPES[shape].tensors())} | {path.stat().st_size:,} |", flush=True)


# ------------------------------------------------------------------------------------------------------------ llama.cpp


class Llama:
    """llama.cpp as llama-cpp-python has it, with its log kept instead of printed."""

    def __init__(self) -> None:
        """Loads it."""
        import llama_cpp

        self.api = llama_cpp
        self.log: list[str] = []

        @llama_cpp.llama_log_callback
        def keep(_level: int, text: bytes, _data: Any) -> None:
            self.log.append(text.decode(errors="replace"))

        self._keep = keep  # ctypes does not hold it
        llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

    def last_error(self) -> str:
        """The end of the log."""
        return "".join(self.log[-3:]).strip()

    def system_info(self) -> str:
        """What the build uses of the processor, such as "AVX2 FMA AMX_INT8 REPACK"."""
        text = self.api.llama_print_system_info().decode()
        return " ".join(re.findall(r"(\w+) = 1\b", text))


class Model:
    """A loaded file."""

    def __init__(self, llama: Llama, path: Path, repack: bool = True) -> None:
        """Loads it with llama.cpp's defaults, on the processor."""
        self.llama = llama
        options = llama.api.llama_model_default_params()
        options.n_gpu_layers = 0
        options.use_extra_bufts = repack
        llama.log.clear()
        self.handle = llama.api.llama_model_load_from_file(os.fsencode(path), options)
        if not self.handle:
            sys.exit(f"llama_model_load_from_file: {path}: {llama.last_error()}")
        self.tensor_bytes = int(llama.api.llama_model_size(self.handle))
        found = re.findall(r"(\S+) model buffer size\s*=\s*([\d.]+) MiB", "".join(llama.log))
        self.buffers = " ".join(f"{name}:{float(size):.1f}" for name, size in found)

    def close(self) -> None:
        """Frees it."""
        self.llama.api.llama_model_free(self.handle)


class Session:
    """A context of a model: one sequence and its cache."""

    def __init__(self, model: Model, cells: int, kv_type: str) -> None:
        """Makes room for `cells` tokens."""
        self._api = api = model.llama.api
        options = api.llama_context_default_params()
        options.n_ctx = cells
        options.n_batch = options.n_ubatch = UBATCH
        options.n_seq_max = 1
        options.type_k = options.type_v = KV_TYPES[kv_type]
        options.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._handle = api.llama_init_from_model(model.handle, options)
        if not self._handle:
            sys.exit(f"llama_init_from_model: {model.llama.last_error()}")
        self._memory = api.llama_get_memory(self._handle)
        self._tokens = np.random.default_rng(2).integers(VOCABULARY, size=UBATCH, dtype=np.int32)

    def close(self) -> None:
        """Frees it."""
        self._api.llama_free(self._handle)

    def threads(self, n: int) -> None:
        """Uses n of them, for one token and for many."""
        self._api.llama_set_n_threads(self._handle, n, n)

    def depth(self) -> int:
        """Tokens in the cache."""
        return int(self._api.llama_memory_seq_pos_max(self._memory, 0)) + 1

    def cut(self, depth: int) -> None:
        """Removes what is behind the first `depth` tokens."""
        if not self._api.llama_memory_seq_rm(self._memory, 0, depth, -1) or self.depth() != depth:
            sys.exit(f"llama_memory_seq_rm: {self.depth()} tokens left instead of {depth}")

    def decode(self, n: int) -> float:
        """Seconds of the next n tokens, at most UBATCH, at once, and of the read of the last one's logits."""
        self._tokens = np.roll(self._tokens, 1)
        pointer = self._tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch = self._api.llama_batch_get_one(pointer, n)
        start = time.perf_counter()
        code = self._api.llama_decode(self._handle, batch)
        logits = self._api.llama_get_logits_ith(self._handle, -1)
        seconds = time.perf_counter() - start
        if code != 0:
            sys.exit(f"llama_decode: {code}")
        if not np.isfinite(logits[0]):
            sys.exit("llama_decode: logits that are no numbers")
        return seconds

    def fill(self, depth: int) -> np.ndarray:
        """Fills the empty cache with `depth` tokens, and returns a copy of it."""
        self.threads(os.cpu_count() or 1)
        while self.depth() < depth:
            self.decode(min(UBATCH, depth - self.depth()))
        saved = np.empty(self._api.llama_state_seq_get_size(self._handle, 0), np.uint8)
        pointer = saved.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        if self._api.llama_state_seq_get_data(self._handle, pointer, saved.size, 0) != saved.size:
            sys.exit("llama_state_seq_get_data: not all")
        return saved

    def restore(self, saved: np.ndarray) -> None:
        """Replaces the cache's content by a copy that fill() made."""
        pointer = saved.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        if self._api.llama_state_seq_set_data(self._handle, pointer, saved.size, 0) != saved.size:
            sys.exit("llama_state_seq_set_data: not all")


# -------------------------------------------------------------------------------------------------------- the measuring


@dataclass
class Row:
    """One row of the result: what it is of, and the seconds of each token."""

    cells: dict[str, Any]
    seconds: list[float] = field(default_factory=list)

    def finished(self) -> dict[str, Any]:
        """The cells with the speeds."""
        speed = 1 / np.percentile(self.seconds, [50, 90, 10])
        names = ("tokens_per_s", "low", "high")
        n = len(self.seconds) * UBATCH if self.cells["kind"] == "prefill" else len(self.seconds)
        return self.cells | {name: f"{value:.5g}" for name, value in zip(names, speed, strict=True)} | {"n": n}


def cpu_name() -> str:
    """The processor, as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def timed_tokens(session: Session, most: int, seconds: float) -> list[float]:
    """Seconds of each of `most` tokens, or of fewer, but LEAST_TOKENS, once that many `seconds` have passed."""
    for _ in range(DROPPED):
        session.decode(1)
    taken: list[float] = []
    while len(taken) < most and (len(taken) < LEAST_TOKENS or sum(taken) < seconds):
        taken.append(session.decode(1))
    return taken


def take_several(path: Path, repack: bool) -> None:
    """Decodes several tokens at once: the target of a process that may crash."""
    session = Session(Model(Llama(), path, repack), UBATCH, "f16")
    session.decode(32)


class Run:
    """All rounds over all files."""

    def __init__(self, options: argparse.Namespace, files: list[tuple[str, str, Path]]) -> None:
        """What to measure."""
        self._options, self._files = options, files
        self._llama = Llama()
        self._rows: dict[tuple[Any, ...], Row] = {}
        self._saved: dict[tuple[str, str], np.ndarray] = {}
        self._common = {
            "llama_cpp_python": self._llama.api.__version__,
            "system_info": self._llama.system_info(),
            "cpu": cpu_name(),
            "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
        }
        print(f"{self._common['cpu']}: {self._common['system_info']}", file=sys.stderr)
        self._prefill = set() if options.no_prefill else self._types_without_crash()

    def rounds(self) -> None:
        """Measures, and writes the CSV file anew after every round."""
        for i in range(self._options.rounds):
            for shape, name, path in self._files:
                start = time.perf_counter()
                model = Model(self._llama, path, not self._options.no_repack)
                loaded = time.perf_counter() - start
                print(
                    f"round {i + 1}/{self._options.rounds} {path.name}: {loaded:.1f} s to load, {model.buffers}",
                    file=sys.stderr,
                )
                for kv_type in self._options.kv_type:
                    self._file(model, path, shape, name, kv_type)
                model.close()
            if self._options.output is not None:
                with self._options.output.open("w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(self.table())

    def table(self) -> list[dict[str, Any]]:
        """The rows by file, kind, depth and threads."""
        return [self._rows[key].finished() for key in sorted(self._rows)]

    def _types_without_crash(self) -> set[str]:
        types = set()
        for name in {name: None for _, name, _ in self._files}:
            path = min((path for _, one, path in self._files if one == name), key=lambda path: path.stat().st_size)
            process = multiprocessing.get_context("spawn").Process(
                target=take_several, args=(path, not self._options.no_repack)
            )
            process.start()
            process.join()
            if process.exitcode == 0:
                types.add(name)
            else:
                print(f"{name}: several tokens at once end with {process.exitcode}: no prefill rows", file=sys.stderr)
        return types

    def _fill(self, path: Path, key: tuple[str, str], depth: int, cells: int) -> None:
        start = time.perf_counter()
        model = Model(self._llama, path, repack=False)
        session = Session(model, cells, key[1])
        self._saved[key] = session.fill(depth)
        session.close()
        model.close()
        print(f"    {key[1]} filled to {depth} in {time.perf_counter() - start:.1f} s", file=sys.stderr)

    def _file(self, model: Model, path: Path, shape: str, name: str, kv_type: str) -> None:
        options = self._options
        depths = sorted(options.depths, reverse=True)
        cells = max(depths[0] + DROPPED + max(options.tokens, LEAST_TOKENS), UBATCH)
        if depths[0] > 0 and (shape, kv_type) not in self._saved:
            self._fill(path, (shape, kv_type), depths[0], cells)
        session = Session(model, cells, kv_type)

        def add(threads: int, depth: int, kind: str, taken: list[float]) -> None:
            key = (list(SHAPES).index(shape), list(TYPES).index(name), kv_type, kind, depth, threads)
            if key not in self._rows:
                text = {"shape": shape, "quantisation": name, "file_tensor_bytes": model.tensor_bytes}
                text |= {"threads": threads, "depth": depth, "kv_type": kv_type, "kind": kind}
                self._rows[key] = Row(text | self._common | {"buffers": model.buffers})
            self._rows[key].seconds += taken
            speed = f"{1 / float(np.median(taken)):.2f} tokens/s"
            print(f"    {kv_type} {kind} depth {depth} threads {threads}: {speed}", file=sys.stderr)

        if depths[0] > 0:
            session.restore(self._saved[shape, kv_type])
        for depth in depths:
            for threads in options.threads:
                session.cut(depth)
                session.threads(threads)
                add(threads, depth, "decode", timed_tokens(session, options.tokens, options.seconds))
        for threads in options.threads if name in self._prefill else ():
            session.cut(0)
            session.threads(threads)
            add(threads, 0, "prefill", [session.decode(UBATCH) / UBATCH])
        session.close()


def print_table(rows: list[dict[str, Any]]) -> None:
    """The speeds in Markdown."""
    names = "shape quantisation file_tensor_bytes kv_type kind depth threads tokens_per_s low high n".split()
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
    for row in rows:
        print("| " + " | ".join(str(row[name]) for name in names) + " |")


def measure(options: argparse.Namespace) -> None:
    """Finds the files, measures and prints."""
    asked = [
        (shape, name, options.folder / f"{shape}-{name}.gguf") for shape in options.shapes for name in options.types
    ]
    files = [one for one in asked if one[2].exists()]
    if not files:
        sys.exit(f"{options.folder} has none of these models; make them: {Path(__file__).name} models {options.folder}")
    for _, _, path in asked:
        if not path.exists():
            print(f"{path} is not there", file=sys.stderr)
    run = Run(options, files)
    run.rounds()
    print_table(run.table())


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
