#include "reference/cli/bench/modelled_efficiency.h"

#include <ctime>

#include <algorithm>
#include <limits>

namespace ringattn::cli {

namespace {

double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Records the thread CPU time of each block; a device calls its sink on its own thread
class BlockTimes : public TraceSink {
 public:
  explicit BlockTimes(int devices)
      : seconds(Matrix<double>::Constant(devices, devices, std::numeric_limits<double>::infinity())) {}

  void write(const Event& event) override {
    if (event.kind != EventKind::compute) return;
    if (event.phase == EventPhase::begin) {
      began_ = thread_cpu_seconds();
      return;
    }
    double& smallest = seconds(event.id.device, event.step);
    smallest = std::min(smallest, thread_cpu_seconds() - began_);
  }

  Matrix<double> seconds;  // (device, step)

 private:
  double began_ = 0;
};

}  // namespace

double modelled_efficiency(const Problem<float>& problem, Layout layout, int devices, int passes) {
  BlockTimes times(devices);
  RingOptions ring;
  ring.devices = devices, ring.layout = layout, ring.threads = 1;
  for (int pass = 0; pass < passes; ++pass) {
    Recorders recorders = make_recorders(times, devices, {});
    ring.recorders = &recorders;
    ring_attention(problem, ring);
  }
  return times.seconds.sum() / devices / times.seconds.colwise().maxCoeff().sum();
}

}  // namespace ringattn::cli
