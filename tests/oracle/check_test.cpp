// Laws of the whole check: what it says of right, wrong, strange and unlisted results, many of them written
// here once more, in another style than the catalogue's.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/definition/chunked.h"
#include "reference/oracle/check.h"
#include "tests/oracle/emulated_kernel.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// A causal problem on four devices, and the right results in float64
struct Desk {
  explicit Desk(const Extents& extents = {
                    .B = 1, .Sq = 64, .Skv = 64, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24}) {
    Random random(7);
    p = normal_problem(random, extents);
    make_exact(p, Precision::bf16);
    p.scoring.mask.causal = true;
    right = attention(p.problem());
    out = right.out, lse = right.lse;
  }
  Desk(const Desk&) = delete;

  // out and lse as they stand, stored as bf16 and float
  Report report(bool with_lse = false, bool blind = false, bool diagnose = true) {
    Tensor<double> stored = out;
    round_to(Dtype::bf16, stored);
    Submission s;
    s.problem = p.problem(), s.out = stored;
    if (with_lse) s.lse = lse.view();
    s.declared = {.implementation = Precision::bf16, .stored = Dtype::bf16};
    s.layout = Layout::contiguous, s.devices = 4;
    return check_submission(s, {.diagnose = diagnose, .list_undetectable = blind});
  }
  Report without_names() { return report(false, false, false); }

  RandomProblem<double> p;
  AttentionOutput<double> right;
  Tensor<double> out, lse;
};

// All pairs of mistakes are tried on it in no time
constexpr Extents two_heads{.B = 1, .Sq = 64, .Skv = 64, .Hq = 2, .Hkv = 1, .D = 16, .Dv = 12};

bool named(const Report& report, const std::string& id) {
  const Diagnosis* diagnosis = report.diagnosis();
  return diagnosis && std::any_of(diagnosis->names.begin(), diagnosis->names.end(),
                                  [&](const Candidate& candidate) { return id_of(candidate) == id; });
}

// scale q_i . k_j
double score(const RandomProblem<double>& p, Index i, Index h, Index j) {
  double sum = 0;
  for (Index d = 0; d < p.Q.shape().D; ++d) sum += p.Q(0, i, h, d) * p.K(0, j, h / 2, d);
  return sum / std::sqrt(static_cast<double>(p.Q.shape().D));
}

// out_i = sum_j weight(i, h, j) V_j / sum_j weight(i, h, j)
template <class Weight>
void attend(Desk& desk, const Weight& weight) {
  const Shape& out = desk.out.shape();
  for (Index i = 0; i < out.S; ++i)
    for (Index h = 0; h < out.H; ++h) {
      double l = 0;
      std::vector<double> O(static_cast<std::size_t>(out.D));
      for (Index j = 0; j < desk.p.K.shape().S; ++j) {
        const double w = weight(i, h, j);
        l += w;
        for (Index d = 0; d < out.D; ++d) O[static_cast<std::size_t>(d)] += w * desk.p.V(0, j, h / 2, d);
      }
      for (Index d = 0; d < out.D; ++d) desk.out(0, i, h, d) = l > 0 ? O[static_cast<std::size_t>(d)] / l : 0;
    }
}

}  // namespace

TEST_CASE("a right result passes, and the report says what the case cannot show") {
  Desk desk;
  const Report report = desk.report(true, true);
  CHECK(report.verdict == Verdict::pass);
  CHECK(report.worst_ratio <= 1);
  CHECK(!report.where);
  CHECK(report.diagnosis() == nullptr);
  REQUIRE(report.undetectable.has_value());
  CHECK(report.undetectable->backward_tried);
  const std::vector<std::string_view> ids = report.undetectable->ids();
  const auto blind = [&](std::string_view id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  CHECK(blind("M15"));  // as many queries as keys: both alignments are one
  CHECK(blind("G1"));   // no gradients were handed in
  CHECK(!blind("M1"));
  CHECK(!blind("O1"));
}

TEST_CASE("zeros everywhere fail, and are called rows that were never written") {
  Desk desk;
  desk.out = Tensor<double>(desk.out.shape());
  const Report report = desk.report();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.tensor_verdicts.front().zero_rows == 64 * 4);
  CHECK(report.diagnosis()->names.empty());
}

