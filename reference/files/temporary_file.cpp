#include "reference/files/temporary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <system_error>

namespace ringattn {

namespace fs = std::filesystem;

namespace {

// The existing temporary files, in a table that a signal handler may read: no locks, no allocation
enum class EntryState { free, filling, live };
struct Entry {
  std::atomic<EntryState> state = EntryState::free;
  char path[PATH_MAX];
};
std::array<Entry, 32> registry;
static_assert(std::atomic<EntryState>::is_always_lock_free);

extern "C" void remove_files_and_reraise(int signal_number) {
  for (const Entry& entry : registry)
    if (entry.state == EntryState::live) unlink(entry.path);
  raise(signal_number);  // SA_RESETHAND has restored the default action: terminate
}

// Keeps the handlers of signals that are already handled or ignored
void install_signal_handlers() {
  for (const int signal_number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ}) {
    struct sigaction current = {};
    sigaction(signal_number, nullptr, &current);
    if (current.sa_handler != SIG_DFL) continue;
    struct sigaction ours = {};
    ours.sa_handler = remove_files_and_reraise;
    ours.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal_number, &ours, nullptr);
  }
}

// Adds a path to the table; if the table is full, a signal leaves the file behind
void register_path(const fs::path& path) {
  for (Entry& entry : registry) {
    EntryState expected = EntryState::free;
    if (!entry.state.compare_exchange_strong(expected, EntryState::filling)) continue;
    std::strncpy(entry.path, path.c_str(), sizeof entry.path - 1);
    entry.state = EntryState::live;
    return;
  }
}

void unregister_path(const fs::path& path) {
  for (Entry& entry : registry)
    if (entry.state == EntryState::live && path == entry.path) entry.state = EntryState::free;
}

// Creates a file exclusively (O_EXCL), and tries the next number if the name exists
fs::path create_in(const fs::path& directory, const std::string& ending) {
  for (int attempt = 0;; ++attempt) {
    const std::string name = ".ringattn-" + std::to_string(getpid()) + "-" + std::to_string(attempt) + ending;
    fs::path path = fs::absolute(directory / name);
    const int file = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (file >= 0) {
      close(file);
      return path;
    }
    if (errno != EEXIST) throw std::system_error(errno, std::generic_category());
  }
}

}  // namespace

TemporaryFile::TemporaryFile(const fs::path& directory, const std::string& ending) {
  install_signal_handlers();
  path_ = create_in(directory, ending);
  register_path(path_);
}

TemporaryFile::~TemporaryFile() {
  if (path_.empty()) return;
  unlink(path_.c_str());
  unregister_path(path_);
}

void TemporaryFile::rename_to(const fs::path& target) {
  fs::rename(path_, target);
  unregister_path(path_);
  path_.clear();
}

}  // namespace ringattn
