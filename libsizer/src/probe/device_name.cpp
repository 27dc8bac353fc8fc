/// @file
/// Names of devices, taken apart.

#include "device_name.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// Words that one side writes and the other leaves out.
constexpr std::array<std::string_view, 18> trimmings{
    "nvidia",      "amd",    "intel", "ati",     "geforce",   "tesla", "radeon", "graphics",   "gpu",
    "corporation", "series", "gen",   "edition", "processor", "cpu",   "tm",     "generation", "r"};

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
}

bool has_digit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
}

/// "80gb", "24g".
bool is_size(std::string_view word) {
  if (word.ends_with("gb")) return all_digits(word.substr(0, word.size() - 2));
  return word.size() > 1 && word.ends_with('g') && all_digits(word.substr(0, word.size() - 1));
}

/// "13th" of "13th Gen Intel(R) Core(TM)".
bool is_ordinal(std::string_view word) {
  return word.size() > 2 && (word.ends_with("th") || word.ends_with("st") || word.ends_with("nd")) &&
         all_digits(word.substr(0, word.size() - 2));
}

/// What of the text is the name: before a clock ("@ 2.20GHz"), a graphics part ("w/ Radeon 8060S") and parentheses,
/// except those with the number of cores that tell Apple's chips apart.
std::string name_part(std::string_view text) {
  std::string low = lowered(text.substr(0, 256));
  for (const std::string_view end : {"@", " w/ ", " with "}) low.erase(std::min(low.find(end), low.size()));
  std::string result;
  for (std::size_t i = 0; i < low.size(); ++i) {
    if (low[i] == '(') {
      const std::size_t close = low.find(')', i);
      const std::string inside = low.substr(i + 1, close == std::string::npos ? close : close - i - 1);
      result += inside.find("core gpu") != std::string::npos ? " " + inside + " " : " ";
      if (close == std::string::npos) break;
      i = close;
    } else {
      result += low[i];
    }
  }
  return result;
}

std::string joined(const std::vector<std::string>& list) {
  std::string result;
  for (const std::string& word : list) result += word;
  return result;
}

}  // namespace

std::vector<std::string> name_words(std::string_view text) {
  std::vector<std::string> result;
  bool inside = false;
  for (const char raw : text) {
    const char c = lower(raw);
    if (is_alphanumeric(c)) {
      if (!inside) result.emplace_back();
      result.back() += c;
      inside = true;
    } else if (c == '+' && inside) {
      result.back() += "plus";
    } else {
      inside = false;
    }
  }
  return result;
}

device_name parse_device_name(std::string_view text) {
  device_name name;
  const std::string part = name_part(text);
  std::vector<std::string> lead;  // of the first alternative, up to the first number: "rx" of "RX 7900 XT/7900 XTX"
  bool first = true;
  for (const std::string_view alternative : words(part, "/")) {
    std::vector<std::string> kept;
    for (const std::string& word : name_words(alternative)) {
      if (first && kept.empty() && word.size() > 1 && word.ends_with('x') &&
          all_digits(std::string_view{word}.substr(0, word.size() - 1))) {
        name.times =
            static_cast<std::int32_t>(whole_in(std::string_view{word}.substr(0, word.size() - 1), 1, 1024).value_or(1));
        continue;
      }
      if (word.starts_with("sxm") || word.starts_with("hbm")) {
        name.form = "sxm";
      } else if (word == "pcie") {
        name.form = "pcie";
      } else if (word == "core" && !kept.empty() && all_digits(kept.back()) && kept.size() > 1) {
        kept.pop_back();  // "96-Core Processor"
      } else if (!is_size(word) && !is_ordinal(word) &&
                 std::find(trimmings.begin(), trimmings.end(), word) == trimmings.end()) {
        kept.push_back(word);
      }
    }
    if (kept.empty()) continue;
    if (first) {
      for (const std::string& word : kept) {
        if (has_digit(word)) break;
        lead.push_back(word);
      }
    } else if (!lead.empty() && kept.front() != lead.front()) {
      kept.insert(kept.begin(), lead.begin(), lead.end());
    }
    name.cores.push_back(joined(kept));
    first = false;
  }
  return name;
}

bool same_device(const device_name& a, const device_name& b) {
  if (!a.form.empty() && !b.form.empty() && a.form != b.form) return false;
  return std::any_of(a.cores.begin(), a.cores.end(), [&](const std::string& one) {
    return std::find(b.cores.begin(), b.cores.end(), one) != b.cores.end();
  });
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
