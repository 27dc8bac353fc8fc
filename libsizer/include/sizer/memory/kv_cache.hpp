#pragma once
/// @file
/// Bytes of llama.cpp's KV cache.
///
/// bytes = streams x cells x sum over layers that own a cache of (row bytes of K + row bytes of V)
///
/// A row holds n_kv_heads x head_dim elements at the type's true block size (q8_0: 34 bytes for 32 elements). Latent
/// attention (MLA) keeps one row of kv_lora_rank + rope elements and no V. Sliding-window layers have a cache of their
/// own, of window + ubatch cells. Layers that share another layer's cache own none. Sparse-attention indexers keep one
/// more key row. Without flash attention V is stored transposed, at the widest layer's width. In some families the
/// multi-token-prediction blocks of the file get a cache like any other block.
/// Source: llama.cpp `src/llama-kv-cache.cpp`, `src/llama-kv-cache-iswa.cpp`, `src/llama-kv-cache-dsa.cpp` at
/// unslothai/llama.cpp@d32676d77426 (2026-08); the V-less MLA cache is llama.cpp pull request 19067 (2026-01).

#include <algorithm>
#include <cstdint>
#include <string>

#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Bytes of the KV cache by layer kind and by place.
struct kv_cache_bytes {
  bytes full{};                   ///< layers that keep the whole context
  bytes windowed{};               ///< sliding-window and chunked layers
  bytes indexer{};                ///< sparse-attention indexer keys
  bytes on_device{};              ///< part that lives with layers on the device
  std::int64_t cells = 0;         ///< cells of one stream of the full cache
  std::int64_t window_cells = 0;  ///< cells of one stream of the windowed cache
  std::int64_t n_streams = 1;
  std::int32_t full_layers = 0;
  std::int32_t windowed_layers = 0;

  [[nodiscard]] bytes total() const { return full + windowed + indexer; }
};

/// Bytes that one cached token adds to one layer: the K row and the V row.
/// @param v_elements  elements of the V row; latent attention has none
/// @throws value_error when a row does not fill whole blocks of the type
[[nodiscard]] inline bytes kv_row_bytes(const layer& block, ggml_type type_k, ggml_type type_v,
                                        std::int64_t v_elements) {
  const count k = type_bytes(type_k, count{block.n_kv_heads} * block.head_dim_k);
  if (block.mixer == mixer_kind::latent) return make_bytes(k);
  return make_bytes(k + type_bytes(type_v, v_elements));
}

/// The row of latent attention in builds that keep more than the compressed keys.
[[nodiscard]] inline bytes latent_row_bytes(const layer& block, const latent_shape& latent,
                                            const llama_cpp_options& options) {
  switch (options.latent_cache) {
    case latent_cache::keys_only: break;
    case latent_cache::keys_and_values:
      return make_bytes(type_bytes(options.type_k, block.head_dim_k) + type_bytes(options.type_v, latent.kv_lora_rank));
    case latent_cache::expanded: {
      const count k = count{latent.qk_nope_head_dim} + latent.qk_rope_head_dim;
      return make_bytes(type_bytes(options.type_k, k * block.n_heads) +
                        type_bytes(options.type_v, count{latent.v_head_dim} * block.n_heads));
    }
  }
  return make_bytes(type_bytes(options.type_k, block.head_dim_k));
}

namespace detail {
/// Families whose multi-token-prediction blocks llama.cpp gives a cache: it filters them out of the main cache by name,
/// and does not name these.
[[nodiscard]] inline bool caches_mtp_layers(const std::string& family) noexcept {
  return family == "glm4moe" || family == "exaone-moe";
}

/// llama.cpp refuses these combinations when it makes the context; so do we, with the reason.
inline void check_kv_types(const architecture& model, const llama_cpp_options& options) {
  const auto quantised = [](ggml_type t) { return info(t).block > 1; };
  if (quantised(options.type_v) && !options.flash_attention) {
    const bool has_v = std::any_of(model.layers.begin(), model.layers.end(), [](const layer& block) {
      return block.owns_kv_cache && block.mixer != mixer_kind::latent;
    });
    if (has_v) {
      throw value_error{"type_v", std::string{to_string(options.type_v)},
                        "F32, F16 or BF16 without flash attention (llama.cpp needs it for a quantised V cache)"};
    }
  }
  if (model.shape.latent && options.latent_cache == latent_cache::keys_only && options.flash_attention &&
      options.type_k != options.type_v) {
    throw value_error{"type_v", std::string{to_string(options.type_v)},
                      "the same type as type_k (" + std::string{to_string(options.type_k)} +
                          "): with latent attention V is a view of K"};
  }
}
}  // namespace detail

/// Bytes of the cache that llama.cpp allocates for a model and its options.
/// @throws value_error on options that llama.cpp refuses, or a size beyond 64 bits
[[nodiscard]] inline kv_cache_bytes llama_cpp_kv_cache(const architecture& model, const llama_cpp_options& options) {
  const llama_cpp_context context = resolve(options, model);
  detail::check_kv_types(model, options);

  std::int64_t widest_v = 0;
  for (const layer& block : model.layers) {
    widest_v = std::max(widest_v, std::int64_t{block.n_kv_heads} * block.head_dim_v);
  }

  kv_cache_bytes cache;
  cache.cells = context.cells;
  cache.n_streams = context.n_streams;
  const std::int64_t first_on_device = detail::first_device_layer(model, options);
  const count full_rows = count{context.cells} * context.n_streams;
  const count window_rows = count{context.window_cells} * context.n_streams;
  std::int32_t indexers_left =
      model.shape.indexer_head_dim > 0
          ? (model.shape.indexer_n_layers > 0 ? model.shape.indexer_n_layers : model.shape.n_layers)
          : 0;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const layer& block = model.layers[i];
    if (!block.owns_kv_cache) continue;
    const std::int64_t own_v = std::int64_t{block.n_kv_heads} * block.head_dim_v;
    const bytes row = block.mixer == mixer_kind::latent ? latent_row_bytes(block, *model.shape.latent, options)
                                                        : kv_row_bytes(block, options.type_k, options.type_v,
                                                                       options.flash_attention ? own_v : widest_v);
    bytes layer_bytes{};
    if (is_windowed(block.mixer)) {
      layer_bytes = row * window_rows;
      cache.windowed += layer_bytes;
      cache.window_cells = context.window_cells;
      ++cache.windowed_layers;
    } else {
      layer_bytes = row * full_rows;
      cache.full += layer_bytes;
      ++cache.full_layers;
    }
    if (indexers_left > 0) {
      --indexers_left;
      const bytes keys = make_bytes(type_bytes(options.type_k, model.shape.indexer_head_dim) * full_rows);
      cache.indexer += keys;
      layer_bytes += keys;
    }
    if (options.offload_kqv && static_cast<std::int64_t>(i) >= first_on_device) cache.on_device += layer_bytes;
  }
  if (model.shape.n_mtp_layers > 0 && detail::caches_mtp_layers(model.shape.family)) {
    const layer& last = model.layers.back();  // the extra blocks repeat its shape
    const bytes row =
        kv_row_bytes(last, options.type_k, options.type_v, std::int64_t{last.n_kv_heads} * last.head_dim_v);
    const bytes extra = row * (full_rows * model.shape.n_mtp_layers);
    cache.full += extra;
    cache.full_layers += model.shape.n_mtp_layers;
    if (options.offload_kqv) cache.on_device += extra;
  }
  return cache;
}

}  // namespace v0
}  // namespace sizer
