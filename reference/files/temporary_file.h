#pragma once

#include <filesystem>
#include <string>

namespace ringattn {

// A new, empty file that does not outlive this object, unless it is renamed. Signals that end the program
// (Ctrl-C, a closed pipe, ...) remove it too, if nobody else handles them.
class TemporaryFile {
 public:
  // In _directory_, under a name of its own that ends in _ending_. Throws std::system_error where none can be
  // created there
  explicit TemporaryFile(const std::filesystem::path& directory, const std::string& ending = ".part");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Takes the place of _target_ in one step. Throws std::system_error where it cannot
  void rename_to(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
};

}  // namespace ringattn
