// The progress thread
//
// One thread of each process makes all MPI calls. There are three reasons:
//
//   progress    Most MPI libraries move large messages only inside MPI calls. A device that computes for a second makes
//               none; the progress thread polls all the time, so transfers overlap with the arithmetic.
//   failures    A blocking MPI_Recv may wait forever if its sender is dead. The progress thread only tests for
//               completion, so it can notice a dead peer and end the wait of the device with an error.
//   threading   MPI_THREAD_FUNNELED is enough, which every MPI library supports.
//
// The other threads put requests into queues under mutex_. The thread works through them in a loop:
//
//     other threads                          progress thread, poll()                   peers
//
//     fail         --> queued_failures_  --> poll_failures        MPI_Isend       -->  all ranks
//                                            exchange_heartbeats  MPI_Send        -->  next rank
//     send         --> queued_sends_     --> start_sends          MPI_Isend       -->  rank _to_
//                                            complete_sends       MPI_Testall
//     post_receive --> posted_receives_  --> start_receives       MPI_Irecv       <--  rank _from_
//     wait ends    <-- on_received       <-- complete_receives    MPI_Testall
//                                            sleep for 100 us if nothing has progressed
//
// Packets. A header message announces the sizes, so that the handler can provide memory of the right size before the
// payload is received. Header and payload of each MessageTag have their own MPI tags, and MPI keeps the order of
// messages with the same source and tag.
//
// Heartbeats. Each process sends an empty message to the next rank every timeout / 10. If the previous rank sends none
// for longer than the timeout, it is considered dead. A process that was itself suspended, for example by Ctrl-Z, could
// not receive heartbeats, so it starts to count again when it resumes.
//
// Start and end. MPI_Init, the agreement on a clock and MPI_Finalize wait for all processes, without heartbeats. If they
// take longer than three timeouts, the thread that made the ProgressThread ends the process.
//
// Failures. The first process that knows of a failure, its own or that of a dead peer, broadcasts one sentence:
//
//     rank 1              dies
//     rank 2              receives no heartbeat for the timeout, and sends the sentence to ranks 0, 3, 4, ...
//     every rank but 1    stops all messages; RunMonitor::fail ends all waits with the sentence
//                         the device thread catches the error, prints it and calls abort(status)
//     1 s later           MPI_Abort ends all processes
//
// The second before MPI_Abort gives the peers time to receive and print the sentence before they are ended. After a
// failure the thread keeps polling, only for failures and for the abort. If an MPI call itself fails, no broadcast is
// possible: the thread records the error and waits for abort.

#include "reference/comm/mpi/progress_thread.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "reference/comm/neighbours.h"

namespace ringattn {

namespace {

// MPI tags: two for each kind of packet, then those of the progress threads among themselves
int header_tag(MessageTag tag) { return 2 * static_cast<int>(tag); }
int payload_tag(MessageTag tag) { return 2 * static_cast<int>(tag) + 1; }
constexpr int heartbeat_tag = 100, failure_tag = 101, clock_tag = 102;
constexpr std::size_t max_message_bytes = 1u << 30;      // MPI counts in int: larger regions are split
constexpr std::chrono::microseconds poll_interval(100);  // sleep of the loop if nothing has progressed

// Throws if an MPI call has failed
void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error("[mpi] " + std::string(call) +
                           " failed: " + std::string(text, static_cast<std::size_t>(length)) +
                           "; look for a process that has ended");
}
#define CHECK_MPI(call, ...) check(call(__VA_ARGS__), #call)

// Ends this process: it cannot leave a call of MPI in which it waits for others. The launcher then ends them, too
[[noreturn]] void end_process(const std::string& sentence) {
  std::fflush(stdout);
  std::fprintf(stderr, "ringattn: %s\n", sentence.c_str());
  std::_Exit(2);
}

// Whether all requests have completed
bool test_all(std::vector<MPI_Request>& requests) {
  int done = 0;
  CHECK_MPI(MPI_Testall, static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
  return done != 0;
}

// Whether a message can be received; _status_ then holds its source and size
bool message_available(int from, int tag, MPI_Status& status) {
  int available = 0;
  CHECK_MPI(MPI_Iprobe, from, tag, MPI_COMM_WORLD, &available, &status);
  return available != 0;
}

// Calls f(first byte, bytes) for consecutive parts of a region, each small enough for one MPI message
template <class Byte, class F>
void for_chunks(std::span<Byte> region, F f) {
  for (std::size_t begin = 0; begin < region.size(); begin += max_message_bytes)
    f(region.data() + begin, static_cast<int>(std::min(max_message_bytes, region.size() - begin)));
}

}  // namespace

// ---- Requests from other threads ----------------------------------------------------

MpiCommunicator::ProgressThread::ProgressThread(std::chrono::milliseconds timeout)
    : timeout_(timeout), thread_([this] { run(); }) {
  // Return when MPI is initialized: rank, ranks and monitor are valid from then on
  wait_until_past(State::starting, "start");
}

MpiCommunicator::ProgressThread::~ProgressThread() {
  wait_until_past(State::finished, "end");
  thread_.join();
}

void MpiCommunicator::ProgressThread::wait_until_past(State state, const char* what) {
  // Count the sleeps: while this process is suspended, for example by Ctrl-Z, no time passes
  constexpr std::chrono::milliseconds pause(5);
  const auto limit = 3 * timeout_;
  for (auto waited = 0 * pause; state_ <= state; waited += pause) {
    if (waited > limit)
      end_process("[mpi] all processes must " + std::string(what) + " within " +
                  std::to_string(limit.count() / 1000) +
                  " s; found one that did not; look for one that is suspended or lacks --transport mpi");
    std::this_thread::sleep_for(pause);
  }
}

void MpiCommunicator::ProgressThread::send(int to, MessageTag tag, Packet packet) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queued_sends_.push_back({to, tag, std::move(packet), {}});
}

