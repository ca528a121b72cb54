// A process of a ring, forward and backward, of which one is killed on the way, or fails:
//   killed_process RANK PASS STEP TIMEOUT_MS [fails]
// The one of that rank kills itself in that pass (0 or 1) when it would send in that step; it says when, in
// milliseconds of the machine's clock. All others say what they learn, and when.

#include <csignal>
#include <cstdio>
#include <cstdlib>

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

// Dies when it is to reserve room for the block of a step, in the pass for which it is there
class FailingLink : public Link<double> {
 public:
  FailingLink(Link<double>& inner, int fails_at, bool fails) : inner_(inner), fails_at_(fails_at), fails_(fails) {}

  double reserve(int device, Channel channel) override {
    if (reserves_++ == fails_at_) {
      log_line(device, "killed");
      if (fails_) throw std::runtime_error("its disk is full");
      std::raise(SIGKILL);
    }
    return inner_.reserve(device, channel);
  }
  void send(int device, Channel channel, const Message<double>& message) override {
    inner_.send(device, channel, message);
  }
  void receive(int device, Channel channel, Message<double>& held, double now) override {
    inner_.receive(device, channel, held, now);
  }

 private:
  Link<double>& inner_;
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
    // K and V go ahead; in the backward dK and dV follow them
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
