"""Parameter counts of catalogue models, written a second time.

Nothing here is shared with the C++ library: the formulas come from the tensor lists of the architectures (one function
a mixer, one a feed-forward kind), so that a wrong shape in `data/models` or a wrong inventory in `model/` shows up as a
difference. The unit is one stored parameter, that is one element of one tensor of the published weights. Standard
library only; `python3 tests/reference/parameters.py data/models` prints the table.
"""
from __future__ import annotations

import json
import pathlib
import sys

# Families whose attention projections carry a bias on query, key and value; with the output projection where named.
QKV_BIAS = {"qwen2", "gpt-oss", "glm4moe", "seed_oss", "phi2", "starcoder2"}
OUTPUT_BIAS = {"gpt-oss", "phi2", "starcoder2"}
FEED_FORWARD_BIAS = {"phi2", "starcoder2"}
# Norms of query and key heads: one weight per head width ...
QK_NORM = {
    "qwen3", "qwen3moe", "qwen3next", "qwen35", "qwen35moe", "gemma3", "gemma3n", "gemma4", "glm4moe", "lfm2",
    "hunyuan-moe", "exaone4", "bailingmoe2", "dots1", "minimax-m3", "laguna",
}
# ... or one weight for each head and width.
QK_NORM_WIDE = {"olmo2", "minimax-m2"}
NO_GATE = {"starcoder2", "falcon", "phi2", "nemotron_h", "nemotron_h_moe"}
QUERY_GATE = {"qwen3next", "qwen35", "qwen35moe"}  # the query projection also makes an output gate
NORMS_PER_LAYER = {  # vectors of d_model; other families have two
    "gemma2": 4, "gemma3": 4, "gemma3n": 4, "gemma4": 4, "glm4": 4,
    "command-r": 1, "cohere2": 1, "phi2": 1, "nemotron_h": 1, "nemotron_h_moe": 1, "mamba": 1, "mamba2": 1, "falcon": 1,
}
BIASED_NORMS = {"starcoder2", "phi2", "falcon", "stablelm"}
ROUTER_BIAS = {"glm4moe", "glm-dsa", "deepseek32", "dots1", "bailingmoe2", "minimax-m2", "minimax-m3", "nemotron_h_moe",
               "mimo2", "ernie4_5-moe", "kimi-linear", "laguna"}


def expand(runs, n_layers):
    """One kind per layer from [[kind, count], ...], repeated from its start."""
    kinds = []
    while len(kinds) < n_layers:
        for kind, count in runs:
            kinds += [kind] * count
    return kinds[:n_layers]


def pick(values, layer):
    if not values:
        return 0
    return values[0] if len(values) == 1 else values[layer]


def attention(arch, layer, kind):
    family, d = arch["family"], arch["d_model"]
    heads, kv_heads = pick(arch.get("n_heads"), layer), pick(arch.get("n_kv_heads"), layer)
    if heads == 0:
        return 0
    width_k = arch.get("head_dim_k") or d // heads
    width_v = arch.get("head_dim_v") or width_k
    if kind in ("sliding", "chunked"):
        heads = arch.get("sliding_n_heads") or heads
        kv_heads = arch.get("sliding_n_kv_heads") or kv_heads
        width_k = arch.get("sliding_head_dim_k") or width_k
        width_v = arch.get("sliding_head_dim_v") or width_v
    features = arch.get("features", {})
    # Gemma 4 models without per-layer embeddings use the key projection as value projection in full-attention layers.
    has_value = not (family == "gemma4" and kind == "full" and not arch.get("per_layer_embedding"))
    query_width = heads * width_k * (2 if family in QUERY_GATE else 1)
    # Layers that reuse an earlier cache (Gemma 3n, Gemma 4) still store their own key and value projections.
    total = d * query_width + heads * width_v * d + d * kv_heads * (width_k + (width_v if has_value else 0))
    if features.get("qkv_bias", family in QKV_BIAS):
        total += query_width + kv_heads * (width_k + width_v)
    if features.get("output_bias", family in OUTPUT_BIAS):
        total += d
    if features.get("qk_norm", family in QK_NORM):
        total += 2 * width_k
    elif family in QK_NORM_WIDE or (family == "command-r" and arch["n_layers"] >= 64):
        total += (heads + kv_heads) * width_k
    if family == "gpt-oss":
        total += heads  # sinks
    if family == "mimo2" and kind == "sliding":
        total += heads
    if family == "laguna":
        total += d * heads  # one output gate a head
    if family == "bitnet":
        total += heads * width_v  # norm before the output projection
    return total


def latent_attention(arch, layer):
    d, heads, shape = arch["d_model"], pick(arch["n_heads"], layer), arch["latent"]
    rank, value = shape["kv_lora_rank"], shape["v_head_dim"]
    rope, nope = shape["qk_rope_head_dim"], shape["qk_nope_head_dim"]
    q_rank = shape.get("q_lora_rank", 0)
    query = d * q_rank + q_rank + q_rank * heads * (nope + rope) if q_rank else d * heads * (nope + rope)
    return query + d * (rank + rope) + rank + rank * heads * (nope + value) + heads * value * d


def indexer(arch):
    if not arch.get("indexer_head_dim"):
        return 0
    width, heads, d = arch["indexer_head_dim"], arch["indexer_n_heads"], arch["d_model"]
    if arch["family"] == "minimax-m3":
        return d * heads * width + d * width + 2 * width
    return arch["latent"]["q_lora_rank"] * heads * width + d * width + d * heads + 2 * width


