#pragma once

#include <filesystem>
#include <string>

namespace ringattn {

// A new, empty file that is removed by the destructor unless it has been renamed. Signals that terminate the program
// (Ctrl-C, a closed pipe, ...) remove it too, unless the program handles or ignores them.
class TemporaryFile {
 public:
  // Creates a file in _directory_ with a unique name that ends in _ending_. Throws std::system_error on failure
  TemporaryFile(const std::filesystem::path& directory, const std::string& ending);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Replaces _target_ atomically. Throws std::system_error on failure
  void rename_to(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
};

// A temporary file in the folder that the environment variable TMPDIR names, else in /tmp. Throws BadInput if it cannot
// be created
TemporaryFile make_temporary_file(const std::string& ending = "");

}  // namespace ringattn
