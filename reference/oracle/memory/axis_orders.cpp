#include "reference/oracle/memory/axis_orders.h"

#include <algorithm>

namespace ringattn {

namespace {

Index extent_of(const AxisOrder& order, Index axis) {
  const Index extents[] = {order.B, order.S, order.H, order.H / order.group, order.group};
  return extents[axis];
}

Index index_of(const AxisOrder& order, const RowPlace& place, Index axis) {
  const Index indices[] = {place.b, place.row, place.h, place.h / order.group, place.h % order.group};
  return indices[axis];
}

}  // namespace

RowPlace AxisOrder::source(const RowPlace& place) const {
  // The address of the place in the order in which it is read
  Index address = 0;
  for (const Index axis : read) address = address * extent_of(*this, axis) + index_of(*this, place, axis);

  // What was written there
  RowPlace result;
  Index kv_head = 0, member = 0;
  for (auto axis = written.rbegin(); axis != written.rend(); ++axis) {
    const Index extent = extent_of(*this, *axis), index = address % extent;
    address /= extent;
    (*axis == 0   ? result.b
     : *axis == 1 ? result.row
     : *axis == 2 ? result.h
     : *axis == 3 ? kv_head
                  : member) = index;
  }
  if (written.size() == 4) result.h = kv_head * group + member;
  return result;
}

std::vector<AxisOrder> axis_orders(Index B, Index S, Index H, Index group) {
  std::vector<AxisOrder> orders;
  const auto moves = [&](const AxisOrder& order) {
    for (Index b = 0; b < B; ++b)
      for (Index h = 0; h < H; ++h)
        for (Index i = 0; i < S; ++i)
          if (!(order.source({b, h, i}) == RowPlace{b, h, i})) return true;
    return false;
  };
  for (const std::vector<Index>& axes : {std::vector<Index>{0, 1, 2}, std::vector<Index>{0, 1, 3, 4}}) {
    if (axes.size() == 4 && (group == 1 || group == H)) continue;
    AxisOrder order{axes, axes, B, S, H, group};
    do {
      order.read = axes;
      do {
        if (order.written != order.read && moves(order)) orders.push_back(order);
      } while (std::next_permutation(order.read.begin(), order.read.end()));
    } while (std::next_permutation(order.written.begin(), order.written.end()));
  }
  return orders;
}

}  // namespace ringattn
