#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "reference/definition/problem.h"

namespace ringattn {

// The median of |out - attention| / |attention| over the heads of a few rows: 0 for a right result, about 1 for one that
// belongs to another problem. It is no verdict: it tells the ways to read a file apart.
double typical_distance(const Problem<double>& problem, const TensorView<const double>& out);

// A submission that is read in one order of its axes.
struct OrderedReading {
  double distance;  // the typical distance of out
  Shape q;
};

// An order of axes, and a sentence on the choice; empty if there was none
struct ChosenOrder {
  Axes axes;
  std::string note;
};

// The order of the axes of a submission that states none: the first of _orders_, unless out is much nearer to attention
// in another one, and the tensors have no more heads than rows in it. _read_ returns nothing in an order in which the
// submission cannot be read
ChosenOrder choose_order(const std::vector<Axes>& orders,
                         const std::function<std::optional<OrderedReading>(Axes)>& read);

}  // namespace ringattn
