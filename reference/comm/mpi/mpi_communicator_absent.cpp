// Replaces mpi_communicator.cpp and progress_thread.cpp in a build without MPI: the constructor throws.

#include "reference/comm/mpi/mpi_communicator.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

class MpiCommunicator::ProgressThread {};

MpiCommunicator::MpiCommunicator(std::chrono::milliseconds) {
  throw BadInput(
      "[--transport] a ring of processes requires MPI; this program was built without it; install Open MPI "
      "(libopenmpi-dev and openmpi-bin on Debian) and build again, or run a single process without mpi");
}
MpiCommunicator::~MpiCommunicator() = default;

// Never called, since no communicator exists
int MpiCommunicator::rank() const { return 0; }
int MpiCommunicator::ranks() const { return 1; }
int MpiCommunicator::local_rank() const { return 0; }
int MpiCommunicator::local_ranks() const { return 1; }
RunMonitor& MpiCommunicator::monitor() { std::terminate(); }
void MpiCommunicator::send(int, MessageTag, Packet) {}
void MpiCommunicator::post_receive(int, MessageTag, ReceiveHandler&) {}
void MpiCommunicator::cancel(const ReceiveHandler&) {}
std::vector<std::string> MpiCommunicator::gather(std::string) { return {}; }
std::string MpiCommunicator::broadcast(std::string text) { return text; }
void MpiCommunicator::finish() {}
void MpiCommunicator::fail(const std::string&) {}
void MpiCommunicator::abort(int) { std::terminate(); }
std::int64_t MpiCommunicator::synchronized_time(WallClock::time_point) const { return 0; }
WallClock::time_point MpiCommunicator::local_time(std::int64_t) const { return {}; }

}  // namespace ringattn
