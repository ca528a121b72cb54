// The mistakes of heads, operands and rotary positions: each equals the definition on the wrong operands, or has
// the stated fingerprint.

#include <algorithm>
#include <complex>

#include "tests/oracle/result_of_mistake.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const Mistakes& operand_entries() {
  static const Mistakes all = mistakes_of({Family::heads, Family::operands});
  return all;
}

// Sets V to the index of its head, so that out shows the head that was read
void number_the_heads(RandomProblem<double>& p) {
  for (Index h = 0; h < p.V.shape().H; ++h)
    for (Index b = 0; b < p.V.shape().B; ++b) p.V.head(b, h).setConstant(static_cast<double>(h));
}

bool heads_read(const AttentionOutput<double>& result, const std::vector<double>& expected) {
  for (Index h = 0; h < result.out.shape().H; ++h)
    if (!nearly(result.out(0, 3, h, 0), expected[static_cast<std::size_t>(h)])) return false;
  return true;
}

// The same memory, read as (B, H, S, D)
TensorView<const double> as_bhsd(const Tensor<double>& tensor) {
  return {tensor.data(), tensor.shape(), strides_of(tensor.shape(), Axes::bhsd)};
}

// Elements n and n + d/2 of a row are one complex number, rotated by the angle position * base^(-2n/d)
Tensor<double> rotated(const Tensor<double>& x, const std::function<double(Index)>& position,
                       double base = 1e4) {
  Tensor<double> result(x.shape());
  const Index d = x.shape().D;
  for (Index b = 0; b < x.shape().B; ++b)
    for (Index s = 0; s < x.shape().S; ++s)
      for (Index h = 0; h < x.shape().H; ++h)
        for (Index n = 0; n < d / 2; ++n) {
          const double speed = 1 / std::pow(base, 2 * static_cast<double>(n) / static_cast<double>(d));
          const auto turned = std::complex<double>(x(b, s, h, n), x(b, s, h, n + d / 2)) *
                              std::polar(1.0, position(s) * speed);
          result(b, s, h, n) = turned.real(), result(b, s, h, n + d / 2) = turned.imag();
        }
  return result;
}

double itself(Index row) { return static_cast<double>(row); }

}  // namespace

TEST_CASE("heads and operands: the result of a row is independent of the other simulated rows") {
  check_that_rows_are_independent(operand_entries(), trials(12));
}

TEST_CASE("heads and operands: each mistake has an effect on some case") {
  check_that_each_has_an_effect(operand_entries());
}

TEST_CASE("heads and operands: the backward of a mistake is the derivative of its forward") {
  check_that_backwards_are_derivatives(operand_entries());
}

TEST_CASE("with V equal to its head index, out is the K/V head that a query head reads") {
  RandomProblem<double> p = seeded_problem({1, 6, 7, 6, 3, 4, 2});
  number_the_heads(p);
  const Simulation sim = simulate(p, 2);
  CHECK(heads_read(sim.attention_of(p.problem()), {0, 0, 1, 1, 2, 2}));
  CHECK(heads_read(result_of_mistake(sim, "H1"), {0, 1, 2, 0, 1, 2}));
  CHECK(heads_read(result_of_mistake(sim, "H2", "head = 2"), {2, 2, 2, 2, 2, 2}));
  CHECK(heads_read(result_of_mistake(sim, "H8"), {0, 0, 0, 1, 1, 1}));
  CHECK(heads_read(result_of_mistake(sim, "H9", "by = 1"), {1, 1, 2, 2, 0, 0}));
  CHECK(heads_read(result_of_mistake(sim, "H10"), {2, 2, 1, 1, 0, 0}));
  CHECK(heads_read(result_of_mistake(sim, "H11", "one = 0, other = 2"), {2, 2, 1, 1, 0, 0}));
  CHECK(heads_read(result_of_mistake(sim, "H12", "one = 0, other = 2"), {1, 0, 0, 1, 2, 2}));
  CHECK(heads_read(result_of_mistake(sim, "H13"), {2, 2, 1, 1, 0, 0}));
  CHECK(heads_read(result_of_mistake(sim, "H14"), {0, 1, 2, 0, 1, 2}));
}

