#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "reference/definition/bad_input.h"

namespace ringattn {

// An empty directory that goes with the test
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

// What BadInput says; empty where f does not throw it
template <class F>
std::string bad_input_message(F&& f) {
  try {
    f();
  } catch (const BadInput& bad) {
    return bad.what();
  }
  return "";
}

// Checks that a refusal is one line and has the part that matters
inline void check_message(const std::string& sentence, const std::string& part) {
  INFO("the sentence: " << sentence << "  wanted in it: " << part);
  const bool one_line = sentence.find('\n') == std::string::npos;
  CHECK(one_line);
  const bool found = sentence.find(part) != std::string::npos;
  CHECK(found);
}

}  // namespace ringattn
