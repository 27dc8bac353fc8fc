#pragma once
/// @file
/// The kernels in OpenCL C 1.2, one text for each family. Options of the build choose the device and the format:
///   -DSIZER_CPU=1     a work-item takes a contiguous part, vectors as wide as a cache line; 0: neighbouring work-items
///                     take neighbouring 16 bytes
///   -DSIZER_LANES=n   work-items of a group where they work together (GPU)
/// and what stands at the head of each family.

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

extern const char* const common_source;     ///< in front of each of the others
extern const char* const streams_source;    ///< fill, read, copy, write, triad, empty
extern const char* const matvec_source;     ///< SIZER_FORMAT
extern const char* const attention_source;  ///< SIZER_FORMAT, SIZER_HEAD_DIM, SIZER_KV_HEADS, SIZER_GROUP, SIZER_TILE
extern const char* const gemm_source;       ///< SIZER_HALF

/// SIZER_FORMAT.
enum class format { f16 = 0, q8_0 = 1, q4_0 = 2, q4_k = 3 };

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
