#include "reference/files/temporary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "reference/definition/input/bad_input.h"
#include "reference/files/signal_cleanup.h"

namespace ringattn {

namespace fs = std::filesystem;

// Creates the file exclusively (O_EXCL), and tries the next number if the name exists
TemporaryFile::TemporaryFile(const fs::path& directory, const std::string& ending) {
  const fs::path prefix = fs::absolute(directory / (".ringattn-" + std::to_string(getpid()) + "-"));
  SignalCleanup cleanup;
  for (int number = 0;; ++number) {
    const std::string path = prefix.string() + std::to_string(number) + ending;
    const int file = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (file < 0 && errno == EEXIST) continue;
    if (file < 0) throw std::system_error(errno, std::generic_category());
    close(file);
    cleanup.add_file(path.c_str());
    path_ = path;
    return;
  }
}

TemporaryFile::~TemporaryFile() {
  if (path_.empty()) return;
  SignalCleanup cleanup;
  unlink(path_.c_str());
  cleanup.remove_file(path_.c_str());
}

void TemporaryFile::rename_to(const fs::path& target) {
  SignalCleanup cleanup;
  fs::rename(path_, target);
  cleanup.remove_file(path_.c_str());
  path_.clear();
}

TemporaryFile make_temporary_file(const std::string& ending) {
  try {
    return TemporaryFile(fs::temp_directory_path(), ending);
  } catch (const std::system_error& failure) {
    throw BadInput("[temporary file] the folder of temporary files must be writable; found " +
                   failure.code().message() + "; set TMPDIR to another folder");
  }
}

}  // namespace ringattn
