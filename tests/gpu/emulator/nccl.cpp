#include "tests/gpu/emulator/nccl.h"

#include <utility>
#include <vector>

struct ncclComm {};

namespace {

struct Send {
  const void* from;
  std::size_t bytes;
};
struct Receive {
  void* to;
  std::size_t bytes;
  cudaStream_t stream;
};

struct Group {
  int depth = 0;
  std::vector<Send> sends;
  std::vector<Receive> receives;
} group;

ncclResult_t match() {
  const Group ended = std::exchange(group, {});
  if (ended.sends.size() != ended.receives.size()) return ncclInvalidUsage;
  for (std::size_t n = 0; n < ended.sends.size(); ++n) {
    const Send& send = ended.sends[n];
    const Receive& receive = ended.receives[n];
    if (send.bytes != receive.bytes) return ncclInvalidUsage;
    cudaMemcpyAsync(receive.to, send.from, send.bytes, cudaMemcpyDefault, receive.stream);
  }
  return ncclSuccess;
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : "invalid usage";
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) { return *id = {}, ncclSuccess; }
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId, int rank, ncclConfig_t*) {
  if (ranks != 1 || rank != 0) return ncclInvalidUsage;
  *comm = new ncclComm;
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) { return delete comm, ncclSuccess; }
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) { return *error = ncclSuccess; }

ncclResult_t ncclGroupStart() { return ++group.depth, ncclSuccess; }
ncclResult_t ncclGroupEnd() { return --group.depth > 0 ? ncclSuccess : match(); }
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t, int peer, ncclComm_t,
                      cudaStream_t) {
  if (peer != 0 || group.depth == 0) return ncclInvalidUsage;
  group.sends.push_back({from, count});
  return ncclSuccess;
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t, int peer, ncclComm_t,
                      cudaStream_t stream) {
  if (peer != 0 || group.depth == 0) return ncclInvalidUsage;
  group.receives.push_back({to, count, stream});
  return ncclSuccess;
}
