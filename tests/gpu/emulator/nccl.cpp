#include "tests/gpu/emulator/nccl.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct Send {
  const void* from;
  std::size_t bytes;
  int peer;
};
struct Receive {
  void* to;
  std::size_t bytes;
  int peer;
};

struct Group {
  int depth = 0;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Send> sends;
  std::vector<Receive> receives;
};

}  // namespace

struct ncclComm {
  int rank, ranks;
  std::filesystem::path folder;
  bool blocking;
  bool complete = false;               // all ranks have joined
  int asked = 0;                       // number of queries since an operation began
  std::vector<Group> unlaunched = {};  // groups not yet enqueued on a stream
  std::shared_ptr<bool> aborted = std::make_shared<bool>(false);
  std::shared_ptr<ncclResult_t> state = std::make_shared<ncclResult_t>(ncclSuccess);
  std::map<int, long> sent = {}, received = {};  // messages, by peer
  long groups = 0;
};

namespace {

Group group;

// ---- One process ----------------------------------------------------------------------------

ncclResult_t match(const Group& ended) {
  if (ended.sends.size() != ended.receives.size()) return ncclInvalidUsage;
  for (std::size_t n = 0; n < ended.sends.size(); ++n)
    if (ended.sends[n].bytes != ended.receives[n].bytes) return ncclInvalidUsage;
  return ncclSuccess;
}

void launch_copies(const Group& ended) {
  for (std::size_t n = 0; n < ended.sends.size(); ++n)
    cudaMemcpyAsync(ended.receives[n].to, ended.sends[n].from, ended.sends[n].bytes, cudaMemcpyDefault,
                    ended.stream);
}

// ---- Several processes ------------------------------------------------------------------------

std::filesystem::path file_of(const ncclComm& comm, int from, int to, long number) {
  return comm.folder / (std::to_string(from) + "-" + std::to_string(to) + "-" + std::to_string(number));
}

// The rename makes the whole file appear at once
void write(const std::filesystem::path& path, const Send& send) {
  const std::filesystem::path unfinished = path.string() + ".unfinished";
  std::ofstream(unfinished, std::ios::binary)
      .write(static_cast<const char*>(send.from), static_cast<std::streamsize>(send.bytes));
  std::filesystem::rename(unfinished, path);
}

void read(const std::filesystem::path& path, const Receive& receive) {
  if (std::filesystem::file_size(path) != receive.bytes)
    throw std::runtime_error("[emulator] a message must have the size that its receiver expects");
  std::ifstream(path, std::ios::binary)
      .read(static_cast<char*>(receive.to), static_cast<std::streamsize>(receive.bytes));
  std::filesystem::remove(path);
}

void inject_fault(const ncclComm& comm, long number) {
  const char* const fault = std::getenv("EMULATED_NCCL_FAULT");
  char kind = 0;
  int rank = -1;
  long when = -1;
  if (!fault || std::sscanf(fault, "%c%*[a-z]:%d:%ld", &kind, &rank, &when) != 3) return;
  if (rank != comm.rank || when != number) return;
  if (kind == 'f') {
    *comm.state = ncclRemoteError;
  } else {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const long long ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    int gpu = 0;
    cudaGetDevice(&gpu);
    std::fprintf(stderr, "%lld: rank %d with GPU %d kills itself\n", ms, rank, gpu);
    std::raise(SIGKILL);
  }
}

void launch_exchange(ncclComm& comm, const Group& ended) {
  std::vector<std::filesystem::path> sent, received;
  for (const Send& send : ended.sends)
    sent.push_back(file_of(comm, comm.rank, send.peer, comm.sent[send.peer]++));
  for (const Receive& receive : ended.receives)
    received.push_back(file_of(comm, receive.peer, comm.rank, comm.received[receive.peer]++));
  const auto aborted = comm.aborted;
  emulator::enqueue(ended.stream, [=, &comm, number = comm.groups++] {
    if (*aborted) return;
    inject_fault(comm, number);
    for (std::size_t n = 0; n < sent.size(); ++n) write(sent[n], ended.sends[n]);
  });
  for (std::size_t n = 0; n < received.size(); ++n) {
    emulator::enqueue_wait(ended.stream, [=, path = received[n]] { return *aborted || exists(path); });
    emulator::enqueue(ended.stream, [=, path = received[n]] {
      if (!*aborted) read(path, ended.receives[n]);
    });
  }
  for (const auto& path : sent)
    emulator::enqueue_wait(ended.stream, [=] { return *aborted || !exists(path); });
}

// A communicator is complete when all ranks have joined
bool complete(ncclComm& comm) {
  for (int rank = 0; rank < comm.ranks && !comm.complete; ++rank)
    if (!exists(comm.folder / std::to_string(rank))) return false;
  return comm.complete = true;
}

void launch(ncclComm& comm) {
  for (const Group& ended : std::exchange(comm.unlaunched, {}))
    comm.ranks == 1 ? launch_copies(ended) : launch_exchange(comm, ended);
}

// The result of a call that starts an operation: a blocking call completes it, a nonblocking call must be polled
ncclResult_t begin_operation(ncclComm& comm) {
  comm.asked = 0;
  if (!comm.blocking) return ncclInProgress;
  while (!complete(comm)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  launch(comm);
  return ncclSuccess;
}

}  // namespace

// ---- Communicators ----------------------------------------------------------------------------

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess       ? "no error"
         : result == ncclRemoteError ? "remote process exited"
                                     : "invalid usage";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string name = (std::filesystem::temp_directory_path() / "emulated-nccl-XXXXXX").string();
  if (name.size() >= sizeof id->internal) return ncclInvalidUsage;
  *id = {};
  name.copy(id->internal, name.size());
  return mkdtemp(id->internal) ? ncclSuccess : ncclInvalidUsage;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (rank < 0 || rank >= ranks || !std::filesystem::is_directory(id.internal)) return ncclInvalidUsage;
  *comm =
      new ncclComm{.rank = rank, .ranks = ranks, .folder = id.internal, .blocking = config->blocking != 0};
  inject_fault(**comm, -1);
  std::ofstream sign_of_life((*comm)->folder / std::to_string(rank));
  return begin_operation(**comm);
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) { return begin_operation(*comm); }

