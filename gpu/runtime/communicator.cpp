#include "gpu/runtime/communicator.h"

#include <nccl.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "reference/ring/schedule.h"

namespace ringattn::gpu {

namespace {

void check(ncclResult_t result, const char* call, const char* file, int line) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw GpuError("[nccl] " + std::string(call) + " failed: " + ncclGetErrorString(result) + " (" + file +
                 ":" + std::to_string(line) + ")");
}

void wait_a_moment() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

}  // namespace

#define CHECK_NCCL(call) check((call), #call, __FILE__, __LINE__)

// ---- What NCCL says ---------------------------------------------------------------------

struct Communicator::State {
  ncclComm_t comm = nullptr;
  int rank = 0, ranks = 1;
  std::function<void()> look_round = [] {};

  void begin(const ncclUniqueId& id);
  ncclResult_t state();
  void settle();
};

// No call of NCCL waits for another process: it would not return if that one is gone
void Communicator::State::begin(const ncclUniqueId& id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.maxCTAs = most_processors;
  CHECK_NCCL(ncclCommInitRankConfig(&comm, ranks, id, rank, &config));
  settle();
}

// Of everything asked for so far. Throws where it went wrong. NCCL may know that a neighbour is gone before
// it is known which one, which says it better
ncclResult_t Communicator::State::state() {
  constexpr auto known_within = std::chrono::seconds(6);
  look_round();
  ncclResult_t state = ncclSuccess;
  CHECK_NCCL(ncclCommGetAsyncError(comm, &state));
  if (state == ncclRemoteError || state == ncclSystemError)
    for (const auto began = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() - began < known_within; wait_a_moment())
      look_round();
  check(state, "a message", __FILE__, __LINE__);
  return state;
}

// Until NCCL has asked the streams for everything that it was asked for
void Communicator::State::settle() {
  while (state() == ncclInProgress) wait_a_moment();
}

// ---- For the ring -------------------------------------------------------------------------

bool Communicator::is_there() { return true; }
void Communicator::require_there() {}

std::string Communicator::new_id() {
  ncclUniqueId id;
  CHECK_NCCL(ncclGetUniqueId(&id));
  return std::string(id.internal, sizeof id.internal);
}

Communicator::Communicator() : Communicator(new_id(), 0, 1, [] {}) {}

Communicator::Communicator(const std::string& id, int rank, int ranks, std::function<void()> look_round)
    : state_(std::make_unique<State>()) {
  state_->rank = rank, state_->ranks = ranks;
  state_->look_round = std::move(look_round);
  ncclUniqueId unique;
  std::memcpy(unique.internal, id.data(), sizeof unique.internal);
  try {
    state_->begin(unique);
  } catch (...) {
    abort();
    throw;
  }
}

// Who fails does not wait until the others have ended, too
Communicator::~Communicator() {
  if (std::uncaught_exceptions() > 0) abort();
  if (!state_->comm) return;
  try {
    CHECK_NCCL(ncclCommFinalize(state_->comm));
    state_->settle();
    ncclCommDestroy(state_->comm);
  } catch (...) {
    abort();
  }
}

void Communicator::abort() {
  if (state_->comm) ncclCommAbort(std::exchange(state_->comm, nullptr));
}

void Communicator::pass(std::span<const Parcel> parcels, Stream& stream) {
  const int next = next_device(state_->rank, state_->ranks);
  const int previous = previous_device(state_->rank, state_->ranks);
  CHECK_NCCL(ncclGroupStart());
  for (const auto& [from, sent_bytes, to, received_bytes] : parcels) {
    if (sent_bytes > 0) CHECK_NCCL(ncclSend(from, sent_bytes, ncclInt8, next, state_->comm, stream));
    if (received_bytes > 0)
      CHECK_NCCL(ncclRecv(to, received_bytes, ncclInt8, previous, state_->comm, stream));
  }
  CHECK_NCCL(ncclGroupEnd());
  state_->settle();
}

void Communicator::wait_for(Stream& stream) {
  while (stream.busy()) {
    state_->state();
    wait_a_moment();
  }
  state_->state();
}

}  // namespace ringattn::gpu
