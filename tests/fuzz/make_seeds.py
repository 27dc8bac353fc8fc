#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into tests/fuzz/corpus, or into another folder.

A seed is a small input that a target starts from: good files of every kind, and files that lie in one place each.
The names of files that fuzzing found begin with "crash-" or are hashes; this script leaves them alone.
"""

import argparse
import json
import struct
from pathlib import Path

U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
Q4_K, Q6_K = 12, 14
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), Q4_K: (256, 144), Q6_K: (256, 210), 30: (1, 2), 39: (32, 17)}


class Gguf:
    """A GGUF header under construction; `count` and `offset` arguments let it lie."""

    def __init__(self, family="llama", version=3, big=False, alignment=None):
        self.order = ">" if big else "<"
        self.version, self.alignment = version, alignment or 32
        self.keys, self.tensors, self.end = [], [], 0
        if family:
            self.text("general.architecture", family)
        if alignment:
            self.value("general.alignment", U32, alignment)

    def pack(self, code, value):
        return struct.pack(self.order + code, value)

    def string(self, text, length=None):
        raw = text if isinstance(text, bytes) else text.encode()
        return self.pack("Q", len(raw) if length is None else length) + raw

    def raw_key(self, name, kind, payload):
        self.keys.append(self.string(name) + self.pack("I", kind) + payload)

    def value(self, name, kind, value):
        self.raw_key(name, kind, self.pack(CODES[kind], value))

    def text(self, name, value):
        self.raw_key(name, TEXT, self.string(value))

    def array(self, name, kind, values, count=None):
        body = b"".join(self.string(v) if kind == TEXT else self.pack(CODES[kind], v) for v in values)
        self.raw_key(name, ARRAY, self.pack("I", kind) + self.pack("Q", len(values) if count is None else count) + body)

    def numbers(self, family, **values):
        for key, value in values.items():
            self.value(f"{family}.{key.replace('__', '.')}", U32, value)

    def tensor(self, name, dims, kind=0, offset=None, n_dims=None):
        if offset is None:
            offset = self.end
        block, size = BLOCKS.get(kind, (1, 4))
        n = 1
        for dim in dims:
            n *= dim
        self.tensors.append(
            self.string(name)
            + self.pack("I", len(dims) if n_dims is None else n_dims)
            + b"".join(self.pack("q", dim) for dim in dims)
            + self.pack("I", kind)
            + self.pack("Q", offset)
        )
        self.end = max(self.end, -(-(offset + n // block * size) // self.alignment) * self.alignment)

    def content(self, magic=b"GGUF", n_tensors=None, n_keys=None, data=None):
        head = magic + self.pack("I", self.version)
        head += self.pack("Q", len(self.tensors) if n_tensors is None else n_tensors)
        head += self.pack("Q", len(self.keys) if n_keys is None else n_keys)
        head += b"".join(self.keys) + b"".join(self.tensors)
        head += b"\0" * (-len(head) % self.alignment)
        return head + b"\0" * (self.end if data is None else data)


def llama(**options):
    """The smallest dense model: two blocks 8 wide."""
    file = Gguf(**options)
    file.text("general.name", "Seed 1B")
    file.value("general.file_type", U32, 1)
    file.numbers("llama", block_count=2, context_length=4096, embedding_length=8, feed_forward_length=16)
    file.numbers("llama", attention__head_count=2, attention__head_count_kv=1)
    file.array("tokenizer.ggml.tokens", TEXT, ["<s>", "a", "b", "c"])
    return file


def blocks(file, names, n_blocks=2, kind=1):
    file.tensor("token_embd.weight", (8, 4), kind)
    for block in range(n_blocks):
        for name, dims in names.items():
            file.tensor(f"blk.{block}.{name}", dims, 0 if "norm" in name else kind)
    file.tensor("output_norm.weight", (8,), 0)


DENSE = {
    "attn_norm.weight": (8,),
    "attn_q.weight": (8, 8),
    "attn_k.weight": (8, 4),
    "attn_v.weight": (8, 4),
    "attn_output.weight": (8, 8),
    "ffn_up.weight": (8, 16),
    "ffn_down.weight": (16, 8),
}
ROUTED = {
    "attn_q.weight": (8, 8),
    "attn_k.weight": (8, 4),
    "attn_v.weight": (8, 4),
    "ffn_gate_inp.weight": (8, 4),
    "ffn_up_exps.weight": (8, 4, 4),
    "ffn_down_exps.weight": (4, 8, 4),
    "ffn_up_shexp.weight": (8, 4),
}


def good_gguf():
    for name, options in {
        "v3": {},
        "v2": {"version": 2},
        "big_endian": {"big": True},
        "align_64": {"alignment": 64},
    }.items():
        file = llama(**options)
        blocks(file, DENSE)
        yield f"llama_{name}", file.content()

    file = Gguf()
    for kind, value in ((U8, 200), (I8, -3), (U16, 60000), (I16, -300), (U32, 1 << 31), (I32, -70000), (F32, 0.5)):
        file.value(f"k.{kind}", kind, value)
    for kind, value in ((BOOL, 1), (U64, (1 << 63) - 1), (I64, -1), (F64, 1e-300)):
        file.value(f"k.{kind}", kind, value)
    file.text("k.text", "words")
    for kind in CODES:
        file.array(f"a.{kind}", kind, [0, 1, 1])
    file.array("a.text", TEXT, ["", "x"])
    file.array("a.none", U32, [])
    yield "every_value", file.content()

    file = Gguf(family="qwen3moe")
    file.numbers("qwen3moe", block_count=2, context_length=4096, embedding_length=8, feed_forward_length=16)
    file.numbers("qwen3moe", attention__head_count=2, attention__head_count_kv=1, attention__key_length=4)
    file.numbers("qwen3moe", expert_count=4, expert_used_count=2, expert_feed_forward_length=4)
    file.numbers("qwen3moe", rope__scaling__original_context_length=1024)
    blocks(file, ROUTED)
    file.tensor("output.weight", (8, 4), 1)
    yield "moe", file.content()

    file = Gguf(family="deepseek2")
    file.numbers("deepseek2", block_count=3, nextn_predict_layers=1, context_length=4096, embedding_length=8)
    file.numbers("deepseek2", feed_forward_length=16, attention__head_count=2, attention__head_count_kv=1)
    file.numbers("deepseek2", attention__kv_lora_rank=16, attention__q_lora_rank=16, rope__dimension_count=8)
    file.numbers("deepseek2", attention__key_length=24, attention__value_length=16, attention__key_length_mla=24)
    file.numbers("deepseek2", attention__value_length_mla=16, expert_count=4, expert_used_count=2)
    file.numbers("deepseek2", leading_dense_block_count=1, expert_feed_forward_length=4, expert_shared_count=1)
    file.numbers("deepseek2", expert_gating_func=2, vocab_size=4)
    mla = {"attn_kv_a_mqa.weight": (8, 24), "attn_k_b.weight": (4, 16, 2), "nextn.eh_proj.weight": (16, 8)}
    blocks(file, mla | ROUTED, 3)
    yield "mla_mtp", file.content()

    file = Gguf(family="qwen3next")
    file.numbers("qwen3next", block_count=4, context_length=4096, embedding_length=8, feed_forward_length=16)
    file.numbers("qwen3next", attention__head_count=2, attention__head_count_kv=1, full_attention_interval=2)
    file.numbers("qwen3next", ssm__conv_kernel=4, ssm__inner_size=32, ssm__state_size=16, ssm__time_step_rank=2)
    file.numbers("qwen3next", ssm__group_count=1, expert_count=4, expert_used_count=2, expert_feed_forward_length=4)
    blocks(file, {"ssm_in.weight": (8, 16), "ssm_a": (2,)} | ROUTED, 4)
    yield "recurrent", file.content()

    file = Gguf(family="gemma3")
    file.numbers("gemma3", block_count=6, context_length=4096, embedding_length=8, feed_forward_length=16)
    file.numbers("gemma3", attention__sliding_window=512)
    file.array("gemma3.attention.head_count", I32, [2] * 6)
    file.array("gemma3.attention.head_count_kv", I32, [1] * 6)
    file.array("gemma3.attention.sliding_window_pattern", BOOL, [1, 1, 1, 1, 1, 0])
    blocks(file, DENSE, 6)
    yield "windows", file.content()

    file = Gguf(family="nobody-knows")
    file.numbers("nobody-knows", attention__sliding_window=512, ssm__state_size=4)
    blocks(file, DENSE | {"strange.weight": (8,), "ffn_up.3.weight": (8, 4)}, kind=1234)
    file.end += 32
    yield "unknown_family_and_type", file.content()

    def part(number, n_parts, tensors, total):
        file = llama() if number == 0 else Gguf(family=None)
        file.value("split.no", U16, number)
        file.value("split.count", U16, n_parts)
        file.value("split.tensors.count", I32, total)
        for name, dims in tensors:
            file.tensor(name, dims, 1)
        return file.content()

    first, second = part(0, 2, [("token_embd.weight", (32, 4))], 2), part(1, 2, [("blk.0.attn_k.weight", (32, 16))], 2)
    yield "split", first + b"FUGG" + second
    yield "split_part_missing", first
    yield "split_part_twice", first + b"FUGG" + first
    yield "split_wrong_count", part(0, 3, [], 9) + b"FUGG" + second
    file = llama()
    file.value("split.no", U64, (1 << 63) - 1)
    file.value("split.count", U64, (1 << 63) - 1)
    yield "split_huge_numbers", file.content()
    file = llama()
    file.value("split.no", I64, -(1 << 63))
    file.value("split.count", I64, 2)
    yield "split_negative_number", file.content()

    projector = Gguf(family="clip")
    projector.text("general.type", "mmproj")
    projector.tensor("v.blk.0.attn_q.weight", (32, 32), 1)
    projector.tensor("mm.0.weight", (32, 32), 1)
    model = llama()
    blocks(model, DENSE)
    yield "mmproj", projector.content()
    yield "model_and_mmproj", model.content() + b"FUGG" + projector.content() + b"FUGG"
    for kind in ("adapter", "imatrix"):
        file = Gguf()
        file.text("general.type", kind)
        file.tensor("blk.0.attn_q.weight.lora_a", (32, 4), 1)
        yield kind, file.content()
    file = Gguf(family="qwen3moe")
    file.numbers("qwen3moe", block_count=3, nextn_predict_layers=1)
    file.tensor("blk.2.nextn.eh_proj.weight", (64, 32), 1)
    yield "draft", file.content()
    yield "vocabulary", llama().content()
    file = llama()
    file.array("tokenizer.ggml.scores", F32, [0.0] * 1000)
    file.array("k.long", U8, [1] * 8200)
    yield "long_array", file.content()
    file = llama()
    file.tensor("output.weight", (256, 3), Q4_K)
    file.tensor("b.weight", (256, 3), Q6_K)
    file.tensor("c.weight", (32, 2, 2, 2), 39)
    yield "quantised", file.content()


def bad_gguf():
    """Each lies in one place."""
    plain = llama()
    plain.tensor("a.weight", (32, 4), 1)
    plain.tensor("b.weight", (32,), 0)
    whole = plain.content()
    yield "empty", b""
    yield "magic", plain.content(magic=b"GGML")
    yield "truncated_header", whole[:100]
    yield "truncated_data", whole[:-1]
    for count in (1 << 63, (1 << 64) - 1, 70000):
        yield f"tensors_{count:x}", plain.content(n_tensors=count)
        yield f"keys_{count:x}", plain.content(n_keys=count)
    for version in (0, 1, 4, 0x0300):
        yield f"version_{version}", llama(version=version).content()
    for value in (0, 3, 1 << 31):
        file = llama()
        file.value("general.alignment", U32, value)
        yield f"alignment_{value}", file.content()
    file = llama()
    file.text("general.alignment", "32")
    yield "alignment_text", file.content()

    def with_key(kind, payload):
        file = llama()
        file.raw_key("k", kind, payload)
        return file.content()

    q, i = (lambda n: struct.pack("<Q", n)), (lambda n: struct.pack("<I", n))
    for length in (1 << 20, 1 << 63, (1 << 64) - 1):
        yield f"text_of_{length:x}", with_key(TEXT, q(length))
        yield f"array_of_{length:x}", with_key(ARRAY, i(U32) + q(length))
        yield f"texts_of_{length:x}", with_key(ARRAY, i(TEXT) + q(length))
    yield "array_of_arrays", with_key(ARRAY, i(ARRAY) + q(1) + i(U8) + q(1) + b"\0")
    yield "bool_2", with_key(BOOL, b"\2")
    yield "value_type_13", with_key(13, b"\0" * 8)
    yield "u64_of_64_bits", with_key(U64, q((1 << 64) - 1))
    file = llama()
    file.value("llama.block_count", U32, 3)
    yield "key_twice", file.content()
    file = llama()
    file.raw_key("", U8, b"\0")
    yield "key_empty", file.content()
    file = llama()
    file.raw_key(b"\x1b[31m\xff\n", BOOL, b"\7")
    yield "key_of_control_characters", file.content()

    def with_tensor(*arguments, **options):
        file = llama()
        file.tensor("a.weight", (32,), 0)
        file.tensor(*arguments, **options)
        file.end = 4096
        return file.content()

    huge = 1 << 62
    yield "tensor_twice", with_tensor("a.weight", (32,))
    yield "tensor_overlap", with_tensor("b.weight", (32,), offset=64)
    yield "tensor_outside", with_tensor("b.weight", (32,), offset=1 << 40)
    yield "tensor_offset_64_bits", with_tensor("b.weight", (32,), offset=(1 << 64) - 32)
    yield "tensor_misaligned", with_tensor("b.weight", (32,), offset=129)
    yield "tensor_dims_0", with_tensor("b.weight", ())
    yield "tensor_dims_5", with_tensor("b.weight", (1,) * 5)
    yield "tensor_dims_lie", with_tensor("b.weight", (32,), n_dims=4)
    yield "tensor_dim_zero", with_tensor("b.weight", (0, 4))
    yield "tensor_dim_negative", with_tensor("b.weight", (-32, -4))
    yield "tensor_dim_overflow", with_tensor("b.weight", (huge, 4, 4), offset=128)
    yield "tensor_part_block", with_tensor("b.weight", (31,), 2)
    yield "tensor_type_gone", with_tensor("b.weight", (32,), 4)
    yield "tensor_type_64k", with_tensor("b.weight", (32,), 0xFFFFFFFF)
    yield "tensor_name_empty", with_tensor("", (32,))
    yield "tensor_name_utf8", with_tensor(b"blk.0.\xff\x1b.weight", (32,))
    for key, value in (("block_count", 5000), ("embedding_length", 0), ("context_length", 1 << 31)):
        file = Gguf()
        values = {"block_count": 2, "context_length": 1, "embedding_length": 8, "feed_forward_length": 16, key: value}
        file.numbers("llama", **values, attention__head_count=2, vocab_size=4)
        yield f"shape_{key}", file.content()
    file = Gguf()
    file.numbers("llama", block_count=(1 << 31) - 1, nextn_predict_layers=(1 << 31) - 2, context_length=1)
    file.numbers("llama", embedding_length=8, feed_forward_length=16, attention__head_count=2, vocab_size=4)
    yield "shape_predicting_layers", file.content()
    file = Gguf(family=b"\xff\x1b")
    file.value(b"\xff\x1b.block_count", U32, 2)
    yield "family_no_utf8", file.content()
    file = Gguf(family="f" * 3000)
    file.tensor("blk.0.a", (1,), 0)
    yield "family_long", file.content()


def ollama():
    digest = "sha256:" + "0123456789abcdef" * 4
    media = "application/vnd.ollama.image."

    def manifest(layers, **other):
        body = {"schemaVersion": 2, "config": {"digest": digest, "size": 5, "mediaType": "x"}, "layers": layers}
        return b"m" + json.dumps(body | other).encode()

    def layer(kind="model", digest=digest, size=5):
        return {"mediaType": media + kind, "digest": digest, "size": size}

    yield "manifest", manifest([layer(k) for k in ("model", "projector", "adapter", "params", "template", "license")])
    yield "manifest_empty", manifest([])
    yield "manifest_null", manifest(None)
    yield "manifest_dash", manifest([layer(digest=digest.replace(":", "-").upper().replace("SHA", "sha"))])
    yield "manifest_schema", manifest([], schemaVersion=1)
    yield "manifest_short_digest", manifest([layer(digest="sha256:12")])
    yield "manifest_path_digest", manifest([layer(digest="sha256:../" + "0" * 61)])
    for size in (-1, 0.5, 1 << 63, 1 << 64, "5"):
        yield f"manifest_size_{size}", manifest([layer(size=size)])
    yield "manifest_sum", manifest([layer(size=(1 << 63) - 1)] * 2)
    yield "manifest_type", manifest([{"digest": digest, "size": 1}])
    yield "manifest_key_twice", b'm{"layers":[],"layers":[]}'
    yield "manifest_deep", b'm{"layers":' + b"[" * 200
    yield "manifest_control", b'm{"a\\u001b\\u0000":1,"a\\u001b\\u0000":2}'
    yield "manifest_nul", manifest([]) + b"\0{"
    for name, body in {
        "usual": {"num_ctx": 8192, "num_gpu": 99, "num_batch": 512, "stop": ["<end>"], "temperature": 0.7},
        "floats": {"num_ctx": 8192.0, "num_gpu": -1, "num_batch": 0},
        "fraction": {"num_ctx": 8192.5},
        "huge": {"num_ctx": 1 << 40},
        "exponent": {"num_ctx": 1e18},
        "text": {"num_ctx": "8192"},
        "null": None,
        "array": [],
    }.items():
        yield f"params_{name}", b"p" + json.dumps(body).encode()
    yield "params_not_json", b"pnum_ctx 4096"
    yield "params_infinite", b'p{"num_ctx":1e999}'
    names = "qwen3 qwen3:30b-a3b user/model:tag localhost:11434/library/m:t https://registry.ollama.ai/library/qwen3:8b"
    names += " http://h.example:5000/n/m hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M ../../etc/passwd a//b :"
    names += " c:\\models\\m ftp://h/n/m m:t:t /m m/ a/b/c/d -m .m m:-t http://m"
    for i, name in enumerate(names.split(" ")):
        yield f"name_{i:02}", b"n" + name.encode()
    yield "name_empty", b"n"
    yield "name_nul", b"nm\0:t"
    yield "name_long", b"n" + b"m" * 81


SAFETENSORS_BITS = {"BF16": 16, "F16": 16, "F32": 32, "I32": 32, "U32": 32, "I64": 64, "U8": 8, "I8": 8, "BOOL": 8}
SAFETENSORS_BITS |= {"F8_E4M3": 8, "F8_E8M0": 8, "F4": 4}


def safetensors(rows, text=None, length=None, data=None, metadata=None, **changes):
    """A file of (name, dtype, shape) rows; the other arguments let it lie. `changes` are entries by tensor name."""
    header, end = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, dtype, shape in rows:
        size = SAFETENSORS_BITS.get(dtype, 8)
        for n in shape:
            size *= n
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size // 8]}
        end += size // 8
    for name, entry in changes.items():
        header[name] = entry
    raw = json.dumps(header).encode() if text is None else text
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + b"\0" * (end if data is None else data)


def safetensors_seeds():
    block = "model.layers.0."
    norm = [(block + "input_layernorm.weight", "BF16", [8]), ("model.norm.weight", "BF16", [8])]
    dense = [("model.embed_tokens.weight", "BF16", [4, 8]), ("lm_head.weight", "BF16", [4, 8])]
    dense += [(block + f"self_attn.{x}_proj.weight", "BF16", [8, 8]) for x in "qkvo"]
    dense += [(block + f"mlp.{x}_proj.weight", "BF16", [8, 8]) for x in ("gate", "up", "down")] + norm
    q = block + "mlp.up_proj."
    packings = {
        "dense": dense,
        "f32_scalar": [("a", "F32", []), ("b", "F32", [0, 4]), ("c", "I64", [1])],
        "fp8": [
            (q + "weight", "F8_E4M3", [8, 8]),
            (q + "weight_scale_inv", "F32", [1, 1]),
            (q + "input_scale", "F32", []),
        ],
        "awq": [(q + "qweight", "I32", [8, 2]), (q + "qzeros", "I32", [1, 2]), (q + "scales", "F16", [1, 16])],
        "gptq": [
            (q + "qweight", "I32", [2, 8]),
            (q + "qzeros", "I32", [1, 1]),
            (q + "scales", "F16", [1, 8]),
            (q + "g_idx", "I32", [16]),
        ],
        "mxfp4": [
            (block + "mlp.experts.gate_up_proj_blocks", "U8", [2, 4, 1, 16]),
            (block + "mlp.experts.gate_up_proj_scales", "U8", [2, 4, 1]),
            (block + "mlp.experts.gate_up_proj_bias", "BF16", [2, 4]),
            (block + "mlp.router.weight", "BF16", [2, 8]),
        ],
        "nvfp4": [
            (q + "weight", "U8", [8, 4]),
            (q + "weight_scale", "F8_E4M3", [8, 1]),
            (q + "weight_scale_2", "F32", []),
            (q + "input_scale", "F32", []),
        ],
        "packed": [
            (q + "weight_packed", "I32", [8, 1]),
            (q + "weight_scale", "BF16", [8, 1]),
            (q + "weight_shape", "I64", [2]),
            (q + "weight_zero_point", "I32", [1, 1]),
        ],
        "bitsandbytes": [
            (q + "weight", "U8", [32, 1]),
            (q + "weight.absmax", "F32", [1]),
            (q + "weight.quant_map", "F32", [16]),
            (q + "weight.quant_state.bitsandbytes__nf4", "U8", [80]),
        ],
        "mlx": [(q + "weight", "U32", [8, 8]), (q + "scales", "BF16", [8, 1]), (q + "biases", "BF16", [8, 1])],
        "experts": [
            (f"{block}mlp.experts.{e}.{x}_proj.weight", "BF16", [4, 8]) for e in range(3) for x in ("up", "down")
        ]
        + [(block + "mlp.gate.weight", "BF16", [3, 8]), (block + "mlp.gate.e_score_correction_bias", "F32", [3])],
        "vision": [("vision_tower.encoder.layers.0.mlp.fc1.weight", "BF16", [8, 8]), ("x.y.z", "F4", [2, 4])],
        "new_dtype": [("a", "F8_NEW", [4]), ("b", "C64_", [4])],
        "none": [],
    }
    for name, rows in packings.items():
        yield name, safetensors(rows)
    yield "metadata", safetensors(norm, metadata={"format": "pt"})
    yield "metadata_null", safetensors([], text=b'{"__metadata__":null}')
    yield "metadata_number", safetensors([], metadata={"a": 1})
    one = [("a", "F32", [4])]
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    for name, value in {
        "twice_the_bytes": entry | {"data_offsets": [0, 32]},
        "backwards": entry | {"data_offsets": [16, 0]},
        "three_offsets": entry | {"data_offsets": [0, 8, 16]},
        "huge_offset": entry | {"data_offsets": [0, 1 << 63]},
        "negative": entry | {"shape": [-4]},
        "overflow": entry | {"shape": [1 << 62, 4]},
        "zero_overflow": entry | {"shape": [0, 1 << 62, 1 << 62], "data_offsets": [0, 0]},
        "fraction": entry | {"shape": [4.0]},
        "dims_65": entry | {"shape": [1] * 65},
        "no_shape": {"dtype": "F32", "data_offsets": [0, 16]},
        "dtype_number": entry | {"dtype": 1},
        "dtype_control": entry | {"dtype": "\x1b[31m"},
        "extra_key": entry | {"other": {"deep": [[{}]]}},
        "string": "a",
    }.items():
        yield f"bad_{name}", safetensors([], data=16, b=value)
    yield "bad_overlap", safetensors(one, b=entry)
    yield "bad_hole", safetensors(one, data=64, b=entry | {"data_offsets": [32, 48]})
    yield "bad_cut_short", safetensors(one, data=15)
    yield "bad_too_long", safetensors(one, data=17)
    for length in (0, 1 << 20, 100_000_001, 1 << 63, (1 << 64) - 1):
        yield f"bad_length_{length:x}", safetensors(one, length=length)
    for name, text in {
        "key_twice": b'{"a":{"dtype":"F32","dtype":"F32"}}',
        "tensor_twice": b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
        "deep": b'{"a":{"x":' + b"[" * 100,
        "utf8": b'{"\xff":1}',
        "nul": b'{"a\\u0000\\u001b":1}\0{}',
    }.items():
        yield f"bad_{name}", safetensors([], text=text)
    yield "bad_git_lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"

    def index(weights, **metadata):
        return json.dumps({"metadata": metadata, "weight_map": weights}).encode()

    two = safetensors(one) + b"%%%%" + safetensors([("b", "BF16", [2])])
    yield "index", index({"a": "0", "b": "1"}, total_size=20) + b"%%%%" + two
    yield "index_float_total", index({"a": "0"}, total_size=1.6e1) + b"%%%%" + two
    yield "index_extra_tensor", index({"a": "0"}) + b"%%%%" + safetensors([*one, ("c", "U8", [1])])
    yield "index_missing_tensor", index({"a": "0", "c": "0"}) + b"%%%%" + two
    yield "index_tensor_in_both", index({"a": "0", "b": "1"}) + b"%%%%" + safetensors(one) + b"%%%%" + safetensors(one)
    yield "index_missing_file", index({"a": "7"})
    yield "index_empty", index({})
    for i, name in enumerate(("../a", "/etc/passwd", "", "..", "c:\\a", "a\x1b", "x" * 256, 5, None)):
        yield f"index_name_{i}", index({"a": name})
    for total in (-1, 1 << 63, 1e300, 0.5, "5"):
        yield f"index_total_{total}", index({"a": "0"}, total_size=total)
    yield "index_key_twice", b'{"weight_map":{"a":"0","a":"1"}}'
    yield "index_map_twice", b'{"weight_map":{"a":"0"},"weight_map":{"a":"1"}}'
    yield "index_no_map", b'{"metadata":{"total_size":4}}'
    yield "index_array", b'{"weight_map":[["a","0"]]}'


# What config.json files of these families state (facts; smaller numbers where only the kind of key matters).
USUAL = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LATENT = {"kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
DEEPSEEK = LATENT | {
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1,
}
DELTA_NET = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "full_attention_interval": 4,
}
QWEN_MOE = {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1}
YARN = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}
BLOCK_FP8 = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
FAMILIES = {
    "llama": {"rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}},
    "mistral": {"sliding_window": 4096, "head_dim": 128},
    "mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None},
    "qwen2": {"use_sliding_window": False, "sliding_window": 131072, "max_window_layers": 28},
    "qwen3_moe": QWEN_MOE | {"head_dim": 128, "mlp_only_layers": [1, 2]},
    "qwen3_next": QWEN_MOE | DELTA_NET | {"head_dim": 256, "shared_expert_intermediate_size": 512},
    "qwen3_5_moe_text": QWEN_MOE | DELTA_NET | {"mtp_num_hidden_layers": 1},
    "deepseek_v2": DEEPSEEK | {"q_lora_rank": None},
    "deepseek_v3": DEEPSEEK | {"rope_scaling": YARN, "quantization_config": BLOCK_FP8},
    "deepseek_v32": DEEPSEEK | {"index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048},
    "deepseek_v4": DEEPSEEK | {"expert_dtype": "fp4"},
    "kimi_k2": DEEPSEEK,
    "glm_moe_dsa": DEEPSEEK | {"index_head_dim": 128, "index_n_heads": 32},
    "kimi_linear": DEEPSEEK
    | {
        "num_experts": 256,
        "linear_attn_config": {
            "full_attn_layers": [4, 8],
            "kda_layers": [1, 2, 3],
            "head_dim": 128,
            "num_heads": 32,
            "short_conv_kernel_size": 4,
        },
    },
    "gpt_oss": {
        "num_local_experts": 32,
        "num_experts_per_tok": 4,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 16,
        "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
    },
    "gemma2": {"sliding_window": 4096, "head_dim": 256},
    "gemma3_text": {"sliding_window": 512, "sliding_window_pattern": 6, "head_dim": 256, "tie_word_embeddings": True},
    "gemma3n_text": {
        "num_kv_shared_layers": 15,
        "hidden_size_per_layer_input": 256,
        "vocab_size_per_layer_input": 262144,
        "altup_num_inputs": 4,
        "laurel_rank": 64,
        "intermediate_size": [16384] * 32,
    },
    "gemma4_text": {
        "global_head_dim": 512,
        "num_global_key_value_heads": 2,
        "sliding_window": 1024,
        "layer_types": ["sliding_attention"] * 5 + ["full_attention"] + ["sliding_attention"] * 26,
        "attention_k_eq_v": True,
        "enable_moe_block": True,
        "num_experts": 128,
        "top_k_experts": 8,
        "moe_intermediate_size": 704,
        "use_double_wide_mlp": True,
        "num_kv_shared_layers": 4,
    },
    "llama4_text": {
        "num_local_experts": 16,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 16384,
        "interleave_moe_layer_step": 1,
        "attention_chunk_size": 8192,
        "no_rope_layers": [1, 1, 1, 0] * 8,
    },
    "minimax_m2": {"num_local_experts": 256, "num_experts_per_tok": 8, "num_mtp_modules": 3},
    "mimo_v2_flash": {
        "hybrid_layer_pattern": [0] + [1] * 31,
        "sliding_window": 128,
        "swa_num_key_value_heads": 8,
        "swa_num_attention_heads": 64,
        "swa_head_dim": 192,
        "swa_v_head_dim": 128,
        "head_dim": 192,
        "v_head_dim": 128,
        "moe_layer_freq": [0] + [1] * 31,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
    },
    "nemotron_h": {
        "hybrid_override_pattern": "M-M*" * 8,
        "mamba_num_heads": 256,
        "mamba_head_dim": 64,
        "ssm_state_size": 256,
        "n_groups": 8,
        "conv_kernel": 4,
        "expand": 2,
    },
    "granitemoehybrid": {
        "layer_types": (["mamba"] * 7 + ["attention"]) * 4,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_n_heads": 64,
        "mamba_d_head": 64,
        "mamba_n_groups": 1,
        "shared_intermediate_size": 8192,
        "num_local_experts": 0,
    },
    "jamba": {
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 16,
        "num_experts_per_tok": 2,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_dt_rank": 256,
    },
    "falcon_h1": {
        "mamba_d_ssm": 4096,
        "mamba_d_state": 256,
        "mamba_d_conv": 4,
        "mamba_n_heads": 32,
        "mamba_d_head": 128,
    },
    "lfm2": {"conv_L_cache": 3, "layer_types": ["conv", "full_attention"] * 16, "block_auto_adjust_ff_dim": True},
    "mamba": {"state_size": 16, "conv_kernel": 4, "expand": 2, "time_step_rank": "auto"},
    "nemotron-nas": {
        "block_configs": [
            {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": 2.625, "no_op": False}},
            {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 1.3125}},
        ]
        * 16
    },
    "cohere2": {"sliding_window": 4096, "sliding_window_pattern": 4},
    "phi3": {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096},
    "hunyuan": {
        "num_experts": 64,
        "moe_topk": [8] * 32,
        "moe_intermediate_size": [3072] * 32,
        "num_shared_expert": [1] * 32,
    },
    "exaone4": {"layer_types": ["sliding_attention"] * 3 + ["full_attention"], "sliding_window": 4096},
    "mpt": {"d_model": 4096, "n_heads": 32, "n_layers": 32, "max_seq_len": 2048, "attn_config": {"kv_n_heads": 8}},
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 8, "multi_query": False},
    "chatglm": {"num_layers": 28, "ffn_hidden_size": 13696, "multi_query_group_num": 2, "padded_vocab_size": 65024},
    "whatever": {},
    "bert": {},
    "bad\x1b[31m\n": {},
}
PACKINGS = {
    "awq": {"quant_method": "awq", "bits": 4, "group_size": 128},
    "gptq": {"quant_method": "gptq", "bits": 8, "group_size": -1},
    "bitsandbytes": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "nvfp4": {"quant_method": "modelopt", "quant_algo": "NVFP4"},
    "compressed": {
        "quant_method": "compressed-tensors",
        "config_groups": {
            "group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}}
        },
    },
    "strange": {"quant_method": "\x1b[31m", "bits": 3},
    "number": {"quant_method": 5},
}


def configs():
    for family, keys in FAMILIES.items():
        config = (
            USUAL | {"model_type": family, "architectures": [family.title().replace("_", "") + "ForCausalLM"]} | keys
        )
        name = "".join(c if c.isalnum() else "_" for c in family)
        yield name, json.dumps(config).encode()
    for name, packing in PACKINGS.items():
        yield f"quantised_{name}", json.dumps(USUAL | {"model_type": "llama", "quantization_config": packing}).encode()
    mlx = {"group_size": 64, "bits": 4, "model.layers.0": {"group_size": 32, "bits": 8}}
    yield "quantised_mlx", json.dumps(USUAL | {"model_type": "llama", "quantization": mlx}).encode()
    for outer in ("text_config", "llm_config", "language_config", "thinker_config"):
        config = {"model_type": "some_vl", "vision_config": {"hidden_size": 1}, outer: USUAL | {"model_type": "qwen2"}}
        yield f"inside_{outer}", json.dumps(config).encode()
    for key in ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "max_position_embeddings"):
        for i, value in enumerate((0, -1, 1 << 31, 1 << 64, 1.5, "8", None, [], {})):
            yield f"bad_{key}_{i}", json.dumps(USUAL | {"model_type": "llama", key: value}).encode()
    for i, text in enumerate(
        (b"", b"[]", b"null", b"{}", b'{"model_type":5}', b'{"a":1e999}', b"[" * 100, b'{"\xff":1}')
    ):
        yield f"bad_text_{i}", text
    deep = json.dumps(
        USUAL | {"model_type": "llama", "layer_types": ["\x1b" * 100] * 4, "rope_scaling": {"factor": "\n"}}
    )
    yield "bad_control", deep.encode()
    many = USUAL | {"model_type": "llama", "num_hidden_layers": 4096, "layer_types": ["full_attention"] * 100}
    yield "bad_layer_types", json.dumps(many).encode()


def write(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds:
        assert len(content) < 16384, name
        (folder / name).write_bytes(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "corpus")
    corpus = parser.parse_args().folder
    write(corpus / "gguf", good_gguf())
    write(corpus / "gguf", ((f"bad_{name}", content) for name, content in bad_gguf()))
    write(corpus / "ollama", ollama())
    write(corpus / "safetensors", safetensors_seeds())
    write(corpus / "config", configs())


if __name__ == "__main__":
    main()
