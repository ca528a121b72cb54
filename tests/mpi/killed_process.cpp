// A process of a ring, forward and backward, of which one is killed on the way:
//   killed_process RANK PASS STEP PATIENCE_MS
// The one of that rank kills itself in that pass (0 or 1) when it would send in that step; it says when, in
// milliseconds of the machine's clock. All others say what they learn, and when.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "reference/transport/mpi/mpi_transport.h"
#include "reference/transport/ring_attention.h"
#include "tests/random_problem.h"

using namespace ringattn;

namespace {

long long milliseconds_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(WallClock::now().time_since_epoch()).count();
}

void say(int rank, const std::string& what) {
  std::printf("%lld process %d: %s\n", milliseconds_now(), rank, what.c_str());
  std::fflush(stdout);
}

// Dies when it is to reserve room for the block of a step, in the pass for which it is there
class Mortal : public Link<double> {
 public:
  Mortal(Link<double>& inner, int dies_at) : inner_(inner), dies_at_(dies_at) {}

  double reserve(int device, Lane lane) override {
    if (reserves_++ == dies_at_) {
      say(device, "killed");
      std::raise(SIGKILL);
    }
    return inner_.reserve(device, lane);
  }
  void send(int device, Lane lane, const Message<double>& message) override {
    inner_.send(device, lane, message);
  }
  void receive(int device, Lane lane, Message<double>& held, double now) override {
    inner_.receive(device, lane, held, now);
  }

 private:
  Link<double>& inner_;
  int dies_at_, reserves_ = 0;
};

}  // namespace

int main(int, char** argv) {
  const int victim = std::atoi(argv[1]), pass = std::atoi(argv[2]), step = std::atoi(argv[3]);
  Post post(std::chrono::milliseconds(std::atoi(argv[4])));
  Random random(1);
  const RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 37, .Skv = 41, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3});
  RingOptions options;
  options.devices = post.ranks();
  int passes = 0;
  MpiTransport<double> ring(post, options, [&](Link<double>& inner, WaitingRoom&) {
    const bool dies = post.rank() == victim && passes++ == pass;
    // K and V go ahead; in the backward dK and dV follow them
    return std::make_unique<Mortal>(inner, dies ? step * (pass + 1) : -1);
  });
  try {
    const Attended<double> forward = ring_attention(drawn.problem(), options, ring);
    ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), options, ring);
    post.finish();
    say(post.rank(), "finished");
    return 0;
  } catch (const std::exception& error) {
    say(post.rank(), error.what());
    post.abandon(2);
  }
}
