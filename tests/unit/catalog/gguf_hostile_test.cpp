#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/catalog/byte_source.hpp>
#include <sizer/catalog/gguf.hpp>
#include <sizer/error.hpp>
#include <sizer/model/ggml_type.hpp>

#include "support/gguf_writer.hpp"

using namespace sizer;
using sizer_test::byte_writer;
using sizer_test::file_bytes;
using sizer_test::gguf_type;
using sizer_test::gguf_writer;

namespace {

enum class outcome { read, refused, refused_as_data };

/// Anything but a sizer::error fails the test by coming through.
outcome read(std::string_view content, bool knows_size) {
  const auto memory = open_memory(file_bytes(content), "m.gguf");
  const auto source =
      open_callback("m.gguf", knows_size ? std::optional<std::uint64_t>{content.size()} : std::nullopt,
                    [&](std::uint64_t offset, std::span<std::byte> out) { return memory->read(offset, out); });
  try {
    const gguf_file file = read_gguf(*source);
    (void)content_of(file);
    (void)stored_tensors({file});
    return outcome::read;
  } catch (const data_error&) {
    return outcome::refused_as_data;
  } catch (const error&) {
    return outcome::refused;
  }
}

/// "byte 24: got ...", as the file says it.
std::string fault(const std::string& content) {
  try {
    (void)read_gguf(*open_memory(file_bytes(content), "m.gguf"));
  } catch (const data_error& bad) {
    CHECK(bad.file() == "m.gguf");
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}
std::string fault(const gguf_writer& file) { return fault(file.bytes()); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// One of everything, in 300 bytes.
gguf_writer small() {
  gguf_writer file;
  file.key("general.architecture", "llama").key("a", std::uint8_t{1}).key("b", true).key("c", 0.5F);
  file.array("d", std::vector<std::int16_t>{1, 2}).array("e", std::vector<std::string>{"x", "yz"});
  file.tensor("t", {32, 2}, ggml_type::q4_0).tensor("u", {4}, ggml_type::f32);
  return file;
}

/// A key "k" of that type, with that behind it; it begins at byte 24, its value's type at byte 33 and the value at 37.
gguf_writer one_key(gguf_type type, const std::string& payload) {
  gguf_writer file;
  file.raw_key("k", type, payload);
  return file;
}
std::string number64(std::uint64_t n) { return byte_writer{}.put(n).content; }
std::string number32(std::uint32_t n) { return byte_writer{}.put(n).content; }

/// A good tensor of 128 bytes and that one.
gguf_writer one_tensor(const std::string& name, const std::vector<std::int64_t>& ne, std::uint32_t type = 0,
                       std::uint64_t offset = 128, std::optional<std::uint32_t> n_dims = {}) {
  gguf_writer file;
  file.tensor("good", {32}, ggml_type::f32).raw_tensor(name, ne, type, offset, n_dims);
  file.n_data = 1024;
  return file;
}

constexpr std::array<std::uint64_t, 3> lies{std::uint64_t{1} << 40U, std::uint64_t{1} << 63U,
                                            std::numeric_limits<std::uint64_t>::max()};

}  // namespace

TEST_CASE("a header cut off at any byte is refused") {
  for (const bool big_endian : {false, true}) {
    gguf_writer file = small();
    if (big_endian) {
      file = gguf_writer{3, true};
      file.key("k", std::uint32_t{1}).array("e", std::vector<std::string>{"x"}).tensor("t", {4}, ggml_type::f32);
    }
    const std::string header = file.header();
    for (std::size_t n = 0; n < header.size(); ++n) {
      CAPTURE(n);
      CHECK(read(std::string_view{header}.substr(0, n), true) == outcome::refused_as_data);
      CHECK(read(std::string_view{header}.substr(0, n), false) == outcome::refused_as_data);
    }
  }
}

TEST_CASE("data cut off at any byte are refused") {
  const gguf_writer file = small();
  const std::string content = file.bytes();
  const std::size_t padding = 16;  // behind the last tensor, which may be missing
  for (std::size_t n = file.header().size(); n < content.size() - padding; ++n) {
    CAPTURE(n);
    CHECK(read(std::string_view{content}.substr(0, n), true) == outcome::refused_as_data);
  }
  CHECK(read(std::string_view{content}.substr(0, content.size() - padding), true) == outcome::read);
}

TEST_CASE("a file with any one byte changed is read or refused, and nothing else") {
  const std::string content = small().bytes();
  const std::size_t header = small().header().size();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < header; ++at) {
    for (const int change : {0x00, 0xFF, -1, 0x01, 0x80}) {
      std::string changed = content;
      const auto byte = static_cast<unsigned char>(changed[at]);
      changed[at] = static_cast<char>(change == -1 ? ~byte : change == 0x01 || change == 0x80 ? byte ^ change : change);
      CAPTURE(at);
      CAPTURE(change);
      for (const bool knows_size : {true, false}) {
        if (read(changed, knows_size) != outcome::read) ++refused;
      }
    }
  }
  CHECK(refused > 4 * header);  // most bytes of a small header mean something
}

TEST_CASE("a file that is none is refused with what it begins with") {
  CHECK(fault("") == "byte 0: the file ends here, in the middle of its header");
  CHECK(fault("<!DOCTYPE html><html>") == "byte 0: got '<!DO', expected 'GGUF', the first four bytes of a GGUF file");
  gguf_writer file;
  file.magic = "\x1b[3m";
  CHECK(contains(fault(file), "got '?[3m'"));
}

TEST_CASE("only versions 2 and 3 are read") {
  for (const std::uint32_t version : {0U, 1U, 4U, 0x00010003U, 0xFFFFFFFFU}) {
    CAPTURE(version);
    CHECK(fault(gguf_writer{version}) == "byte 4: got version " + std::to_string(version) + ", expected 2 or 3");
  }
  CHECK(fault(gguf_writer{1, true}) == "byte 4: got version 1, expected 2 or 3");
}

TEST_CASE("counts that the file has no bytes for are refused before anything is allocated") {
  for (const std::uint64_t count : lies) {
    CAPTURE(count);
    gguf_writer file = small();
    file.n_tensors = count;
    CHECK(contains(fault(file), "byte 8: got " + std::to_string(count) + " tensors, expected at most "));
    CHECK(read(file.bytes(), false) == outcome::refused_as_data);
    file = small();
    file.n_keys = count;
    CHECK(contains(fault(file), "byte 16: got " + std::to_string(count) + " metadata keys, expected at most "));
    CHECK(read(file.bytes(), false) == outcome::refused_as_data);
  }
  gguf_writer file = small();
  file.n_tensors = 3;
  CHECK(read(file.bytes(), true) == outcome::refused_as_data);
  file = small();
  file.n_keys += 1;
  CHECK(read(file.bytes(), true) == outcome::refused_as_data);
}

TEST_CASE("a string or an array longer than the file is refused") {
  for (const std::uint64_t length : lies) {
    CAPTURE(length);
    const std::string shown = std::to_string(length);
    const std::vector<std::pair<gguf_writer, std::string>> cases{
        {one_key(gguf_type::text, number64(length) + "abc"),
         "byte 37: got 'k' of " + shown + " bytes, expected at most "},
        {one_key(gguf_type::array, number32(4) + number64(length)),
         "byte 41: 'k': got an array of " + shown + " values, expected at most "},
        {one_key(gguf_type::array, number32(8) + number64(length)), "byte 41: 'k': got an array of " + shown},
        {one_key(gguf_type::array, number32(8) + number64(1) + number64(length)), "byte 49: got a string of " + shown}};
    for (const auto& one : cases) {
      CAPTURE(one.second);
      CHECK(contains(fault(one.first), one.second));
      CHECK(read(one.first.bytes(), false) == outcome::refused_as_data);
    }
    gguf_writer file;
    file.keys = number64(length) + "abc";
    file.n_keys = 1;
    CHECK(contains(fault(file.bytes() + std::string(64, ' ')), "byte 24: got a key of " + shown + " bytes"));
  }
}

TEST_CASE("a length that wraps around 64 bits is refused") {
  // 2^61 values of 8 bytes are 2^64 bytes, which is 0.
  for (const gguf_type type : {gguf_type::u64, gguf_type::text}) {
    const auto file = one_key(gguf_type::array, number32(static_cast<std::uint32_t>(type)) + number64(1ULL << 61U));
    CHECK(read(file.bytes(), true) == outcome::refused_as_data);
    CHECK(read(file.bytes(), false) == outcome::refused_as_data);
  }
}

TEST_CASE("values that the format does not have are refused") {
  CHECK(fault(one_key(gguf_type::array, number32(9) + number64(1) + number32(0) + number64(0))) ==
        "byte 41: 'k' is an array of arrays, expected values");
  CHECK(fault(one_key(static_cast<gguf_type>(13), number64(0))) ==
        "byte 33: the value of 'k' has type 13, expected 0 to 12");
  CHECK(contains(fault(one_key(gguf_type::array, number32(13) + number64(0))), "has type 13"));
  CHECK(fault(one_key(gguf_type::boolean, "\2")) == "byte 37: 'k': got 2, expected 0 or 1, a boolean");
  CHECK(contains(fault(one_key(gguf_type::array, number32(7) + number64(1) + "\2")), "got 2, expected 0 or 1"));
  CHECK(fault(one_key(gguf_type::u64, number64(~0ULL))) ==
        "byte 37: 'k': got 18446744073709551615, expected at most 2^63 - 1");
}

TEST_CASE("a key or tensor without a name, or with a very long one, is refused") {
  gguf_writer file;
  CHECK(fault(file.key("", true)) == "byte 24: got a key of 0 bytes, expected at least 1");
  CHECK(contains(fault(one_tensor("", {1})), "got a tensor name of 0 bytes, expected at least 1"));
  file = gguf_writer{};
  CHECK(contains(fault(file.key(std::string(1025, 'k'), true)), "got a key of 1025 bytes, expected at most 1024"));
  CHECK(contains(fault(one_tensor(std::string(1025, 't'), {1})), "got a tensor name of 1025 bytes"));
}

TEST_CASE("names that are there twice are refused") {
  gguf_writer file;
  file.key("k", true).key("j", true).key("k", true);
  CHECK(contains(fault(file), ": got the key 'k' twice, expected each key once"));
  CHECK(fault(one_tensor("good", {1})) == "tensor 'good': is there twice, expected each name once");
}

TEST_CASE("an alignment that is no power of two is refused") {
  const auto with = [](auto value) {
    gguf_writer file;
    return fault(file.key("general.alignment", value));
  };
  const std::string expected = ", expected a power of two up to 2^30";
  CHECK(with(std::uint32_t{0}) == "general.alignment: got 0" + expected);
  CHECK(with(std::uint32_t{3}) == "general.alignment: got 3" + expected);
  CHECK(with(std::int32_t{-32}) == "general.alignment: got -32" + expected);
  CHECK(with(std::uint32_t{1} << 31U) == "general.alignment: got 2147483648" + expected);
  CHECK(with(std::numeric_limits<std::int64_t>::min()) == "general.alignment: got -9223372036854775808" + expected);
  CHECK(with("32") == "general.alignment: got no integer" + expected);
  CHECK(with(32.0F) == "general.alignment: got no integer" + expected);
}

TEST_CASE("an architecture's name that is none is refused") {
  gguf_writer file;
  CHECK(contains(fault(file.key("general.architecture", "\x1b[31m")), "general.architecture: got '?[31m'"));
  file = gguf_writer{};
  CHECK(contains(fault(file.key("general.architecture", std::string(65, 'a'))), "expected a name of at most 64"));
  file = gguf_writer{};
  CHECK(contains(fault(file.key("general.architecture", 5)), "got no string"));
}

TEST_CASE("dimensions that no tensor has are refused") {
  CHECK(fault(one_tensor("t", {})) == "tensor 't': got 0 dimensions, expected 1 to 4");
  CHECK(fault(one_tensor("t", {1, 1, 1, 1, 1})) == "tensor 't': got 5 dimensions, expected 1 to 4");
  CHECK(contains(fault(one_tensor("t", {1}, 0, 128, 4294967295)), "got 4294967295 dimensions"));
  const std::string expected = ", expected at least 1 and a product below 2^59";
  CHECK(fault(one_tensor("t", {0})) == "tensor 't': got dimension 0 of 0" + expected);
  CHECK(fault(one_tensor("t", {8, -1})) == "tensor 't': got dimension 1 of -1" + expected);
  const std::int64_t half = std::int64_t{1} << 32;
  CHECK(fault(one_tensor("t", {half, half, half})) == "tensor 't': got dimension 1 of 4294967296" + expected);
  CHECK(contains(fault(one_tensor("t", {std::numeric_limits<std::int64_t>::max()})), expected));
  CHECK(contains(fault(one_tensor("t", {std::numeric_limits<std::int64_t>::min()})), expected));
  CHECK(fault(one_tensor("t", {31}, 2)) ==
        "tensor 't': got rows of 31 weights, expected a multiple of 32, the block of Q4_0");
}

TEST_CASE("tensors outside the file, in each other or beside the alignment are refused") {
  CHECK(contains(fault(one_tensor("t", {32}, 0, 64)), "tensor 't': got the offset 64, inside the tensor 'good'"));
  CHECK(contains(fault(one_tensor("t", {32}, 0, 0)), "got the offset 0, inside the tensor"));
  CHECK(contains(fault(one_tensor("t", {1024})), "tensor 't': ends at byte "));
  CHECK(contains(fault(one_tensor("t", {1024})), "it is cut short, or its header lies"));
  CHECK(contains(fault(one_tensor("t", {8}, 0, std::uint64_t{1} << 40U)), "tensor 't': ends at byte 1099511"));
  CHECK(contains(fault(one_tensor("t", {8}, 0, 129)), "got the offset 129, expected a multiple of 32 below 2^63"));
  for (const std::uint64_t offset : {std::uint64_t{1} << 63U, std::numeric_limits<std::uint64_t>::max() - 31}) {
    CHECK(contains(fault(one_tensor("t", {8}, 0, offset)), "expected a multiple of 32 below 2^63"));
  }
  const std::uint64_t last = (std::uint64_t{1} << 63U) - 32;
  CHECK(contains(fault(one_tensor("t", {32}, 0, last)), "expected an end below 2^63"));
  CHECK(read(one_tensor("t", {32}, 0, last).bytes(), false) == outcome::refused_as_data);
}

TEST_CASE("a tensor of unknown type needs room that something tells") {
  CHECK(contains(fault(one_tensor("t", {8}, 999, 1024)), "got the number format 999, which is not known"));
  CHECK(contains(fault(one_tensor("t", {8}, 999, 4096)), "got the number format 999, which is not known"));
  CHECK(read(one_tensor("t", {8}, 999, 512).bytes(), true) == outcome::read);
  CHECK(read(one_tensor("t", {8}, 999, 512).bytes(), false) == outcome::refused_as_data);
  CHECK(contains(fault(one_tensor("t", {8}, 0xFFFFFFFF)), "got number format 4294967295, expected a small number"));
}

TEST_CASE("a message shows no control characters and no long names of the file") {
  gguf_writer file;
  CHECK(contains(fault(file.key("\x1b[31m\n\xff", true).key("\x1b[31m\n\xff", true)), "'?[31m?\?' twice"));
  const std::string text = fault(one_tensor(std::string(1000, 'n'), {0}));
  CHECK(contains(text, "nnn...'"));
  CHECK(text.size() < 200);
}

TEST_CASE("a source that claims more than 2^63 bytes is refused") {
  const std::string content = small().bytes();
  const auto source = open_callback("m.gguf", ~0ULL, [&](std::uint64_t offset, std::span<std::byte> out) {
    return open_memory(file_bytes(content), "")->read(offset, out);
  });
  CHECK_THROWS_AS((void)read_gguf(*source), data_error);
}

TEST_CASE("a source that never ends is not read without end") {
  const std::string start = one_key(gguf_type::array, number32(8) + number64(std::uint64_t{1} << 59U)).header();
  std::uint64_t furthest = 0;
  const auto source = open_callback("m.gguf", {}, [&](std::uint64_t offset, std::span<std::byte> out) {
    furthest = std::max(furthest, offset);
    std::fill(out.begin(), out.end(), std::byte{0});
    for (std::size_t i = 0; i < out.size() && offset + i < start.size(); ++i) {
      out[i] = static_cast<std::byte>(start[static_cast<std::size_t>(offset) + i]);
    }
    return out.size();
  });
  CHECK_THROWS_WITH_AS((void)read_gguf(*source), doctest::Contains("the header goes on here"), data_error);
  CHECK(furthest < 300'000'000);
}
