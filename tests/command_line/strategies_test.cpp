// Tests of the options --strategy and --group of ringattn run, and of ringattn strategies.

#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

using Words = std::vector<std::string>;

Words joined(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

TEST_CASE("every strategy of ringattn run is exact") {
  const Words problem{"--seq",        "40",       "--kv-seq", "56",        "--heads",  "8",
                      "--kv-heads",   "4",        "--dim",    "8",         "--causal", "--causal-align",
                      "bottom-right", "--layout", "zigzag",   "--devices", "4"};
  const std::vector<Words> strategies{
      {"ring"},    {"all-gather"},          {"bidirectional"}, {"double-ring", "--group", "2"},
      {"ulysses"}, {"usp", "--group", "2"}, {"auto"}};
  for (const Words& strategy : strategies) {
    CAPTURE(strategy.front());
    const ProcessResult answer =
        run_ringattn(joined(joined(joined({"run"}, problem), {"--backward", "--strategy"}), strategy));
    CHECK(answer.status == 0);
    CHECK(
        contains(answer.out, (strategy.front() == "ring" ? "exact: the ring" : "exact: " + strategy.front()) +
                                 " equals full attention up to rounding"));
  }
  CHECK(run_ringattn(joined(joined({"run"}, problem), {"--strategy", "tree"})).status == 0);
}

TEST_CASE("a strategy refuses what it cannot do, with a sentence, before any work") {
  const auto refused = [](const Words& options, const std::string& part) {
    check_rejection(
        run_ringattn(joined({"run", "--seq", "300000", "--heads", "8", "--devices", "4"}, options)), part);
  };
  refused({"--strategy", "spiral"}, "--strategy");
  refused({"--strategy", "usp"}, "[usp] the number of devices in a group must be given");
  refused({"--group", "2"}, "[ring] only double-ring and usp have groups of a given size");
  refused({"--strategy", "double-ring", "--group", "3"}, "found 4 devices in groups of 3");
  refused({"--strategy", "tree", "--backward"}, "[tree] decoding has no backward pass");
  refused({"--strategy", "bidirectional", "--kv-heads", "1"}, "[bidirectional] each direction carries half");
  refused({"--strategy", "auto", "--rotate", "q"}, "[--rotate] auto determines itself what travels");
  refused({"--strategy", "auto", "--trace", "/tmp/never"}, "[--trace] auto may rotate other tensors");
  refused({"--strategy", "ulysses", "--steps", "/tmp/never"}, "[--steps] states after each step");
  refused({"--strategy", "ulysses", "--backend", "gpu"},
          "[--backend] the GPU version has no strategy but ring");
}

TEST_CASE("the trace of a strategy names it, and ringviz says where to watch it") {
  const TemporaryDirectory directory;
  const std::string trace = directory.path / "gather.jsonl";
  REQUIRE(run_ringattn({"run", "--seq", "16", "--strategy", "all-gather", "--trace", trace}).status == 0);
  CHECK(contains(read_file(trace), "\"strategy\": \"all-gather\""));
}

TEST_CASE("ringattn strategies compares all strategies on one problem") {
  const Words small{"strategies", "--seq", "48", "--heads",   "8", "--kv-heads",
                    "4",          "--dim", "8",  "--devices", "4", "--backward"};
  const ProcessResult text = run_ringattn(small);
  CHECK(text.status == 0);
  for (const char* row :
       {"ring ", "all-gather ", "bidirectional ", "double-ring 2 ", "ulysses ", "usp 2 ", "tree ", "auto "})
    CHECK(contains(text.out, std::string("\n") + row));
  CHECK_FALSE(contains(text.out, "wrong"));

  const Json rows = run_ringattn(joined(small, {"--json", "-"})).json();
  REQUIRE(rows.size() == 8);
  for (const Json& row : rows) CHECK(row["exact"] == true);
  // A bidirectional ring sends what a ring sends, and the positions of its rows twice
  CHECK(rows[2]["bytes_sent"].get<long>() - rows[0]["bytes_sent"].get<long>() == 2 * 3 * 12 * 16);

  const Json refused = run_ringattn({"strategies", "--seq", "48", "--heads", "9", "--kv-heads", "1",
                                     "--devices", "4", "--json", "-"})
                           .json();
  CHECK(contains(refused[4]["refusal"].get<std::string>(), "found 9 heads for 4 devices"));
  CHECK(contains(refused[2]["refusal"].get<std::string>(), "so two are needed; found 1"));
}

TEST_CASE("links between nodes and links for each direction change the modelled times, and nothing else") {
  const auto rows = [](std::vector<std::string> links) {
    links.insert(links.begin(), {"strategies", "--devices", "6", "--seq", "48", "--dim", "4", "--group", "3",
                                 "--heads", "6", "--kv-heads", "6", "--json", "-"});
    const ProcessResult answer = run_ringattn(links);
    INFO(answer.err);
    REQUIRE(answer.status == 0);
    return answer.json();
  };
  const Json one = rows({}), nodes = rows({"--devices-per-node", "3", "--network-gbps", "0.1"}),
             two_ways = rows({"--two-way-links"});
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(one[i]["strategy"].get<std::string>());
    CHECK(nodes[i]["microseconds"].get<double>() > one[i]["microseconds"].get<double>());
    CHECK(two_ways[i]["microseconds"].get<double>() <= one[i]["microseconds"].get<double>());
    for (const char* key : {"bytes_sent", "peak_bytes", "messages", "exact"}) {
      CHECK(nodes[i][key] == one[i][key]);
      CHECK(two_ways[i][key] == one[i][key]);
    }
  }
  expect_rejection({"strategies", "--network-gbps", "1"}, "no --devices-per-node");
  expect_rejection({"run", "--network-latency-us", "1"}, "no --devices-per-node");
}
