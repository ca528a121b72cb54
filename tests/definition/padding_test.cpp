// Padding and factors of numbers of 8 bits: both are taken out of a problem before it is computed.

#include <doctest/doctest.h>

#include <limits>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/input/descale.h"
#include "reference/definition/minus_infinity.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<std::int64_t> random_lengths(Random& random, Index B, Index S) {
  std::vector<std::int64_t> lengths;
  for (Index b = 0; b < B; ++b) lengths.push_back(random.below(S + 1));
  return lengths;
}

// One sequence without its padding
RandomProblem<double> alone(const RandomProblem<double>& p, Index b, Index queries, Index keys,
                            CausalAlign align) {
  RandomProblem<double> one;
  const auto part = [b](const Tensor<double>& tensor, Index rows) {
    TensorView<const double> view = tensor.view();
    view.data += b * view.strides.B;
    view.shape.B = 1, view.shape.S = rows;
    return converted<double>(view);
  };
  one.Q = part(p.Q, queries), one.K = part(p.K, keys), one.V = part(p.V, keys);
  one.dout = part(p.dout, queries), one.dlse = part(p.dlse, queries);
  one.q_positions = consecutive_positions(queries, causal_offset(align, queries, keys));
  one.kv_positions = consecutive_positions(keys);
  one.scoring = p.scoring;
  return one;
}

// The largest difference of row _s_ of sequence b from row _s_ of a sequence alone; infinite for NaN
double difference(const Tensor<double>& padded, Index b, const Tensor<double>& one) {
  double largest = 0;
  for (Index s = 0; s < one.shape().S; ++s)
    for (Index h = 0; h < one.shape().H; ++h)
      for (Index d = 0; d < one.shape().D; ++d) {
        const double x = padded(b, s, h, d), y = one(0, s, h, d);
        const double error = x == y ? 0 : std::abs(x - y);
        largest = error <= largest ? largest
                  : error == error ? error
                                   : std::numeric_limits<double>::infinity();
      }
  return largest;
}

}  // namespace

TEST_CASE("the results of padded sequences are those of each sequence alone, whatever the padding holds") {
  Random random(61);
  for (int n = 0; n < trials(100); ++n) {
    RandomProblem<double> p =
        normal_problem(random, {.B = 3, .Sq = 11, .Skv = 13, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 7});
    p.scoring.mask.causal = random.below(2) == 0;
    const CausalAlign align = random.below(2) ? CausalAlign::bottom_right : CausalAlign::top_left;
    const auto queries = random_lengths(random, 3, 11), keys = random_lengths(random, 3, 13);
    p.padded = {first_rows_used("seqused_q", queries, 3, 11), first_rows_used("seqused_k", keys, 3, 13)};

    // NaN as padding, which is then taken out
    fill_padding(p.padded.queries, not_a_number, p.Q), fill_padding(p.padded.keys, not_a_number, p.K);
    fill_padding(p.padded.keys, not_a_number, p.V), fill_padding(p.padded.queries, not_a_number, p.dout);
    fill_padding(p.padded.queries, not_a_number, p.dlse);
    std::vector<RandomProblem<double>> each;
    for (Index b = 0; b < 3; ++b)
      each.push_back(
          alone(p, b, queries[static_cast<std::size_t>(b)], keys[static_cast<std::size_t>(b)], align));
    for (Tensor<double>* tensor : {&p.Q, &p.dout, &p.dlse}) fill_padding(p.padded.queries, 0.0, *tensor);
    for (Tensor<double>* tensor : {&p.K, &p.V}) fill_padding(p.padded.keys, 0.0, *tensor);
    p.q_positions = aligned_positions(align, p.padded, 3, 11, 13), p.kv_positions = consecutive_positions(13);
    hide_padding(p.padded, 3, p.q_positions, p.kv_positions);

    const AttentionOutput<double> found = attention(p.problem());
    const Gradients<double> gradients = attention_vjp(p.problem(), found, p.cotangents());
    for (Index b = 0; b < 3; ++b) {
      const RandomProblem<double>& one = each[static_cast<std::size_t>(b)];
      const AttentionOutput<double> right = attention(one.problem());
      const Gradients<double> right_gradients = attention_vjp(one.problem(), right, one.cotangents());
      constexpr double bound = 1e-12;  // some hundred roundings of numbers up to about 20
      CHECK(difference(found.out, b, right.out) <= bound);
      CHECK(difference(found.lse, b, right.lse) <= bound);
      CHECK(difference(gradients.dq, b, right_gradients.dq) <= bound);
      CHECK(difference(gradients.dk, b, right_gradients.dk) <= bound);
      CHECK(difference(gradients.dv, b, right_gradients.dv) <= bound);
    }

    // The results of the padding are known
    for (Index b = 0; b < 3; ++b)
      for (Index s = queries[static_cast<std::size_t>(b)]; s < 11; ++s)
        for (Index h = 0; h < 4; ++h) {
          CHECK(found.lse(b, s, h, 0) == minus_infinity<double>);
          CHECK(found.out.head(b, h).row(s).isZero(0));
        }
    for (Index b = 0; b < 3; ++b)
      for (Index s = keys[static_cast<std::size_t>(b)]; s < 13; ++s)
        for (Index g = 0; g < 2; ++g) CHECK(gradients.dv.head(b, g).row(s).isZero(0));
  }
}