void MpiCommunicator::ProgressThread::post_receive(int from, MessageTag tag, ReceiveHandler& handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  posted_receives_.push_back({from, tag, &handler, {}, {}});
}

void MpiCommunicator::ProgressThread::cancel(const ReceiveHandler& handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  posted_receives_.remove_if([&](const PendingReceive& one) { return one.handler == &handler; });
  for (PendingReceive& one : active_receives_)
    if (one.handler == &handler) one.handler = nullptr;
}

void MpiCommunicator::ProgressThread::fail(const std::string& sentence) {
  if (failed_) return;  // the first failure was broadcast already
  const std::lock_guard<std::mutex> lock(mutex_);
  queued_failures_.push_back(sentence);
}

void MpiCommunicator::ProgressThread::finish() { state_ = State::finishing; }

void MpiCommunicator::ProgressThread::abort(int status) {
  abort_at_ = WallClock::now() + std::chrono::seconds(1);  // give peers 1 s to report before aborting
  abort_status_ = status;
}

// ---- The loop -----------------------------------------------------------------------

void MpiCommunicator::ProgressThread::run() {
  try {
    initialize();
    state_ = State::running;
    while (state_ != State::finished) poll();
    CHECK_MPI(MPI_Finalize);
  } catch (const std::exception& error) {
    // An MPI call failed: end the waits of the device, and wait until it calls abort
    if (state_ == State::starting || state_ == State::finished) end_process(error.what());
    failed_ = true;
    monitor->fail(std::current_exception());
    while (abort_status_ < 0) std::this_thread::sleep_for(poll_interval);
    MPI_Abort(MPI_COMM_WORLD, abort_status_);
  }
  state_ = State::finalized;
}

