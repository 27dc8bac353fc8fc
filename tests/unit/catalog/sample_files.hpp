#pragma once
// A machine and a model in the file format, and a way to break them.

#include <doctest/doctest.h>

#include <string>

inline const std::string sample_machine = R"({
  "schema_version": 1,
  "id": "my-box",
  "name": "Box of mine",
  "aliases": [],
  "vendor": "Me",
  "kind": "system",
  "release_year": 2026,
  "devices": [
    {
      "name": "Card", "count": 2, "backend": "cuda", "device_class": "nvidia_consumer",
      "memory": {
        "type": "GDDR6X", "unified": false,
        "sold": {"value": 24, "unit": "GiB", "kind": "vendor", "source": "sheet"},
        "usable": {"value": 23.69, "unit": "GiB", "kind": "derived", "source": "log", "formula": "as the driver says"},
        "bandwidth_spec": {"value": 936, "unit": "GB/s", "kind": "vendor", "source": "sheet"},
        "bandwidth_measured": {"value": 894.5, "unit": "GB/s", "kind": "measured", "source": "log", "method": "read kernel"}
      },
      "compute": {
        "fp16": {"value": 142, "unit": "TFLOPS", "kind": "vendor", "source": "sheet"},
        "int8": {"value": 284, "unit": "TOPS", "kind": "vendor", "source": "sheet"}
      },
      "last_level_cache": {"value": 6, "unit": "MB", "kind": "vendor", "source": "sheet"},
      "tdp": {"value": 0.35, "unit": "kW", "kind": "vendor", "source": "sheet"}
    }
  ],
  "links": [
    {
      "between": "devices", "name": "NVLink", "max_linked": 2,
      "bandwidth": {"value": 112.5, "unit": "GB/s", "kind": "vendor", "source": "sheet", "per_direction": false},
      "latency": {"value": 2, "unit": "us", "kind": "assumed", "source": "me", "why": "seen elsewhere"}
    }
  ],
  "power": {"load": {"value": 760, "unit": "W", "kind": "measured", "source": "log"}},
  "prices": [
    {"value": 800, "unit": "USD", "kind": "measured", "source": "shop", "date": "2026-05", "type": "street"}
  ],
  "claims": [{"claim": "It flies", "truth": "It does not", "source": "me"}],
  "notes": "Mine."
})";

inline const std::string sample_model = R"({
  "schema_version": 1,
  "id": "tiny",
  "name": "Tiny",
  "aliases": ["tiny-one"],
  "publisher": "Me",
  "architecture": {
    "kind": "assumed", "source": "me", "note": "made up",
    "family": "llama", "n_layers": 4, "d_model": 64, "vocab_size": 1000, "context_length": 4096, "tied_embeddings": true,
    "n_heads": 4, "n_kv_heads": [2, 2, 4, 4], "d_ff": 128, "sliding_window": 512,
    "mixers": [["sliding", 3], ["full", 1]], "feed_forwards": [["dense", 1], ["moe", 3]],
    "experts": {"n_experts": 8, "n_experts_per_token": 2, "d_ff_expert": 32},
    "features": {"qk_norm": true}
  },
  "parameters": {
    "total": {"value": 2.5e6, "unit": "parameter", "kind": "derived", "source": "me", "formula": "sum of the tensors"},
    "label": "2.5M"
  },
  "sizing": {"status": "partial", "why": "made up"}
})";

/// The text with the one occurrence of `from` replaced.
inline std::string changed(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  REQUIRE_MESSAGE(text.find(from, at + 1) == std::string::npos, from);
  return text.replace(at, from.size(), to);
}
