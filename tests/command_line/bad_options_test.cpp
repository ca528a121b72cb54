#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

TEST_CASE("a command is wanted") {
  expect_rejection({}, "found none");
  expect_rejection({"dance"}, R"(found "dance")");
  expect_rejection({"--fast"}, R"(found "--fast")");
  expect_rejection({"run", "--fast"}, "--fast");
  expect_rejection({"run", "fast"}, "fast");
  expect_rejection({"recall"}, "--prompt is required");
}

TEST_CASE("a count is a whole number from 1 on") {
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim",
                                 "--devices", "--world-size", "--threads"})
    expect_rejection({"run", name, "0"}, "a whole number from 1");
  for (const std::string value : {"-1", "1.5", "many", "", "99999999999", "99999999999999999999999"})
    expect_rejection({"run", "--seq", value}, R"(found ")" + value + R"(")");
  expect_rejection({"recall", "--prompt", "a", "--words", "0"}, "a whole number from 1");
  expect_rejection({"bench", "--seq", "0"}, "a whole number from 1");
}

TEST_CASE("a seed is a whole number") {
  for (const std::string value : {"-1", "x", "18446744073709551616"})
    expect_rejection({"run", "--seed", value}, "a whole number from 0");
}

TEST_CASE("names are those of the help") {
  expect_rejection({"run", "--dtype", "f8"}, "f64, f32, bf16 or f16 is wanted");
  expect_rejection({"run", "--layout", "spiral"}, "contiguous, striped or zigzag is wanted");
  expect_rejection({"run", "--sharding", ""}, "contiguous, striped or zigzag is wanted");
  expect_rejection({"run", "--rotate", "v"}, "kv or q is wanted");
  expect_rejection({"run", "--transport", "pigeons"}, "threads, lockstep, mpi or nccl is wanted");
  expect_rejection({"recall", "--transport", "mpi"}, "threads or lockstep is wanted");
  expect_rejection({"run", "--causal-align", "middle"}, "bottom-right or top-left is wanted");
  expect_rejection({"run", "--causal=perhaps"}, "--causal");
}

TEST_CASE("a window is two whole numbers from -1 on") {
  for (const std::string window : {"1,-2", "5", "5,", ",5", "a,b", "1,2,3", "1, 2", "99999999999999999999,0"})
    expect_rejection({"run", "--seq", "8", "--window", window}, "two integers L,R are wanted");
  expect_rejection({"run", "--seq", "8", "--window", "9223372036854775807,0"}, "2^62");
  expect_rejection({"run", "--seq", "8", "--window", ""}, "--window");
}

TEST_CASE("rates, scale and soft-cap are finite numbers that make sense") {
  for (const std::string rate : {"-1", "nan", "inf", "1e-300", "fast", ""}) {
    expect_rejection({"run", "--seq", "8", "--link-gbps", rate}, "0 or a number from");
    expect_rejection({"run", "--seq", "8", "--link-latency-us", rate}, "0 or a number from");
  }
  for (const std::string number : {"nan", "inf", "-inf", "x", ""}) {
    expect_rejection({"run", "--seq", "8", "--softmax-scale", number}, "a finite number is wanted");
    expect_rejection({"run", "--seq", "8", "--softcap", number}, "a finite number is wanted");
  }
  expect_rejection({"run", "--seq", "8", "--softcap", "-1"}, "softcap must be");
  expect_rejection({"run", "--seq", "8", "--softmax-scale", "1e30"}, "scores must leave the weights some digits");
}

TEST_CASE("shapes and options that contradict one another are refused") {
  expect_rejection({"run", "--seq", "8", "--heads", "3", "--kv-heads", "2"}, "a multiple of the K/V heads");
  expect_rejection({"run", "--seq", "8", "--kv-seq", "9", "--causal"}, "choose --causal-align");
  expect_rejection({"run", "--seq", "8", "--kv-seq", "9", "--window", "1,1"}, "choose --causal-align");
  expect_rejection({"run", "--seq", "8", "--transport", "lockstep", "--threads", "2"}, "lockstep has one thread");
  expect_rejection({"run", "--devices", "2", "--world-size", "3"}, "--devices");
  const TemporaryDirectory directory;
  const std::string input = save(directory.path / "in", qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4})),
                    text = write_file(directory.path / "t", "abc");
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim"})
    expect_rejection({"run", "--input", input, name, "2"}, "found " + name + " beside it");
  expect_rejection({"run", "--input", input, "--dtype", "f64"}, "found --dtype beside it");
  expect_rejection({"run", "--input", input, "--text", text}, "found --text beside it");
  expect_rejection({"run", "--text", text, "--seq", "2"}, "found --seq beside it");
}

TEST_CASE("what cannot fit into memory is refused before it is tried") {
  expect_rejection({"run", "--seq", "1073741824", "--heads", "1073741824", "--dim", "1073741824"},
          "must fit into memory");
  expect_rejection({"run", "--seq", "1000000", "--dim", "1000000"}, "must fit into memory");
}

TEST_CASE("rows to trace are rows that there are, and need a trace") {
  const TemporaryDirectory directory;
  const std::string trace = directory.path / "trace";
  for (const std::string rows : {"8", "-1", "x", "1,,2", "1,8", "1.5"})
    expect_rejection({"run", "--seq", "8", "--trace", trace, "--trace-rows", rows},
            "query rows from 0 to 7 are wanted");
  expect_rejection({"run", "--seq", "8", "--trace-rows", "1"}, "--trace");
  CHECK(directory.files() == 0);
}

TEST_CASE("a text is a file with words") {
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
  expect_rejection({"recall", "--prompt", "xyzzy plugh", "--text", text}, "must have one that the text has");
}
