#pragma once

#include <filesystem>
#include <fstream>
#include <optional>

#include "reference/files/temporary_file.h"

namespace ringattn {

// A file that is written completely or not at all. The stream writes to a temporary file in the same directory, which
// commit() renames to the target. Until then, and after any failure, the target is unchanged.
// Construct it before long computations: a path that cannot be written is reported at once.
// Devices and pipes are written directly.
class OutputFile {
 public:
  // Throws BadInput if the path cannot be written
  explicit OutputFile(const std::filesystem::path& path);

  std::ostream& stream() { return stream_; }

  // Completes the file. Throws BadInput if not all of it could be written
  void commit();

 private:
  std::filesystem::path target_;
  std::optional<TemporaryFile> temporary_;
  std::ofstream stream_;
};

}  // namespace ringattn
