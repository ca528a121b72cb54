#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

#include "reference/trace/event.h"

namespace ringattn::cli {

// One line on standard error that says how far a long run is; only on a terminal, and gone when the run is
// over.
class Progress : public TraceSink {
 public:
  // _blocks_: pairs of blocks that the run consists of
  explicit Progress(std::int64_t blocks);
  ~Progress() override;

  void take(const Event& event) override;

 private:
  std::int64_t blocks_;
  bool terminal_;
  std::atomic<std::int64_t> done_ = 0;
  std::mutex drawing_;
  std::chrono::steady_clock::time_point next_draw_;
  bool drawn_ = false;
};

}  // namespace ringattn::cli
