"""The models behind tests/golden/data/gguf: keys, tensor names and shapes of 26 families at tiny widths.

Each function says what its model is beside what its file holds: `Model.layer` once a block, `expert_keys`,
`mtp_layers`. Used by write_gguf_files.py. Sources: the tensor creation in `src/models/*.cpp` of llama.cpp and its
converter's keys; both are checked by loading the files (write_gguf_files.py --load).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Format
from gguf.constants import GGUFValueType as Kind

# ---------------------------------------------------------------------------------------------------------- a model


@dataclass
class Spelled:
    """A value in a width of its own; plain values are u32, f32, bool, string and arrays of i32 or f32."""

    value: Any
    kind: Kind


@dataclass
class Model:
    """Keys, tensors and facts of one file."""

    architecture: str
    file: str
    d: int = 32
    vocab: int = 24
    context: int = 32768
    tied: bool = False
    formats: dict[str, str] = field(default_factory=lambda: {"": "Q8_0"})  # by part of the name; "": all other matrices
    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, tuple[tuple[int, ...], Format]] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)
    mtp_layers: int = 0
    experts: str = ""
    content: str = "model"
    guessed: int = 0  # tensors that are in none of libsizer's lists
    kv_elements: int = 0  # of one token, where the widths of attn_k and attn_v decide
    general: dict[str, Any] = field(default_factory=dict)
    big_endian: bool = False
    version: int = 3
    split: tuple[int, bool] = (0, False)  # tensors in a part, first part without any
    tokenizer: str = "gpt2"

    def set(self, **keys: Any) -> None:
        """Keys of the family; two underscores stand for a dot."""
        self.keys.update({f"{self.architecture}.{key.replace('__', '.')}": value for key, value in keys.items()})

    def vector(self, name: str, *ne: int) -> None:
        """A tensor that is never quantised."""
        self.tensors[name] = (ne, Format.F32)

    def matrix(self, name: str, *ne: int, wanted: str = "") -> None:
        """A tensor in the format for its name, or in the next one whose blocks fit its rows."""
        if not wanted:
            wanted = next((f for part, f in self.formats.items() if part and part in name), self.formats[""])
        for one in (Format[wanted], Format.Q5_0, Format.F16):
            if ne[0] % GGML_QUANT_SIZES[one][0] == 0:
                self.tensors[name] = (ne, one)
                return

    def layer(self, mixer: str, heads: Sequence[int], feed_forward: str) -> None:
        """What the block just written is: heads are n_heads, n_kv_heads, width of a key, of a value."""
        self.layers.append(" ".join([mixer, *map(str, heads), feed_forward]))


def start(m: Model, layers: int, ff: int | list[int] | None, heads: Sequence[Any] = (), **keys: Any) -> None:
    """The keys that all families share, and the tensors outside the blocks."""
    m.set(block_count=layers, context_length=m.context, embedding_length=m.d)
    if ff is not None:
        m.set(feed_forward_length=ff)
    if heads:
        query, kv, key, value = heads
        m.set(attention__head_count=query, attention__head_count_kv=kv)
        m.set(attention__key_length=key, attention__value_length=value)
        m.set(rope__dimension_count=key)
    m.set(attention__layer_norm_rms_epsilon=1e-6)
    m.set(**keys)
    m.matrix("token_embd.weight", m.d, m.vocab)
    m.vector("output_norm.weight", m.d)
    if not m.tied:
        m.matrix("output.weight", m.d, m.vocab)


def attention(m: Model, i: int, heads: Sequence[int], *, twice: bool = False, bias: str = "", norms: str = "") -> None:
    """Query, key, value and output of block `i`. `bias` names those with one; `norms`: "head" or "whole"."""
    query, kv, key, value = heads
    rows = {"q": query * key * (2 if twice else 1), "k": kv * key, "v": kv * value, "output": m.d}
    for name, n in rows.items():
        m.matrix(f"blk.{i}.attn_{name}.weight", query * value if name == "output" else m.d, n)
        if name in bias.split():
            m.vector(f"blk.{i}.attn_{name}.bias", n)
    if norms:
        m.vector(f"blk.{i}.attn_q_norm.weight", key if norms == "head" else query * key)
        m.vector(f"blk.{i}.attn_k_norm.weight", key if norms == "head" else kv * key)


def norms_of(m: Model, i: int, *names: str) -> None:
    """Norms as wide as the model."""
    for name in names:
        m.vector(f"blk.{i}.{name}.weight", m.d)


def dense(m: Model, i: int, ff: int, *, gate: bool = True, suffix: str = "") -> None:
    """Feed-forward part of block `i`, or with a suffix its shared experts."""
    if gate:
        m.matrix(f"blk.{i}.ffn_gate{suffix}.weight", m.d, ff)
    m.matrix(f"blk.{i}.ffn_up{suffix}.weight", m.d, ff)
    m.matrix(f"blk.{i}.ffn_down{suffix}.weight", ff, m.d)


def mixture(
    m: Model, i: int, n: int, ff: int, *, shared: int = 0, selection: bool = False, biases: bool = False
) -> None:
    """Router and experts of block `i`."""
    m.vector(f"blk.{i}.ffn_gate_inp.weight", m.d, n)
    m.matrix(f"blk.{i}.ffn_gate_exps.weight", m.d, ff, n)
    m.matrix(f"blk.{i}.ffn_up_exps.weight", m.d, ff, n)
    m.matrix(f"blk.{i}.ffn_down_exps.weight", ff, m.d, n)
    if biases:
        m.vector(f"blk.{i}.ffn_gate_inp.bias", n)
        for name, width in (("gate", ff), ("up", ff), ("down", m.d)):
            m.vector(f"blk.{i}.ffn_{name}_exps.bias", width, n)
    if selection:
        m.vector(f"blk.{i}.exp_probs_b.bias", n)
    if shared:
        dense(m, i, shared, suffix="_shexp")


def expert_keys(m: Model, n: int, used: int, width: int, *, shared: int = 0, **keys: Any) -> None:
    """What the file and the table say of the experts; `width` 0: the file states none."""
    m.set(expert_count=n, expert_used_count=used, **keys)
    if width:
        m.set(expert_feed_forward_length=width)
    m.experts = f"{n} {used} {width or m.keys[f'{m.architecture}.feed_forward_length']} {shared}"


def mamba2(m: Model, i: int, inner: int, state: int, heads: int, groups: int) -> None:
    """A Mamba 2 mixer with a convolution of 4."""
    conv = inner + 2 * groups * state
    m.matrix(f"blk.{i}.ssm_in.weight", m.d, inner + conv + heads)
    m.vector(f"blk.{i}.ssm_conv1d.weight", 4, conv)
    m.vector(f"blk.{i}.ssm_conv1d.bias", conv)
    m.vector(f"blk.{i}.ssm_dt.bias", heads)
    m.vector(f"blk.{i}.ssm_a", 1, heads)
    m.vector(f"blk.{i}.ssm_d", 1, heads)
    m.vector(f"blk.{i}.ssm_norm.weight", inner // groups, groups)
    m.matrix(f"blk.{i}.ssm_out.weight", inner, m.d)


def mamba2_keys(m: Model, inner: int, state: int, heads: int, groups: int) -> None:
    """Its keys."""
    m.set(ssm__conv_kernel=4, ssm__inner_size=inner, ssm__state_size=state)
    m.set(ssm__time_step_rank=heads, ssm__group_count=groups)


def latent(m: Model, i: int, heads: int, rank: int, nope: int, rope: int, value: int, q_rank: int = 0) -> None:
    """Multi-head latent attention, its second half split into keys and values as converters do since 2025-04."""
    if q_rank:
        m.vector(f"blk.{i}.attn_q_a_norm.weight", q_rank)
        m.matrix(f"blk.{i}.attn_q_a.weight", m.d, q_rank)
        m.matrix(f"blk.{i}.attn_q_b.weight", q_rank, heads * (nope + rope))
    else:
        m.matrix(f"blk.{i}.attn_q.weight", m.d, heads * (nope + rope))
    m.vector(f"blk.{i}.attn_kv_a_norm.weight", rank)
    m.matrix(f"blk.{i}.attn_kv_a_mqa.weight", m.d, rank + rope)
    m.matrix(f"blk.{i}.attn_k_b.weight", nope, rank, heads)
    m.matrix(f"blk.{i}.attn_v_b.weight", rank, value, heads)
    m.matrix(f"blk.{i}.attn_output.weight", heads * value, m.d)


# ---------------------------------------------------------------------------------------------------------- families

HEADS = (4, 2, 8, 8)  # query heads, key-value heads, width of a key, of a value


def llama(file: str, layers: int = 2, ff: int = 32, **options: Any) -> Model:
    """Llama: the plain block."""
    m = Model("llama", file, context=131072, tokenizer="llama", **options)
    start(m, layers, ff, HEADS, rope__freq_base=500000.0, vocab_size=m.vocab)
    m.vector("rope_freqs.weight", 4)  # Llama 3.1 scales its rotation by a tensor
    for i in range(layers):
        norms_of(m, i, "attn_norm", "ffn_norm")
        attention(m, i, HEADS)
        dense(m, i, ff)
        m.layer("full", HEADS, f"dense {ff}")
    return m


def llama_wide() -> Model:
    """Llama with rows of 256, which the K-quants need."""
    formats = {"": "Q2_K", "attn_v": "Q3_K", "attn_q": "IQ2_XS", "token_embd": "Q6_K"}
    heads = (2, 1, 16, 16)
    m = Model("llama", "llama-q2_k", d=256, tied=True, formats=formats, tokenizer="llama")
    m.general["general.file_type"] = 10
    start(m, 1, 32, heads)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    attention(m, 0, heads)
    dense(m, 0, 32)
    m.layer("full", heads, "dense 32")
    return m


def mixtral() -> Model:
    """Llama with experts, whose width is feed_forward_length."""
    m = Model(
        "llama", "mixtral-q4_0", formats={"": "Q4_0", "attn_v": "Q8_0", "output.weight": "Q8_0"}, tokenizer="llama"
    )
    start(m, 1, 32, HEADS)
    expert_keys(m, 4, 2, 0)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    attention(m, 0, HEADS)
    mixture(m, 0, 4, 32)
    m.layer("full", HEADS, "moe")
    return m


def qwen2() -> Model:
    """Qwen2: biases on query, key and value."""
    m = Model("qwen2", "qwen2-f16", formats={"": "F16"}, tied=True)
    start(m, 1, 32, HEADS)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    attention(m, 0, HEADS, bias="q k v")
    dense(m, 0, 32)
    m.layer("full", HEADS, "dense 32")
    return m


def qwen3(file: str, **options: Any) -> Model:
    """Qwen3: norms of query and key, heads wider than the model."""
    heads = (4, 2, 16, 16)
    m = Model("qwen3", file, context=40960, **options)
    start(m, 1, 32, heads)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    attention(m, 0, heads, norms="head")
    dense(m, 0, 32)
    m.layer("full", heads, "dense 32")
    return m


def qwen3moe(file: str, **options: Any) -> Model:
    """Qwen3 with experts in every layer."""
    m = Model("qwen3moe", file, context=262144, **options)
    start(m, 2, 64, HEADS)
    expert_keys(m, 4, 2, 32)
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        attention(m, i, HEADS, norms="head")
        mixture(m, i, 4, 32)
        m.layer("full", HEADS, "moe")
    return m


def delta_net(m: Model, i: int, state: int, keys: int, values: int) -> None:
    """Linear attention of Qwen3-Next and Qwen3.5."""
    conv = 2 * state * keys + state * values
    m.matrix(f"blk.{i}.attn_qkv.weight", m.d, conv)
    m.matrix(f"blk.{i}.attn_gate.weight", m.d, state * values)
    m.vector(f"blk.{i}.ssm_conv1d.weight", 4, conv)
    m.vector(f"blk.{i}.ssm_dt.bias", values)
    m.vector(f"blk.{i}.ssm_a", values)
    if m.architecture == "qwen3next":
        m.matrix(f"blk.{i}.ssm_ba.weight", m.d, 2 * values)
    else:
        m.matrix(f"blk.{i}.ssm_beta.weight", m.d, values)
        m.matrix(f"blk.{i}.ssm_alpha.weight", m.d, values)
    m.vector(f"blk.{i}.ssm_norm.weight", state)
    m.matrix(f"blk.{i}.ssm_out.weight", state * values, m.d)


def qwen3next(architecture: str, file: str, interval: int, **options: Any) -> Model:
    """Qwen3-Next (experts) and Qwen3.5 (dense): one layer in `interval` attends, the others are gated delta nets."""
    heads = (2, 1, 16, 16)
    layers = interval
    m = Model(architecture, file, context=262144, **options)
    m.set(full_attention_interval=interval, rope__dimension_sections=[2, 2, 0, 0])
    start(m, layers, 32, heads)
    mamba2_keys(m, 32, 16, 2, 1)  # two value heads and one key head of 16
    sparse = architecture == "qwen3next"
    if sparse:
        expert_keys(m, 2, 1, 32, shared=32, expert_shared_feed_forward_length=32)
    for i in range(layers):
        norms_of(m, i, "attn_norm", "post_attention_norm")
        attends = (i + 1) % interval == 0
        if attends:
            attention(m, i, heads, twice=True, norms="head")
        else:
            delta_net(m, i, 16, 1, 2)
        if sparse:
            mixture(m, i, 2, 32, shared=32)
            m.vector(f"blk.{i}.ffn_gate_inp_shexp.weight", m.d)
        else:
            dense(m, i, 32)
        m.layer("full" if attends else "gated_delta_net", heads if attends else (), "moe" if sparse else "dense 32")
    return m


def gemma2() -> Model:
    """Gemma 2: every second layer slides; norms on both sides."""
    m = Model(
        "gemma2",
        "gemma2-q4_k_m",
        context=8192,
        tied=True,
        formats={"": "Q4_0", "ffn_down": "Q4_K", "ffn_up": "Q4_1"},
        tokenizer="llama",
    )
    m.general["general.file_type"] = 15
    start(m, 2, 256, HEADS, attention__sliding_window=4096, attn_logit_softcapping=50.0, final_logit_softcapping=30.0)
    for i in range(2):
        norms_of(m, i, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        attention(m, i, HEADS)
        dense(m, i, 256)
        m.layer("full" if i % 2 else "sliding", HEADS, "dense 256")
    return m


def gemma3() -> Model:
    """Gemma 3: one layer in six sees the whole context."""
    m = Model("gemma3", "gemma3-bf16", context=131072, d=16, tied=True, formats={"": "BF16"}, tokenizer="llama")
    heads = (1, 1, 8, 8)
    start(m, 6, 16, heads, attention__sliding_window=512, rope__freq_base=1e6)
    for i in range(6):
        norms_of(m, i, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        attention(m, i, heads, norms="head")
        dense(m, i, 16)
        m.layer("full" if i == 5 else "sliding", heads, "dense 16")
    return m


def gemma4() -> Model:
    """Gemma 4 of the small kind: heads of two widths, shared caches, an embedding for every layer."""
    m = Model("gemma4", "gemma4-q4_0", context=131072, tied=True, formats={"": "Q4_0"}, tokenizer="llama")
    pattern = [True, False, True]
    start(m, 3, [32, 32, 64], (2, [1, 1, 1], 32, 32))
    m.set(attention__sliding_window=512, attention__sliding_window_pattern=pattern, attention__shared_kv_layers=1)
    m.set(attention__key_length_swa=16, attention__value_length_swa=16, rope__dimension_count_swa=16)
    m.set(embedding_length_per_layer_input=32, rope__freq_base_swa=10000.0)
    m.matrix("per_layer_token_embd.weight", 32 * 3, m.vocab)
    m.matrix("per_layer_model_proj.weight", m.d, 32 * 3, wanted="BF16")
    m.vector("per_layer_proj_norm.weight", 32)
    m.vector("rope_freqs.weight", 16)
    for i, slides in enumerate(pattern):
        width, ff = 16 if slides else 32, 32 if i < 2 else 64
        heads = (2, 1, width, width)
        norms_of(m, i, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        attention(m, i, heads, norms="head")
        dense(m, i, ff)
        m.matrix(f"blk.{i}.inp_gate.weight", m.d, 32)
        m.matrix(f"blk.{i}.proj.weight", 32, m.d)
        m.vector(f"blk.{i}.post_norm.weight", m.d)
        m.vector(f"blk.{i}.layer_output_scale.weight", 1)
        m.layer(("sliding" if slides else "full") + (" reuses" if i >= 2 else ""), heads, f"dense {ff}")
    return m


def gpt_oss() -> Model:
    """gpt-oss: MXFP4 experts with biases, attention sinks, every second layer slides."""
    m = Model("gpt-oss", "gpt-oss-mxfp4", context=131072, formats={"": "BF16", "_exps.": "MXFP4"})
    m.general["general.file_type"] = 38
    heads = (2, 1, 8, 8)
    start(m, 2, 32, heads, attention__sliding_window=128)
    expert_keys(m, 2, 1, 32)
    for i in range(2):
        norms_of(m, i, "attn_norm", "post_attention_norm")
        attention(m, i, heads, bias="q k v output")
        m.vector(f"blk.{i}.attn_sinks.weight", 2)
        mixture(m, i, 2, 32, biases=True)
        m.layer("full" if i % 2 else "sliding", heads, "moe")
    return m


def deepseek2() -> Model:
    """DeepSeek-V3: latent attention, a leading dense layer, shared experts."""
    m = Model("deepseek2", "deepseek2-iq4_nl", context=163840, formats={"": "IQ4_NL", "attn_kv_a": "Q8_0"})
    start(m, 2, 32, (2, 1, 32 + 16, 32), leading_dense_block_count=1)
    m.set(attention__q_lora_rank=32, attention__kv_lora_rank=32, rope__dimension_count=16)
    m.set(attention__key_length_mla=32 + 16, attention__value_length_mla=16)
    expert_keys(m, 2, 1, 32, shared=64, expert_shared_count=2, expert_gating_func=2, expert_weights_scale=2.5)
    m.set(expert_weights_norm=True, rope__scaling__type="yarn", rope__scaling__factor=40.0)
    m.set(rope__scaling__original_context_length=4096)
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        latent(m, i, 2, 32, 32, 16, 16, q_rank=32)
        if i == 0:
            dense(m, i, 32)
        else:
            mixture(m, i, 2, 32, shared=64, selection=True)
        m.layer("latent", (2, 1, 48, 32), "moe" if i else "dense 32")
    return m


def glm4moe(file: str, only_mtp: bool = False) -> Model:
    """GLM-4.5 with its multi-token-prediction block, which is counted in block_count; or that block alone."""
    m = Model("glm4moe", file, context=131072, mtp_layers=1, formats={"": "Q4_0", "nextn": "Q5_1"})
    start(m, 3, 32, HEADS, leading_dense_block_count=1, nextn_predict_layers=1)
    expert_keys(m, 2, 1, 32, shared=32, expert_shared_count=1, expert_gating_func=2, expert_weights_scale=1.0)
    m.set(expert_weights_norm=True)
    if only_mtp:
        m.tensors.clear()
        m.content = "draft"
    for i in range(2 if only_mtp else 0, 3):
        norms_of(m, i, "attn_norm", "post_attention_norm")
        attention(m, i, HEADS, bias="q k v")
        if i == 0:
            dense(m, i, 32)
        else:
            mixture(m, i, 2, 32, shared=32, selection=True)
        if i < 2:
            m.layer("full", HEADS, "moe" if i else "dense 32")
    m.matrix("blk.2.nextn.eh_proj.weight", 2 * m.d, m.d)
    norms_of(m, 2, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")
    m.matrix("blk.2.nextn.embed_tokens.weight", m.d, m.vocab)
    m.matrix("blk.2.nextn.shared_head_head.weight", m.d, m.vocab)
    return m


def llama4() -> Model:
    """Llama 4: three of four layers attend in chunks; every second layer has experts, one of them for every token."""
    m = Model("llama4", "llama4-q4_0", context=1048576, formats={"": "Q4_0"})
    start(m, 4, 32, HEADS, interleave_moe_layer_step=2)
    expert_keys(m, 2, 1, 32, shared=32)
    for i in range(4):
        norms_of(m, i, "attn_norm", "ffn_norm")
        attention(m, i, HEADS)
        if i % 2:
            mixture(m, i, 2, 32, shared=32)
        else:
            dense(m, i, 32)
        m.layer("full" if i == 3 else "chunked", HEADS, "moe" if i % 2 else "dense 32")
    return m


def falcon_h1() -> Model:
    """Falcon-H1: attention and Mamba 2 side by side; its norm has no ".weight"."""
    m = Model("falcon-h1", "falcon-h1-q5_0", context=16384, formats={"": "Q5_0"})
    start(m, 1, 32, HEADS)
    mamba2_keys(m, 32, 8, 4, 1)
    norms_of(m, 0, "attn_norm")
    mamba2(m, 0, 32, 8, 4, 1)
    attention(m, 0, HEADS)
    m.vector("blk.0.ffn_norm", m.d)
    dense(m, 0, 32)
    m.layer("full_and_mamba2", HEADS, "dense 32")
    return m


def nemotron_h() -> Model:
    """Nemotron-H: a layer mixes, attends or feeds forward; key-value heads and widths are stated per layer."""
    m = Model("nemotron_h", "nemotron_h-q5_1", context=8192, formats={"": "Q5_1"})
    pattern = "M-M*-"
    kv, ff = [2 if c == "*" else 0 for c in pattern], [32 if c == "-" else 0 for c in pattern]
    start(m, 5, ff, (4, kv, 8, 8), attention__layer_norm_epsilon=1e-5)
    mamba2_keys(m, 32, 8, 4, 2)
    for i, c in enumerate(pattern):
        norms_of(m, i, "attn_norm")
        if c == "M":
            mamba2(m, i, 32, 8, 4, 2)
            m.layer("mamba2", (), "none")
        elif c == "*":
            attention(m, i, HEADS)
            m.layer("full", HEADS, "none")
        else:
            dense(m, i, 32, gate=False)
            m.layer("none", (), "dense 32")
    return m


def granite() -> Model:
    """Granite 4 hybrid: Mamba 2 with experts, and attention where the file states key-value heads."""
    m = Model("granitehybrid", "granitehybrid-q4_0", context=131072, tied=True, formats={"": "Q4_0"})
    start(m, 2, 32, (4, [0, 2], 8, 8))
    mamba2_keys(m, 64, 8, 4, 1)
    expert_keys(m, 2, 1, 0, shared=32, expert_shared_feed_forward_length=32)
    m.set(logit_scale=6.0, residual_scale=0.22, embedding_scale=12.0, attention__scale=0.015625)
    m.set(rope__scaling__finetuned=False)
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        if i == 1:
            attention(m, i, HEADS)
        else:
            mamba2(m, i, 64, 8, 4, 1)
        mixture(m, i, 2, 32, shared=32)
        m.layer("full" if i == 1 else "mamba2", HEADS if i == 1 else (), "moe")
    return m


def mamba1_mixer(m: Model, i: int, inner: int, state: int, rank: int, norms: bool) -> None:
    """A Mamba 1 mixer."""
    m.matrix(f"blk.{i}.ssm_in.weight", m.d, 2 * inner)
    m.vector(f"blk.{i}.ssm_conv1d.weight", 4, inner)
    m.vector(f"blk.{i}.ssm_conv1d.bias", inner)
    m.matrix(f"blk.{i}.ssm_x.weight", inner, rank + 2 * state)
    m.matrix(f"blk.{i}.ssm_dt.weight", rank, inner)
    m.vector(f"blk.{i}.ssm_dt.bias", inner)
    if norms:
        for name, width in (("dt", rank), ("b", state), ("c", state)):
            m.vector(f"blk.{i}.ssm_{name}_norm.weight", width)
    m.vector(f"blk.{i}.ssm_a", state, inner)
    m.vector(f"blk.{i}.ssm_d", inner)
    m.matrix(f"blk.{i}.ssm_out.weight", inner, m.d)


def mamba() -> Model:
    """Mamba: no attention and no feed-forward part."""
    m = Model("mamba", "mamba-q4_1", context=1048576, tied=True, formats={"": "Q4_1"})
    start(m, 1, 0, (0, 0, 0, 0))
    m.set(ssm__conv_kernel=4, ssm__inner_size=64, ssm__state_size=4, ssm__time_step_rank=2)
    norms_of(m, 0, "attn_norm")
    mamba1_mixer(m, 0, 64, 4, 2, norms=False)
    m.layer("mamba1", (), "none")
    return m


def mamba2_model() -> Model:
    """Mamba 2."""
    m = Model("mamba2", "mamba2-q8_0", context=1048576, tied=True)
    start(m, 1, 0)
    m.set(attention__head_count=0)
    mamba2_keys(m, 64, 8, 4, 1)
    norms_of(m, 0, "attn_norm")
    mamba2(m, 0, 64, 8, 4, 1)
    m.layer("mamba2", (), "none")
    return m


def jamba() -> Model:
    """Jamba: Mamba 1 with inner norms, some attention, experts in every second layer."""
    m = Model("jamba", "jamba-iq4_nl", context=262144, formats={"": "IQ4_NL"}, tokenizer="llama")
    start(m, 2, 32, (4, [0, 2], 8, 8))
    m.set(ssm__conv_kernel=4, ssm__inner_size=64, ssm__state_size=4, ssm__time_step_rank=8)
    expert_keys(m, 2, 1, 0)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    mamba1_mixer(m, 0, 64, 4, 8, norms=True)
    dense(m, 0, 32)
    m.layer("mamba1", (), "dense 32")
    norms_of(m, 1, "attn_norm", "ffn_norm")
    attention(m, 1, HEADS)
    mixture(m, 1, 2, 32)
    m.layer("full", HEADS, "moe")
    return m


def lfm2() -> Model:
    """LFM2: short convolutions, and attention where the file states key-value heads."""
    m = Model("lfm2", "lfm2-f32", context=128000, tied=True, d=16, formats={"": "F32"})
    heads = (2, 1, 8, 8)
    start(m, 2, 16, (2, [0, 1], 8, 8), shortconv__l_cache=3, vocab_size=m.vocab)
    m.tensors["token_embd_norm.weight"] = m.tensors.pop("output_norm.weight")
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        if i == 1:
            attention(m, i, heads, norms="head")
        else:
            m.vector(f"blk.{i}.shortconv.conv.weight", 3, m.d)
            m.matrix(f"blk.{i}.shortconv.in_proj.weight", m.d, 3 * m.d)
            m.matrix(f"blk.{i}.shortconv.out_proj.weight", m.d, m.d)
        dense(m, i, 16)
        m.layer("full" if i == 1 else "short_conv", heads if i == 1 else (), "dense 16")
    return m


def kimi_linear() -> Model:
    """Kimi Linear: delta attention in most layers, latent attention in some."""
    m = Model("kimi-linear", "kimi-linear-q4_0", context=1048576, formats={"": "Q4_0"})
    start(m, 2, 32, (2, [0, 1], 32 + 16, 32), leading_dense_block_count=1, vocab_size=m.vocab)
    m.set(attention__kv_lora_rank=32, attention__key_length_mla=32 + 16, attention__value_length_mla=32)
    m.set(rope__dimension_count=16, ssm__conv_kernel=4, kda__head_dim=16)
    expert_keys(m, 2, 1, 32, shared=32, expert_shared_count=1, expert_gating_func=2, expert_weights_scale=2.446)
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        if i == 1:
            latent(m, i, 2, 32, 32, 16, 32)
        else:
            for c in "qkv":
                m.vector(f"blk.{i}.ssm_conv1d_{c}.weight", 4, 1, 32)
                m.matrix(f"blk.{i}.attn_{c}.weight", m.d, 32)
            for c in "fg":
                m.matrix(f"blk.{i}.ssm_{c}_a.weight", m.d, 16)
                m.matrix(f"blk.{i}.ssm_{c}_b.weight", 16, 32)
            m.matrix(f"blk.{i}.ssm_beta.weight", m.d, 2)
            m.vector(f"blk.{i}.ssm_a", 1, 2)
            m.vector(f"blk.{i}.ssm_dt.bias", 32)
            m.vector(f"blk.{i}.ssm_norm.weight", 16)
            m.matrix(f"blk.{i}.attn_output.weight", 32, m.d)
        if i == 0:
            dense(m, i, 32)
        else:
            mixture(m, i, 2, 32, shared=32, selection=True)
        m.layer("latent" if i == 1 else "kimi_delta", (2, 1, 48, 32) if i == 1 else (), "moe" if i else "dense 32")
    return m


def phi3() -> Model:
    """Phi-3: query, key and value in one matrix, gate and up in another; two tables for its rotation."""
    m = Model("phi3", "phi3-iq4_nl", context=131072, formats={"": "IQ4_NL"}, tokenizer="llama")
    m.general["general.name"] = "Tiny Phi"  # llama.cpp wants tokens of its own in what is called phi-3
    start(m, 2, 64, HEADS, rope__scaling__original_context_length=4096, attention__sliding_window=262144)
    m.vector("rope_factors_long.weight", 4)
    m.vector("rope_factors_short.weight", 4)
    for i in range(2):
        norms_of(m, i, "attn_norm", "ffn_norm")
        m.matrix(f"blk.{i}.attn_qkv.weight", m.d, 32 + 2 * 16)
        m.matrix(f"blk.{i}.attn_output.weight", 32, m.d)
        m.matrix(f"blk.{i}.ffn_up.weight", m.d, 128)
        m.matrix(f"blk.{i}.ffn_down.weight", 64, m.d)
        m.layer("full", HEADS, "dense 64")
    return m


def command_r() -> Model:
    """Command R: one norm a layer, tied."""
    m = Model("command-r", "command-r-iq4_xs", context=131072, tied=True, formats={"": "Q4_0", "ffn_down": "IQ4_XS"})
    start(m, 1, 256, HEADS, attention__layer_norm_epsilon=1e-5, logit_scale=0.0625)
    norms_of(m, 0, "attn_norm")
    attention(m, 0, HEADS)
    dense(m, 0, 256)
    m.layer("full", HEADS, "dense 256")
    return m


def falcon() -> Model:
    """Falcon 7B: one key-value head, one fused matrix, LayerNorm, no gate."""
    m = Model("falcon", "falcon-tq1_0", context=2048, formats={"": "TQ1_0", "attn": "Q4_1"})
    heads = (4, 1, 8, 8)
    start(m, 1, 256, heads, attention__layer_norm_epsilon=1e-5)
    m.vector("output_norm.bias", m.d)
    norms_of(m, 0, "attn_norm")
    m.vector("blk.0.attn_norm.bias", m.d)
    m.matrix("blk.0.attn_qkv.weight", m.d, 48)
    m.matrix("blk.0.attn_output.weight", 32, m.d)
    m.matrix("blk.0.ffn_up.weight", m.d, 256)
    m.matrix("blk.0.ffn_down.weight", 256, m.d)
    m.layer("full", heads, "dense 256")
    return m


def minimax_m2() -> Model:
    """MiniMax-M2: norms over all heads together; the width of an expert is stated."""
    m = Model("minimax-m2", "minimax-m2-nvfp4", context=196608, formats={"": "Q4_0", "_down_exps.": "NVFP4"})
    start(m, 1, 64, HEADS)
    expert_keys(m, 2, 1, 64, expert_gating_func=2)
    norms_of(m, 0, "attn_norm", "ffn_norm")
    attention(m, 0, HEADS, norms="whole")
    mixture(m, 0, 2, 64, selection=True)
    m.layer("full", HEADS, "moe")
    return m


def brandnew() -> Model:
    """A family that nobody knows: it states no heads, and one layer in three does not attend. Odd integer widths."""
    m = Model("brandnew", "brandnew-q3_k", context=65536, formats={"": "Q4_0", "proj": "Q3_K"})
    m.set(block_count=Spelled(3, Kind.UINT64), context_length=Spelled(65536, Kind.INT64))
    m.set(embedding_length=Spelled(32, Kind.UINT16), feed_forward_length=Spelled(32, Kind.UINT8))
    m.set(spin=Spelled(-3, Kind.INT8), bias=Spelled(-300, Kind.INT16), phase=Spelled(-70000, Kind.INT32))
    m.set(
        precision=Spelled(0.1, Kind.FLOAT64), ratios=[0.5, 0.25], enabled=True, order=[3, 1, 2], names=["a", "bc", ""]
    )
    m.matrix("token_embd.weight", m.d, m.vocab)
    m.vector("output_norm.weight", m.d)
    m.matrix("output.weight", m.d, m.vocab)
    for i in range(3):
        norms_of(m, i, "attn_norm", "ffn_norm")
        if i == 1:
            m.matrix(f"blk.{i}.hyper_proj.weight", 256, 8)
            m.vector(f"blk.{i}.hyper_decay", 8)
            m.guessed += 2
        else:
            m.matrix(f"blk.{i}.attn_q.weight", m.d, 64)
            m.matrix(f"blk.{i}.attn_k.weight", m.d, 48)
            m.matrix(f"blk.{i}.attn_v.weight", m.d, 32)
            m.matrix(f"blk.{i}.attn_output.weight", 64, m.d)
            m.kv_elements += 48 + 32
        dense(m, i, 32)
        m.layer("none" if i == 1 else "full", () if i == 1 else (1, 1, 48, 32), "dense 32")
    return m


def every_format() -> Model:
    """One row in every number format; no key of a model but the heads' absence. Q8_1 and Q8_K never lie in files."""
    m = Model("every-format", "every-format", d=256, tokenizer="")
    m.set(block_count=1, context_length=1024, embedding_length=256, feed_forward_length=256, vocab_size=1)
    m.set(attention__head_count=1, attention__key_length=256, attention__value_length=256)
    m.vocab = 1
    m.context = 1024
    m.tensors["token_embd.weight"] = ((256, 1), Format.F32)
    m.tied = True
    for one in GGML_QUANT_SIZES:
        if one not in (Format.Q8_1, Format.Q8_K):
            m.tensors[f"blk.0.row_{one.name.lower()}.weight"] = ((256, 1), one)
            m.guessed += 1
    m.layer("full", (1, 1, 256, 256), "dense 256")
    m.kv_elements = 512
    return m


