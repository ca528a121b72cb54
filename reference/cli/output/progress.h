#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "reference/trace/event.h"

namespace ringattn::cli {

// One line on standard error that says how far long work is; only on a terminal, and gone when it is over.
class ProgressBar {
 public:
  // _total_ pieces of work, _unit_ in the plural
  ProgressBar(std::int64_t total, std::string unit);
  ~ProgressBar() { clear(); }

  // One more piece is done; may be called by several threads
  void advance();

  // Makes room for other output
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

// The same for a run: its pieces are the pairs of blocks that its devices attend to.
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
