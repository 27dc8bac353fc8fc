/// @file
/// This machine's processor as a device with kernels.

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>

#include <sizer/names.hpp>
#include <sizer/version.hpp>

#include "cpu_run.hpp"
#include "cpu_support.hpp"
#include "probe/parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::array<std::string_view, 16> table_kernels{"read",
                                                         "copy",
                                                         "write",
                                                         "triad",
                                                         "latency",
                                                         "read_after_flush",
                                                         "barrier",
                                                         "matvec_f16",
                                                         "matvec_q8_0",
                                                         "matvec_q4_0",
                                                         "matvec_q4_k",
                                                         "attention_f16",
                                                         "attention_q8_0",
                                                         "attention_by_row_f16",
                                                         "attention_by_row_q8_0",
                                                         "gemm_f32"};
// Larger teams than the largest machine are a slip.
constexpr std::int32_t most_threads = 4096;

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "gcc " __VERSION__;
#else
  return "unknown";
#endif
}

std::string build_kind() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return "sanitizer build: the figures are too low";
#elif !defined(NDEBUG)
  return "debug build: the figures may be too low";
#else
  return "optimised";
#endif
}

bool is_type(const gemm_kernel& kernel, std::string_view type) {
  return std::string_view{kernel.variant}.ends_with(type);
}

class cpu_device final : public kernel_device {
 public:
  explicit cpu_device(const cpu_options& options)
      : tables_{supported_cpu_kernels()},
        gemms_{supported_gemm_kernels()},
        here_{detect_machine()},
        cpus_{cores_to_pin()},
        arena_{options.huge_pages} {
    if (options.threads < 0 || options.threads > most_threads) {
      throw value_error{"threads", std::to_string(options.threads), "0 to " + std::to_string(most_threads)};
    }
    const auto cores = cpus_.empty() ? static_cast<std::int32_t>(std::max(1u, std::thread::hardware_concurrency()))
                                     : static_cast<std::int32_t>(cpus_.size());
    threads_ = options.threads == 0 ? cores : options.threads;
    if (!options.pin) cpus_.clear();
  }

  std::string name() const override { return here_.cpu.model ? *here_.cpu.model : std::string{"CPU"}; }
  std::string_view backend() const override { return "cpu"; }

