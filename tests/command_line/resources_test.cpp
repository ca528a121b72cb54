// Limits of commands: devices, memory, threads.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "reference/files/available_memory.h"
#include "tests/command_line/oracle/fixtures.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

SafetensorsFile small_qkv() { return qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4}); }

// A file of which only the header takes space on the disk: f64 tensors q, k, v (1, rows, 1, 64)
std::string sparse_case(const std::filesystem::path& path, double rows) {
  const auto count = static_cast<std::uint64_t>(rows), bytes = count * 64 * 8;
  std::string header = "{", shape = "[1," + std::to_string(count) + ",1,64]";
  for (std::uint64_t n = 0; n < 3; ++n)
    header += std::string(n > 0 ? "," : "") + "\"" + "qkv"[n] + R"(":{"dtype":"F64","shape":)" + shape +
              ",\"data_offsets\":[" + std::to_string(n * bytes) + "," + std::to_string((n + 1) * bytes) +
              "]}";
  header += "}";
  std::uint64_t length = header.size();
  std::string start(8, '\0');
  std::memcpy(start.data(), &length, 8);
  write_file(path, start + header);
  std::filesystem::resize_file(path, 8 + length + 3 * bytes);
  return path;
}

}  // namespace

// ---- Devices -----------------------------------------------------------------

TEST_CASE("a ring has at most 1024 devices in every command, also in the metadata of a file") {
  const CaseDirectory directory;
  const std::string input = directory.case_file(), results = directory.right_results(input);
  SafetensorsFile file = read_safetensors(input);
  for (const std::string devices : {"1025", "1000000", "1073741824"}) {
    const std::string sentence = "must be a whole number from 1 to 1024; found \"" + devices + "\"";
    for (std::vector<std::string> arguments :
         std::vector<std::vector<std::string>>{{"run", "--seq", "16"},
                                               {"recall", "--prompt", "the"},
                                               {"probe", "random"},
                                               {"mistakes", "R9", "--input", input},
                                               {"check", input, "--out", results},
                                               {"laws", input, "--out", results},
                                               {"spectrum", input, "--out", results}}) {
      arguments.insert(arguments.end(), {"--devices", devices});
      expect_rejection(arguments, sentence);
    }
    file.metadata["devices"] = devices;
    const std::string many = save(directory.path("many"), file);
    expect_rejection({"run", "--input", many}, sentence);
    expect_rejection({"check", many, "--out", results}, sentence);
    expect_rejection({"mistakes", "R9", "--input", many}, sentence);
  }
}

TEST_CASE("devices beyond the tokens change no verdict and no name") {
  const CaseDirectory directory;
  const std::string input = directory.case_file({"--causal"}), wrong = directory.path("wrong");
  const auto make = [&](const std::string& devices) {
    run_with_json({"mistakes", "R4", "--make", "--input", input, "--devices", devices, "--output", wrong});
  };
  make("32");
  const std::string bytes = read_file(wrong);
  make("1024");
  CHECK(read_file(wrong) == bytes);
  for (const std::string devices : {"32", "1024"}) {
    const Json report = run_with_json({"check", input, "--out", wrong, "--devices", devices}).json;
    CHECK(report["verdict"] == "fail");
    CHECK(report.dump().find("R4") != std::string::npos);
    CHECK((report.dump().find("simulated on a ring of 32 devices") != std::string::npos) ==
          (devices == "1024"));
  }
}

TEST_CASE("mistakes of rings of more than 32 devices are not simulated") {
  const CaseDirectory directory;
  const std::string input = directory.case_file({"--kv-seq", "40"}), results = directory.right_results(input);
  expect_rejection({"mistakes", "R9", "--input", input, "--devices", "40"},
                   "on at most 32 devices with tokens");
  const Json report = run_with_json({"check", input, "--out", results, "--devices", "40"}).json;
  CHECK(report["verdict"] == "pass");
}

// ---- Memory ------------------------------------------------------------------

TEST_CASE("an input file that does not fit into memory is refused before its tensors are read") {
  const TemporaryDirectory directory;
  const double rows = available_memory() / (64 * 8);
  const std::string large = sparse_case(directory.path / "large", rows),
                    half = sparse_case(directory.path / "half", rows / 6);
  for (const std::string& input : {large, half}) {
    expect_rejection({"run", "--input", input}, "must fit into memory");
    expect_rejection({"check", input, "--out", input}, "must fit into memory");
    expect_rejection({"mistakes", "R9", "--input", input}, "must fit into memory");
  }
  expect_rejection({"run", "--text", large}, "must fit into memory");
}

