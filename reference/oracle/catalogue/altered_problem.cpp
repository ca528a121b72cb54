#include "reference/oracle/catalogue/altered_problem.h"

#include "reference/definition/error/chunked.h"

namespace ringattn {

namespace {

constexpr Operand operands[] = {Operand::q, Operand::k, Operand::v};

// Calls visit(place) for every row of a tensor
template <class Function>
void for_each_row(const Shape& shape, const Function& visit) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s) visit(RowPlace{b, s, h});
}

auto row(Tensor<double>& tensor, const RowPlace& p) { return tensor.head(p.b, p.h).row(p.s); }

Tensor<double> read_rows(const TensorView<const double>& source, Index S, Index H,
                         const AlteredProblem::Origin& origin) {
  Tensor<double> result({source.shape.B, S, H, source.shape.D});
  for_each_row(result.shape(), [&](const RowPlace& p) {
    const RowPlace from = origin(p);
    row(result, p) = source.head(from.b, from.h).row(from.s);
  });
  return result;
}

}  // namespace

AlteredProblem::AlteredProblem(const Problem<double>& right)
    : q_positions(right.q_positions), kv_positions(right.kv_positions), scoring(right.scoring) {
  const TensorView<const double> given[] = {right.Q, right.K, right.V};
  for (const Operand operand : operands) {
    source(operand).right = given[static_cast<std::size_t>(operand)];
    source(operand).of = operand;
  }
}

TensorView<const double> AlteredProblem::view(Operand operand) const {
  const Source& from = source(operand);
  return from.changed ? from.own.view() : from.right;
}

void AlteredProblem::gather_rows(Operand into, Operand of, Index S, Index H, const Origin& origin) {
  Source& target = source(into);
  target.own = read_rows(source(of).right, S, H, origin);
  target.of = of;
  target.origin = origin;
  target.changed = true;
}

void AlteredProblem::gather_rows(Operand operand, const Origin& origin) {
  const Shape& shape = source(operand).right.shape;
  gather_rows(operand, operand, shape.S, shape.H, origin);
}

void AlteredProblem::gather_heads(Operand operand, const std::function<Index(Index)>& head_of) {
  gather_rows(operand, operand, source(operand).right.shape.S, source(Operand::q).right.shape.H,
              [head_of](const RowPlace& p) {
                return RowPlace{p.b, p.s, head_of(p.h)};
              });
}

void AlteredProblem::transform_rows(Operand operand, const RowMap& map, const RowMap& transposed) {
  Source& target = source(operand);
  if (!target.changed) gather_rows(operand, [](const RowPlace& p) { return p; });
  for_each_row(target.own.shape(), [&](const RowPlace& p) { map(p, row(target.own, p)); });
  target.transposed = transposed;
}

namespace {

// A program with another number of query heads reads their sinks and slopes from the first one again
Scoring with_heads(Scoring scoring, Index heads) {
  for (std::vector<double>* numbers : {&scoring.sinks, &scoring.alibi_slopes}) {
    const std::vector<double> given = *numbers;
    if (given.empty()) continue;
    numbers->clear();
    for (std::size_t h = 0; h < static_cast<std::size_t>(heads); ++h)
      numbers->push_back(given[h % given.size()]);
  }
  return scoring;
}

}  // namespace

std::optional<Problem<double>> AlteredProblem::as_problem() const {
  if (visibility_ || !(view(Operand::q).shape == source(Operand::q).right.shape)) return std::nullopt;
  return Problem<double>{
      view(Operand::q), view(Operand::k), view(Operand::v), q_positions, kv_positions, scoring, {}, {}};
}

Problem<double> AlteredProblem::problem(const std::vector<Index>& rows, Tensor<double>& Q,
                                        Matrix<bool>& allowed) const {
  const Problem<double> whole{view(Operand::q),
                              view(Operand::k),
                              view(Operand::v),
                              q_positions,
                              kv_positions,
                              with_heads(scoring, view(Operand::q).shape.H),
                              {},
                              {}};
  Problem<double> selected = with_queries(whole, rows, Q);
  if (!visibility_) return selected;

  // Visibility by a rule of its own: a boolean mask of pairs instead of positions
  const Index B = Q.shape().B, Sq = Q.shape().S, Skv = selected.K.shape.S;
  allowed.resize(B * Sq, Skv);
  for (Index b = 0; b < B; ++b)
    for (Index n = 0; n < Sq; ++n)
      for (Index j = 0; j < Skv; ++j)
        allowed(b * Sq + n, j) = visibility_(b, rows[static_cast<std::size_t>(n)], j);
  selected.allowed = {allowed.data(), Sq * Skv, 0, Skv, 1};
  selected.q_positions = RowPositions(1, Sq), selected.kv_positions = RowPositions(1, Skv);
  selected.scoring.mask = {};
  return selected;
}

AttentionOutput<double> AlteredProblem::attention_of(const std::vector<Index>& rows) const {
  Tensor<double> Q;
  Matrix<bool> allowed;
  return attention(problem(rows, Q, allowed));
}

Gradients<double> AlteredProblem::gradients(const Cotangents<double>& cotangents) const {
  Tensor<double> Q;
  Matrix<bool> allowed;
  const Problem<double> whole = problem(all_rows(view(Operand::q).shape.S), Q, allowed);
  const Gradients<double> found = attention_vjp(whole, attention(whole), cotangents);
  // Scatter them to the tensors of the user
  Gradients<double> user{Tensor<double>(source(Operand::q).right.shape),
                         Tensor<double>(source(Operand::k).right.shape),
                         Tensor<double>(source(Operand::v).right.shape)};
  scatter_gradient(found.dq, Operand::q, user);
  scatter_gradient(found.dk, Operand::k, user);
  scatter_gradient(found.dv, Operand::v, user);
  return user;
}

void AlteredProblem::scatter_gradient(const Tensor<double>& gradient, Operand operand,
                                      Gradients<double>& user) const {
  const Source& from = source(operand);
  Tensor<double>* const targets[] = {&user.dq, &user.dk, &user.dv};
  Tensor<double>& target = *targets[static_cast<std::size_t>(from.of)];
  Eigen::RowVectorXd d;
  for_each_row(gradient.shape(), [&](const RowPlace& p) {
    d = gradient.head(p.b, p.h).row(p.s);
    if (from.transposed) from.transposed(p, d);
    row(target, from.origin ? from.origin(p) : p) += d;
  });
}

void derive_forward_and_backward(Mistake& mistake) {
  const ProblemAlteration& alteration = mistake.alteration;
  mistake.forward = [alteration](const Simulation& simulation, const Variant& variant) {
    return alteration(simulation.problem(), simulation.sharding(), variant).attention_of(simulation.rows());
  };
  mistake.backward = [alteration](const BackwardSimulation& simulation, const Variant& variant) {
    return alteration(simulation.problem(), simulation.sharding(), variant)
        .gradients(simulation.cotangents());
  };
}

}  // namespace ringattn
