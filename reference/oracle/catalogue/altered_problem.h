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

// The problem that a mistaken program solves instead of the right one. It owns what the mistake changes, and
// it knows where each row came from, so that gradients find their way back to the user's tensors.
class AlteredProblem {
 public:
  // Nothing is changed yet; _right_ must outlive this
  explicit AlteredProblem(const Problem<double>& right);

  // To be changed at will
  RowPositions q_positions, kv_positions;
  Scoring scoring;

  // The operand _into_ gets S rows and H heads; its row p is the row origin(p) of the user's operand _of_
  using Origin = std::function<RowPlace(const RowPlace&)>;
  void gather_rows(Operand into, Operand of, Index S, Index H, const Origin& origin);

  // The same where operand and shape stay as they are
  void gather_rows(Operand operand, const Origin& origin);

  // A linear map of every row of an operand, and the transposed map for its gradient. After any gather_rows()
  using RowMap = std::function<void(const RowPlace&, Eigen::Ref<Eigen::RowVectorXd>)>;
  void transform_rows(Operand operand, const RowMap& map, const RowMap& transposed);

  // Query i of sequence b sees key j where sees(b, i, j), whatever causal, window and segments say
  using Sees = std::function<bool(Index b, Index i, Index j)>;
  void set_visibility(Sees sees) { sees_ = std::move(sees); }

  // The changed problem, for other mistakes to be made on it; none where it sees by a rule of its own, or
  // where its results have another shape. This must outlive it
  std::optional<Problem<double>> as_problem() const;

  // out and lse of the rows _rows_, in that order
  AttentionOutput<double> attention_of(const std::vector<Index>& rows) const;

  // dq, dk and dv of the user's tensors, where forward and backward make the same mistake
  Gradients<double> gradients(const BackwardSimulation& simulation) const;

 private:
  struct Source {
    TensorView<const double> right;  // the user's operand of the same name
    bool changed = false;
    Tensor<double> own;  // where changed
    Operand of;
    Origin origin;      // none: as it is
    RowMap transposed;  // none: as it is
  };

  Source& source(Operand operand) { return sources_[static_cast<std::size_t>(operand)]; }
  const Source& source(Operand operand) const { return sources_[static_cast<std::size_t>(operand)]; }
  TensorView<const double> view(Operand operand) const;

  // The rows _rows_ of the changed problem; _Q_ and _seen_ keep what the result looks at
  Problem<double> problem(const std::vector<Index>& rows, Tensor<double>& Q, Matrix<bool>& seen) const;
  void scatter_gradient(const Tensor<double>& gradient, Operand operand, Gradients<double>& user) const;

  std::array<Source, 3> sources_;
  Sees sees_;  // none: what the mask says
};

// Gives a mistake that has an alteration what it does forward, and in the backward that belongs to it
void derive_forward_and_backward(Mistake& mistake);

}  // namespace ringattn
