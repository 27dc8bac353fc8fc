#include "opencl_session.hpp"

#include <algorithm>
#include <chrono>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "probe/text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {
namespace {

// More is a broken library.
constexpr std::uint32_t most_handles = 256;

template <class Ask>
std::string text_of(const Ask& ask) {
  std::size_t size = 0;
  if (ask(0, nullptr, &size) != success || size == 0 || size > (1U << 20U)) return {};
  std::string value(size, '\0');
  if (ask(size, value.data(), nullptr) != success) return {};
  return value.substr(0, value.find('\0'));
}

std::string first_line(const std::string& log) {
  const std::string_view rest = trimmed(log);
  return shown(rest.substr(0, rest.find('\n')));
}

/// Whether further calls are pointless: the device is gone, or what was made on it is no longer valid.
bool is_lost(status code, std::string_view call) {
  switch (code) {
    case device_not_available:
    case -14:  // a command ended with an error
    case -33:  // device
    case -34:  // context
    case -36:
      return true;  // queue
    // On creation: too much was asked for. Later: drivers report a fault or a hang of a kernel so.
    case out_of_resources: return call == "clFinish" || call.starts_with("clEnqueueRead");
    default: return false;
  }
}

}  // namespace

std::vector<device_choice> find_devices(const library& opencl, std::string& reason) {
  if (!opencl.problem.empty()) {
    reason = opencl.problem;
    return {};
  }
  const functions& call = opencl.call;
  std::uint32_t n_platforms = 0;
  const status answer = call.get_platforms(0, nullptr, &n_platforms);
  if (answer != success && answer != platform_not_found) {
    reason = "OpenCL: clGetPlatformIDs: " + error_name(answer);
    return {};
  }
  if (answer == platform_not_found || n_platforms == 0) {
    reason = "OpenCL: the library is there, but no driver (platform)";
    return {};
  }
  std::vector<handle> platforms(std::min(n_platforms, most_handles));
  if (const status code = call.get_platforms(static_cast<std::uint32_t>(platforms.size()), platforms.data(), nullptr);
      code != success) {
    reason = "OpenCL: clGetPlatformIDs: " + error_name(code);
    return {};
  }
  std::vector<device_choice> result;
  for (const handle platform : platforms) {
    const std::string platform_name = shown(text_of([&](std::size_t size, void* to, std::size_t* needed) {
      return call.get_platform_info(platform, platform_info::name, size, to, needed);
    }));
    std::uint32_t n = 0;
    status code = call.get_devices(platform, device_type::all, 0, nullptr, &n);
    std::vector<handle> devices(code == success ? std::min(n, most_handles) : 0);
    if (!devices.empty()) {
      code = call.get_devices(platform, device_type::all, static_cast<std::uint32_t>(devices.size()), devices.data(),
                              nullptr);
    }
    if (code != success || devices.empty()) {
      reason += (reason.empty() ? "OpenCL: " : "; ") + platform_name + ": " +
                (code == success || code == device_not_found ? "no device" : "clGetDeviceIDs: " + error_name(code));
      continue;
    }
    for (const handle device : devices) {
      const std::string name = shown(text_of([&](std::size_t size, void* to, std::size_t* needed) {
        return call.get_device_info(device, device_info::name, size, to, needed);
      }));
      result.push_back({platform, device, platform_name + ": " + name});
    }
  }
  if (!result.empty()) reason.clear();
  return result;
}

/// Memory of the device; on a CPU, pages of ours.
struct session::allocation {
  const functions* call = nullptr;
  handle buffer = nullptr;
  std::uint64_t size = 0;
  void* pages = nullptr;
  std::uint64_t mapped = 0;

  allocation() = default;
  allocation(const allocation&) = delete;
  allocation& operator=(const allocation&) = delete;
  allocation(allocation&&) = delete;
  allocation& operator=(allocation&&) = delete;
  ~allocation() {
    if (buffer != nullptr) (void)call->release_buffer(buffer);
#if defined(__linux__)
    if (pages != nullptr) munmap(pages, mapped);
#endif
  }
};

session::session(std::shared_ptr<const library> opencl, device_choice choice)
    : opencl_{std::move(opencl)}, choice_{std::move(choice)} {
  const functions& call = opencl_->call;
  is_cpu_ = (number(device_info::type) & device_type::cpu) != 0;
  has_profiling_ = (number(device_info::queue_properties) & queue_profiling) != 0;
  compute_units_ = std::clamp<std::uint64_t>(number(device_info::compute_units), 1, 65536);
  largest_group_ = std::max<std::uint64_t>(number(device_info::work_group_size), 1);
  status code = success;
  const handle context = call.create_context(nullptr, 1, &choice_.device, nullptr, nullptr, &code);
  check(code, "clCreateContext");
  context_ = context;
  const handle queue = call.create_queue(context_, choice_.device, has_profiling_ ? queue_profiling : 0, &code);
  if (code != success) {
    (void)call.release_context(context_);
    check(code, "clCreateCommandQueue");
  }
  // cppcheck-suppress danglingLifetime  -- the driver fills the code during the call
  queue_ = queue;
}

