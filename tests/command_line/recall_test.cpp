#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

// Thirteen words in two files; only "night" occurs twice
struct Texts {
  TemporaryDirectory directory;
  std::string one = write_file(directory.path / "one", "The owl flew\nat night and slept\n");
  std::string two = write_file(directory.path / "two", "Nobody saw it:\nnight is dark.\n");

  ProcessResult recall(const std::string& prompt, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"recall", "--text",  one, two,         "--prompt",
                                          prompt,   "--words", "2", "--devices", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_ringattn(arguments);
  }
};

}  // namespace

TEST_CASE("a prompt is continued like the text, and the report shows where") {
  const Texts texts;
  const ProcessResult answer = texts.recall("nobody SAW", {"--json", "-"});
  CHECK(answer.status == 0);
  Json report = answer.json();
  CHECK(report["continuation"] == "it: night");
  // 13 words over 4 devices: 3, 3, 3, 4. The only query is on device 3, which processes the keys of device d at step
  // 3 - d
  Json &it = report["words"][0], &night = report["words"][1];
  CHECK(it["word"] == "it:");
  CHECK(it["file"] == texts.two);
  CHECK(it["line"] == 1);
  CHECK(it["device"] == 3);
  CHECK(it["step"] == 0);
  CHECK(it["weight"].get<double>() > 0.9);
  CHECK(night["line"] == 2);
  CHECK(night["device"] == 3);
}

TEST_CASE("the context selects one of two places") {
  const Texts texts;
  Json report = texts.recall("flew at night", {"--json", "-"}).json();
  CHECK(report["continuation"] == "and slept");
  CHECK(report["words"][0]["file"] == texts.one);
  CHECK(report["words"][0]["line"] == 2);
  CHECK(report["words"][0]["device"] == 1);
  CHECK(report["words"][0]["step"] == 2);
}

TEST_CASE("the layout changes the device of a word, not the word") {
  const Texts texts;
  Json contiguous = texts.recall("the owl", {"--json", "-"}).json(),
       striped = texts.recall("the owl", {"--layout", "striped", "--rotate", "q", "--json", "-"}).json();
  CHECK(contiguous["words"][0]["device"] == 0);
  CHECK(striped["words"][0]["device"] == 2);
  CHECK(striped["continuation"] == contiguous["continuation"]);
}

TEST_CASE("the output for each word is compared with the definition, and the last line begins with exact") {
  const Texts texts;
  const ProcessResult answer = texts.recall("the owl");
  CHECK(answer.status == 0);
  CHECK(answer.err == "");
  CHECK(answer.last_line().rfind("exact", 0) == 0);
  CHECK(answer.out.find("the owl ... flew at\n") != std::string::npos);
  Json result = texts.recall("the owl", {"--json", "-"}).json()["result"];
  CHECK(result["verdict"] == "exact");
  CHECK(result["out"]["relative_error"].get<double>() <= result["out"]["allowed"].get<double>());
  CHECK(result["lse"]["relative_error"].get<double>() <= result["lse"]["allowed"].get<double>());
}

TEST_CASE("one known word suffices, case and punctuation are ignored") {
  const Texts texts;
  CHECK(texts.recall("xyzzy, (Owl)", {"--json", "-"}).json()["continuation"] == "flew at");
}

TEST_CASE("without --text the license texts are used") {
  const ProcessResult answer = run_ringattn({"recall", "--prompt", "without warranty of", "--words", "1"});
  CHECK(answer.status == 0);
  CHECK(answer.last_line().rfind("exact", 0) == 0);
}

TEST_CASE("help and version go to standard output, with status 0") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"run", "--help"},
                                                    {"recall", "--help"},
                                                    {"bench", "--help"},
                                                    {"--version"}}) {
    const ProcessResult answer = run_ringattn(arguments);
    CHECK(answer.status == 0);
    CHECK(answer.err == "");
    CHECK(answer.out.find("ringattn") != std::string::npos);
  }
}
