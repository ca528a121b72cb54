// Options that commands refuse, each with one sentence.

#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

TEST_CASE("a command is required") {
  expect_rejection({}, "found none");
  expect_rejection({"dance"}, R"(found "dance")");
  expect_rejection({"--fast"}, R"(found "--fast")");
  expect_rejection({"run", "--fast"}, "--fast");
  expect_rejection({"run", "fast"}, "fast");
  expect_rejection({"recall"}, "--prompt is required");
}

TEST_CASE("a count is a whole number from 1") {
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim",
                                 "--devices", "--world-size", "--threads"})
    expect_rejection({"run", name, "0"}, "must be a whole number from 1");
  for (const std::string value : {"-1", "1.5", "many", "", "99999999999", "99999999999999999999999"})
    expect_rejection({"run", "--seq", value}, R"(found ")" + value + R"(")");
  expect_rejection({"recall", "--prompt", "a", "--words", "0"}, "must be a whole number from 1");
  expect_rejection({"bench", "--seq", "0"}, "must be a whole number from 1");
}

TEST_CASE("a seed is a whole number") {
  for (const std::string value : {"-1", "x", "18446744073709551616"})
    expect_rejection({"run", "--seed", value}, "must be a whole number from 0");
}

TEST_CASE("a name must be one of those that --help lists") {
  expect_rejection({"run", "--dtype", "f8"}, "--dtype must be f64, f32, bf16 or f16; found \"f8\"");
  expect_rejection({"run", "--layout", "spiral"}, "must be contiguous, zigzag or striped");
  expect_rejection({"run", "--sharding", ""}, "must be contiguous, zigzag or striped");
  expect_rejection({"run", "--rotate", "v"}, "must be kv or q");
  expect_rejection({"run", "--transport", "pigeons"}, "must be threads, lockstep, mpi or nccl");
  expect_rejection({"recall", "--transport", "mpi"}, "must be threads or lockstep");
  expect_rejection({"run", "--causal-align", "middle"}, "must be bottom-right or top-left");
  expect_rejection({"run", "--causal=perhaps"}, "--causal");
}

TEST_CASE("a window is two integers from -1, below 2^62") {
  for (const std::string window : {"1,-2", "5", "5,", ",5", "a,b", "1,2,3", "1, 2", "99999999999999999999,0"})
    expect_rejection({"run", "--seq", "8", "--window", window}, "must be two integers L,R");
  expect_rejection({"run", "--seq", "8", "--window", "9223372036854775807,0"}, "2^62");
  expect_rejection({"run", "--seq", "8", "--window", ""}, "--window");
}

TEST_CASE("rates, scale and soft-cap are finite numbers in their ranges") {
  for (const std::string rate : {"-1", "nan", "inf", "1e-300", "fast", ""}) {
    expect_rejection({"run", "--seq", "8", "--link-gbps", rate}, "0 or a number from");
    expect_rejection({"run", "--seq", "8", "--link-latency-us", rate}, "0 or a number from");
  }
  for (const std::string number : {"nan", "inf", "-inf", "x", ""}) {
    expect_rejection({"run", "--seq", "8", "--softmax-scale", number}, "must be a finite number");
    expect_rejection({"run", "--seq", "8", "--softcap", number}, "must be a finite number");
  }
  expect_rejection({"run", "--seq", "8", "--softcap", "-1"}, "softcap must be");
  expect_rejection({"run", "--seq", "8", "--softmax-scale", "1e30"}, "scores must be small enough");
}

