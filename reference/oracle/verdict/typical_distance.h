#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// Results by which ways to read a file are told apart; the first one that is submitted is used.
struct DistinctiveResults {
  std::optional<TensorView<const double>> out, lse, dq;
};

// How far results are from those of attention: 0 if they are right, about 1 if they belong to another problem; 0 if
// nothing can be compared. It is no verdict. The median over the heads of a few rows of
//
//   out, dq   |found - truth| / |truth|
//   lse       |found - truth| / standard deviation of the truth
double typical_distance(const Problem<double>& problem, const Cotangents<double>& cotangents,
                        const DistinctiveResults& results);

// A submission that is read in one order of its axes.
struct OrderTrial {
  double distance;  // the typical distance of out
  Shape q;
};

// An order of axes, and a sentence on the choice; empty if there was none
struct ChosenOrder {
  Axes axes;
  std::string note;
};

// The order of the axes of a submission that states none: the first of _orders_, unless the results are much nearer
// to attention in another one, and the tensors have no more heads than rows in it. _read_ returns nothing in an
// order in which the submission cannot be read
ChosenOrder choose_order(const std::vector<Axes>& orders,
                         const std::function<std::optional<OrderTrial>(Axes)>& read);

}  // namespace ringattn
