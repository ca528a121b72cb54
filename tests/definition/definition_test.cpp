// Tests of full attention, forward and backward, as defined in reference/definition.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/comparison_helpers.h"
#include "tests/support/naive_attention.h"
#include "tests/support/random_problem.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

// Checks that _found_, the results of an equivalent problem, agree with those of _problem_
void check_agreement(const AttentionOutput<double>& found, const Problem<double>& problem) {
  CHECK(error_of(found, attention(problem), attention_magnitude(problem)) <= 2 * float64_bound(problem));
}

void check_agreement(const Gradients<double>& found, const Problem<double>& problem,
                     const Cotangents<double>& cotangents) {
  const AttentionOutput<double> forward = attention(problem);
  CHECK(error_of(found, attention_vjp(problem, forward, cotangents),
                 vjp_magnitude(problem, forward, cotangents)) <= 2 * float64_bound(problem));
}

// n - 1 .. 0
std::vector<Index> backwards(Index n) {
  std::vector<Index> rows;
  while (n > 0) rows.push_back(--n);
  return rows;
}

// A tensor of _H_ heads: head h is a copy of head from(h)
template <class From>
Tensor<double> heads_from(const Tensor<double>& source, Index H, From from) {
  Tensor<double> result({source.shape().B, source.shape().S, H, source.shape().D});
  for (Index b = 0; b < result.shape().B; ++b)
    for (Index h = 0; h < H; ++h) result.head(b, h) = source.head(b, from(h));
  return result;
}

}  // namespace

TEST_CASE("full attention agrees with naive sums in long double, forward and backward") {
  Random random(2024);
  for (int n = 0; n < 400; ++n) {
    const RandomProblem<double> drawn =
        random_problem(random, {.pair_terms = true, .head_terms = true, .huge_logits = true});
    const Problem<double> problem = drawn.problem();
    const Cotangents<double> cotangents = drawn.cotangents();
    CAPTURE(n);
    CAPTURE(drawn.describe());

    const AttentionOutput<double> forward = attention(problem);
    const Gradients<double> gradients = attention_vjp(problem, forward, cotangents);
    const double bound = float64_bound(problem);
    CHECK(error_of(forward, naive_attention(problem), attention_magnitude(problem)) <= bound);
    CHECK(error_of(gradients, naive_attention_vjp(problem, cotangents),
                   vjp_magnitude(problem, forward, cotangents)) <= bound);
  }
}

TEST_CASE("float32 agrees with float64") {
  Random random(32);
  for (int n = 0; n < 200; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true, .head_terms = true});
    const RandomProblem<float> narrow = drawn.as<float>();
    const Problem<double> problem = drawn.problem();
    const AttentionOutput<double> forward = attention(problem);
    const AttentionOutput<float> found = attention(narrow.problem());
    const Gradients<double> gradients = attention_vjp(problem, forward, drawn.cotangents());
    CAPTURE(drawn.describe());

    // Unit roundoff times the terms for sums over d, for the argument of exp, and for sums over the keys
    const auto d = static_cast<double>(problem.Q.shape.D), keys = static_cast<double>(problem.K.shape.S);
    const double bound =
        0x1p-24 * (32 + d / 4 + 4 * largest_score(problem) + 2 * std::sqrt(keys) + 0.1 * keys);
    CHECK(error_of(found, forward, attention_magnitude(problem)) <= bound);
    CHECK(error_of(attention_vjp(narrow.problem(), found, narrow.cotangents()), gradients,
                   vjp_magnitude(problem, forward, drawn.cotangents())) <= bound);
  }
}

TEST_CASE("if all values are equal, the output is that value for any Q and K") {
  Random random(1);
  RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 5, .Skv = 7, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 6});
  const Tensor<double> first = select_rows(drawn.V.view(), {0});
  for (Index row = 0; row < 7; ++row) scatter_rows(first, {row}, drawn.V);

  const Tensor<double> out = attention(drawn.problem()).out;
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 4; ++h)
      for (Index i = 0; i < 5; ++i)
        for (Index d = 0; d < 6; ++d)
          CHECK(out(b, i, h, d) == doctest::Approx(first(b, 0, h / 2, d)).epsilon(1e-15));
}

