/// @file
/// Limits of the control groups that this process is in. Sources: Linux, Documentation/admin-guide/cgroup-v2.rst and
/// cgroup-v1/memory.rst; man 7 cgroups for /proc/self/cgroup.

#include <algorithm>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// Version 1 writes "no limit" as the largest multiple of a page.
constexpr std::int64_t no_limit = std::int64_t{1} << 61;
constexpr int deepest = 64;

/// Where a hierarchy is mounted, and the path of this process in it.
struct group {
  std::string mount;
  std::string path;  ///< "" or "/a/b"
};

/// The path of a line of /proc/self/cgroup. One that leaves the folder ("/../x": seen from inside of another
/// namespace) is taken as the root.
std::string safe_path(std::string_view path) {
  std::string result{path.substr(0, 4096)};
  while (!result.empty() && result.back() == '/') result.pop_back();
  if (result.find("/..") != std::string::npos || (!result.empty() && result.front() != '/')) return {};
  return result;
}

/// Calls f with this group's folder and then with each one above.
template <class F>
void upwards(group at, F f) {
  for (int depth = 0; depth < deepest; ++depth) {
    f(at.mount + at.path + "/");
    if (at.path.empty()) return;
    at.path.erase(std::min(at.path.rfind('/'), at.path.size()));
  }
}

/// Memory of a group's processes that is no copy of a file: "anon 123" (version 2), "total_rss 123" (version 1).
std::optional<std::int64_t> held_by(const file_tree& files, const std::string& folder) {
  const file_text text = files.read(folder + "memory.stat");
  std::optional<std::int64_t> held;
  each_line(text.text, [&](std::string_view line) {
    const auto parts = words(line);
    if (parts.size() == 2 && (parts[0] == "anon" || parts[0] == "total_rss")) held = whole_in(parts[1], 0, no_limit);
    return true;
  });
  return held;
}

void keep_lower(std::optional<double>& lowest, double value) {
  if (!lowest || value < *lowest) lowest = value;
}

}  // namespace

cgroup_limits detect_cgroup(const file_tree& files) {
  const file_text own = files.read("proc/self/cgroup");
  if (!own.ok) {
    const std::string why = "/proc/self/cgroup: " + own.problem;
    return {absent<bytes>(why, "cgroup"), std::nullopt, absent<double>(why, "cgroup")};
  }
  std::optional<std::int64_t> memory;
  std::optional<std::int64_t> held;
  const auto keep = [&](std::int64_t most, const std::string& folder) {
    if (memory && *memory <= most) return;
    memory = most;
    held = held_by(files, folder);
  };
  std::optional<double> cpus;
  std::string version;
  each_line(own.text, [&](std::string_view line) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return true;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path = safe_path(line.substr(second + 1));
    const auto has = [&](std::string_view name) {
      const auto list = words(controllers, ",");
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    if (controllers.empty()) {
      const bool hybrid = files.exists("sys/fs/cgroup/unified");
      upwards({hybrid ? "sys/fs/cgroup/unified" : "sys/fs/cgroup", path}, [&](const std::string& folder) {
        if (const auto most = whole_in(files.line(folder + "memory.max"), 0, no_limit)) {
          keep(*most, folder);
          version = "cgroup v2";
        }
        const std::string quota = files.line(folder + "cpu.max");  // "200000 100000", "max 100000"
        const auto parts = words(quota);
        const auto time = parts.size() == 2 ? whole_in(parts[0], 1, no_limit) : std::nullopt;
        const auto period = parts.size() == 2 ? whole_in(parts[1], 1, no_limit) : std::nullopt;
        if (time && period) keep_lower(cpus, static_cast<double>(*time) / static_cast<double>(*period));
      });
    } else if (has("memory")) {
      upwards({"sys/fs/cgroup/memory", path}, [&](const std::string& folder) {
        const auto most = whole_in(files.line(folder + "memory.limit_in_bytes"), 0, no_limit);
        if (!most) return;
        keep(*most, folder);
        version = "cgroup v1";
      });
    } else if (has("cpu")) {
      const std::string mount = "sys/fs/cgroup/" + std::string{controllers};
      upwards({files.exists(mount) ? mount : "sys/fs/cgroup/cpu", path}, [&](const std::string& folder) {
        const auto time = whole_in(files.line(folder + "cpu.cfs_quota_us"), 1, no_limit);
        const auto period = whole_in(files.line(folder + "cpu.cfs_period_us"), 1, no_limit);
        if (time && period) keep_lower(cpus, static_cast<double>(*time) / static_cast<double>(*period));
      });
    }
    return true;
  });
  cgroup_limits limits;
  limits.memory = memory && *memory < no_limit ? found(make_bytes(*memory), version)
                                               : absent<bytes>("no control group limits the memory", "cgroup");
  if (limits.memory && held) limits.held = make_bytes(*held);
  limits.cpus = cpus ? found(*cpus, "cgroup") : absent<double>("no control group limits the CPU time", "cgroup");
  return limits;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
