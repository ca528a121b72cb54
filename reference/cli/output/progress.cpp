#include "reference/cli/output/progress.h"

#include <unistd.h>

#include <cstdio>

namespace ringattn::cli {

ProgressBar::ProgressBar(std::int64_t total, std::string unit)
    : total_(total),
      unit_(std::move(unit)),
      terminal_(isatty(STDERR_FILENO) == 1),
      next_draw_(std::chrono::steady_clock::now() + std::chrono::milliseconds(500)) {}

void ProgressBar::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void ProgressBar::advance() {
  if (!terminal_) return;
  const std::int64_t done = ++done_;
  const std::unique_lock<std::mutex> mine(drawing_, std::try_to_lock);
  const auto now = std::chrono::steady_clock::now();
  if (!mine || now < next_draw_) return;
  std::fprintf(stderr, "\r%3lld %%  %lld of %lld %s", static_cast<long long>(100 * done / total_),
               static_cast<long long>(done), static_cast<long long>(total_), unit_.c_str());
  std::fflush(stderr);
  drawn_ = true;
  next_draw_ = now + std::chrono::milliseconds(100);
}

StageLine::StageLine(std::string program)
    : program_(std::move(program)), terminal_(isatty(STDERR_FILENO) == 1) {}

void StageLine::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void StageLine::show(const std::string& stage) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[K%s: %s ...", program_.c_str(), stage.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace ringattn::cli
