#pragma once
/// @file
/// Names as people type them: one normal form for look-ups, and the nearest known names for an error message.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sizer {
inline namespace v0 {

/// A name that can be looked up and the id that it stands for (for an id itself, both are equal).
struct known_name {
  std::string text;
  std::string id;
  friend bool operator==(const known_name&, const known_name&) = default;
};

namespace detail {

/// Longest name that is compared letter by letter. Ids and aliases stay below; the cost of a comparison is quadratic.
inline constexpr std::size_t longest_compared_name = 128;

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
[[nodiscard]] constexpr bool is_alphanumeric(char c) noexcept { return is_digit(c) || is_letter(c); }
[[nodiscard]] constexpr bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80U; }
[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Runs of letters and runs of digits, in lower case: "RTX3090-24gb" gives rtx, 3090, 24, gb.
[[nodiscard]] inline std::vector<std::string> name_tokens(std::string_view name) {
  std::vector<std::string> tokens;
  char previous = ' ';
  for (const char raw : name.substr(0, longest_compared_name)) {
    const char c = lower(raw);
    if (is_alphanumeric(c)) {
      if (!is_alphanumeric(previous) || is_digit(previous) != is_digit(c)) tokens.emplace_back();
      tokens.back() += c;
    }
    previous = c;
  }
  return tokens;
}

/// Share of the letters of both names that stand in common tokens, 0 to 1.
[[nodiscard]] inline double token_overlap(const std::vector<std::string>& a, std::vector<std::string> b) {
  std::size_t letters = 0;
  std::size_t common = 0;
  for (const std::string& token : b) letters += token.size();
  for (const std::string& token : a) {
    letters += token.size();
    if (const auto match = std::find(b.begin(), b.end(), token); match != b.end()) {
      common += 2 * token.size();
      b.erase(match);
    }
  }
  return letters == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(letters);
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one name into the other (optimal string
/// alignment distance).
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, longest_compared_name);
  b = b.substr(0, longest_compared_name);
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace detail

/// The form under which names are compared: lower case; separators (space, underscore, dot, dash, slash, brackets) kept
/// only between two digits, as a dash. "RTX 3090", "rtx3090" and "rtx-3090" are one name, and so are "Qwen3.5 35B" and
/// "qwen3-5-35b", but "qwen3-5b" is not "qwen35b". A plus sign at the end of a word is the word "plus" (Command R+).
[[nodiscard]] inline std::string normal_name(std::string_view name) {
  std::string normal;
  bool separated = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = detail::lower(name[i]);
    if (c == '\xC3' && i + 1 < name.size() && name[i + 1] == '\x97') {  // the multiplication sign in UTF-8
      c = 'x';
      ++i;
    }
    if (c == '+' && !normal.empty() && !separated) {
      normal += "plus";
      continue;
    }
    if (detail::is_ascii(c) && !detail::is_alphanumeric(c)) {
      separated = true;
      continue;
    }
    if (separated && !normal.empty() && detail::is_digit(normal.back()) && detail::is_digit(c)) normal += '-';
    separated = false;
    normal += c;
  }
  return normal;
}

/// How alike two names are, 0 to 1: the mean of edit similarity and common tokens, so that both a slip of the finger
/// ("qwne3-32b") and a part left out ("3090") find their name.
[[nodiscard]] inline double name_similarity(std::string_view a, std::string_view b) {
  const std::string x = normal_name(a);
  const std::string y = normal_name(b);
  const std::size_t longest = std::min(std::max(x.size(), y.size()), detail::longest_compared_name);
  if (longest == 0) return 0.0;
  const double edits = static_cast<double>(detail::edit_distance(x, y)) / static_cast<double>(longest);
  return 0.5 * (1.0 - edits) + 0.5 * detail::token_overlap(detail::name_tokens(a), detail::name_tokens(b));
}

/// Ids of the known names nearest to `name`, best first, each id once.
/// @param most   how many to return at most
/// @param least  how many to return even if they are not alike, for somebody who has to see what names look like
[[nodiscard]] inline std::vector<std::string> nearest_names(std::string_view name, std::span<const known_name> known,
                                                            std::size_t most = 5, std::size_t least = 0) {
  // Below a third alike, a suggestion reads as noise ("banana" would suggest "bamba").
  constexpr double least_alike = 0.34;
  std::vector<std::pair<double, std::string_view>> ranked;
  for (const known_name& candidate : known) {
    const double alike = name_similarity(name, candidate.text);
    if (alike >= least_alike || least > 0) ranked.emplace_back(alike, candidate.id);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> nearest;
  for (const auto& [alike, id] : ranked) {
    if (nearest.size() == most || (alike < least_alike && nearest.size() >= least)) break;
    if (std::find(nearest.begin(), nearest.end(), id) == nearest.end()) nearest.emplace_back(id);
  }
  return nearest;
}

/// The same over plain names.
[[nodiscard]] inline std::vector<std::string> nearest_names(std::string_view name,
                                                            std::span<const std::string_view> known,
                                                            std::size_t most = 5, std::size_t least = 0) {
  std::vector<known_name> names;
  names.reserve(known.size());
  for (const std::string_view text : known) names.push_back({std::string{text}, std::string{text}});
  return nearest_names(name, std::span<const known_name>{names}, most, least);
}

}  // namespace v0
}  // namespace sizer