TEST_CASE("contradictory shapes and options are refused") {
  expect_rejection({"run", "--seq", "8", "--heads", "3", "--kv-heads", "2"}, "a multiple of the K/V heads");
  expect_rejection({"run", "--seq", "8", "--kv-seq", "9", "--causal"}, "choose --causal-align");
  expect_rejection({"run", "--seq", "8", "--kv-seq", "9", "--window", "1,1"}, "choose --causal-align");
  expect_rejection({"run", "--seq", "8", "--transport", "lockstep", "--threads", "2"},
                   "lockstep runs on one thread");
  expect_rejection({"run", "--devices", "2", "--world-size", "3"}, "--devices");
  const TemporaryDirectory directory;
  const std::string input = save(directory.path / "in", qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4})),
                    text = write_file(directory.path / "t", "abc");
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim"})
    expect_rejection({"run", "--input", input, name, "2"},
                     name + " describes generated input; found --input");
  expect_rejection({"run", "--input", input, "--dtype", "f64"},
                   "--dtype describes generated input; found --input");
  expect_rejection({"run", "--input", input, "--text", text},
                   "--text describes generated input; found --input");
  expect_rejection({"run", "--text", text, "--seq", "2"}, "--seq describes generated input; found --text");
}

TEST_CASE("a problem that does not fit into memory is refused before anything is allocated") {
  expect_rejection({"run", "--seq", "1073741824", "--heads", "1073741824", "--dim", "1073741824"},
                   "must fit into memory");
  expect_rejection({"run", "--seq", "1000000", "--dim", "1000000"}, "must fit into memory");
}

// A problem this large does not fit into memory: any other refusal comes before a tensor is generated
TEST_CASE("bad option values are refused before a tensor is generated") {
  const auto refused_early = [](std::vector<std::string> arguments, const std::string& part) {
    arguments.insert(arguments.begin(), {"run", "--seq", "1073741824", "--heads", "1048576"});
    expect_rejection(arguments, part);
  };
  refused_early({"--window", "foo"}, "--window must be two integers");
  refused_early({"--layout", "foo"}, "--layout must be");
  refused_early({"--softmax-scale", "foo"}, "--softmax-scale must be");
  refused_early({"--trace", "t", "--trace-rows", "foo"}, "--trace-rows must be");
  refused_early({"--trace", "t", "--trace-rows", "1073741824"}, "rows must be from 0 to 1073741823");
  refused_early({"--transport", "lockstep", "--threads", "2"}, "lockstep runs on one thread");
  refused_early({"--rung", "3"}, "only the GPU has a ladder");
}

TEST_CASE("--trace-rows names rows that exist, and requires --trace") {
  const TemporaryDirectory directory;
  const std::string trace = directory.path / "trace";
  for (const std::string rows : {"8", "-1", "x", "1,,2", "1,8", "1.5"})
    expect_rejection(
        {"run", "--seq", "8", "--trace", trace, "--trace-rows", rows},
        rows.front() == '8' || rows == "1,8" ? "rows must be from 0 to 7" : "must be query rows");
  expect_rejection({"run", "--seq", "8", "--trace-rows", "1"}, "--trace");
  CHECK(directory.files() == 0);
}

TEST_CASE("a text is a regular file with words") {
  const TemporaryDirectory directory;
  const std::string empty = write_file(directory.path / "empty", ""),
                    blank = write_file(directory.path / "blank", " \n"),
                    text = write_file(directory.path / "text", "to be or not to be");
  for (const std::string command : {"run", "recall"}) {
    const auto with_text = [&](const std::string& path) {
      std::vector<std::string> arguments = {command, "--text", path};
      if (command == "recall") arguments.insert(arguments.end(), {"--prompt", "to be"});
      return arguments;
    };
    expect_rejection(with_text(empty), "is empty");
    expect_rejection(with_text(directory.path / "missing"), "the file must exist");
    expect_rejection(with_text(directory.path), "a directory");
    expect_rejection(with_text("/dev/null"), "must name a regular file");
  }
  expect_rejection({"recall", "--prompt", "a", "--text", blank}, "must have words");
  expect_rejection({"recall", "--prompt", " ", "--text", text}, "at least one word");
  expect_rejection({"recall", "--prompt", "xyzzy plugh", "--text", text}, "must occur in the text");
}