TEST_CASE("if only V is read from the wrong head, lse is right") {
  const RandomProblem<double> p = seeded_problem({2, 6, 7, 6, 3, 4, 2});
  const Simulation sim = simulate(p, 2);
  const Tensor<double> lse = attention(p.problem()).lse;
  for (const char* id : {"H1", "H2", "H8", "H9", "H10"}) {
    CAPTURE(id);
    CHECK(nearly(result_of_mistake(sim, id, "operand = V").lse, lse));
    CHECK_FALSE(nearly(result_of_mistake(sim, id, "operand = K").lse, lse));
  }
}

TEST_CASE("a view with exchanged axes leaves the memory unchanged") {
  const RandomProblem<double> p = seeded_problem({2, 5, 7, 4, 2, 6, 3});
  const Simulation sim = simulate(p, 2);
  const AttentionOutput<double> right = attention(p.problem());
  const Tensor<double> bhsd = converted<double>(right.out.view(), Axes::bhsd);
  const Tensor<double> merged = result_of_mistake(sim, "H3").out;
  CHECK(std::equal(merged.data(), merged.data() + merged.size(), bhsd.data(),
                   [](double a, double b) { return nearly(a, b); }));

  Problem<double> misread = p.problem();
  misread.Q = as_bhsd(p.Q), misread.K = as_bhsd(p.K), misread.V = as_bhsd(p.V);
  const AttentionOutput<double> expected = attention(misread);
  CHECK(nearly(result_of_mistake(sim, "H5", "q, k and v"), expected));
  const Tensor<double> out = converted<double>(expected.out.view(), Axes::bhsd),
                       all = result_of_mistake(sim, "H6").out;
  CHECK(std::equal(all.data(), all.data() + all.size(), out.data(),
                   [](double a, double b) { return nearly(a, b); }));
}

TEST_CASE("H4: counting every key G times leaves out right and adds ln G to lse") {
  const RandomProblem<double> p = seeded_problem({1, 5, 7, 6, 2, 4, 3});
  const Simulation sim = simulate(p, 2);
  const AttentionOutput<double> right = attention(p.problem()), wrong = result_of_mistake(sim, "H4");
  CHECK(nearly(wrong.out, right.out));
  CHECK(nearly(wrong.lse(0, 4, 5, 0), right.lse(0, 4, 5, 0) + std::log(3.0)));
}

TEST_CASE("exchanged operands give the definition on the exchanged operands") {
  const RandomProblem<double> p = seeded_problem({2, 6, 6, 2, 2, 4, 4});
  const Simulation sim = simulate(p, 2);
  const auto with = [](const Tensor<double>& Q, const Tensor<double>& K, const Tensor<double>& V) {
    const RowPositions positions = consecutive_positions(6);
    return attention(Problem<double>{Q, K, V, positions, positions, {}, {}, {}});
  };
  CHECK(nearly(result_of_mistake(sim, "V1"), with(p.Q, p.V, p.K)));
  CHECK(nearly(result_of_mistake(sim, "V2", "v = k"), with(p.Q, p.K, p.K)));
  CHECK(nearly(result_of_mistake(sim, "V4"), with(p.K, p.Q, p.V)));
  CHECK(nearly(result_of_mistake(sim, "V5", "q with q"), with(p.Q, p.Q, p.V)));
  CHECK(nearly(result_of_mistake(sim, "V5", "v with k"), with(p.V, p.K, p.V)));
}

TEST_CASE("V3: the columns of a softmax over the queries sum to 1") {
  RandomProblem<double> p = seeded_problem({1, 6, 5, 1, 1, 4, 5});
  p.V.head(0, 0).setIdentity();
  const auto columns = [&](const char* over) -> Eigen::RowVectorXd {
    return result_of_mistake(simulate(p, 2), "V3", over).out.head(0, 0).colwise().sum();
  };
  CHECK((columns("over = all queries").array() - 1).abs().maxCoeff() <= 1e-14);
  CHECK((columns("over = the queries of the device").array() - 2).abs().maxCoeff() <= 1e-14);
}

