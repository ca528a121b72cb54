// What a report says about names and blocks.

#include <doctest/doctest.h>

#include "reference/oracle/report/report.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

Candidate candidate_of(const char* id, double worst, const char* second = nullptr) {
  return {&mistake_of_id(id), {}, second ? &mistake_of_id(second) : nullptr, {}, Distance{worst, 0.01, 10}};
}

std::string text_of_names(const std::vector<Candidate>& names) {
  Diagnosis diagnosis;
  diagnosis.names = names;
  return text_of(Submission{}, diagnosis);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("twins are listed together, and the explanation says to which of them it belongs") {
  const std::string text = text_of_names({candidate_of("M15", 0.25), candidate_of("M32", 0.5)});
  CHECK(text.starts_with("NAME     M15  " + mistake_of_id("M15").title + "\n   or    M32  " +
                         mistake_of_id("M32").title + "\n"));
  CHECK(
      has(text, "agrees with each of them to within 0.5 x the tolerance; this input cannot tell them apart"));
  for (const char* heading : {"\nWRONG    M15: ", "\nWHY      M15: ", "\nFIX      M15: "})
    CHECK(has(text, heading));
  CHECK(has(text, "M15 is the convention of FlashAttention or PyTorch"));
  CHECK(!has(text, "M32 is the convention"));
}

TEST_CASE("the explanation of the only name stands without its id") {
  CHECK(has(text_of_names({candidate_of("O1", 0.25)}), "\nWRONG    acc = "));
  CHECK(has(text_of_names({candidate_of("O1", 0.25), candidate_of("O1", 0.3)}), "\nWRONG    acc = "));
  CHECK(has(text_of_names({candidate_of("S1", 0.25, "M1")}), "\nWRONG    S1: "));
  CHECK(has(text_of_names({candidate_of("S1", 0.25, "M1")}), "\nWRONG    M1: "));
}

TEST_CASE("the fix of a wrong mask is to mask nothing if no mask is declared") {
  Random random(3);
  RandomProblem<double> p =
      normal_problem(random, {.B = 1, .Sq = 5, .Skv = 7, .Hq = 2, .Hkv = 1, .D = 3, .Dv = 4});
  Diagnosis diagnosis;
  diagnosis.names = {candidate_of("M7", 0.25)};
  const auto fix = [&] {
    Submission s;
    s.problem = p.problem();
    return text_of(s, diagnosis);
  };
  CHECK(has(fix(), "\nFIX      No mask is declared: let every query attend to every key"));
  p.scoring.mask.causal = true;
  CHECK(has(fix(), "\nFIX      Mask the own block by position."));
  p.scoring.mask.causal = false;
  diagnosis.names = {candidate_of("O1", 0.25)};
  CHECK(has(fix(), "\nFIX      " + mistake_of_id("O1").fix));
}

TEST_CASE("without a near mistake the report says so") {
  Diagnosis diagnosis;
  CHECK(has(text_of(Submission{}, diagnosis), "no entry is at most 0.5 x as far"));
  diagnosis.runner_up = candidate_of("O1", 12);
  CHECK(has(text_of(Submission{}, diagnosis),
            "12 x the tolerance away (rejected);\n         the right result is at least 2 x"));
}

TEST_CASE("the report says how many wrong rows the weights of blocks explain, and marks hidden blocks") {
  BlockWeights blocks;
  blocks.weight = Matrix<double>::Constant(2, 2, 1), blocks.deviation = Matrix<double>::Zero(2, 2);
  blocks.leaked = Matrix<bool>::Constant(2, 2, false);
  blocks.weight(0, 1) = 0.43, blocks.leaked(0, 1) = true;
  CHECK(has(text_of(blocks), "no row is wrong"));
  blocks.wrong_rows = 228, blocks.explained_rows = 12, blocks.unexplained_heads = {2, 3, 5};
  const std::string text = text_of(blocks);
  CHECK(has(text, "in the wrong rows of your output"));
  CHECK(has(text, "!0.43\n"));
  CHECK(has(text, "explain 12 of 228 wrong rows; not all of heads 2..3 5;"));
  CHECK(!has(text, "explain your output"));
}
