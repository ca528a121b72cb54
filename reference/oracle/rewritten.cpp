#include "reference/oracle/rewritten.h"

#include "reference/definition/truth.h"

namespace ringattn {

namespace {

constexpr Operand operands[] = {Operand::q, Operand::k, Operand::v};

// Calls visit(place) for every row of a tensor
template <class Visit>
void for_each_row(const Shape& shape, const Visit& visit) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s) visit(RowPlace{b, s, h});
}

auto row(Tensor<double>& tensor, const RowPlace& p) { return tensor.head(p.b, p.h).row(p.s); }

Tensor<double> read_rows(const TensorView<const double>& source, Index S, Index H,
                         const Rewritten::Origin& origin) {
  Tensor<double> result({source.shape.B, S, H, source.shape.D});
  for_each_row(result.shape(), [&](const RowPlace& p) {
    const RowPlace from = origin(p);
    row(result, p) = source.head(from.b, from.h).row(from.s);
  });
  return result;
}

}  // namespace

Rewritten::Rewritten(const Problem<double>& right)
    : q_tokens(right.q_tokens), kv_tokens(right.kv_tokens), scoring(right.scoring) {
  const TensorView<const double> given[] = {right.Q, right.K, right.V};
  for (const Operand operand : operands) {
    source(operand).right = given[static_cast<std::size_t>(operand)];
    source(operand).of = operand;
  }
}

TensorView<const double> Rewritten::view(Operand operand) const {
  const Source& from = source(operand);
  return from.changed ? from.own.view() : from.right;
}

void Rewritten::read(Operand into, Operand of, Index S, Index H, const Origin& origin) {
  Source& target = source(into);
  target.own = read_rows(source(of).right, S, H, origin);
  target.of = of;
  target.origin = origin;
  target.changed = true;
}

void Rewritten::read(Operand operand, const Origin& origin) {
  const Shape& shape = source(operand).right.shape;
  read(operand, operand, shape.S, shape.H, origin);
}

void Rewritten::change(Operand operand, const RowMap& map, const RowMap& transposed) {
  Source& target = source(operand);
  if (!target.changed) read(operand, [](const RowPlace& p) { return p; });
  for_each_row(target.own.shape(), [&](const RowPlace& p) { map(p, row(target.own, p)); });
  target.transposed = transposed;
}

std::optional<Problem<double>> Rewritten::whole() const {
  if (sees_ || !(view(Operand::q).shape == source(Operand::q).right.shape)) return std::nullopt;
  return Problem<double>{
      view(Operand::q), view(Operand::k), view(Operand::v), q_tokens, kv_tokens, scoring, {}, {}};
}

Problem<double> Rewritten::problem(const std::vector<Index>& rows, Tensor<double>& Q,
                                   Matrix<bool>& seen) const {
  const Problem<double> whole{
      view(Operand::q), view(Operand::k), view(Operand::v), q_tokens, kv_tokens, scoring, {}, {}};
  Problem<double> selected = with_queries(whole, rows, Q);
  if (!sees_) return selected;

  const Index B = Q.shape().B, Sq = Q.shape().S, Skv = selected.K.shape.S;
  seen.resize(B * Sq, Skv);
  for (Index b = 0; b < B; ++b)
    for (Index n = 0; n < Sq; ++n)
      for (Index j = 0; j < Skv; ++j) seen(b * Sq + n, j) = sees_(b, rows[static_cast<std::size_t>(n)], j);
  selected.allowed = {seen.data(), Sq * Skv, 0, Skv, 1};
  selected.q_tokens = Tokens(1, Sq), selected.kv_tokens = Tokens(1, Skv);
  selected.scoring.mask = {};
  return selected;
}

Attended<double> Rewritten::attention_of(const std::vector<Index>& rows) const {
  Tensor<double> Q;
  Matrix<bool> seen;
  return attention(problem(rows, Q, seen));
}

Gradients<double> Rewritten::gradients(const BackwardSimulation& simulation) const {
  Tensor<double> Q;
  Matrix<bool> seen;
  const Gradients<double> found =
      simulation.gradients_of(problem(all_rows(view(Operand::q).shape.S), Q, seen));
  Gradients<double> user{Tensor<double>(source(Operand::q).right.shape),
                         Tensor<double>(source(Operand::k).right.shape),
                         Tensor<double>(source(Operand::v).right.shape)};
  give_back(found.dq, Operand::q, user);
  give_back(found.dk, Operand::k, user);
  give_back(found.dv, Operand::v, user);
  return user;
}

void Rewritten::give_back(const Tensor<double>& gradient, Operand operand, Gradients<double>& user) const {
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

void follow_rewrite(Mistake& mistake) {
  const Rewrite& rewrite = mistake.rewrite;
  mistake.forward = [rewrite](const Simulation& simulation, const Reading& reading) {
    return rewrite(simulation.problem(), simulation.spread(), reading).attention_of(simulation.rows());
  };
  mistake.backward = [rewrite](const BackwardSimulation& simulation, const Reading& reading) {
    return rewrite(simulation.problem(), simulation.spread(), reading).gradients(simulation);
  };
}

}  // namespace ringattn