TEST_CASE("lengths of sequences that do not fit are refused") {
  check_message(bad_input_message([] {
                  first_rows_used("seqused_q", {3, 4}, 3, 5);
                }),
                "one length for each of the 3");
  check_message(bad_input_message([] {
                  first_rows_used("seqused_q", {3, 6}, 2, 5);
                }),
                "from 0 to the number of rows");
  check_message(bad_input_message([] {
                  first_rows_used("seqused_q", {-1, 2}, 2, 5);
                }),
                "found -1 in sequence 0");
}

TEST_CASE("a factor of the tensor, of heads or of blocks multiplies the numbers of its rows") {
  Random random(62);
  const Tensor<double> whole = normal_tensor<double>({2, 10, 4, 3}, random);
  const auto descaled = [&](const Descale& descale) {
    Tensor<double> tensor = whole;
    apply(descale, "descale_q", tensor);
    return tensor;
  };
  const auto matches = [&](const Descale& descale, auto factor) {
    const Tensor<double> found = descaled(descale);
    for (Index b = 0; b < 2; ++b)
      for (Index s = 0; s < 10; ++s)
        for (Index h = 0; h < 4; ++h)
          for (Index d = 0; d < 3; ++d)
            if (found(b, s, h, d) != whole(b, s, h, d) * factor(b, s, h)) return false;
    return true;
  };
  CHECK(matches({{}, {0.5}}, [](Index, Index, Index) { return 0.5; }));
  CHECK(matches({{1, 1}, {0.5}}, [](Index, Index, Index) { return 0.5; }));
  CHECK(matches({{4}, {1, 2, 3, 4}}, [](Index, Index, Index h) { return 1.0 + static_cast<double>(h); }));
  CHECK(matches({{2, 2}, {1, 2, 3, 4}},
                [](Index b, Index, Index h) { return 1.0 + static_cast<double>(2 * b + h / 2); }));
  CHECK(matches({{1, 4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}},
                [](Index, Index s, Index h) { return 1.0 + static_cast<double>(2 * h + s / 5); }));
  CHECK(matches({{1, 1, 3}, {1, 2, 3}, 4},
                [](Index, Index s, Index) { return 1.0 + static_cast<double>(s / 4); }));

  check_message(bad_input_message([&] { descaled({{3}, {1, 2, 3}}); }), "for the batch 2 and 4 heads");
  check_message(bad_input_message([&] { descaled({{1, 1, 3}, {1, 2, 3}}); }), "state descale_block");
  check_message(bad_input_message([&] { descaled({{1, 1, 3}, {1, 2, 3}, 5}); }), "have 2 blocks of 5");
  check_message(bad_input_message([&] {
                  descaled({{}, {not_a_number}});
                }),
                "a factor must be a finite number");
}
