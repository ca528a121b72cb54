#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

ProcessResult run_memory(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "memory");
  return run_ringattn(arguments);
}

// The report on the only input
Json memory_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProcessResult answer = run_memory(arguments);
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  return answer.json()["inputs"][0];
}

Json memory_named(const Json& input, const std::string& name) {
  for (const Json& memory : input["memories"])
    if (memory["memory"] == name) return memory;
  FAIL("no memory " << name);
  return {};
}

const Json all_found = {true, true, true, true, true, true, true};
const Json last_found = {false, false, false, false, false, false, true};

// A text of four sentences, of which the first has words that occur once
std::string text_with_needle() {
  std::string text = "the owl flew over the dark lake and the castle of Ludwig was near. ";
  for (int n = 0; n < 30; ++n) text += "night after night the moon and the stars shone on the lake. ";
  return text + "at last the morning came and the day was bright again over Bavaria.";
}

}  // namespace

TEST_CASE("a report says that the ring is exact, and which memories are approximate") {
  const ProcessResult answer = run_memory({"--seq", "512", "--budget", "128"});
  CHECK(answer.status == 0);
  CHECK(answer.err == "");
  CHECK(answer.last_line() ==
        "exact: the ring equals full attention up to rounding; approximate: window, sinks, heavy hitters, "
        "compressed, "
        "linear, combined");
}

TEST_CASE("the JSON report of a memory says what it keeps, and its distance from exact attention") {
  const Json input = memory_json({"--source", "random", "--seq", "1000", "--budget", "128", "--pool", "5"});
  CHECK(input["tokens"] == 1000);
  CHECK(input["memories"].size() == 6);
  CHECK(input["ring"]["result"]["verdict"] == "exact");
  CHECK(input["ring"]["relative_error"].get<double>() < 1e-4);
  for (const Json& memory : input["memories"]) {
    CAPTURE(memory["memory"].get<std::string>());
    CHECK(memory["verdict"] == "approximate");
    CHECK(memory["sentence"].get<std::string>().rfind("approximate: of 1000 tokens it keeps ", 0) == 0);
    Index tokens = 0;
    for (const Json& count : memory["tokens"]) tokens += count.get<Index>();
    CHECK(tokens == 1000);
    CHECK(memory["bytes"].get<double>() < input["ring"]["bytes"].get<double>() / 5);
    CHECK(memory["multiply_adds"].get<double>() < input["ring"]["multiply_adds"].get<double>());
    CHECK(memory["relative_error"].get<double>() > 0.1);
    const double kept = memory["mass_kept"], pooled = memory["mass_pooled"];
    CHECK(kept > 0);
    CHECK(kept + pooled < 1);
  }
}

TEST_CASE("exact ring attention finds the needle at every depth of 65,536 tokens, a window the last one") {
  const Json input = memory_json({"--source", "needle", "--seq", "65536", "--window", "64"});
  CHECK(input["needle_depths"] == Json({0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0}));
  CHECK(input["ring"]["result"]["verdict"] == "exact");
  CHECK(input["ring"]["found"] == all_found);
  CHECK(memory_named(input, "custom")["found"] == last_found);
}

TEST_CASE("each memory does well on the input that it was made for") {
  const auto report = [](const std::string& source) {
    return memory_json({"--source", source, "--seq", "2048", "--budget", "256"});
  };
  const Json local = report("local"), sink = report("sink"), topics = report("topics");
  for (const std::string name : {"window", "sinks", "heavy hitters", "compressed", "combined"}) {
    CHECK(memory_named(local, name)["relative_error"].get<double>() < 0.05);
    CHECK(memory_named(local, name)["mass_kept"].get<double>() > 0.99);
  }
  CHECK(memory_named(sink, "sinks")["mass_kept"].get<double>() > 0.5);
  CHECK(memory_named(sink, "window")["mass_kept"].get<double>() < 0.3);
  CHECK(memory_named(topics, "heavy hitters")["found"] == all_found);
  // The window holds the last eighth
  CHECK(memory_named(topics, "window")["found"] == Json({false, false, false, false, false, true, true}));
}

TEST_CASE("a window that holds all tokens is exact, and the report says so") {
  const Json input = memory_json({"--source", "topics", "--seq", "300", "--window", "300"});
  const Json memory = memory_named(input, "custom");
  CHECK(memory["verdict"] == "exact");
  CHECK(memory["sentence"] == "exact up to rounding: it keeps all 300 tokens");
  CHECK(memory["relative_error"].get<double>() < 1e-5);
  CHECK(memory["found"] == all_found);
  CHECK(run_memory({"--source", "topics", "--seq", "300", "--window", "300"}).last_line() ==
        "exact: the ring equals full attention up to rounding; approximate: no memory, as each keeps all "
        "tokens");
}

TEST_CASE("of a text, the needles are words that occur once, and only what a memory keeps is found") {
  const TemporaryDirectory directory;
  const std::string text = write_file(directory.path / "text", text_with_needle());
  const Json input = memory_json({"--text", text, "--window", "20"});
  CHECK(input["input"] == "text");
  CHECK(input["tokens"] == 14 + 30 * 12 + 13);
  CHECK(input["dim"] == 128);
  const Json memory = memory_named(input, "custom");
  CHECK(input["needle_depths"].size() == memory["found"].size());
  for (const Json& found : input["ring"]["found"]) CHECK(found == true);
  CHECK(memory["found"].front() == false);
  CHECK(memory["found"].back() == true);
}

TEST_CASE("the report does not depend on the run, the number of devices or threads") {
  const std::vector<std::string> arguments = {"--source", "topics", "--seq", "500", "--budget", "128"};
  const Json first = memory_json(arguments)["memories"];
  CHECK(memory_json(arguments)["memories"] == first);
  std::vector<std::string> other = arguments;
  other.insert(other.end(), {"--devices", "3", "--transport", "lockstep"});
  CHECK(memory_json(other)["memories"] == first);
}

TEST_CASE("bad options of memory are refused") {
  const TemporaryDirectory directory;
  const std::string text =
      write_file(directory.path / "text", "one two one two one two one two one two one two");
  expect_rejection({"memory", "--seq", "63"}, "--seq must be a whole number from 64");
  expect_rejection({"memory", "--budget", "127"}, "--budget must be a whole number from 128");
  expect_rejection({"memory", "--source", "book"},
                   "--source must be all, random, local, sink, topics or needle");
  expect_rejection({"memory", "--pooling", "max"}, "--pooling must be mean or convolution");
  expect_rejection({"memory", "--gate", "1.5"}, "the gate must be from 0 to 1; found 1.5");
  expect_rejection({"memory", "--sinks", "4"}, "--sinks requires --window");
  expect_rejection({"memory", "--window", "4", "--budget", "256"}, "found both; remove one of the two");
  expect_rejection({"memory", "--budget", "128", "--pool", "64"},
                   "choose a larger --budget or a smaller --pool");
  expect_rejection({"memory", "--text", text, "--seq", "64"},
                   "--seq describes generated input; found --text");
  expect_rejection({"memory", "--text", text, "--json", text}, "an output file must have one purpose");
  expect_rejection({"memory", "--text", text}, "a word that occurs once");
  expect_rejection({"memory", "--text", directory.path / "absent"}, "absent");
}
