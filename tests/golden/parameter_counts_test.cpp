// Published parameter counts against the library's own tensor inventory, for every model of the catalogue.

#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/weights.hpp>

using namespace sizer;

TEST_CASE("the inventory reproduces every published total within 0.5 %") {
  const catalogue& all = catalogue::embedded();
  int compared = 0;
  double worst = 0.0;
  for (const std::string& id : all.model_ids()) {
    const model_entry& entry = all.model(id);
    if (!entry.parameters_total || entry.sizing_status != "complete") continue;
    const double published = entry.parameters_total->value.real();
    const double computed = tensor_inventory_of(entry.architecture).parameters().real();
    const double deviation = std::abs(computed / published - 1.0);
    CHECK_MESSAGE(deviation <= 0.005, id, ": ", computed, " computed, ", published, " published");
    worst = std::max(worst, deviation);
    ++compared;
  }
  MESSAGE(compared << " models, worst deviation " << 100.0 * worst << " %");
  CHECK(compared >= 150);
}