session::~session() {
  const functions& call = opencl_->call;
  if (lost_.empty() && staged_ != nullptr) {
    (void)call.enqueue_unmap(queue_, memory_[slot::staging]->buffer, staged_, 0, nullptr, nullptr);
  }
  if (lost_.empty()) (void)call.finish(queue_);
  for (const auto& [_, kernel] : kernels_) (void)call.release_kernel(kernel);
  for (const auto& [_, program] : programs_) (void)call.release_program(program);
  memory_.clear();
  (void)call.release_queue(queue_);
  (void)call.release_context(context_);
}

void session::check(status code, std::string_view call) const {
  if (code == success) return;
  const std::string problem = std::string{call} + ": " + error_name(code);
  const bool lost = is_lost(code, call);
  if (lost && lost_.empty()) lost_ = problem;
  throw device_error{choice_.name, lost ? problem + "; the device is lost" : problem, lost};
}

void session::refuse_when_lost() const {
  if (!lost_.empty()) throw device_error{choice_.name, "lost since " + lost_, true};
}

std::string session::text(std::uint32_t what) const {
  return text_of([&](std::size_t size, void* to, std::size_t* needed) {
    return opencl_->call.get_device_info(choice_.device, what, size, to, needed);
  });
}

std::string session::platform_text(std::uint32_t what) const {
  return text_of([&](std::size_t size, void* to, std::size_t* needed) {
    return opencl_->call.get_platform_info(choice_.platform, what, size, to, needed);
  });
}

std::uint64_t session::number(std::uint32_t what) const {
  // Some answers have 4 bytes, others 8.
  std::size_t size = 0;
  std::uint64_t wide = 0;
  std::uint32_t narrow = 0;
  const functions& call = opencl_->call;
  if (call.get_device_info(choice_.device, what, 0, nullptr, &size) != success) return 0;
  if (size == sizeof narrow) {
    return call.get_device_info(choice_.device, what, size, &narrow, nullptr) == success ? narrow : 0;
  }
  if (size != sizeof wide) return 0;
  return call.get_device_info(choice_.device, what, size, &wide, nullptr) == success ? wide : 0;
}

handle session::kernel(const program_key& program, const char* name) {
  refuse_when_lost();
  if (const auto refused = refused_.find(program); refused != refused_.end()) throw build_failure{refused->second};
  const auto known = kernels_.find({program, name});
  if (known != kernels_.end()) return known->second;
  const functions& call = opencl_->call;
  status code = success;
  auto built = programs_.find(program);
  if (built == programs_.end()) {
    const char* texts[] = {common_source, program.source};
    const handle made = call.create_program(context_, 2, texts, nullptr, &code);
    check(code, "clCreateProgramWithSource");
    const std::string options = std::string{"-cl-std=CL1.2 -cl-mad-enable -DSIZER_CPU="} + (is_cpu_ ? "1" : "0") +
                                " -DSIZER_LANES=" + std::to_string(lanes()) + " " + program.options;
    code = call.build_program(made, 1, &choice_.device, options.c_str(), nullptr, nullptr);
    if (code != success) {
      std::string line = first_line(text_of([&](std::size_t size, void* to, std::size_t* needed) {
        return call.get_build_info(made, choice_.device, build_info::log, size, to, needed);
      }));
      (void)call.release_program(made);
      line = "clBuildProgram: " + error_name(code) + (line.empty() ? "" : ": " + line);
      refused_.emplace(program, line);
      throw build_failure{line};
    }
    built = programs_.emplace(program, made).first;
  }
  const handle made = call.create_kernel(built->second, name, &code);
  check(code, "clCreateKernel");
  kernels_.emplace(std::pair{program, std::string{name}}, made);
  return made;
}

handle session::memory(slot which, std::uint64_t size) {
  refuse_when_lost();
  std::unique_ptr<allocation>& there = memory_[which];
  if (there != nullptr && there->size >= size) return there->buffer;
  there.reset();
  if (which == slot::data) contents.clear();
  auto made = std::make_unique<allocation>();
  made->call = &opencl_->call;
  made->size = size;
  std::uint64_t flags = memory_flag::read_write;
  if (which == slot::staging) flags |= memory_flag::allocate_host_memory;
  void* pages = nullptr;
#if defined(__linux__)
  // A CPU's driver works in the memory that it is given, so its pages may be large as those of a GPU are.
  constexpr std::uint64_t huge = 1U << 21U;
  if (is_cpu_ && which == slot::data) {
    const std::uint64_t mapped = (size + 2 * huge - 1) / huge * huge;
    void* const from = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (from != MAP_FAILED) {
      made->pages = from;
      made->mapped = mapped;
      const auto skip = (huge - reinterpret_cast<std::uintptr_t>(from) % huge) % huge;
      pages = static_cast<char*>(from) + skip;
      const bool taken = madvise(pages, mapped - huge, MADV_HUGEPAGE) == 0;
      pages_ = taken ? "transparent huge pages: asked for" : "transparent huge pages: refused";
      flags |= memory_flag::use_host_pointer;
    }
  }
#endif
  status code = success;
  made->buffer = opencl_->call.create_buffer(context_, flags, static_cast<std::size_t>(size), pages, &code);
  check(code, "clCreateBuffer (" + std::to_string(size) + " bytes)");
  there = std::move(made);
  return there->buffer;
}

