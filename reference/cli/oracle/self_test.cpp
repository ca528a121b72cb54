// `ringattn mistakes --self-test`: simulates every variant and counts the right names.

#include "reference/oracle/self_test.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/oracle/mistakes.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"

namespace ringattn::cli {

namespace {

constexpr Index max_tokens = 512;
constexpr Index required_percent = 95;

struct Score {
  Index named = 0, made = 0;

  void add(const SelfTestResult& result) { named += result.named, ++made; }
};

std::string missed_line(const SelfTestResult& result) {
  std::string names;
  for (const std::string& name : result.names) names += " " + name;
  return fmt::format("         {} {}: {}\n", result.mistake->id, result.variant.describe(),
                     names.empty() ? "not named" : "named" + names);
}

}  // namespace

int print_self_test(Index every, const std::optional<std::filesystem::path>& json_path) {
  JsonOutput output(json_path);
  const std::vector<SelfTestCase> cases = self_test_cases(every, max_tokens);
  ProgressBar progress(static_cast<std::int64_t>(cases.size()), "rings");
  std::string text = "devices  layout      mask    tokens  K/V heads      forward     backward\n", missed;
  Json rows = Json::array();
  Score all;
  for (const SelfTestCase& each : cases) {
    // Make the mistakes on this ring and count those that are named
    Score forward, backward;
    for (const SelfTestResult& result : self_test(each)) {
      (result.backward ? backward : forward).add(result), all.add(result);
      if (!result.named) missed += missed_line(result);
    }

    // One line of the table
    const char* mask = each.causal ? "causal" : "full";
    text += fmt::format("{:>7}  {:<10}  {:<6}  {:>6}  {:>4} of {:<2}  {:>4} of {:<4}  {:>4} of {}\n",
                        each.devices, name(each.layout), mask, each.seq, each.kv_heads, each.heads,
                        forward.named, forward.made, backward.named, backward.made);
    rows.push_back({{"devices", each.devices},
                    {"layout", name(each.layout)},
                    {"mask", mask},
                    {"tokens", each.seq},
                    {"kv_heads", each.kv_heads},
                    {"forward", {{"named", forward.named}, {"made", forward.made}}},
                    {"backward", {{"named", backward.named}, {"made", backward.made}}}});
    progress.advance();
  }
  if (!missed.empty()) text += "MISSED\n" + missed;
  text += fmt::format("{} of {} mistakes named from the bf16 result alone\n", all.named, all.made);
  output.write(text, {{"rings", rows}, {"named", all.named}, {"made", all.made}});
  return 100 * all.named >= required_percent * all.made ? 0 : 1;
}

}  // namespace ringattn::cli
