#include "reference/ring/sharding.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "reference/definition/input/bad_input.h"
#include "reference/python/parse_arguments.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// A numpy array that owns the numbers
nb::object to_numpy(std::vector<Index> numbers) {
  auto* owned = new std::vector<Index>(std::move(numbers));
  const nb::capsule owner(owned,
                          [](void* pointer) noexcept { delete static_cast<std::vector<Index>*>(pointer); });
  return nb::cast(nb::ndarray<nb::numpy, Index, nb::ndim<1>>(owned->data(), {owned->size()}, owner));
}

nb::list rows_by_device(Index seq, Index devices, const std::string& layout_name) {
  constexpr Index max_seq = Index{1} << 28;
  require(0 <= seq && seq <= max_seq, "[sharding] seq must be from 0 to 2^28; found ", seq,
          "; choose another length");
  const Layout layout = parse_layout(layout_name);
  const int count = parse_devices(devices);
  nb::list rows;
  for (int device = 0; device < count; ++device)
    rows.append(to_numpy(rows_of_device(layout, device, count, seq)));
  return rows;
}

std::vector<std::vector<int>> schedule(Index devices) {
  const int count = parse_devices(devices);
  std::vector<std::vector<int>> owners;
  for (int device = 0; device < count; ++device) {
    owners.emplace_back();
    for (int step = 0; step < count; ++step) owners.back().push_back(resident_owner(device, step, count));
  }
  return owners;
}

}  // namespace

void bind_sharding(nb::module_& m) {
  m.def("rows_by_device", &rows_by_device, "seq"_a, "devices"_a, "layout"_a,
        "for each device, its rows in ascending order");
  m.def("schedule", &schedule, "devices"_a, "for each device, the owner of its block at each step");
}

}  // namespace ringattn::python