void* session::staging(std::uint64_t size) {
  const auto old = memory_.find(slot::staging);
  if (staged_ != nullptr && old != memory_.end() && old->second != nullptr && old->second->size >= size) return staged_;
  if (staged_ != nullptr) {
    void* const unmapped = std::exchange(staged_, nullptr);
    check(opencl_->call.enqueue_unmap(queue_, old->second->buffer, unmapped, 0, nullptr, nullptr),
          "clEnqueueUnmapMemObject");
    check(opencl_->call.finish(queue_), "clFinish");
  }
  const handle buffer = memory(slot::staging, size);
  status code = success;
  staged_ = opencl_->call.enqueue_map(queue_, buffer, 1, map_flag::read | map_flag::write, 0,
                                      static_cast<std::size_t>(size), 0, nullptr, nullptr, &code);
  check(code, "clEnqueueMapBuffer");
  return staged_;
}

void session::set_one(handle kernel, std::uint32_t index, std::size_t size, const void* value) const {
  check(opencl_->call.set_argument(kernel, index, size, value), "clSetKernelArg");
}

command session::launch(handle kernel, const char* name, std::size_t global, std::size_t local) {
  return [this, kernel, call = "clEnqueueNDRangeKernel (" + std::string{name} + ")", global, local](handle* event) {
    check(opencl_->call.enqueue_kernel(queue_, kernel, 1, nullptr, &global, local == 0 ? nullptr : &local, 0, nullptr,
                                       event),
          call);
  };
}

command session::write(handle to, std::uint64_t offset, std::uint64_t size, const void* from) {
  return [=, this](handle* event) {
    check(opencl_->call.enqueue_write(queue_, to, 0, static_cast<std::size_t>(offset), static_cast<std::size_t>(size),
                                      from, 0, nullptr, event),
          "clEnqueueWriteBuffer");
  };
}

command session::read(handle from, std::uint64_t offset, std::uint64_t size, void* to) {
  return [=, this](handle* event) {
    check(opencl_->call.enqueue_read(queue_, from, 0, static_cast<std::size_t>(offset), static_cast<std::size_t>(size),
                                     to, 0, nullptr, event),
          "clEnqueueReadBuffer");
  };
}

elapsed session::run(const std::vector<command>& commands, std::int64_t repeats) {
  refuse_when_lost();
  const functions& call = opencl_->call;
  struct event_holder {
    const functions* call;
    handle event = nullptr;
    ~event_holder() {
      if (event != nullptr) (void)call->release_event(event);
    }
  };
  event_holder first{&call};
  event_holder last{&call};
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < repeats; ++i) {
    for (std::size_t j = 0; j < commands.size(); ++j) {
      const bool is_first = i == 0 && j == 0;
      const bool is_last = i + 1 == repeats && j + 1 == commands.size();
      commands[j](!has_profiling_ ? nullptr : is_first ? &first.event : is_last ? &last.event : nullptr);
    }
  }
  check(call.finish(queue_), "clFinish");
  elapsed result;
  result.host = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (first.event == nullptr) return result;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  const handle end_of = last.event == nullptr ? first.event : last.event;
  const status started = call.get_profiling_info(first.event, profiling_info::start, sizeof start, &start, nullptr);
  const status ended = call.get_profiling_info(end_of, profiling_info::end, sizeof end, &end, nullptr);
  if (started != profiling_not_available) check(started, "clGetEventProfilingInfo");
  if (ended != profiling_not_available) check(ended, "clGetEventProfilingInfo");
  if (started == success && ended == success && end > start) result.device = static_cast<double>(end - start) * 1e-9;
  return result;
}

void session::run_once(const command& one) { (void)run({one}, 1); }

void session::fetch(handle from, std::uint64_t offset, std::uint64_t size, void* to) {
  run_once(read(from, offset, size, to));
}

session::grid session::spread(std::uint64_t things) const {
  if (is_cpu_) {
    // A few parts for each core even out what the others do on it.
    const std::uint64_t parts = std::min(compute_units_ * 8, std::max<std::uint64_t>(things, 1));
    return {static_cast<std::size_t>(parts), 1};
  }
  const std::uint64_t local = std::min<std::uint64_t>(256, largest_group_);
  const std::uint64_t groups = std::clamp<std::uint64_t>((things + local - 1) / local, 1, compute_units_ * 16);
  return {static_cast<std::size_t>(groups * local), static_cast<std::size_t>(local)};
}

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
