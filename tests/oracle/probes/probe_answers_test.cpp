// The closed-form result of each probe, compared with the definition.

#include <doctest/doctest.h>

#include <set>

#include "reference/ring/sharding.h"
#include "tests/oracle/probes/probe_answers.h"

using namespace ringattn;

// ---- Equal weights -----------------------------------------------------------

TEST_CASE(
    "Q = 0 and one-hot values: out times the number of visible keys is 1 at visible keys, 0 elsewhere") {
  for (const char* kind : {"uniform-onehot", "window"})
    for (const bool causal : {false, true}) {
      ProbeShape shape = small_shape(causal);
      shape.v_dim = {};
      const Probe probe = make_probe(kind, shape);
      CHECK(farthest(truth(probe).out, [&](Index, Index i, Index, Index d) {
              const std::vector<Index> keys = visible_keys(probe, i);
              const bool is_visible = std::find(keys.begin(), keys.end(), d) != keys.end();
              return is_visible ? 1 / static_cast<double>(keys.size()) : 0;
            }) <= rounding);
    }
}

TEST_CASE("with fewer elements than keys, one-hot values count the keys modulo the number of elements") {
  const Probe probe = make_probe("uniform-onehot", small_shape(true));
  CHECK(farthest(truth(probe).out, [&](Index, Index i, Index, Index d) {
          return std::floor(static_cast<double>(i - d + 7) / 7) / static_cast<double>(i + 1);
        }) <= rounding);
}

TEST_CASE("the window of a probe reaches beyond a whole block and still hides keys, on every ring") {
  for (int devices = 2; devices <= 8; ++devices) {
    ProbeShape shape = small_shape();
    shape.devices = devices;
    const Mask mask = make_probe("window", shape).scoring.mask;
    CHECK(mask.window_left > largest_shard(Layout::contiguous, devices, 48));
    CHECK(mask.window_left < 47);
    CHECK(mask.window_right >= 1);
  }
}

TEST_CASE("equal logits of any size: out is the mean of the visible values, lse = logit + ln n") {
  for (const auto& [kind, logit] : {std::pair{"cold", -16.0}, std::pair{"frozen", -10240.0}}) {
    const Probe probe = make_probe(kind, small_shape(true));
    const AttentionOutput<double> right = truth(probe);
    CHECK(farthest(right.out, [&](Index b, Index i, Index h, Index d) {
            return mean_value(probe, b, i, h, d);
          }) <= rounding);
    CHECK(farthest(right.lse, [&](Index, Index i, Index, Index) {
            return logit + std::log(static_cast<double>(i + 1));
          }) <= rounding * std::abs(logit));
  }
}

TEST_CASE("with V = 1 every row of out is 1") {
  CHECK(farthest(truth(make_probe("ones", small_shape(true))).out,
                 [](Index, Index, Index, Index) { return 1.0; }) <= rounding);
}

TEST_CASE("two keys in alternation: the logarithm of the quotient of their weights gives the scale") {
  const Probe probe = make_probe("two-key", small_shape(true));
  const AttentionOutput<double> right = truth(probe);
  double dots = 0;
  for (Index d = 0; d < 16; ++d) dots += probe.Q(0, 0, 0, d) * (probe.K(0, 0, 0, d) - probe.K(0, 1, 0, d));
  for (Index i = 1; i < 48; ++i) {
    const auto first = static_cast<double>(i / 2 + 1), second = static_cast<double>((i + 1) / 2);
    const double measured =
        std::log(right.out(1, i, 5, 0) / right.out(1, i, 5, 1)) - std::log(first / second);
    CHECK(distance(measured, dots / 4) <= rounding);
  }
  CHECK(distance(dots / 4, 2) <= rounding);
}

// ---- Unequal weights ---------------------------------------------------------

TEST_CASE("the logits of a staircase rise or fall by 16 / Skv from key to key") {
  for (const auto& [kind, sign] : {std::pair{"staircase-up", 1.0}, std::pair{"staircase-down", -1.0}}) {
    const Probe probe = make_probe(kind, {.Sq = 256});
    const Matrix<double> S = scores(probe.problem(), 0, 3);
    for (Index j = 1; j < 256; ++j) {
      CHECK(sign * (S(0, j) - S(0, j - 1)) > 0);
      const double step_of_logits = 0x1p-8;  // q / (16 sqrt(64)) with q = 1/2
      CHECK(distance(S(0, j), sign * 16.0 * static_cast<double>(j) / 256) <= step_of_logits / 2);
    }
  }
}

