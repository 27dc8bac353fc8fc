#pragma once
/// @file
/// One OpenCL device in use: programs, memory, commands and their time. Everything that the driver refuses is thrown
/// as device_error with the function's and the error's name.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/probe/kernels.hpp>

#include "kernels_source.hpp"
#include "opencl_library.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

struct device_choice {
  handle platform = nullptr;
  handle device = nullptr;
  std::string name;  ///< "platform: device"
};

/// Devices of every platform, in the drivers' order. Without any, `reason` says why.
[[nodiscard]] std::vector<device_choice> find_devices(const library& opencl, std::string& reason);

/// A program that the device's compiler refuses.
struct build_failure {
  std::string reason;  ///< first line of the log
};

/// What one memory of the session is for. It grows on demand and is kept.
enum class slot { data, small, result, parts, staging };

struct program_key {
  const char* source = nullptr;
  std::string options;
  friend auto operator<=>(const program_key&, const program_key&) = default;
};

/// Something to put into the queue; gives its event where one is asked for.
using command = std::function<void(handle* event)>;

/// Time of a row of commands.
struct elapsed {
  double host = 0;    ///< seconds from before the first was put into the queue until all had ended
  double device = 0;  ///< from the first's start to the last's end by the device's clock; 0 without one
};

class session {
 public:
  session(std::shared_ptr<const library> opencl, device_choice choice);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  session(session&&) = delete;
  session& operator=(session&&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return choice_.name; }
  [[nodiscard]] bool is_cpu() const noexcept { return is_cpu_; }
  [[nodiscard]] bool has_profiling() const noexcept { return has_profiling_; }
  [[nodiscard]] std::string text(std::uint32_t what) const;           ///< of the device; empty when not stated
  [[nodiscard]] std::string platform_text(std::uint32_t what) const;  ///< of its platform
  [[nodiscard]] std::uint64_t number(std::uint32_t what) const;       ///< of the device; 0 when not stated
  [[nodiscard]] std::uint64_t compute_units() const noexcept { return compute_units_; }
  [[nodiscard]] std::uint64_t largest_group() const noexcept { return largest_group_; }
  /// Work-items that work together.
  [[nodiscard]] static constexpr std::size_t lanes() noexcept { return 64; }

  /// A kernel of a program, which is built when it is first asked for.
  /// @throws build_failure
  [[nodiscard]] handle kernel(const program_key& program, const char* name);

  /// At least so many bytes.
  [[nodiscard]] handle memory(slot which, std::uint64_t size);
  /// What the huge pages of the data came to, empty where they do not apply.
  [[nodiscard]] const std::string& pages() const noexcept { return pages_; }
  /// Memory of the host that the driver copies from at full speed, at least so many bytes.
  [[nodiscard]] void* staging(std::uint64_t size);

  /// What the data hold, so that filling them again can be spared; every other use of them clears it.
  std::string contents;

  template <class... Arguments>
  void set(handle kernel, const Arguments&... arguments) {
    std::uint32_t index = 0;
    (set_one(kernel, index++, sizeof arguments, &arguments), ...);
  }
  /// `local` 0: the driver's choice.
  [[nodiscard]] command launch(handle kernel, const char* name, std::size_t global, std::size_t local);
  [[nodiscard]] command write(handle to, std::uint64_t offset, std::uint64_t size, const void* from);
  [[nodiscard]] command read(handle from, std::uint64_t offset, std::uint64_t size, void* to);

  [[nodiscard]] elapsed run(const std::vector<command>& commands, std::int64_t repeats);
  void run_once(const command& one);
  void fetch(handle from, std::uint64_t offset, std::uint64_t size, void* to);

  /// Work-items for `things`: few with much each on a CPU, enough to hide the memory's latency elsewhere.
  struct grid {
    std::size_t global, local;
  };
  [[nodiscard]] grid spread(std::uint64_t things) const;

  /// @throws device_error when the code is not success
  void check(status code, std::string_view call) const;

 private:
  struct allocation;
  void set_one(handle kernel, std::uint32_t index, std::size_t size, const void* value) const;
  void refuse_when_lost() const;

  std::shared_ptr<const library> opencl_;
  device_choice choice_;
  bool is_cpu_ = false;
  bool has_profiling_ = false;
  mutable std::string lost_;  ///< what was said when the device was lost
  std::uint64_t compute_units_ = 1;
  std::uint64_t largest_group_ = 1;
  handle context_ = nullptr;
  handle queue_ = nullptr;
  std::map<program_key, handle> programs_;
  std::map<program_key, std::string> refused_;
  std::map<std::pair<program_key, std::string>, handle> kernels_;
  std::map<slot, std::unique_ptr<allocation>> memory_;
  void* staged_ = nullptr;
  std::string pages_;
};

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
