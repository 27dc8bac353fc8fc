/// @file
/// Memory from the system. Sources: Linux, Documentation/admin-guide/mm/transhuge.rst and proc(5) for smaps.

#include "memory_block.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string_view>
#include <utility>

#if !defined(_WIN32)
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

#include <sizer/error.hpp>

#include "probe/parts.hpp"
#include "probe/text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;

std::string mib(std::size_t size) { return std::to_string(size / (std::size_t{1024} * 1024)) + " MiB"; }

}  // namespace

memory_block::memory_block(std::size_t size, bool huge_pages) : size_{size} {
#if defined(_WIN32)
  (void)huge_pages;
  mapped_size_ = size + huge_page;
  mapped_ = std::malloc(mapped_size_);
  if (mapped_ == nullptr) throw error{"memory: the system has no " + mib(size)};
  refused_ = "huge pages: not asked for on this system";
#else
  mapped_size_ = size + huge_page;
  void* const got = mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) {
    const std::string why = std::strerror(errno);
    mapped_size_ = 0;
    throw error{"memory: the system refused " + mib(size) + ": " + why};
  }
  mapped_ = got;
  if (!huge_pages) {
    refused_ = "huge pages: not asked for";
#if defined(MADV_NOHUGEPAGE)
    (void)madvise(mapped_, mapped_size_, MADV_NOHUGEPAGE);
#endif
  } else {
#if defined(MADV_HUGEPAGE)
    if (madvise(mapped_, mapped_size_, MADV_HUGEPAGE) != 0) {
      refused_ = std::string{"huge pages: refused ("} + std::strerror(errno) + ")";
    }
#else
    refused_ = "huge pages: this system chooses its pages itself";
#endif
  }
#endif
  const auto address = reinterpret_cast<std::uintptr_t>(mapped_);
  data_ = static_cast<unsigned char*>(mapped_) + (huge_page - address % huge_page) % huge_page;
}

memory_block::memory_block(memory_block&& other) noexcept { *this = std::move(other); }

memory_block& memory_block::operator=(memory_block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(mapped_size_, other.mapped_size_);
  std::swap(refused_, other.refused_);
  return *this;
}

memory_block::~memory_block() {
  if (mapped_ == nullptr) return;
#if defined(_WIN32)
  std::free(mapped_);
#else
  (void)munmap(mapped_, mapped_size_);
#endif
}

std::string memory_block::page_remark() const {
  if (!refused_.empty()) return refused_;
  // The mapping that holds the block, and the line of it that counts huge pages.
  std::ifstream maps{"/proc/self/smaps"};
  std::string line;
  bool inside = false;
  const auto address = reinterpret_cast<std::uintptr_t>(data_);
  std::uint64_t huge_kib = 0;
  bool stated = false;
  while (std::getline(maps, line)) {
    const std::size_t dash = line.find('-');
    const std::size_t space = line.find(' ');
    if (dash != std::string::npos && space != std::string::npos && dash < space && line.find(':') > dash) {
      char* end = nullptr;
      const std::uint64_t low = std::strtoull(line.c_str(), &end, 16);
      const std::uint64_t high = std::strtoull(line.c_str() + dash + 1, &end, 16);
      inside = low < address + size_ && address < high;  // a block may be several mappings
    } else if (inside && line.starts_with("AnonHugePages:")) {
      huge_kib += std::strtoull(line.c_str() + 14, nullptr, 10);
      stated = true;
    }
  }
  if (!stated) return "huge pages: the system does not say";
  const auto huge = std::min(static_cast<std::size_t>(huge_kib) * 1024, size_);
  const std::string of = mib(huge) + " of " + mib(size_);
  if (huge > 0) return "huge pages: " + of;
  const std::string state = file_tree{"/"}.line("sys/kernel/mm/transparent_hugepage/enabled");
  return "huge pages: none given (transparent_hugepage: " + (state.empty() ? "unknown" : state) + ")";
}

memory_limit largest_block() {
  const file_tree files{"/"};
  const detected_memory memory = detect_memory(files);
  memory_limit limit{std::size_t{1} << 40, "nothing that this system states"};
  const auto lower = [&](std::int64_t free, const char* because) {
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(free, 0)) / 4 * 3;
    if (most < limit.bytes) limit = {most, because};
  };
  if (memory.available) {
    lower(number(*memory.available), "three quarters of the free memory");
  } else if (memory.total) {
    lower(number(*memory.total) / 2, "three eighths of the memory");
#if !defined(_WIN32)
  } else {
    const auto pages = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES));
    const auto page = static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
    if (pages > 0 && page > 0) lower(pages / 2 * page, "three eighths of the memory");
#endif
  }
#if !defined(_WIN32)
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY) {
    const std::string sizes = files.line("proc/self/statm");  // in pages, the address space first
    const auto held = whole_in(std::string_view{sizes}.substr(0, sizes.find(' ')), 0, largest_size);
    const auto most = static_cast<std::int64_t>(std::min<rlim_t>(addresses.rlim_cur, rlim_t{1} << 62));
    lower(most - held.value_or(0) * static_cast<std::int64_t>(sysconf(_SC_PAGESIZE)),
          "three quarters of what the limit of the address space (ulimit -v) leaves");
  }
#endif
  const cgroup_limits group = detect_cgroup(files);
  if (group.memory) {
    lower(number(*group.memory) - (group.held ? number(*group.held) : 0),
          "three quarters of what the control group leaves");
  }
  return limit;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