# ------------------------------------------------------------------------------------------ files that are no models


def mmproj() -> Model:
    """Encoder and projector of Gemma 3's images."""
    m = Model("clip", "mmproj-gemma3-f16", formats={"": "F16"}, content="projector", tokenizer="")
    m.general["general.type"] = "mmproj"
    m.set(has_vision_encoder=True, projector_type="gemma3", use_gelu=True)
    m.set(vision__image_size=16, vision__patch_size=4, vision__embedding_length=32, vision__feed_forward_length=32)
    m.set(vision__block_count=1, vision__attention__head_count=2, vision__projection_dim=32)
    m.set(vision__attention__layer_norm_epsilon=1e-6, vision__image_mean=[0.5] * 3, vision__image_std=[0.5] * 3)
    m.matrix("v.patch_embd.weight", 4, 4, 3, 32)
    m.vector("v.patch_embd.bias", 32)
    m.vector("v.position_embd.weight", 32, 16)
    for name in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down"):
        m.matrix(f"v.blk.0.{name}.weight", 32, 32)
        m.vector(f"v.blk.0.{name}.bias", 32)
    for name in ("ln1", "ln2"):
        m.vector(f"v.blk.0.{name}.weight", 32)
        m.vector(f"v.blk.0.{name}.bias", 32)
    m.vector("v.post_ln.weight", 32)
    m.vector("v.post_ln.bias", 32)
    m.matrix("mm.input_projection.weight", 32, 32)
    m.vector("mm.soft_emb_norm.weight", 32)
    return m


