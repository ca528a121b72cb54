#include "reference/oracle/measured/finders/tensors.h"

#include <string_view>

namespace ringattn {

namespace {

// A wrong tensor beside a right one
struct Pair {
  std::string_view wrong, right, sentence, fix;
};

constexpr Pair pairs[] = {
    {"out", "lse", "lse is right although out is wrong",
     "Look first at what follows the sum of weights: P V, rescaling, merging, division by l, writing out."},
    {"lse", "out", "out is right although lse is wrong",
     "Look at how lse is computed from m and l, merged and written."},
    {"dk", "dq", "dq is right although dk is wrong",
     "dS is in both: look at its product with Q, and at how dk is summed."},
    {"dq", "dk", "dk is right although dq is wrong",
     "dS is in both: look at its product with K, and at how dq is summed over blocks."},
    {"dv", "dq", "dq is right although dv is wrong",
     "P is in both: look at its product with dO, and at how dv is summed."},
    {"dq", "dv", "dv is right although dq is wrong",
     "P is in both: look first at dP, delta, dS, the scale, and how dq is summed."}};

const TensorVerdict* verdict_on(const std::vector<TensorVerdict>& verdicts, std::string_view tensor) {
  for (const TensorVerdict& verdict : verdicts)
    if (verdict.tensor == tensor) return &verdict;
  return nullptr;
}

}  // namespace

std::vector<MeasuredFinding> compare_tensors(const std::vector<TensorVerdict>& verdicts) {
  std::vector<MeasuredFinding> findings;
  for (const Pair& pair : pairs) {
    const TensorVerdict *wrong = verdict_on(verdicts, pair.wrong), *right = verdict_on(verdicts, pair.right);
    if (!wrong || !right || wrong->status != Status::fail || right->status == Status::fail) continue;
    if (!findings.empty() && findings.back().tensor == pair.wrong) continue;
    MeasuredFinding finding;
    finding.kind = "tensors", finding.tensor = pair.wrong, finding.sentence = pair.sentence,
    finding.fix = pair.fix;
    findings.push_back(finding);
  }
  return findings;
}

}  // namespace ringattn