TEST_CASE("one NaN fails where it is") {
  Desk desk;
  desk.out(0, 33, 2, 5) = std::numeric_limits<double>::quiet_NaN();
  const Report report = desk.without_names();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.tensor_verdicts.front().nan == 1);
  CHECK(report.where->wrong_rows == 1);
  CHECK((report.where->first.s == 33 && report.where->first.h == 2));
  CHECK((report.where->device == 2 && report.where->place == 1));
}

TEST_CASE("rows and heads exchanged are named where no shape can tell") {
  Desk desk({.B = 1, .Sq = 8, .Skv = 8, .Hq = 8, .Hkv = 4, .D = 16, .Dv = 12});
  for (Index s = 0; s < 8; ++s)
    for (Index h = 0; h < 8; ++h)
      for (Index d = 0; d < 12; ++d) desk.out(0, s, h, d) = desk.right.out(0, h, s, d);
  const Report report = desk.report();
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C3"));
}

TEST_CASE("lse in base 2 is another convention") {
  Desk desk;
  for (Index n = 0; n < desk.lse.size(); ++n) desk.lse.data()[n] /= std::log(2.0);
  const Report report = desk.report(true);
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C1"));
}

TEST_CASE("lse of +inf where no key is seen is another convention") {
  Desk desk({.B = 1, .Sq = 64, .Skv = 40, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24});
  for (Index n = 0; n < desk.lse.size(); ++n)
    if (desk.lse.data()[n] == -infinity) desk.lse.data()[n] = infinity;
  const Report report = desk.report(true);
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C2"));
}

TEST_CASE("where there are no keys at all, or no queries, what is right passes") {
  for (const auto& [Sq, Skv] : {std::pair<Index, Index>{5, 0}, {0, 5}, {0, 0}}) {
    Desk desk({.B = 2, .Sq = Sq, .Skv = Skv, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24});
    const Gradients<double> gradients = attention_vjp(desk.p.problem(), desk.right, desk.p.cotangents());
    Submission s;
    s.problem = desk.p.problem(), s.cotangents = desk.p.cotangents();
    s.out = desk.out, s.lse = desk.lse.view();
    s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
    s.layout = Layout::zigzag, s.devices = 3;
    CHECK(check_submission(s, {}).verdict == Verdict::pass);
    if (Sq == 0) continue;
    desk.out.data()[7] = 1e-30;
    CHECK(check_submission(s, {}).verdict == Verdict::fail);
  }
}

TEST_CASE("an output that is one of the inputs fails") {
  Desk desk({.B = 1, .Sq = 64, .Skv = 64, .Hq = 4, .Hkv = 4, .D = 24, .Dv = 24});
  for (const Tensor<double>* input : {&desk.p.Q, &desk.p.V}) {
    desk.out = *input;
    CHECK(desk.without_names().verdict == Verdict::fail);
  }
}

TEST_CASE("a scale that no list holds is found") {
  Desk desk;
  attend(desk,
         [&](Index i, Index h, Index j) { return j <= i ? std::exp(1.37 * score(desk.p, i, h, j)) : 0; });
  const Report report = desk.report();
  CHECK(named(report, "S0"));
  CHECK(report.forward->names.front().variant.describe().starts_with("effective scale = 1.37"));
}

