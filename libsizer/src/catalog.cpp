/// @file
/// Look-ups by name, and catalogues with files of a user's own.

#include <sizer/catalog/catalog.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <span>
#include <utility>

#include "embedded.hpp"
#include "read_lists.hpp"
#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// What an entry is called, read without reading the rest of it.
struct entry_names {
  std::string name;
  std::vector<std::string> aliases;
};

/// Takes "name" and "aliases" out of a file's top level and stops there. Files state them first, so this reads some
/// hundred bytes of each. It judges nothing: whoever uses the entry reads it whole.
class names_reader final : public nlohmann::json_sax<json> {
 public:
  explicit names_reader(entry_names& names) : names_{&names} {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    if (depth_ == 1 && key_ == "name") {
      names_->name = std::move(value);
      have_name_ = true;
    } else if (depth_ == 2 && key_ == "aliases") {
      names_->aliases.push_back(std::move(value));
    }
    return !(have_name_ && have_aliases_);
  }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool start_array(std::size_t) override { return ++depth_ > 0; }
  bool end_object() override { return --depth_ >= 0; }
  bool end_array() override {
    --depth_;
    have_aliases_ = have_aliases_ || (depth_ == 1 && key_ == "aliases");
    return !(have_name_ && have_aliases_);
  }
  bool key(string_t& name) override {
    if (depth_ == 1) key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  entry_names* names_;
  std::string key_;
  int depth_ = 0;
  bool have_name_ = false;
  bool have_aliases_ = false;
};

model_entry parse_entry(std::string_view text, const std::string& file, const model_entry*) {
  return read_model_json(text, file);
}
machine_entry parse_entry(std::string_view text, const std::string& file, const machine_entry*) {
  return read_machine_json(text, file);
}
const std::string& name_of(const model_entry& entry) { return entry.name; }
const std::string& name_of(const machine_entry& entry) { return entry.machine.name; }

/// An entry that is parsed when it is first asked for.
template <class Entry>
class lazy_entry {
 public:
  /// @param text  lives as long as the program (embedded data)
  lazy_entry(std::string_view file, std::string_view text) : file_{file}, text_{text} {}
  explicit lazy_entry(Entry ready) : entry_{std::move(ready)} {}

  [[nodiscard]] const Entry& get() const {
    const std::lock_guard lock{mutex_};
    if (!entry_) entry_ = parse_entry(text_, file_, static_cast<const Entry*>(nullptr));
    return *entry_;
  }
  [[nodiscard]] entry_names names() const {
    const std::lock_guard lock{mutex_};
    if (entry_) return {name_of(*entry_), entry_->aliases};
    entry_names names;
    names_reader reader{names};
    (void)json::sax_parse(text_.begin(), text_.end(), &reader);  // false: stopped early, as intended
    return names;
  }

 private:
  std::string file_;
  std::string_view text_;
  mutable std::mutex mutex_;
  mutable std::optional<Entry> entry_;
};

template <class Entry>
using entry_map = std::map<std::string, std::shared_ptr<const lazy_entry<Entry>>, std::less<>>;

/// Ids by what people call them, in normal form, and all names for suggestions.
struct name_index {
  using id_list = std::vector<std::string>;
  std::map<std::string, id_list, std::less<>> by_id;
  std::map<std::string, id_list, std::less<>> by_alias;
  std::map<std::string, id_list, std::less<>> by_name;
  std::vector<known_name> known;
};

template <class Entry>
name_index make_index(const entry_map<Entry>& entries) {
  name_index index;
  const auto note = [&](auto& map, const std::string& text, const std::string& id) {
    name_index::id_list& ids = map[normal_name(text)];
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    index.known.push_back({text, id});
  };
  for (const auto& [id, entry] : entries) {
    const entry_names names = entry->names();
    note(index.by_id, id, id);
    note(index.by_name, names.name, id);
    for (const std::string& alias : names.aliases) note(index.by_alias, alias, id);
  }
  return index;
}

/// A value made on first use, by whichever thread comes first.
template <class Value>
class made_once {
 public:
  template <class Make>
  const Value& get(Make&& make) const {
    const std::lock_guard lock{mutex_};
    if (!value_) value_ = make();
    return *value_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::optional<Value> value_;
};

/// The last part of a path without ".json": the id of an embedded entry.
std::string_view stem(std::string_view path) {
  if (const auto slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  if (path.ends_with(".json")) path.remove_suffix(5);
  return path;
}

[[noreturn]] void unknown_file(const std::string& file) {
  throw json_fault{file, "", "a file that is neither a model ('architecture') nor hardware ('devices')",
                   "one of them, or a 'not_sold' list, or sources by key with a 'title'"};
}

std::string read_whole_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::string text;
  constexpr std::size_t block = 65'536;
  std::array<char, block> buffer{};
  while (in && text.size() <= largest_json_bytes) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof() && text.size() <= largest_json_bytes) {
    throw json_fault{path.string(), "", "a file that cannot be read", "a readable JSON file"};
  }
  return text;
}

}  // namespace
}  // namespace detail