TEST_CASE("spikes: out is the weight of the block of each device, an equal share for each visible spike") {
  for (const Layout layout : all_layouts) {
    ProbeShape shape = small_shape(true);
    shape.layout = layout;
    const Probe probe = make_probe("spike", shape);
    const RowSharding keys(layout, 4, 48);
    const Matrix<double> S = scores(probe.problem(), 1, 2);
    CHECK(farthest(truth(probe).out, [&](Index, Index i, Index, Index d) {
            double spikes = 0, of_device = 0;
            for (const Index j : visible_keys(probe, i))
              if (S(i, j) > 10) spikes += 1, of_device += keys.device_of(j) == d;
            if (spikes > 0) return of_device / spikes;
            double in_block = 0;
            for (const Index j : visible_keys(probe, i)) in_block += keys.device_of(j) == d;
            return in_block / static_cast<double>(visible_keys(probe, i).size());
          }) <= 48 * std::exp(-19.9));
    for (int device = 0; device < 4; ++device) {
      int spikes = 0;
      for (const Index j : keys.rows_of(device)) spikes += S(47, j) > 10;
      CHECK(spikes == 1);
    }
  }
}

TEST_CASE("every row gives half of its weight to each of its two needles") {
  for (const bool causal : {false, true}) {
    const Probe probe = make_probe("needle", {.Sq = 256, .causal = causal});
    const Matrix<double> P = probabilities(probe.problem(), truth(probe).lse, 0, 1);
    std::set<std::pair<Index, Index>> pairs;
    for (Index i = 1; i < 256; ++i) {
      std::vector<Index> found;
      for (Index j = 0; j < 256; ++j)
        if (distance(P(i, j), 0.5) <= 256 * std::exp(-24.0)) found.push_back(j);
      const bool first_needle_alone = causal && i < 63;
      if (!first_needle_alone) REQUIRE(found.size() == 2);
      if (!first_needle_alone) pairs.insert({found[0], found[1]});
    }
    CHECK(pairs.count({63, 64}) == 1);  // both sides of a border, next to the diagonal
    if (!causal) CHECK(pairs.count({0, 255}) == 1);
    if (!causal) CHECK(pairs.size() == 8 * 7 / 2);  // every pair of the eight needles occurs
  }
}

TEST_CASE("big logits: the highest visible block has all the weight") {
  const Probe probe = make_probe("big-logits", small_shape(true));
  const AttentionOutput<double> right = truth(probe);
  const RowSharding keys(Layout::contiguous, 4, 48);
  const Matrix<double> S = scores(probe.problem(), 0, 0), P = probabilities(probe.problem(), right.lse, 0, 0);
  CHECK(distance(S.row(47).maxCoeff(), 1000) <= 3);
  CHECK(distance(S.row(47).minCoeff(), -1000) <= 3);
  for (Index i = 0; i < 48; ++i) {
    Index highest = 0;
    S.row(i).maxCoeff(&highest);
    double weight = 0;
    for (const Index j : keys.rows_of(keys.device_of(highest))) weight += P(i, j);
    CHECK(distance(weight, 1) <= 1e-9);
  }
}

// ---- Values that identify their origin ---------------------------------------

TEST_CASE("head-id: out of query head h is h div G") {
  CHECK(farthest(truth(make_probe("head-id", small_shape(true))).out,
                 [](Index, Index, Index h, Index) { return static_cast<double>(h / 2); }) <= rounding);
}

TEST_CASE("grouped: out of a query head is 0 except for the elements of its K/V head") {
  const AttentionOutput<double> right = truth(make_probe("grouped", small_shape()));
  for (Index h = 0; h < 6; ++h)
    for (Index d = 0; d < 7; ++d)
      CHECK((right.out.head(1, h).col(d).cwiseAbs().maxCoeff() > 0) == (d % 3 == h / 2));
}

