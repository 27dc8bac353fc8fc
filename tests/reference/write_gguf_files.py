#!/usr/bin/env python3
"""Small GGUF files, written and read back by the package `gguf`: tests/golden/data/gguf and gguf_files.csv.

    pip install gguf
    python3 write_gguf_files.py                write the files and the table
    python3 write_gguf_files.py --load         and let llama.cpp load each model (pip install llama-cpp-python)
    python3 write_gguf_files.py --check F...   compare the Python module sizer with the package's reader

Every file has the keys, the tensor names and the shapes of its family at tiny widths, and zeros for weights. What a
file says of itself (bytes, types, offsets) comes from gguf.GGUFReader; what the model is (layers, heads, experts) is
stated in gguf_models.py by the function that made it. Names must be in the package's table for the family; with --load
llama.cpp, which checks every name and shape, must load each model and find the same bytes in it. Nothing of libsizer
takes part but in --check, which exits with 1 on a difference.

Columns of the table. Of every file: what its header says, `bytes_by_type` and `table`, an FNV-1a hash of the rows
"name type dimensions offset bytes". Of every model: context, width, vocabulary, `experts` (count, used, width, width of
the shared ones), `layers` (mixer, heads, key-value heads, widths of key and value; feed-forward part, width), bytes by
block and by what the names say. A split model stands in the row of its first part, with the bytes of all parts.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES
from gguf_models import Model, Spelled, all_models

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "data"
COLUMNS = (
    "file version byte_order alignment content architecture n_keys n_tensors tensor_bytes bytes_by_type data_offset "
    "table n_parts context d_model vocab tied mtp_layers experts layers bytes_by_block routed_bytes shared_bytes "
    "mtp_bytes guessed_tensors kv_elements"
).split()

# ---------------------------------------------------------------------------------------------------------- writing


def tokenizer_keys(m: Model) -> dict[str, Any]:
    """A vocabulary of single characters, in the two kinds that most files have."""
    letters = [chr(ord("a") + i) for i in range(m.vocab - 4)]
    if m.tokenizer == "llama":
        tokens = ["<unk>", "<s>", "</s>", "<0x0A>", *letters]
        types = [2, 3, 3, 6] + [1] * len(letters)
        keys = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens}
        keys["tokenizer.ggml.scores"] = [-float(i) for i in range(len(tokens))]
    else:
        # U+010A is a line feed in the alphabet of GPT-2
        tokens = [*letters, letters[0] + letters[1], "\u010a", "<|start|>", "<|end|>"]
        types = [1] * (len(tokens) - 2) + [3, 3]
        keys = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": tokens}
        keys["tokenizer.ggml.merges"] = [f"{letters[0]} {letters[1]}"]
    keys["tokenizer.ggml.token_type"] = types
    keys["tokenizer.ggml.bos_token_id"] = 1 if m.tokenizer == "llama" else len(tokens) - 2
    keys["tokenizer.ggml.eos_token_id"] = 2 if m.tokenizer == "llama" else len(tokens) - 1
    keys["tokenizer.ggml.add_bos_token"] = m.tokenizer == "llama"
    keys["tokenizer.chat_template"] = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return keys


def put(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Adds a key with the type that converters give such a value."""
    if isinstance(value, Spelled):
        writer.add_key_value(key, value.value, value.kind)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def write(m: Model, folder: Path) -> list[Path]:
    """Writes the model's file or files, with zeros for weights."""
    n, header_first = m.split
    path = folder / f"{m.file}.gguf"
    writer = gguf.GGUFWriter(
        path,
        m.architecture,
        endianess=gguf.GGUFEndian.BIG if m.big_endian else gguf.GGUFEndian.LITTLE,
        split_max_tensors=n,
        small_first_shard=header_first,
    )
    general: dict[str, Any] = {}
    if m.architecture:
        general = {"general.type": "model", "general.name": f"Tiny {m.file}", "general.quantization_version": 2}
    general.update(m.general)
    alignment = general.pop("general.alignment", 0)
    if alignment:
        writer.add_custom_alignment(alignment)
    for key, value in {**general, **m.keys, **(tokenizer_keys(m) if m.tokenizer else {})}.items():
        put(writer, key, value)
    for name, (ne, one) in m.tensors.items():
        block, block_bytes = GGML_QUANT_SIZES[one]
        shape = tuple(reversed(ne))
        stored = np.zeros((*shape[:-1], shape[-1] // block * block_bytes), dtype=np.uint8)
        writer.add_tensor(name, stored, raw_dtype=one)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    paths = [path] if not n else sorted(folder.glob(f"{m.file}-*-of-*.gguf"))
    if m.version != 3:  # version 2 has the same layout
        content = bytearray(path.read_bytes())
        content[4:8] = m.version.to_bytes(4, "little")
        path.write_bytes(content)
    return paths


def strange_names(m: Model) -> list[str]:
    """Tensors whose names the package does not list for the family."""
    family = next((key for key, name in MODEL_ARCH_NAMES.items() if name == m.architecture), None)
    if family is None or m.content in ("adapter", "calibration"):
        return []
    listed = {TENSOR_NAMES[kind] for kind in MODEL_TENSORS[family]}
    base = (re.sub(r"blk\.\d+\.", "blk.{bid}.", re.sub(r"\.(weight|bias|scale)$", "", name)) for name in m.tensors)
    return [name for name, plain in zip(m.tensors, base, strict=True) if plain not in listed]


# ---------------------------------------------------------------------------------------------------------- the table


def text_of(counts: Counter[str]) -> str:
    """ "F32:512 Q8_0:34816" """
    return " ".join(f"{key}:{value}" for key, value in sorted(counts.items()) if value)


def fnv(lines: Iterable[str]) -> str:
    """FNV-1a of lines, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in "".join(line + "\n" for line in lines).encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


@dataclass
class Header:
    """One file as the package reads it."""

    path: Path
    reader: gguf.GGUFReader

    @classmethod
    def read(cls, path: Path) -> Header:
        """Reads a file."""
        return cls(path, gguf.GGUFReader(path))

    def by_type(self) -> Counter[str]:
        """Bytes by number format."""
        counts: Counter[str] = Counter()
        for tensor in self.reader.tensors:
            counts[tensor.tensor_type.name] += int(tensor.n_bytes)
        return counts

    def n_keys(self) -> int:
        """Keys of the file; the reader counts version and the two lengths as fields."""
        return len([name for name in self.reader.fields if not name.startswith("GGUF.")])

    def lines(self) -> list[str]:
        """The tensor table, a line a tensor."""
        return [
            f"{t.name} {t.tensor_type.name} {','.join(str(int(n)) for n in t.shape)} "
            f"{int(t.data_offset) - int(self.reader.data_offset)} {int(t.n_bytes)}"
            for t in self.reader.tensors
        ]

    def row(self) -> dict[str, Any]:
        """The columns that every file has."""
        architecture = self.reader.get_field("general.architecture")
        return {
            "file": self.path.name,
            "version": int(self.reader.fields["GGUF.version"].parts[0][0]),
            "byte_order": "big" if self.reader.endianess == gguf.GGUFEndian.BIG else "little",
            "alignment": int(self.reader.alignment),
            "architecture": architecture.contents() if architecture else "",
            "n_keys": self.n_keys(),
            "n_tensors": len(self.reader.tensors),
            "tensor_bytes": sum(self.by_type().values()),
            "bytes_by_type": text_of(self.by_type()),
            "data_offset": int(self.reader.data_offset),
            "table": fnv(self.lines()),
        }


def bytes_where(headers: list[Header], chosen: Callable[[str], bool]) -> int:
    """Bytes of the tensors with such names, in all parts."""
    return sum(int(t.n_bytes) for header in headers for t in header.reader.tensors if chosen(t.name))


def model_row(m: Model, headers: list[Header]) -> dict[str, Any]:
    """The columns that a model has."""
    n_blocks = len(m.layers) + m.mtp_layers
    mtp = tuple(f"blk.{i}." for i in range(len(m.layers), n_blocks))

    def in_main(name: str) -> bool:
        return not (mtp and name.startswith(mtp))

    def in_block(i: int) -> int:
        return bytes_where(headers, lambda name: name.startswith(f"blk.{i}."))

    return {
        "n_parts": len(headers),
        "context": m.context,
        "d_model": m.d,
        "vocab": m.vocab,
        "tied": int(m.tied),
        "mtp_layers": m.mtp_layers,
        "experts": m.experts,
        "layers": "; ".join(m.layers),
        "bytes_by_block": " ".join(str(in_block(i)) for i in range(n_blocks)),
        "routed_bytes": bytes_where(headers, lambda name: "_exps." in name and in_main(name)),
        "shared_bytes": bytes_where(headers, lambda name: "shexp" in name and in_main(name)),
        "mtp_bytes": bytes_where(headers, lambda name: not in_main(name)),
        "guessed_tensors": m.guessed,
        "kv_elements": m.kv_elements or "",
    }


def write_all(folder: Path, table: Path, load: bool) -> int:
    """Files and table; returns how many files llama.cpp did not load as they should be."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.gguf"):
        old.unlink()
    rows = []
    problems = 0
    for m in all_models():
        for name in strange_names(m):
            sys.exit(f"{m.file}: the package lists no tensor {name} for {m.architecture}")
        paths = write(m, folder)
        headers = [Header.read(path) for path in paths]
        for i, header in enumerate(headers):
            row = {**header.row(), "content": m.content if i == 0 else "part"}
            if i == 0 and m.content in ("model", "vocabulary"):
                row.update(model_row(m, headers))
            rows.append(row)
        if load:
            problems += not loads(m, headers)
    with table.open("w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    size = sum(path.stat().st_size for path in folder.glob("*.gguf"))
    print(f"{len(rows)} files of {len({row['architecture'] for row in rows})} architectures, {size:,} bytes")
    return problems


# ---------------------------------------------------------------------------------------------------------- llama.cpp


def loads(m: Model, headers: list[Header]) -> bool:
    """Whether llama.cpp, which knows every tensor's name and shape, loads the model and finds the same bytes in it."""
    if m.content != "model" or m.architecture in ("brandnew", "every-format") or m.big_endian:
        return True
    import ctypes

    import llama_cpp

    messages: list[str] = []

    @llama_cpp.llama_log_callback
    def keep(level: int, text: bytes, _: Any) -> None:
        if level in (3, 4):  # warnings and errors
            messages.append(text.decode(errors="replace").strip())

    llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_default_params()
    options.n_gpu_layers = 0
    options.use_mmap = False
    model = llama_cpp.llama_model_load_from_file(os.fsencode(headers[0].path), options)
    if not model:
        print(f"{m.file}: llama.cpp does not load it: {' | '.join(messages)}")
        return False
    expected = sum(sum(header.by_type().values()) for header in headers)
    size = int(llama_cpp.llama_model_size(model))
    context = int(llama_cpp.llama_model_n_ctx_train(model))
    n_layers = int(llama_cpp.llama_model_n_layer(model))
    llama_cpp.llama_model_free(model)
    right = (size, context, n_layers) == (expected, m.context, len(m.layers))
    if not right:
        print(f"{m.file}: llama.cpp finds {size:,} bytes of {expected:,}, context {context}, {n_layers} layers")
    return right


# ---------------------------------------------------------------------------------------------------- against libsizer


def check(paths: list[Path]) -> int:
    """Compares the module sizer with the package's reader, file by file; returns how many differ."""
    import sizer

    wrong = 0
    print(f"{'file':44} {'tensors':>8} {'bytes by gguf':>16} {'bytes by sizer':>16}  result")
    for path in paths:
        header = Header.read(path)
        field = header.reader.get_field("split.count")
        n_parts = int(field.contents()) if field else 1
        headers = [header]
        if n_parts > 1:
            stem = re.sub(r"-\d{5}-of-\d{5}$", "", path.stem)
            headers = [Header.read(path.with_name(f"{stem}-{i + 1:05}-of-{n_parts:05}.gguf")) for i in range(n_parts)]
        expected: Counter[str] = Counter()
        for one in headers:
            expected.update(one.by_type())
        n_tensors = sum(len(one.reader.tensors) for one in headers)
        total = sum(expected.values())
        try:
            file = sizer.model(str(path)).file
        except sizer.SizerError as problem:
            print(f"{path.name:44} {n_tensors:8,} {total:16,} {'':16}  refused: {problem}")
            continue
        differences = []
        if file.tensor_bytes != total:
            differences.append("bytes")
        if dict(file.bytes_by_format) != {key: value for key, value in expected.items() if value}:
            differences.append(f"formats {dict(file.bytes_by_format)}")
        if file.n_tensors != n_tensors:
            differences.append(f"{file.n_tensors} tensors")
        if file.file_bytes != sum(one.path.stat().st_size for one in headers):
            differences.append("file bytes")
        if sum(file.bytes_by_part.values()) != file.tensor_bytes:
            differences.append("parts")
        wrong += bool(differences)
        result = "differs: " + ", ".join(differences) if differences else "equal"
        print(f"{path.name:44} {n_tensors:8,} {total:16,} {file.tensor_bytes:16,}  {result}")
    return wrong


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, default=GOLDEN / "gguf", help="folder for the files")
    parser.add_argument("--table", type=Path, default=GOLDEN / "gguf_files.csv")
    parser.add_argument("--load", action="store_true", help="let llama.cpp load the models")
    parser.add_argument("--check", type=Path, nargs="+", metavar="FILE", help="compare with the module sizer")
    options = parser.parse_args()
    if options.check:
        return 1 if check(options.check) else 0
    return 1 if write_all(options.files, options.table, options.load) else 0


if __name__ == "__main__":
    sys.exit(main())