/// What a catalogue holds. Copies share entries that are parsed already.
struct catalogue::contents {
  detail::entry_map<model_entry> models;
  detail::entry_map<machine_entry> machines;
  std::vector<detail::named_text> list_texts;  ///< of this catalogue, read on first use
  detail::lists added_lists;                   ///< from files added later, which go before

  detail::made_once<detail::name_index> model_names;
  detail::made_once<detail::name_index> machine_names;
  detail::made_once<detail::lists> embedded_lists;

  contents() = default;
  /// The entries of another catalogue, which are then added to; what is derived from them is made anew.
  contents(const contents& other)
      : models{other.models}, machines{other.machines}, list_texts{other.list_texts}, added_lists{other.added_lists} {}
  contents& operator=(const contents&) = delete;

  [[nodiscard]] const detail::lists& own_lists() const {
    return embedded_lists.get([&] { return detail::read_lists(list_texts); });
  }

  void add(std::string_view text, const std::string& file) {
    const detail::reading context{file, nullptr};
    const detail::json document = detail::parse_json(text, file);
    const detail::json_node node{document, "", context};
    switch (detail::kind_of(document)) {
      case detail::file_kind::model: put(models, detail::read_model(node)); return;
      case detail::file_kind::machine: put(machines, detail::read_machine(node)); return;
      case detail::file_kind::not_sold: detail::read_not_sold(node, added_lists); return;
      case detail::file_kind::sources: detail::read_sources(node, added_lists); return;
      case detail::file_kind::unknown: break;
    }
    detail::unknown_file(file);
  }

 private:
  static const std::string& id_of(const model_entry& entry) { return entry.id; }
  static const std::string& id_of(const machine_entry& entry) { return entry.machine.id; }

  template <class Entry>
  static void put(detail::entry_map<Entry>& entries, Entry entry) {
    std::string id = id_of(entry);
    entries.insert_or_assign(std::move(id), std::make_shared<const detail::lazy_entry<Entry>>(std::move(entry)));
  }
};

namespace detail {
namespace {

/// The ids that a name stands for, by id, then alias, then full name; null: none.
const name_index::id_list* find_ids(std::string_view name, const name_index& index) {
  const std::string wanted = normal_name(name);
  for (const auto* names : {&index.by_id, &index.by_alias, &index.by_name}) {
    if (const auto found = names->find(wanted); found != names->end()) return &found->second;
  }
  return nullptr;
}

/// The id that a name stands for.
/// @param explain  called when nothing is found; may throw a better explanation
template <class Explain>
std::string resolve(const char* what, std::string_view name, const name_index& index, const Explain& explain) {
  if (const auto* ids = find_ids(name, index)) {
    if (ids->size() == 1) return ids->front();
    throw explained_name_error{what, std::string{name}, "which several carry", *ids};
  }
  explain(normal_name(name));
  throw unknown_name_error{what, std::string{name},
                           nearest_names(name, std::span<const known_name>{index.known}, 5, 3)};
}

template <class Entry>
std::vector<std::string> ids_of(const entry_map<Entry>& entries) {
  std::vector<std::string> ids;
  ids.reserve(entries.size());
  for (const auto& [id, entry] : entries) ids.push_back(id);
  return ids;
}

}  // namespace
}  // namespace detail

explained_name_error::explained_name_error(std::string what, std::string name, std::string reason,
                                           std::vector<std::string> nearest)
    : unknown_name_error{std::move(what), std::move(name), std::move(nearest)}, reason_{std::move(reason)} {
  message_ = looked_up() + ": got '" + this->name() + "', " + reason_;
  if (!this->nearest().empty()) message_ += "; nearest: " + detail::listed(this->nearest());
}