def adapter() -> Model:
    """A LoRA adapter."""
    m = Model("llama", "lora-adapter", content="adapter", tokenizer="")
    m.general["general.type"] = "adapter"
    m.keys |= {"adapter.type": "lora", "adapter.lora.alpha": 16.0}
    for name, rows in (("attn_q", 64), ("attn_v", 32)):
        m.vector(f"blk.0.{name}.weight.lora_a", 32, 4)
        m.vector(f"blk.0.{name}.weight.lora_b", 4, rows)
    return m


def importance_matrix() -> Model:
    """What llama-imatrix writes; it states no architecture."""
    m = Model("", "imatrix", content="calibration", tokenizer="")
    m.general = {"general.type": "imatrix", "imatrix.datasets": ["calibration.txt"], "imatrix.chunk_count": 2}
    m.general["imatrix.chunk_size"] = 512
    m.vector("blk.0.attn_q.weight.in_sum2", 32, 1)
    m.vector("blk.0.attn_q.weight.counts", 1, 1)
    return m


def vocabulary() -> Model:
    """A tokenizer with the keys of its model and no tensors."""
    m = qwen3("vocabulary-only")
    m.tensors.clear()
    m.content = "vocabulary"
    return m


def all_models() -> list[Model]:
    """Every file."""
    aligned = {"general": {"general.alignment": 64}}
    return [
        llama("llama-q8_0"),
        llama_wide(),
        mixtral(),
        qwen2(),
        qwen3moe("qwen3moe-iq4_nl", formats={"": "IQ4_NL", "_exps.": "Q4_0", "ffn_down_exps": "Q5_1"}),
        qwen3next("qwen3next", "qwen3next-mxfp4", 2, formats={"": "Q5_1", "_exps.": "MXFP4"}),
        qwen3next("qwen35", "qwen35-q4_0", 3, formats={"": "Q4_0"}),
        gemma2(),
        gemma3(),
        gemma4(),
        gpt_oss(),
        deepseek2(),
        glm4moe("glm4moe-mtp-q4_0"),
        llama4(),
        falcon_h1(),
        nemotron_h(),
        granite(),
        mamba(),
        mamba2_model(),
        jamba(),
        lfm2(),
        kimi_linear(),
        phi3(),
        command_r(),
        falcon(),
        minimax_m2(),
        brandnew(),
        every_format(),
        # the container
        llama("llama-big-endian", layers=1, big_endian=True),
        qwen3("qwen3-alignment-64", **aligned, formats={"": "Q5_0"}),
        llama("llama-version-2", layers=1, version=2),
        qwen3moe("qwen3moe-split", formats={"": "Q4_0"}, split=(11, False)),
        llama("llama-split-empty-first", layers=1, split=(7, True)),
        # what lies beside models
        mmproj(),
        glm4moe("mtp-glm4moe", only_mtp=True),
        adapter(),
        importance_matrix(),
        vocabulary(),
    ]
