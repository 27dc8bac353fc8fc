/// @file
/// Launches of empty kernels, and copies over the links.

#include <algorithm>
#include <cstring>

#include "probe/cuda/run_checks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

void cuda_device::run_launch(const kernel_request& request, kernel_measurement& result, bool as_graph) {
  constexpr int in_a_row = 1000;
  auto* const counter = counter_.as<unsigned long long>();
  const auto all = [&](unsigned long long* counted) {
    for (int i = 0; i < in_a_row; ++i) check(launch_empty(site(), counted), "launch of empty");
  };
  const auto record = [&](graph_holder& into, unsigned long long* counted) {
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      all(counted);
    } catch (...) {
      (void)cudaStreamEndCapture(stream_, &into.graph);
      throw;
    }
    check(cudaStreamEndCapture(stream_, &into.graph), "cudaStreamEndCapture");
    check(cudaGraphInstantiate(&into.exec, into.graph, 0), "cudaGraphInstantiate");
  };
  graph_holder empty;
  graph_holder counting;
  pass what;
  what.launches = in_a_row;
  what.once = true;
  what.queued_ahead = false;  // how fast the host launches is what is asked
  if (as_graph) {
    record(empty, nullptr);
    record(counting, counter);
    check(cudaGraphUpload(empty.exec, stream_), "cudaGraphUpload");
    what.enqueue = [&] { check(cudaGraphLaunch(empty.exec, stream_), "cudaGraphLaunch"); };
  } else {
    what.enqueue = [&] { all(nullptr); };
  }
  (void)measure(request, what, result);
  result.events = in_a_row;
  result.remarks.emplace_back(as_graph ? "a graph of 1000 empty kernels, each after the one before"
                                       : "1000 empty kernels on one stream: the slower of the host's launching and the "
                                         "device's starting");

  fill_bytes(counter, 0, sizeof *counter);
  if (as_graph) {
    check(cudaGraphLaunch(counting.exec, stream_), "cudaGraphLaunch");
  } else {
    all(counter);
  }
  unsigned long long ran = 0;
  download(&ran, counter, sizeof ran);
  if (ran != in_a_row) {
    throw error{result.kernel + " on " + name_ + ": " + std::to_string(ran) + " of " + std::to_string(in_a_row) +
                " kernels ran"};
  }
  result.verified = true;
}

void cuda_device::run_link(const kernel_request& request, kernel_measurement& result, bool to_device) {
  const std::int64_t size = wanted_size(request, page, page, std::min(default_size(), std::int64_t{256} << 20));
  const auto length = static_cast<std::size_t>(size);
  std::uint8_t* const here = main_memory(length);
  const cuda_memory host = allocate_pinned(length);
  const stream_content content{stream_content::pattern, to_device ? 21u : 22u, {}, 0};
  auto* const words = host.as<vector16>();
  if (to_device) {
    for (std::uint64_t i = 0; i < vectors_of(size); ++i) words[i] = content_at(content, i);
  } else {
    check(launch_fill(site(), here, vectors_of(size), content), "launch of fill");
  }
  pass what;
  what.enqueue = [&] {
    check(to_device ? cudaMemcpyAsync(here, words, length, cudaMemcpyHostToDevice, stream_)
                    : cudaMemcpyAsync(words, here, length, cudaMemcpyDeviceToHost, stream_),
          "cudaMemcpyAsync");
  };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  result.remarks.emplace_back("pinned memory of the host, one direction at a time");

  if (to_device) {
    fill_bytes(here, spoiled, length);
    what.enqueue();
    verify_content(here, size, content, result);
    return;
  }
  synchronise();
  std::memset(words, spoiled, length);
  what.enqueue();
  synchronise();
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < vectors_of(size); ++i) {
    const vector16 expected = content_at(content, i);
    wrong += std::memcmp(words + i, &expected, sizeof expected) != 0 ? 1u : 0u;
  }
  if (wrong != 0) {
    throw error{"device_to_host on " + name_ + ": " + std::to_string(wrong) + " groups of 16 bytes are wrong"};
  }
  result.verified = true;
}

void cuda_device::run_peer(const kernel_request& request, kernel_measurement& result) {
  std::string reason;
  const int other = find_peer(reason);
  if (other < 0) throw value_error{"kernel", request.kernel, "a peer: " + reason};
  const std::int64_t size = wanted_size(request, page, page, std::min(default_size(), std::int64_t{256} << 20));
  const auto length = static_cast<std::size_t>(size);
  std::uint8_t* const here = main_memory(length);
  const auto enable = [&](int from, int to) {
    check(cudaSetDevice(from), "cudaSetDevice");
    const cudaError_t code = cudaDeviceEnablePeerAccess(to, 0);
    if (code == cudaErrorPeerAccessAlreadyEnabled) {
      (void)cudaGetLastError();
    } else {
      check(code, "cudaDeviceEnablePeerAccess");
    }
  };
  cuda_memory there;
  try {
    enable(other, ordinal_);
    there = allocate(length, "working_set");
    enable(ordinal_, other);
  } catch (...) {
    (void)cudaSetDevice(ordinal_);
    throw;
  }
  const stream_content content{stream_content::pattern, 33, {}, 0};
  check(launch_fill(site(), here, vectors_of(size), content), "launch of fill");
  pass what;
  what.enqueue = [&] {
    check(cudaMemcpyPeerAsync(there.as(), other, here, ordinal_, length, stream_), "cudaMemcpyPeerAsync");
  };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  result.remarks.push_back("to CUDA device " + std::to_string(other));

  // Something new, there and back: the peer still holds what was timed.
  const stream_content other_content{stream_content::pattern, 34, {}, 0};
  check(launch_fill(site(), here, vectors_of(size), other_content), "launch of fill");
  what.enqueue();
  fill_bytes(here, spoiled, length);
  check(cudaMemcpyPeerAsync(here, ordinal_, there.as(), other, length, stream_), "cudaMemcpyPeerAsync");
  verify_content(here, size, other_content, result);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
