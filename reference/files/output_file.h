#pragma once

#include <filesystem>
#include <fstream>
#include <optional>

#include "reference/files/temporary_file.h"

namespace ringattn {

// A file that is written completely or not at all. The stream writes to a temporary file in the same directory, which
// commit() renames to the target. Until then, and after any failure, the target is unchanged.
// Construct it before long computations: a path that cannot be written is reported at once.
// A symbolic link is kept: the file to which it points is replaced or created. Devices and pipes are written directly.
class OutputFile {
 public:
  // Throws BadInput if the path cannot be written, or names the file to which standard output is redirected: a report
  // that is printed there would be lost
  explicit OutputFile(const std::filesystem::path& path);

  std::ostream& stream() { return stream_; }

  // Completes the file. Throws BadInput if not all of it could be written
  void commit();

 private:
  std::filesystem::path target_;
  std::optional<TemporaryFile> temporary_;
  std::ofstream stream_;
};

// The file that an OutputFile with this path writes: the target of a symbolic link, even if it does not exist yet
std::filesystem::path resolve_links(std::filesystem::path path);

}  // namespace ringattn
