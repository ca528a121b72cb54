// What a diagnosis may say: a name contradicts no submitted number, and its order depends on no rounding.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/error/chunked.h"
#include "tests/oracle/submitted_case.h"

using namespace ringattn;

TEST_CASE("a mistake is no name if it explains out and the submitted lse contradicts it") {
  // The scores abs(s / c), nearly a constant: out is nearly that of a tiny scale
  constexpr double cap = 15;
  SubmittedCase submitted({.B = 1, .Sq = 16, .Skv = 16, .Hq = 1, .Hkv = 1, .D = 16, .Dv = 12});
  submitted.p.scoring.softcap = cap;
  submitted.right = attention(submitted.p.problem());
  const auto capped = [&](Index i, Index j) {
    const double s = score(submitted.p, i, 0, j) / cap;
    return std::abs(s);
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

TEST_CASE("a soft-cap that multiplies the score by a hyperbolic tangent is named") {
  SubmittedCase submitted(two_heads);
  submitted.p.scoring.softcap = 2;
  submitted.right = attention(submitted.p.problem());
  for (const double divisor : {2.0, 1.0}) {
    attend(submitted, [&](Index i, Index h, Index j) {
      const double s = score(submitted.p, i, h, j);
      return j <= i ? std::exp(s / divisor * std::tanh(s / 2)) : 0;
    });
    CHECK(named(submitted.report(), "S14"));
  }
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

TEST_CASE("a mistake that the report says cannot be detected passes when it is made") {
  for (const bool causal : {false, true}) {
    SubmittedCase submitted(two_heads);
    submitted.p.scoring.mask.causal = causal;
    submitted.right = attention(submitted.p.problem());
    submitted.out = submitted.right.out, submitted.lse = submitted.right.lse;
    const Report report = submitted.report(true, true);
    REQUIRE(report.undetectable.has_value());
    const Simulation sim(submitted.p.problem(), Layout::contiguous, submitted.devices, all_rows(64));
    for (const Mistake* mistake : report.undetectable->mistakes) {
      CAPTURE(mistake->id);
      CHECK(mistake->id != "S0");
      if (!mistake->forward) continue;
      for (const Variant& variant : mistake->variants(sim)) {
        CAPTURE(variant.describe());
        const AttentionOutput<double> made = mistake->forward(sim, variant);
        submitted.out = made.out, submitted.lse = made.lse;
        const Verdict verdict = submitted.report(true, false, false).verdict;
        CHECK((verdict == Verdict::pass || verdict == Verdict::note));
      }
    }
  }
}

TEST_CASE("a mistake that is made in one head only is named, with the head") {
  SubmittedCase submitted;
  attend(submitted, [&](Index i, Index h, Index j) {
    return j <= i + (h == 2) ? std::exp(score(submitted.p, i, h, j)) : 0;  // M3 in head 2
  });
  const Report report = submitted.report();
  CHECK(named(report, "M3"));
  CHECK(report.forward->part == "head 2");
}

TEST_CASE("a convention that is followed in some channels only is no convention") {
  Diagnosis diagnosis;
  diagnosis.names = {{&mistake_of_id("M15"), {}, nullptr, {}, Distance{0.5, 0.01, 10}}};
  CHECK(diagnosis.convention());
  diagnosis.part = "channels 0..3";
  CHECK(!diagnosis.convention());
}

TEST_CASE("a check says what it does, in order") {
  SubmittedCase submitted;
  submitted.out(0, 5, 1, 3) += 1;
  Submission s;
  s.problem = submitted.p.problem(), s.out = submitted.out, s.devices = 4;
  std::vector<std::string> stages;
  CheckOptions options;
  options.on_stage = [&](const std::string& stage) { stages.push_back(stage); };
  check_submission(s, options);
  REQUIRE(stages.size() >= 3);
  CHECK(stages[0] == "judging every row");
  CHECK(stages[1] == "measuring the wrong rows");
  CHECK(stages[2] == "comparing with the catalogue on 4 devices, contiguous");
}
