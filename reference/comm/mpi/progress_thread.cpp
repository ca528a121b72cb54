#include "reference/comm/mpi/progress_thread.h"

#include <algorithm>
#include <cstdlib>

#include "reference/ring/schedule.h"

namespace ringattn {

namespace {

// The tags of letters: their heads and pieces, what neighbours say to show that they live, and failures
int header_tag(MessageTag tag) { return 2 * static_cast<int>(tag); }
int payload_tag(MessageTag tag) { return 2 * static_cast<int>(tag) + 1; }
constexpr int heartbeat_tag = 100, failure_tag = 101, clock_tag = 102;

constexpr std::size_t max_message_bytes = std::size_t{1} << 30;  // at once: MPI counts in int
constexpr std::chrono::microseconds poll_interval(100);           // between looks, when nothing happens

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error("[mpi] " + std::string(call) + " must succeed; it failed: " +
                           std::string(text, static_cast<std::size_t>(length)));
}
#define CHECK_MPI(call, ...) check(call(__VA_ARGS__), #call)

bool test_all(std::vector<MPI_Request>& requests) {
  int done = 0;
  CHECK_MPI(MPI_Testall, static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
  return done != 0;
}

// Whether a message is there that nobody has received yet
bool message_available(int from, int tag, MPI_Status& status) {
  int there = 0;
  CHECK_MPI(MPI_Iprobe, from, tag, MPI_COMM_WORLD, &there, &status);
  return there != 0;
}

// Calls f(first byte, bytes) for the parts of a piece of memory that MPI can send at once
template <class Byte, class F>
void for_chunks(std::span<Byte> piece, F f) {
  for (std::size_t begin = 0; begin < piece.size(); begin += max_message_bytes)
    f(piece.data() + begin, static_cast<int>(std::min(max_message_bytes, piece.size() - begin)));
}

}  // namespace

// ---- For the others --------------------------------------------------------------

MpiCommunicator::ProgressThread::ProgressThread(std::chrono::milliseconds timeout) : timeout_(timeout), thread_([this] { run(); }) {
  while (state_ == State::starting) std::this_thread::sleep_for(poll_interval);
}

MpiCommunicator::ProgressThread::~ProgressThread() { thread_.join(); }

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
  if (failed_) return;  // all know of the first failure, and one sentence is enough
  const std::lock_guard<std::mutex> lock(mutex_);
  queued_failures_.push_back(sentence);
}

void MpiCommunicator::ProgressThread::finish() { state_ = State::finishing; }

void MpiCommunicator::ProgressThread::abort(int status) {
  abort_at_ = WallClock::now() + std::chrono::seconds(1);  // others are to hear of it and have their say
  abort_status_ = status;
}

// ---- The thread ---------------------------------------------------------------------

void MpiCommunicator::ProgressThread::run() {
  try {
    initialize();
    state_ = State::running;
    while (state_ != State::finished) poll();
    CHECK_MPI(MPI_Finalize);
  } catch (...) {
    failed_ = true;
    if (monitor) monitor->fail(std::current_exception());
    if (state_ == State::starting) std::terminate();
    if (state_ == State::finished) return;
    while (abort_status_ < 0) std::this_thread::sleep_for(poll_interval);
    MPI_Abort(MPI_COMM_WORLD, abort_status_);
  }
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

// Each process asks process 0 for the time, some times; the quickest answer is the most exact. Clocks that
// agree as far as that can be told, as those of one machine do, are left alone
void MpiCommunicator::ProgressThread::synchronize_clocks() {
  constexpr int samples = 8;
  std::int64_t now = 0, remote_start = nanoseconds(WallClock::now().time_since_epoch());
  CHECK_MPI(MPI_Bcast, &remote_start, 1, MPI_INT64_T, 0, MPI_COMM_WORLD);
  for (int other = 1; other < ranks; ++other)
    for (int n = 0; n < samples && rank == 0; ++n) {
      CHECK_MPI(MPI_Recv, nullptr, 0, MPI_BYTE, other, clock_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      now = nanoseconds(WallClock::now().time_since_epoch());
      CHECK_MPI(MPI_Send, &now, 1, MPI_INT64_T, other, clock_tag, MPI_COMM_WORLD);
    }
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
  bool busy = false;
  if (!failed_) {
    exchange_heartbeats();
    for (const bool something : {start_sends(), complete_sends(), start_receives(), complete_receives()})
      busy = busy || something;
    if (state_ == State::finishing) enter_final_barrier();
  }
  if (!busy) std::this_thread::sleep_for(poll_interval);
}

// ---- Letters --------------------------------------------------------------------------

bool MpiCommunicator::ProgressThread::start_sends() {
  std::deque<PendingSend> queued;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queued.swap(queued_sends_);
  }
  for (PendingSend& pending : queued) {
    const Packet& packet = pending.packet;
    std::vector<MPI_Request>& requests = pending.requests;
    CHECK_MPI(MPI_Isend, packet.header.data(), static_cast<int>(packet.header.size()), MPI_INT64_T, pending.to,
              header_tag(pending.tag), MPI_COMM_WORLD, &requests.emplace_back());
    for (const std::span<const std::byte> piece : packet.payload)
      for_chunks(piece, [&](const std::byte* part, int bytes) {
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
  int count = 0;
  CHECK_MPI(MPI_Get_count, &status, MPI_INT64_T, &count);
  std::vector<std::int64_t> header(static_cast<std::size_t>(count));
  CHECK_MPI(MPI_Recv, header.data(), count, MPI_INT64_T, pending.from, header_tag(pending.tag), MPI_COMM_WORLD,
            MPI_STATUS_IGNORE);
  pending.target = pending.handler->buffers_for(header);
  for (const std::span<std::byte> piece : pending.target.spans)
    for_chunks(piece, [&](std::byte* part, int bytes) {
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

// ---- Life and death -------------------------------------------------------------------

// Says to the next process that this one lives, and listens for the one before
void MpiCommunicator::ProgressThread::exchange_heartbeats() {
  if (ranks == 1) return;
  const int next = next_device(rank, ranks), previous = previous_device(rank, ranks);
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
  // Who was stopped itself for a while, as by Ctrl-Z, has not listened
  if (now - last_poll_ > timeout_ / 4) heartbeat_received_ = now;
  last_poll_ = now;
  if (now - heartbeat_received_ > timeout_) {
    const double seconds = std::chrono::duration<double>(timeout_).count();
    broadcast_failure("[mpi] process " + std::to_string(previous) + " was lost: nothing has been heard of it for " +
                 std::to_string(seconds).substr(0, 4) + " s",
             previous);
  }
}

void MpiCommunicator::ProgressThread::poll_failures() {
  std::deque<std::string> queued;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queued.swap(queued_failures_);
  }
  for (const std::string& sentence : queued) broadcast_failure(sentence, rank);

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

// Whoever is gone cannot be told
void MpiCommunicator::ProgressThread::broadcast_failure(const std::string& sentence, int except) {
  failed_ = true;
  sent_failures_.push_back(sentence);
  for (int other = 0; other < ranks; ++other)
    if (other != rank && other != except) {
      MPI_Request request;
      CHECK_MPI(MPI_Isend, sent_failures_.back().data(), static_cast<int>(sent_failures_.back().size()), MPI_CHAR, other,
                failure_tag, MPI_COMM_WORLD, &request);
      CHECK_MPI(MPI_Request_free, &request);
    }
  monitor->fail(std::make_exception_ptr(std::runtime_error(sentence)));
}

void MpiCommunicator::ProgressThread::enter_final_barrier() {
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
