#include <cmath>

#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn {

namespace {

// Mistakes upstream of attention: rotary positions (RoPE, arXiv:2104.09864). The given q and k are rotated
// correctly; a wrong rotation is simulated by a further rotation by the difference of the positions.

// The pairing of the elements of a head. Pair n is rotated by the angle position * base^(-2n/d).
struct Rope {
  bool neighbours;  // (0, 1), (2, 3), ...; else (0, d/2), (1, d/2 + 1), ...
  double base;

  void turn(Eigen::Ref<Eigen::RowVectorXd> row, double positions) const {
    const Index d = row.size(), stride = neighbours ? 2 : 1, apart = neighbours ? 1 : d / 2;
    for (Index n = 0; n < d / 2; ++n) {
      const double angle = positions * std::pow(base, -2.0 * static_cast<double>(n) / static_cast<double>(d));
      double &x = row(n * stride), &y = row(n * stride + apart);
      const double turned = std::cos(angle) * x - std::sin(angle) * y;
      y = std::sin(angle) * x + std::cos(angle) * y;
      x = turned;
    }
  }
};

Rope rope_of(const Variant& variant) { return {variant["pairs"] == 1, static_cast<double>(variant["base"])}; }

Variants each_rope() {
  return each_named("pairs", {"halves", "neighbours"}) * each_of("base", {10000, 500000});
}
Variants each_rotated() { return each_named("operand", {"q and k", "q", "k"}); }

// Rotates the rows of an operand by a further shift(b, s) positions
using Shift = std::function<double(Index b, Index s)>;

void turn(AlteredProblem& wrong, Operand operand, const Rope& rope, const Shift& shift) {
  wrong.transform_rows(
      operand,
      [&](const RowPlace& p, Eigen::Ref<Eigen::RowVectorXd> row) { rope.turn(row, shift(p.b, p.s)); },
      [=](const RowPlace& p, Eigen::Ref<Eigen::RowVectorXd> row) { rope.turn(row, -shift(p.b, p.s)); });
}

double position(const RowPositions& positions, Index b, Index s) {
  return static_cast<double>(positions.of(b)[static_cast<std::size_t>(s)].position);
}

// The position that a device assumes for its rows: 0, 1, ..., or that of one contiguous chunk
double local_position(const RowSharding& rows, Index s, bool from_chunk) {
  const int device = rows.device_of(s);
  Index before = 0;
  if (from_chunk)
    for (int other = 0; other < device; ++other) before += static_cast<Index>(rows.rows_of(other).size());
  return static_cast<double>(before + rows.place_of(s));
}

AlteredProblem turned_by_local_positions(const Problem<double>& problem, const Sharding& sharding,
                                         const Variant& variant) {
  const bool from_chunk = variant["positions"] == 1;
  const auto shift = [from_chunk](const RowPositions& positions, const RowSharding& rows) {
    return [=, &positions, &rows](Index b, Index s) {
      return local_position(rows, s, from_chunk) - position(positions, b, s);
    };
  };
  AlteredProblem wrong(problem);
  if (variant["operand"] != 2)
    turn(wrong, Operand::q, rope_of(variant), shift(problem.q_positions, sharding.queries));
  if (variant["operand"] != 1)
    turn(wrong, Operand::k, rope_of(variant), shift(problem.kv_positions, sharding.keys));
  return wrong;
}

// The correct angle applied twice, not at all, or with the opposite sign
AlteredProblem turned_by_a_multiple(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  constexpr double further[] = {1, -1, -2};
  const double factor = further[static_cast<std::size_t>(variant["turned"])];
  const auto shift = [factor](const RowPositions& positions) {
    return [factor, &positions](Index b, Index s) { return factor * position(positions, b, s); };
  };
  AlteredProblem wrong(problem);
  if (variant["operand"] != 2) turn(wrong, Operand::q, rope_of(variant), shift(problem.q_positions));
  if (variant["operand"] != 1) turn(wrong, Operand::k, rope_of(variant), shift(problem.kv_positions));
  return wrong;
}

AlteredProblem queries_turned_too_far(const Problem<double>& problem, const Sharding&,
                                      const Variant& variant) {
  const auto by = static_cast<double>(variant["by"]);
  AlteredProblem wrong(problem);
  turn(wrong, Operand::q, rope_of(variant), [by](Index, Index) { return by; });
  return wrong;
}

// (0, 1, 2, ...) becomes (0, 2, 4, ..., 1, 3, 5, ...), or the reverse
AlteredProblem paired_differently(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const auto to_halves = [](const RowPlace&, Eigen::Ref<Eigen::RowVectorXd> row) {
    const Eigen::RowVectorXd old = row;
    for (Index n = 0; n < row.size() / 2; ++n) row(n) = old(2 * n), row(n + row.size() / 2) = old(2 * n + 1);
  };
  const auto to_neighbours = [](const RowPlace&, Eigen::Ref<Eigen::RowVectorXd> row) {
    const Eigen::RowVectorXd old = row;
    for (Index n = 0; n < row.size() / 2; ++n) row(2 * n) = old(n), row(2 * n + 1) = old(n + row.size() / 2);
  };
  const Operand operand = variant["operand"] == 0 ? Operand::q : Operand::k;
  AlteredProblem wrong(problem);
  if (variant["reordered"] == 0)
    wrong.transform_rows(operand, to_halves, to_neighbours);
  else
    wrong.transform_rows(operand, to_neighbours, to_halves);
  return wrong;
}

bool pairs_up(const Simulation& sim) { return sim.problem().Q.shape.D % 2 == 0; }

Variants each_local_position(const Simulation& sim) {
  if (!pairs_up(sim) || sim.devices() == 1) return {};
  const Variants positions =
      sim.sharding().layout == Layout::contiguous
          ? each_named("positions", {"of the row within its device"})
          : each_named("positions", {"of the row within its device", "of a contiguous chunk"});
  return positions * each_rotated() * each_rope();
}

Variants each_multiple(const Simulation& sim) {
  if (!pairs_up(sim)) return {};
  return each_named("turned", {"twice", "not at all", "backwards"}) * each_rotated() * each_rope();
}

Variants each_offset(const Simulation& sim) {
  if (!pairs_up(sim)) return {};
  const Index longer = sim.problem().K.shape.S - sim.problem().Q.shape.S;
  return (longer == 0 ? each_of("by", {1, -1}) : each_of("by", {1, -1, longer, -longer})) * each_rope();
}

Variants each_reordering(const Simulation& sim) {
  if (!pairs_up(sim)) return {};
  return each_named("operand", {"q", "k"}) *
         each_named("reordered", {"neighbours to halves", "halves to neighbours"});
}

}  // namespace

