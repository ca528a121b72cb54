#pragma once

// NCCL between emulated devices: of one process, which sends to itself, or of several on one machine, whose
// messages are files in a folder. The unique id is the path of that folder.
//
// EMULATED_NCCL_FAULT=kills:RANK:N or fails:RANK:N is for the process of that rank, when its N-th group,
// counted from 0, is to travel, or -1: before it takes part in anything. It kills itself; or its neighbours
// are gone, as far as it can tell.

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

// Streams that wait for a message go on without it
ncclResult_t ncclCommAbort(ncclComm_t comm);

// Who does not block has to ask until it is no longer ncclInProgress: before, nothing was asked of the stream
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error);

// Sends and receives of a group are matched in their order. One that finds no partner in its group waits
// until another process has one, and what comes after it on the stream waits, too
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
