#include "reference/comm/mpi/mpi_communicator.h"

#include "reference/comm/mpi/progress_thread.h"

namespace ringattn {

namespace {

// Receives one text.
class TextReceiver : public ReceiveHandler {
 public:
  TextReceiver(MpiCommunicator& mpi, int from) : mpi_(mpi) { mpi_.post_receive(from, text_tag, *this); }
  ~TextReceiver() override { mpi_.cancel(*this); }

  Buffers buffers_for(std::span<const std::int64_t> header) override {
    text_ = std::make_shared<std::string>(static_cast<std::size_t>(header[0]), ' ');
    return {{std::as_writable_bytes(std::span(*text_))}, text_};
  }
  void on_received() override {
    const auto lock = mpi_.monitor().lock();
    arrived_ = true;
    mpi_.monitor().wake_external(lock, mpi_.rank());
  }

  std::string wait() {
    auto lock = mpi_.monitor().lock();
    mpi_.monitor().wait_external(lock, mpi_.rank(), [&] { return arrived_; });
    return std::move(*text_);
  }

 private:
  MpiCommunicator& mpi_;
  std::shared_ptr<std::string> text_;
  bool arrived_ = false;
};

void send_text(MpiCommunicator& mpi, int to, std::string text) {
  const auto kept = std::make_shared<const std::string>(std::move(text));
  mpi.send(to, text_tag,
           {{static_cast<std::int64_t>(kept->size())}, {std::as_bytes(std::span(*kept))}, kept});
}

}  // namespace

// ---- Point to point -----------------------------------------------------------------

MpiCommunicator::MpiCommunicator(std::chrono::milliseconds timeout)
    : progress_(std::make_unique<ProgressThread>(timeout)) {}

MpiCommunicator::~MpiCommunicator() {
  if (!progress_->finished()) abort(2);
}

int MpiCommunicator::rank() const { return progress_->rank; }
int MpiCommunicator::ranks() const { return progress_->ranks; }
int MpiCommunicator::local_rank() const { return progress_->local_rank; }
int MpiCommunicator::local_ranks() const { return progress_->local_ranks; }
RunMonitor& MpiCommunicator::monitor() { return *progress_->monitor; }

void MpiCommunicator::send(int to, MessageTag tag, Packet packet) {
  progress_->send(to, tag, std::move(packet));
}
void MpiCommunicator::post_receive(int from, MessageTag tag, ReceiveHandler& handler) {
  progress_->post_receive(from, tag, handler);
}
void MpiCommunicator::cancel(const ReceiveHandler& handler) { progress_->cancel(handler); }
void MpiCommunicator::fail(const std::string& sentence) {
  progress_->fail("[mpi] process " + std::to_string(rank()) + " failed: " + sentence);
}

// ---- Texts --------------------------------------------------------------------------

std::vector<std::string> MpiCommunicator::gather(std::string text) {
  if (rank() > 0) {
    send_text(*this, 0, std::move(text));
    return {};
  }
  std::vector<std::string> texts{std::move(text)};
  for (int from = 1; from < ranks(); ++from) texts.push_back(TextReceiver(*this, from).wait());
  return texts;
}

std::string MpiCommunicator::broadcast(std::string text) {
  if (rank() > 0) return TextReceiver(*this, 0).wait();
  for (int to = 1; to < ranks(); ++to) send_text(*this, to, text);
  return text;
}

// ---- The end of a run ---------------------------------------------------------------

void MpiCommunicator::finish() {
  progress_->finish();
  auto lock = monitor().lock();
  monitor().wait_external(lock, rank(), [&] { return progress_->finished(); });
}

void MpiCommunicator::abort(int status) {
  // The progress thread calls MPI_Abort, which ends this process
  progress_->abort(status);
  std::this_thread::sleep_for(std::chrono::seconds(5));
  std::_Exit(status);  // MPI_Abort did not end this process
}

// ---- Clocks -------------------------------------------------------------------------

std::int64_t MpiCommunicator::synchronized_time(WallClock::time_point moment) const {
  return nanoseconds(moment - progress_->run_start);
}

WallClock::time_point MpiCommunicator::local_time(std::int64_t synchronized) const {
  return progress_->run_start + std::chrono::nanoseconds(synchronized);
}

}  // namespace ringattn