TEST_CASE("mistakes are named when somebody else wrote them") {
  Desk desk;
  const auto& p = desk.p;
  const auto e = [&](Index i, Index h, Index j) { return std::exp(score(p, i, h, j)); };
  SUBCASE("causal, one key too many") {
    attend(desk, [&](Index i, Index h, Index j) { return j <= i + 1 ? e(i, h, j) : 0; });
    CHECK(named(desk.report(), "M3"));
  }
  SUBCASE("no causal mask") {
    attend(desk, [&](Index i, Index h, Index j) { return e(i, h, j); });
    CHECK(named(desk.report(), "M1"));
  }
  SUBCASE("the last hop is missing") {
    attend(desk, [&](Index i, Index h, Index j) {
      return j <= i && (i / 16 - j / 16 + 4) % 4 != 3 ? e(i, h, j) : 0;
    });
    CHECK(named(desk.report(), "R1"));
  }
  SUBCASE("device 3 reads the block of step 1 again at step 2") {
    attend(desk, [&](Index i, Index h, Index j) {
      const bool twice = i >= 48 && j / 16 == 2, lost = i >= 48 && j / 16 == 1;
      return j > i || lost ? 0 : twice ? 2 * e(i, h, j) : e(i, h, j);
    });
    CHECK(named(desk.report(), "R9"));
  }
  SUBCASE("a key of zeros is attended") {
    const Index Dv = p.V.shape().D;
    for (Index i = 0; i < 64; ++i)
      for (Index h = 0; h < 4; ++h) {
        const double share = 1 / (1 + std::exp(-desk.right.lse(0, i, h, 0)));
        for (Index d = 0; d < Dv; ++d) desk.out(0, i, h, d) = share * desk.right.out(0, i, h, d);
      }
    CHECK((named(desk.report(), "M13") || named(desk.report(), "O6")));
  }
  SUBCASE("query heads take the K/V heads in turn") {
    Problem<double> turned = p.problem();
    const Tensor<double> K = p.K, V = p.V;
    Tensor<double> K_all({1, 64, 4, 32}), V_all({1, 64, 4, 24});
    for (Index h = 0; h < 4; ++h) K_all.head(0, h) = K.head(0, h % 2), V_all.head(0, h) = V.head(0, h % 2);
    turned.K = K_all, turned.V = V_all;
    desk.out = attention(turned).out;
    CHECK(named(desk.report(), "H1"));
  }
}

TEST_CASE("the mistake of a few queries is named beside wrong gradients of many keys") {
  Desk desk({.B = 1, .Sq = 8, .Skv = 64, .Hq = 2, .Hkv = 1, .D = 16, .Dv = 12});
  attend(desk, [&](Index i, Index h, Index j) { return std::exp(score(desk.p, i, h, j)); });
  const Tensor<double> zeros(desk.p.V.shape());
  Submission s;
  s.problem = desk.p.problem(), s.cotangents = {desk.p.dout, {}};
  s.out = desk.out, s.dv = zeros;
  s.declared = {.implementation = Precision::f32};
  s.devices = 4;
  CHECK(named(check_submission(s), "M1"));
}

TEST_CASE("two mistakes at once are both named") {
  SUBCASE("no scale, no mask") {
    Desk desk(two_heads);
    attend(desk, [&](Index i, Index h, Index j) { return std::exp(4 * score(desk.p, i, h, j) - 40); });
    CHECK(named(desk.report(), "S1+M1"));
  }
  SUBCASE("no scale, and the last hop is missing") {
    Desk desk(two_heads);
    attend(desk, [&](Index i, Index h, Index j) {
      return j <= i && (i / 16 - j / 16 + 4) % 4 != 3 ? std::exp(4 * score(desk.p, i, h, j) - 40) : 0;
    });
    CHECK(named(desk.report(), "S1+R1"));
  }
  SUBCASE("query heads take the K/V heads in turn, and no mask") {
    Desk desk({.B = 1, .Sq = 32, .Skv = 32, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12});
    Problem<double> turned = desk.p.problem();
    Tensor<double> K({1, 32, 4, 16}), V({1, 32, 4, 12});
    for (Index h = 0; h < 4; ++h)
      K.head(0, h) = desk.p.K.head(0, h % 2), V.head(0, h) = desk.p.V.head(0, h % 2);
    turned.K = K, turned.V = V;
    turned.scoring.mask.causal = false;
    desk.out = attention(turned).out;
    CHECK(named(desk.report(), "H1+M1"));
  }
}

