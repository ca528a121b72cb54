// The self-test of the diagnosis: simulated mistakes get their names.

#include <doctest/doctest.h>

#include <set>

#include "reference/oracle/self_test.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

std::string list_of_unnamed(const std::vector<SelfTestResult>& results) {
  std::string text;
  for (const SelfTestResult& result : results) {
    if (result.named) continue;
    text += "\n" + result.mistake->id + " (" + result.variant.describe() + ") ->";
    for (const std::string& each : result.names) text += " " + each;
  }
  return text;
}

}  // namespace

TEST_CASE("at least 95 percent of the mistakes that change the result are named from a bf16 result alone") {
  std::size_t made = 0, named = 0;
  // All cases, up to 512 tokens, take hours: `ringattn mistakes --self-test`
  const Index scale = trials(100), every = scale > 100 ? 6 : 1800 / scale,
              longest = scale > 100    ? 256
                        : scale == 100 ? 128
                                       : 64;
  std::vector<SelfTestCase> cases = self_test_cases(every, longest);
  if (scale < 100) cases.resize(4);  // a diagnosis takes seconds under sanitizers
  for (const SelfTestCase& each : cases) {
    const std::vector<SelfTestResult> results = self_test(each);
    made += results.size();
    for (const SelfTestResult& result : results) named += result.named;
    INFO(each.devices << " devices, " << name(each.layout) << (each.causal ? ", causal" : ", full"));
    INFO("not named:" << list_of_unnamed(results));
    CHECK(100 * named >= 95 * made);
  }
  MESSAGE("named " << named << " of " << made << " mistakes");
  CHECK(made > 0);
}

TEST_CASE("the catalogue has at least 100 entries, each with a unique id, all texts and a simulation") {
  std::set<std::string> ids;
  for (const Mistake& mistake : catalogue()) {
    CAPTURE(mistake.id);
    CHECK(ids.insert(mistake.id).second);
    for (const std::string& text :
         {mistake.title, mistake.wrong, mistake.fingerprint, mistake.why, mistake.fix})
      CHECK(!text.empty());
    CHECK((mistake.forward || mistake.backward));
    CHECK(static_cast<bool>(mistake.variants));
  }
  CHECK(ids.size() >= 100);
}
