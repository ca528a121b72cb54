#include "reference/files/signal_cleanup.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace ringattn {

namespace {

// A handler may not allocate, so the tables have a fixed size. Empty path, process 0: a free entry
struct Path {
  char text[PATH_MAX];
};
std::array<Path, 32> files;
std::array<pid_t, 32> processes;

// A handler may not wait for a mutex. The holder blocks signals, so the handler runs on another thread than the holder
std::atomic_flag locked;
static_assert(std::atomic<bool>::is_always_lock_free);

void lock() {
  while (locked.test_and_set(std::memory_order_acquire)) poll(nullptr, 0, 1);
}

// Keeps the lock, so that no thread creates or renames a file any more
void clean_up() {
  lock();
  for (const pid_t process : processes)
    if (process != 0 && kill(-process, SIGKILL) == 0) waitpid(process, nullptr, 0);
  for (const Path& file : files)
    if (file.text[0] != '\0') unlink(file.text);
}

extern "C" void clean_up_and_reraise(int signal_number) {
  clean_up();
  signal(signal_number, SIG_DFL);
  raise(signal_number);  // delivered when this handler returns
}

// Keeps the handlers of signals that are already handled or ignored
void install_signal_handlers() {
  for (const int signal_number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ}) {
    struct sigaction current = {};
    sigaction(signal_number, nullptr, &current);
    if (current.sa_handler != SIG_DFL) continue;
    struct sigaction ours = {};
    ours.sa_handler = clean_up_and_reraise;
    sigfillset(&ours.sa_mask);
    sigaction(signal_number, &ours, nullptr);
  }
}

}  // namespace

SignalCleanup::SignalCleanup() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask_);
  lock();
  install_signal_handlers();  // under the lock, so never between signal() and raise() of a handler
}

SignalCleanup::~SignalCleanup() {
  locked.clear(std::memory_order_release);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

void SignalCleanup::add_file(const char* path) {
  const auto free = std::find_if(files.begin(), files.end(), [](const Path& file) { return !*file.text; });
  const std::size_t bytes = std::strlen(path) + 1;
  if (free != files.end() && bytes <= sizeof free->text) std::copy_n(path, bytes, free->text);
}

void SignalCleanup::remove_file(const char* path) {
  for (Path& file : files)
    if (std::strcmp(file.text, path) == 0) file.text[0] = '\0';
}

void SignalCleanup::add_process(pid_t process) {
  const auto free = std::find(processes.begin(), processes.end(), 0);
  if (free != processes.end()) *free = process;
}

void SignalCleanup::remove_process(pid_t process) {
  std::replace(processes.begin(), processes.end(), process, 0);
}

void exit_after_cleanup(int status) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  clean_up();
  std::_Exit(status);
}

}  // namespace ringattn