void MpiCommunicator::ProgressThread::initialize() {
  int provided = 0;
  CHECK_MPI(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  CHECK_MPI(MPI_Comm_set_errhandler, MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  CHECK_MPI(MPI_Comm_rank, MPI_COMM_WORLD, &rank);
  CHECK_MPI(MPI_Comm_size, MPI_COMM_WORLD, &ranks);
  monitor = std::make_unique<RunMonitor>(ranks, 1);
  find_local_rank();
  synchronize_clocks();
  heartbeat_received_ = heartbeat_sent_ = last_poll_ = WallClock::now();
}

void MpiCommunicator::ProgressThread::find_local_rank() {
  MPI_Comm machine;
  CHECK_MPI(MPI_Comm_split_type, MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine);
  CHECK_MPI(MPI_Comm_rank, machine, &local_rank);
  CHECK_MPI(MPI_Comm_size, machine, &local_ranks);
  CHECK_MPI(MPI_Comm_free, &machine);
}

// Estimates the offset of the clock of process 0, as NTP does: each process asks process 0 for its time and assumes
// that request and answer took equally long. The sample with the shortest round trip has the smallest error, half of
// that round trip. An offset within this error is taken as 0, so that processes on one machine keep their common clock
void MpiCommunicator::ProgressThread::synchronize_clocks() {
  constexpr int samples = 8;
  std::int64_t now = 0, remote_start = nanoseconds(WallClock::now().time_since_epoch());
  CHECK_MPI(MPI_Bcast, &remote_start, 1, MPI_INT64_T, 0, MPI_COMM_WORLD);

  // Process 0 answers with its time
  for (int other = 1; other < ranks; ++other)
    for (int n = 0; n < samples && rank == 0; ++n) {
      CHECK_MPI(MPI_Recv, nullptr, 0, MPI_BYTE, other, clock_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      now = nanoseconds(WallClock::now().time_since_epoch());
      CHECK_MPI(MPI_Send, &now, 1, MPI_INT64_T, other, clock_tag, MPI_COMM_WORLD);
    }

  // The other processes ask, and keep the sample with the shortest round trip
  std::int64_t quickest = INT64_MAX;
  for (int n = 0; n < samples && rank > 0; ++n) {
    const std::int64_t asked = nanoseconds(WallClock::now().time_since_epoch());
    CHECK_MPI(MPI_Send, nullptr, 0, MPI_BYTE, 0, clock_tag, MPI_COMM_WORLD);
    CHECK_MPI(MPI_Recv, &now, 1, MPI_INT64_T, 0, clock_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    const std::int64_t answered = nanoseconds(WallClock::now().time_since_epoch()), took = answered - asked;
    if (took >= quickest) continue;
    quickest = took;
    clock_offset = now - (asked + took / 2);
    if (std::abs(clock_offset) <= took / 2) clock_offset = 0;
  }
  run_start = WallClock::time_point(std::chrono::nanoseconds(remote_start - clock_offset));
}

void MpiCommunicator::ProgressThread::poll() {
  poll_failures();
  if (abort_status_ >= 0 && WallClock::now() > abort_at_) MPI_Abort(MPI_COMM_WORLD, abort_status_);

  // After a failure no packets are exchanged any more
  bool busy = false;
  if (!failed_) {
    exchange_heartbeats();
    for (const bool progress : {start_sends(), complete_sends(), start_receives(), complete_receives()})
      busy = busy || progress;
    if (state_ == State::finishing) enter_final_barrier();
  }
  if (!busy) std::this_thread::sleep_for(poll_interval);
}

// ---- Packets ------------------------------------------------------------------------

bool MpiCommunicator::ProgressThread::start_sends() {
  std::deque<PendingSend> queued;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queued.swap(queued_sends_);
  }
  for (PendingSend& pending : queued) {
    const Packet& packet = pending.packet;
    std::vector<MPI_Request>& requests = pending.requests;
    CHECK_MPI(MPI_Isend, packet.header.data(), static_cast<int>(packet.header.size()), MPI_INT64_T,
              pending.to, header_tag(pending.tag), MPI_COMM_WORLD, &requests.emplace_back());
    for (const std::span<const std::byte> region : packet.payload)
      for_chunks(region, [&](const std::byte* part, int bytes) {
        CHECK_MPI(MPI_Isend, part, bytes, MPI_BYTE, pending.to, payload_tag(pending.tag), MPI_COMM_WORLD,
                  &requests.emplace_back());
      });
    active_sends_.push_back(std::move(pending));
  }
  return !queued.empty();
}

bool MpiCommunicator::ProgressThread::complete_sends() {
  return std::erase_if(active_sends_, [](PendingSend& pending) { return test_all(pending.requests); }) > 0;
}

bool MpiCommunicator::ProgressThread::start_receives() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::size_t before = active_receives_.size();
  for (auto next = posted_receives_.begin(); next != posted_receives_.end();) {
    const auto pending = next++;
    MPI_Status status;
    if (!message_available(pending->from, header_tag(pending->tag), status)) continue;
    start_receive(*pending, status);
    active_receives_.splice(active_receives_.end(), posted_receives_, pending);
  }
  return active_receives_.size() > before;
}

void MpiCommunicator::ProgressThread::start_receive(PendingReceive& pending, const MPI_Status& status) {
  // Receive the header, which has arrived
  int count = 0;
  CHECK_MPI(MPI_Get_count, &status, MPI_INT64_T, &count);
  std::vector<std::int64_t> header(static_cast<std::size_t>(count));
  CHECK_MPI(MPI_Recv, header.data(), count, MPI_INT64_T, pending.from, header_tag(pending.tag),
            MPI_COMM_WORLD, MPI_STATUS_IGNORE);

  // Start to receive the payload into the memory of the handler
  pending.target = pending.handler->buffers_for(header);
  for (const std::span<std::byte> region : pending.target.spans)
    for_chunks(region, [&](std::byte* part, int bytes) {
      CHECK_MPI(MPI_Irecv, part, bytes, MPI_BYTE, pending.from, payload_tag(pending.tag), MPI_COMM_WORLD,
                &pending.requests.emplace_back());
    });
}

bool MpiCommunicator::ProgressThread::complete_receives() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::erase_if(active_receives_, [](PendingReceive& pending) {
           if (!test_all(pending.requests)) return false;
           pending.target = {};
           if (pending.handler) pending.handler->on_received();
           return true;
         }) > 0;
}

// ---- Heartbeats and failures --------------------------------------------------------

// Sends a heartbeat to the next rank, and checks those of the previous rank
void MpiCommunicator::ProgressThread::exchange_heartbeats() {
  if (ranks == 1) return;
  const int next = next_device(rank, ranks), previous = previous_device(rank, ranks);

  // Send one every timeout / 10, and receive all that have arrived
  const WallClock::time_point now = WallClock::now();
  if (now - heartbeat_sent_ > timeout_ / 10) {
    heartbeat_sent_ = now;
    CHECK_MPI(MPI_Send, nullptr, 0, MPI_BYTE, next, heartbeat_tag, MPI_COMM_WORLD);
  }
  MPI_Status status;
  while (message_available(previous, heartbeat_tag, status)) {
    CHECK_MPI(MPI_Recv, nullptr, 0, MPI_BYTE, previous, heartbeat_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    heartbeat_received_ = now;
  }

  // If this process itself was suspended, for example by Ctrl-Z, it could not receive: start to count again
  if (now - last_poll_ > timeout_ / 4) heartbeat_received_ = now;
  last_poll_ = now;

  // No heartbeat for too long: the previous rank is dead
  if (now - heartbeat_received_ > timeout_) {
    const double seconds = std::chrono::duration<double>(timeout_).count();
    broadcast_failure("[mpi] process " + std::to_string(previous) + " was lost: it sent no heartbeat for " +
                          std::to_string(seconds).substr(0, 4) +
                          " s; look for its error message, or for the signal that ended it",
                      previous);
  }
}

void MpiCommunicator::ProgressThread::poll_failures() {
  // Failures of this process
  std::deque<std::string> queued;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queued.swap(queued_failures_);
  }
  for (const std::string& sentence : queued) broadcast_failure(sentence, rank);

  // The failure of another process
  MPI_Status status;
  if (!message_available(MPI_ANY_SOURCE, failure_tag, status)) return;
  int length = 0;
  CHECK_MPI(MPI_Get_count, &status, MPI_CHAR, &length);
  std::string sentence(static_cast<std::size_t>(length), ' ');
  CHECK_MPI(MPI_Recv, sentence.data(), length, MPI_CHAR, status.MPI_SOURCE, failure_tag, MPI_COMM_WORLD,
            MPI_STATUS_IGNORE);
  failed_ = true;
  monitor->fail(std::make_exception_ptr(std::runtime_error(sentence)));
}

// Sends the sentence to all other ranks except _except_, which is dead or this rank, and ends all waits of this
// process. Completion is not awaited: a peer may die before it receives
void MpiCommunicator::ProgressThread::broadcast_failure(const std::string& sentence, int except) {
  failed_ = true;
  sent_failures_.push_back(sentence);
  for (int other = 0; other < ranks; ++other)
    if (other != rank && other != except) {
      MPI_Request request;
      CHECK_MPI(MPI_Isend, sent_failures_.back().data(), static_cast<int>(sent_failures_.back().size()),
                MPI_CHAR, other, failure_tag, MPI_COMM_WORLD, &request);
      CHECK_MPI(MPI_Request_free, &request);
    }
  monitor->fail(std::make_exception_ptr(std::runtime_error(sentence)));
}

void MpiCommunicator::ProgressThread::enter_final_barrier() {
  // When all packets are sent, enter the barrier; when all processes have entered it, MPI can be finalized
  if (!barrier_) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!queued_sends_.empty() || !active_sends_.empty()) return;
    CHECK_MPI(MPI_Ibarrier, MPI_COMM_WORLD, &barrier_.emplace());
  }
  int done = 0;
  CHECK_MPI(MPI_Test, &*barrier_, &done, MPI_STATUS_IGNORE);
  if (!done) return;
  const auto lock = monitor->lock();
  state_ = State::finished;
  monitor->wake_external(lock, rank);
}

}  // namespace ringattn
