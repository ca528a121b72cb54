#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "reference/trace/event.h"

namespace ringattn::cli {

// A progress line on standard error; only on a terminal, and erased at the end.
class ProgressBar {
 public:
  // _total_ steps of work; _unit_: their name in the plural
  ProgressBar(std::int64_t total, std::string unit);
  ~ProgressBar() { clear(); }

  // One more step is done; may be called by several threads
  void advance();

  // Erases the line, before other output
  void clear();

 private:
  std::int64_t total_;
  std::string unit_;
  bool terminal_;
  std::atomic<std::int64_t> done_ = 0;
  std::mutex drawing_;
  std::chrono::steady_clock::time_point next_draw_;
  bool drawn_ = false;
};

// A line on standard error that says what a program does; only on a terminal, and erased at the end.
class StageLine {
 public:
  explicit StageLine(std::string program);
  ~StageLine() { clear(); }

  // Replaces the line
  void show(const std::string& stage);

  // Erases the line, before other output
  void clear();

 private:
  std::string program_;
  bool terminal_, drawn_ = false;
};

// The progress of a ring, in pairs of blocks that its devices process.
class ProgressSink : public TraceSink {
 public:
  explicit ProgressSink(std::int64_t pairs) : line_(pairs, "pairs of blocks") {}

  void write(const Event& event) override {
    if (event.kind == EventKind::compute && event.phase == EventPhase::end) line_.advance();
  }
  void clear() { line_.clear(); }

 private:
  ProgressBar line_;
};

}  // namespace ringattn::cli