catalogue::catalogue() : all_{std::make_shared<const contents>()} {}
catalogue::catalogue(std::shared_ptr<const contents> all) : all_{std::move(all)} {}

const catalogue& catalogue::embedded() {
  static const catalogue built_in = [] {
    auto all = std::make_shared<contents>();
    for (const detail::embedded_file& file : detail::embedded_catalogue()) {
      const std::string_view path = file.path;
      if (path.starts_with("models/")) {
        all->models.insert_or_assign(std::string{detail::stem(path)},
                                     std::make_shared<const detail::lazy_entry<model_entry>>(path, file.text));
      } else if (path.starts_with("hardware/") && path != "hardware/not_sold.json") {
        all->machines.insert_or_assign(std::string{detail::stem(path)},
                                       std::make_shared<const detail::lazy_entry<machine_entry>>(path, file.text));
      } else if (path == "hardware/not_sold.json" || path.starts_with("sources")) {
        all->list_texts.push_back({std::string{path}, file.text});
      }
    }
    return catalogue{std::shared_ptr<const contents>{std::move(all)}};
  }();
  return built_in;
}

const model_entry& catalogue::model(std::string_view name) const {
  auto found = all_->models.find(name);
  if (found == all_->models.end()) {
    const auto& index = all_->model_names.get([&] { return detail::make_index(all_->models); });
    found = all_->models.find(detail::resolve("model", name, index, [](const std::string&) {}));
  }
  return found->second->get();
}

const model_entry* catalogue::find_model(std::string_view name) const {
  const auto& index = all_->model_names.get([&] { return detail::make_index(all_->models); });
  const auto* ids = detail::find_ids(name, index);
  if (ids == nullptr || ids->size() != 1) return nullptr;
  return &all_->models.find(ids->front())->second->get();
}

const machine_entry& catalogue::machine(std::string_view name) const {
  auto found = all_->machines.find(name);
  if (found == all_->machines.end()) {
    const auto& index = all_->machine_names.get([&] { return detail::make_index(all_->machines); });
    const auto explain = [&](const std::string& wanted) {
      for (const detail::lists* lists : {&all_->added_lists, &all_->own_lists()}) {
        const auto reason = lists->not_sold.find(wanted);
        if (reason == lists->not_sold.end()) continue;
        throw explained_name_error{"hardware", std::string{name}, "which was never sold: " + reason->second.why,
                                   reason->second.nearest};
      }
    };
    found = all_->machines.find(detail::resolve("hardware", name, index, explain));
  }
  return found->second->get();
}

std::vector<std::string> catalogue::model_ids() const { return detail::ids_of(all_->models); }
std::vector<std::string> catalogue::machine_ids() const { return detail::ids_of(all_->machines); }

std::optional<source_info> catalogue::source(std::string_view key) const {
  for (const detail::lists* lists : {&all_->added_lists, &all_->own_lists()}) {
    if (const auto found = lists->sources.find(key); found != lists->sources.end()) return found->second;
  }
  return std::nullopt;
}

catalogue catalogue::with_text(std::string_view text, std::string_view file_name) const {
  auto all = std::make_shared<contents>(*all_);
  all->add(text, std::string{file_name});
  return catalogue{std::shared_ptr<const contents>{std::move(all)}};
}

catalogue catalogue::with_file(const std::string& path) const {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  std::error_code problem;
  if (fs::is_directory(path, problem)) {
    for (fs::recursive_directory_iterator at{path, problem}, end; !problem && at != end; at.increment(problem)) {
      std::error_code unreadable;
      if (at->path().extension() == ".json" && at->is_regular_file(unreadable)) files.push_back(at->path());
    }
    if (problem) throw detail::json_fault{path, "", problem.message(), "a folder that can be read"};
    std::sort(files.begin(), files.end());
  } else {
    files.emplace_back(path);
  }
  auto all = std::make_shared<contents>(*all_);
  for (const fs::path& file : files) all->add(detail::read_whole_file(file), file.string());
  return catalogue{std::shared_ptr<const contents>{std::move(all)}};
}

}  // namespace v0
}  // namespace sizer
