/// @file
/// The declarations are the ones that are called, with the layouts and numbers of cublasLt.h, cublas_api.h and
/// library_types.h (CUDA 11.8 to 13.0): https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api

#include "probe/cuda/cublas_lt.hpp"

#include <array>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace sizer {
inline namespace v0 {
namespace detail {

namespace {

constexpr int success = 0;
constexpr int no_such_function = -1;

// cudaDataType
constexpr int data_f32 = 0;
constexpr int data_f16 = 2;
constexpr int data_int8 = 3;
constexpr int data_int32 = 10;
constexpr int data_bf16 = 14;
constexpr int data_e4m3 = 28;
// cublasComputeType_t
constexpr int compute_f32 = 68;
constexpr int compute_int32 = 72;
// cublasLtMatmulDescAttributes_t
constexpr int desc_transpose_a = 3;
constexpr int desc_a_scale = 17;
constexpr int desc_b_scale = 18;
constexpr int desc_fast_accumulation = 25;
// cublasLtMatmulPreferenceAttributes_t
constexpr int preference_workspace = 1;
// cublasOperation_t
constexpr std::int32_t transposed = 1;

struct algorithm {
  std::uint64_t data[8];
};
struct proposal {
  algorithm chosen;
  std::size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

struct types {
  int operand, result, compute, scale;
};
types types_of(gemm_type type) {
  switch (type) {
    case gemm_type::f16: return {data_f16, data_f16, compute_f32, data_f32};
    case gemm_type::bf16: return {data_bf16, data_bf16, compute_f32, data_f32};
    case gemm_type::fp8: return {data_e4m3, data_bf16, compute_f32, data_f32};
    case gemm_type::int8: return {data_int8, data_int32, compute_int32, data_int32};
    default: return {data_f32, data_f32, compute_f32, data_f32};
  }
}

}  // namespace

struct cublas_lt::functions {
  int (*create)(void** handle) = nullptr;
  int (*destroy)(void* handle) = nullptr;
  std::size_t (*version)() = nullptr;
  int (*desc_create)(void** desc, int compute, int scale) = nullptr;
  int (*desc_destroy)(void* desc) = nullptr;
  int (*desc_set)(void* desc, int attribute, const void* value, std::size_t size) = nullptr;
  int (*layout_create)(void** layout, int type, std::uint64_t rows, std::uint64_t columns, std::int64_t ld) = nullptr;
  int (*layout_destroy)(void* layout) = nullptr;
  int (*preference_create)(void** preference) = nullptr;
  int (*preference_destroy)(void* preference) = nullptr;
  int (*preference_set)(void* preference, int attribute, const void* value, std::size_t size) = nullptr;
  int (*propose)(void* handle, void* desc, void* a, void* b, void* c, void* d, void* preference, int wanted,
                 proposal* results, int* count) = nullptr;
  int (*multiply)(void* handle, void* desc, const void* alpha, const void* a, void* a_layout, const void* b,
                  void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                  const algorithm* chosen, void* workspace, std::size_t size, cudaStream_t stream) = nullptr;
};

struct cublas_lt::descriptors {
  explicit descriptors(const functions& with) : call{with} {}
  ~descriptors() {
    for (void* layout : {a, b, d}) {
      if (layout != nullptr) (void)call.layout_destroy(layout);
    }
    if (desc != nullptr) (void)call.desc_destroy(desc);
    if (preference != nullptr) (void)call.preference_destroy(preference);
  }
  descriptors(const descriptors&) = delete;
  descriptors& operator=(const descriptors&) = delete;
  descriptors(descriptors&&) = delete;
  descriptors& operator=(descriptors&&) = delete;

  const functions& call;
  void* desc = nullptr;
  void* a = nullptr;
  void* b = nullptr;
  void* d = nullptr;
  void* preference = nullptr;
  std::array<proposal, 8> proposals{};
  int count = 0;
};

cublas_lt::cublas_lt() : call_{std::make_unique<functions>()} {}

std::string cublas_lt::status_text(int status) {
  const char* const name = [status] {
    switch (status) {
      case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
      case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
      case 7: return "CUBLAS_STATUS_INVALID_VALUE";
      case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
      case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
      case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
      case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
      case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
      case 16: return "CUBLAS_STATUS_LICENSE_ERROR";
      default: return "cuBLAS status";
    }
  }();
  return std::string{name} + " (" + std::to_string(status) + ")";
}

#if defined(_WIN32)

std::unique_ptr<cublas_lt> cublas_lt::load(std::string& reason) {
  reason = "cuBLASLt is not looked for on this system";
  return nullptr;
}
cublas_lt::~cublas_lt() = default;

#else

namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::unique_ptr<cublas_lt> cublas_lt::load(std::string& reason) {
  reason.clear();
  // By name first: what the process has loaded already (PyTorch's, say) is found so too.
  for (const char* const folder : {"", "/usr/local/cuda/lib64/"}) {
    for (const char* const release : {"13", "12", "11"}) {
      const std::string path = folder + std::string{"libcublasLt.so."} + release;
      void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      std::unique_ptr<cublas_lt> result{new cublas_lt};
      result->library_ = library;
      functions& f = *result->call_;
      const bool complete =
          find(library, "cublasLtCreate", f.create) && find(library, "cublasLtDestroy", f.destroy) &&
          find(library, "cublasLtGetVersion", f.version) && find(library, "cublasLtMatmulDescCreate", f.desc_create) &&
          find(library, "cublasLtMatmulDescDestroy", f.desc_destroy) &&
          find(library, "cublasLtMatmulDescSetAttribute", f.desc_set) &&
          find(library, "cublasLtMatrixLayoutCreate", f.layout_create) &&
          find(library, "cublasLtMatrixLayoutDestroy", f.layout_destroy) &&
          find(library, "cublasLtMatmulPreferenceCreate", f.preference_create) &&
          find(library, "cublasLtMatmulPreferenceDestroy", f.preference_destroy) &&
          find(library, "cublasLtMatmulPreferenceSetAttribute", f.preference_set) &&
          find(library, "cublasLtMatmulAlgoGetHeuristic", f.propose) && find(library, "cublasLtMatmul", f.multiply);
      if (!complete) {
        reason = path + " lacks a function";
        continue;
      }
      // A release that is too new for the driver, or too old for the device, says so here.
      if (const int status = f.create(&result->handle_); status != success) {
        result->handle_ = nullptr;
        reason = path + ": cublasLtCreate: " + status_text(status);
        continue;
      }
      const std::size_t version = f.version();  // 130100 is 13.1.0
      result->version_ = std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                         std::to_string(version % 100);
      reason.clear();
      return result;
    }
  }
  if (reason.empty()) reason = "no cuBLASLt library (libcublasLt.so.13, .12 or .11) on the loader's path";
  return nullptr;
}

cublas_lt::~cublas_lt() {
  prepared_.reset();
  if (handle_ != nullptr) (void)call_->destroy(handle_);
  // The library stays: it has registered itself with the driver, and the next device needs it again.
}

#endif

int cublas_lt::prepare(const product& p, int& algorithms) {
  algorithms = 0;
  prepared_ = std::make_unique<descriptors>(*call_);
  descriptors& at = *prepared_;
  const functions& f = *call_;
  const types of = types_of(p.type);
  const auto m = static_cast<std::uint64_t>(p.m);
  const auto n = static_cast<std::uint64_t>(p.n);
  const auto k = static_cast<std::uint64_t>(p.k);
  if (const int status = f.desc_create(&at.desc, of.compute, of.scale); status != success) return status;
  if (const int status = f.desc_set(at.desc, desc_transpose_a, &transposed, sizeof transposed); status != success) {
    return status;
  }
  if (p.type == gemm_type::fp8) {
    const void* const scale = p.one;
    const std::int8_t fast = 1;  // as inference uses it; without, Ada and Hopper run at half the rate
    for (const int attribute : {desc_a_scale, desc_b_scale}) {
      if (const int status = f.desc_set(at.desc, attribute, &scale, sizeof scale); status != success) return status;
    }
    if (const int status = f.desc_set(at.desc, desc_fast_accumulation, &fast, sizeof fast); status != success) {
      return status;
    }
  }
  if (const int status = f.layout_create(&at.a, of.operand, k, m, p.k); status != success) return status;
  if (const int status = f.layout_create(&at.b, of.operand, k, n, p.k); status != success) return status;
  if (const int status = f.layout_create(&at.d, of.result, m, n, p.m); status != success) return status;
  if (const int status = f.preference_create(&at.preference); status != success) return status;
  if (const int status =
          f.preference_set(at.preference, preference_workspace, &p.workspace_bytes, sizeof p.workspace_bytes);
      status != success) {
    return status;
  }
  const int status = f.propose(handle_, at.desc, at.a, at.b, at.d, at.d, at.preference,
                               static_cast<int>(at.proposals.size()), at.proposals.data(), &at.count);
  if (status != success) return status;
  // What failed lies behind what did not, but nothing says so.
  int usable = 0;
  for (int i = 0; i < at.count; ++i) {
    const proposal& one = at.proposals.at(static_cast<std::size_t>(i));
    if (one.state == success && one.workspace <= p.workspace_bytes) {
      at.proposals.at(static_cast<std::size_t>(usable++)) = one;
    }
  }
  at.count = usable;
  algorithms = usable;
  return success;
}

int cublas_lt::multiply(const product& p, int algorithm_index, cudaStream_t stream) const {
  if (prepared_ == nullptr || algorithm_index < 0 || algorithm_index >= prepared_->count) return no_such_function;
  const descriptors& at = *prepared_;
  const float one = 1;
  const float zero = 0;
  const std::int32_t whole_one = 1;
  const std::int32_t whole_zero = 0;
  const bool whole = p.type == gemm_type::int8;
  const void* const alpha = whole ? static_cast<const void*>(&whole_one) : &one;
  const void* const beta = whole ? static_cast<const void*>(&whole_zero) : &zero;
  return call_->multiply(handle_, at.desc, alpha, p.a, at.a, p.b, at.b, beta, p.d, at.d, p.d, at.d,
                         &at.proposals.at(static_cast<std::size_t>(algorithm_index)).chosen, p.workspace,
                         p.workspace_bytes, stream);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