TEST_CASE("V6: the batch entry whose K and V all entries use is right") {
  const RandomProblem<double> p = seeded_problem({3, 5, 6, 2, 1, 4, 2});
  const AttentionOutput<double> right = attention(p.problem()),
                                wrong = result_of_mistake(simulate(p, 2), "V6", "entry = 1");
  CHECK(nearly(wrong.lse(1, 4, 1, 0), right.lse(1, 4, 1, 0)));
  CHECK_FALSE(nearly(wrong.lse(0, 4, 1, 0), right.lse(0, 4, 1, 0)));
  CHECK_FALSE(nearly(wrong.lse(2, 4, 1, 0), right.lse(2, 4, 1, 0)));
}

TEST_CASE("V7: leaving out elements equals attention with a smaller head dimension") {
  const RandomProblem<double> p = seeded_problem({1, 5, 6, 2, 1, 7, 2});
  Problem<double> shorter = p.problem();
  shorter.Q.shape.D = shorter.K.shape.D = 4;
  const Simulation sim = simulate(p, 2);
  CHECK(nearly(result_of_mistake(sim, "V7", "first = 0, count = 4, scale = 1/sqrt(count)"),
               attention(shorter)));
  Problem<double> later = shorter;
  later.Q.data += 3, later.K.data += 3;
  CHECK(
      nearly(result_of_mistake(sim, "V7", "first = 3, count = 4, scale = 1/sqrt(count)"), attention(later)));
  shorter.scoring.softmax_scale = 1 / std::sqrt(7.0);
  CHECK(nearly(result_of_mistake(sim, "V7", "first = 0, count = 4, scale = 1/sqrt(d)"), attention(shorter)));
}

TEST_CASE("X1: rotary positions counted within the device equal a rotation after sharding") {
  const RandomProblem<double> bare = seeded_problem({2, 10, 10, 2, 1, 6, 3});
  RandomProblem<double> p = bare, wrong = bare;
  p.Q = rotated(bare.Q, itself), p.K = rotated(bare.K, itself);
  for (const Layout layout : all_layouts) {
    const Simulation sim = simulate(p, 3, layout);
    const auto place = [&](Index row) { return static_cast<double>(sim.sharding().keys.place_of(row)); };
    wrong.Q = rotated(bare.Q, place), wrong.K = rotated(bare.K, place);
    CHECK(nearly(result_of_mistake(sim, "X1", "operand = q and k, pairs = halves, base = 10000"),
                 attention(wrong.problem())));
    wrong.Q = p.Q;
    CHECK(nearly(result_of_mistake(sim, "X1", "operand = k, pairs = halves, base = 10000"),
                 attention(wrong.problem())));
  }
}

TEST_CASE("X2, X3: missing, doubled and offset rotations") {
  const RandomProblem<double> bare = seeded_problem({2, 10, 10, 2, 1, 6, 3});
  RandomProblem<double> p = bare, wrong = bare;
  p.Q = rotated(bare.Q, itself), p.K = rotated(bare.K, itself);
  const Simulation sim = simulate(p, 3);
  CHECK(nearly(result_of_mistake(sim, "X2", "turned = not at all, operand = q and k"),
               attention(bare.problem())));
  wrong.Q = rotated(p.Q, itself), wrong.K = rotated(p.K, itself);
  CHECK(
      nearly(result_of_mistake(sim, "X2", "turned = twice, operand = q and k"), attention(wrong.problem())));
  wrong.Q = rotated(bare.Q, [](Index row) { return static_cast<double>(row + 1); }), wrong.K = p.K;
  CHECK(nearly(result_of_mistake(sim, "X3", "by = 1, pairs = halves, base = 10000"),
               attention(wrong.problem())));
}

TEST_CASE("X4: reordering the elements of q and k alike has no effect") {
  const RandomProblem<double> p = seeded_problem({1, 6, 6, 1, 1, 8, 3});
  RandomProblem<double> reordered = p;
  for (Index n = 0; n < 4; ++n)
    for (const Index half : {0, 1})
      reordered.Q.head(0, 0).col(half * 4 + n) = p.Q.head(0, 0).col(2 * n + half);
  CHECK(
      nearly(result_of_mistake(simulate(reordered, 2), "X4", "operand = k, reordered = neighbours to halves"),
             attention(p.problem())));
}