TEST_CASE("a single token attends to itself: O = V, and lse is its score") {
  Random random(2);
  const RandomProblem<double> drawn = normal_problem(random, {.Hq = 2, .Hkv = 2, .D = 4, .Dv = 3});
  const AttentionOutput<double> found = attention(drawn.problem());
  CHECK(identical(found.out, drawn.V));
  for (Index h = 0; h < 2; ++h)
    CHECK(found.lse(0, 0, h, 0) ==
          doctest::Approx(drawn.Q.head(0, h).row(0).dot(drawn.K.head(0, h).row(0)) / 2).epsilon(1e-15));
}

TEST_CASE("a permutation of the keys does not change the result") {
  Random random(3);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const std::vector<Index> order = backwards(drawn.K.shape().S);
    RandomProblem<double> turned = drawn;
    turned.K = select_rows(drawn.K.view(), order);
    turned.V = select_rows(drawn.V.view(), order);
    turned.kv_positions = drawn.kv_positions.select(order);
    CAPTURE(drawn.describe());

    const AttentionOutput<double> found = attention(turned.problem());
    check_agreement(found, drawn.problem());
    Gradients<double> gradients = attention_vjp(turned.problem(), found, turned.cotangents());
    gradients.dk = select_rows(gradients.dk.view(), order);
    gradients.dv = select_rows(gradients.dv.view(), order);
    check_agreement(gradients, drawn.problem(), drawn.cotangents());
  }
}

TEST_CASE("adding one vector to every key keeps the output and adds scale q . vector to lse") {
  Random random(4);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 6, .Skv = 8, .D = 4, .Dv = 5});
  const Matrix<double> vector = normal_tensor<double>({1, 1, 1, 4}, random).head(0, 0);
  RandomProblem<double> moved = drawn;
  moved.K.head(0, 0).rowwise() += vector.row(0);

  AttentionOutput<double> found = attention(moved.problem());
  found.lse.head(0, 0) -= 0.5 * drawn.Q.head(0, 0) * vector.transpose();
  const double bound = 2 * float64_bound(moved.problem());
  CHECK(error_of(found, attention(drawn.problem()), attention_magnitude(moved.problem())) <= bound);
}

TEST_CASE("duplicating every key keeps the output and adds log 2 to lse") {
  Random random(5);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    std::vector<Index> twice = backwards(drawn.K.shape().S);
    twice.insert(twice.end(), twice.begin(), twice.end());
    RandomProblem<double> doubled = drawn;
    doubled.K = select_rows(drawn.K.view(), twice);
    doubled.V = select_rows(drawn.V.view(), twice);
    doubled.kv_positions = drawn.kv_positions.select(twice);

    AttentionOutput<double> found = attention(doubled.problem());
    for (Index row = 0; row < found.lse.size(); ++row) found.lse.data()[row] -= std::log(2.0);
    check_agreement(found, drawn.problem());
  }
}

TEST_CASE("a row with no visible key has out = 0, lse = -inf and zero gradients for any cotangents") {
  Random random(6);
  // Bottom-right with two more queries than keys: rows 0 and 1 have positions before the first key
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 5, .Skv = 3, .Hq = 2, .D = 4, .Dv = 2});
  drawn.scoring.mask.causal = true;
  const AttentionOutput<double> forward = attention(drawn.problem());
  for (Index h = 0; h < 2; ++h) {
    CHECK(forward.out.head(0, h).topRows(2) == Matrix<double>::Zero(2, 2));
    for (Index i = 0; i < 5; ++i) CHECK((forward.lse(0, i, h, 0) == -infinity) == (i < 2));
  }

  const Gradients<double> plain = attention_vjp(drawn.problem(), forward, drawn.cotangents());
  for (double wild : {1e300, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
    for (Index h = 0; h < 2; ++h) {
      drawn.dlse.head(0, h).topRows(2).setConstant(wild);
      drawn.dout.head(0, h).topRows(2).setConstant(-1e300);
    }
    const Gradients<double> gradients = attention_vjp(drawn.problem(), forward, drawn.cotangents());
    CHECK(identical(gradients, plain));
    for (Index h = 0; h < 2; ++h) CHECK(gradients.dq.head(0, h).topRows(2) == Matrix<double>::Zero(2, 4));
  }
}

