#include "reference/oracle/measured/finders/backward_alterations.h"

#include <algorithm>

#include "reference/oracle/memory/axis_orders.h"

namespace ringattn {

namespace {

using RowOrder = std::vector<Index>;  // of the axes batch, row and head

BackwardAlteration altered(const std::string& what, const std::string& fix,
                           const std::function<void(BackwardInputs&)>& change) {
  return {"are those of a backward pass " + what, "have the part of * from a backward pass " + what, fix,
          change};
}

// ---- The mask and the scores ---------------------------------------------------------

BackwardAlteration with_mask(const std::string& what, const std::function<void(Mask&)>& change) {
  return altered(what, "Give the backward pass the mask of the forward pass.",
                 [change](BackwardInputs& inputs) { change(inputs.problem.scoring.mask); });
}

void ignore_documents(RowPositions& positions) {
  for (Index b = 0; b < positions.sequences(); ++b)
    for (RowPosition& row : positions.of(b)) row.segment = 0;
}

bool has_documents(const RowPositions& positions) {
  for (Index b = 0; b < positions.sequences(); ++b)
    for (const RowPosition& row : positions.of(b))
      if (row.segment != positions.of(b).front().segment) return true;
  return false;
}

void add_masks(const Problem<double>& problem, std::vector<BackwardAlteration>& all) {
  const Mask& mask = problem.scoring.mask;
  const bool left = mask.window_left >= 0, right = mask.window_right >= 0 && !mask.causal;
  all.push_back(mask.causal ? with_mask("without the causal mask", [](Mask& m) { m.causal = false; })
                            : with_mask("with a causal mask", [](Mask& m) { m.causal = true; }));
  if (left)
    all.push_back(with_mask("without the left side of the window", [](Mask& m) { m.window_left = -1; }));
  if (right)
    all.push_back(with_mask("without the right side of the window", [](Mask& m) { m.window_right = -1; }));
  if (left && right)
    all.push_back(with_mask("without the window", [](Mask& m) { m.window_left = -1, m.window_right = -1; }));
  if (left && mask.causal)
    all.push_back(with_mask("without causal mask and window", [](Mask& m) { m = Mask{}; }));
  if (has_documents(problem.q_positions))
    all.push_back(altered("without the borders of the documents",
                          "Give the backward pass the documents of the forward pass.",
                          [](BackwardInputs& inputs) {
                            ignore_documents(inputs.problem.q_positions);
                            ignore_documents(inputs.problem.kv_positions);
                          }));
  if (problem.scoring.softcap > 0)
    all.push_back(altered("without the soft-cap", "Recompute the scores as in the forward pass.",
                          [](BackwardInputs& inputs) { inputs.problem.scoring.softcap = 0; }));
}

// ---- The order of memory -------------------------------------------------------------

Tensor<double> misread(const Tensor<double>& tensor, const RowOrder& stored, const RowOrder& read) {
  const Shape& shape = tensor.shape();
  const AxisOrder order{stored, read, shape.B, shape.S, shape.H};
  Tensor<double> result(shape);
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h) {
        const RowPlace from = order.source({b, h, s});
        result.head(b, h).row(s) = tensor.head(from.b, from.h).row(from.row);
      }
  return result;
}

std::string row_order_text(const RowOrder& order) {
  const char* const names[] = {"batch", "row", "head"};
  std::string text;
  for (const Index axis : order) text += (text.empty() ? "(" : ", ") + std::string(names[axis]);
  return text + ")";
}

void add_orders(const AttentionOutput<double>& forward, const Tensor<double>& dlse,
                std::vector<BackwardAlteration>& all) {
  const RowOrder usual{0, 1, 2}, heads_first{0, 2, 1};
  RowOrder other = usual;
  do {
    for (const RowOrder& common : {usual, heads_first})
      for (const auto& [stored, read] : {std::pair(other, common), std::pair(common, other)}) {
        if (other == common || (other == usual && common == heads_first)) continue;
        const std::string orders = ", stored as " + row_order_text(stored) + ", as " + row_order_text(read);
        const std::string fix = "Use the strides of the tensor, or transpose it first.";
        all.push_back(altered("that reads dout" + orders, fix,
                              [&forward, dlse, stored = stored, read = read](BackwardInputs& inputs) {
                                inputs.dout = misread(inputs.dout, stored, read);
                                inputs.row_term = row_terms(inputs.dout, forward, dlse);
                              }));
        all.push_back(
            altered("that reads delta" + orders, fix, [stored = stored, read = read](BackwardInputs& inputs) {
              inputs.row_term = misread(inputs.row_term, stored, read);
            }));
        all.push_back(
            altered("that reads lse" + orders, fix, [stored = stored, read = read](BackwardInputs& inputs) {
              inputs.lse = misread(inputs.lse, stored, read);
            }));
      }
  } while (std::next_permutation(other.begin(), other.end()));
}

// ---- Delta and dlse ------------------------------------------------------------------

void add_row_terms(const Tensor<double>& dlse, bool has_dlse, std::vector<BackwardAlteration>& all) {
  all.push_back(altered("with delta = 0", "delta = rowsum(dO * O), of every row before dS is formed.",
                        [dlse](BackwardInputs& inputs) { inputs.row_term = dlse; }));
  all.push_back(altered("that adds delta", "dS = P * (dP - delta).", [dlse](BackwardInputs& inputs) {
    for (Index n = 0; n < dlse.size(); ++n)
      inputs.row_term.data()[n] = 2 * dlse.data()[n] - inputs.row_term.data()[n];
  }));
  if (has_dlse)
    all.push_back(altered("without dlse", "dS = P * (dP - delta + dlse).", [dlse](BackwardInputs& inputs) {
      for (Index n = 0; n < dlse.size(); ++n) inputs.row_term.data()[n] -= dlse.data()[n];
    }));
}

}  // namespace

std::vector<BackwardAlteration> backward_alterations(const Problem<double>& problem,
                                                     const AttentionOutput<double>& forward,
                                                     const Cotangents<double>& cotangents) {
  const Shape& q = problem.Q.shape;
  const bool has_dlse = cotangents.dlse.data != nullptr;
  const Tensor<double> dlse =
      has_dlse ? converted<double>(cotangents.dlse, Axes::bhsd) : row_tensor<double>(q.B, q.S, q.H);
  std::vector<BackwardAlteration> all;
  add_masks(problem, all);
  add_row_terms(dlse, has_dlse, all);
  for (const double weight : {0.0, 2.0})
    all.push_back({"", weight == 0 ? "lost the part of *" : "count 2 x the part of *",
                   "Add the part of each pair of query and key once.",
                   [weight](BackwardInputs& inputs) { inputs.weight = weight; }});
  add_orders(forward, dlse, all);
  return all;
}

}  // namespace ringattn
