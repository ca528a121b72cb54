#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

// A new directory that is removed at the end of the test
struct TemporaryDirectory {
  std::filesystem::path path;

  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringattn-test-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
  }
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

inline std::filesystem::path write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// The message of the BadInput that f throws; empty if it throws none
template <class F>
std::string bad_input_message(F&& f) {
  try {
    f();
  } catch (const BadInput& bad) {
    return bad.what();
  }
  return "";
}

// Checks that an error message is one line and contains _part_
inline void check_message(const std::string& message, const std::string& part) {
  INFO("message: " << message << "  expected part: " << part);
  const bool one_line = message.find('\n') == std::string::npos;
  CHECK(one_line);
  const bool found = message.find(part) != std::string::npos;
  CHECK(found);
}

}  // namespace ringattn