TEST_CASE("without keys every row is empty, without queries all gradients are zero") {
  Random random(7);
  const RandomProblem<double> no_keys = normal_problem(random, {.Sq = 3, .Skv = 0, .D = 2, .Dv = 2});
  const AttentionOutput<double> forward = attention(no_keys.problem());
  const Gradients<double> gradients = attention_vjp(no_keys.problem(), forward, no_keys.cotangents());
  CHECK(identical(forward.out, Tensor<double>({1, 3, 1, 2})));
  CHECK((forward.lse.head(0, 0).array() == -infinity).all());
  CHECK(identical(gradients.dq, Tensor<double>({1, 3, 1, 2})));

  const RandomProblem<double> no_queries = normal_problem(random, {.Sq = 0, .Skv = 3, .D = 2, .Dv = 2});
  const AttentionOutput<double> nothing = attention(no_queries.problem());
  CHECK(nothing.out.size() == 0);
  CHECK(identical(attention_vjp(no_queries.problem(), nothing, no_queries.cotangents()).dv,
                  Tensor<double>({1, 3, 1, 2})));
}

TEST_CASE("scores are computed in the order scale, soft-cap, bias, mask") {
  Random random(8);
  RandomProblem<double> drawn = normal_problem(random, {});
  drawn.Q(0, 0, 0, 0) = 3, drawn.K(0, 0, 0, 0) = 2;
  drawn.scoring.softmax_scale = 0.5;
  drawn.scoring.softcap = 4;
  drawn.bias = PairTensor<double>(1, 1, 1, 1);
  drawn.bias(0, 0, 0, 0) = 10;
  // The lse of a single key is its score
  CHECK(attention(drawn.problem()).lse(0, 0, 0, 0) ==
        doctest::Approx(4 * std::tanh(0.5 * 3 * 2 / 4) + 10).epsilon(1e-15));

  drawn.allowed = PairTensor<bool>(1, 1, 1, 1);
  CHECK(attention(drawn.problem()).lse(0, 0, 0, 0) == -infinity);
}

TEST_CASE("query head h uses K/V head h div (Hq / Hkv), as if K and V were repeated") {
  Random random(9);
  const RandomProblem<double> grouped =
      normal_problem(random, {.B = 2, .Sq = 5, .Skv = 7, .Hq = 6, .Hkv = 2, .D = 3, .Dv = 4});
  RandomProblem<double> repeated = grouped;
  const auto kv_head = [](Index h) { return h < 3 ? 0 : 1; };
  repeated.K = heads_from(grouped.K, 6, kv_head);
  repeated.V = heads_from(grouped.V, 6, kv_head);
  check_agreement(attention(repeated.problem()), grouped.problem());
}

TEST_CASE("dK and dV are summed over the query heads of the group") {
  Random random(10);
  const RandomProblem<double> grouped =
      normal_problem(random, {.B = 2, .Sq = 5, .Skv = 7, .Hq = 6, .Hkv = 2, .D = 3, .Dv = 4});
  RandomProblem<double> repeated = grouped;
  repeated.K = heads_from(grouped.K, 6, [](Index h) { return h / 3; });
  repeated.V = heads_from(grouped.V, 6, [](Index h) { return h / 3; });
  Gradients<double> found =
      attention_vjp(repeated.problem(), attention(repeated.problem()), repeated.cotangents());

  for (Tensor<double>* gradient : {&found.dk, &found.dv}) {
    Tensor<double> sums = heads_from(*gradient, 2, [](Index g) { return 3 * g; });
    for (Index b = 0; b < 2; ++b)
      for (Index h : {1, 2, 4, 5}) sums.head(b, h / 3) += gradient->head(b, h);
    *gradient = sums;
  }
  check_agreement(found, grouped.problem(), grouped.cotangents());
}

