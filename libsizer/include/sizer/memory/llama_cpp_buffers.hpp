#pragma once
/// @file
/// What llama.cpp's compute-buffer rules give back.

#include <string_view>

#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Where the model's layers run: everything on the host (`cpu` layout), or layers on a device with the rest on the
/// host.
enum class llama_cpp_layout { host_only, device };

struct compute_buffers {
  bytes device{};           ///< graph buffer on the device; 0 with everything on the host
  bytes host{};             ///< graph buffer (and inputs) on the host
  bytes output{};           ///< logits and embeddings kept for the caller, on the host
  std::string_view moment;  ///< the point of the graph where the larger buffer peaks ("logits", "attention", ...)
};

}  // namespace v0
}  // namespace sizer
