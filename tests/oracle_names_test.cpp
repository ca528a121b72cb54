#include <doctest/doctest.h>

#include <set>

#include "reference/oracle/self_test.h"
#include "tests/trials.h"

using namespace ringattn;

namespace {

// Every entry comes up once in some of the cases, and as often as trials say
std::vector<SelfTestCase> cases() {
  std::vector<SelfTestCase> result;
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag})
    for (const bool causal : {true, false})
      for (const int devices : {4, 2, 8})
        result.push_back({.causal = causal, .layout = layout, .devices = devices});
  for (std::size_t n = 0; n < result.size(); ++n) {
    result[n].every = std::max(1, 1800 / trials(100));
    result[n].first = static_cast<Index>(n) % result[n].every;
    result[n].seed = n;
    if (n % 3 == 0) result[n].heads = result[n].kv_heads = 2;
  }
  return result;
}

std::string table_of(const std::vector<SelfTestResult>& results) {
  std::string text;
  for (const SelfTestResult& result : results) {
    if (result.named) continue;
    text += "\n" + result.mistake->id + " (" + result.reading.describe() + ") ->";
    for (const std::string& each : result.names) text += " " + each;
  }
  return text;
}

}  // namespace

TEST_CASE("a mistake that changes the result is named from a bf16 result alone") {
  std::size_t made = 0, named = 0;
  for (const SelfTestCase& each : cases()) {
    const std::vector<SelfTestResult> results = self_test(each);
    made += results.size();
    for (const SelfTestResult& result : results) named += result.named;
    INFO(each.devices << " devices, layout " << static_cast<int>(each.layout)
                      << (each.causal ? ", causal" : ", full"));
    INFO("not named:" << table_of(results));
    CHECK(100 * named >= 95 * made);
  }
  MESSAGE("named " << named << " of " << made << " mistakes");
  CHECK(made > 0);
}

TEST_CASE("the catalogue has at least 100 entries, each with an id of its own, texts and code") {
  std::set<std::string> ids;
  for (const Mistake& mistake : catalogue()) {
    CAPTURE(mistake.id);
    CHECK(ids.insert(mistake.id).second);
    for (const std::string& text :
         {mistake.title, mistake.wrong, mistake.fingerprint, mistake.why, mistake.fix})
      CHECK(!text.empty());
    CHECK((mistake.forward || mistake.backward));
    CHECK(static_cast<bool>(mistake.readings));
  }
  CHECK(ids.size() >= 100);
}
