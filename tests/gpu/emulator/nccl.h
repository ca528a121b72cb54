#pragma once

// NCCL between emulated devices: one process that sends to itself, or several processes on one machine that
// exchange messages as files in a folder. The unique id is the path of that folder.
//
// EMULATED_NCCL_FAULT=kills:RANK:N or fails:RANK:N injects a fault in the process of that rank when it transfers
// its N-th group, counted from 0; -1 means before any communication. With kills the process terminates itself;
// with fails it is told that its neighbors have exited.

#include "tests/gpu/emulator/cuda_runtime.h"

enum ncclResult_t { ncclSuccess, ncclSystemError, ncclInvalidUsage, ncclRemoteError, ncclInProgress };
enum ncclDataType_t { ncclInt8 };
struct ncclUniqueId {
  char internal[128];
};
struct ncclConfig_t {
  int blocking, maxCTAs;
};
#define NCCL_CONFIG_INITIALIZER \
  { 1, 0 }
using ncclComm_t = struct ncclComm*;

const char* ncclGetErrorString(ncclResult_t result);
ncclResult_t ncclGetUniqueId(ncclUniqueId* id);
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config);
ncclResult_t ncclCommFinalize(ncclComm_t comm);
ncclResult_t ncclCommDestroy(ncclComm_t comm);

// Streams that wait for a message continue without it
ncclResult_t ncclCommAbort(ncclComm_t comm);

// A nonblocking caller polls until the result is no longer ncclInProgress; only then has the stream been given the work
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error);

// Sends and receives of a group are matched in order. An operation without a partner in its group waits until
// another process provides one, and later work on the stream waits as well
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
