#include "reference/cli/progress.h"

#include <unistd.h>

#include <cstdio>

namespace ringattn::cli {

Progress::Progress(std::int64_t blocks)
    : blocks_(blocks),
      terminal_(isatty(STDERR_FILENO) == 1),
      next_draw_(std::chrono::steady_clock::now() + std::chrono::milliseconds(500)) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::take(const Event& event) {
  if (!terminal_ || event.kind != EventKind::compute || event.at != EventAt::end) return;
  const std::int64_t done = ++done_;
  const std::unique_lock<std::mutex> mine(drawing_, std::try_to_lock);
  const auto now = std::chrono::steady_clock::now();
  if (!mine || now < next_draw_) return;
  std::fprintf(stderr, "\r%3lld %%  %lld of %lld pairs of blocks",
               static_cast<long long>(100 * done / blocks_), static_cast<long long>(done),
               static_cast<long long>(blocks_));
  std::fflush(stderr);
  drawn_ = true;
  next_draw_ = now + std::chrono::milliseconds(100);
}

}  // namespace ringattn::cli
