#include "reference/definition/input/axis_order.h"

#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

constexpr std::string_view letters = "bshd";

// The places of the axes in an array whose extents these letters name; nothing if they differ from those of _wanted_
std::optional<AxisPlaces> places(std::string_view order, const std::vector<Index>& extents,
                                 const Shape& wanted, Axes axes) {
  const Index wanted_extents[] = {wanted.B, wanted.S, wanted.H, wanted.D};
  if (order.size() != extents.size()) return {};
  AxisPlaces found{axes, {AxisPlaces::absent, AxisPlaces::absent, AxisPlaces::absent, AxisPlaces::absent}};
  for (std::size_t axis = 0; axis < order.size(); ++axis) {
    const std::size_t letter = letters.find(order[axis]);
    if (extents[axis] != wanted_extents[letter]) return {};
    found.of[letter] = static_cast<int>(axis);
  }
  return found;
}

std::string without(std::string text, std::string_view letters_to_drop) {
  std::erase_if(text, [&](char letter) { return letters_to_drop.find(letter) != std::string_view::npos; });
  return text;
}

}  // namespace

const char* name(Axes axes) {
  switch (axes) {
    case Axes::bhsd:
      return "bhsd";
    case Axes::sbhd:
      return "sbhd";
    case Axes::bshd:
      break;
  }
  return "bshd";
}

Axes parse_axes(std::string_view text) {
  for (const Axes axes : all_axes)
    if (text == name(axes)) return axes;
  throw BadInput("[axes] the order of the axes must be bshd, bhsd or sbhd; found " + in_quotes(text) +
                 "; choose one of them");
}

const char* axis_names(Axes axes) {
  switch (axes) {
    case Axes::bhsd:
      return "(batch, heads, sequence, head_dim)";
    case Axes::sbhd:
      return "(sequence, batch, heads, head_dim)";
    case Axes::bshd:
      break;
  }
  return "(batch, sequence, heads, head_dim)";
}

std::vector<Index> extents_of(const Shape& s, Axes axes) {
  switch (axes) {
    case Axes::bhsd:
      return {s.B, s.H, s.S, s.D};
    case Axes::sbhd:
      return {s.S, s.B, s.H, s.D};
    case Axes::bshd:
      break;
  }
  return {s.B, s.S, s.H, s.D};
}

Shape shape_of(const std::vector<Index>& extents, Axes axes) {
  const Index e0 = extents[0], e1 = extents[1], e2 = extents[2], e3 = extents[3];
  switch (axes) {
    case Axes::bhsd:
      return {.B = e0, .S = e2, .H = e1, .D = e3};
    case Axes::sbhd:
      return {.B = e1, .S = e0, .H = e2, .D = e3};
    case Axes::bshd:
      break;
  }
  return {.B = e0, .S = e1, .H = e2, .D = e3};
}

std::optional<AxisPlaces> find_axes(const std::vector<Index>& extents, const Shape& wanted,
                                    const std::vector<Axes>& orders) {
  for (const Axes axes : orders) {
    std::vector<std::string_view> droppable = {""};
    if (wanted.D == 1) droppable.push_back("d");
    if (wanted.B == 1) droppable.push_back("b");
    if (wanted.B == 1 && wanted.D == 1) droppable.push_back("bd");
    for (const std::string_view dropped : droppable)
      if (const auto found = places(without(name(axes), dropped), extents, wanted, axes)) return found;

    // Heads and their elements in one axis
    const Shape joined{wanted.B, wanted.S, wanted.H * wanted.D, 1};
    if (wanted.D == 1 || axes == Axes::bhsd) continue;
    if (auto found = places(without(name(axes), "d"), extents, joined, axes)) {
      found->heads_joined = true;
      return found;
    }
  }
  return {};
}

}  // namespace ringattn