  std::vector<device_fact> facts() const override {
    std::vector<device_fact> all;
    const auto add = [&](const char* what, std::string value) { all.push_back({what, std::move(value)}); };
    add("libsizer", SIZER_VERSION);
    add("compiler", compiler());
    add("build", build_kind());
    std::string sets;
    for (const cpu_kernels* table : tables_) sets += (sets.empty() ? "" : ", ") + std::string{table->name};
    for (const gemm_kernel* kernel : gemms_) sets += ", " + std::string{kernel->variant};
    add("kernels", sets);
    add("threads", std::to_string(threads_));
    add("pinned", cpus_.size() >= static_cast<std::size_t>(threads_) ? "one thread a core" : "no");
    const file_tree files{"/"};
    for (const auto& [what, path] :
         {std::pair{"governor", "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
          std::pair{"transparent huge pages", "sys/kernel/mm/transparent_hugepage/enabled"}}) {
      const std::string value = files.line(path);
      if (!value.empty()) add(what, value);
    }
    return all;
  }

  std::vector<kernel_info> kernels() const override {
    std::vector<kernel_info> all;
    for (const std::string_view kernel : table_kernels) {
      if (kernel == "barrier" || kernel == "latency") {
        all.push_back({std::string{kernel}, "any", {}});
        continue;
      }
      for (const cpu_kernels* table : tables_) {
        const bool missing = kernel == "read_after_flush" && table->flush == nullptr;
        all.push_back({std::string{kernel}, table->name, missing ? "no instruction flushes a line here" : ""});
      }
    }
    for (const char* const type : {"bf16", "int8"}) {
      const std::string kernel = std::string{"gemm_"} + type;
      const auto found = gemms_of(kernel);
      for (const gemm_kernel* one : found) all.push_back({kernel, one->variant, {}});
      if (found.empty()) all.push_back({kernel, {}, missing_gemm_reason(type)});
    }
    return all;
  }

  bytes largest_working_set() const override { return make_bytes(static_cast<std::int64_t>(largest_block().bytes)); }

  bytes last_level_cache() const override {
    bytes largest{};
    int level = 0;
    if (here_.cpu.caches) {
      for (const detected_cache& cache : *here_.cpu.caches) {
        if (cache.level < level || cache.type == "Instruction") continue;
        level = cache.level;
        largest = make_bytes(number(cache.size) * cache.instances.value_or(1));
      }
    }
    return largest;
  }

  kernel_measurement run(const kernel_request& request) override {
    check(request);
    const std::vector<const gemm_kernel*> products = gemms_of(request.kernel);
    const gemm_kernel* const product = products.empty() ? nullptr : products[variant_of(request)];
    const cpu_kernels& table = product == nullptr ? *tables_[table_of(request)] : *tables_.front();
    cpu_run one{table, request, arena_, cpus_, request.threads == 0 ? threads_ : request.threads, {}};
    one.result.kernel = request.kernel;
    one.result.variant = product != nullptr ? product->variant : table.name;
    one.result.threads = one.threads;
    one.result.working_set = request.working_set;
    if (request.working_set == make_bytes(0)) {
      // Four times the last cache, so that at most a quarter of it can be left from the pass before.
      const std::int64_t wanted = std::max<std::int64_t>(4 * number(last_level_cache()), std::int64_t{256} << 20);
      one.result.working_set = make_bytes(std::min(wanted, number(largest_working_set())));
    }
    const std::string_view family = std::string_view{request.kernel}.substr(0, request.kernel.find('_'));
    if (product != nullptr) {
      run_gemm(one, *product);
    } else if (family == "matvec") {
      run_matvec(one);
    } else if (family == "attention") {
      run_attention(one);
    } else if (family == "latency" || family == "barrier") {
      one.result.variant = "any";
      run_latency(one);
    } else {
      run_stream(one);
    }
    if (one.result.kernel != "barrier") one.result.remarks.push_back(arena_.page_remark());
    if (relative_spread(one.result.samples) > unstable_spread) {
      one.result.remarks.emplace_back(
          "unstable: the samples differ by more than other work on the machine should cause");
    }
    return one.result;
  }

 private:
  /// The products of a kernel's name, the fastest first.
  [[nodiscard]] std::vector<const gemm_kernel*> gemms_of(std::string_view kernel) const {
    std::vector<const gemm_kernel*> found;
    const auto add = [&](const gemm_kernel* one) {
      if (one != nullptr) found.push_back(one);
    };
    if (kernel == "gemm_bf16" || kernel == "gemm_int8") {
      for (const gemm_kernel* one : gemms_) add(is_type(*one, kernel.substr(5)) ? one : nullptr);
    }
    for (const cpu_kernels* table : tables_) {
      if (kernel == "gemm_f32") add(table->gemm_f32);
      if (kernel == "gemm_bf16") add(table->gemm_bf16);
      if (kernel == "gemm_int8") add(table->gemm_int8);
    }
    return found;
  }

  void check(const kernel_request& request) const {
    const std::vector<kernel_info> all = kernels();
    std::vector<std::string_view> names;
    for (const kernel_info& one : all) {
      if (one.name == request.kernel && !one.reason.empty()) {
        throw value_error{"kernel", request.kernel, "one that runs here: " + one.reason};
      }
      if (names.empty() || names.back() != one.name) names.push_back(one.name);
    }
    if (std::find(names.begin(), names.end(), request.kernel) == names.end()) {
      throw unknown_name_error{"kernel", request.kernel, nearest_names(request.kernel, names)};
    }
    if (request.threads < 0 || request.threads > most_threads) {
      throw value_error{"threads", std::to_string(request.threads), "1 to " + std::to_string(most_threads)};
    }
    if (request.working_set < make_bytes(0)) {
      throw value_error{"working_set", std::to_string(number(request.working_set)), "at least 0 bytes"};
    }
    if (request.least_samples < 1 || request.most_samples < request.least_samples || request.most_samples > 1000000) {
      throw value_error{"samples",
                        std::to_string(request.least_samples) + " to " + std::to_string(request.most_samples),
                        "1 to 1000000, the least not above the most"};
    }
    if (!(number(request.budget) >= 0 && number(request.budget) <= 3600)) {
      throw value_error{"budget", std::to_string(number(request.budget)) + " s", "0 to 3600 s"};
    }
  }

  [[nodiscard]] std::size_t table_of(const kernel_request& request) const {
    if (request.variant.empty() || request.variant == "any") return 0;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (request.variant == tables_[i]->name) return i;
      names.emplace_back(tables_[i]->name);
    }
    throw unknown_name_error{"variant", request.variant, names};
  }
  [[nodiscard]] std::size_t variant_of(const kernel_request& request) const {
    if (request.variant.empty()) return 0;
    const auto found = gemms_of(request.kernel);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (request.variant == found[i]->variant) return i;
      names.emplace_back(found[i]->variant);
    }
    throw unknown_name_error{"variant", request.variant, names};
  }

  std::vector<const cpu_kernels*> tables_;
  std::vector<const gemm_kernel*> gemms_;
  detected_machine here_;
  std::vector<int> cpus_;
  std::int32_t threads_ = 1;
  cpu_arena arena_;
};

}  // namespace
}  // namespace detail

std::unique_ptr<kernel_device> open_cpu(const cpu_options& options) {
  return std::make_unique<detail::cpu_device>(options);
}

}  // namespace v0
}  // namespace sizer
