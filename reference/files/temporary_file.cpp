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

// The temporary files that exist now, kept where a signal handler may look: no lock, no allocation
enum class SlotState { free, filling, live };
struct Slot {
  std::atomic<SlotState> state = SlotState::free;
  char path[PATH_MAX];
};
std::array<Slot, 32> slots;
static_assert(std::atomic<SlotState>::is_always_lock_free);

extern "C" void remove_temporaries_and_die(int signal_number) {
  for (const Slot& slot : slots)
    if (slot.state == SlotState::live) unlink(slot.path);
  raise(signal_number);  // SA_RESETHAND has restored the default action, which ends the program
}

// Leaves alone the signals that somebody handles or ignores already
void watch_signals() {
  for (const int signal_number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ}) {
    struct sigaction current = {};
    sigaction(signal_number, nullptr, &current);
    if (current.sa_handler != SIG_DFL) continue;
    struct sigaction ours = {};
    ours.sa_handler = remove_temporaries_and_die;
    ours.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal_number, &ours, nullptr);
  }
}

void enter(const fs::path& path) {
  for (Slot& slot : slots) {
    SlotState expected = SlotState::free;
    if (!slot.state.compare_exchange_strong(expected, SlotState::filling)) continue;
    std::strncpy(slot.path, path.c_str(), sizeof slot.path - 1);
    slot.state = SlotState::live;
    return;
  }
}

void leave(const fs::path& path) {
  for (Slot& slot : slots)
    if (slot.state == SlotState::live && path == slot.path) slot.state = SlotState::free;
}

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
  watch_signals();
  path_ = create_in(directory, ending);
  enter(path_);
}

TemporaryFile::~TemporaryFile() {
  if (path_.empty()) return;
  unlink(path_.c_str());
  leave(path_);
}

void TemporaryFile::rename_to(const fs::path& target) {
  fs::rename(path_, target);
  leave(path_);
  path_.clear();
}

}  // namespace ringattn
