"""Small models as files: GGUF, safetensors checkpoints, and the stores that they lie in."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def load(name: str) -> ModuleType:
    """A module beside the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


gguf = load("gguf_writer")

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 96,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
SHAPES = {
    "model.embed_tokens.weight": (96, 64),
    "model.norm.weight": (64,),
    "lm_head.weight": (96, 64),
    "model.layers.0.input_layernorm.weight": (64,),
    "model.layers.0.self_attn.q_proj.weight": (64, 64),
    "model.layers.0.self_attn.k_proj.weight": (32, 64),
    "model.layers.0.self_attn.v_proj.weight": (32, 64),
    "model.layers.0.self_attn.o_proj.weight": (64, 64),
    "model.layers.0.post_attention_layernorm.weight": (64,),
    "model.layers.0.mlp.gate_proj.weight": (128, 64),
    "model.layers.0.mlp.up_proj.weight": (128, 64),
    "model.layers.0.mlp.down_proj.weight": (64, 128),
}


def write_split(folder: Path, stem: str, *ends: int) -> int:
    """The small Llama in parts, which end before the tensors of these numbers; returns the tensors' bytes."""
    names = list(gguf.LLAMA_TENSORS)
    total = 0
    for number, (start, stop) in enumerate(zip((0, *ends), (*ends, len(names)), strict=True)):
        keys = gguf.llama_keys() if number == 0 else {}
        keys.update({"split.no": number, "split.count": len(ends) + 1, "split.tensors.count": len(names)})
        path = folder / f"{stem}-{number + 1:05}-of-{len(ends) + 1:05}.gguf"
        total += gguf.write_gguf(path, keys, {name: gguf.LLAMA_TENSORS[name] for name in names[start:stop]})
    return total


def safetensors(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A file of BF16 tensors, all zeros."""
    header: dict[str, Any] = {}
    offset = 0
    for name, shape in shapes.items():
        size = 2
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def checkpoint() -> tuple[dict[str, bytes], int]:
    """The files of a sharded checkpoint of that model, and the bytes of its tensors."""
    names = list(SHAPES)
    shards = {
        "model-00001-of-00002.safetensors": {name: SHAPES[name] for name in names[:6]},
        "model-00002-of-00002.safetensors": {name: SHAPES[name] for name in names[6:]},
    }
    elements = 2 * 96 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 3 * 64
    index = {
        "metadata": {"total_size": 2 * elements},
        "weight_map": {name: shard for shard, held in shards.items() for name in held},
    }
    files = {shard: safetensors(held) for shard, held in shards.items()}
    files["config.json"] = json.dumps(CONFIG).encode()
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files, 2 * elements


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """The files by name into a new folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def digest(data: bytes) -> str:
    """A blob's name."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def manifest(blobs: dict[str, bytes]) -> str:
    """An Ollama manifest of blobs by kind."""
    layers = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest(data), "size": len(data)}
        for kind, data in blobs.items()
    ]
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest(b"{}"), "size": 2}
    return json.dumps({"schemaVersion": 2, "config": config, "layers": layers})


def write_ollama(store: Path, name: str, blobs: dict[str, bytes]) -> None:
    """A model in an Ollama store, by the path of its manifest below the registry's library."""
    path = store / "manifests/registry.ollama.ai/library" / name
    path.parent.mkdir(parents=True)
    path.write_text(manifest(blobs))
    (store / "blobs").mkdir(exist_ok=True)
    for data in blobs.values():
        (store / "blobs" / digest(data).replace(":", "-")).write_bytes(data)


def write_hub(cache: Path, repo: str, files: dict[str, bytes]) -> None:
    """A repository in the hub's cache."""
    commit = "0123456789" * 4
    folder = cache / f"models--{repo.replace('/', '--')}"
    write_files(folder / "snapshots" / commit, files)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(commit)
