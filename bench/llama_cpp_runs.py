"""Timed runs of llama.cpp over the files of bench/llama_cpp_models.py: what bench/llama_cpp_decode.py writes as CSV."""

from __future__ import annotations

import argparse
import csv
import ctypes
import datetime
import multiprocessing
import os
import platform
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llama_cpp_models import SHAPES, TYPES, VOCABULARY, Llama

UBATCH = 512  # llama.cpp's default, and what a prefill row times
DROPPED = 2  # tokens before the timed ones
LEAST_TOKENS = 16  # that are timed, however slow
KV_TYPES = {"f16": 1, "q8_0": 8}  # enum ggml_type
COLUMNS = (
    "shape quantisation file_tensor_bytes threads depth kv_type kind tokens_per_s low high n "
    "llama_cpp_python system_info cpu date buffers"
).split()


# ------------------------------------------------------------------------------------------------------------ llama.cpp


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
        sys.exit(f"{options.folder} has none of these models; make them: llama_cpp_decode.py models {options.folder}")
    for _, _, path in asked:
        if not path.exists():
            print(f"{path} is not there", file=sys.stderr)
    run = Run(options, files)
    run.rounds()
    print_table(run.table())
