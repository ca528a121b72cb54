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

void sleep_briefly() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

}  // namespace

#define CHECK_NCCL(call) check((call), #call, __FILE__, __LINE__)

// ---- What NCCL says ---------------------------------------------------------------------

struct Communicator::State {
  ncclComm_t comm = nullptr;
  int rank = 0, ranks = 1;
  std::function<void()> poll_failures = [] {};

  void init(const ncclUniqueId& id);
  ncclResult_t async_state();
  void wait_until_ready();
};

// No call of NCCL waits for another process: it would not return if that one is gone
void Communicator::State::init(const ncclUniqueId& id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.maxCTAs = max_ctas;
  CHECK_NCCL(ncclCommInitRankConfig(&comm, ranks, id, rank, &config));
  wait_until_ready();
}

// Of everything asked for so far. Throws where it went wrong. NCCL may know that a neighbour is gone before
// it is known which one, which says it better
ncclResult_t Communicator::State::async_state() {
  constexpr auto failure_grace = std::chrono::seconds(6);
  poll_failures();
  ncclResult_t state = ncclSuccess;
  CHECK_NCCL(ncclCommGetAsyncError(comm, &state));
  if (state == ncclRemoteError || state == ncclSystemError)
    for (const auto began = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() - began < failure_grace; sleep_briefly())
      poll_failures();
  check(state, "a message", __FILE__, __LINE__);
  return state;
}

// Until NCCL has asked the streams for everything that it was asked for
void Communicator::State::wait_until_ready() {
  while (async_state() == ncclInProgress) sleep_briefly();
}

// ---- For the ring -------------------------------------------------------------------------

bool Communicator::is_available() { return true; }
void Communicator::require_available() {}

std::string Communicator::new_id() {
  ncclUniqueId id;
  CHECK_NCCL(ncclGetUniqueId(&id));
  return std::string(id.internal, sizeof id.internal);
}

Communicator::Communicator() : Communicator(new_id(), 0, 1, [] {}) {}

Communicator::Communicator(const std::string& id, int rank, int ranks, std::function<void()> poll_failures)
    : state_(std::make_unique<State>()) {
  state_->rank = rank, state_->ranks = ranks;
  state_->poll_failures = std::move(poll_failures);
  ncclUniqueId unique;
  std::memcpy(unique.internal, id.data(), sizeof unique.internal);
  try {
    state_->init(unique);
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
    state_->wait_until_ready();
    ncclCommDestroy(state_->comm);
  } catch (...) {
    abort();
  }
}

void Communicator::abort() {
  if (state_->comm) ncclCommAbort(std::exchange(state_->comm, nullptr));
}

void Communicator::exchange(std::span<const Transfer> transfers, Stream& stream) {
  const int next = next_device(state_->rank, state_->ranks);
  const int previous = previous_device(state_->rank, state_->ranks);
  CHECK_NCCL(ncclGroupStart());
  for (const auto& [from, sent_bytes, to, received_bytes] : transfers) {
    if (sent_bytes > 0) CHECK_NCCL(ncclSend(from, sent_bytes, ncclInt8, next, state_->comm, stream));
    if (received_bytes > 0)
      CHECK_NCCL(ncclRecv(to, received_bytes, ncclInt8, previous, state_->comm, stream));
  }
  CHECK_NCCL(ncclGroupEnd());
  state_->wait_until_ready();
}

void Communicator::wait_for(Stream& stream) {
  while (stream.busy()) {
    state_->async_state();
    sleep_briefly();
  }
  state_->async_state();
}

}  // namespace ringattn::gpu
