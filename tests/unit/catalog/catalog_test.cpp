#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <sizer/names.hpp>

#include "sample_files.hpp"

using namespace sizer;

namespace {

std::string message_of(const catalogue& all, const std::string& machine) {
  try {
    (void)all.machine(machine);
  } catch (const unknown_name_error& unknown) {
    return unknown.what();
  }
  return "no error";
}

/// Fails on a name that two entries carry.
template <class Names>
void check_names(const std::vector<std::string>& ids, const Names& aliases_of) {
  std::map<std::string, std::string> owner;
  const auto claim_name = [&](const std::string& name, const std::string& id) {
    const std::string& holder = owner.emplace(normal_name(name), id).first->second;
    CHECK_MESSAGE(holder == id, (id + " and " + holder + " both carry " + name));
  };
  for (const std::string& id : ids) claim_name(id, id);
  for (const std::string& id : ids) {
    for (const std::string& alias : aliases_of(id)) claim_name(alias, id);
  }
}

}  // namespace

TEST_CASE("every embedded model loads, carries its id, resolves by its aliases and survives a round trip") {
  const catalogue& all = catalogue::embedded();
  const std::vector<std::string> ids = all.model_ids();
  REQUIRE(ids.size() > 100);
  for (const std::string& id : ids) {
    CAPTURE(id);
    const model_entry& entry = all.model(id);
    CHECK(entry.id == id);
    CHECK(!entry.architecture.layers.empty());
    CHECK(all.source(entry.architecture_source));
    for (const std::string& alias : entry.aliases) CHECK(&all.model(alias) == &entry);
    CHECK(read_model_json(to_json(entry), "again") == entry);
    CHECK(read_shape_json(to_json(entry.architecture.shape)) == entry.architecture);
  }
  check_names(ids, [&](const std::string& id) { return all.model(id).aliases; });
}

TEST_CASE("every embedded machine loads, carries its id, resolves by its aliases and survives a round trip") {
  const catalogue& all = catalogue::embedded();
  const std::vector<std::string> ids = all.machine_ids();
  REQUIRE(ids.size() > 100);
  for (const std::string& id : ids) {
    CAPTURE(id);
    const machine_entry& entry = all.machine(id);
    CHECK(entry.machine.id == id);
    CHECK(entry.devices.size() == entry.machine.devices.size());
    for (const device& part : entry.machine.devices) CHECK(all.source(part.memory.bandwidth_spec.source));
    for (const std::string& alias : entry.aliases) CHECK(&all.machine(alias) == &entry);
    CHECK(read_machine_json(to_json(entry), "again") == entry);
    CHECK(to_json(read_machine_json(to_json(entry), "again")) == to_json(entry));
  }
  check_names(ids, [&](const std::string& id) { return all.machine(id).aliases; });
}

TEST_CASE("names are found whatever their case and separators") {
  const catalogue& all = catalogue::embedded();
  const machine_entry& card = all.machine("rtx-3090-24gb");
  for (const char* name : {"RTX 3090 24GB", "rtx_3090_24gb", "RTX-3090-24gb", "rtx3090-24gb"}) {
    CHECK(&all.machine(name) == &card);
  }
  CHECK(&all.machine(card.machine.name) == &card);
}

TEST_CASE("an unknown name is answered with the nearest ones") {
  const catalogue& all = catalogue::embedded();
  try {
    (void)all.machine("rtx-3099-24gb");
    FAIL("found a machine that does not exist");
  } catch (const unknown_name_error& unknown) {
    CHECK(unknown.looked_up() == "hardware");
    CHECK(unknown.name() == "rtx-3099-24gb");
    CHECK(unknown.nearest().size() <= 5);
    CHECK(unknown.nearest().front() == "rtx-3090-24gb");
  }
  CHECK_THROWS_AS((void)all.model("no such thing at all"), unknown_name_error);
  CHECK_THROWS_AS((void)all.model(""), unknown_name_error);
}

