#include <doctest/doctest.h>

#include <sstream>

#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

namespace {

// The kinds of probes: the first word of each line of the table that is not indented
std::vector<std::string> kinds() {
  const ProcessResult answer = run_ringattn({"probe"});
  REQUIRE(answer.status == 0);
  std::vector<std::string> found;
  std::istringstream lines(answer.out.substr(answer.out.find("\n\n") + 2));
  for (std::string line; std::getline(lines, line) && !line.empty();)
    if (line.front() != ' ') found.push_back(line.substr(0, line.find(' ')));
  return found;
}

}  // namespace

TEST_CASE("run, check and laws accept every probe of the table without further options") {
  CHECK(kinds().size() >= 20);
  for (const std::string& kind : kinds())
    for (const std::string dtype : {"f32", "bf16"}) {
      CAPTURE(kind);
      const CaseDirectory here;
      const std::string c = here.case_file({"--dtype", dtype, "--kv-seq", "48", "--causal"}, kind);
      const std::string right = here.right_results(c);
      CHECK(run_with_json({"check", c, "--out", right}).json["verdict"] == "pass");
      CHECK(run_with_json({"laws", c, "--out", right}).json["hold"] == true);
    }
}

TEST_CASE("the metadata of a probe contain its kind, its mask and its sharding") {
  const CaseDirectory here;
  const auto metadata = [&](std::vector<std::string> arguments, const std::string& kind) {
    return read_safetensors(here.case_file(std::move(arguments), kind)).metadata;
  };
  using Metadata = std::map<std::string, std::string>;
  CHECK(metadata({"--devices", "8", "--sharding", "striped"}, "random") ==
        Metadata{{"probe", "random"}, {"axes", "bshd"}, {"devices", "8"}, {"layout", "striped"}});
  CHECK(metadata({"--kv-seq", "40", "--causal", "--causal-align", "top-left"}, "random") ==
        Metadata{{"probe", "random"},
                 {"axes", "bshd"},
                 {"devices", "4"},
                 {"layout", "contiguous"},
                 {"causal", "true"},
                 {"causal_align", "top-left"}});
  CHECK(metadata({}, "window").count("window") == 1);
}

TEST_CASE("in the second run of leak, the rows before the changed token are bit-identical") {
  const CaseDirectory here;
  const std::string second = here.path("second.safetensors");
  const std::string first = here.case_file({"--second-run", second, "--key", "20"}, "leak");
  const auto out = [&](const std::string& c) {
    return to_tensor<double>("out", read_safetensors(here.right_results(c)).at("out"), Axes::bshd);
  };
  const Tensor<double> before = out(first), after = out(second);
  for (Index row = 0; row < 32; ++row) {
    bool same = true;
    for (Index d = 0; d < 8; ++d) same = same && before(0, row, 0, d) == after(0, row, 0, d);
    CHECK(same == (row < 20));
  }
}

TEST_CASE("the second run of duplicate has half of the keys, and its result passes") {
  const CaseDirectory here;
  const std::string second = here.path("second.safetensors");
  here.case_file({"--second-run", second, "--causal"}, "duplicate");
  CHECK(read_safetensors(second).at("k").shape == std::vector<Index>{1, 16, 2, 8});
  CHECK(run_with_json({"check", second, "--out", here.right_results(second)}).json["verdict"] == "pass");
}

TEST_CASE("an invalid probe is rejected, and no file is written") {
  const CaseDirectory here;
  const std::string file = here.path("case"), other = here.path("other");
  expect_rejection({"probe", "telepathy", "--output", file},
                   "there is no kind \"telepathy\"; choose one of random");
  expect_rejection({"probe", "--output", file}, "found none");
  expect_rejection({"probe", "random", "--output", file, "--heads", "3", "--kv-heads", "2"}, "a multiple");
  expect_rejection({"probe", "duplicate", "--output", file, "--seq", "33"}, "choose an even number");
  expect_rejection({"probe", "random", "--output", file, "--seq", "1000000000"}, "2^28 numbers");
  expect_rejection({"probe", "random", "--output", file, "--second-run", other}, "leave --second-run out");
  expect_rejection({"probe", "leak", "--second-run", other}, "--output");
  expect_rejection({"probe", "leak", "--output", file, "--second-run", file}, "one purpose");
  expect_rejection({"probe", "leak", "--output", file, "--key", "3"}, "no such run");
  expect_rejection({"probe", "leak", "--output", file, "--second-run", other, "--key", "256"},
                   "choose 0 to 255");
  expect_rejection({"probe", "random", "--output", here.path("missing/case")}, "No such file");
  expect_rejection({"probe", "random", "--seq", "0"}, "a whole number from 1");
  CHECK(here.directory.files() == 0);
}
