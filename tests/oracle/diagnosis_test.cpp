// What a diagnosis may say: a name contradicts no submitted number, and its order depends on no rounding.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/submitted_case.h"

using namespace ringattn;

TEST_CASE("a mistake is no name if it explains out and the submitted lse contradicts it") {
  // The soft-cap (s/c) tanh(s/c) for tanh(s/c), nearly a constant: out is nearly that of a tiny scale
  constexpr double cap = 15;
  SubmittedCase submitted({.B = 1, .Sq = 16, .Skv = 16, .Hq = 1, .Hkv = 1, .D = 16, .Dv = 12});
  submitted.p.scoring.softcap = cap;
  submitted.right = attention(submitted.p.problem());
  const auto capped = [&](Index i, Index j) {
    const double s = score(submitted.p, i, 0, j) / cap;
    return s * std::tanh(s);
  };
  attend(submitted, [&](Index i, Index, Index j) { return j <= i ? std::exp(capped(i, j)) : 0; });
  SUBCASE("lse of the same program") {
    for (Index i = 0; i < 16; ++i) {
      double l = 0;
      for (Index j = 0; j <= i; ++j) l += std::exp(capped(i, j));
      submitted.lse(0, i, 0, 0) = std::log(l);
    }
  }
  SUBCASE("the right lse") { submitted.lse = submitted.right.lse; }
  const Report report = submitted.report(true);
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.diagnosis()->names.empty());
}

TEST_CASE("a mistake in a program that returns lse in base 2 is named together with the convention") {
  SubmittedCase submitted(two_heads);
  attend(submitted, [&](Index i, Index h, Index j) { return std::exp(score(submitted.p, i, h, j)); });
  for (Index i = 0; i < 64; ++i)
    for (Index h = 0; h < 2; ++h) {
      double l = 0;
      for (Index j = 0; j < 64; ++j) l += std::exp(score(submitted.p, i, h, j));
      submitted.lse(0, i, h, 0) = std::log2(l);
    }
  const Report report = submitted.report(true);
  CHECK(report.verdict == Verdict::fail);
  CHECK(named(report, "M1+C1"));
}

TEST_CASE("a result without a finite number is given no name, and no mistake is near to it") {
  for (const int devices : {1, 4}) {
    SubmittedCase submitted;
    submitted.devices = devices;
    std::fill_n(submitted.out.data(), submitted.out.size(), std::nan(""));
    const Report report = submitted.report();
    CHECK(report.verdict == Verdict::fail);
    CHECK(report.diagnosis()->names.empty());
    CHECK(!report.diagnosis()->runner_up.has_value());
  }
}

TEST_CASE("a mistake that leaves NaN in some rows is named by the other rows and the places of the NaN") {
  // Tiles of 16 keys from right to left: rows 0 to 47 see no key of the first tile
  SubmittedCase submitted;
  submitted.devices = 1;
  const Shape& out = submitted.out.shape();
  for (Index i = 0; i < 48; ++i)
    for (Index h = 0; h < out.H; ++h)
      for (Index d = 0; d < out.D; ++d) submitted.out(0, i, h, d) = std::nan("");
  CHECK(named(submitted.report(), "O9"));
}

TEST_CASE("the nearest mistake is mentioned only if it is at most half as far from the result as the truth") {
  const Mistake& mistake = catalogue().front();
  const auto at = [&](double rms, double worst) {
    return Candidate{&mistake, {}, nullptr, {}, Distance{worst, rms * rms, 10}};
  };
  const Distance to_truth{60, 9, 10};  // rms 3
  CHECK(choose({at(1.4, 29)}, to_truth).runner_up.has_value());
  CHECK(!choose({at(1.6, 29)}, to_truth).runner_up.has_value());
  CHECK(!choose({at(1.4, 31)}, to_truth).runner_up.has_value());
  CHECK(!choose({at(infinity, infinity)}, {infinity, infinity, 10}).runner_up.has_value());
  CHECK(choose({at(1.4, 29)}, {infinity, infinity, 10}).runner_up.has_value());
}

TEST_CASE("a scale that is fitted to the result is named only within half a tolerance") {
  const auto names = [](const char* id, double worst) {
    const Candidate candidate{&mistake_of_id(id), {}, nullptr, {}, Distance{worst, 0.01, 10}};
    return choose({candidate}, {60, 9, 10}).names.size();
  };
  CHECK(names("S0", 0.4) == 1);
  CHECK(names("S0", 0.9) == 0);
  CHECK(names("S1", 0.9) == 1);
}

TEST_CASE("twins are named in the order of the catalogue, conventions first, whatever their rounding") {
  const Mistake &mistake = mistake_of_id("M1"), &convention = mistake_of_id("M15"),
                &last = mistake_of_id("M32");
  const Distance to_truth{60, 9, 10};
  for (const double noise : {-1e-12, 0., 1e-12}) {
    const auto at = [&](const Mistake& entry, double relative) {
      return Candidate{&entry, {}, nullptr, {}, Distance{0.5, 0.01 * (1 + relative), 10}};
    };
    const Diagnosis diagnosis = choose({at(mistake, noise), at(convention, 0), at(last, -noise)}, to_truth);
    REQUIRE(diagnosis.names.size() == 3);
    CHECK(diagnosis.convention());
    CHECK(id_of(diagnosis.names[1]) == "M1");
    CHECK(id_of(diagnosis.names[2]) == "M32");

    // Of equally near candidates the earlier ones are kept, and conventions
    const std::vector<Candidate> kept =
        nearest_of({at(mistake, noise), at(last, -noise), at(convention, 0)}, 2);
    CHECK((id_of(kept[0]) == "M1" && id_of(kept[1]) == "M15"));
  }
}

TEST_CASE("the other causal alignment is a convention, of the gradients too") {
  for (const auto& [Sq, Skv] : {std::pair<Index, Index>{24, 40}, {40, 24}, {40, 16}})
    for (const bool gradients_too : {true, false})
      for (const int devices : {1, 4}) {
        CAPTURE(Sq);
        CAPTURE(gradients_too);
        CAPTURE(devices);
        SubmittedCase submitted({.B = 2, .Sq = Sq, .Skv = Skv, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12});
        Problem<double> top_left = submitted.p.problem();
        top_left.q_positions = consecutive_positions(Sq);
        const AttentionOutput<double> found = attention(top_left);
        const Gradients<double> gradients =
            gradients_too ? attention_vjp(top_left, found, submitted.p.cotangents())
                          : attention_vjp(submitted.p.problem(), submitted.right, submitted.p.cotangents());
        Tensor<double> doubled = gradients.dv;
        for (Index n = 0; n < doubled.size(); ++n) doubled.data()[n] *= 2;

        Submission s;
        s.problem = submitted.p.problem(), s.cotangents = submitted.p.cotangents();
        s.out = found.out, s.lse = found.lse;
        s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
        s.declared = {.implementation = Precision::f32};
        s.devices = devices;
        CHECK(check_submission(s).verdict == Verdict::convention);
        CHECK(id_of(check_submission(s).forward->names.front()) == "M15");
        s.dv = doubled;
        CHECK(check_submission(s).verdict == Verdict::fail);
      }
}
