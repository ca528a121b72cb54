#include "gpu/runtime/communicator.h"

#include <nccl.h>

namespace ringattn::gpu {

namespace {

constexpr int alone = 0, processes = 1;

// As many processors of the GPU as NCCL may take from the arithmetic, beside which it works
constexpr int most_processors = 4;

void check(ncclResult_t result, const char* call, const char* file, int line) {
  if (result == ncclSuccess) return;
  throw GpuError("[nccl] " + std::string(call) + " failed: " + ncclGetErrorString(result) + " (" + file +
                 ":" + std::to_string(line) + ")");
}

}  // namespace

#define CHECK_NCCL(call) check((call), #call, __FILE__, __LINE__)

struct Communicator::State {
  ncclComm_t comm = nullptr;
};

bool Communicator::is_there() { return true; }

Communicator::Communicator() : state_(std::make_unique<State>()) {
  ncclUniqueId id;
  CHECK_NCCL(ncclGetUniqueId(&id));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.maxCTAs = most_processors;
  CHECK_NCCL(ncclCommInitRankConfig(&state_->comm, processes, id, alone, &config));
}

Communicator::~Communicator() { ncclCommDestroy(state_->comm); }

void Communicator::pass(std::span<const Parcel> parcels, Stream& stream) {
  CHECK_NCCL(ncclGroupStart());
  for (const Parcel& parcel : parcels) {
    if (parcel.bytes == 0) continue;
    CHECK_NCCL(ncclSend(parcel.from, parcel.bytes, ncclInt8, alone, state_->comm, stream));
    CHECK_NCCL(ncclRecv(parcel.to, parcel.bytes, ncclInt8, alone, state_->comm, stream));
  }
  CHECK_NCCL(ncclGroupEnd());
}

void Communicator::check_on_the_way() {
  ncclResult_t result = ncclSuccess;
  CHECK_NCCL(ncclCommGetAsyncError(state_->comm, &result));
  check(result, "a message", __FILE__, __LINE__);
}

}  // namespace ringattn::gpu
