// The table of keys in the README of the visualizer.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "visualizer/interaction/commands.h"

using namespace ringattn::viz;

namespace {

constexpr const char* path = RINGATTN_SOURCE_DIR "/visualizer/README.md";

std::string table_of_keys() {
  std::string table = "| keys | what they do |\n|---|---|\n", group;
  for (const Command& command : commands()) {
    if (command.group != group) table += "| **" + command.group + "** | |\n";
    group = command.group;
    std::string keys;
    for (const std::string& key : command.keys) keys += (keys.empty() ? "`" : ", `") + key + "`";
    table += "| " + keys + " | " + command.title + " |\n";
  }
  return table;
}

}  // namespace

TEST_CASE("the README of the visualizer lists the keys of the table of commands") {
  std::ifstream in(path);
  std::stringstream read;
  read << in.rdbuf();
  const std::string text = read.str(), begin = "<!-- keys", end = "<!-- end of keys -->";
  const std::size_t from = text.find('\n', text.find(begin)) + 1, to = text.find(end);
  REQUIRE(text.find(begin) != std::string::npos);
  REQUIRE(to != std::string::npos);

  if (const char* mode = std::getenv("RINGATTN_README"); mode && std::string(mode) == "write") {
    in.close();
    std::ofstream(path) << text.substr(0, from) << table_of_keys() << text.substr(to);
    return;
  }
  // To update the table, run with RINGATTN_README=write (make readme)
  CHECK(text.substr(from, to - from) == table_of_keys());
}
