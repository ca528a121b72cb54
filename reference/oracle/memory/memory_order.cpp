#include "reference/oracle/memory/memory_order.h"

#include <algorithm>

namespace ringattn {

std::array<Index, memory_axes> TensorMemory::extents() const {
  const Index P = rows.devices();
  return {shape.B, P, shape.S / P, parts, shape.H / parts, shape.D};
}

Element MemoryOrder::source(const TensorMemory& memory, const Element& place) const {
  const auto extents = memory.extents();
  const Index heads = extents[head_axis];
  std::array<Index, memory_axes> index{place.b,
                                       memory.rows.device_of(place.row),
                                       memory.rows.place_of(place.row),
                                       place.h / heads,
                                       place.h % heads,
                                       place.d};

  // The address of the place in the order in which it is read
  Index address = 0;
  for (const Index axis : read)
    address = address * extents[static_cast<std::size_t>(axis)] + index[static_cast<std::size_t>(axis)];

  // What was written there
  for (auto axis = written.rbegin(); axis != written.rend(); ++axis) {
    const Index extent = extents[static_cast<std::size_t>(*axis)];
    index[static_cast<std::size_t>(*axis)] = address % extent;
    address /= extent;
  }
  const std::vector<Index>& rows = memory.rows.rows_of(static_cast<int>(index[device_axis]));
  return {index[sequence_axis], rows[static_cast<std::size_t>(index[row_axis])],
          index[part_axis] * heads + index[head_axis], index[channel_axis]};
}

std::vector<MemoryOrder> memory_orders(const std::vector<Index>& moved) {
  AxesOrder natural{};
  for (std::size_t n = 0; n < memory_axes; ++n) natural[n] = static_cast<Index>(n);
  std::vector<MemoryOrder> orders;
  std::vector<Index> permuted = moved;
  while (std::next_permutation(permuted.begin(), permuted.end())) {
    AxesOrder other = natural;
    for (std::size_t n = 0; n < moved.size(); ++n) other[static_cast<std::size_t>(moved[n])] = permuted[n];
    orders.push_back({natural, other});
    orders.push_back({other, natural});
  }
  return orders;
}

}  // namespace ringattn
