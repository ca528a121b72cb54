#pragma once

#include <filesystem>
#include <fstream>
#include <optional>

#include "reference/files/temporary_file.h"

namespace ringattn {

// A file that is written whole or not at all: what is streamed here goes to a temporary file beside the
// target, which takes its name at the end. Until then, and after any failure, the target is what it was.
// Construct it before long work: a path that cannot be written is found out at once. Devices and pipes are
// written directly.
class OutputFile {
 public:
  // Throws BadInput where the path cannot be written
  explicit OutputFile(const std::filesystem::path& path);

  std::ostream& stream() { return stream_; }

  // The file is complete. Throws BadInput where not all of it could be written
  void commit();

 private:
  std::filesystem::path target_;
  std::optional<TemporaryFile> temporary_;
  std::ofstream stream_;
};

}  // namespace ringattn
