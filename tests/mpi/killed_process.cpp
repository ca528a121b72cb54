// A program that runs a ring of processes, forward and backward, in which one process dies or fails:
//
//   killed_process RANK PASS STEP TIMEOUT_MS [fails]
//
// Process RANK kills itself in pass PASS (0: forward, 1: backward) when it is about to send its block in step STEP;
// with `fails` it throws instead. Each process prints a line when it is killed, fails or finishes, preceded by the time
// of the steady clock in milliseconds.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/comm/mpi/mpi_transport.h"
#include "reference/ring/ring_attention.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

long long milliseconds_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(WallClock::now().time_since_epoch()).count();
}

void log_line(int rank, const std::string& what) {
  std::printf("%lld process %d: %s\n", milliseconds_now(), rank, what.c_str());
  std::fflush(stdout);
}

// Kills the process, or throws if _fails_, at call number _fails_at_ of reserve(); -1: never.
class FailingLink : public ForwardingLink<double> {
 public:
  FailingLink(Link<double>& inner, int fails_at, bool fails)
      : ForwardingLink(inner), fails_at_(fails_at), fails_(fails) {}

  double reserve(int device, int to, Channel channel) override {
    if (reserves_++ == fails_at_) {
      log_line(device, "killed");
      if (fails_) throw std::runtime_error("its disk is full");
      std::raise(SIGKILL);
    }
    return ForwardingLink::reserve(device, to, channel);
  }

 private:
  int fails_at_, reserves_ = 0;
  bool fails_;
};

}  // namespace

int main(int argc, char** argv) {
  const int victim = std::atoi(argv[1]), pass = std::atoi(argv[2]), step = std::atoi(argv[3]);
  MpiCommunicator mpi(std::chrono::milliseconds(std::atoi(argv[4])));
  Random random(1);
  const RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 37, .Skv = 41, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3});
  RingOptions options;
  options.devices = mpi.ranks();
  int passes = 0;
  MpiTransport<double> ring(mpi, options.devices, [&](Link<double>& inner, RunMonitor&) {
    const bool dies = mpi.rank() == victim && passes++ == pass;
    // The forward reserves once per step, for K V; the backward twice, for K V and dK dV
    return std::make_unique<FailingLink>(inner, dies ? step * (pass + 1) : -1, argc > 5);
  });
  try {
    const AttentionOutput<double> forward = ring_attention(drawn.problem(), options, ring);
    ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), options, ring);
    mpi.finish();
    log_line(mpi.rank(), "finished");
    return 0;
  } catch (const std::exception& error) {
    mpi.fail(error.what());
    log_line(mpi.rank(), error.what());
    mpi.abort(2);
  }
}
