#pragma once
/// @file
/// What the library throws. An exception means that the caller's input is wrong or that a file is bad; "does not fit"
/// and "not known" are values and are never thrown.

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sizer {
inline namespace v0 {

/// Base of everything the library throws.
class error : public std::runtime_error {
 public:
  explicit error(const std::string& message) : std::runtime_error{message} {}
};

/// A value that a caller passed is outside what the field allows.
class value_error : public error {
 public:
  /// @param field     the field's public name, as a user typed it ("context")
  /// @param got       the value received
  /// @param expected  the range or the set that is allowed
  value_error(std::string field, std::string got, std::string expected)
      : error{field + ": got " + got + ", expected " + expected},
        field_{std::move(field)},
        got_{std::move(got)},
        expected_{std::move(expected)} {}

  [[nodiscard]] const std::string& field() const noexcept { return field_; }
  [[nodiscard]] const std::string& got() const noexcept { return got_; }
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }

 private:
  std::string field_;
  std::string got_;
  std::string expected_;
};

/// A name (of a model, a machine, a quantisation, an option) that nothing carries.
class unknown_name_error : public error {
 public:
  /// @param what     what was looked up ("model", "quantisation")
  /// @param name     the name received
  /// @param nearest  the closest known names, best first; may be empty
  unknown_name_error(std::string what, std::string name, std::vector<std::string> nearest)
      : error{text(what, name, nearest)},
        what_{std::move(what)},
        name_{std::move(name)},
        nearest_{std::move(nearest)} {}

  [[nodiscard]] const std::string& looked_up() const noexcept { return what_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::vector<std::string>& nearest() const noexcept { return nearest_; }

 private:
  static std::string text(const std::string& what, const std::string& name, const std::vector<std::string>& nearest) {
    std::string message = what + ": got '" + name + "', which is not known";
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      message += (i == 0 ? "; nearest: " : ", ") + nearest[i];
    }
    return message;
  }

  std::string what_;
  std::string name_;
  std::vector<std::string> nearest_;
};

/// A file (a catalogue entry, a model file) that breaks its own format.
class data_error : public error {
 public:
  /// @param file     file name, or the name of an embedded entry
  /// @param where    JSON pointer, byte offset or key inside it
  /// @param problem  what is wrong there: value got and what is expected
  data_error(std::string file, std::string where, std::string problem)
      : error{file + (where.empty() ? "" : " at " + where) + ": " + problem},
        file_{std::move(file)},
        where_{std::move(where)},
        problem_{std::move(problem)} {}

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  std::string file_;
  std::string where_;
  std::string problem_;
};

}  // namespace v0
}  // namespace sizer