TEST_CASE("a machine that was never sold is answered with the reason") {
  const std::string message = message_of(catalogue::embedded(), "M3 Ultra 192GB");
  CHECK(message.find("never sold: ") != std::string::npos);
  CHECK(message.find("; nearest: apple-m3-ultra") != std::string::npos);
  try {
    (void)catalogue::embedded().machine("m3-ultra-192gb");
    FAIL("found it");
  } catch (const explained_name_error& unknown) {
    CHECK(!unknown.reason().empty());
  }
}

TEST_CASE("a user's entries join the catalogue, and replace an entry of the same id, in a copy") {
  const catalogue empty;
  CHECK(empty.machine_ids().empty());
  const catalogue one = empty.with_text(sample_machine, "mine.json");
  CHECK(empty.machine_ids().empty());
  CHECK(one.machine("My Box").machine.name == "Box of mine");
  CHECK(one.machine_ids() == std::vector<std::string>{"my-box"});

  const catalogue two = one.with_text(changed(sample_machine, "Box of mine", "Another"), "mine.json");
  CHECK(two.machine("my-box").machine.name == "Another");
  CHECK(one.machine("my-box").machine.name == "Box of mine");

  const catalogue more = catalogue::embedded().with_text(sample_model, "model.json");
  CHECK(more.model("TINY").architecture.layers.size() == 4);
  CHECK(more.machine("rtx-3090-24gb").machine.vendor == "NVIDIA");
  CHECK(&more.machine("rtx-3090-24gb") == &catalogue::embedded().machine("rtx-3090-24gb"));
}

TEST_CASE("a name that two entries carry is not guessed") {
  const std::string other = changed(sample_machine, R"("id": "my-box")", R"("id": "your-box")");
  const catalogue both = catalogue{}.with_text(sample_machine, "a.json").with_text(other, "b.json");
  const std::string message = message_of(both, "Box of mine");
  CHECK(message == "hardware: got 'Box of mine', which several carry; nearest: my-box, your-box");
  CHECK(both.machine("your-box").machine.id == "your-box");
}

TEST_CASE("lists of a user's own are read as well") {
  const catalogue all =
      catalogue{}
          .with_text(R"({"schema_version": 1, "not_sold": [{"name": "unicorn", "why": "no such animal",
                                           "nearest": ["horse"], "source": "zoo"}]})",
                     "not_sold.json")
          .with_text(R"({"zoo": {"title": "The zoo", "publisher": "City", "date": "2026"}})", "sources.json");
  CHECK(message_of(all, "Unicorn") == "hardware: got 'Unicorn', which was never sold: no such animal; nearest: horse");
  REQUIRE(all.source("zoo"));
  CHECK(all.source("zoo")->title == "The zoo");
  CHECK(!all.source("farm"));
}

TEST_CASE("files and folders") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "sizer_catalog_test";
  fs::remove_all(folder);
  fs::create_directories(folder / "deeper");
  std::ofstream{folder / "box.json"} << sample_machine;
  std::ofstream{folder / "deeper" / "tiny.json"} << sample_model;
  std::ofstream{folder / "notes.txt"} << "not JSON";

  CHECK(catalogue{}.with_file((folder / "box.json").string()).machine_ids().size() == 1);
  const catalogue all = catalogue{}.with_file(folder.string());
  CHECK(all.machine_ids().size() == 1);
  CHECK(all.model_ids().size() == 1);
  CHECK_THROWS_AS((void)all.with_file((folder / "absent.json").string()), data_error);
  std::ofstream{folder / "strange.json"} << R"({"hello": 1})";
  CHECK_THROWS_AS((void)all.with_file(folder.string()), data_error);
  fs::remove_all(folder);
}

TEST_CASE("several threads may look up at once") {
  const catalogue all = catalogue::embedded().with_text(sample_machine, "mine.json");
  std::vector<std::thread> threads;
  std::vector<const machine_entry*> found(4);
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] { found[i] = &all.machine(i % 2 == 0 ? "RTX 3090" : "rtx-3090-24gb"); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::all_of(found.begin(), found.end(), [&](const machine_entry* entry) { return entry == found.front(); }));
}
