#include "reference/ring/sharding.h"

namespace ringattn {

RowSharding::RowSharding(Layout layout, int devices, Index N)
    : device_(static_cast<std::size_t>(N)), place_(static_cast<std::size_t>(N)) {
  for (int device = 0; device < devices; ++device) {
    rows_.push_back(rows_of_device(layout, device, devices, N));
    Index place = 0;
    for (const Index row : rows_.back()) {
      device_[static_cast<std::size_t>(row)] = device;
      place_[static_cast<std::size_t>(row)] = place++;
    }
  }
}

}  // namespace ringattn
