#pragma once

#include <array>
#include <functional>
#include <optional>

#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

enum class Operand { q, k, v };

// One row of an operand: sequence of the batch, row, head.
struct RowPlace {
  Index b, s, h;
};

// The problem that a mistaken program solves instead of the user's problem. Many mistakes are of this kind: the program
// computes correct attention of wrong operands, positions or scoring. An AlteredProblem owns the changed operands and
// records the origin of each of their rows, so that it can scatter gradients back to the user's tensors:
//
//   user's operand --origin--> row of the changed operand --map--> attention, its vjp --map^T--> += user's gradient
class AlteredProblem {
 public:
  // An unchanged copy of _right_, which must outlive this
  explicit AlteredProblem(const Problem<double>& right);

  // A mistake changes these directly
  RowPositions q_positions, kv_positions;
  Scoring scoring;

  // Replaces the operand _into_ by S rows of H heads, of which row p is the row origin(p) of the user's operand _of_
  using Origin = std::function<RowPlace(const RowPlace&)>;
  void gather_rows(Operand into, Operand of, Index S, Index H, const Origin& origin);

  // The same for an operand that keeps its shape and reads its own rows
  void gather_rows(Operand operand, const Origin& origin);

  // The same for an operand of one head for each query head: head h reads the head head_of(h) of the user's operand
  void gather_heads(Operand operand, const std::function<Index(Index)>& head_of);

  // Applies a linear map to every row of an operand, and the transposed map to its gradient. Call it after
  // gather_rows().
  using RowMap = std::function<void(const RowPlace&, Eigen::Ref<Eigen::RowVectorXd>)>;
  void transform_rows(Operand operand, const RowMap& map, const RowMap& transposed);

  // Key j is visible to query i of sequence b if visible(b, i, j); this replaces causal mask, window and segments
  using Visibility = std::function<bool(Index b, Index i, Index j)>;
  void set_visibility(Visibility visible) { visibility_ = std::move(visible); }

  // The changed problem, on which a second mistake can be simulated. None if set_visibility() was called or the results
  // have another shape. It views the memory of this object.
  std::optional<Problem<double>> as_problem() const;

  // out and lse of the query rows _rows_, in that order
  AttentionOutput<double> attention_of(const std::vector<Index>& rows) const;

  // dq, dk and dv of the user's tensors if forward and backward make the same mistake
  Gradients<double> gradients(const Cotangents<double>& cotangents) const;

 private:
  struct Source {
    TensorView<const double> right;  // the user's operand of the same name
    bool changed = false;
    Tensor<double> own;  // the changed operand; unused if not changed
    Operand of;          // the user's operand that its rows come from
    Origin origin;       // empty: each row is its own origin
    RowMap transposed;   // empty: the identity
  };

  Source& source(Operand operand) { return sources_[static_cast<std::size_t>(operand)]; }
  const Source& source(Operand operand) const { return sources_[static_cast<std::size_t>(operand)]; }
  TensorView<const double> view(Operand operand) const;

  // The query rows _rows_ of the changed problem; _Q_ and _allowed_ hold the memory that the result views
  Problem<double> problem(const std::vector<Index>& rows, Tensor<double>& Q, Matrix<bool>& allowed) const;
  void scatter_gradient(const Tensor<double>& gradient, Operand operand, Gradients<double>& user) const;

  std::array<Source, 3> sources_;
  Visibility visibility_;  // empty: the mask decides
};

// Sets the forward and the backward of a mistake that has an alteration
void derive_forward_and_backward(Mistake& mistake);

}  // namespace ringattn