TEST_CASE("position-id: out of a row is its position in digits to the base 64") {
  for (const bool causal : {false, true}) {
    const Probe probe = make_probe("position-id", {.Sq = 200, .kv_heads = 4, .v_dim = 3, .causal = causal});
    CHECK(farthest(truth(probe).out, [](Index, Index i, Index, Index d) {
            return static_cast<double>(d == 1 ? i / 64 : i % 64) / 16;
          }) <= 4 * 200 * std::exp(-24.0));
  }
}

// ---- Lengths and documents ---------------------------------------------------

TEST_CASE("a query whose document has no keys has out = 0, lse = -infinity and dq = 0") {
  const Probe probe = make_probe("empty-rows", small_shape());
  const AttentionOutput<double> right = truth(probe);
  const Gradients<double> back = gradients(probe);
  for (Index i = 0; i < 48; ++i) {
    const bool empty = i % 5 == 0;
    CHECK((right.lse(1, i, 4, 0) == -infinity) == empty);
    CHECK((right.out.head(1, 4).row(i).norm() == 0) == empty);
    CHECK((back.dq.head(1, 4).row(i).norm() == 0) == empty);
  }
}

TEST_CASE("odd: neither 2 nor the number of devices divides a length") {
  for (const int devices : {1, 2, 3, 4, 5, 9})
    for (const Index S : {256, 255, 45, 3, 1}) {
      ProbeShape shape = small_shape();
      shape.Sq = S, shape.Skv = 63, shape.devices = devices;
      const Probe probe = make_probe("odd", shape);
      for (const Index length : {probe.Q.shape().S, probe.K.shape().S}) {
        CHECK(length % 2 == 1);
        CHECK((length == 1 || devices == 1 || length % devices != 0));
      }
      CHECK(probe.Q.shape().S > S - 6);
    }
}

TEST_CASE("packed documents: out of a row is the number of its own document") {
  for (const Index Sq : {48, 31}) {
    ProbeShape shape = small_shape(true);
    shape.Sq = Sq, shape.Skv = 48;
    const Probe probe = make_probe("documents", shape);
    const AttentionOutput<double> right = truth(probe);
    CHECK(probe.q_positions.of(0).back().segment == 8);  // 2 P + 1 documents
    for (Index i = 0; i < Sq; ++i) {
      const auto own = static_cast<double>(probe.q_positions.of(0)[static_cast<std::size_t>(i)].segment) / 16;
      const bool empty = visible_keys(probe, i).empty();
      CHECK(distance(right.out(1, i, 3, 0), empty ? 0 : own) <= rounding);
    }
  }
}

// ---- Gradients ---------------------------------------------------------------

TEST_CASE("dO = identity: dV is the transpose of P, with the largest element on the diagonal") {
  ProbeShape shape = small_shape();
  shape.v_dim = {};
  const Probe probe = make_probe("identity-grad", shape);
  const AttentionOutput<double> right = truth(probe);
  const Matrix<double> P = probabilities(probe.problem(), right.lse, 1, 2) +
                           probabilities(probe.problem(), right.lse, 1, 3);  // a group of two
  const Gradients<double> back = gradients(probe);
  const auto dV = back.dv.head(1, 1);
  CHECK((dV - P.transpose()).norm() <= rounding);
  for (Index j = 0; j < 48; ++j) {
    Index largest = -1;
    dV.row(j).maxCoeff(&largest);
    CHECK(largest == j);
  }
}

TEST_CASE("dlse = 1 alone: dV = 0, dQ = scale P K, and the sum of dK is scale times the sum of Q") {
  const Probe probe = make_probe("lse-grad", small_shape(true));
  const Gradients<double> back = gradients(probe);
  const Matrix<double> P = probabilities(probe.problem(), truth(probe).lse, 1, 5);
  CHECK(farthest(back.dv, [](Index, Index, Index, Index) { return 0.0; }) == 0);
  CHECK((back.dq.head(1, 5) - P * probe.K.head(1, 2) / 4).norm() <= rounding * 48);
  CHECK((back.dk.head(1, 2).colwise().sum() - (probe.Q.head(1, 4) + probe.Q.head(1, 5)).colwise().sum() / 4)
            .norm() <= rounding * 48);
}