std::vector<Mistake> rope_mistakes() {
  return {
      {.id = "X1",
       .family = Family::operands,
       .title = "rotary positions are counted within the device",
       .wrong = "q and k are rotated by the local index of the row instead of its position",
       .fingerprint = "contiguous: each device is right within its own block; between device r and owner o "
                      "the angle is off by (o - r) times the block length",
       .why = "The rotation was computed after the sequence was sharded.",
       .fix = "Rotate by global positions: shard the positions together with the rows.",
       .seen_in = "lucidrains/ring-attention-pytorch@ea485d0",
       .variants = each_local_position,
       .alteration = turned_by_local_positions},
      {.id = "X2",
       .family = Family::operands,
       .title = "the rotary rotation is applied twice, not at all, or in the opposite direction",
       .wrong = "the angle is multiplied by 2, 0 or -1",
       .fingerprint = "the error grows with the position",
       .why = "Both the caller and the layer rotate, neither does, or the sine has the wrong sign.",
       .fix = "Rotate q and k once, in the same direction.",
       .variants = each_multiple,
       .alteration = turned_by_a_multiple},
      {.id = "X3",
       .family = Family::operands,
       .title = "q and k are rotated with different offsets",
       .wrong = "the angle between q_i and k_j is that of the distance i - j + n",
       .fingerprint = "every row with two or more visible keys is wrong, all by the same angle",
       .why = "Query and key positions start at different values, for example with a K/V cache or Sq != Skv.",
       .fix = "Give query i the position i + causal offset, for the rotation as for the mask.",
       .variants = each_offset,
       .alteration = queries_turned_too_far},
      {.id = "X4",
       .family = Family::operands,
       .title = "q and k pair their elements differently",
       .wrong = "one uses the pairs (0, 1), (2, 3), ..., the other (0, d/2), (1, d/2 + 1), ...",
       .fingerprint = "everything is wrong, including lse",
       .why = "Two rotary conventions are mixed, or the weights of only one projection were converted.",
       .fix = "Use one pairing for q and k, and convert the weights of both projections.",
       .variants = each_reordering,
       .alteration = paired_differently},
  };
}

}  // namespace ringattn