def recurrent(arch, kind):
    d, shape = arch["d_model"], arch["recurrent"]
    conv, inner = shape["d_conv"], shape.get("d_inner", 0)
    state, groups, heads = shape.get("d_state", 0), shape.get("n_groups", 0), shape.get("n_heads", 0)
    if kind == "mamba1":
        total = d * 2 * inner + conv * inner + inner + inner * (heads + 2 * state) + heads * inner + inner
        total += state * inner + inner + inner * d
        return total + (heads + 2 * state if arch["family"] == "jamba" else 0)
    if kind == "mamba2":
        channels = inner + 2 * groups * state
        return d * (inner + channels + heads) + (conv + 1) * channels + 3 * heads + inner + inner * d
    if kind == "gated_delta_net":
        channels = inner + 2 * groups * state
        return d * channels + d * inner + conv * channels + 2 * d * heads + 2 * heads + inner // heads + inner * d
    if kind == "kimi_delta":
        projections = 3 * d * inner + 3 * conv * inner + inner * d
        gates = 2 * (d * state + state * inner) + d * heads
        return projections + gates + heads + inner + state
    if kind == "short_conv":
        return d * 3 * d + conv * d + d * d
    raise ValueError(kind)


def feed_forward(arch, layer, kind):
    family, d = arch["family"], arch["d_model"]
    matrices = 3 if arch.get("features", {}).get("gated_feed_forward", family not in NO_GATE) else 2
    total = 0
    if kind == "dense" or (kind == "moe" and family == "gemma4"):
        width = pick(arch["d_ff"], layer)
        total += matrices * d * width
        if arch.get("features", {}).get("feed_forward_bias", family in FEED_FORWARD_BIAS):
            total += width + d
        if family == "bitnet":
            total += width
    if kind == "moe":
        experts = arch["experts"]
        count, width = experts["n_experts"], experts["d_ff_expert"]
        shared = experts.get("d_ff_shared", 0)
        inner = experts.get("d_latent", d)
        total += d * count + count * matrices * inner * width + matrices * d * shared
        if "d_latent" in experts:
            total += 2 * d * inner
        if arch.get("features", {}).get("router_bias", family in ROUTER_BIAS):
            total += count
        if family in ("qwen3next", "qwen35moe"):
            total += d
        if family == "gpt-oss":
            total += count + count * (2 * width + d)
        if family == "gemma4":
            total += 4 * d
    return total


def block(arch, layer, mixer, feed_forward_kind):
    family, d = arch["family"], arch["d_model"]
    total = 0
    lists_heads = mixer in ("full", "sliding", "chunked")
    has_mixer = mixer != "none" and not (lists_heads and pick(arch.get("n_heads"), layer) == 0)
    is_dense, is_moe = feed_forward_kind == "dense", feed_forward_kind == "moe"
    has_feed_forward = is_moe or (is_dense and pick(arch.get("d_ff"), layer) > 0)
    if family in NORMS_PER_LAYER:
        norms = NORMS_PER_LAYER[family]
        if family == "falcon" and pick(arch["n_kv_heads"], layer) > 1:
            norms = 2
    else:
        norms = has_mixer + has_feed_forward
    total += norms * d * (2 if family in BIASED_NORMS else 1)
    if mixer == "latent":
        total += latent_attention(arch, layer)
    elif mixer == "full_and_mamba2":
        total += attention(arch, layer, "full") + recurrent(arch, "mamba2")
    elif mixer in ("full", "sliding", "chunked"):
        total += attention(arch, layer, mixer)
    elif mixer != "none":
        total += recurrent(arch, mixer)
    if has_feed_forward:
        total += feed_forward(arch, layer, feed_forward_kind)
    if arch.get("per_layer_embedding"):
        total += 2 * d * arch["per_layer_embedding"] + d
    if family == "gemma4":
        total += 1
    return total


def count(arch):
    """Parameters of the main model and of each multi-token-prediction block, as (main, prediction)."""
    d, n, vocab = arch["d_model"], arch["n_layers"], arch["vocab_size"]
    mixers = expand(arch["mixers"], n)
    kinds = expand(arch["feed_forwards"], n)
    main = vocab * d * (1 if arch["tied_embeddings"] else 2)
    main += d * (2 if arch["family"] in BIASED_NORMS else 1)
    if arch["family"] == "phi2":
        main += vocab
    main += sum(block(arch, i, mixers[i], kinds[i]) for i in range(n))
    main += indexer(arch) * (arch.get("indexer_n_layers") or (n if arch.get("indexer_head_dim") else 0))
    per_layer = arch.get("per_layer_embedding", 0)
    if per_layer:
        main += per_layer * n * vocab + d * per_layer * n + per_layer
    prediction = 0
    if arch.get("n_mtp_layers"):
        prediction = block(arch, n - 1, mixers[-1], kinds[-1]) + 2 * d * d + 3 * d + indexer(arch)
        if arch.get("features", {}).get("mtp_own_embeddings"):
            prediction += 2 * vocab * d
        prediction *= arch["n_mtp_layers"]
    return main, prediction


def main(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.json")):
        model = json.loads(path.read_text(encoding="ascii"))
        trunk, prediction = count(model["architecture"])
        figure = model.get("parameters", {}).get("total")
        text = ""
        if figure:
            text = f"{figure['value']:>16.0f} {100 * (trunk + prediction) / figure['value'] - 100:+.3f} %"
        print(f"{model['id']:36} {trunk:>16} {prediction:>14} {text} {model['sizing']['status']}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data/models")
