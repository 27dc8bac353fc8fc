"""Synthetic models of known shapes, in llama.cpp's files: what bench/llama_cpp_decode.py makes and measures."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = 32_000
CONTEXT = 8192
TYPES = {"F16": 1, "Q8_0": 7, "Q4_0": 2, "Q4_K_M": 15}  # enum llama_ftype


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
