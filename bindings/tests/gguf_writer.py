"""Writes small GGUF files for tests: version 3, little-endian, the tensors' data as a hole."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

F32, F16, Q8_0 = 0, 1, 8
_ALIGNMENT = 32
_BLOCKS = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34)}


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    inner = [_value(item) for item in value]
    kind = inner[0][:4] if inner else struct.pack("<I", 4)
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(inner)) + b"".join(item[4:] for item in inner)


def write_gguf(
    path: Path, keys: Mapping[str, Any], tensors: Mapping[str, tuple[int, Sequence[int]]], *, hole: bool = True
) -> int:
    """Writes keys and tensors (format, shape with the fastest dimension first) and returns the tensors' bytes."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    header += b"".join(_text(key) + _value(value) for key, value in keys.items())
    offset = total = 0
    for name, (number_format, shape) in tensors.items():
        header += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number_format, offset)
        elements = 1
        for size in shape:
            elements *= size
        block, block_bytes = _BLOCKS[number_format]
        size = elements // block * block_bytes
        total += size
        offset += -(-size // _ALIGNMENT) * _ALIGNMENT
    header += bytes(-len(header) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(header)
        if hole:
            file.truncate(len(header) + offset)
    return total


def llama_keys(**changes: Any) -> dict[str, Any]:
    """Metadata of a small Llama; ``changes`` are keys behind "llama.", or whole ones with a dot in them."""
    keys: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 7,
        "llama.block_count": 1,
        "llama.context_length": 4096,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 128,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["a", "b"],
    }
    for key, value in changes.items():
        keys[key if "." in key else f"llama.{key}"] = value
    return keys


#: Tensors of that model, whose bytes at F32 and Q8_0 can be reckoned by hand.
LLAMA_TENSORS: dict[str, tuple[int, tuple[int, ...]]] = {
    "token_embd.weight": (Q8_0, (64, 96)),
    "output_norm.weight": (F32, (64,)),
    "output.weight": (Q8_0, (64, 96)),
    "blk.0.attn_norm.weight": (F32, (64,)),
    "blk.0.attn_q.weight": (Q8_0, (64, 64)),
    "blk.0.attn_k.weight": (Q8_0, (64, 32)),
    "blk.0.attn_v.weight": (Q8_0, (64, 32)),
    "blk.0.attn_output.weight": (Q8_0, (64, 64)),
    "blk.0.ffn_norm.weight": (F32, (64,)),
    "blk.0.ffn_gate.weight": (Q8_0, (64, 128)),
    "blk.0.ffn_up.weight": (Q8_0, (64, 128)),
    "blk.0.ffn_down.weight": (Q8_0, (128, 64)),
}
