#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// The order of the axes of an array that holds a tensor (B, S, H, D).

inline constexpr Axes all_axes[] = {Axes::bshd, Axes::bhsd, Axes::sbhd};

// "bshd", "bhsd" or "sbhd"
const char* name(Axes axes);

// The order of that name; throws BadInput if there is none
Axes parse_axes(std::string_view name);

// "(batch, sequence, heads, head_dim)"
const char* axis_names(Axes axes);

// The extents of an array, outermost first, and the shape of the tensor in it
std::vector<Index> extents_of(const Shape& shape, Axes axes);
Shape shape_of(const std::vector<Index>& extents, Axes axes);

// Which axis of an array is B, S, H and D of a tensor.
struct AxisPlaces {
  static constexpr int absent = -1;  // an axis of extent 1 that the array lacks

  Axes axes;                  // their order
  std::array<int, 4> of;      // B, S, H, D
  bool heads_joined = false;  // the last axis is H and D together
};

// How an array of these extents holds a tensor of the shape _wanted_, in the first of the _orders_ that fits. One
// sequence needs no B, a row without elements (lse) no D, and (B, S, H D) is (B, S, H, D). Nothing if no order fits
std::optional<AxisPlaces> find_axes(const std::vector<Index>& extents, const Shape& wanted,
                                    const std::vector<Axes>& orders);

// The orders of lse (B, S, H, 1): (batch, heads, sequence), and that of libraries with (batch, sequence, heads)
inline const std::vector<Axes> orders_of_lse = {Axes::bhsd, Axes::bshd};

}  // namespace ringattn
