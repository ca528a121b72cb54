#include "reference/oracle/examine/fit/position_maps.h"

#include <set>

namespace ringattn {

namespace {

std::vector<Index> slots_of(Layout layout, Index devices, Index length) {
  std::vector<Index> slots;
  for (int device = 0; device < devices; ++device)
    for (const Index row : rows_of_device(layout, device, static_cast<int>(devices), length))
      slots.push_back(row);
  return slots;
}

std::vector<Index> inverse(const std::vector<Index>& order) {
  std::vector<Index> result(order.size());
  for (std::size_t n = 0; n < order.size(); ++n)
    result[static_cast<std::size_t>(order[n])] = static_cast<Index>(n);
  return result;
}

}  // namespace

std::vector<PositionMap> position_maps(const RowSharding& rows, Index length) {
  std::vector<PositionMap> maps;
  if (rows.devices() > 1) {
    PositionMap device{.subject = "device"}, place{.subject = "place"};
    for (Index n = 0; n < length; ++n)
      device.position.push_back(rows.device_of(n)), place.position.push_back(rows.place_of(n));
    maps.push_back(device), maps.push_back(place);
  }
  std::set<Index> counts{2, 3, 4, 6, 8, 16, rows.devices()};
  for (const Index devices : counts) {
    if (devices < 2 || devices > length) continue;
    if (length % devices == 0) {
      PositionMap block{.subject = "block", .n = length / devices};
      for (Index n = 0; n < length; ++n) block.position.push_back(n % block.n);
      maps.push_back(block);
    }
    for (const Layout layout : {Layout::striped, Layout::zigzag}) {
      const std::vector<Index> slots = slots_of(layout, devices, length);
      maps.push_back({"slot", layout, devices, slots});
      maps.push_back({"holder", layout, devices, inverse(slots)});
    }
  }
  return maps;
}

}  // namespace ringattn
