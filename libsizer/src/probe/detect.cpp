/// @file
/// The parts of a detection put together.

#include <sizer/probe/detect.hpp>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {

detected_machine detect_machine(const detect_options& options) {
  const detail::file_tree files{options.root};
  if (auto apple = detail::detect_apple(files)) return *std::move(apple);
  detected_machine here;
  here.product = detail::detect_product(files);
  here.cpu = detail::detect_cpu(files);
  here.cpu.cpu_quota = detail::detect_cgroup(files).cpus;
  here.memory = detail::detect_memory(files);
  here.os = detail::detect_os(files);
  if (options.nvml_library) {
    detail::detect_nvidia(*options.nvml_library, here.gpus, here.gpu_reasons);
  } else if (files.live()) {
    detail::detect_nvidia("libnvidia-ml.so.1", here.gpus, here.gpu_reasons);
    // Where Windows puts it, when the loader was not told.
    if (here.gpus.empty() && here.os.wsl.value.value_or(false)) {
      detail::detect_nvidia("/usr/lib/wsl/lib/libnvidia-ml.so.1", here.gpus, here.gpu_reasons);
    }
  } else {
    here.gpu_reasons.emplace_back("NVIDIA: a recorded machine is not asked through this machine's driver");
  }
  detail::detect_drm(files, here.gpus, here.gpu_reasons);
  return here;
}

}  // namespace v0
}  // namespace sizer
