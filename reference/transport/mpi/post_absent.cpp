#include "reference/definition/bad_input.h"
#include "reference/transport/mpi/post.h"

namespace ringattn {

class Post::Office {};

Post::Post(std::chrono::milliseconds) {
  throw BadInput(
      "[--transport] a ring of processes needs MPI; found a program built without it; install Open MPI "
      "(libopenmpi-dev and openmpi-bin on Debian) and build it again, or start one process without mpi");
}
Post::~Post() = default;

// No post is ever made
int Post::rank() const { return 0; }
int Post::ranks() const { return 1; }
int Post::rank_on_machine() const { return 0; }
int Post::ranks_on_machine() const { return 1; }
WaitingRoom& Post::room() { std::terminate(); }
void Post::send(int, Topic, Letter) {}
void Post::expect(int, Topic, Mailbox&) {}
void Post::forget(const Mailbox&) {}
std::vector<std::string> Post::gather(std::string) { return {}; }
std::string Post::from_first(std::string text) { return text; }
void Post::finish() {}
void Post::fail(const std::string&) {}
void Post::abandon(int) { std::terminate(); }
std::int64_t Post::common_time(WallClock::time_point) const { return 0; }
WallClock::time_point Post::local_time(std::int64_t) const { return {}; }

}  // namespace ringattn
