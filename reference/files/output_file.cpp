#include "reference/files/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_write_error(const fs::path& target, const std::string& found) {
  throw BadInput("[output] the output file must be writable; " + in_quotes(target.string()) + ": " + found +
                 "; choose another path");
}

// Whether standard output is redirected to this file
bool is_standard_output(const fs::path& path) {
  struct stat file, standard_output;
  return stat(path.c_str(), &file) == 0 && fstat(STDOUT_FILENO, &standard_output) == 0 &&
         file.st_dev == standard_output.st_dev && file.st_ino == standard_output.st_ino;
}

}  // namespace

fs::path resolve_links(fs::path path) {
  constexpr int most_links = 40;  // of one path, as in Linux
  std::error_code error;
  for (int links = 0; links < most_links && fs::is_symlink(path, error); ++links)
    path = path.parent_path() / fs::read_symlink(path, error);
  return path;
}

OutputFile::OutputFile(const fs::path& path) : target_(path) {
  std::error_code error;
  const fs::file_status before = fs::status(path, error);
  if (path.empty()) throw_write_error(path, "the path is empty");
  if (error && error != std::errc::no_such_file_or_directory) throw_write_error(path, error.message());
  if (path == "-") throw_write_error(path, "only reports can be written to standard output");
  if (fs::is_directory(before)) throw_write_error(path, "this is a directory");
  if (fs::exists(before) && access(path.c_str(), W_OK) != 0) throw_write_error(path, "it is write-protected");

  // Devices and pipes are opened directly, all other targets through a temporary file
  if (fs::exists(before) && !fs::is_regular_file(before)) {
    stream_.open(path, std::ios::binary);
  } else {
    if (is_standard_output(path)) throw_write_error(path, "standard output is redirected to it");
    target_ = resolve_links(path);
    try {
      temporary_.emplace(target_.parent_path(), ".part");
    } catch (const std::system_error& failure) {
      throw_write_error(path, failure.code().message());
    }
    if (fs::exists(before)) fs::permissions(temporary_->path(), before.permissions(), error);
    // Opens the file, never creates it: a signal may have removed it by now
    stream_.open(temporary_->path(), std::ios::in | std::ios::out | std::ios::binary);
  }
  if (!stream_.is_open()) throw_write_error(path, "it cannot be opened");
}

void OutputFile::commit() {
  stream_.close();
  if (stream_.fail()) throw_write_error(target_, "not all of it could be written, the disk may be full");
  try {
    if (temporary_) temporary_->rename_to(target_);
  } catch (const std::system_error& failure) {
    throw_write_error(target_, failure.code().message());
  }
}

}  // namespace ringattn