TEST_CASE("each column of V is averaged independently, so V may have its own head dimension") {
  Random random(11);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 4, .Skv = 6, .D = 2, .Dv = 5});
  const AttentionOutput<double> whole = attention(drawn.problem()),
                                magnitude = attention_magnitude(drawn.problem());
  for (Index d = 0; d < 5; ++d) {
    RandomProblem<double> column = drawn;
    column.V = Tensor<double>({1, 6, 1, 1});
    column.V.head(0, 0) = drawn.V.head(0, 0).col(d);
    AttentionOutput<double> expected{Tensor<double>({1, 4, 1, 1}), whole.lse};
    expected.out.head(0, 0) = whole.out.head(0, 0).col(d);
    CHECK(error_of(attention(column.problem()), expected, attention_magnitude(column.problem())) <=
          2 * float64_bound(drawn.problem()));
  }
}

TEST_CASE("the sequences of a batch are independent") {
  Random random(12);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    RandomProblem<double> other = drawn;
    if (drawn.extents().B < 2) continue;
    for (Tensor<double>* tensor : {&other.Q, &other.K, &other.V, &other.dout, &other.dlse})
      for (Index h = 0; h < tensor->shape().H; ++h) tensor->head(0, h).setConstant(random.normal());

    const AttentionOutput<double> before = attention(drawn.problem()), after = attention(other.problem());
    const Gradients<double> backward = attention_vjp(drawn.problem(), before, drawn.cotangents());
    const Gradients<double> other_backward = attention_vjp(other.problem(), after, other.cotangents());
    for (Index h = 0; h < drawn.Q.shape().H; ++h) {
      CHECK(before.out.head(1, h) == after.out.head(1, h));
      CHECK(backward.dq.head(1, h) == other_backward.dq.head(1, h));
    }
    for (Index g = 0; g < drawn.K.shape().H; ++g)
      CHECK(backward.dk.head(1, g) == other_backward.dk.head(1, g));
  }
}

TEST_CASE("the axis order in memory does not change the result") {
  Random random(13);
  const RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 5, .Skv = 7, .Hq = 6, .Hkv = 2, .D = 3, .Dv = 4});
  for (Axes axes : {Axes::bhsd, Axes::sbhd}) {
    RandomProblem<double> laid_out = drawn;
    for (Tensor<double>* tensor : {&laid_out.Q, &laid_out.K, &laid_out.V, &laid_out.dout, &laid_out.dlse})
      *tensor = converted<double>(tensor->view(), axes);
    const AttentionOutput<double> found = attention(laid_out.problem());
    check_agreement(found, drawn.problem());
    check_agreement(attention_vjp(laid_out.problem(), found, laid_out.cotangents()), drawn.problem(),
                    drawn.cotangents());
  }
}

TEST_CASE("gaps between the elements of a row do not change the result") {
  Random random(14);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 5, .Skv = 7, .D = 3, .Dv = 4});
  // A view of every second element of a wider tensor; the other elements are NaN
  Tensor<double> wide({1, 7, 1, 6});
  std::fill_n(wide.data(), wide.size(), std::numeric_limits<double>::quiet_NaN());
  const TensorView<double> K{
      wide.data(), drawn.K.shape(), {wide.strides().B, wide.strides().S, wide.strides().H, 2}};
  for (Index j = 0; j < 7; ++j)
    for (Index d = 0; d < 3; ++d) K(0, j, 0, d) = drawn.K(0, j, 0, d);

  Problem<double> problem = drawn.problem();
  problem.K = K;
  check_agreement(attention(problem), drawn.problem());
}

