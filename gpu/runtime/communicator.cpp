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

// ---- The state of NCCL ---------------------------------------------------------------------

struct Communicator::State {
  ncclComm_t comm = nullptr;
  int rank = 0, ranks = 1;
  std::function<void()> poll_failures = [] {};

  void init(const ncclUniqueId& id);
  ncclResult_t async_state();
  void wait_until_ready();
};

// Nonblocking: a blocking call would never return if another process died
void Communicator::State::init(const ncclUniqueId& id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.maxCTAs = max_ctas;
  CHECK_NCCL(ncclCommInitRankConfig(&comm, ranks, id, rank, &config));
  wait_until_ready();
}

// The state of everything enqueued so far; throws on errors. NCCL may notice that a peer has died before this process
// knows which one, so wait for the error that names it
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

// Waits until NCCL has enqueued everything on the streams
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

// After an error, do not wait for the other ranks to finish
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
