#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Where a byte of a text stands.
struct SourceLocation {
  std::string file;
  Index line = 1;    // counted from 1
  Index column = 1;  // in bytes, counted from 1
  bool operator==(const SourceLocation&) const = default;
};

// Texts one after the other, byte by byte as they are, which remembers where each byte comes from.
class Text {
 public:
  // Throws BadInput where there are no bytes
  void append(std::string file, std::string_view bytes);

  const std::string& bytes() const { return bytes_; }

  // Where the byte _offset_ stands; throws BadInput behind the last
  SourceLocation location(std::size_t offset) const;

 private:
  struct Part {
    std::string file;
    std::size_t first_line;  // index into line_begins_
  };

  std::string bytes_;
  std::vector<Part> parts_;
  std::vector<std::size_t> line_begins_;  // offsets, ascending; a line ends with its '\n' or with its file
};

// The files in that order; throws BadInput where one is missing, empty or no regular file
Text read_text(const std::vector<std::filesystem::path>& paths);

}  // namespace ringattn