TEST_CASE("the vectors of a text, the states of --steps and the events of --trace count as memory") {
  const TemporaryDirectory directory;
  const std::string text = write_file(directory.path / "text", "a"), path = directory.path / "file";
  expect_rejection({"run", "--text", text, "--dim", "1000000000"}, "must fit into memory");
  const std::string seq = std::to_string(static_cast<std::int64_t>(available_memory() / 1e6));
  expect_rejection({"run", "--seq", seq, "--dim", "1", "--heads", "1", "--devices", "1024", "--steps", path},
                   "must fit into memory");
  expect_rejection({"bench", "--seq", "100000000"}, "must fit into memory");
}

TEST_CASE("positions that end a tile at every row are refused where the tiles do not fit into memory") {
  const TemporaryDirectory directory;
  const auto rows = static_cast<Index>(std::sqrt(available_memory() / 40));
  SafetensorsFile file = qkv({1, rows, 1, 1}, {1, rows, 1, 1}, {1, rows, 1, 1}, Dtype::f32);
  std::vector<std::int64_t> descending;
  for (Index row = rows; row > 0; --row) descending.push_back(row);
  file.tensors["q_positions"] = file.tensors["kv_positions"] = stored_integers(descending);
  expect_rejection({"run", "--devices", "1", "--input", save(directory.path / "in", file)},
                   "the list of tiles");
}

// ---- Flags and metadata ---------------------------------------------------------

TEST_CASE("a flag is true or false, on the command line and in metadata") {
  const TemporaryDirectory directory;
  SafetensorsFile file = small_qkv();
  for (const std::string value : {"2", "-1", "1.5", "+", "TRUE", "yes", "0x1"}) {
    for (const std::string flag : {"--causal", "--no-overlap", "--backward"})
      expect_rejection({"run", "--seq", "8", flag + "=" + value},
                       flag + " must be true or false; found \"" + value + "\"");
    file.metadata["causal"] = value;
    expect_rejection({"run", "--input", save(directory.path / "in", file)}, "--causal must be true or false");
  }
  CHECK(run_json({"--seq", "8", "--causal=true"})["config"]["causal"] == "true");
  CHECK(is_exact(run_ringattn({"run", "--seq", "8", "--kv-seq", "9", "--causal=false"})));
}

TEST_CASE("metadata cannot start processes") {
  const TemporaryDirectory directory;
  SafetensorsFile file = small_qkv();
  file.metadata["transport"] = "mpi";
  const std::string input = save(directory.path / "in", file);
  expect_rejection({"run", "--input", input}, "found mpi in the metadata");
  CHECK(is_exact(run_ringattn({"run", "--input", input, "--transport", "threads"})));
}

// ---- Sentences ------------------------------------------------------------------

TEST_CASE("a long or unreadable argument is shortened and escaped in the sentence") {
  const std::string text = std::string(100'000, 'a') + "\xff\n\x1b[31m";
  const std::vector<std::vector<std::string>> commands = {{text},
                                                          {"--" + text},
                                                          {"run", text},
                                                          {"run", "--seq", text},
                                                          {"run", "--layout", text},
                                                          {"run", "--causal=" + text},
                                                          {"run", "--window", text},
                                                          {"run", "--trace", "t", "--trace-rows", text},
                                                          {"probe", text},
                                                          {"mistakes", text},
                                                          {"vectors", text},
                                                          {"vectors", "list", "--filter", text},
                                                          {"vectors", "run", "--program", text},
                                                          {"recall", "--prompt", text}};
  for (const std::vector<std::string>& command : commands) {
    const ProcessResult answer = run_ringattn(command);
    INFO(answer.err.substr(0, 400));
    check_rejection(answer, "\\xff");
    CHECK(answer.err.size() < 1000);
    CHECK(answer.err.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("an empty file name is refused with the name of its option") {
  expect_rejection({"run", "--input", ""}, "--input must not be empty");
  expect_rejection({"run", "--text", ""}, "--text must not be empty");
  expect_rejection({"recall", "--prompt", "a", "--text", ""}, "--text must not be empty");
  expect_rejection({"mistakes", "R9", "--input", ""}, "--input must not be empty");
  expect_rejection({"check", "", "--out", "x"}, "case must not be empty");
  expect_rejection({"check", "x", "--out", ""}, "--out must not be empty");
}

TEST_CASE("a report whose file cannot be written prints nothing") {
  const TemporaryDirectory directory;
  const std::string name = directory.path / std::string(300, 'n');
  expect_rejection({"mistakes", "--json", name}, "File name too long");
  expect_rejection({"vectors", "list", "--json", name}, "File name too long");
  if (std::filesystem::exists("/dev/full"))
    expect_rejection({"mistakes", "--json", "/dev/full"}, "the disk may be full");
}
