#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "reference/trace/event.h"

namespace ringattn::cli {

// One line on standard error that says how far long work is; only on a terminal, and gone when it is over.
class ProgressLine {
 public:
  // _total_ pieces of work, _what_ in the plural
  ProgressLine(std::int64_t total, std::string what);
  ~ProgressLine() { clear(); }

  // One more piece is done; may be called by several threads
  void advance();

  // Makes room for other output
  void clear();

 private:
  std::int64_t total_;
  std::string what_;
  bool terminal_;
  std::atomic<std::int64_t> done_ = 0;
  std::mutex drawing_;
  std::chrono::steady_clock::time_point next_draw_;
  bool drawn_ = false;
};

// The same for a run: its pieces are the pairs of blocks that its devices attend to.
class Progress : public TraceSink {
 public:
  explicit Progress(std::int64_t pairs) : line_(pairs, "pairs of blocks") {}

  void take(const Event& event) override {
    if (event.kind == EventKind::compute && event.at == EventAt::end) line_.advance();
  }
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
};

}  // namespace ringattn::cli