TEST_CASE("huge scores give finite results") {
  Random random(15);
  for (double factor : {1e3, 1e4}) {
    RandomProblem<double> drawn = normal_problem(random, {.Sq = 5, .Skv = 7, .Hq = 2, .D = 4, .Dv = 3});
    for (Index n = 0; n < drawn.Q.size(); ++n) drawn.Q.data()[n] *= factor;
    CHECK(largest_score(drawn.problem()) > factor);

    const RandomProblem<float> narrow = drawn.as<float>();
    const AttentionOutput<float> forward = attention(narrow.problem());
    const Gradients<float> gradients = attention_vjp(narrow.problem(), forward, narrow.cotangents());
    for (const Tensor<float>* tensor :
         {&forward.out, &forward.lse, &gradients.dq, &gradients.dk, &gradients.dv})
      CHECK(std::all_of(tensor->data(), tensor->data() + tensor->size(),
                        [](float x) { return std::isfinite(x); }));
  }
}

TEST_CASE("omitting query rows does not change the results of the others") {
  Random random(16);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true});
    const Problem<double> problem = drawn.problem();
    std::vector<Index> rows;
    for (Index row = 0; row < problem.Q.shape.S; ++row)
      if (random.below(2)) rows.push_back(row);
    Tensor<double> Q;
    const Problem<double> fewer = with_queries(problem, rows, Q);
    const Tensor<double> dout = select_rows(drawn.dout.view(), rows),
                         dlse = select_rows(drawn.dlse.view(), rows);
    CAPTURE(drawn.describe());

    const AttentionOutput<double> whole = attention(problem), size = attention_magnitude(problem),
                                  found = attention(fewer);
    const double bound = 2 * float64_bound(problem);
    CHECK(relative_error(found.out, select_rows(whole.out.view(), rows),
                         select_rows(size.out.view(), rows)) <= bound);
    CHECK(relative_error(found.lse, select_rows(whole.lse.view(), rows),
                         select_rows(size.lse.view(), rows)) <= bound);
    const Tensor<double> dq = attention_vjp(problem, whole, drawn.cotangents()).dq;
    const Tensor<double> dq_size = vjp_magnitude(problem, whole, drawn.cotangents()).dq;
    CHECK(relative_error(attention_vjp(fewer, found, {dout, dlse}).dq, select_rows(dq.view(), rows),
                         select_rows(dq_size.view(), rows)) <= bound);
  }
}

TEST_CASE("with out and lse of all keys given, omitting keys does not change dK and dV of the others") {
  Random random(17);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    std::vector<Index> rows;
    for (Index row = 0; row < drawn.K.shape().S; ++row)
      if (random.below(2)) rows.push_back(row);
    RandomProblem<double> fewer = drawn;
    fewer.K = select_rows(drawn.K.view(), rows);
    fewer.V = select_rows(drawn.V.view(), rows);
    fewer.kv_positions = drawn.kv_positions.select(rows);
    CAPTURE(drawn.describe());

    const AttentionOutput<double> whole = attention(drawn.problem());
    const Gradients<double> truth = attention_vjp(drawn.problem(), whole, drawn.cotangents());
    const Gradients<double> size = vjp_magnitude(drawn.problem(), whole, drawn.cotangents());
    const Gradients<double> found = attention_vjp(fewer.problem(), whole, fewer.cotangents());
    const double bound = 2 * float64_bound(drawn.problem());
    CHECK(relative_error(found.dk, select_rows(truth.dk.view(), rows), select_rows(size.dk.view(), rows)) <=
          bound);
    CHECK(relative_error(found.dv, select_rows(truth.dv.view(), rows), select_rows(size.dv.view(), rows)) <=
          bound);
  }
}