TEST_CASE("a mistake that the catalogue does not hold is not given a name") {
  Desk desk(two_heads);
  const auto& right = desk.right.out;
  const Shape& out = right.shape();
  Random random(3);
  const auto change = [&](const auto& rule) {
    for (Index i = 0; i < out.S; ++i)
      for (Index h = 0; h < out.H; ++h)
        for (Index d = 0; d < out.D; ++d) desk.out(0, i, h, d) = rule(i, h, d);
  };
  SUBCASE("noise") {
    change([&](Index, Index, Index) { return random.normal(); });
  }
  SUBCASE("a row and its mirror image together") {
    change([&](Index i, Index h, Index d) { return 0.7 * right(0, i, h, d) + 0.3 * right(0, 63 - i, h, d); });
  }
  SUBCASE("every third element negated") {
    change([&](Index i, Index h, Index d) { return (d % 3 ? 1 : -1) * right(0, i, h, d); });
  }
  SUBCASE("weights squared and not normalised") {
    attend(desk, [&](Index i, Index h, Index j) {
      return j <= i ? std::exp(2.2 * score(desk.p, i, h, j)) + 1 : 0;
    });
  }
  const Report report = desk.report();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.diagnosis()->names.empty());
  CHECK(report.diagnosis()->runner_up.has_value());
}

TEST_CASE("a correct kernel is never named") {
  Random random(11);
  for (int n = 0; n < trials(510); ++n) {
    RandomProblem<double> p = random_problem(random, {.longest = 40, .widest = 16});
    make_exact(p, Precision::bf16);
    const Kernel kernel{.precision = n % 2 ? Precision::bf16 : Precision::f32,
                        .stored = n % 2 ? Dtype::bf16 : Dtype::f32,
                        .tile = 4 + random.below(20),
                        .right_to_left = n % 3 == 0,
                        .devices = static_cast<int>(1 + random.below(8)),
                        .layout = static_cast<Layout>(n % 3),
                        .partials = n % 4 == 0 ? Partials::merged : Partials::carried};
    const AttentionOutput<double> found = emulated_attention(p.problem(), kernel);
    const Gradients<double> gradients = emulated_vjp(p.problem(), found, p.cotangents(), kernel);
    Submission s;
    s.problem = p.problem(), s.cotangents = p.cotangents();
    s.out = found.out, s.lse = found.lse;
    s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
    s.declared = kernel.declared(true), s.layout = kernel.layout, s.devices = kernel.devices;
    const Report report = check_submission(s, {.list_undetectable = false});
    CAPTURE(p.describe());
    CAPTURE(kernel.describe());
    CHECK(report.worst_ratio <= largest_pass);
    CHECK(report.diagnosis() == nullptr);
    if (n % 50 == 0) CHECK(diagnose_forward(s, report.tensor_verdicts, report.rows).names.empty());
  }
}

TEST_CASE("sampled rows: the first, the last, and a miss that is told") {
  CHECK(miss_probability(0.25, 10) == doctest::Approx(std::pow(0.75, 10)));
  Desk desk;
  Submission s;
  s.problem = desk.p.problem(), s.out = desk.out;
  s.declared = {.implementation = Precision::f64, .stored = Dtype::f64};
  s.devices = 4;
  const Report report = check_submission(s, {.rows = 12, .list_undetectable = false});
  CHECK(report.sampled);
  CHECK(report.rows.size() == 12);
  CHECK((report.rows.front() == 0 && report.rows.back() == 63));
  CHECK(report.verdict == Verdict::pass);
}
