#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// The location of a byte in the source files of a text.
struct SourceLocation {
  std::string file;
  Index line = 1;    // counted from 1
  Index column = 1;  // in bytes, counted from 1
  bool operator==(const SourceLocation&) const = default;
};

// The concatenated bytes of several files, with the source location of each byte.
class Text {
 public:
  // Takes the memory of the bytes of all files at once
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }

  // Throws BadInput if there are no bytes
  void append(std::string file, std::string_view bytes);

  const std::string& bytes() const { return bytes_; }

  // The location of the byte at _offset_; throws BadInput if it is out of range
  SourceLocation location(std::size_t offset) const;

 private:
  struct Part {
    std::string file;
    std::size_t first_line;  // index into line_begins_
  };

  std::string bytes_;
  std::vector<Part> parts_;
  std::vector<std::size_t>
      line_begins_;  // byte offsets, ascending; a line ends at '\n' or at the end of its file
};

// Reads the files in that order; throws BadInput if one is missing, empty or not a regular file, or if they do not fit
// into memory
Text read_text(const std::vector<std::filesystem::path>& paths);

}  // namespace ringattn