namespace {

// The last rank removes the folder, unless messages are left in it
void leave(ncclComm& comm) {
  std::error_code not_there, not_empty;
  std::filesystem::remove(comm.folder / std::to_string(comm.rank), not_there);
  std::filesystem::remove(comm.folder, not_empty);
}

}  // namespace

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  leave(*comm);
  return delete comm, ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  *comm->aborted = true;
  leave(*comm);
  return delete comm, ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  constexpr int enough = 3;
  *error = *comm->state;
  if (*error == ncclSuccess && !comm->blocking && comm->asked < enough) {
    if (complete(*comm) && ++comm->asked == enough) launch(*comm);
    *error = comm->asked < enough ? ncclInProgress : ncclSuccess;
  }
  return ncclSuccess;
}

// ---- Groups -----------------------------------------------------------------------------------

ncclResult_t ncclGroupStart() { return ++group.depth, ncclSuccess; }
ncclResult_t ncclGroupEnd() {
  if (--group.depth > 0) return ncclSuccess;
  const Group ended = std::exchange(group, {});
  if (!ended.comm) return ncclSuccess;
  if (ended.comm->ranks == 1 && match(ended) != ncclSuccess) return ncclInvalidUsage;
  ended.comm->unlaunched.push_back(ended);
  return begin_operation(*ended.comm);
}

namespace {

bool joins_group(int peer, ncclComm_t comm, cudaStream_t stream) {
  if (group.depth == 0 || !comm || peer < 0 || peer >= comm->ranks) return false;
  group.comm = comm, group.stream = stream;
  return true;
}

}  // namespace

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (!joins_group(peer, comm, stream)) return ncclInvalidUsage;
  group.sends.push_back({from, count, peer});
  return ncclSuccess;
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (!joins_group(peer, comm, stream)) return ncclInvalidUsage;
  group.receives.push_back({to, count, peer});
  return ncclSuccess;
}
