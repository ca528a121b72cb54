// Tests of `examine`, which runs a program on cases that spell out its weights.

#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

// A program that reads {case} and writes {out}: `ringattn run` with further options
std::string our_program(const std::string& options = "") {
  return std::string("'") + RINGATTN_EXECUTABLE + "' run --input {case} --output {out} " + options;
}

ProcessResult examine(const std::string& program, std::vector<std::string> arguments = {}) {
  std::vector<std::string> all{"examine", "--program", program, "--seq", "37", "--heads", "6", "--dim", "24"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_ringattn(all);
}

}  // namespace

TEST_CASE("examine finds nothing in the ring, in every layout and type") {
  for (const char* layout : {"contiguous", "zigzag", "striped"})
    for (const char* dtype : {"f64", "bf16"}) {
      const ProcessResult answer =
          examine(our_program(), {"--causal", "--devices", "3", "--layout", layout, "--dtype", dtype});
      CAPTURE(answer.out);
      CHECK(answer.status == 0);
      CHECK(answer.err.empty());
      CHECK(answer.last_line() == "RESULT   nothing departs from attention by more than rounding");
    }
}

TEST_CASE("examine finds nothing in the backward pass of the ring, with the derivative of lse") {
  const ProcessResult answer = examine(
      our_program("--backward"), {"--causal", "--devices", "3", "--backward", "--dlse", "--dtype", "f32"});
  CAPTURE(answer.out);
  CHECK(answer.status == 0);
  CHECK(answer.last_line() == "RESULT   nothing departs from attention by more than rounding");
}

TEST_CASE("examine finds a program that computes another mask and another scale, and says which") {
  const ProcessResult answer = examine(our_program("--window 4,-1 --softmax-scale 0.1"),
                                       {"--causal", "--window", "5,-1", "--json", "-"});
  CHECK(answer.status == 1);
  const Json findings = answer.json()["findings"];
  REQUIRE(findings.size() == 2);
  CHECK(findings[0]["kind"] == "visible_band");
  CHECK(findings[0]["numbers"]["first"] == -4);
  CHECK(findings[0]["numbers"]["right_first"] == -5);
  CHECK(findings[1]["kind"] == "scale");
  CHECK(findings[1]["sentence"].get<std::string>().starts_with("all heads: the effective scale is 0.1"));
  CHECK(answer.json()["explained"] == true);
}

TEST_CASE("examine says in one sentence why a program gives no result") {
  const auto said = [](const std::string& program, std::vector<std::string> options = {}) {
    const ProcessResult answer = examine(program, std::move(options));
    CHECK(answer.status == 1);
    CHECK(answer.err.empty());
    return answer.out;
  };
  CHECK(
      said("echo out of memory >&2; exit 3 # {case} {out}").find("ended with exit status 3: out of memory") !=
      std::string::npos);
  CHECK(said("true {case} {out}").find("wrote nothing to {out}") != std::string::npos);
  CHECK(said("cp {case} {out}").find("wrote results that cannot be read") != std::string::npos);
  CHECK(said("sleep 100; true {case} {out}", {"--timeout", "0.2"}).find("did not end within 0.2 s") !=
        std::string::npos);
}

TEST_CASE("examine writes a page with pictures of the measured and the right weights") {
  const TemporaryDirectory directory;
  const std::string page = directory.path / "page.html";
  CHECK(examine(our_program("--window 3,3"), {"--html", page}).status == 1);
  const std::string html = read_file(page);
  CHECK(html.starts_with("<!doctype html>"));
  CHECK(html.find("query head 0: measured") != std::string::npos);
  CHECK(html.find("a row reads the keys from 3 before its own position") != std::string::npos);
}

TEST_CASE("examine takes shapes and options from a case") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({2, 19, 4, 8}, {2, 19, 2, 8}, {2, 19, 2, 5}, Dtype::bf16);
  file.metadata["causal"] = "true";
  const std::string path = save(directory.path / "case.safetensors", file);
  const ProcessResult answer = run_ringattn({"examine", "--program", our_program(), "--input", path});
  CAPTURE(answer.out);
  CHECK(answer.status == 0);
  CHECK(answer.out.find("q (2, 19, 4, 8)") != std::string::npos);
  CHECK(answer.out.find("causal") != std::string::npos);
}

TEST_CASE("examine refuses commands without files, and cases beyond its memory") {
  expect_rejection({"examine", "--program", "true"}, "must contain {case} and {out}");
  expect_rejection({"examine", "--program", "true {case} {out}", "--seq", "1000000"}, "2^25 weights");
  expect_rejection({"examine", "--program", "no_such_program_7 {case} {out}"},
                   "must find and run the command");
}
