#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/file_fixtures.h"

using namespace ringattn;

TEST_CASE("a command is wanted") {
  refuses({}, "found none");
  refuses({"dance"}, R"(found "dance")");
  refuses({"--fast"}, R"(found "--fast")");
  refuses({"run", "--fast"}, "--fast");
  refuses({"run", "fast"}, "fast");
  refuses({"recall"}, "--prompt is required");
}

TEST_CASE("a count is a whole number from 1 on") {
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim",
                                 "--devices", "--world-size", "--threads"})
    refuses({"run", name, "0"}, "a whole number from 1");
  for (const std::string value : {"-1", "1.5", "many", "", "99999999999", "99999999999999999999999"})
    refuses({"run", "--seq", value}, R"(found ")" + value + R"(")");
  refuses({"recall", "--prompt", "a", "--words", "0"}, "a whole number from 1");
  refuses({"bench", "--seq", "0"}, "a whole number from 1");
}

TEST_CASE("a seed is a whole number") {
  for (const std::string value : {"-1", "x", "18446744073709551616"})
    refuses({"run", "--seed", value}, "a whole number from 0");
}

TEST_CASE("names are those of the help") {
  refuses({"run", "--dtype", "f8"}, "f64, f32, bf16 or f16 is wanted");
  refuses({"run", "--layout", "spiral"}, "contiguous, striped or zigzag is wanted");
  refuses({"run", "--sharding", ""}, "contiguous, striped or zigzag is wanted");
  refuses({"run", "--rotate", "v"}, "kv or q is wanted");
  refuses({"run", "--transport", "pigeons"}, "threads, lockstep, mpi or nccl is wanted");
  refuses({"recall", "--transport", "mpi"}, "threads or lockstep is wanted");
  refuses({"run", "--causal-align", "middle"}, "bottom-right or top-left is wanted");
  refuses({"run", "--causal=perhaps"}, "--causal");
}

TEST_CASE("a window is two whole numbers from -1 on") {
  for (const std::string window : {"1,-2", "5", "5,", ",5", "a,b", "1,2,3", "1, 2", "99999999999999999999,0"})
    refuses({"run", "--seq", "8", "--window", window}, "two integers L,R are wanted");
  refuses({"run", "--seq", "8", "--window", "9223372036854775807,0"}, "2^62");
  refuses({"run", "--seq", "8", "--window", ""}, "--window");
}

TEST_CASE("rates, scale and soft-cap are finite numbers that make sense") {
  for (const std::string rate : {"-1", "nan", "inf", "1e-300", "fast", ""}) {
    refuses({"run", "--seq", "8", "--link-gbps", rate}, "0 or a number from");
    refuses({"run", "--seq", "8", "--link-latency-us", rate}, "0 or a number from");
  }
  for (const std::string number : {"nan", "inf", "-inf", "x", ""}) {
    refuses({"run", "--seq", "8", "--softmax-scale", number}, "a finite number is wanted");
    refuses({"run", "--seq", "8", "--softcap", number}, "a finite number is wanted");
  }
  refuses({"run", "--seq", "8", "--softcap", "-1"}, "softcap must be");
  refuses({"run", "--seq", "8", "--softmax-scale", "1e30"}, "scores must leave the weights some digits");
}

TEST_CASE("shapes and options that contradict one another are refused") {
  refuses({"run", "--seq", "8", "--heads", "3", "--kv-heads", "2"}, "a multiple of the K/V heads");
  refuses({"run", "--seq", "8", "--kv-seq", "9", "--causal"}, "choose --causal-align");
  refuses({"run", "--seq", "8", "--kv-seq", "9", "--window", "1,1"}, "choose --causal-align");
  refuses({"run", "--seq", "8", "--transport", "lockstep", "--threads", "2"}, "lockstep has one thread");
  refuses({"run", "--devices", "2", "--world-size", "3"}, "--devices");
  const Directory directory;
  const std::string input = saved(directory.path / "in", qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4})),
                    text = write(directory.path / "t", "abc");
  for (const std::string name : {"--seq", "--kv-seq", "--batch", "--heads", "--kv-heads", "--dim", "--v-dim"})
    refuses({"run", "--input", input, name, "2"}, "found " + name + " beside it");
  refuses({"run", "--input", input, "--dtype", "f64"}, "found --dtype beside it");
  refuses({"run", "--input", input, "--text", text}, "found --text beside it");
  refuses({"run", "--text", text, "--seq", "2"}, "found --seq beside it");
}

TEST_CASE("what cannot fit into memory is refused before it is tried") {
  refuses({"run", "--seq", "1073741824", "--heads", "1073741824", "--dim", "1073741824"},
          "must fit into memory");
  refuses({"run", "--seq", "1000000", "--dim", "1000000"}, "must fit into memory");
}

TEST_CASE("rows to trace are rows that there are, and need a trace") {
  const Directory directory;
  const std::string trace = directory.path / "trace";
  for (const std::string rows : {"8", "-1", "x", "1,,2", "1,8", "1.5"})
    refuses({"run", "--seq", "8", "--trace", trace, "--trace-rows", rows},
            "query rows from 0 to 7 are wanted");
  refuses({"run", "--seq", "8", "--trace-rows", "1"}, "--trace");
  CHECK(directory.files() == 0);
}

TEST_CASE("a text is a file with words") {
  const Directory directory;
  const std::string empty = write(directory.path / "empty", ""),
                    blank = write(directory.path / "blank", " \n"),
                    text = write(directory.path / "text", "to be or not to be");
  for (const std::string command : {"run", "recall"}) {
    const auto with_text = [&](const std::string& path) {
      std::vector<std::string> arguments = {command, "--text", path};
      if (command == "recall") arguments.insert(arguments.end(), {"--prompt", "to be"});
      return arguments;
    };
    refuses(with_text(empty), "is empty");
    refuses(with_text(directory.path / "missing"), "the file must exist");
    refuses(with_text(directory.path), "a directory");
    refuses(with_text("/dev/null"), "a regular file is wanted");
  }
  refuses({"recall", "--prompt", "a", "--text", blank}, "must have words");
  refuses({"recall", "--prompt", " ", "--text", text}, "at least one word");
  refuses({"recall", "--prompt", "xyzzy plugh", "--text", text}, "must have one that the text has");
}
